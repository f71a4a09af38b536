"""Sums of rows by label and about a point, in the array-API standard alone.

The standard has no scatter. Rows are sorted by label instead, and cut into pieces of s rows of one
label, of which there are at most n/s + k whatever the labels are: so shapes do not depend on them
and no device is waited for. The sums of pieces are then added up by a product.
"""

from kmeans_xp.arrays import Array, namespace_of
from kmeans_xp.arrays.fusing import fused
from kmeans_xp.arrays.namespace import device_of
from kmeans_xp.kernels.portable import nearest
from kmeans_xp.kernels.shared.blocks import parts
from kmeans_xp.kernels.shared.cluster_totals import ClusterTotals
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters

# Up to so many clusters, or entries of clusters and rows, one product of all rows takes less time
# than to sort them.
FEW, SMALL = 16, 1 << 17
# Rows of a piece at most: 16 to 512 take about as long.
PIECE_ROWS = 64


def sum_by_label(
    block: Array, labels: Array, weights: Array | None, prepared: PreparedCenters
) -> tuple[Array, Array]:
    """Return weighted sums of x - origin, (k, d), and weights, (k,), by label, widest float."""
    return sum_segments(block, labels, weights, prepared.centers.shape[0], prepared.wide_origin)


def assign_and_sum(
    block: Array, weights: Array | None, *, prepared: PreparedCenters
) -> ClusterTotals:
    """Return the totals of the rows that are nearest to each centre."""
    found = nearest.labels(block, prepared)
    return ClusterTotals(*sum_by_label(block, found, weights, prepared))


@fused("k")
def count(labels: Array, k: int) -> Array:
    """Return how many rows have each label, (k,) integers."""
    xp = namespace_of(labels)
    bounds = _bounds(xp.sort(labels), k)
    return bounds[1:] - bounds[:-1]


@fused()
def sums_about(block: Array, weights: Array | None, about: Array) -> tuple[Array, Array, Array]:
    """Return Σw, Σw(x - about) and Σw(x - about)², (d,), in the dtype of `about`."""
    xp = namespace_of(block)
    centred = xp.astype(block, about.dtype, copy=False) - about
    ones = xp.ones_like(centred[:, 0])
    w = ones if weights is None else xp.astype(weights, about.dtype, copy=False)
    # A product sums several times as fast as `sum` along the first axis.
    return xp.sum(w), w @ centred, w @ (centred * centred)


@fused("k")
def sum_segments(
    values: Array, labels: Array, weights: Array | None, k: int, about: Array
) -> tuple[Array, Array]:
    """Return weighted sums of `values`, (n, d), less `about`, (d,), and weights, by label.

    They are (k, d) and (k,), in the dtype of `about`. Rows of a label below 0 are left out.
    """
    xp, n, wide = namespace_of(values), values.shape[0], about.dtype
    if weights is not None:
        weights = xp.astype(weights, wide, copy=False)
    size = min(PIECE_ROWS, n // (2 * k))
    if k <= FEW or size < 2 or n * k <= SMALL:
        return _sum_members(xp.astype(values, wide, copy=False) - about, labels, weights, k)
    order = xp.argsort(labels)
    rows, inside, piece_labels = _pieces(xp.take(labels, order), size, k)
    rows = xp.take(order, rows)
    members = xp.astype(inside, wide)
    if weights is not None:
        members = members * xp.reshape(xp.take(weights, rows), members.shape)
    pieces = xp.astype(xp.take(values, rows, axis=0), wide, copy=False) - about
    pieces = xp.reshape(pieces, (*members.shape, -1))
    sums = xp.reshape(members[:, None, :] @ pieces, (members.shape[0], -1))
    totals = xp.sum(members, axis=1, keepdims=True)
    sums = xp.concat([sums, totals], axis=1)
    # So many pieces at a time that their members are no more entries than the rows.
    together = parts(sums.shape[0], n * max(values.shape[1], PIECE_ROWS) // k)
    both, *others = (
        _sum_members(sums[part, :], piece_labels[part], None, k)[0] for part in together
    )
    for more in others:
        both = both + more
    return both[:, :-1], both[:, -1]


def _pieces(labels: Array, size: int, k: int) -> tuple[Array, Array, Array]:
    """Cut sorted labels, (n,), into P pieces of `size` places, each of one label.

    Returns
    -------
    places : array of shape (P * size,)
    inside : array of shape (P, size), bool
        Which of the places belong to the piece.
    piece_labels : array of shape (P,)
    """
    xp, n, device = namespace_of(labels), labels.shape[0], device_of(labels)
    bounds = _bounds(labels, k)
    starts, ends = bounds[:-1], bounds[1:]
    pieces = (ends - starts + size - 1) // size
    last = xp.cumulative_sum(pieces)
    numbers = xp.arange(n // size + k, dtype=last.dtype, device=device)
    # Pieces beyond the last one of all are of the first label, and lie behind its rows.
    which = xp.searchsorted(last, numbers, side="right") % k
    first = xp.take(starts, which) + (numbers - xp.take(last - pieces, which)) * size
    places = first[:, None] + xp.arange(size, dtype=first.dtype, device=device)
    inside = places < xp.take(ends, which)[:, None]
    piece_labels = xp.astype(which, labels.dtype)
    return xp.reshape(places % n, (-1,)), inside, piece_labels


def _bounds(labels: Array, k: int) -> Array:
    """Return where each label begins among sorted ones, and the end, (k + 1,) integers."""
    xp = namespace_of(labels)
    clusters = xp.arange(k + 1, dtype=labels.dtype, device=device_of(labels))
    return xp.searchsorted(labels, clusters)


def _sum_members(
    values: Array, labels: Array, weights: Array | None, k: int
) -> tuple[Array, Array]:
    """Return what `sum_segments` does, by one product with all rows."""
    xp = namespace_of(values)
    clusters = xp.arange(k, dtype=labels.dtype, device=device_of(labels))
    members = xp.astype(clusters[:, None] == labels[None, :], values.dtype)
    if weights is not None:
        members = members * weights[None, :]
    return members @ values, xp.sum(members, axis=1)
