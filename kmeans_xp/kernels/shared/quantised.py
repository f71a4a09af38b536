"""What products of rows that are rounded to bytes would exclude, tried on a few rows."""

import numpy as np

from kmeans_xp.arrays.precision import quiet
from kmeans_xp.kernels.shared.projection import TRIED

# The largest of a byte's numbers on both sides of zero.
TOP = 127
# Features whose products are added up in 32 bits.
BYTES_UP_TO = 1 << 16


@quiet()
def part_left(few: np.ndarray, k: int) -> float:
    """Return which part of k centres bytes leave near a row.

    Some of the rows are tried, and others stand for the centres.
    """
    order = np.random.default_rng(0).permutation(len(few))
    shifted = few[order] - few.mean(axis=0, dtype=np.float64)
    scales = np.abs(shifted).max(axis=1, keepdims=True) / TOP
    rounded = np.rint(shifted / np.where(scales > 0, scales, 1)) * scales
    tried = min(TRIED, len(few) // 2)
    rows, centers = slice(0, tried), slice(tried, tried + k)
    norms, lost = (np.sqrt(np.vecdot(a, a)) for a in (shifted, shifted - rounded))
    products = rounded[rows] @ rounded[centers].T
    products += lost[rows, None] * (norms + lost)[centers] + norms[rows, None] * lost[centers]
    squares = np.square(norms[rows, None]) + np.square(norms[centers])
    lower = squares - 2 * products
    best = (squares - 2 * shifted[rows] @ shifted[centers].T).min(axis=1)
    return float((lower <= best[:, None]).mean())
