"""The nearest of many rows, with NumPy's partitions and SciPy's loop over pairs."""

from functools import partial

import numpy as np

from kmeans_xp.kernels.portable import neighbors as portable
from kmeans_xp.kernels.portable.neighbors import Method


def least(scores: np.ndarray, count: int) -> np.ndarray:
    """Return where the least of each row are, (B, count), in any order.

    Scores, (B, m), are taken in groups, as by the portable function; but here those of a group lie
    apart, so that minima are taken of many groups at once.
    """
    n, m = scores.shape
    size = 1 << ((m // count).bit_length() // 2)
    if size < 4:
        return np.argpartition(scores, count - 1, axis=1)[:, :count]
    width = m // size
    groups = scores[:, : size * width].reshape(n, size, width).min(axis=1)
    chosen = np.argpartition(groups, count - 1, axis=1)[:, :count]
    where = (chosen[:, None, :] + width * np.arange(size)[:, None]).reshape(n, -1)
    if m % size:
        rest = np.broadcast_to(np.arange(size * width, m), (n, m % size))
        where = np.concatenate([where, rest], axis=1)
    few = np.take_along_axis(scores, where, axis=1)
    kept = np.argpartition(few, count - 1, axis=1)[:, :count]
    return np.take_along_axis(where, kept, axis=1)


def squares(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return squared distances of rows, (u, d), to others, (m, d), by direct differences."""
    from scipy.spatial.distance import cdist

    return cdist(rows, others, "sqeuclidean")


neighbors = partial(portable.neighbors, method=Method(least, squares))
