"""The labels of rows that are seen once, sixteen at a time. Imported only where Numba is.

Rows have no label to be grouped by, and lie one after another. As a label is all that is asked
for, centres are left out that cannot be the nearest, where a gap would need the second nearest.
"""

from typing import Any

import numpy as np

from kmeans_xp.kernels.fast_atomic import all_done, count_up
from kmeans_xp.kernels.fast_compile import entry, making, part
from kmeans_xp.kernels.fast_rows import column
from kmeans_xp.kernels.fast_search import (
    STRIDE,
    bounds,
    decide,
    guess,
    rank,
    room,
    square,
    squares_to,
    take,
)
from kmeans_xp.kernels.fast_vector import (
    LANES,
    all_greater,
    greater,
    largest,
    lesser,
    load,
    minus,
    root,
    spread,
    store,
    times,
    times_plus,
)

# Rows of a piece, few enough that what is remembered of them stays in the cache.
PIECE = 1 << 12
# What is this many times a square is above it for certain, whatever rounding did.
CLEAR = 1 + 2.0**-10


@part
def _search(
    x: Any, first: Any, j: Any, centers: Any, near: Any, spans: Any, found: Any, left: Any
) -> None:
    """Write the nearest centres of sixteen rows, and how much nearer they are; sure above 0.

    In the order of `near[j]`, as in `fast_search.search`.
    """
    real = x.dtype.type
    grow, shrink, floor = bounds(x, centers.shape[1])
    none, infinite, clear = spread(real(0)), spread(real(np.inf)), spread(real(CLEAR))
    best = second = rest = infinite
    which, own = spread(real(near[j, 0])), none
    for place in range(0, near.shape[1], STRIDE):
        if place > 0:
            beyond = minus(spread(spans[j, place]), own)
            clearly = times(best, clear)
            if all_greater(beyond, none) and all_greater(times(beyond, beyond), clearly):
                rest = beyond
                break
        s0, s1, s2, s3 = squares_to(x, centers, near, j, place)
        if place == 0:
            own = times_plus(root(s0), grow, floor)
        best, second, which = rank(s0, real(near[j, place]), best, second, which)
        best, second, which = rank(s1, real(near[j, place + 1]), best, second, which)
        best, second, which = rank(s2, real(near[j, place + 2]), best, second, which)
        best, second, which = rank(s3, real(near[j, place + 3]), best, second, which)
    # Of a square that overflowed the root is at least that of the largest number.
    rest = lesser(root(lesser(second, spread(real(np.finfo(x.dtype).max)))), rest)
    gap = minus(minus(times(rest, shrink), floor), times_plus(root(best), grow, floor))
    store(found, first, which)
    store(left, first, gap)


@making
def _label(block: Any, centers: Any, near: Any, spans: Any, labels: Any) -> Any:
    """Write the labels of one piece; return its largest absolute value, NaN if it is not finite."""
    real = block.dtype.type
    n, d = block.shape
    nowhere = len(near) - 1
    x = room(d, block)
    found, left = np.empty(n, block.dtype), np.empty(n, block.dtype)
    which = np.empty(LANES, np.int32)
    low = high = odd = none = spread(real(0))
    for start in range(0, n, LANES):
        first = min(start, n - LANES)
        _take(block, first, which, x)
        for f in range(d):
            features = load(x, f * LANES)
            low, high = lesser(features, low), greater(features, high)
            odd = times_plus(features, none, odd)
        around = min(guess(found, 0, first, nowhere), nowhere)
        _search(x, first, around, centers, near, spans, found, left)
    for i in range(n):
        labels[i] = found[i] if left[i] > 0 else decide(block, i, centers)
    # Anything finite times 0 is 0.
    finite = all_greater(spread(real(1)), odd)
    return largest(greater(high, minus(none, low))) if finite else real(np.nan)


@part
def _take(block: Any, first: Any, which: Any, x: Any) -> None:
    """Write sixteen rows, from `first` on, feature by feature; `which` is to be written to."""
    for lane in range(LANES):
        which[lane] = first + lane
    if block.shape[1] >= LANES:
        take(block, which, 0, x)
    else:
        for f in range(block.shape[1]):
            store(x, f * LANES, column(block, first, f))


@entry
def label(
    block: Any, centers: Any, near: Any, spans: Any, labels: Any, squares: Any, extents: Any,
    turns: Any,
) -> Any:  # fmt: skip
    """As `fast_lanes.label_all`, piece by piece; return whether all are done.

    Of each piece `extents` gets the largest absolute value, NaN if it is not finite. Where there
    is no place for `squares`, none are written. Any number of threads may do this at once: the
    first of `turns` counts the pieces that were taken, the second those that are done.
    """
    while True:
        piece = count_up(turns, 0)
        if piece >= len(extents):
            return all_done(turns, len(extents))
        first = piece * PIECE
        # The last piece has what is left over, so that none has fewer rows than a vector.
        last = first + PIECE if piece < len(extents) - 1 else len(labels)
        extents[piece] = _label(block[first:last], centers, near, spans, labels[first:last])
        if len(squares):
            for i in range(first, last):
                squares[i] = square(block, i, centers, labels[i])
        count_up(turns, 1)
