"""The compiled loops of `fast_projection`. Imported only where Numba is.

Rows are compared with single centres: first in their short form, which bounds the score of a
centre from above, then, where that leaves a doubt, by direct differences in float64.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba import types

from kmeans_xp.kernels.fast_compile import F, entry, part
from kmeans_xp.kernels.fast_vector import (
    LANES,
    exceptions,
    greater,
    largest,
    load,
    spread,
    where_less,
)

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
    wide, labels = types.f8[:, ::1], types.int32[::1]
    memory = types.Tuple((labels, types.float32[::1], types.float32[::1]))
    moving = types.Tuple((wide, numbers, numbers))
    lists = types.Tuple((types.int32[:, ::1], wide, numbers))
    margin = types.UniTuple(types.f8, 3)
    changes = (wide, numbers, types.int64[::1], numbers)
    return {
        "look_near": (rows, places, table, memory, moving, table, lists, margin),
        "look_far": (rows, places, real[:], table, places, memory, moving, margin),
        "move": (rows, weights, labels, labels, numbers, *changes),
    }


# Sums in any order: bounds and distances have room for it.
sum_of: Callable[[F], F] = numba.njit(
    nogil=True, forceinline=True, fastmath={"reassoc", "contract", "nsz"}
)


@sum_of
def _squares(rows: Any, i: int, centers: Any, j: int) -> float:
    total = 0.0
    for f in range(rows.shape[1]):
        difference = np.float64(rows[i, f]) - centers[j, f]
        total += difference * difference
    return total


@sum_of
def _product(rows: Any, i: int, centers: Any, j: int) -> float:
    total = rows[i, 0] * centers[j, 0]
    for f in range(1, rows.shape[1]):
        total += rows[i, f] * centers[j, f]
    return np.float64(total)


@part
def rounded(number: float, towards: float) -> Any:
    """Return a float32 on that side of a number, however small or large it is."""
    return np.nextafter(np.float32(number), np.float32(towards))


@part
def _root(square: float) -> float:
    return np.sqrt(max(square, 0.0)) * (1 - EXACT)


@part
def _square(norm: float, margin: Any) -> float:
    return norm * norm * (1 - margin[0]) - margin[1]


@part
def _keep(gap: float, i: int, own: int, gaps: Any, limits: Any) -> bool:
    """Write a row's gap if it has one: then it stays with its centre."""
    if gap > 0:
        gaps[i] = rounded((gap + limits[own]) * (1 - ROUND), -np.inf)
    return gap > 0


@part
def _decide(
    block: Any, i: int, own: int, nearest: float, rivals: Any, scores: Any, count: int,
    square: float, bound: float, beyond: float, memory: Any, moving: Any,
) -> None:  # fmt: skip
    """Write the nearest of a row's own centre and its rivals, and what is remembered of it.

    The own one's squared distance is `nearest`. Scores of centres that are no rivals are at most
    `bound`, or they are farther from the own one than `beyond`.
    """
    labels, gaps, reach = memory
    centers, limits, ways = moving
    beyond -= np.sqrt(nearest) * (1 + EXACT)
    # A centre of a lower score is farther than the own one.
    least = 0.5 * (square - nearest * (1 + EXACT))
    second, best = np.inf, own
    for b in range(count):
        if scores[b] < least:
            bound = max(bound, scores[b])
            continue
        j = rivals[b]
        found = _squares(block, i, centers, j)
        if found < nearest or (found == nearest and j < best):
            second, nearest, best = nearest, found, j
        else:
            second = min(second, found)
    other = min(_root(min(second, square - 2 * bound)), beyond)
    nearest = np.sqrt(nearest) * (1 + EXACT)
    labels[i] = best
    gaps[i] = rounded((other - nearest + limits[best]) * (1 - ROUND), -np.inf)
    reach[i] = rounded(nearest - ways[best] + (nearest + ways[best]) * ROUND, np.inf)


@entry
def look_near(
    block: Any, which: Any, short: Any, memory: Any, moving: Any, short_centers: Any, lists: Any,
    margin: Any,
) -> Any:  # fmt: skip
    """Settle rows to which few centres are near; return whether each of them is left."""
    labels, gaps, reach = memory
    centers, limits, ways = moving
    neighbours, distances, slack = lists
    last = neighbours.shape[1] - 1
    left, scores = np.zeros(len(which), np.bool_), np.empty(last + 1)
    for a in range(len(which)):
        i, own = which[a], labels[which[a]]
        norm, within = np.float64(short[i, -2]), (reach[i] + ways[own]) * (1 + ROUND)
        length = 2 * within + slack[own]
        if not (distances[own, last] > length and norm < margin[2]):
            left[a] = True
            continue
        top, count = -np.inf, 0
        while distances[own, count] <= length:
            scores[count] = _product(short, i, short_centers, neighbours[own, count])
            top = max(top, scores[count])
            count += 1
        beyond, square = distances[own, count] - slack[own], _square(norm, margin)
        gap = min(_root(square - 2 * top), beyond - within) - within
        if not _keep(gap, i, own, gaps, limits):
            _decide(
                block, i, own, _squares(block, i, centers, own), neighbours[own], scores, count,
                square, -np.inf, beyond, memory, moving,
            )  # fmt: skip
    return left


@entry
def look_far(
    block: Any, which: Any, norms: Any, scores: Any, tops: Any, memory: Any, moving: Any,
    margin: Any,
) -> Any:  # fmt: skip
    """Settle rows by their scores with all centres; return whether each of them is left.

    `tops` are the places of the largest; the score with a row's own centre is -inf.
    """
    labels, gaps, reach = memory
    centers, limits, ways = moving
    most = len(centers) // CROWD + 1
    left = np.zeros(len(which), np.bool_)
    rivals, rivals_scores = np.empty(most, np.int32), np.empty(most)
    for a in range(len(which)):
        i, own, norm = which[a], labels[which[a]], np.float64(norms[a])
        if not norm < margin[2]:
            left[a] = True
            continue
        square = _square(norm, margin)
        if own < 0:
            own = np.int32(tops[a])
            scores[a, own] = -np.inf
        else:
            gap = _root(square - 2 * np.float64(scores[a, tops[a]]))
            if _keep(gap - (reach[i] + ways[own]) * (1 + ROUND), i, own, gaps, limits):
                continue
        nearest = _squares(block, i, centers, own)
        least = 0.5 * (square - nearest * (1 + EXACT))
        count, bound = _rivals(scores, a, least, rivals, rivals_scores)
        if count > most:
            left[a] = True
            continue
        _decide(
            block, i, own, nearest, rivals, rivals_scores, count, square, bound, np.inf,
            memory, moving,
        )  # fmt: skip
    return left


@part
def _rivals(scores: Any, a: int, least: float, rivals: Any, rivals_scores: Any) -> Any:
    """Write the centres whose score is not below `least`; return how many, and the next score."""
    k, real = scores.shape[1], scores.dtype.type
    # Lower by more than its conversion rounds.
    least = real(least - abs(least) * ROUND)
    flat, lowest = scores.reshape(-1), spread(real(-np.inf))
    count, bounds = 0, lowest
    whole = k // LANES * LANES
    for c in range(0, whole, LANES):
        lanes = load(flat, a * k + c)
        bits = exceptions(spread(least), lanes, lanes, lanes)
        bounds = greater(bounds, where_less(lanes, spread(least), lanes, lowest))
        for b in range(LANES if bits else 0):
            if bits >> b & 1:
                if count < len(rivals):
                    rivals[count], rivals_scores[count] = c + b, scores[a, c + b]
                count += 1
    bound = np.float64(largest(bounds))
    for j in range(whole, k):
        if scores[a, j] < least:
            bound = max(bound, np.float64(scores[a, j]))
            continue
        if count < len(rivals):
            rivals[count], rivals_scores[count] = j, scores[a, j]
        count += 1
    return count, bound


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
