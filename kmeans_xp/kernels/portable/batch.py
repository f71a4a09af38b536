"""Many small k-means fits at once, in the array-API standard alone.

The m fits are the first axis of every array, so that an operation is started once for all of them:
where rows are few, to start operations takes longer than their arithmetic. Labels are as exact as
those of `kmeans_xp.kernels.portable.nearest`: a product shortlists, direct differences decide.
"""

from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import NamedTuple

from kmeans_xp.arrays import Array, namespace_of
from kmeans_xp.arrays.namespace import device_of
from kmeans_xp.arrays.precision import product_rounding
from kmeans_xp.kernels.portable.nearest import counted, filled, least
from kmeans_xp.kernels.shared.blocks import parts
from kmeans_xp.kernels.shared.exact_sums import Grids, split
from kmeans_xp.kernels.shared.ordered_sums import ordered_sum

# Scores of rows that are computed at a time, of several fits together. Fewer take more calls (ten
# starts of 1,797 rows, k = 10: 28 ms with a quarter, 14 with these), more leave the cache. Threads
# that shared them would wait for each other between calls that are as short.
SCORES = 1 << 18


class BatchRows(NamedTuple):
    """The rows of m fits, in the widest float; p is m, or 1 where all fits have the same rows.

    Attributes
    ----------
    rows : array of shape (p, n, d)
        As they are.
    origins : array of shape (p, 1, d)
        A point amid each fit's rows; x' below is a row less this.
    shifted : array of shape (p, n, d + 2)
        (x', 1, ‖x'‖²).
    addends : array of shape (p, n, 2d + 2) or (p, n, d + 1)
        Weighted (x', 1) on the first grid and then on the second, if there are grids.
    weights : array of shape (n,) or None
        The same for all fits.
    """

    rows: Array
    origins: Array
    shifted: Array
    addends: Array
    weights: Array | None


def batch_rows(
    rows: Array, origins: Array, weights: Array | None, grids: Grids | None = None
) -> BatchRows:
    """Prepare rows, (p, n, d), and a point amid each fit's rows, (p, d), in the widest float.

    `grids`, of d + 1 sums, are those of all fits.
    """
    xp, origins = namespace_of(rows), origins[:, None, :]
    differences = rows - origins
    squares = xp.sum(differences * differences, axis=2, keepdims=True)
    shifted = xp.concat([differences, xp.ones_like(squares), squares], axis=2)
    addends = shifted[:, :, :-1] if weights is None else shifted[:, :, :-1] * weights[:, None]
    if grids is not None:
        addends = xp.concat(split(addends, grids), axis=2)
    return BatchRows(rows, origins, shifted, addends, weights)


def in_parts(rows: BatchRows, fits: int, width: int) -> Iterator[tuple[slice, BatchRows]]:
    """Yield which of the fits to do at a time, of `width` scores a row; and their rows."""
    n = rows.rows.shape[1]
    for part in parts(fits, SCORES // (n * width)):
        yield part, some_fits(rows, itemgetter((part, ...)))


def some_fits(rows: BatchRows, of: Callable[[Array], Array]) -> BatchRows:
    """Return the rows of those fits that `of` takes from an array of all."""
    if rows.rows.shape[0] == 1:
        return rows
    some, origins, shifted, addends = map(of, rows[:4])
    return BatchRows(some, origins, shifted, addends, rows.weights)


def rows_at(rows: BatchRows, indices: Array) -> Array:
    """Return some rows of each fit, (m, t, d), as they are; `indices` are of shape (m, t)."""
    xp, (p, n, d) = namespace_of(rows.rows), rows.rows.shape
    first = xp.arange(p, dtype=indices.dtype, device=device_of(indices)) * n
    which = xp.reshape(indices + first[:, None], (-1,))
    return xp.reshape(xp.take(xp.reshape(rows.rows, (-1, d)), which, axis=0), (*indices.shape, d))


def potentials(centers: Array, rows: BatchRows) -> Array:
    """Return rows' weights times their squared distances to centres, (m, t, n).

    The centres, (m, t, d), are as they are. Distances are lower bounds of what a product finds, so
    that a row at a centre has no potential; at others they take no more than rounding may.
    """
    xp, kept = namespace_of(centers), 1 - 2 * _rounding(centers)
    shifted = centers - rows.origins
    squares = xp.sum(shifted * shifted, axis=2, keepdims=True)
    scores = xp.concat([-2 * shifted, kept * squares, kept * xp.ones_like(squares)], axis=2)
    found = xp.maximum(scores @ xp.matrix_transpose(rows.shifted), xp.zeros_like(squares))
    return found if rows.weights is None else found * rows.weights


def candidates(centers: Array, rows: BatchRows) -> Array:
    """Return which centres, (m, k, d), may be the nearest of which row, (m, k, n) of bool.

    All others are farther than one of these, by more than rounding of the product and a tie.
    """
    xp, d = namespace_of(centers), centers.shape[2]
    shifted = centers - rows.origins
    squares = xp.sum(shifted * shifted, axis=2, keepdims=True)
    columns = xp.matrix_transpose(rows.shifted)
    scores = xp.concat([-2 * shifted, squares], axis=2) @ columns[:, : d + 1, :]
    norms = xp.sqrt(columns[:, d + 1 :, :]) + xp.sqrt(xp.max(squares, axis=1, keepdims=True))
    # As rounding moves two scores, which both hold ‖c'‖² - 2x'·c', and a tie is as wide.
    slack = 4 * _rounding(centers) * norms * norms + _least_positive(centers)
    return scores <= xp.min(scores, axis=1, keepdims=True) + slack


def decided(mask: Array, centers: Array, rows: BatchRows) -> Array:
    """Return one nearest centre of each row, (m, k, n) of bool, among the candidates in `mask`.

    Rows of several candidates are decided by direct differences from every centre, the lowest of
    equals.
    """
    xp, (m, k, n), d = namespace_of(mask), mask.shape, centers.shape[2]
    doubtful = xp.reshape(xp.sum(xp.astype(mask, xp.int32), axis=1) > 1, (-1,))
    (which,) = xp.nonzero(doubtful)
    if which.shape[0] == 0:
        return mask
    fit, row = which // n, which % n
    own = xp.take(xp.reshape(rows.rows, (-1, d)), row if rows.rows.shape[0] == 1 else which, axis=0)
    difference = own[:, None, :] - xp.take(centers, fit, axis=0)
    numbers = xp.arange(k, dtype=xp.int32, device=device_of(mask))
    found = least(numbers[None, :], ordered_sum(difference * difference), d)
    labels = xp.reshape(xp.astype(xp.argmax(xp.astype(mask, xp.int8), axis=1), xp.int32), (-1,))
    labels = xp.reshape(filled(labels, doubtful, counted(doubtful), found), (m, 1, n))
    return labels == numbers[None, :, None]


def totals_of(mask: Array, rows: BatchRows) -> tuple[Array, Array]:
    """Return the clusters' weighted sums of (x', 1), (m, k, d + 1), on each grid."""
    xp, width = namespace_of(mask), rows.rows.shape[2] + 1
    sums = xp.astype(mask, rows.rows.dtype) @ rows.addends
    high, low = sums[:, :, :width], sums[:, :, width:]
    return high, low if low.shape[2] else xp.zeros_like(high)


def inertias(mask: Array, centers: Array, rows: BatchRows) -> Array:
    """Return the weighted sums of squared distances, (m,), by direct differences."""
    xp = namespace_of(mask)
    # One term of each sum is not zero, so that nothing is rounded.
    own = xp.matrix_transpose(xp.astype(mask, centers.dtype)) @ centers
    difference = rows.rows - own
    costs = ordered_sum(difference * difference)
    return ordered_sum(costs if rows.weights is None else costs * rows.weights)


def _rounding(centers: Array) -> float:
    """Return what rounding moves a score by, at most, as a part of (‖x'‖ + ‖c'‖)²."""
    eps = float(namespace_of(centers).finfo(centers.dtype).eps)
    return (centers.shape[2] + 8) * eps + product_rounding(centers)


def _least_positive(centers: Array) -> float:
    """Return what is lost where terms are next to subnormal."""
    smallest = float(namespace_of(centers).finfo(centers.dtype).smallest_normal)
    return 4 * (centers.shape[2] + 8) * smallest
