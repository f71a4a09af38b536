"""Nearest centres and sums of blocks of rows, in the array-API standard alone."""

from typing import Any

from kmeans_xp.arrays import Array, namespace_of
from kmeans_xp.arrays.namespace import device_of
from kmeans_xp.kernels.shared.blocks import parts
from kmeans_xp.kernels.shared.cluster_totals import ClusterTotals
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters, tied

# Entries of a block's scores, and of differences at a time, which bound the memory of a block.
SCORE_ENTRIES, DIFFERENCE_ENTRIES = 1 << 23, 1 << 22


def block_rows(k: int, d: int) -> int:
    """Return how many rows a block should have for k centres and d features."""
    return max(64, SCORE_ENTRIES // max(k, d))


def labels(block: Array, prepared: PreparedCenters) -> Array:
    """Return the index of the nearest centre of each row, (B,) int32; the lowest of equals."""
    xp = namespace_of(block)
    shifted = block - prepared.origin
    norms = xp.sqrt(xp.sum(shifted * shifted, axis=1, keepdims=True))
    lower = xp.concat([shifted, norms, xp.ones_like(norms)], axis=1) @ prepared.columns.T
    best = xp.argmin(lower, axis=1)
    slack, norms = xp.take(prepared.slack, best, axis=0), norms[:, 0]
    upper = xp.min(lower, axis=1) + norms * (slack[:, 0] + norms * prepared.tie) + slack[:, 1]
    # Where a bound is NaN, the centre is a candidate.
    candidates = xp.logical_not(lower > upper[:, None])
    undecided = xp.sum(xp.astype(candidates, xp.int32), axis=1) != 1
    best = xp.astype(best, xp.int32)
    (rows,) = xp.nonzero(undecided)
    if rows.shape[0] == 0:
        return best
    decided = _labels_by_differences(xp.take(block, rows, axis=0), prepared)
    # The standard has no scatter: the i-th undecided row gathers the i-th decision.
    place = xp.maximum(xp.cumulative_sum(xp.astype(undecided, rows.dtype)) - 1, 0)
    return xp.where(undecided, xp.take(decided, place), best)


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


def sums_about(block: Array, weights: Array | None, about: Array) -> tuple[Array, Array, Array]:
    """Return Σw, Σw(x - about) and Σw(x - about)², (d,), in the dtype of `about`."""
    xp = namespace_of(block)
    centred = xp.astype(block, about.dtype, copy=False) - about
    ones = xp.ones_like(centred[:, 0])
    w = ones if weights is None else xp.astype(weights, about.dtype, copy=False)
    # A product sums several times as fast as `sum` along the first axis.
    return xp.sum(w), w @ centred, w @ (centred * centred)


def blocks_are_faster(*_: object, **__: object) -> None:
    """Return None, where an engine could do all rows at once."""


def _labels_by_differences(block: Array, prepared: PreparedCenters) -> Array:
    """Return the nearest centres by direct differences in the widest float."""
    xp, wide = namespace_of(block), prepared.wide_centers.dtype
    size = max(1, DIFFERENCE_ENTRIES // prepared.centers.shape[1])
    tie = tied(block.shape[1], float(xp.finfo(wide).eps))
    pieces = []
    for part in parts(block.shape[0], size):
        squares = distances(block[part, :], prepared, wide)
        equal = squares <= xp.min(squares, axis=1, keepdims=True) * tie
        pieces.append(xp.astype(xp.argmax(xp.astype(equal, xp.int8), axis=1), xp.int32))
    return xp.concat(pieces)
