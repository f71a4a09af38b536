"""How running means learn from a mini-batch, in the array-API standard alone."""

from collections.abc import Callable
from functools import partial

from kmeans_xp.arrays import Array, namespace_of, to_host
from kmeans_xp.kernels.interface import Batch, BatchSums, Learned
from kmeans_xp.kernels.portable import nearest
from kmeans_xp.kernels.portable.blocks import block_rows
from kmeans_xp.kernels.portable.sums import sum_segments
from kmeans_xp.kernels.shared.prepared_centers import Origin, PreparedCenters, prepare

# (block, labels, weights, centers in the widest float) -> sums of the rows of each label about its
# centre.
SumBatch = Callable[[Array, Array, Array | None, Array], BatchSums]
Labels = Callable[[Array, PreparedCenters], Array]


def learn(batch: Batch) -> Learned:
    """Let running means learn from a batch."""
    return learn_by_block(batch, nearest.labels, sum_batch, block_rows)


def learn_unseen(batch: Batch, *, block_rows: Callable[[int, int], int]) -> Learned:
    """Let running means learn from a batch, and wait for the device once.

    If there was no room for all rows that a product leaves undecided, it is done again.
    """
    learned = learn_by_block(batch, nearest.labels_unseen, sum_batch, block_rows)
    return (
        learn_by_block(batch, nearest.labels, sum_batch, block_rows)
        if learned.undecided
        else learned
    )


def learn_by_block(
    batch: Batch, labels: Labels, sum_batch: SumBatch, block_rows: Callable[[int, int], int]
) -> Learned:
    """Let running means learn from a batch, block by block, with an engine's operations."""
    rows = batch.rows if batch.drawn is None else batch.rows.copied(batch.drawn)
    xp, centers = rows.xp, batch.centers
    prepared = prepare(xp.astype(centers, rows.dtype), Origin(batch.origin))
    step = partial(
        _sum_step, labels=labels, sum_batch=sum_batch, prepared=prepared, centers=centers
    )
    sums = rows.fold(step, batch.weights, block_rows=block_rows(*centers.shape))
    counts = batch.counts + sums.weights
    moved = sums.differences / xp.where(counts > 0, counts, 1.0)[:, None]
    # One transfer from the device for all of them.
    scalars = xp.stack([sums.cost, xp.sum(moved * moved), sums.undecided])
    cost, shift, undecided, *_ = host = to_host(xp.concat([scalars, counts]))
    after = centers + moved
    return Learned(after, counts, host[3:], float(cost), float(shift), int(undecided))


def sum_batch(block: Array, labels: Array, weights: Array | None, centers: Array) -> BatchSums:
    """Return sums of the rows of each label about its centre; rows of label -1 have none."""
    xp, k = namespace_of(block), centers.shape[0]
    own = xp.take(centers, labels % k, axis=0)
    differences = xp.astype(block, centers.dtype, copy=False) - own
    squares = xp.sum(differences * differences, axis=1)
    if weights is not None:
        squares = squares * weights
    none = xp.zeros_like(centers[0, :])
    sums, _ = sum_segments(differences, labels, weights, k, none, None)
    undecided = xp.sum(xp.astype(labels < 0, centers.dtype))
    return BatchSums(sums[:, :-1], sums[:, -1], xp.sum(squares), undecided)


def _sum_step(
    block: Array,
    weights: Array | None,
    *,
    labels: Labels,
    sum_batch: SumBatch,
    prepared: PreparedCenters,
    centers: Array,
) -> BatchSums:
    """Search rows among rounded centres, and sum them about the unrounded ones."""
    return sum_batch(block, labels(block, prepared), weights, centers)
