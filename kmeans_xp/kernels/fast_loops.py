"""The compiled loops of `fast_lanes`. Imported only where Numba is."""

from typing import Any

import numpy as np
from numba.core import types

from kmeans_xp.kernels.fast_atomic import count_up, counted, pause
from kmeans_xp.kernels.fast_compile import entry, part
from kmeans_xp.kernels.fast_groups import AHEAD, group, unsettled
from kmeans_xp.kernels.fast_search import decide, guess, rounded_down, search, square
from kmeans_xp.kernels.fast_vector import LANES, lowest

# Rows after which a thread goes back to the interpreter, which may want to stop it; and how often
# it asks whether the others are done.
TURN, SPINS = 1 << 20, 1 << 14


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for rows of `dtype`."""
    real = types.float32 if np.dtype(dtype) == np.float32 else types.float64
    rows, weights = (types.Array(t, n, "C", readonly=True) for t, n in ((real, 2), (types.f8, 1)))
    centers, near = real[:, ::1], types.int32[:, ::1]
    wide, numbers = types.f8[:, ::1], types.f8[::1]
    labels, gaps, counts = types.int32[::1], types.float32[::1], types.int64[::1]
    memory = labels, gaps
    pieces = types.f8[:, :, ::1], wide, types.int64[:, ::1], wide
    return {
        "advance": (
            rows, weights, *memory, centers, numbers, numbers, near, real[:, ::1], *pieces,
            types.intp, counts,
        ),
        "nearest": (rows, centers, near, real[:, ::1], labels, numbers),
        "own": (rows, wide, labels, numbers),
        "apart": (wide, types.float32[:, ::1], types.uint64[:, ::1]),
        "in_order": (types.uint64[:, ::1], types.float32[:, ::1], near, real[:, ::1]),
    }  # fmt: skip


@entry
def own(block: Any, centers: Any, labels: Any, squares: Any) -> None:
    """Write the squared distances of rows to the centres of their labels, in float64."""
    for i in range(len(labels)):
        squares[i] = square(block, i, centers, labels[i])


@part
def _settle(
    block: Any, rows: Any, count: Any, others: Any, found: Any, left: Any, centers: Any,
    limits: Any, labels: Any, gaps: Any, moved: Any, before: Any,
) -> Any:  # fmt: skip
    """Write labels and gaps of `others`; write who moved and the label before; return how many."""
    moves = 0
    for v in range(count // LANES):
        bits = others[v]
        while bits:
            a = v * LANES + lowest(bits)
            bits &= bits - 1
            i, new, gap = rows[a], np.int32(found[a]), np.float64(left[a])
            if gap > 0:
                gaps[i] = rounded_down(gap + limits[new])
            else:
                new = np.int32(decide(block, i, centers))
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


@part
def _advance(
    block: Any, weights: Any, labels: Any, gaps: Any, centers: Any, origin: Any, limits: Any,
    near: Any, spans: Any, sums: Any, totals: Any, counts: Any, stirred: Any,
) -> None:  # fmt: skip
    """Do `advance` with one piece."""
    k, d = len(near) - 1, centers.shape[1]
    active = np.empty(len(labels) + 1, np.int32)
    rows, starts = group(labels, active, unsettled(labels, gaps, limits, active), k)
    x = np.empty(d * LANES, block.dtype)
    found, left = np.empty(len(rows), block.dtype), np.empty(len(rows), block.dtype)
    others = np.empty(len(rows) // LANES, np.int64)
    real = block.dtype.type
    for j in range(k + 1):
        limit, label = rounded_down(limits[j]), j if j < k else -1
        first = starts[j]
        while first < starts[j + 1]:
            last = starts[j + 1] if j < k else first + LANES
            around = j if j < k else guess(found, starts[j], first, k)
            search(
                block, rows, first, last, around, centers, near, spans,
                real(limit), real(label), x, found, left, gaps, others,
            )  # fmt: skip
            first = last
    moved, before = active, np.empty(len(labels), np.int32)
    moves = _settle(
        block, rows, starts[k + 1], others, found, left, centers, limits, labels, gaps,
        moved, before,
    )  # fmt: skip
    _move(block, weights, origin, labels, moved, before, moves, sums, totals, counts, stirred)


@entry
def advance(
    block: Any, weights: Any, labels: Any, gaps: Any, centers: Any, origin: Any, limits: Any,
    near: Any, spans: Any, sums: Any, totals: Any, counts: Any, stirred: Any,
    size: Any, turns: Any,
) -> Any:  # fmt: skip
    """As `fast_lanes.advance`, piece by piece of `size` rows; return whether all are done.

    There are k + 1 limits, the last of them infinite. Any number of threads may do this at once:
    the first of `turns` counts the pieces that were taken, the second those that are done.
    """
    pieces, mine = len(sums), 0
    while mine < TURN:
        piece = count_up(turns, 0)
        if piece >= pieces:
            break
        first = piece * size
        last = min(first + size, len(labels))
        _advance(
            block[first:last], weights[first:last], labels[first:last], gaps[first:last],
            centers, origin, limits, near, spans,
            sums[piece], totals[piece], counts[piece], stirred[piece],
        )  # fmt: skip
        count_up(turns, 1)
        mine += size
    for _ in range(SPINS if counted(turns, 0) >= pieces else 1):
        if counted(turns, 1) >= pieces:
            return True
        pause()
    return False


@entry
def nearest(block: Any, centers: Any, near: Any, spans: Any, labels: Any, squares: Any) -> None:
    """As `fast_lanes.nearest`; where there is no place for `squares`, none are written."""
    n, d = block.shape
    size = (n + LANES - 1) // LANES * LANES
    rows = np.minimum(np.arange(size + AHEAD), n - 1).astype(np.int32)
    x = np.empty(d * LANES, block.dtype)
    found, left = np.empty(len(rows), block.dtype), np.empty(len(rows), block.dtype)
    gaps, others = np.empty(n, np.float32), np.empty(size // LANES, np.int64)
    nothing, nowhere = block.dtype.type(0), len(near) - 1
    for first in range(0, size, LANES):
        around = min(guess(found, 0, first, nowhere), nowhere)
        search(
            block, rows, first, first + LANES, around, centers, near, spans,
            nothing, nothing, x, found, left, gaps, others,
        )  # fmt: skip
    for i in range(n):
        labels[i] = found[i] if left[i] > 0 else decide(block, i, centers)
    if len(squares):
        own(block, centers, labels, squares)


@entry
def apart(centers: Any, distances: Any, keys: Any) -> None:
    """Write the centres' distances from each other, (k, k) float32, rounded down, and their keys.

    Keys have the order of the distances, a centre's own being the least, and end in its number:
    the bits of floats that are not below 0 are in the order of their values.
    """
    numbers, squares = np.empty(len(centers), np.int32), np.empty(len(centers))
    bits = distances.view(np.uint32)
    for j in range(len(centers)):
        numbers[:] = j
        own(centers, centers, numbers, squares)
        for i in range(len(centers)):
            distances[j, i] = rounded_down(np.sqrt(squares[i]))
            keys[j, i] = np.uint64(bits[j, i] + 1) << np.uint64(32) | np.uint64(i)
        keys[j, j] = j


@entry
def in_order(keys: Any, distances: Any, order: Any, spans: Any) -> None:
    """Write who comes next to each centre by its sorted keys, and how far away that is."""
    for j in range(len(keys)):
        for place in range(len(keys)):
            i = np.int64(keys[j, place] & np.uint64(0xFFFFFFFF))
            order[j, place] = i
            spans[j, place] = distances[j, i]
