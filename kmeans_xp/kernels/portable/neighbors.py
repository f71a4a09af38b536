"""The nearest of many rows to each row of a block, in the array-API standard alone.

A product gives a lower bound of each distance, as for centres (`PreparedCenters`). The rows with
the least bounds make a shortlist, a few longer than is asked for, and direct differences in the
widest float tell their distances. Where the last of the nearest is surely nearer than the largest
bound of the list, no other row can be; where it is not, a longer list is made, and at last
distances to all rows are taken. So the product shortlists and never decides.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

from kmeans_xp.arrays import Array, namespace_of
from kmeans_xp.arrays.namespace import device_of
from kmeans_xp.kernels.shared.blocks import parts
from kmeans_xp.kernels.shared.others import Others
from kmeans_xp.kernels.shared.prepared_centers import tied

# Rows of a shortlist beyond those that are asked for, and how many times as long the second one is:
# they tell equal distances apart, and make up for bounds in a narrower float.
SPARE, LONGER = 6, 6
# Entries of differences that are taken at a time where distances to all rows are.
ENTRIES = 1 << 22


# (first column, scores of shape (B, m)) of one block of other rows after the other.
Pieces = Iterable[tuple[int, Array]]


class Method(NamedTuple):
    """How an engine looks for neighbours.

    Attributes
    ----------
    nearby : callable
        (rows of shape (B, d), `Others`, size) -> (indices, outside): about `size` other rows for
        each, (B, c), filled up by n; and for each, (B,), a lower bound of the squared distances of
        all that are not among them. Rows are in the widest float.
    squares : callable
        (rows of shape (u, d), others of shape (m, d)) -> squared distances by direct differences,
        (u, m).
    own_squares : callable
        (rows of shape (B, d), others of shape (B, c, d)) -> the same of each row and its own
        others, (B, c).
    """

    nearby: Callable[[Array, Others, int], tuple[Array, Array]]
    squares: Callable[[Array, Array], Array]
    own_squares: Callable[[Array, Array], Array]


class _Found(NamedTuple):
    """The nearest rows, (B, k), their squared distances, and of which rows that is sure, (B,)."""

    indices: Array
    squares: Array
    sure: Array


def neighbors(
    block: Array, others: Others, count: int, *, method: Method | None = None
) -> tuple[Array, Array]:
    """Return the nearest of other rows to each row of a block, the nearest first.

    Parameters
    ----------
    block : array of shape (B, d)
    others : Others
        The n rows to look amid.
    count : int
        How many, k; at most n.
    method : Method, optional

    Returns
    -------
    indices : array of shape (B, k), integers
        Among equals the lower comes first.
    squares : array of shape (B, k)
        Squared distances, by direct differences in the widest float.
    """
    method = method or PORTABLE
    xp, n = namespace_of(block), others.rows.shape[0]
    rows = xp.astype(block, others.rows.wide, copy=False)
    short, longer = min(n, count + SPARE), min(n, LONGER * (count + SPARE))
    found = _of_nearby(rows, others, count, method, short)
    for look in (partial(_of_nearby, size=longer), _of_all):
        (unsure,) = xp.nonzero(~found.sure)
        if unsure.shape[0] == 0:
            break
        better = look(xp.take(rows, unsure, axis=0), others, count, method)
        found = _Found(*(_replaced(*pair, found.sure) for pair in zip(found, better, strict=True)))
    return found.indices, found.squares


def _replaced(old: Array, new: Array, sure: Array) -> Array:
    """Return `old` with the entries of rows that are not `sure` replaced, in order, by `new`."""
    xp = namespace_of(old)
    place = xp.cumulative_sum(xp.astype(~sure, xp.int32), dtype=xp.int32) - 1
    new = xp.take(new, xp.maximum(place, xp.zeros_like(place)), axis=0)
    return xp.where(xp.reshape(sure, (-1, *(1,) * (old.ndim - 1))), old, new)


def _of_nearby(rows: Array, others: Others, count: int, method: Method, size: int) -> _Found:
    """Return the nearest among rows that may be."""
    where, outside = method.nearby(rows, others, size)
    indices, squares = _by_difference(rows, others.rows, where, count, method)
    eps = float(namespace_of(rows).finfo(rows.dtype).eps)
    return _Found(indices, squares, squares[:, -1] * tied(rows.shape[1], eps) < outside)


def _of_all(rows: Array, others: Others, count: int, method: Method) -> _Found:
    """Return the nearest by direct differences from all rows."""
    xp, (n, d) = namespace_of(rows), others.rows.shape
    found = []
    for part in parts(rows.shape[0], ENTRIES // (others.size * d)):
        pieces = (
            (first, method.squares(rows[part, :], xp.astype(block, rows.dtype, copy=False)))
            for first, block in others.blocks()
        )
        where, _ = shortlist(pieces, count, n)
        # Engines add up squares in different orders; these are as those of a shortlist.
        found.append(_by_difference(rows[part, :], others.rows, where, count, method))
    indices, squares = (xp.concat(column) for column in zip(*found, strict=True))
    return _Found(indices, squares, xp.ones_like(squares[:, 0], dtype=xp.bool))


def by_product(
    rows: Array,
    others: Others,
    size: int,
    *,
    shortlist: Callable[[Pieces, int, int], tuple[Array, Array]],
) -> tuple[Array, Array]:
    """Return what `Method.nearby` does, by the scores of a product.

    Parameters
    ----------
    shortlist : callable
        (pieces of scores, size, n) -> the columns of about `size` scores of each row, (B, c),
        filled up by n, and a limit of each row, (B,), that no other score is below.
    """
    left, outside = centered(rows, others)
    pieces = ((first, left @ columns) for first, columns in others.columns())
    where, limits = shortlist(pieces, size, others.rows.shape[0])
    return where, outside(limits)


def centered(rows: Array, others: Others) -> tuple[Array, Callable[[Array], Array]]:
    """Return what a product needs of rows, (B, d + 2), and what scores say of squared distances.

    The latter is a function: lower bounds of scores, (B,), -> of squared distances, (B,).
    """
    xp, d = namespace_of(rows), rows.shape[1]
    shifted = rows - others.origin
    squares = xp.sum(shifted * shifted, axis=1) / tied(d, float(xp.finfo(rows.dtype).eps))
    narrow = xp.astype(shifted, others.dtype, copy=False)
    norms = xp.sqrt(xp.sum(narrow * narrow, axis=1, keepdims=True))
    left = xp.concat([narrow, norms, xp.ones_like(norms)], axis=1)
    return left, lambda bounds: squares + 2 * xp.astype(bounds, rows.dtype, copy=False)


def shortlist(pieces: Pieces, size: int, n: int) -> tuple[Array, Array]:
    """Return the columns of the least scores, the lowest of equals, and the largest of these."""
    scores: Array = None
    where: Array = None
    for first, piece in pieces:
        xp = namespace_of(piece)
        chosen = first_least(piece, min(size, piece.shape[1]))
        piece, place = xp.take_along_axis(piece, chosen, axis=1), chosen + first
        if scores is not None:
            piece, place = xp.concat([scores, piece], axis=1), xp.concat([where, place], axis=1)
            kept = xp.argsort(piece, axis=1, stable=True)[:, : min(size, piece.shape[1])]
            piece = xp.take_along_axis(piece, kept, axis=1)
            place = xp.take_along_axis(place, kept, axis=1)
        scores, where = piece, place
    if size == n:
        return where, xp.full_like(scores[:, 0], xp.inf)
    return where, scores[:, -1]


def _by_difference(
    rows: Array, others: Any, where: Array, count: int, method: Method
) -> tuple[Array, Array]:
    """Return the nearest of the other rows at `where`, (B, c), and their squared distances."""
    xp, (b, d), n = namespace_of(rows), rows.shape, others.shape[0]
    where = xp.sort(where, axis=1)
    inside = xp.minimum(where, xp.full_like(where, n - 1))
    chosen = xp.astype(others.gather(xp.reshape(inside, (-1,))), rows.dtype, copy=False)
    squares = method.own_squares(rows, xp.reshape(chosen, (b, -1, d)))
    squares = xp.where(where < n, squares, xp.inf)
    order = xp.argsort(squares, axis=1, stable=True)[:, :count]
    return xp.take_along_axis(inside, order, axis=1), xp.take_along_axis(squares, order, axis=1)


def first_least(scores: Array, count: int) -> Array:
    """Return where the least of each row are, (B, count), in order, the lowest first among equals.

    Scores, (B, m), are taken in groups: only those with the least minima can hold one of them.
    """
    xp, (n, m), device = namespace_of(scores), scores.shape, device_of(scores)
    size = 1 << ((m // count).bit_length() // 2)
    if size < 4:
        return xp.argsort(scores, axis=1, stable=True)[:, :count]
    if m % size:
        extra = xp.full((n, -m % size), xp.inf, dtype=scores.dtype, device=device)
        scores = xp.concat([scores, extra], axis=1)
    groups = xp.min(xp.reshape(scores, (n, -1, size)), axis=2)
    chosen = xp.sort(xp.argsort(groups, axis=1, stable=True)[:, :count], axis=1)
    within = xp.arange(size, dtype=chosen.dtype, device=device)
    where = xp.reshape(chosen[:, :, None] * size + within, (n, -1))
    order = xp.argsort(xp.take_along_axis(scores, where, axis=1), axis=1, stable=True)
    return xp.take_along_axis(where, order[:, :count], axis=1)


def all_squares(rows: Array, others: Array) -> Array:
    """Return squared distances of rows, (u, d), to others, (m, d), by direct differences."""
    return own_squares(rows, others[None, :, :])


def own_squares(rows: Array, others: Array) -> Array:
    """Return squared distances of rows, (B, d), to others of each, (B or 1, c, d)."""
    difference = rows[:, None, :] - others
    return namespace_of(rows).sum(difference * difference, axis=2)


PORTABLE = Method(partial(by_product, shortlist=shortlist), all_squares, own_squares)
