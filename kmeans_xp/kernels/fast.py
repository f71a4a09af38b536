"""NumPy's kernels, compiled by Numba where that is faster and has been done already."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kmeans_xp.kernels import fast_compile, host, host_gaps
from kmeans_xp.kernels.frame import Frame
from kmeans_xp.kernels.host import block_rows, distances, sum_by_label
from kmeans_xp.kernels.projection import width_of
from kmeans_xp.kernels.stepper import Team

__all__ = [
    "block_rows",
    "count",
    "distances",
    "distances_all",
    "fetch",
    "label_all",
    "labels",
    "nearest",
    "own_distances",
    "ready",
    "sum_by_label",
]

# With more features, sixteen rows at a time are slower than a matrix product; of which few centres
# make little use.
LANES_UP_TO, FEW, FEW_UP_TO = 32, 16, 96
# Entries of rows that are looked at all at once: of some layouts that takes a copy.
ENTRIES = 1 << 25


def ready() -> bool:
    """Return whether anything is compiled or loaded."""
    loops = fast_compile.LOOPS, fast_compile.PAIR_LOOPS, fast_compile.WIDE_LOOPS
    return any(fast_compile.ready(dtype, name) for dtype in fast_compile.DTYPES for name in loops)


def fetch(shape: tuple[int, int], k: int, dtype: Any) -> None:
    """Load what labels rows of this shape fastest, if one pass over them repays it."""
    n, d = shape
    wide = (fast_compile.PAIR_LOOPS,) * by_short(d, k) + (fast_compile.WIDE_LOOPS,)
    for name in (fast_compile.LOOPS,) if by_lanes(d, k) else wide:
        fast_compile.repaid(n * k * (d + 8), dtype, name)


def by_lanes(d: int, k: int) -> bool:
    """Return whether rows of d features find k centres faster sixteen at a time."""
    return d <= (FEW_UP_TO if k <= FEW else LANES_UP_TO)


def by_short(d: int, k: int) -> bool:
    """Return whether products of short rows take at most half as long as whole ones."""
    return 2 * width_of(d) * (d + k) <= k * d


def labels(block: np.ndarray, frame: Frame) -> np.ndarray:
    """Return the index of the nearest centre of each row, (B,) int32; the lowest of equals."""
    if _by_lanes(block, frame):
        from kmeans_xp.kernels import fast_lanes

        return fast_lanes.labels(block, frame)
    short = by_short(block.shape[1], len(frame.centers))
    if not (short and fast_compile.ready(block.dtype, fast_compile.PAIR_LOOPS)):
        return _by_product(block, frame)
    from kmeans_xp.kernels import fast_projection

    found, left = fast_projection.undecided(block, frame)
    if len(left):
        found[left] = _by_product(host_gaps.gathered(block, left), frame)
    return found


def nearest(block: np.ndarray, frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """Return labels, (B,) int32, and squared distances, (B,) float64."""
    if not _by_lanes(block, frame):
        found = labels(block, frame)
        return found, own_distances(block, frame, found)
    from kmeans_xp.kernels import fast_lanes

    return fast_lanes.nearest(block, frame)


def label_all(
    whole: Callable[[int], np.ndarray | None],
    team: Team,
    frame: Frame,
    *,
    squared: bool,
) -> tuple[np.ndarray, np.ndarray, float] | None:
    """Label all rows at once, if they are one block and that is faster than block by block.

    Parameters
    ----------
    whole : callable
        (most) -> all rows, or None if they are more than that.
    team : callable
        (work, help) -> None: calls `work` until it returns true, and `help` on other threads.
    frame : Frame
    squared : bool
        Whether squared distances are asked for.

    Returns
    -------
    tuple or None
        Labels, (n,) int32; squared distances, (n,) float64 if asked for; and the largest absolute
        value of the rows, NaN if they are not finite.
    """
    if not _by_lanes(frame.centers, frame):
        return None
    from kmeans_xp.kernels import fast_lanes

    rows = whole(ENTRIES // frame.centers.shape[1])
    return None if rows is None else fast_lanes.label_all(rows, frame, squared=squared, team=team)


def distances_all(
    whole: Callable[[int], np.ndarray | None],
    team: Team,
    frame: Frame,
) -> tuple[np.ndarray, float] | None:
    """Return the distances, not squared, of all rows to every centre, (n, k), as `label_all`."""
    k, d = frame.centers.shape
    rows = whole(ENTRIES // d)
    if rows is None or not fast_compile.repaid(rows.size * k, rows.dtype, fast_compile.LOOPS):
        return None
    from kmeans_xp.kernels import fast_lanes

    return fast_lanes.distances_all(rows, frame, team)


def own_distances(block: np.ndarray, frame: Frame, labels: np.ndarray) -> np.ndarray:
    """Return each row's squared distance to the centre of its label, by direct differences."""
    if not fast_compile.ready(block.dtype):
        return host.own_distances(block, frame, labels)
    from kmeans_xp.kernels import fast_lanes

    return fast_lanes.own_distances(block, frame, labels)


def count(labels: np.ndarray, k: int) -> np.ndarray:
    """Return how many rows have each label, (k,) integers."""
    if not any(fast_compile.ready(dtype) for dtype in fast_compile.DTYPES):
        return host.count(labels, k)
    from kmeans_xp.kernels import fast_lanes

    return fast_lanes.count(labels, k)


def _by_product(block: np.ndarray, frame: Frame) -> np.ndarray:
    if not fast_compile.ready(block.dtype, fast_compile.WIDE_LOOPS):
        return host.labels(block, frame)
    from kmeans_xp.kernels import fast_wide

    return fast_wide.labels(block, frame)


def _by_lanes(block: np.ndarray, frame: Frame) -> bool:
    return by_lanes(block.shape[1], len(frame.centers)) and fast_compile.ready(block.dtype)
