"""What a mini-batch teaches running means, tuned for NumPy."""

import numpy as np

from kmeans_xp.kernels.interface import Batch, BatchSums, Learned
from kmeans_xp.kernels.numpy import nearest
from kmeans_xp.kernels.numpy.memory import scratch
from kmeans_xp.kernels.portable.minibatch import learn_by_block


def learn(batch: Batch) -> Learned:
    """Let running means learn from a batch."""
    return learn_by_block(batch, nearest.labels, sum_batch, nearest.block_rows)


def sum_batch(
    block: np.ndarray, labels: np.ndarray, weights: np.ndarray | None, centers: np.ndarray
) -> BatchSums:
    """Return what the rows of each label add up to about its centre."""
    # Imported here: SciPy takes longer to import than the rest of the package together.
    from scipy.sparse import csc_array

    n, k = len(block), len(centers)
    differences = scratch("differences", block.shape, np.float64)
    # Labels are in range; where it had to look, NumPy would write to a copy first.
    np.take(centers, labels, axis=0, out=differences, mode="clip")
    np.subtract(block, differences, out=differences)
    ones = np.ones(n) if weights is None else weights
    if weights is None:
        cost = np.vdot(differences, differences)
    else:
        cost = np.vecdot(differences, differences) @ weights
    member = csc_array((ones, labels, np.arange(n + 1, dtype=np.int32)), shape=(k, n))
    totals = np.bincount(labels, weights, k).astype(np.float64, copy=False)
    return BatchSums(member @ differences, totals, np.asarray(cost))
