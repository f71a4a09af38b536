"""Which rows are searched, sixteen at a time: those whose bound gap is used up.

Imported only where Numba is.
"""

from typing import Any

import numpy as np

from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.simd.labels import pack, used_up
from kmeans_xp.kernels.numba.simd.vector import LANES

# How many rows ahead of those that are searched others are fetched: one vector took 20 to 30% off
# fits of color and flights (d = 3 and 4), this one 6 to 11% more.
AHEAD = 2 * LANES
# The row of a vector whose label stands for all, and how many vectors tell whether that will do.
MIDDLE, SAMPLED = LANES // 2, 32
# Part of the rows of a vector beyond which other labels make it worth while to sort rows by label:
# an iteration of geo (d = 2, k = 50) with shuffled rows took 438 instead of 515 µs, with rows as
# they lie, next to their neighbours, 154 µs more.
MIXED = 0.8
# Parts of the rows whose labels are counted side by side: a count that was written just now is slow
# to read, and neighbours often share their label. It took 20% off the grouping of geo and color.
PARTS = 4


@compiling.making
def unsettled_rows(labels: Any, bound_gaps: Any, limits: Any, k: int) -> Any:
    """Return the indices of the rows whose label may change, in whole vectors; and how many.

    `limits` begin with that of label -1. There are AHEAD indices more.
    """
    indices = np.empty(len(labels) + LANES + AHEAD, np.int32)
    count = _find(labels, bound_gaps, limits, indices)
    if count > LANES * k and _mixed(labels, indices, count) > MIXED:
        indices, count = _group(labels, indices, count, k)
    return indices, count


@compiling.part
def _find(labels: Any, bound_gaps: Any, limits: Any, indices: Any) -> int:
    count, whole = 0, len(labels) // LANES * LANES
    for i in range(0, whole, LANES):
        count = pack(indices, count, i, used_up(bound_gaps, labels, limits, i))
    for i in range(whole, len(labels)):
        indices[count] = i
        count += 0 if bound_gaps[i] > limits[labels[i] + 1] else 1
    if count:
        indices[count : count + LANES + AHEAD] = indices[count - 1]
    return count


@compiling.part
def _mixed(labels: Any, indices: Any, count: int) -> float:
    """Return which part of the rows have another label than the middle one of their vector."""
    step = max(1, count // (LANES * SAMPLED)) * LANES
    seen, others = 0, 0
    for a in range(0, count, step):
        for b in range(a, a + LANES):
            others += labels[indices[b]] != labels[indices[a + MIDDLE]]
        seen += LANES
    return others / seen if seen else 0.0


@compiling.making
def _group(labels: Any, indices: Any, count: int, k: int) -> Any:
    """Return the rows' indices sorted by label, and how many they are.

    Each label's rows fill up whole vectors, the last row as often as it takes.
    """
    size = count // PARTS
    # Of each part, and of the rows that remain: how many of each label, then where.
    places = np.zeros((PARTS + 1, k), np.int64)
    for a in range(size):
        for p in range(PARTS):
            places[p, labels[indices[p * size + a]]] += 1
    for a in range(PARTS * size, count):
        places[PARTS, labels[indices[a]]] += 1
    starts = np.zeros(k + 1, np.int64)
    for j in range(k):
        end = starts[j]
        for p in range(PARTS + 1):
            places[p, j], end = end, end + places[p, j]
        starts[j + 1] = starts[j] + (end - starts[j] + LANES - 1) // LANES * LANES
    grouped = np.empty(starts[k] + LANES + AHEAD, np.int32)
    for a in range(size):
        for p in range(PARTS):
            _put(grouped, places[p], indices[p * size + a], labels)
    for a in range(PARTS * size, count):
        _put(grouped, places[PARTS], indices[a], labels)
    for j in range(k):
        end = places[PARTS, j]
        for a in range(end, starts[j + 1]):
            grouped[a] = grouped[end - 1]
    grouped[starts[k] :] = 0
    return grouped, starts[k]


@compiling.part
def _put(grouped: Any, places: Any, i: int, labels: Any) -> None:
    """Write a row to the next place of its label."""
    grouped[places[labels[i]]] = i
    places[labels[i]] += 1
