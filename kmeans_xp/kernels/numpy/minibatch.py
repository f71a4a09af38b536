"""How running means learn from a mini-batch in NumPy."""

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
    """Return sums of the rows of each label about its centre."""
    k = len(centers)
    differences = scratch("differences", block.shape, np.float64)
    # With any other mode `take` writes to a buffer first. The labels are never out of range.
    np.take(centers, labels, axis=0, out=differences, mode="clip")
    np.subtract(block, differences, out=differences)
    totals = np.bincount(labels, weights, k).astype(np.float64, copy=False)
    if weights is None:
        cost = np.vdot(differences, differences)
    else:
        cost = np.vecdot(differences, differences) @ weights
    sums = nearest.members(labels, weights, k) @ differences
    return BatchSums(sums, totals, np.asarray(cost))
