r"""Greedy k-means++ from rows that are rounded to bytes, compiled by Numba.

About an origin, x̂ is a row x rounded to whole multiples of a scale, at most 127 of them, and
x·c is at most x̂·ĉ + ‖x - x̂‖‖ĉ‖ + ‖x‖‖c - ĉ‖. What is lost to rounding is measured, not guessed, and
the sum of the products of bytes is exact, so that ‖x‖² + ‖c‖² less twice that is a lower bound of
the squared distance, which excludes nearly all pairs; the others are measured. A row's marks are
its scale, ‖x - x̂‖ and ‖x‖ rounded up, and ‖x‖² rounded down.

Imported only where Numba is.
"""

from functools import partial
from typing import final

import numpy as np

from kmeans_xp.kernels import byte_loops
from kmeans_xp.kernels.byte_tiles import CENTERS, ROWS
from kmeans_xp.kernels.fast_lanes import ready_rows, sealed
from kmeans_xp.kernels.fast_vector import LANES
from kmeans_xp.kernels.seed_host import by_column
from kmeans_xp.kernels.seeder import Gains, Seeder, Step

# Bytes of a block.
BLOCK = 1 << 22
# Bytes of a word, by which rows are made unsigned.
SIGNS = np.int32(-0x7F7F7F80)


@final
class ByteSeeder(Seeder):
    """Remembers rows as bytes, and which candidates are nearer than a row's mass.

    Parameters
    ----------
    n, trials : int
        Rows, and candidates for each centre.
    origin : array of shape (d,)
        A point amid the rows.
    dtype : dtype
        Of the masses.
    """

    def __init__(self, n: int, trials: int, origin: np.ndarray, dtype: type) -> None:
        width = width_of(len(origin))
        self.origin = origin.astype(np.float64)
        self.memory = (
            np.empty(n, dtype),
            np.empty((n, width), np.int32),
            np.empty((n, 4), np.float32),
            np.empty((n, trials), np.bool_),
        )
        self.block_rows = max(1, BLOCK // (4 * width * ROWS)) * ROWS

    def start(self, center: np.ndarray) -> Step:
        """Return the step that takes in the first centre, (d,)."""
        return partial(_start_step, origin=self.origin, center=sealed(center))

    def score(self, candidates: np.ndarray) -> Step:
        """Return the step that scores candidates, (T, d)."""
        candidates = ready_rows(candidates)
        short = short_centers(candidates, self.origin)
        return partial(_score_step, candidates=candidates, short=short)

    def keep(self, candidates: np.ndarray, best: int) -> Step:
        """Return the step that takes in one of the candidates that were just scored."""
        return partial(_keep_step, center=sealed(candidates[best]), best=best)


def width_of(d: int) -> int:
    """Return how many words of four bytes hold d features."""
    return -(-d // 4)


def short_centers(centers: np.ndarray, origin: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return centres as `byte_loops.bound` takes them, filled up to whole tiles.

    Returns
    -------
    words : ndarray of shape (m, w), int32
        As signed bytes.
    starts : ndarray of shape (m,), int32
        What to begin their products with, since rows are unsigned.
    terms : ndarray of shape (4, m), float32
        Factors of a row's product, of what it lost and of its norm, and what their sum must be
        above for the centre to be excluded.
    """
    k, d = centers.shape
    size = -(-k // CENTERS) * CENTERS
    words = np.zeros((size, width_of(d)), np.int32)
    marks, terms = np.empty((4, k), np.float32), np.zeros((4, size), np.float32)
    byte_loops.shorten(ready_rows(centers), origin, words[:k], marks)
    scale, lost, norm, square = marks
    terms[0, :k] = -2 * scale
    terms[1, :k] = -2 * (norm + lost)
    terms[2, :k] = -2 * lost
    terms[3, :k] = 16 * (d + 16) * np.finfo(np.float32).smallest_normal - square
    return words, -128 * words.view(np.int8).sum(axis=1, dtype=np.int32), terms


def by_lanes(words: np.ndarray) -> None:
    """Turn rows of signed bytes into what tiles take, as many as make whole ones."""
    lanes = words[: len(words) // ROWS * ROWS].reshape(-1, LANES, words.shape[1])
    lanes[:] = (lanes.transpose(0, 2, 1) ^ SIGNS).reshape(lanes.shape)


def _start_step(
    block: np.ndarray,
    weights: np.ndarray | None,
    mass: np.ndarray,
    words: np.ndarray,
    marks: np.ndarray,
    closer: np.ndarray,
    *,
    origin: np.ndarray,
    center: np.ndarray,
) -> Gains:
    rows = ready_rows(block)
    byte_loops.shorten(rows, origin, words, by_column(marks))
    by_lanes(words)
    squares = _squares(rows, np.arange(len(rows)), center)
    mass[:] = squares if weights is None else squares * weights
    # What overflows in the precision of the rows is infinite.
    return Gains(squares.astype(block.dtype).sum(keepdims=True, dtype=np.float64))


def _score_step(
    block: np.ndarray,
    weights: np.ndarray | None,
    mass: np.ndarray,
    words: np.ndarray,
    marks: np.ndarray,
    closer: np.ndarray,
    *,
    candidates: np.ndarray,
    short: tuple[np.ndarray, ...],
) -> Gains:
    nearer, gains = by_column(closer)[: len(candidates)], np.zeros(len(candidates))
    limits = mass if weights is None else np.where(weights > 0, mass / weights, 0)
    single = limits.astype(np.float32, copy=False)
    which = byte_loops.bound(words.reshape(-1), by_column(marks), single, short, nearer)
    limits, weights = limits.astype(block.dtype, copy=False), _ready_weights(weights)
    rows, places = _reachable(block, which)
    byte_loops.measure(rows, places, which, candidates, limits, weights, nearer, gains)
    return Gains(gains)


def _keep_step(
    block: np.ndarray,
    weights: np.ndarray | None,
    mass: np.ndarray,
    words: np.ndarray,
    marks: np.ndarray,
    closer: np.ndarray,
    *,
    center: np.ndarray,
    best: int,
) -> None:
    which = np.flatnonzero(by_column(closer)[best])
    new = _squares(block, which, center)
    mass[which] = np.minimum(mass[which], new if weights is None else new * weights[which])


def _squares(block: np.ndarray, which: np.ndarray, center: np.ndarray) -> np.ndarray:
    """Return squared distances of some rows to a centre, float64."""
    found = np.empty(len(which))
    byte_loops.squares(*_reachable(block, which), center, found)
    return found


def _reachable(block: np.ndarray, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rows as loops take them, and where the rows `which` are; all others may be missing."""
    if block.flags.c_contiguous:
        return ready_rows(block), which
    return ready_rows(block[which]), np.arange(len(which))


def _ready_weights(weights: np.ndarray | None) -> np.ndarray:
    return sealed(np.empty(0) if weights is None else np.require(weights, np.float64, ["C", "A"]))
