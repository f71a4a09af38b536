"""Pieces of the rows that threads share inside a compiled function. Imported only where Numba is.

Each thread calls the function with the same arguments, takes one piece after another, and returns
when none is left. Nobody waits for a thread that has not begun.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from kmeans_xp.kernels.interface import Team
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.simd.atomics import count_up, pause, read_counter, set_counter

# Rows times centres times features from which a pass over the rows takes longer than to wake
# another thread.
SHARED_FROM = 1 << 22
# How often a thread that finds no piece left asks whether the others are done.
SPINS = 1 << 14


class Progress(NamedTuple):
    """How many pieces were taken, and are done: (1,) int64, which threads count up together."""

    taken: np.ndarray
    done: np.ndarray


def no_progress(taken: int = 0) -> Progress:
    """Return the progress of pieces of which none is done."""
    return Progress(np.full(1, taken), np.zeros(1, np.int64))


def share(work: Callable[[], bool], team: Team | None, operations: int) -> None:
    """Run `work` on one thread, or with the help of others where that is worth waking them."""
    if team is None or operations < SHARED_FROM:
        work()
    else:
        team(work, work)


@compiling.part
def take(progress: Progress, pieces: int) -> int:
    """Return the number of the next of so many pieces; no less than all if none is left."""
    return count_up(progress.taken, 0) if read_counter(progress.taken, 0) < pieces else pieces


@compiling.part
def finish(progress: Progress) -> None:
    """Count a piece that is done."""
    count_up(progress.done, 0)


@compiling.part
def are_done(progress: Progress, pieces: int) -> bool:
    """Return whether all pieces are done."""
    return read_counter(progress.done, 0) >= pieces


@compiling.part
def wait(progress: Progress, pieces: int) -> bool:
    """Return whether all pieces are done, after a while of waiting for those that others took."""
    for _ in range(SPINS):
        if are_done(progress, pieces):
            return True
        pause()
    return False


@compiling.part
def restart(progress: Progress) -> None:
    """Offer all pieces again; whoever takes one sees all that was written before."""
    set_counter(progress.done, 0, 0)
    set_counter(progress.taken, 0, 0)
