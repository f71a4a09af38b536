"""Distances, sums and counts of rows of few features. Imported only where Numba is."""

import math
from functools import partial
from typing import Any

import numpy as np
from numba import typeof, types

from kmeans_xp.arrays.views import empty_for_jax
from kmeans_xp.kernels.interface import RowSums, Team
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.low_d import pieces
from kmeans_xp.kernels.numba.low_d.search import LARGEST, SMALLEST
from kmeans_xp.kernels.numba.low_d.unsettled_rows import PARTS
from kmeans_xp.kernels.numba.simd.gather import column, gather
from kmeans_xp.kernels.numba.simd.vector import (
    LANES,
    all_greater,
    greater,
    largest,
    load,
    minus,
    plus,
    root,
    rounded,
    spread,
    store,
    times,
    times_plus,
    widened,
)
from kmeans_xp.kernels.numba.sums import half_of, ordered_square
from kmeans_xp.kernels.shared.binned_sums import RUNGS, SCALE, BinnedSum, units_for
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters

# Rows whose distances are measured together, so that centres are loaded once for all; and rows of a
# piece, of which more would be shared less evenly by threads.
TOGETHER, PIECE = 4, 1 << 10

# Numbers of rows that are summed at a time, which stay in the cache next to a core.
SUMMED = 1 << 12


def distances_all(
    block: np.ndarray, prepared: PreparedCenters, team: Team | None
) -> tuple[np.ndarray, float]:
    """Return distances, not squared, to every centre, (B, k), and the largest absolute value.

    By direct differences in float64, rounded to the dtype of the rows. The largest value is not
    finite if a row is not.
    """
    rows, (k, d) = compiling.ready_rows(block), prepared.centers.shape
    columns = np.zeros((d, -(-k // LANES) * LANES))
    columns[:, :k] = prepared.wide_centers.T
    found = empty_for_jax((len(rows), k), rows.dtype)
    largest = np.empty(-(-len(rows) // PIECE), np.int64)
    compiled = compiling.entry_point(_distances, rows.dtype)
    work = partial(compiled, rows, columns, found.reshape(-1), largest, pieces.no_progress())
    pieces.share(work, team, found.size * d)
    return found, float(largest.max().view(np.float64))


def sums_about(block: np.ndarray, about: np.ndarray, grid: float) -> RowSums:
    """Return what the rows add up to about a point, their squares on a grid as in `exact_sums`."""
    n, d = block.shape
    # So many rows fill up whole vectors.
    together = LANES // math.gcd(d, LANES)
    sums = np.zeros((4, together * d))
    _sums(compiling.ready_rows(block), np.tile(about, together), grid, sums)
    by_row = sums.reshape(4, together, d)
    first, coarse, rest = by_row[:3].sum(axis=1)
    return RowSums(np.asarray(float(n)), first, coarse, rest, by_row[3].max(axis=0))


def binned_sum(addends: np.ndarray, count: int) -> BinnedSum:
    """Return what `kmeans_xp.kernels.shared.binned_sums.binned_sum` does."""
    units = units_for(count)
    bins = np.zeros(len(units))
    top = _bin(np.require(addends, np.float64, ["C", "A", "W"]), units, bins)
    return BinnedSum(bins, np.asarray(top))


def own_distances(block: np.ndarray, prepared: PreparedCenters, labels: np.ndarray) -> np.ndarray:
    """Return squared distances to the centres of `labels`, (B,) float64."""
    squares = np.empty(len(block))
    labels = np.require(labels, np.int32, ["C", "A", "W"])
    # The user's own may lie in any way, and vectors are read as they lie.
    centers = np.require(prepared.wide_centers, np.float64, ["C", "A", "W"])
    _own(compiling.ready_rows(block), centers, labels, squares)
    return squares


def count(labels: np.ndarray, k: int) -> np.ndarray:
    """Return how many rows have each label, (k,) int64."""
    counts = np.zeros(k, np.int64)
    _count(np.require(labels, np.int32, ["C", "A", "W"]), counts)
    return counts


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for rows of `dtype`."""
    real = compiling.real(dtype)
    rows, wide, numbers = compiling.sealed_type(real, 2), types.f8[:, ::1], types.f8[::1]
    labels, counts = types.int32[::1], types.int64[::1]
    return {
        "_distances": (rows, wide, real[::1], counts, typeof(pieces.no_progress())),
        "_sums": (rows, numbers, types.f8, wide),
        "_bin": (numbers, numbers, numbers),
        "_own": (rows, wide, labels, numbers),
        "_count": (labels, counts),
    }


@compiling.entry
def _distances(block: Any, columns: Any, out: Any, largest: Any, progress: pieces.Progress) -> bool:
    """As `distances_all`, piece by piece; return whether all are done.

    `columns` are the centres feature by feature, in whole vectors. Of each piece `largest` gets the
    bits of the largest absolute value.
    """
    k, count = len(out) // len(block), len(largest)
    piece = pieces.take(progress, count)
    while piece < count:
        first = piece * PIECE
        last = min(first + PIECE, len(block))
        largest[piece] = _distances_of(block[first:last], columns, out[first * k : last * k])
        pieces.finish(progress)
        piece = pieces.take(progress, count)
    return pieces.wait(progress, count)


@compiling.making
def _distances_of(block: Any, columns: Any, out: Any) -> Any:
    """Do one piece; return the bits of its largest absolute value, or of a NaN, which are more."""
    n, d = block.shape
    k, most = len(out) // n, np.int64(0)
    x, room = np.zeros((TOGETHER, d)), np.empty(LANES, block.dtype)
    bits = x.reshape(-1).view(np.int64)
    first = 0
    while first < n:
        count = TOGETHER if first + TOGETHER <= n else 1
        for i in range(count):
            for f in range(d):
                x[i, f] = block[first + i, f]
        for place in range(len(bits)):
            most = max(most, bits[place] & np.int64(0x7FFFFFFFFFFFFFFF))
        _measure(x, columns, count, out[first * k : (first + count) * k], room)
        first += count
    return most


@compiling.part
def _measure(x: Any, columns: Any, count: int, out: Any, room: Any) -> None:
    """Write the distances of the first `count` rows of `x` to all centres."""
    d, width = columns.shape
    flat, k = columns.reshape(-1), len(out) // count
    for j in range(0, k, LANES):
        s0 = s1 = s2 = s3 = spread(0.0)
        for f in range(d):
            center = load(flat, f * width + j)
            e0, e1 = minus(center, spread(x[0, f])), minus(center, spread(x[1, f]))
            e2, e3 = minus(center, spread(x[2, f])), minus(center, spread(x[3, f]))
            s0, s1 = times_plus(e0, e0, s0), times_plus(e1, e1, s1)
            s2, s3 = times_plus(e2, e2, s2), times_plus(e3, e3, s3)
        _write_roots(s0, out, j, k - j, room)
        if count == TOGETHER:
            _write_roots(s1, out, k + j, k - j, room)
            _write_roots(s2, out, 2 * k + j, k - j, room)
            _write_roots(s3, out, 3 * k + j, k - j, room)


@compiling.part
def _write_roots(squares: Any, out: Any, start: int, count: int, room: Any) -> None:
    """Write the roots of squares, of which `count` have a place, rounded to the dtype of `out`."""
    # Rounded first they take a third of the time, where single precision has the range.
    if all_greater(squares, spread(SMALLEST)) and all_greater(spread(LARGEST), squares):
        distances = root(rounded(squares, out))
    else:
        distances = rounded(root(squares), out)
    if count >= LANES:
        store(out, start, distances)
        return
    store(room, 0, distances)
    for j in range(count):
        out[start + j] = room[j]


@compiling.entry
def _sums(block: Any, origin: Any, grid: float, sums: Any) -> None:
    """Sum the rows less the origin, and their squares, several rows as one of w numbers.

    `sums`, (4, w), are those of differences, of squares on the grid, of what is left of these, and
    the largest squares.
    """
    n, d = block.shape
    w = len(origin)
    tiles = n * d // w
    step = max(1, SUMMED // w)
    for start in range(0, tiles, step):
        for c in range(0, w, LANES):
            _sum_tiles(block, origin, grid, sums, c, start, min(start + step, tiles))
    for i in range(tiles * (w // d), n):
        for f in range(d):
            difference = np.float64(block[i, f]) - origin[f]
            square = difference * difference
            on_grid = (square + grid) - grid
            sums[0, f] += difference
            sums[1, f] += on_grid
            sums[2, f] += square - on_grid
            sums[3, f] = max(sums[3, f], square)


@compiling.part
def _sum_tiles(
    block: Any, origin: Any, grid: float, sums: Any, c: int, start: int, stop: int
) -> None:
    """Do sixteen columns, from `c` on, of some tiles."""
    w, about, unit = len(origin), load(origin, c), spread(grid)
    total, coarse = load(sums, c), load(sums, w + c)
    rest, most = load(sums, 2 * w + c), load(sums, 3 * w + c)
    for tile in range(start, stop):
        x = minus(widened(load(block, tile * w + c)), about)
        square = times(x, x)
        on_grid = minus(plus(square, unit), unit)
        total, coarse = plus(total, x), plus(coarse, on_grid)
        rest, most = plus(rest, minus(square, on_grid)), greater(square, most)
    store(sums, c, total)
    store(sums, w + c, coarse)
    store(sums, 2 * w + c, rest)
    store(sums, 3 * w + c, most)


@compiling.entry
def _bin(addends: Any, units: Any, bins: Any) -> int:
    """Add the addends to their bins; return the top one."""
    whole = len(addends) // LANES * LANES
    most = spread(0.0)
    for i in range(0, whole, LANES):
        most = greater(load(addends, i), most)
    least = largest(most)
    for i in range(whole, len(addends)):
        least = max(least, addends[i])
    top = 0
    while top + 1 < len(units) and units[top + 1] <= least * SCALE:
        top += 1
    # Below the lowest rung there is none: what is rounded to it again is not kept.
    rounders = np.empty(RUNGS)
    for rung in range(RUNGS):
        rounders[rung] = units[max(0, top - rung)] * (1.5 * 2.0**52)
    sums = np.zeros((RUNGS, LANES))
    _bin_vectors(addends, rounders, sums)
    for i in range(whole, len(addends)):
        rest = addends[i] * SCALE
        for rung in range(RUNGS):
            on_rung = (rest + rounders[rung]) - rounders[rung]
            sums[rung, 0] += on_rung
            rest -= on_rung
    for rung in range(min(RUNGS, top + 1)):
        for lane in range(LANES):
            bins[top - rung] += sums[rung, lane]
    return top


@compiling.part
def _bin_vectors(addends: Any, rounders: Any, sums: Any) -> None:
    """Add whole vectors of addends to the sums on each of three rungs."""
    scale = spread(SCALE)
    first, second, third = spread(rounders[0]), spread(rounders[1]), spread(rounders[2])
    a, b, c = spread(0.0), spread(0.0), spread(0.0)
    for i in range(0, len(addends) - LANES + 1, LANES):
        rest = times(load(addends, i), scale)
        on_rung = minus(plus(rest, first), first)
        a, rest = plus(a, on_rung), minus(rest, on_rung)
        on_rung = minus(plus(rest, second), second)
        b, rest = plus(b, on_rung), minus(rest, on_rung)
        c = plus(c, minus(plus(rest, third), third))
    store(sums, 0, a)
    store(sums, LANES, b)
    store(sums, 2 * LANES, c)


@compiling.entry
def _own(block: Any, centers: Any, labels: Any, squares: Any) -> None:
    """Write the squared distances of rows to the centres of their labels, in float64."""
    n, d = block.shape
    by_rows = 0 if d > LANES else n // LANES * LANES
    room = np.empty(max(LANES, d) * LANES)
    for first in range(0, by_rows, LANES):
        store(squares, first, _own_of_sixteen(block, centers, labels, first, room))
    for i in range(by_rows, n):
        squares[i] = ordered_square(block, i, centers, labels[i], room)


@compiling.part
def _own_of_sixteen(block: Any, centers: Any, labels: Any, first: int, room: Any) -> Any:
    """Return the squares of sixteen rows, added up in order of features."""
    m = centers.shape[1]
    half = half_of(m)
    for f in range(m):
        difference = minus(widened(column(block, first, f)), gather(centers, labels, first, f))
        square = times(difference, difference)
        if f < half:
            store(room, f * LANES, square)
        else:
            place = (f - half) * LANES
            store(room, place, plus(load(room, place), square))
    while half > 1:
        half //= 2
        for f in range(0, half * LANES, LANES):
            store(room, f, plus(load(room, f), load(room, half * LANES + f)))
    return load(room, 0)


@compiling.entry
def _count(labels: Any, counts: Any) -> None:
    """Add how many rows have each label."""
    # In parts side by side: a count that was written just now is slow to read.
    parts, size = np.zeros((PARTS, len(counts)), np.int64), len(labels) // PARTS
    for i in range(size):
        for p in range(PARTS):
            parts[p, labels[p * size + i]] += 1
    for i in range(PARTS * size, len(labels)):
        counts[labels[i]] += 1
    for p in range(PARTS):
        counts += parts[p]
