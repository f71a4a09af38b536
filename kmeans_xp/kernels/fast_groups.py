"""Rows of one label together, where those that lie together have too many.

Imported only where Numba is.
"""

from typing import Any

import numpy as np

from kmeans_xp.kernels.fast_active import AHEAD
from kmeans_xp.kernels.fast_compile import making, part
from kmeans_xp.kernels.fast_vector import LANES

# Parts of the rows whose labels are counted side by side: a count that was written just now is
# slow to read, and neighbours often share their label.
PARTS = 4


@making
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


@part
def _put(rows: Any, places: Any, i: Any, labels: Any) -> None:
    """Write a row to the next place of its label."""
    rows[places[labels[i]]] = i
    places[labels[i]] += 1
