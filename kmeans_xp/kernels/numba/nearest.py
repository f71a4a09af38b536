"""Nearest centres with Numba: by what is loaded and suits the block, else by NumPy."""

from collections.abc import Callable

import numpy as np

from kmeans_xp.kernels.choose import regimes
from kmeans_xp.kernels.interface import RowSums, Team
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.compiling import DTYPES, LOW_D, PRODUCT, PROJECTION
from kmeans_xp.kernels.numpy import nearest as numpy_nearest
from kmeans_xp.kernels.numpy import sums as numpy_sums
from kmeans_xp.kernels.numpy.memory import gathered
from kmeans_xp.kernels.shared.binned_sums import BinnedSum
from kmeans_xp.kernels.shared.cluster_totals import ClusterTotals
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters

# Entries of X up to which all rows are one block; rows that are not contiguous are copied for that.
ENTRIES = 1 << 25


def labels(block: np.ndarray, prepared: PreparedCenters) -> np.ndarray:
    """Return the index of the nearest centre of each row, (B,) int32; the lowest of equals."""
    if _is_low_d(block, prepared):
        from kmeans_xp.kernels.numba.low_d import nearest as low_d_nearest

        return low_d_nearest.labels(block, prepared)
    projects = regimes.projects_once(block.shape[1], len(prepared.centers))
    if not (projects and compiling.ready(block.dtype, PROJECTION)):
        return _by_product(block, prepared)
    from kmeans_xp.kernels.numba.high_d import projection as high_d_projection

    found, undecided = high_d_projection.labels_once(block, prepared)
    if len(undecided):
        found[undecided] = _by_product(gathered(block, undecided), prepared)
    return found


def nearest(block: np.ndarray, prepared: PreparedCenters) -> tuple[np.ndarray, np.ndarray]:
    """Return labels, (B,) int32, and squared distances, (B,) float64."""
    if not _is_low_d(block, prepared):
        found = labels(block, prepared)
        return found, own_distances(block, prepared, found)
    from kmeans_xp.kernels.numba.low_d import nearest as low_d_nearest

    return low_d_nearest.nearest(block, prepared)


def label_all(
    whole: Callable[[int], np.ndarray | None],
    team: Team,
    prepared: PreparedCenters,
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
    prepared : PreparedCenters
    squared : bool
        Whether squared distances are asked for.

    Returns
    -------
    tuple or None
        Labels, (n,) int32; squared distances, (n,) float64 if asked for; and the largest absolute
        value of the rows, NaN if they are not finite.
    """
    if not _is_low_d(prepared.centers, prepared):
        return None
    from kmeans_xp.kernels.numba.low_d import nearest as low_d_nearest

    rows = whole(ENTRIES // prepared.centers.shape[1])
    return (
        None
        if rows is None
        else low_d_nearest.label_all(rows, prepared, squared=squared, team=team)
    )


def distances_all(
    whole: Callable[[int], np.ndarray | None],
    team: Team,
    prepared: PreparedCenters,
) -> tuple[np.ndarray, float] | None:
    """Return the distances, not squared, of all rows to every centre, (n, k), as `label_all`."""
    rows = whole(ENTRIES // prepared.centers.shape[1])
    if rows is None or not compiling.ready(rows.dtype, LOW_D):
        return None
    from kmeans_xp.kernels.numba.low_d import distances as low_d_distances

    return low_d_distances.distances_all(rows, prepared, team)


def assign_and_sum(
    block: np.ndarray, weights: np.ndarray | None, *, prepared: PreparedCenters
) -> ClusterTotals:
    """Return the totals of the rows that are nearest to each centre."""
    return numpy_sums.sum_by_label(block, labels(block, prepared), weights, prepared)


def sums_about(
    block: np.ndarray, weights: np.ndarray | None, about: np.ndarray, grid: float
) -> RowSums:
    """Return what the rows add up to about a point, their squares on a grid as in `exact_sums`."""
    if weights is not None or not compiling.ready(block.dtype, LOW_D):
        return numpy_sums.sums_about(block, weights, about, grid)
    from kmeans_xp.kernels.numba.low_d import distances as low_d_distances

    return low_d_distances.sums_about(block, about, grid)


def binned_sum(addends: np.ndarray, count: int) -> BinnedSum:
    """Return the sum of addends, as `kmeans_xp.kernels.shared.binned_sums` specifies."""
    if not any(compiling.ready(dtype, LOW_D) for dtype in DTYPES):
        return numpy_sums.binned_sum(addends, count)
    from kmeans_xp.kernels.numba.low_d import distances as low_d_distances

    return low_d_distances.binned_sum(addends, count)


def own_distances(block: np.ndarray, prepared: PreparedCenters, labels: np.ndarray) -> np.ndarray:
    """Return each row's squared distance to the centre of its label, by direct differences."""
    if not compiling.ready(block.dtype, LOW_D):
        return numpy_nearest.own_distances(block, prepared, labels)
    from kmeans_xp.kernels.numba.low_d import distances as low_d_distances

    return low_d_distances.own_distances(block, prepared, labels)


def count(labels: np.ndarray, k: int) -> np.ndarray:
    """Return how many rows have each label, (k,) integers."""
    if not any(compiling.ready(dtype, LOW_D) for dtype in DTYPES):
        return numpy_sums.count(labels, k)
    from kmeans_xp.kernels.numba.low_d import distances as low_d_distances

    return low_d_distances.count(labels, k)


def _by_product(block: np.ndarray, prepared: PreparedCenters) -> np.ndarray:
    if not compiling.ready(block.dtype, PRODUCT):
        return numpy_nearest.labels(block, prepared)
    from kmeans_xp.kernels.numba.high_d import product as high_d_product

    return high_d_product.labels(block, prepared)


def _is_low_d(block: np.ndarray, prepared: PreparedCenters) -> bool:
    low_d = regimes.is_low_d(block.shape[1], len(prepared.centers))
    return low_d and compiling.ready(block.dtype, LOW_D)
