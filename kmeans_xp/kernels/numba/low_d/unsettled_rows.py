"""Which rows the low-dimensional path looks at, sixteen at a time, and rows of one label together.

Imported only where Numba is.
"""

from typing import Any

import numpy as np

from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.simd.labels import pack, used_up
from kmeans_xp.kernels.numba.simd.vector import LANES

# How many rows ahead of those that are searched others are fetched.
AHEAD = 2 * LANES
# The place of a vector's label for all its rows, and how many vectors tell whether that will do.
AMID, SAMPLED = LANES // 2, 32
# Parts of the rows whose labels are counted side by side: a count that was written just now is
# slow to read, and neighbours often share their label.
PARTS = 4


@compiling.part
def unsettled(labels: Any, gaps: Any, limits: Any, found: Any) -> Any:
    """Write which rows may change their label; return how many.

    `limits` begin with that of label -1. The last row fills up a whole vector, and AHEAD more.
    """
    count, whole = 0, len(labels) // LANES * LANES
    for i in range(0, whole, LANES):
        count = pack(found, count, i, used_up(gaps, labels, limits, i))
    for i in range(whole, len(labels)):
        found[count] = i
        count += 0 if gaps[i] > limits[labels[i] + 1] else 1
    if count:
        found[count : count + LANES + AHEAD] = found[count - 1]
    return count


@compiling.part
def mixed(labels: Any, rows: Any, count: Any) -> Any:
    """Return which part of some rows have another label than the one amid their vector."""
    step = max(1, count // (LANES * SAMPLED)) * LANES
    seen, others = 0, 0
    for a in range(0, count, step):
        for b in range(a, a + LANES):
            others += labels[rows[b]] != labels[rows[a + AMID]]
        seen += LANES
    return others / seen if seen else 0.0


@compiling.making
def group(labels: Any, found: Any, count: Any, k: Any) -> Any:
    """Return rows by label, and how many they are.

    Each label's rows fill up whole vectors, the last row as often as it takes.
    """
    size = count // PARTS
    # Of each part, and of the rows that are left over: how many of each label, then where.
    places = np.zeros((PARTS + 1, k), np.int64)
    for a in range(size):
        for p in range(PARTS):
            places[p, labels[found[p * size + a]]] += 1
    for a in range(PARTS * size, count):
        places[PARTS, labels[found[a]]] += 1
    starts = np.zeros(k + 1, np.int64)
    for j in range(k):
        end = starts[j]
        for p in range(PARTS + 1):
            places[p, j], end = end, end + places[p, j]
        starts[j + 1] = starts[j] + (end - starts[j] + LANES - 1) // LANES * LANES
    rows = np.empty(starts[k] + LANES + AHEAD, np.int32)
    for a in range(size):
        for p in range(PARTS):
            _put(rows, places[p], found[p * size + a], labels)
    for a in range(PARTS * size, count):
        _put(rows, places[PARTS], found[a], labels)
    for j in range(k):
        end = places[PARTS, j]
        for a in range(end, starts[j + 1]):
            rows[a] = rows[end - 1]
    rows[starts[k] :] = 0
    return rows, starts[k]


@compiling.part
def _put(rows: Any, places: Any, i: Any, labels: Any) -> None:
    """Write a row to the next place of its label."""
    rows[places[labels[i]]] = i
    places[labels[i]] += 1
