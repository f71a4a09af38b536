"""The nearest centres of sixteen rows at a time. Imported only where Numba is.

Distances are taken by direct differences, sixteen rows at a time, in the dtype of the rows. A
squared distance so computed is off by a factor within 1 ± (d + 3)ε and by what underflow takes.
The bounds here are several times wider than that, so that what they call certain is what direct
differences in float64 would find. Where nothing is certain, those decide.
"""

from typing import Any

import numpy as np

from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.simd.gather import gather, transpose
from kmeans_xp.kernels.numba.simd.vector import (
    LANES,
    all_greater,
    greater,
    lesser,
    load,
    minus,
    plus,
    root,
    spread,
    spread_at,
    store,
    times,
    times_plus,
    where_less,
)
from kmeans_xp.kernels.numba.sums import ordered_square
from kmeans_xp.kernels.shared import prepared_centers

# Centres that are visited together, so that features are loaded once for all of them: the search
# of flights (d = 4, k = 64) took 13% less time than with one at a time.
STRIDE = 4
# Bytes of a cache line.
LINE = 64
# A row without a label begins at the centre that was found so many rows before: neighbours in the
# array are often near each other, and the last few rows are still being searched.
BEHIND = 4 * LANES
# Factors that change a number by more than float32 rounds away in a sum and a conversion, for
# numbers between the next two, which are well inside the range of float32.
DOWN, UP = 1 - 2.0**-22, 1 + 2.0**-22
SMALLEST, LARGEST = 1e-37, 3e38
# What is this many times a square is above it for certain, whatever rounding did.
CLEAR = 1 + 2.0**-10


tied = compiling.part(prepared_centers.tied)


@compiling.part
def find_nearest(x: Any, neighbors: Any, j: Any, with_gaps: bool) -> Any:
    """Return the nearest centres of the rows `x`, certain where their bound gaps are above 0.

    Centres are visited in the order of their distances from centre j, which is near most of the
    rows. Where such a distance is more than a row's to j and to its second nearest together, no
    centre from there on matters (the triangle inequality; Newling and Fleuret, "Fast k-means with
    accurate bounds", ICML 2016). The bound gaps are returned as well: how much farther the second
    nearest is at least. Where they are not asked for, a search may end by the nearest alone.
    """
    real = x.dtype.type
    grow, shrink, floor = _rounding_bounds(x, neighbors.centers.shape[1])
    none, rest = spread(real(0)), spread(real(np.inf))
    to_own, best, second, label = _visit_four(x, neighbors, j, 0, (rest, rest, none))
    # To the distance from j comes what separations from it may have changed.
    own = plus(times_plus(root(to_own), grow, floor), spread(real(neighbors.slack[j])))
    for place in range(STRIDE, neighbors.order.shape[1], STRIDE):
        beyond = minus(spread(neighbors.separations[j, place]), own)
        needed = second if with_gaps else times(best, spread(real(CLEAR)))
        if all_greater(beyond, none) and all_greater(times(beyond, beyond), needed):
            rest = beyond
            break
        _, best, second, label = _visit_four(x, neighbors, j, place, (best, second, label))
    # Of a square that overflowed the root is at least that of the largest number.
    rest = lesser(root(lesser(second, spread(real(np.finfo(x.dtype).max)))), rest)
    farther = minus(times(rest, shrink), floor)
    return label, minus(farther, times_plus(root(best), grow, floor))


@compiling.part
def _rounding_bounds(x: Any, d: int) -> Any:
    """Return what raises a distance above the true one, what lowers it, and underflow's part."""
    real = x.dtype.type
    info = np.finfo(x.dtype)
    grow = real(1 + (d + 8) * info.eps)
    return spread(grow), spread(real(2) - grow), spread(real(np.sqrt(2 * (d + 16) * info.tiny)))


@compiling.part
def _visit_four(x: Any, neighbors: Any, j: int, place: int, found: Any) -> Any:
    """Visit four neighbours of centre j; return the squares of the first, and what is found then.

    That is the least squares, the second least, and where the least are.
    """
    best, second, label = found
    real, order = x.dtype.type, neighbors.order
    s0, s1, s2, s3 = _squares_to_four(x, neighbors, j, place)
    best, second, label = _rank(s0, real(order[j, place]), best, second, label)
    best, second, label = _rank(s1, real(order[j, place + 1]), best, second, label)
    best, second, label = _rank(s2, real(order[j, place + 2]), best, second, label)
    best, second, label = _rank(s3, real(order[j, place + 3]), best, second, label)
    return s0, best, second, label


@compiling.part
def _squares_to_four(x: Any, neighbors: Any, j: int, place: int) -> Any:
    """Return the squared distances of sixteen rows to four neighbours of centre j.

    Even and odd features are added up apart, since a sum waits for its last addition.
    """
    centers, order = neighbors.centers, neighbors.order
    d = centers.shape[1]
    c0, c1 = order[j, place] * d, order[j, place + 1] * d
    c2, c3 = order[j, place + 2] * d, order[j, place + 3] * d
    s0 = s1 = s2 = s3 = t0 = t1 = t2 = t3 = spread(x.dtype.type(0))
    for f in range(0, d - 1, 2):
        even, odd = load(x, f * LANES), load(x, f * LANES + LANES)
        s0, t0 = _add_square(even, centers, c0 + f, s0), _add_square(odd, centers, c0 + f + 1, t0)
        s1, t1 = _add_square(even, centers, c1 + f, s1), _add_square(odd, centers, c1 + f + 1, t1)
        s2, t2 = _add_square(even, centers, c2 + f, s2), _add_square(odd, centers, c2 + f + 1, t2)
        s3, t3 = _add_square(even, centers, c3 + f, s3), _add_square(odd, centers, c3 + f + 1, t3)
    if d % 2:
        f = d - 1
        last = load(x, f * LANES)
        s0, s1 = _add_square(last, centers, c0 + f, s0), _add_square(last, centers, c1 + f, s1)
        s2, s3 = _add_square(last, centers, c2 + f, s2), _add_square(last, centers, c3 + f, s3)
    return plus(s0, t0), plus(s1, t1), plus(s2, t2), plus(s3, t3)


@compiling.part
def _add_square(features: Any, centers: Any, place: int, square: Any) -> Any:
    difference = minus(features, spread_at(centers, place))
    return times_plus(difference, difference, square)


@compiling.part
def _rank(squares: Any, center: Any, best: Any, second: Any, label: Any) -> Any:
    """Return what is found with one centre more."""
    label = where_less(squares, best, spread(center), label)
    return lesser(squares, best), lesser(greater(best, squares), second), label


@compiling.making
def aligned_vectors(count: int, like: Any) -> Any:
    """Return memory for `count` vectors, of which none is in two cache lines."""
    memory = np.empty((count + 1) * LANES, like.dtype)
    return memory[-memory.ctypes.data % LINE // memory.itemsize :]


@compiling.part
def take_rows(block: Any, indices: Any, first: int, x: Any) -> None:
    """Write the rows of sixteen `indices`, from place `first` on, feature by feature."""
    d = block.shape[1]
    if d < LANES:
        for f in range(d):
            store(x, f * LANES, gather(block, indices, first, f))
    else:
        for f in range(0, d, LANES):
            transpose(block, indices, first, min(f, d - LANES), x)


@compiling.part
def guess(labels: Any, first: int, unknown: int) -> Any:
    """Return a label found a little before place `first`; `unknown` where there is none yet."""
    return np.int64(labels[first - BEHIND]) if first >= BEHIND else unknown


@compiling.part
def all_rounded_down(numbers: Any, like: Any) -> Any:
    """Return numbers that are not above others, in the dtype of `like`, nor as float32."""
    real = like.dtype.type
    lower = lesser(times(numbers, spread(real(DOWN))), spread(real(LARGEST)))
    return where_less(lower, spread(real(SMALLEST)), spread(real(0)), lower)


@compiling.part
def rounded_down(number: float) -> Any:
    """Return a float32 that is not above a number of 0 or more."""
    if number > SMALLEST:
        return np.float32(number * DOWN if number < LARGEST else LARGEST)
    return np.float32(0)


@compiling.part
def rounded_up(number: float) -> Any:
    """Return a float32 that is not below a number of 0 or more."""
    if number > LARGEST:
        return np.float32(np.inf)
    return np.float32(number * UP if number > SMALLEST else 2 * SMALLEST if number > 0 else 0.0)


@compiling.part
def decide(block: Any, i: int, centers: Any, room: Any) -> int:
    """Return the nearest centre in float64, the first of those that are `prepared_centers.tied`.

    `room` is memory of d numbers.
    """
    least = np.inf
    for j in range(len(centers)):
        least = min(least, ordered_square(block, i, centers, j, room))
    least *= tied(centers.shape[1])
    for j in range(len(centers)):
        if ordered_square(block, i, centers, j, room) <= least:
            return j
    return 0


@compiling.sum_of
def loose_square(block: Any, i: int, centers: Any, j: int) -> Any:
    """Return the squared distance of a row to a centre, added up in any order, for bounds."""
    total = 0.0
    for f in range(centers.shape[1]):
        difference = np.float64(block[i, f]) - np.float64(centers[j, f])
        total += difference * difference
    return total
