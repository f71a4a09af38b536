"""The one table of trackers, and how one is chosen for a fit."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import array_api_compat
import numpy as np

from kmeans_xp.arrays import Namespace
from kmeans_xp.kernels import (
    byte_sample,
    fast,
    fast_compile,
    host,
    host_gaps,
    host_projection,
    host_step,
)
from kmeans_xp.kernels.frame import Frame
from kmeans_xp.kernels.stepper import Stepper, Team
from kmeans_xp.kernels.table import Kernel, find_kernel
from kmeans_xp.kernels.task import Task
from kmeans_xp.kernels.tracker import GapTracker, ProjectionTracker, Tracker

# With more features, few rows are so near to their centre that its distance to others decides.
SPACED = 8
# With fewer features or centres, a short product costs as much as it saves; so it does where it
# leaves more than this part of the centres near a row.
WIDE, LEFT = 48, 0.09
# To look at one centre costs as much as bytes save in products of so many features.
SAVED = 5000
# Centres that are put in order by their distances at most, and rows to each that repay it: the
# first few are so in no time.
MANY, ROWS_OF_EACH = 2048, 256
SOME, ROWS_OF_SOME = 256, 16
# Rows up to which an iteration is one call, of which threads share the pieces.
AT_ONCE = 1 << 20
# Entries of a matrix that may be kept twice.
SMALL = 1 << 18


@dataclass(frozen=True)
class Tracking:
    """One way to skip rows that keep their label.

    Attributes
    ----------
    name : str
        What the result reports, and what ``algorithm=`` may ask for.
    algorithm : str
        The algorithm that it implements; ``algorithm=`` may ask for the best of those.
    runs_on : callable
        Whether it takes arrays of a namespace.
    loops : str or None
        The module of its compiled loops.
    suits : callable
        Task -> whether it is better than those below it in the table.
    start : callable
        Task -> the tracker of a run.
    stepper : callable or None
        (all rows, weights, k, origin, team) -> what does the whole iterations of a run.
    at_once : callable
        Task -> up to how many rows it does so.
    """

    name: str
    algorithm: str
    runs_on: Callable[[Namespace], bool]
    loops: str | None
    suits: Callable[[Task], bool]
    start: Callable[[Task], Tracker]
    stepper: Callable[..., Stepper] | None = None
    at_once: Callable[[Task], int] = lambda _: 0

    def fits(self, task: Task) -> bool:
        """Return whether to choose it unasked: if what it compiles is worth waiting for."""
        if not self.suits(task):
            return False
        return self.loops is None or fast_compile.worthwhile(task.work, task.dtype, self.loops)

    def prepare(self, task: Task) -> bool:
        """Make ready what it compiles, however long it takes; return whether that was possible."""
        return self.loops is None or fast_compile.prepare(task.dtype, self.loops)


def _low(task: Task) -> bool:
    some = min(SOME, task.n // ROWS_OF_SOME)
    most = max(fast.FEW, some, min(MANY, task.n // ROWS_OF_EACH))
    return 1 < task.k <= most and fast.by_lanes(task.d, task.k)


def _lanes(task: Task) -> Tracker:
    from kmeans_xp.kernels import fast_lanes

    def about(frame: Frame) -> dict[str, Any]:
        return {"neighbors": fast_lanes.neighbors_of(frame)}

    size = fast_lanes.block_rows(task.k)
    return GapTracker(fast_lanes.advance, task.n, task.k, block_rows=size, about=about)


def _lane_steps(*about: Any) -> Stepper:
    from kmeans_xp.kernels import fast_step

    return fast_step.FastStepper(*about)


def _several(task: Task) -> bool:
    return task.k > 1


def _wide(task: Task) -> Tracker:
    from kmeans_xp.kernels import fast_projection, fast_wide

    def about(frame: Frame) -> dict[str, Any]:
        return {"factors": fast_wide.factors_of(frame)}

    size = fast_projection.block_rows(task.k, task.d)
    return GapTracker(fast_wide.advance, task.n, task.k, block_rows=size, about=about)


def _by_bytes(task: Task) -> bool:
    fits = WIDE <= task.d <= byte_sample.BYTES_UP_TO and WIDE <= task.k <= task.n // 4
    if not (fits and fast_compile.byte_products()):
        return False
    return byte_sample.part_left(task.some, task.k) < task.d / SAVED


def _bytes(task: Task) -> Tracker:
    from kmeans_xp.kernels import fast_bytes, fast_projection

    def about(frame: Frame) -> dict[str, Any]:
        return {"centers": fast_bytes.centers_of(frame)}

    size = fast_projection.block_rows(task.k, task.d)
    beside = fast_bytes.memory_of(task.n, task.d)
    return GapTracker(
        fast_bytes.advance, task.n, task.k, block_rows=size, about=about, beside=beside
    )


def _gaps(task: Task) -> Tracker:
    spaced = task.d <= SPACED and task.k <= host.FEW

    def about(frame: Frame) -> dict[str, Any]:
        return {"spaces": host_gaps.spaces_of(frame.wide_centers) if spaced else None}

    size = host_gaps.block_rows(task.n, task.k, task.d)
    # Rows that make a small matrix are kept as products take them: a third of an iteration.
    small = task.n * task.d <= SMALL
    beside = (np.empty((task.n, task.d + 2), task.dtype),) if small else ()
    return GapTracker(
        host_gaps.advance, task.n, task.k, block_rows=size, about=about, beside=beside
    )


def _gap_steps(block: Any, weights: Any, k: int, origin: Any, _team: Team) -> Stepper:
    return host_step.HostStepper(block, weights, k, origin)


def _one_block(task: Task) -> int:
    return host.BLOCK // max(task.d, task.k) if task.k <= host.FEW else 0


def _few_directions(task: Task) -> bool:
    if not (task.d >= WIDE and WIDE <= task.k <= task.n // 4):
        return False
    return task.part_left < LEFT


def _projection(task: Task) -> Tracker:
    return _projected(host_projection.advance, host_projection.block_rows(task.n, task.d), task)


def _fast_projection(task: Task) -> Tracker:
    from kmeans_xp.kernels import fast_projection

    size = fast_projection.block_rows(task.k, task.d)
    return _projected(fast_projection.advance, size, task)


def _projected(advance: Callable[..., Any], size: int, task: Task) -> Tracker:
    return ProjectionTracker(
        advance,
        task.n,
        task.k,
        block_rows=size,
        directions=task.directions,
        dtype=task.dtype,
    )


_numpy = array_api_compat.is_numpy_namespace
_tracking = partial(Tracking, runs_on=_numpy)

# The first row that suits is taken.
TRACKINGS: tuple[Tracking, ...] = (
    _tracking(
        name="numba projection",
        algorithm="projection",
        loops=fast_compile.PAIR_LOOPS,
        suits=_few_directions,
        start=_fast_projection,
    ),
    _tracking(
        name="numba hamerly",
        algorithm="hamerly",
        loops=fast_compile.LOOPS,
        suits=_low,
        start=_lanes,
        stepper=_lane_steps,
        at_once=lambda _: AT_ONCE,
    ),
    _tracking(
        name="numba bytes",
        algorithm="hamerly",
        loops=fast_compile.BYTE_LOOPS,
        suits=_by_bytes,
        start=_bytes,
    ),
    _tracking(
        name="numba wide",
        algorithm="hamerly",
        loops=fast_compile.WIDE_LOOPS,
        suits=_several,
        start=_wide,
    ),
    _tracking(
        name="numpy projection",
        algorithm="projection",
        loops=None,
        suits=_few_directions,
        start=_projection,
    ),
    _tracking(
        name="numpy hamerly",
        algorithm="hamerly",
        loops=None,
        suits=_several,
        start=_gaps,
        stepper=_gap_steps,
        at_once=_one_block,
    ),
)


def find_lloyd(xp: Namespace, algorithm: str, task: Task | None) -> tuple[Kernel, Tracking | None]:
    """Return the kernel that `algorithm` asks for, and what it remembers of rows, if anything.

    Parameters
    ----------
    xp : namespace
        Of blocks.
    algorithm : str
        ``"auto"``, an algorithm, or a kernel or tracking by its name.
    task : Task or None
        What is to be tracked; None where steps have no place to remember anything.

    Raises
    ------
    ValueError
        If there is nothing of this name for such rows.
    """
    if task is None:
        return find_kernel(xp, algorithm), None
    fitting = [tracking for tracking in TRACKINGS if tracking.runs_on(xp)]
    if algorithm == "auto":
        return find_kernel(xp), next((t for t in fitting if t.fits(task)), None)
    for tracking in fitting:
        if algorithm == tracking.name and tracking.prepare(task):
            return find_kernel(xp), tracking
        if algorithm == tracking.algorithm and (tracking.loops is None or tracking.fits(task)):
            return find_kernel(xp), tracking
    names = [name for t in fitting for name in (t.algorithm, t.name)]
    return find_kernel(xp, algorithm, besides=names), None
