"""The specification of every kernel, in the array-API standard alone."""

from typing import Any

from kmeans_xp.arrays import Array, namespace_of
from kmeans_xp.arrays.namespace import device_of
from kmeans_xp.kernels.shared.cluster_totals import ClusterTotals
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters, tied

# Entries of a block's scores, which bound the memory that a block takes.
SCORES = 1 << 23
# Entries of the direct differences that are taken at a time.
DIFFERENCES = 1 << 22


def block_rows(k: int, d: int) -> int:
    """Return how many rows a block should have for k centres and d features."""
    return max(64, SCORES // max(k, d))


def labels(block: Array, prepared: PreparedCenters) -> Array:
    """Return the index of the nearest centre of each row, (B,) int32; the lowest of equals."""
    xp = namespace_of(block)
    shifted = block - prepared.origin
    norms = xp.sqrt(xp.sum(shifted * shifted, axis=1, keepdims=True))
    lower = xp.concat([shifted, norms, xp.ones_like(norms)], axis=1) @ prepared.columns.T
    best = xp.argmin(lower, axis=1)
    slack, norms = xp.take(prepared.slack, best, axis=0), norms[:, 0]
    bound = xp.min(lower, axis=1) + norms * (slack[:, 0] + norms * prepared.tie) + slack[:, 1]
    # Written so that a NaN counts as near.
    near = xp.logical_not(lower > bound[:, None])
    unsure = xp.sum(xp.astype(near, xp.int32), axis=1) != 1
    best = xp.astype(best, xp.int32)
    (rows,) = xp.nonzero(unsure)
    if rows.shape[0] == 0:
        return best
    decided = _direct_labels(xp.take(block, rows, axis=0), prepared)
    # A scatter by gathering: the i-th unsure row takes the i-th decision.
    place = xp.maximum(xp.cumulative_sum(xp.astype(unsure, rows.dtype)) - 1, 0)
    return xp.where(unsure, xp.take(decided, place), best)


def nearest(block: Array, prepared: PreparedCenters) -> tuple[Array, Array]:
    """Return labels, (B,) int32, and squared distances, (B,) in the widest float."""
    found = labels(block, prepared)
    return found, own_distances(block, prepared, found)


def own_distances(block: Array, prepared: PreparedCenters, labels: Array) -> Array:
    """Return each row's squared distance to the centre of its label, by direct differences."""
    xp = namespace_of(block)
    own = xp.take(prepared.wide_centers, labels, axis=0)
    difference = xp.astype(block, own.dtype, copy=False) - own
    return xp.sum(difference * difference, axis=1)


def distances(block: Array, prepared: PreparedCenters, dtype: Any) -> Array:
    """Return squared distances to every centre, (B, k) in `dtype`."""
    xp = namespace_of(block)
    wide = xp.astype(block, prepared.wide_centers.dtype, copy=False)
    columns = []
    for j in range(prepared.wide_centers.shape[0]):
        difference = wide - prepared.wide_centers[j, :]
        columns.append(xp.sum(difference * difference, axis=1))
    return xp.astype(xp.stack(columns, axis=1), dtype, copy=False)


def sum_by_label(
    block: Array, labels: Array, weights: Array | None, prepared: PreparedCenters
) -> tuple[Array, Array]:
    """Return weighted sums of x - origin, (k, d), and weights, (k,), by label, widest float."""
    xp = namespace_of(block)
    wide = prepared.wide_centers.dtype
    k = prepared.centers.shape[0]
    clusters = xp.arange(k, dtype=labels.dtype, device=device_of(block))
    member = xp.astype(labels[:, None] == clusters[None, :], wide)
    if weights is not None:
        member = member * weights[:, None]
    shifted = xp.astype(block, wide, copy=False) - prepared.wide_origin
    return member.T @ shifted, xp.sum(member, axis=0)


def assign_and_sum(
    block: Array, weights: Array | None, *, prepared: PreparedCenters
) -> ClusterTotals:
    """Return the totals of the rows that are nearest to each centre."""
    found = labels(block, prepared)
    return ClusterTotals(*sum_by_label(block, found, weights, prepared))


def count(labels: Array, k: int) -> Array:
    """Return how many rows have each label, (k,) integers."""
    xp = namespace_of(labels)
    clusters = xp.arange(k, dtype=labels.dtype, device=device_of(labels))
    return xp.sum(xp.astype(labels[:, None] == clusters[None, :], xp.int32), axis=0)


def _direct_labels(block: Array, prepared: PreparedCenters) -> Array:
    """Return the nearest centres by direct differences in the widest float."""
    xp = namespace_of(block)
    size = max(1, DIFFERENCES // prepared.centers.shape[1])
    wide = xp.finfo(prepared.wide_centers.dtype)
    margin = tied(block.shape[1], float(wide.eps))
    pieces = []
    for start in range(0, block.shape[0], size):
        stop = min(start + size, block.shape[0])
        found = distances(block[start:stop, :], prepared, prepared.wide_centers.dtype)
        least = xp.min(found, axis=1, keepdims=True) * margin
        pieces.append(xp.astype(xp.argmax(xp.astype(found <= least, xp.int8), axis=1), xp.int32))
    return xp.concat(pieces)


def sums_about(block: Array, weights: Array | None, about: Array) -> tuple[Array, Array, Array]:
    """Return Σw, Σw(x - about) and Σw(x - about)², (d,), in the dtype of `about`."""
    xp = namespace_of(block)
    centred = xp.astype(block, about.dtype, copy=False) - about
    ones = xp.ones_like(centred[:, 0])
    w = ones if weights is None else xp.astype(weights, about.dtype, copy=False)
    # A product sums several times as fast as `sum` along the first axis.
    return xp.sum(w), w @ centred, w @ (centred * centred)


def blocks_are_faster(*_: object, **__: object) -> None:
    """Return nothing, where an engine could do all rows at once."""
