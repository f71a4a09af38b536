"""Rows rounded to signed bytes, and how many centres their products exclude."""

import numpy as np

from kmeans_xp.arrays.precision import quiet
from kmeans_xp.kernels.shared.projection import TRIED_ROWS

# The largest number of a byte on either side of zero.
TOP = 127
# Up to this many features sums of products fit in 32 bits.
BYTES_UP_TO = 1 << 16


@quiet()
def candidate_share(sample: np.ndarray, k: int) -> float:
    """Return the share of k centres that products of bytes leave as candidates for a row.

    It is estimated from a sample, some rows of which stand for the centres.
    """
    order = np.random.default_rng(0).permutation(len(sample))
    shifted = sample[order] - sample.mean(axis=0, dtype=np.float64)
    scales = np.abs(shifted).max(axis=1, keepdims=True) / TOP
    rounded = np.rint(shifted / np.where(scales > 0, scales, 1)) * scales
    tried = min(TRIED_ROWS, len(sample) // 2)
    rows, centers = slice(0, tried), slice(tried, tried + k)
    norms, errors = (np.sqrt(np.vecdot(a, a)) for a in (shifted, shifted - rounded))
    products = rounded[rows] @ rounded[centers].T
    products += errors[rows, None] * (norms + errors)[centers] + norms[rows, None] * errors[centers]
    squares = np.square(norms[rows, None]) + np.square(norms[centers])
    lower = squares - 2 * products
    nearest = (squares - 2 * shifted[rows] @ shifted[centers].T).min(axis=1)
    return float((lower <= nearest[:, None]).mean())
