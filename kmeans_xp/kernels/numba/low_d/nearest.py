"""Exact nearest centres of rows of few features that are seen once, sixteen rows at a time.

Imported only where Numba is. Rows have no label to be grouped by, and lie one after another. As a
label is all that is asked for, centres are left out that cannot be the nearest, where a gap would
need the second nearest.
"""

from functools import partial
from typing import Any

import numpy as np
from numba import types

from kmeans_xp.kernels.interface import Team
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.low_d.distances import SHARED_FROM
from kmeans_xp.kernels.numba.low_d.neighbours import neighbors_of, unordered
from kmeans_xp.kernels.numba.low_d.search import (
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
from kmeans_xp.kernels.numba.simd.atomics import all_done, count_up
from kmeans_xp.kernels.numba.simd.gather import column
from kmeans_xp.kernels.numba.simd.vector import (
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
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters

# More centres than the first and at most the second have lists of neighbours, where rows have no
# label yet, and so many rows of a block to each repay them.
LEAST, MOST, ROWS_OF_EACH = 16, 2048, 64
# Rows of a piece, few enough that what is remembered of them stays in the cache.
PIECE = 1 << 12
# What is this many times a square is above it for certain, whatever rounding did.
CLEAR = 1 + 2.0**-10


def nearest(block: np.ndarray, prepared: PreparedCenters) -> tuple[np.ndarray, np.ndarray]:
    """Return labels, (B,) int32, and squared distances, (B,) float64."""
    return label_all(block, prepared, squared=True)[:2]


def labels(block: np.ndarray, prepared: PreparedCenters) -> np.ndarray:
    """Return the index of the nearest centre of each row, (B,) int32; the lowest of equals."""
    return label_all(block, prepared, squared=False)[0]


def label_all(
    block: np.ndarray, prepared: PreparedCenters, *, squared: bool, team: Team | None = None
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return labels, squared distances if they are asked for, and the largest absolute value.

    That is NaN if a row is not finite, whose label means nothing then.
    """
    n, (k, d) = len(block), prepared.centers.shape
    if not LEAST < k <= MOST or n < ROWS_OF_EACH * k:
        near = unordered(prepared.centers, 1)
    else:
        near = prepared.derive(neighbors_of)
    rows = compiling.ready_rows(block if n >= LANES else np.resize(block, (LANES, d)))
    found, squares = np.empty(len(rows), np.int32), np.empty(len(rows) if squared else 0)
    extents = np.empty(max(1, len(rows) // PIECE), rows.dtype)
    work = partial(
        _label_pieces,
        rows, near.centers, near.order, near.spans, found, squares, extents, np.zeros(2, np.int64),
    )  # fmt: skip
    if team is None or n * k * d < SHARED_FROM:
        work()
    else:
        team(work, work)
    return found[:n], squares[:n], float(extents.max())


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for rows of `dtype`."""
    real = compiling.real(dtype)
    centers, near = real[:, ::1], types.int32[:, ::1]
    return {
        "_label_pieces": (
            compiling.sealed_type(real, 2), centers, near, centers, types.int32[::1],
            types.f8[::1], real[::1], types.int64[::1],
        ),
    }  # fmt: skip


@compiling.part
def _search_nearest(
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


@compiling.making
def _label_piece(block: Any, centers: Any, near: Any, spans: Any, labels: Any) -> Any:
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
        _take_rows(block, first, which, x)
        for f in range(d):
            features = load(x, f * LANES)
            low, high = lesser(features, low), greater(features, high)
            odd = times_plus(features, none, odd)
        around = min(guess(found, 0, first, nowhere), nowhere)
        _search_nearest(x, first, around, centers, near, spans, found, left)
    for i in range(n):
        labels[i] = found[i] if left[i] > 0 else decide(block, i, centers)
    # Anything finite times 0 is 0.
    finite = all_greater(spread(real(1)), odd)
    return largest(greater(high, minus(none, low))) if finite else real(np.nan)


@compiling.part
def _take_rows(block: Any, first: Any, which: Any, x: Any) -> None:
    """Write sixteen rows, from `first` on, feature by feature; `which` is to be written to."""
    for lane in range(LANES):
        which[lane] = first + lane
    if block.shape[1] >= LANES:
        take(block, which, 0, x)
    else:
        for f in range(block.shape[1]):
            store(x, f * LANES, column(block, first, f))


@compiling.entry
def _label_pieces(
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
        extents[piece] = _label_piece(block[first:last], centers, near, spans, labels[first:last])
        if len(squares):
            for i in range(first, last):
                squares[i] = square(block, i, centers, labels[i])
        count_up(turns, 1)
