"""Sums of rows by label and about a point in NumPy, on grids where order changes nothing.

Labels are turned into a matrix of ones, and a product with it adds the rows up; with few features,
`bincount` does. Squares are added up in the order of `kmeans_xp.kernels.shared.ordered_sums`.
"""

from typing import Any, NamedTuple

import numpy as np

from kmeans_xp.kernels.interface import RowSums
from kmeans_xp.kernels.numpy.memory import scratch
from kmeans_xp.kernels.shared.binned_sums import RUNGS, SCALE, BinnedSum, top_rung, units_for
from kmeans_xp.kernels.shared.blocks import parts
from kmeans_xp.kernels.shared.cluster_totals import ClusterTotals
from kmeans_xp.kernels.shared.exact_sums import Grids, split
from kmeans_xp.kernels.shared.ordered_sums import half_of
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters

# Up to this many features `bincount` of each is faster than a sparse product: 9.8 → 2.6 ms.
BINCOUNT_UP_TO = 3
# Several short rows are added to as one of about so many entries, since NumPy's loops over a few
# entries are slow.
TILE_ENTRIES = 512
# Entries that are split and summed at a time, in scratch memory.
SUM_ENTRIES = 1 << 17
# Features of which rows are added up one after the other.
FEATURES = 16
# In arrays of fewer entries to take several rows as one gains nothing.
TILED_FROM = 1 << 12
# Up to this many operations a product with a dense matrix beats one with a sparse matrix, which
# takes longer to build.
DENSE_OPERATIONS = 1 << 18


def sum_by_label(
    block: np.ndarray, labels: np.ndarray, weights: np.ndarray | None, prepared: PreparedCenters
) -> ClusterTotals:
    """Return weighted sums of x - origin, and weights, by label, on the grids of the centres."""
    totals = ClusterTotals.none(*prepared.centers.shape)
    for part in parts(len(block), SUM_ENTRIES // block.shape[1]):
        part_weights = None if weights is None else weights[part]
        add_rows(totals, block[part], part_weights, prepared, labels[part])
    return totals


def count(labels: np.ndarray, k: int) -> np.ndarray:
    """Return how many rows have each label, (k,) int64."""
    return np.bincount(labels, minlength=k)


def add_rows(
    totals: ClusterTotals,
    rows: np.ndarray,
    weights: np.ndarray | None,
    prepared: PreparedCenters,
    labels: np.ndarray,
    before: np.ndarray | None = None,
) -> None:
    """Add rows, (m, d), to the totals of their labels, and take them from those that they had."""
    d, about = rows.shape[1], prepared.derive(_about)
    add_weights(totals, weights, about, labels, before)
    if d <= BINCOUNT_UP_TO:
        _add_by_feature(totals, rows, weights, about, labels, before)
        return
    signs = members(labels, before, len(totals.high), d)
    high, low = addends_of(in_scratch(rows), weights, about)
    totals.high[:, :-1] += signs @ high
    if low is not None:
        totals.low[:, :-1] += signs @ low


class About(NamedTuple):
    """What rows are centred and split by; several of them are taken as one long row.

    Attributes
    ----------
    together : int
        How many rows.
    origin, first, second : ndarray of shape (together * d,), or None
        Where the origin is zero it is None, and where there are no grids the others are.
    weight_grids : Grids or None
        Of the weights.
    """

    together: int
    origin: np.ndarray | None
    first: np.ndarray | None
    second: np.ndarray | None
    weight_grids: Grids | None


def about_of(origin: np.ndarray, grids: Grids | None, rows: int) -> About:
    """Return it for at most so many rows, an origin, (d,), and grids of d + 1 sums."""
    together = _together(rows, len(origin))
    wide = _tiled(origin, together) if origin.any() else None
    if grids is None:
        return About(together, wide, None, None, None)
    first, second = (_tiled(constants[:-1], together) for constants in grids)
    return About(together, wide, first, second, Grids(*(constants[-1] for constants in grids)))


def _tiled(row: np.ndarray, together: int) -> np.ndarray:
    return np.tile(row, together) if together > 1 else row


def _together(rows: int, d: int) -> int:
    """Return how many of so many rows are to be taken as one."""
    return 1 if rows * d < TILED_FROM else max(1, TILE_ENTRIES // d)


def in_scratch(rows: np.ndarray, which: np.ndarray | None = None) -> np.ndarray:
    """Return rows, or those at indices, in float64, to be overwritten."""
    if which is None:
        wide = scratch("addends", rows.shape, np.float64)
        wide[...] = rows
        return wide
    wide = scratch("addends", (len(which), rows.shape[1]), np.float64)
    if rows.dtype == np.float64:
        # With any other mode `take` writes to a buffer first. The indices are never out of range.
        return rows.take(which, axis=0, out=wide, mode="clip")
    wide[...] = rows.take(which, axis=0)
    return wide


def addends_of(
    rows: np.ndarray, weights: np.ndarray | None, about: About
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return w·(x - origin) of rows that `in_scratch` returned, (m, d), on each grid.

    Without grids, the first has all and the second is None.
    """
    if about.origin is not None:
        _each_tile(np.subtract, rows, about.origin, rows)
    if weights is not None:
        rows *= weights[:, None]
    if about.first is None or about.second is None:
        return rows, None
    high = scratch("high", rows.shape, np.float64)
    _each_tile(np.add, rows, about.first, high)
    _each_tile(np.subtract, high, about.first, high)
    rows -= high
    _each_tile(np.add, rows, about.second, rows)
    _each_tile(np.subtract, rows, about.second, rows)
    return high, rows


def _each_tile(operation: Any, rows: np.ndarray, tile: np.ndarray, out: np.ndarray) -> None:
    """Write what an operation makes of rows, (m, d), and a tile, to an array like the rows."""
    (m, d), width = rows.shape, len(tile)
    if width == d:
        operation(rows, tile, out=out)
        return
    whole = m * d // width * width
    flat, flat_out = rows.reshape(-1), out.reshape(-1)
    if whole:
        operation(flat[:whole].reshape(-1, width), tile, out=flat_out[:whole].reshape(-1, width))
    if whole < m * d:
        left = m * d - whole
        operation(flat[whole:], tile[:left], out=flat_out[whole:])


def add_weights(
    totals: ClusterTotals,
    weights: np.ndarray | None,
    about: About,
    labels: np.ndarray,
    before: np.ndarray | None,
) -> None:
    """Add the weights of rows to those of their clusters, and take them from the old ones."""
    if weights is None:
        totals.high[:, -1] += _by_label(None, labels, before, len(totals.high))
        return
    for sums, part in zip((totals.high, totals.low), weights_on(about, weights), strict=True):
        sums[:, -1] += _by_label(part, labels, before, len(sums))


def weights_on(about: About, weights: np.ndarray) -> np.ndarray:
    """Return weights on each grid, (2, m)."""
    if about.weight_grids is None:
        return np.stack([weights, np.zeros_like(weights)])
    return np.stack(split(weights, about.weight_grids))


def _by_label(
    addends: np.ndarray | None, labels: np.ndarray, before: np.ndarray | None, k: int
) -> np.ndarray:
    gained = np.bincount(labels, addends, k)
    return gained if before is None else gained - np.bincount(before, addends, k)


def sums_about(
    block: np.ndarray, weights: np.ndarray | None, about: np.ndarray, grid: float
) -> RowSums:
    """Return what the rows add up to about a point, their squares on a grid as in `exact_sums`."""
    n, d = block.shape
    size = max(1, SUM_ENTRIES // d)
    # A weight is of a single row, which then is a tile of its own.
    together = _together(min(n, size), d) if weights is None else 1
    origin = _tiled(about, together)
    total = None
    for part in parts(n, size):
        sums = _sums_of_piece(block[part], None if weights is None else weights[part], origin, grid)
        total = sums if total is None else total + sums
    assert total is not None
    return total


def binned_sum(addends: np.ndarray, count: int) -> BinnedSum:
    """Return what `kmeans_xp.kernels.shared.binned_sums.binned_sum` does, in few calls."""
    units, rest = units_for(count), addends * SCALE
    top = top_rung(float(np.maximum.reduce(rest)), count)
    bins = np.zeros(len(units))
    for rung in range(top, max(-1, top - RUNGS), -1):
        rounder = units[rung] * (1.5 * 2.0**52)
        part = rest + rounder
        part -= rounder
        rest -= part
        bins[rung] = np.add.reduce(part)
    return BinnedSum(bins, np.asarray(top))


def sum_of_squares(numbers: np.ndarray) -> np.ndarray:
    """Return the sums of squares along the first axis, in order; overwrite the numbers."""
    return sum_in_order(np.multiply(numbers, numbers, out=numbers))


def sum_in_order(numbers: np.ndarray) -> np.ndarray:
    """Return what `kmeans_xp.kernels.shared.ordered_sums` does, along the first axis.

    The numbers are overwritten.
    """
    m = len(numbers)
    while m > 1:
        half = half_of(m)
        first = numbers[: m - half]
        np.add(first, numbers[half:m], out=first)
        m = half
    return numbers[0]


def sums_of_squares(rows: np.ndarray) -> np.ndarray:
    """Return the sum of each row's squares, (B,), in order; overwrite the rows, (B, d)."""
    np.multiply(rows, rows, out=rows)
    m = rows.shape[1]
    # Loops over a few features of each row are slow; then features are laid out one by one.
    while m > FEATURES:
        half = half_of(m)
        first = rows[:, : m - half]
        np.add(first, rows[:, half:m], out=first)
        m = half
    return sum_in_order(np.ascontiguousarray(rows[:, :m].T))


def _about(prepared: PreparedCenters) -> About:
    return about_of(prepared.wide_origin, prepared.grids, SUM_ENTRIES)


def _add_by_feature(
    totals: ClusterTotals,
    rows: np.ndarray,
    weights: np.ndarray | None,
    about: About,
    labels: np.ndarray,
    before: np.ndarray | None,
) -> None:
    k = len(totals.high)
    # `bincount` converts what is no index, each time that it is called.
    new, old = labels.astype(np.intp), None if before is None else before.astype(np.intp)
    for j, column in enumerate(rows.T):
        column = column.astype(np.float64)
        if about.origin is not None:
            column -= about.origin[j]
        if weights is not None:
            column *= weights
        if about.first is None or about.second is None:
            totals.high[:, j] += _by_label(column, new, old, k)
            continue
        high, low = split(column, Grids(about.first[j], about.second[j]))
        totals.high[:, j] += _by_label(high, new, old, k)
        totals.low[:, j] += _by_label(low, new, old, k)


def members(labels: np.ndarray, before: np.ndarray | None, k: int, width: int) -> Any:
    """Return the matrix, (k, m), of 1 where a row is in a cluster now, and -1 where it was.

    It is dense if it is to be multiplied by few numbers, (m, width), else sparse.
    """
    m = len(labels)
    if k * m * width <= DENSE_OPERATIONS:
        return dense_members(labels, before, k)
    # Imported here: SciPy takes longer to import than the rest of the package together.
    from scipy.sparse import csc_array

    if before is None:
        return csc_array((np.ones(m), labels, np.arange(m + 1, dtype=np.int32)), shape=(k, m))
    both = np.stack([labels, before], axis=1).reshape(-1)
    signs = np.tile([1.0, -1.0], m)
    return csc_array((signs, both, np.arange(0, 2 * m + 1, 2, dtype=np.int32)), shape=(k, m))


def dense_members(labels: np.ndarray, before: np.ndarray | None, k: int) -> np.ndarray:
    """Return the same as a dense matrix."""
    m, indices = len(labels), np.arange(len(labels))
    signs = np.zeros((k, m))
    signs[labels, indices] = 1
    if before is not None:
        signs[before, indices] -= 1
    return signs


def _sums_of_piece(
    rows: np.ndarray, weights: np.ndarray | None, origin: np.ndarray, grid: float
) -> RowSums:
    """Return the sums of a few rows, of which those in `origin`, (w,), are taken together."""
    (m, d), width = rows.shape, len(origin)
    tiles = -(-m * d // width)
    squares = scratch("addends", (tiles, width), np.float64)
    by_row = squares.reshape(-1, d)
    by_row[:m] = rows
    if origin.any():
        squares -= origin
    by_row[m:] = 0
    ones = np.ones(tiles)
    first = (ones if weights is None else weights) @ squares
    np.multiply(squares, squares, out=squares)
    if weights is not None:
        squares *= weights[:, None]
    largest = np.maximum.reduce(squares, axis=0)
    on_grid = np.add(squares, grid, out=scratch("high", squares.shape, np.float64))
    on_grid -= grid
    squares -= on_grid
    weight = np.asarray(float(m) if weights is None else weights.sum())
    sums = first, ones @ on_grid, ones @ squares
    if width > d:
        sums = tuple(part.reshape(-1, d).sum(axis=0) for part in sums)
        largest = largest.reshape(-1, d).max(axis=0)
    return RowSums(weight, *sums, largest)
