"""The compiled loops of `fast_lanes`. Imported only where Numba is.

Distances are taken by direct differences, sixteen rows at a time, in the dtype of the rows. A
squared distance so computed is off by a factor within 1 ± (d + 3)ε and by what underflow takes;
the bounds are several times wider than that, so that what they call certain is what direct
differences in float64 would find, after their own rounding. Those decide where it is not certain.
"""

from typing import Any

import numpy as np
from numba.core import types

from kmeans_xp.kernels.fast_compile import entry, part
from kmeans_xp.kernels.fast_vector import (
    LANES,
    all_greater,
    exceptions,
    gather,
    greater,
    lesser,
    load,
    minus,
    plus,
    prefetch,
    root,
    scatter,
    spread,
    store,
    times,
    times_plus,
    where_less,
)

# Centres that are looked at between two questions whether the next may still matter.
STRIDE = 4
# More than float32 rounds away in a sum and a conversion, of numbers in between these two.
DOWN = 1 - 2.0**-22
TINY, MOST = 1e-37, 3e38


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for rows of `dtype`."""
    real = types.float32 if np.dtype(dtype) == np.float32 else types.float64
    rows, weights = (types.Array(t, n, "C", readonly=True) for t, n in ((real, 2), (types.f8, 1)))
    centers, near = real[:, ::1], types.int32[:, ::1]
    wide, numbers = types.f8[:, ::1], types.f8[::1]
    labels, gaps, counts = types.int32[::1], types.float32[::1], types.int64[::1]
    memory, changes = (labels, gaps), (wide, numbers, counts, numbers)
    return {
        "advance": (
            rows, weights, *memory, centers, numbers, numbers, near, real[:, ::1], *changes,
        ),
        "nearest": (rows, centers, labels, numbers),
        "own": (rows, wide, labels, numbers),
        "apart": (wide, types.float32[:, ::1]),
    }  # fmt: skip


@part
def _squares(x: Any, centers: Any, j: Any) -> Any:
    """Return the squared distances of sixteen rows, feature by feature in `x`, to a centre."""
    total = spread(x.dtype.type(0))
    for f in range(centers.shape[1]):
        difference = minus(load(x, f * LANES), spread(centers[j, f]))
        total = times_plus(difference, difference, total)
    return total


@part
def _bounds(x: Any, d: Any) -> Any:
    """Return what raises a distance above the true one, what lowers it, and underflow's part."""
    real = x.dtype.type
    info = np.finfo(x.dtype)
    grow = real(1 + (d + 8) * info.eps)
    return spread(grow), spread(real(2) - grow), spread(real(np.sqrt(2 * (d + 16) * info.tiny)))


@part
def _search(
    block: Any, rows: Any, first: Any, last: Any, j: Any, centers: Any, near: Any, spans: Any,
    limit: Any, label: Any, x: Any, found: Any, left: Any, gaps: Any, others: Any,
) -> None:  # fmt: skip
    """Write the nearest centre and the gap of `rows` from `first` to `last`; it is sure above 0.

    Centres come in the order of `near[j]`: first a row's own, then by their distances from that,
    of which `spans[j]` are lower bounds. Where such a distance is more than a row's to its own
    centre and to the second best together, no centre from there on matters (the triangle
    inequality; Newling and Fleuret, "Fast k-means with accurate bounds", ICML 2016).

    Gaps are also written, with the `limit` of the label added, where they are remembered. Vectors
    that are not done with this have a bit in `others` for each row that is elsewhere or not sure.
    """
    real, d = x.dtype.type, centers.shape[1]
    grow, shrink, floor = _bounds(x, d)
    none, infinite = spread(real(0)), spread(real(np.inf))
    tiny, most = spread(real(TINY)), spread(real(MOST))
    for a in range(first, last, LANES):
        for f in range(d):
            store(x, f * LANES, gather(block, rows, a, f))
        prefetch(block, rows, a + LANES)
        best = _squares(x, centers, near[j, 0])
        which = spread(real(near[j, 0]))
        second = rest = infinite
        own = times_plus(root(best), grow, floor)
        for place in range(1, len(centers)):
            if place % STRIDE == 0:
                beyond = minus(spread(spans[j, place]), own)
                if all_greater(beyond, none) and all_greater(times(beyond, beyond), second):
                    rest = beyond
                    break
            c = near[j, place]
            squares = _squares(x, centers, c)
            second = lesser(greater(best, squares), second)
            which = where_less(squares, best, spread(real(c)), which)
            best = lesser(squares, best)
        # Of a square that overflowed the root is at least that of the largest number.
        rest = lesser(root(lesser(second, spread(real(np.finfo(x.dtype).max)))), rest)
        gap = minus(times(rest, shrink), floor)
        gap = minus(gap, times_plus(root(best), grow, floor))
        store(found, a, which)
        store(left, a, gap)
        bound = lesser(times(plus(gap, spread(limit)), spread(real(DOWN))), most)
        scatter(gaps, rows, a, where_less(bound, tiny, none, bound))
        others[a // LANES] = exceptions(gap, none, which, spread(label))


@part
def _rounded_down(number: float) -> Any:
    """Return a float32 that is not above a number of 0 or more."""
    return np.float32(number * DOWN if number < MOST else MOST) if number > TINY else np.float32(0)


@part
def _decide(block: Any, i: Any, centers: Any) -> Any:
    """Return the nearest centre in float64, the first of equals."""
    least, nearest = np.inf, 0
    for j in range(len(centers)):
        total = 0.0
        for f in range(centers.shape[1]):
            difference = np.float64(block[i, f]) - np.float64(centers[j, f])
            total += difference * difference
        if total < least:
            least, nearest = total, j
    return nearest


@entry
def own(block: Any, centers: Any, labels: Any, squares: Any) -> None:
    """Write the squared distances of rows to the centres of their labels, in float64."""
    for i in range(len(labels)):
        j = labels[i]
        total = 0.0
        for f in range(centers.shape[1]):
            difference = np.float64(block[i, f]) - np.float64(centers[j, f])
            total += difference * difference
        squares[i] = total


@part
def _unsettled(labels: Any, gaps: Any, limits: Any, found: Any) -> Any:
    """Write which rows may change their label; return how many. Label -1 takes the last limit."""
    count = 0
    for i in range(len(labels)):
        found[count] = i
        count += 0 if gaps[i] > limits[labels[i]] else 1
    return count


@part
def _group(labels: Any, found: Any, count: Any, k: Any) -> Any:
    """Return rows by label, those without one last, and where each label's begin, (k + 2,).

    Each label's rows fill up whole vectors, the last row as often as it takes.
    """
    places = np.zeros(k + 1, np.int64)
    starts = np.zeros(k + 2, np.int64)
    for a in range(count):
        places[labels[found[a]]] += 1
    for j in range(k + 1):
        starts[j + 1] = starts[j] + (places[j] + LANES - 1) // LANES * LANES
        places[j] = starts[j]
    rows = np.empty(starts[k + 1] + LANES, np.int32)
    for a in range(count):
        j = labels[found[a]]
        rows[places[j]] = found[a]
        places[j] += 1
    for j in range(k + 1):
        for a in range(places[j], starts[j + 1]):
            rows[a] = rows[places[j] - 1]
    return rows, starts


@part
def _settle(
    block: Any, rows: Any, count: Any, others: Any, found: Any, left: Any, centers: Any,
    limits: Any, labels: Any, gaps: Any, moved: Any, before: Any,
) -> Any:  # fmt: skip
    """Write labels and gaps of `others`; write who moved and the label before; return how many."""
    moves = 0
    for a in range(count):
        if not (others[a // LANES] >> a % LANES) & 1:
            continue
        i, new, gap = rows[a], np.int32(found[a]), np.float64(left[a])
        if gap > 0:
            gaps[i] = _rounded_down(gap + limits[new])
        else:
            new = np.int32(_decide(block, i, centers))
            gaps[i] = -np.inf
        if new != labels[i]:
            moved[moves], before[moves] = i, labels[i]
            labels[i] = new
            moves += 1
    return moves


@part
def _move(
    block: Any, weights: Any, origin: Any, labels: Any, moved: Any, before: Any, moves: Any,
    sums: Any, totals: Any, counts: Any, stirred: Any,
) -> None:  # fmt: skip
    """Take rows from their old cluster, where they had one, and add them to their new one."""
    for a in range(moves):
        i, old = moved[a], before[a]
        new = labels[i]
        weight = weights[i] if len(weights) else 1.0
        most = 0.0
        for f in range(len(origin)):
            difference = np.float64(block[i, f]) - origin[f]
            most = max(most, abs(difference))
            sums[new, f] += weight * difference
            if old >= 0:
                sums[old, f] -= weight * difference
        totals[new] += weight
        counts[new] += weight > 0
        if old >= 0:
            totals[old] -= weight
            counts[old] -= weight > 0
            stirred[new] += weight * most
            stirred[old] += weight * most


@entry
def advance(
    block: Any, weights: Any, labels: Any, gaps: Any, centers: Any, origin: Any, limits: Any,
    near: Any, spans: Any, sums: Any, totals: Any, counts: Any, stirred: Any,
) -> None:  # fmt: skip
    """As `fast_lanes.advance`; there are k + 1 limits, the last of them infinite."""
    k, d = centers.shape
    active = np.empty(len(labels) + 1, np.int32)
    rows, starts = _group(labels, active, _unsettled(labels, gaps, limits, active), k)
    x = np.empty(d * LANES, block.dtype)
    found, left = np.empty(len(rows), block.dtype), np.empty(len(rows), block.dtype)
    others = np.empty(len(rows) // LANES, np.int64)
    for j in range(k + 1):
        real = block.dtype.type
        limit, label = _rounded_down(limits[j]) if j < k else 0, j if j < k else -1
        _search(
            block, rows, starts[j], starts[j + 1], j, centers, near, spans,
            real(limit), real(label), x, found, left, gaps, others,
        )  # fmt: skip
    moved, before = active, np.empty(len(labels), np.int32)
    moves = _settle(
        block, rows, starts[k + 1], others, found, left, centers, limits, labels, gaps,
        moved, before,
    )  # fmt: skip
    _move(block, weights, origin, labels, moved, before, moves, sums, totals, counts, stirred)


@entry
def nearest(block: Any, centers: Any, labels: Any, squares: Any) -> None:
    """As `fast_lanes.nearest`."""
    n, d = block.shape
    k = len(centers)
    size = (n + LANES - 1) // LANES * LANES
    rows = np.minimum(np.arange(size + LANES), n - 1).astype(np.int32)
    # In the order of their numbers, and no distance between centres that would end a search.
    near, spans = np.arange(k, dtype=np.int32).reshape(1, k), np.full((1, k), -np.inf, block.dtype)
    x = np.empty(d * LANES, block.dtype)
    found, left = np.empty(len(rows), block.dtype), np.empty(len(rows), block.dtype)
    gaps, others = np.empty(n, np.float32), np.empty(size // LANES, np.int64)
    nothing = block.dtype.type(0)
    _search(
        block, rows, 0, size, 0, centers, near, spans,
        nothing, nothing, x, found, left, gaps, others,
    )  # fmt: skip
    for i in range(n):
        labels[i] = found[i] if left[i] > 0 else _decide(block, i, centers)
    own(block, centers, labels, squares)


@entry
def apart(centers: Any, distances: Any) -> None:
    """Write the centres' distances from each other, (k, k) float32, rounded down."""
    numbers, squares = np.empty(len(centers), np.int32), np.empty(len(centers))
    for j in range(len(centers)):
        numbers[:] = j
        own(centers, centers, numbers, squares)
        for i in range(len(centers)):
            distances[j, i] = _rounded_down(np.sqrt(squares[i]))
