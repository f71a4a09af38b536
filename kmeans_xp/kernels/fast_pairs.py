"""The compiled loops of `fast_projection`. Imported only where Numba is.

Rows are compared with centres in their short form first, which bounds scores from above; then,
with those that it leaves in doubt, by direct differences in float64.
"""

from typing import Any

import numpy as np
from numba import types

from kmeans_xp.kernels.fast_compile import entry, part, sum_of
from kmeans_xp.kernels.fast_search import tied
from kmeans_xp.kernels.fast_vector import (
    LANES,
    exceptions,
    greater,
    largest,
    load,
    spread,
    where_less,
)
from kmeans_xp.kernels.wide_tiles import PANEL, ROWS, fetch, tile

# More than float64 rounds away in a distance, and float32 in a conversion or two.
EXACT = 1e-10
ROUND = 2.0**-21
# Where more than one in so many centres is near a row, a whole product is faster.
CROWD = 8


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for rows of `dtype`."""
    real = types.float32 if np.dtype(dtype) == np.float32 else types.float64
    rows, weights = (types.Array(t, n, "C", readonly=True) for t, n in ((real, 2), (types.f8, 1)))
    table, numbers, places = real[:, ::1], types.f8[::1], types.intp[::1]
    wide, labels, panels = types.f8[:, ::1], types.int32[::1], real[:, :, ::1]
    memory = types.Tuple((labels, types.float32[::1], types.float32[::1]))
    moving = types.Tuple((wide, numbers, numbers))
    margin = types.UniTuple(types.f8, 3)
    changes = (wide, numbers, types.int64[::1], numbers)
    return {
        "look": (rows, places, table, panels, memory, moving, margin),
        "shorten": (rows, real[::1], panels, types.f8, table),
        "move": (rows, weights, labels, labels, numbers, *changes),
    }


@sum_of
def shifted(rows: Any, i: int, origin: Any, out: Any, r: int) -> Any:
    """Write a row less the origin to a row of `out`; return its square."""
    total = out.dtype.type(0)
    for f in range(len(origin)):
        difference = rows[i, f] - origin[f]
        out[r, f] = difference
        total += difference * difference
    return np.float64(total)


@sum_of
def _square(rows: Any, i: int, count: int) -> Any:
    total = rows.dtype.type(0)
    for f in range(count):
        total += rows[i, f] * rows[i, f]
    return np.float64(total)


@sum_of
def _squares(rows: Any, i: int, centers: Any, j: int) -> float:
    total = 0.0
    for f in range(rows.shape[1]):
        difference = np.float64(rows[i, f]) - centers[j, f]
        total += difference * difference
    return total


@part
def rounded(number: float, towards: float) -> Any:
    """Return a float32 on that side of a number, however small or large it is."""
    return np.nextafter(np.float32(number), np.float32(towards))


@part
def _root(square: float) -> float:
    return np.sqrt(max(square, 0.0)) * (1 - EXACT)


@entry
def shorten(block: Any, origin: Any, panels: Any, rounding: float, short: Any) -> None:
    """Write short rows, (B, q + 3), of directions that are given in panels."""
    q, real = short.shape[1] - 3, block.dtype.type
    up = 1 + 4 * np.finfo(block.dtype).eps
    x, squares = np.empty((ROWS, len(origin)), block.dtype), np.zeros(ROWS)
    held = np.empty((ROWS, len(panels) * PANEL), block.dtype)
    for first in range(0, len(block), ROWS):
        count = min(ROWS, len(block) - first)
        for r in range(count):
            squares[r] = shifted(block, first + r, origin, x, r)
        for panel in range(len(panels)):
            tile(x, panels, panel, held, panel * PANEL)
        for r in range(count):
            left = squares[r] * (1 + rounding) - _square(held, r, q)
            for f in range(q):
                short[first + r, f] = held[r, f]
            short[first + r, q] = real(np.sqrt(max(left, 0.0)) * up)
            short[first + r, q + 1] = real(np.sqrt(squares[r]) * up)
            short[first + r, q + 2] = real(1)


@entry
def look(
    block: Any, which: Any, short: Any, panels: Any, memory: Any, moving: Any, margin: Any
) -> Any:
    """Settle rows by the scores of short rows; return whether each of them is left."""
    labels, gaps, reach = memory
    centers, limits, ways = moving
    left, waiting = np.zeros(len(which), np.bool_), np.empty(ROWS, np.intp)
    x, squares = np.empty((ROWS, short.shape[1]), short.dtype), np.empty(ROWS)
    scores, most = np.empty((ROWS, len(panels) * PANEL), short.dtype), len(centers) // CROWD + 1
    rivals, rivals_scores = np.empty(most, np.int32), np.empty(most)
    for first in range(0, len(which), ROWS):
        _score(short, which, first, panels, x, scores)
        count = 0
        for r in range(min(ROWS, len(which) - first)):
            i, norm = which[first + r], np.float64(x[r, -2])
            own, squares[r] = labels[i], norm * norm * (1 - margin[0]) - margin[1]
            if not norm < margin[2]:
                left[first + r] = True
                continue
            if own >= 0:
                scores[r, own] = -np.inf
                gap = _root(squares[r] - 2 * _top(scores, r)) - (reach[i] + ways[own]) * (1 + ROUND)
                if gap > 0:
                    gaps[i] = rounded((gap + limits[own]) * (1 - ROUND), -np.inf)
                    continue
            # Rows that need a look at themselves come near while the others are seen to.
            fetch(block, i)
            waiting[count], count = r, count + 1
        for b in range(count):
            r, i = waiting[b], which[first + waiting[b]]
            left[first + r], best, nearest, other = nearest_of(
                block, i, labels[i], centers, squares[r], scores, r, rivals, rivals_scores
            )
            if not left[first + r]:
                labels[i] = best
                gaps[i] = rounded((other - nearest + limits[best]) * (1 - ROUND), -np.inf)
                reach[i] = rounded(nearest - ways[best] + (nearest + ways[best]) * ROUND, np.inf)
    return left


@part
def _score(short: Any, which: Any, first: int, panels: Any, x: Any, scores: Any) -> None:
    """Write the scores of eight short rows; of the last again where there are no more."""
    for r in range(ROWS):
        i = which[min(first + r, len(which) - 1)]
        for f in range(short.shape[1]):
            x[r, f] = short[i, f]
    for panel in range(len(panels)):
        tile(x, panels, panel, scores, panel * PANEL)


@part
def nearest_of(
    block: Any, i: int, own: int, centers: Any, square: float, scores: Any, r: int, rivals: Any,
    rivals_scores: Any,
) -> Any:  # fmt: skip
    """Compare a row with its own centre, or the most likely one, and those that may be nearer.

    Returns
    -------
    bool
        Whether those are too many, and nothing else holds.
    int
        The nearest.
    float
        Its distance, rounded up.
    float
        A lower bound of the distances to the others.
    """
    if own < 0:
        own = _place(scores, r, _top(scores, r))
        scores[r, own] = -np.inf
    best, held, second = own, _squares(block, i, centers, own), np.inf
    nearest, margin = held, tied(centers.shape[1])
    # A centre of a lower score is farther than the nearest one so far.
    least = 0.5 * (square - nearest * (1 + EXACT))
    count, bound = _rivals(scores, r, least, rivals, rivals_scores)
    for b in range(min(count, len(rivals))):
        if rivals_scores[b] < least:
            bound = max(bound, rivals_scores[b])
            continue
        j = rivals[b]
        found = _squares(block, i, centers, j)
        nearest = min(nearest, found)
        # Of those that are `frame.tied` the first.
        if found <= nearest * margin and (j < best or held > nearest * margin):
            second, held, best = min(second, held), found, j
            least = 0.5 * (square - held * (1 + EXACT))
        else:
            second = min(second, found)
    other = _root(min(second, square - 2 * bound))
    return count > len(rivals), best, np.sqrt(held) * (1 + EXACT), other


@part
def _top(scores: Any, r: int) -> Any:
    """Return the largest of a row's scores."""
    start = r * scores.shape[1]
    top, other = load(scores, start), load(scores, start + LANES)
    for c in range(PANEL, scores.shape[1], PANEL):
        top = greater(load(scores, start + c), top)
        other = greater(load(scores, start + c + LANES), other)
    return np.float64(largest(greater(top, other)))


@part
def _place(scores: Any, r: int, score: float) -> Any:
    """Return the first place of a row's scores where one is not below `score`."""
    width, limit = scores.shape[1], spread(scores.dtype.type(score))
    for c in range(0, width, LANES):
        lanes = load(scores, r * width + c)
        bits = exceptions(limit, lanes, lanes, lanes)
        for b in range(LANES if bits else 0):
            if bits >> b & 1:
                return np.int32(c + b)
    return np.int32(0)


@part
def _rivals(scores: Any, r: int, least: float, rivals: Any, rivals_scores: Any) -> Any:
    """Write the centres whose score is not below `least`; return how many, and the next score."""
    width, real = scores.shape[1], scores.dtype.type
    # Lower by more than its conversion rounds.
    limit = spread(real(least - abs(least) * ROUND))
    lowest = spread(real(-np.inf))
    count, bounds = 0, lowest
    for c in range(0, width, LANES):
        lanes = load(scores, r * width + c)
        bits = exceptions(limit, lanes, lanes, lanes)
        bounds = greater(bounds, where_less(lanes, limit, lanes, lowest))
        for b in range(LANES if bits else 0):
            # What fills up the last panel has no centre.
            if bits >> b & 1 and scores[r, c + b] != -np.inf:
                if count < len(rivals):
                    rivals[count], rivals_scores[count] = c + b, scores[r, c + b]
                count += 1
    return count, np.float64(largest(bounds))


@entry
def move(
    block: Any,
    weights: Any,
    before: Any,
    labels: Any,
    origin: Any,
    sums: Any,
    totals: Any,
    counts: Any,
    stirred: Any,
) -> None:
    """Add up what clusters gain and lose by going from the labels `before` to `labels`."""
    row = np.empty(block.shape[1])
    for i in range(len(labels)):
        old, new = before[i], labels[i]
        if old == new:
            continue
        w = weights[i] if len(weights) else 1.0
        most = 0.0
        for f in range(len(row)):
            row[f] = w * (np.float64(block[i, f]) - origin[f])
            most = max(most, abs(row[f]))
            sums[new, f] += row[f]
        totals[new] += w
        counts[new] += w > 0
        if old >= 0:
            for f in range(len(row)):
                sums[old, f] -= row[f]
            totals[old] -= w
            counts[old] -= w > 0
            stirred[old] += most
            stirred[new] += most
