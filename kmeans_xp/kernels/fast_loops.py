"""The compiled loops of `fast_lanes`. Imported only where Numba is."""

from typing import Any

import numpy as np
from numba.core import types

from kmeans_xp.kernels.fast_atomic import count_up, counted, pause, put
from kmeans_xp.kernels.fast_compile import entry
from kmeans_xp.kernels.fast_distances import distances
from kmeans_xp.kernels.fast_groups import PARTS
from kmeans_xp.kernels.fast_label import label
from kmeans_xp.kernels.fast_pieces import advance_piece
from kmeans_xp.kernels.fast_search import MOST, loose_square, rounded_down, rounded_up
from kmeans_xp.kernels.fast_sums import sums
from kmeans_xp.kernels.fast_turn import (
    FARTHEST,
    MORE_ROWS,
    MORE_STIR,
    MORE_WEIGHT,
    SLACK,
    add_up,
    measure,
    move,
    turn,
)

# What a thread does in `step`: begin an iteration, with neighbours in order or not; go on with it;
# or help with any.
BEGINS, BEGINS_SORTED, GOES_ON, HELPS = range(4)
# How often it asks whether there is something to do before it goes back to the interpreter.
PATIENCE = 1 << 13
# What `turns` count.
TAKEN, DONE, NUMBER, AGAIN, TURNS = range(5)

__all__ = [
    "advance",
    "apart",
    "count",
    "distances",
    "in_order",
    "label",
    "own",
    "signatures",
    "step",
    "sums",
]


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for rows of `dtype`."""
    real = types.float32 if np.dtype(dtype) == np.float32 else types.float64
    rows, weights = (types.Array(t, n, "C", readonly=True) for t, n in ((real, 2), (types.f8, 1)))
    centers, near = real[:, ::1], types.int32[:, ::1]
    wide, numbers = types.f8[:, ::1], types.f8[::1]
    labels, gaps, counts = types.int32[::1], types.float32[::1], types.int64[::1]
    spaces, pieces = types.float32[:, ::1], types.f8[:, :, ::1]
    return {
        "advance": (
            rows, weights, labels, gaps, centers, numbers, numbers, near, centers,
            wide, numbers, numbers, numbers,
        ),
        "step": (
            rows, weights, labels, gaps, centers, numbers, wide, near, centers,
            wide, wide, gaps, real[::1], wide, pieces, pieces, counts, types.intp, types.intp,
            centers, numbers,
        ),
        "label": (rows, centers, near, centers, labels, numbers, real[::1], counts),
        "distances": (rows, wide, real[::1], counts, counts),
        "sums": (rows, numbers, numbers, numbers),
        "own": (rows, wide, labels, numbers),
        "count": (labels, counts),
        "apart": (wide, spaces, types.uint64[:, ::1]),
        "in_order": (types.uint64[:, ::1], spaces, near, centers),
    }  # fmt: skip


@entry
def own(block: Any, centers: Any, labels: Any, squares: Any) -> None:
    """Write the squared distances of rows to the centres of their labels, in float64."""
    for i in range(len(labels)):
        squares[i] = loose_square(block, i, centers, labels[i])


@entry
def count(labels: Any, counts: Any) -> None:
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


@entry
def advance(
    block: Any, weights: Any, labels: Any, gaps: Any, centers: Any, origin: Any, limits: Any,
    near: Any, spans: Any, sums: Any, totals: Any, counts: Any, stirred: Any,
) -> None:  # fmt: skip
    """As `fast_lanes.advance`."""
    above, below = np.empty(len(limits) + 1, np.float32), np.empty(len(limits) + 1, block.dtype)
    above[0], below[0] = np.inf, MOST
    for j in range(len(limits)):
        above[j + 1], below[j + 1] = rounded_up(limits[j]), rounded_down(limits[j])
    advance_piece(
        block, weights, labels, gaps, centers, origin, above, below, near, spans,
        np.zeros(len(limits)), sums, totals, counts, stirred, np.empty(0), False,
    )  # fmt: skip


@entry
def step(
    block: Any, weights: Any, labels: Any, gaps: Any, centers: Any, origin: Any, before: Any,
    near: Any, spans: Any, ahead: Any, each: Any, above: Any, below: Any, held: Any, sums: Any,
    parts: Any, turns: Any, size: Any, role: Any, moved: Any, facts: Any,
) -> Any:  # fmt: skip
    """Do an iteration, or help with it; return whether it is done. As `fast_step` has it.

    Any number of threads may help. Of `turns` the first counts the pieces that were taken, the
    second those that are done, and the third the iterations. Nobody waits for a thread that has
    not begun; one that has nothing left to do waits for the next iteration, but not for long.
    """
    pieces, idle = len(sums), 0
    if role <= BEGINS_SORTED:
        turn(role == BEGINS, centers, before, near, spans, ahead, each, above, below)
        turns[NUMBER] += 1
        put(turns, DONE, 0)
        put(turns, TAKEN, 0)
        if pieces > 1:
            return False
    while idle < PATIENCE:
        piece = count_up(turns, TAKEN) if counted(turns, TAKEN) < pieces else pieces
        measured = turns[NUMBER] == turns[AGAIN]
        if piece < pieces:
            first, last, brings = piece * size, min((piece + 1) * size, len(labels)), parts[piece]
            sums[piece], brings[:] = 0, 0
            advance_piece(
                block[first:last], weights[first:last], labels[first:last], gaps[first:last],
                centers, origin, above, below, near, spans, each[SLACK], sums[piece],
                brings[MORE_WEIGHT], brings[MORE_ROWS], brings[MORE_STIR],
                brings[FARTHEST, : len(ahead)], measured,
            )  # fmt: skip
            count_up(turns, DONE)
            idle = 0
        elif role != HELPS and counted(turns, DONE) >= pieces:
            add_up(block, weights, labels, origin, sums, parts, measured, held, each)
            turns[AGAIN] *= 3 if measured else 1
            facts[0], facts[1], facts[2] = move(centers, before, origin, held, each, moved)
            return True
        else:
            idle += 1
            pause()
    return False


@entry
def apart(centers: Any, distances: Any, keys: Any) -> None:
    """Write the centres' distances from each other, (k, k) float32, rounded down, and their keys.

    Keys have the order of the distances, a centre's own being the least, and end in its number:
    the bits of floats that are not below 0 are in the order of their values.
    """
    measure(centers, distances)
    bits = distances.view(np.uint32)
    for j in range(len(centers)):
        for i in range(len(centers)):
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
