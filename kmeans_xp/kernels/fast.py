"""NumPy's kernels, compiled by Numba where that is faster and has been done already."""

from typing import Any

import numpy as np

from kmeans_xp.kernels import fast_compile, host, host_gaps
from kmeans_xp.kernels.frame import Frame
from kmeans_xp.kernels.host import block_rows, count, distances, sum_by_label
from kmeans_xp.kernels.projection import width_of

__all__ = [
    "block_rows",
    "count",
    "distances",
    "fetch",
    "labels",
    "nearest",
    "own_distances",
    "ready",
    "sum_by_label",
]

# With more features, sixteen rows at a time are slower than a matrix product; of which few centres
# make little use.
LANES_UP_TO, FEW, FEW_UP_TO = 32, 16, 96


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


def own_distances(block: np.ndarray, frame: Frame, labels: np.ndarray) -> np.ndarray:
    """Return each row's squared distance to the centre of its label, by direct differences."""
    if not fast_compile.ready(block.dtype):
        return host.own_distances(block, frame, labels)
    from kmeans_xp.kernels import fast_lanes

    return fast_lanes.own_distances(block, frame, labels)


def _by_product(block: np.ndarray, frame: Frame) -> np.ndarray:
    if not fast_compile.ready(block.dtype, fast_compile.WIDE_LOOPS):
        return host.labels(block, frame)
    from kmeans_xp.kernels import fast_wide

    return fast_wide.labels(block, frame)


def _by_lanes(block: np.ndarray, frame: Frame) -> bool:
    return by_lanes(block.shape[1], len(frame.centers)) and fast_compile.ready(block.dtype)
