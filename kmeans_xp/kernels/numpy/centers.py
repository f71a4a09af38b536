"""Where the centres of a fused iteration move, in few calls."""

import numpy as np

from kmeans_xp.kernels.shared.cluster_totals import ClusterTotals


def means(
    totals: ClusterTotals, centers: np.ndarray, wide_origin: np.ndarray
) -> tuple[np.ndarray, int]:
    """Return the mean of each cluster, and how many are empty: their centres stay.

    Parameters
    ----------
    totals : ClusterTotals
        About the origin.
    centers : ndarray of shape (k, d)
        Those before, in the dtype that the means are wanted in.
    wide_origin : ndarray of shape (d,), float64
    """
    sums, weights = totals.sums, totals.weights
    empty = len(centers) - int(np.count_nonzero(weights))
    if not empty:
        found = sums / weights[:, None]
        found += wide_origin
        return found.astype(centers.dtype), 0
    occupied = weights[:, None] > 0
    found = wide_origin + sums / np.where(occupied, weights[:, None], 1)
    return np.where(occupied, found.astype(centers.dtype), centers), empty
