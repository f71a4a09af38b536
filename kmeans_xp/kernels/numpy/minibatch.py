"""How running means learn from a mini-batch in NumPy."""

import numpy as np

from kmeans_xp.arrays.threads import one_blas_thread
from kmeans_xp.kernels.interface import Batch, BatchSums, Learned
from kmeans_xp.kernels.numpy import nearest
from kmeans_xp.kernels.numpy.memory import scratch
from kmeans_xp.kernels.numpy.sums import members
from kmeans_xp.kernels.portable.minibatch import learn_by_block
from kmeans_xp.kernels.shared.prepared_centers import Origin, prepare


def learn(batch: Batch) -> Learned:
    """Let running means learn from a batch."""
    rows, drawn, centers = batch.rows, batch.drawn, batch.centers
    block_rows = nearest.block_rows(*centers.shape)
    size = rows.shape[0] if drawn is None else len(drawn)
    if not rows.in_memory or size > block_rows:
        return learn_by_block(batch, nearest.labels, sum_batch, nearest.block_rows)
    block = rows.take(np.arange(size) if drawn is None else drawn)
    prepared = prepare(centers.astype(rows.dtype, copy=False), Origin(batch.origin))
    with one_blas_thread():
        labels = nearest.labels(block, prepared)
        sums = sum_batch(block, labels, batch.weights, centers)
    counts = batch.counts + sums.weights
    moved = sums.differences / np.where(counts > 0, counts, 1.0)[:, None]
    shift = float(np.vdot(moved, moved))
    return Learned(centers + moved, counts, counts.copy(), float(sums.cost), shift)


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
    if weights is not None:
        differences *= weights[:, None]
    sums = members(labels, None, k, differences.shape[1]) @ differences
    return BatchSums(sums, totals, np.asarray(cost))
