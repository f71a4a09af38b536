"""All distances, by direct differences in float64. Imported only where Numba is."""

from typing import Any

import numpy as np

from kmeans_xp.kernels.fast_atomic import all_done, count_up
from kmeans_xp.kernels.fast_compile import entry, making, part
from kmeans_xp.kernels.fast_search import MOST, TINY
from kmeans_xp.kernels.fast_vector import (
    LANES,
    all_greater,
    load,
    minus,
    root,
    rounded,
    spread,
    store,
    times_plus,
)

# Rows that are looked at together, for which centres are loaded once; and rows of a piece.
TOGETHER, PIECE = 4, 1 << 10


@part
def _write(squares: Any, out: Any, start: Any, count: Any, some: Any) -> None:
    """Write the roots of squares, of which `count` have a place, rounded to the dtype of `out`."""
    # Rounded first they take a third of the time, where single precision has the range.
    if all_greater(squares, spread(TINY)) and all_greater(spread(MOST), squares):
        distances = root(rounded(squares, out))
    else:
        distances = rounded(root(squares), out)
    if count >= LANES:
        store(out, start, distances)
        return
    store(some, 0, distances)
    for j in range(count):
        out[start + j] = some[j]


@part
def _measure(x: Any, columns: Any, count: Any, out: Any, some: Any) -> None:
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
        _write(s0, out, j, k - j, some)
        if count == TOGETHER:
            _write(s1, out, k + j, k - j, some)
            _write(s2, out, 2 * k + j, k - j, some)
            _write(s3, out, 3 * k + j, k - j, some)


@making
def _all_of(block: Any, columns: Any, out: Any) -> Any:
    """Do one piece; return the bits of its largest absolute value, or of a NaN, which are more."""
    n, d = block.shape
    k, most = len(out) // n, np.int64(0)
    x, some = np.zeros((TOGETHER, d)), np.empty(LANES, block.dtype)
    bits = x.reshape(-1).view(np.int64)
    first = 0
    while first < n:
        count = TOGETHER if first + TOGETHER <= n else 1
        for i in range(count):
            for f in range(d):
                x[i, f] = block[first + i, f]
        for place in range(len(bits)):
            most = max(most, bits[place] & np.int64(0x7FFFFFFFFFFFFFFF))
        _measure(x, columns, count, out[first * k : (first + count) * k], some)
        first += count
    return most


@entry
def distances(block: Any, columns: Any, out: Any, extents: Any, turns: Any) -> Any:
    """As `fast_lanes.distances_all`, piece by piece; return whether all are done.

    `columns` are the centres feature by feature, in whole vectors. Any number of threads may do
    this at once, which `turns` counts as in `fast_label.label`.
    """
    k = len(out) // len(block)
    while True:
        piece = count_up(turns, 0)
        if piece >= len(extents):
            return all_done(turns, len(extents))
        first = piece * PIECE
        last = min(first + PIECE, len(block))
        extents[piece] = _all_of(block[first:last], columns, out[first * k : last * k])
        count_up(turns, 1)
