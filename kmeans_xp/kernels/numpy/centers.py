"""Where the centres of a fused iteration move, in few calls."""

import numpy as np

from kmeans_xp.kernels.shared.cluster_totals import Move, means_of
from kmeans_xp.kernels.shared.ordered_sums import half_of


def moved(
    high: np.ndarray,
    low: np.ndarray,
    weights: np.ndarray,
    centers: np.ndarray,
    wide_origin: np.ndarray | None,
) -> Move:
    """Return what `kmeans_xp.kernels.shared.cluster_totals.move` does, to the last bit.

    Parameters
    ----------
    high, low : ndarray of shape (k, d)
        What the rows of each cluster add up to, on each grid.
    weights : ndarray of shape (k, d) or (k, 1)
        What they weigh, as often as there are features: NumPy takes longer to repeat them.
    centers : ndarray of shape (k, d)
        Those before, in the dtype that the means are wanted in.
    wide_origin : ndarray of shape (d,), float64, or None
        None for zero.
    """
    (k, d), sums = centers.shape, high + low
    occupied = np.count_nonzero(weights[:, 0])
    weighed = weights if occupied == k else np.where(weights > 0, weights, 1)
    means = means_of(high, low, weighed)
    if wide_origin is None:
        shifted = centers.astype(np.float64, copy=False)
    else:
        means += wide_origin
        shifted = centers - wide_origin
    means = means.astype(centers.dtype, copy=False)
    if occupied < k:
        means = np.where(weights > 0, means, centers)
    # Both terms of an entry are next to each other, so that they are added up at once.
    terms = np.empty((k, d, 2))
    drift = np.subtract(means, centers, dtype=np.float64)
    np.multiply(drift, drift, out=terms[:, :, 1])
    gains = weights * shifted
    sums *= 2
    gains -= sums
    np.multiply(gains, shifted, out=terms[:, :, 0])
    gain, shift = _pair_in_order(terms.reshape(-1)).tolist()
    return Move(means, gain, shift, k - int(occupied))


def _pair_in_order(numbers: np.ndarray) -> np.ndarray:
    """Return the two sums of m pairs, (2m,), in order; overwrite the numbers."""
    m = len(numbers) // 2
    while m > 1:
        half = half_of(m)
        first = numbers[: 2 * (m - half)]
        np.add(first, numbers[2 * half : 2 * m], out=first)
        m = half
    return numbers[:2]
