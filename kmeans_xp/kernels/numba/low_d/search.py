"""The nearest centres of sixteen rows at a time. Imported only where Numba is.

Distances are taken by direct differences, sixteen rows at a time, in the dtype of the rows. A
squared distance so computed is off by a factor within 1 ± (d + 3)ε and by what underflow takes;
the bounds are several times wider than that, so that what they call certain is what direct
differences in float64 would find, after their own rounding. Those decide where it is not certain.
"""

from typing import Any

import numpy as np

from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.low_d.unsettled_rows import AHEAD
from kmeans_xp.kernels.numba.simd.gather import gather, prefetch, scatter, transpose
from kmeans_xp.kernels.numba.simd.vector import (
    LANES,
    all_greater,
    failing_lanes,
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
from kmeans_xp.kernels.shared import prepared_centers

# Centres that are looked at together, between two questions whether the next may still matter.
STRIDE = 4
# Bytes of a line of the cache.
LINE = 64
# How far back a row is whose centre shows where to begin: the last ones are still searched.
BEHIND = 4 * LANES
# More than float32 rounds away in a sum and a conversion, of numbers in between these two.
DOWN, UP = 1 - 2.0**-22, 1 + 2.0**-22
TINY, MOST = 1e-37, 3e38


tied = compiling.part(prepared_centers.tied)


@compiling.part
def squares_to(x: Any, centers: Any, near: Any, j: Any, place: Any) -> Any:
    """Return the squared distances of sixteen rows, feature by feature in `x`, to four centres.

    Four at a time, so that features are loaded once for all of them. Even and odd features are
    added up apart, since a sum waits for its last addition.
    """
    d = centers.shape[1]
    c0, c1 = near[j, place] * d, near[j, place + 1] * d
    c2, c3 = near[j, place + 2] * d, near[j, place + 3] * d
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
def _add_square(features: Any, centers: Any, place: Any, square: Any) -> Any:
    difference = minus(features, spread_at(centers, place))
    return times_plus(difference, difference, square)


@compiling.part
def bounds(x: Any, d: Any) -> Any:
    """Return what raises a distance above the true one, what lowers it, and underflow's part."""
    real = x.dtype.type
    info = np.finfo(x.dtype)
    grow = real(1 + (d + 8) * info.eps)
    return spread(grow), spread(real(2) - grow), spread(real(np.sqrt(2 * (d + 16) * info.tiny)))


@compiling.part
def rank(squares: Any, c: Any, best: Any, second: Any, which: Any) -> Any:
    """Return the least squares, the second least, and where the least are, with one centre more."""
    where = where_less(squares, best, spread(c), which)
    return lesser(squares, best), lesser(greater(best, squares), second), where


@compiling.part
def search(
    block: Any, rows: Any, first: Any, last: Any, j: Any, centers: Any, near: Any, spans: Any,
    slack: Any, limit: Any, label: Any, x: Any, found: Any, left: Any, gaps: Any, others: Any,
) -> None:  # fmt: skip
    """Write the nearest centre and the gap of `rows` from `first` to `last`; it is sure above 0.

    Centres come in the order of `near[j]`: first j, mostly the rows' own, then by their distances
    from that, of which `spans[j]` less `slack` are lower bounds. Where such a distance is more than
    a row's to j and to the second best together, no centre from there on matters (the triangle
    inequality; Newling and Fleuret, "Fast k-means with accurate bounds", ICML 2016).

    Gaps are also written, with the `limit` of the rows' `label` added, where they are remembered.
    Vectors that are not done with this have a bit in `others` for each row that is elsewhere or
    not sure.
    """
    real, d = x.dtype.type, centers.shape[1]
    grow, shrink, floor = bounds(x, d)
    none, infinite = spread(real(0)), spread(real(np.inf))
    tiny, most = spread(real(TINY)), spread(real(MOST))
    for a in range(first, last, LANES):
        take(block, rows, a, x)
        prefetch(block, rows, a + AHEAD)
        best = second = rest = infinite
        which, own = spread(real(near[j, 0])), none
        for place in range(0, near.shape[1], STRIDE):
            if place > 0:
                beyond = minus(spread(spans[j, place]), own)
                if all_greater(beyond, none) and all_greater(times(beyond, beyond), second):
                    rest = beyond
                    break
            s0, s1, s2, s3 = squares_to(x, centers, near, j, place)
            if place == 0:
                own = plus(times_plus(root(s0), grow, floor), spread(slack))
            best, second, which = rank(s0, real(near[j, place]), best, second, which)
            best, second, which = rank(s1, real(near[j, place + 1]), best, second, which)
            best, second, which = rank(s2, real(near[j, place + 2]), best, second, which)
            best, second, which = rank(s3, real(near[j, place + 3]), best, second, which)
        # Of a square that overflowed the root is at least that of the largest number.
        rest = lesser(root(lesser(second, spread(real(np.finfo(x.dtype).max)))), rest)
        gap = minus(times(rest, shrink), floor)
        gap = minus(gap, times_plus(root(best), grow, floor))
        store(found, a, which)
        store(left, a, gap)
        bound = lesser(times(plus(gap, limit), spread(real(DOWN))), most)
        scatter(gaps, rows, a, where_less(bound, tiny, none, bound))
        others[a // LANES] = failing_lanes(gap, none, which, label)


@compiling.making
def room(d: Any, like: Any) -> Any:
    """Return memory for `d` vectors, of which none is in two lines of the cache."""
    memory = np.empty((d + 1) * LANES, like.dtype)
    return memory[-memory.ctypes.data % LINE // memory.itemsize :]


@compiling.part
def take(block: Any, rows: Any, first: Any, x: Any) -> None:
    """Write sixteen of the `rows`, from `first` on, feature by feature."""
    d = block.shape[1]
    if d < LANES:
        for f in range(d):
            store(x, f * LANES, gather(block, rows, first, f))
    else:
        for f in range(0, d, LANES):
            transpose(block, rows, first, min(f, d - LANES), x)


@compiling.part
def guess(found: Any, begin: Any, first: Any, nowhere: Any) -> Any:
    """Return a centre near the row `first` if rows are near those before them, of no label yet."""
    before = first - BEHIND
    return np.int64(found[before]) if before >= begin else nowhere


@compiling.part
def rounded_down(number: float) -> Any:
    """Return a float32 that is not above a number of 0 or more."""
    return np.float32(number * DOWN if number < MOST else MOST) if number > TINY else np.float32(0)


@compiling.part
def rounded_up(number: float) -> Any:
    """Return a float32 that is not below a number of 0 or more."""
    if number > MOST:
        return np.float32(np.inf)
    return np.float32(number * UP if number > TINY else 2 * TINY if number > 0 else 0.0)


@compiling.part
def decide(block: Any, i: Any, centers: Any) -> Any:
    """Return the nearest centre in float64, the first of those that are `prepared_centers.tied`."""
    least = np.inf
    for j in range(len(centers)):
        least = min(least, square(block, i, centers, j))
    least *= tied(centers.shape[1])
    for j in range(len(centers)):
        if square(block, i, centers, j) <= least:
            return j
    return 0


def _square(block: Any, i: Any, centers: Any, j: Any) -> Any:
    """Return the squared distance of a row to a centre, in float64."""
    total = 0.0
    for f in range(centers.shape[1]):
        difference = np.float64(block[i, f]) - np.float64(centers[j, f])
        total += difference * difference
    return total


# Feature by feature, and in any order.
square, loose_square = compiling.part(_square), compiling.sum_of(_square)
