"""Sums of rows by label and about a point, in the array-API standard alone.

The standard has no scatter. Rows are sorted by label instead, and cut into pieces of s rows of one
label, of which there are at most n/s + k whatever the labels are: so shapes do not depend on them
and no device is waited for. The sums of pieces are then added up by a product.
"""

from kmeans_xp.arrays import Array, namespace_of
from kmeans_xp.arrays.fusing import fused
from kmeans_xp.arrays.namespace import device_of
from kmeans_xp.kernels.interface import RowSums
from kmeans_xp.kernels.portable import nearest
from kmeans_xp.kernels.shared.blocks import parts
from kmeans_xp.kernels.shared.cluster_totals import ClusterTotals
from kmeans_xp.kernels.shared.exact_sums import Grids, split
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters

# Up to so many clusters, or entries of clusters and rows, one product of all rows takes less time
# than to sort them.
FEW, SMALL = 16, 1 << 17
# Rows of a piece at most: 16 to 512 take about as long.
PIECE_ROWS = 64


def sum_by_label(
    block: Array, labels: Array, weights: Array | None, prepared: PreparedCenters
) -> ClusterTotals:
    """Return weighted sums of x - origin, and weights, by label, on the grids of the centres."""
    k, about = prepared.centers.shape[0], prepared.wide_origin
    return ClusterTotals(*sum_segments(block, labels, weights, k, about, prepared.grids))


def assign_and_sum(
    block: Array, weights: Array | None, *, prepared: PreparedCenters
) -> ClusterTotals:
    """Return the totals of the rows that are nearest to each centre."""
    found = nearest.labels(block, prepared)
    return sum_by_label(block, found, weights, prepared)


@fused("k")
def count(labels: Array, k: int) -> Array:
    """Return how many rows have each label, (k,) integers."""
    xp = namespace_of(labels)
    bounds = _bounds(xp.sort(labels), k)
    return bounds[1:] - bounds[:-1]


def sums_about(block: Array, weights: Array | None, about: Array, grid: float) -> RowSums:
    """Return what the rows add up to about a point, their squares on a grid as in `exact_sums`."""
    return RowSums(*_sums_about(block, weights, about, grid))


@fused()
def _sums_about(
    block: Array, weights: Array | None, about: Array, grid: float
) -> tuple[Array, ...]:
    xp = namespace_of(block)
    centred = xp.astype(block, about.dtype, copy=False) - about
    squares, ones = centred * centred, xp.ones_like(centred[:, 0])
    w = ones if weights is None else xp.astype(weights, about.dtype, copy=False)
    squares = squares if weights is None else squares * w[:, None]
    coarse = (squares + grid) - grid
    # A product sums several times as fast as `sum` along the first axis.
    sums = w @ centred, ones @ coarse, ones @ (squares - coarse)
    return xp.sum(w), *sums, xp.max(squares, axis=0)


@fused("k")
def sum_segments(
    values: Array, labels: Array, weights: Array | None, k: int, about: Array, grids: Grids | None
) -> tuple[Array, Array]:
    """Return sums of w·(values - about) and, last, of w by label, on two grids.

    `values` are (n, d), and the sums (k, d + 1) on each grid, in the dtype of `about`. Rows of a
    label below 0 are left out.
    """
    xp, n, wide = namespace_of(values), values.shape[0], about.dtype
    size = min(PIECE_ROWS, n // (2 * k))
    if k <= FEW or size < 2 or n * k <= SMALL:
        centred = xp.astype(values, wide, copy=False) - about
        return _on_grids(_sum_members(_addends(centred, weights, grids), labels, k))
    order = xp.argsort(labels)
    rows, inside, piece_labels = _pieces(xp.take(labels, order), size, k)
    rows = xp.take(order, rows)
    if weights is not None:
        weights = xp.take(weights, rows)
    centred = xp.astype(xp.take(values, rows, axis=0), wide, copy=False) - about
    pieces = xp.reshape(_addends(centred, weights, grids), (*inside.shape, -1))
    members = xp.astype(inside, wide)
    sums = xp.reshape(members[:, None, :] @ pieces, (members.shape[0], -1))
    # So many pieces at a time that their members are no more entries than the rows.
    together = parts(sums.shape[0], n * max(values.shape[1], PIECE_ROWS) // k)
    both, *others = (_sum_members(sums[part, :], piece_labels[part], k) for part in together)
    for more in others:
        both = both + more
    return _on_grids(both)


def _weighted(centred: Array, weights: Array | None) -> Array:
    """Return w·x and, last, w of rows x, (n, d + 1)."""
    xp = namespace_of(centred)
    if weights is None:
        return xp.concat([centred, xp.ones_like(centred[:, :1])], axis=1)
    column = xp.astype(weights, centred.dtype, copy=False)[:, None]
    return xp.concat([centred * column, column], axis=1)


def _addends(centred: Array, weights: Array | None, grids: Grids | None) -> Array:
    """Return what rows add on the first grid and then on the second, (n, 2d + 2)."""
    return _side_by_side(_weighted(centred, weights), grids)


def _side_by_side(addends: Array, grids: Grids | None) -> Array:
    """Return addends, (n, m), on the first grid and then on the second, (n, 2m)."""
    xp = namespace_of(addends)
    both = (addends, xp.zeros_like(addends)) if grids is None else split(addends, grids)
    return xp.concat(both, axis=1)


def _on_grids(sums: Array) -> tuple[Array, Array]:
    """Return the sums on each grid, which are side by side."""
    half = sums.shape[-1] // 2
    return sums[..., :half], sums[..., half:]


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


def _sum_members(values: Array, labels: Array, k: int) -> Array:
    """Return the sums of values, (n, m), by label, (k, m), by one product with all rows."""
    xp = namespace_of(values)
    clusters = xp.arange(k, dtype=labels.dtype, device=device_of(labels))
    members = xp.astype(clusters[:, None] == labels[None, :], values.dtype)
    return members @ values
