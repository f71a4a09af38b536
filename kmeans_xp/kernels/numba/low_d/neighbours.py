"""Centres in the order of their distances from each other, and how that order is kept.

Imported only where Numba is.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import types

from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.low_d.search import STRIDE, rounded_down
from kmeans_xp.kernels.shared.hamerly import ROUNDING
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters

# Part of the distance to one of the next centres by which distances may be wrong before they are
# measured again; and which one.
SLACKENED, FEW = 1 / 8, 8
# How often each neighbour is moved in vain before they are sorted from far apart.
MOVES = 8
# What is kept of each cluster, by its place in `each`: its limit, its reach, how far its centre
# moved last, by how much distances from it may have changed since they were measured; as `Changes`
# have them its weight, rows and stirring; and the most weight it had.
LIMIT, REACH, WAY, SLACK, WEIGHT, COUNT, STIR, HEAVIEST, EACH = range(9)


@dataclass(frozen=True)
class Neighbors:
    """Centres in the order of their distances from each one.

    Attributes
    ----------
    centers : ndarray of shape (k + 1, d)
        The last one is infinitely far away.
    order : ndarray of shape (k + 1, m), int32
        Row j begins with j; row k, for rows that have no label yet, is in the order of numbers.
        The last centre fills up what is left of whole strides.
    spans : ndarray of shape (k + 1, m)
        The distances, rounded down, in the dtype of the rows; row k holds bounds that say nothing.
    """

    centers: np.ndarray
    order: np.ndarray
    spans: np.ndarray


def neighbors_of(prepared: PreparedCenters) -> Neighbors:
    """Return the neighbours of each centre: k² numbers, to be found once an iteration."""
    k = len(prepared.centers)
    found = unordered(prepared.centers, k + 1)
    sort(found)
    return found


def sort(near: Neighbors) -> None:
    """Find the order of the neighbours."""
    k = len(near.centers) - 1
    distances, keys = np.empty((k, k), np.float32), np.empty((k, k), np.uint64)
    _apart(near.centers[:k].astype(np.float64), distances, keys)
    keys.sort(axis=1)
    _in_order(keys, distances, near.order, near.spans)


def unordered(centers: np.ndarray, count: int) -> Neighbors:
    """Return `count` rows of neighbours in the order of their numbers, after each centre's own."""
    k, d = centers.shape
    filled = np.full((k + 1, d), np.inf, centers.dtype)
    filled[:k] = centers
    shape = count, -(-k // STRIDE) * STRIDE
    order, spans = np.full(shape, k, np.int32), np.full(shape, -np.inf, centers.dtype)
    order[:, :k] = np.arange(k)
    return Neighbors(filled, order, spans)


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for rows of `dtype`."""
    centers, keys = compiling.real(dtype)[:, ::1], types.uint64[:, ::1]
    spaces = types.float32[:, ::1]
    return {
        "_apart": (types.f8[:, ::1], spaces, keys),
        "_in_order": (keys, spaces, types.int32[:, ::1], centers),
    }


@compiling.entry
def _apart(centers: Any, distances: Any, keys: Any) -> None:
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


@compiling.entry
def _in_order(keys: Any, distances: Any, order: Any, spans: Any) -> None:
    """Write who comes next to each centre by its sorted keys, and how far away that is."""
    for j in range(len(keys)):
        for place in range(len(keys)):
            i = np.int64(keys[j, place] & np.uint64(0xFFFFFFFF))
            order[j, place] = i
            spans[j, place] = distances[j, i]


@compiling.making
def measure(centers: Any, distances: Any) -> None:
    """Write the distances of centres, (k, d) float64, from each other, rounded down."""
    features, squares = _transposed(centers), np.empty(len(centers))
    for j in range(len(centers)):
        _measure(features, j, squares)
        for i in range(len(centers)):
            distances[j, i] = rounded_down(np.sqrt(squares[i]))


@compiling.making
def _transposed(centers: Any) -> Any:
    k, d = centers.shape
    features = np.empty((d, k))
    for j in range(k):
        for f in range(d):
            features[f, j] = centers[j, f]
    return features


@compiling.part
def _measure(features: Any, j: Any, squares: Any) -> None:
    d, k = features.shape
    squares[:] = 0
    for f in range(d):
        own = features[f, j]
        for i in range(k):
            squares[i] += (features[f, i] - own) * (features[f, i] - own)


@compiling.making
def _reorder(centers: Any, each: Any, near: Any, spans: Any) -> None:
    """Find the neighbours again of each centre whose distances may have changed too much."""
    k, few = len(centers), min(len(centers) - 1, FEW)
    if k == 1:
        return
    features, squares = _transposed(centers), np.empty(k)
    others, most, second = np.empty(k, np.int32), 0.0, 0.0
    for j in range(k):
        most, second = max(most, each[WAY, j]), max(second, min(most, each[WAY, j]))
    for j in range(k):
        other = second if each[WAY, j] == most else most
        each[SLACK, j] = (each[SLACK, j] + each[WAY, j] + other) * (1 + ROUNDING)
        if each[SLACK, j] > SLACKENED * spans[j, few]:
            _measure(features, j, squares)
            _sort(squares, 2 * each[REACH, j], near[j], spans[j], others)
            each[SLACK, j] = 0


@compiling.part
def _sort(squares: Any, twice: Any, order: Any, spans: Any, others: Any) -> None:
    """Put the neighbours of a centre in order, as far as its own rows need that.

    Such a row is as near to it as it reaches, and to its second best no farther than to the one
    that was next to it; the triangle inequality excludes what is behind that. The others come in
    any order.
    """
    k, first, rest = len(squares), 1, np.inf
    within = (twice + np.sqrt(squares[order[1]])) * (1 + SLACKENED)
    within *= within
    for place in range(1, k):
        i = order[place]
        if squares[i] > within:
            others[place - first] = i
            rest = min(rest, squares[i])
        else:
            order[first] = i
            first += 1
    for place in range(first, k):
        order[place] = others[place - first]
    # Nearly sorted, most often; if not, insertion would take the square of so many moves.
    gap = 1 if _insert(order[1:first], squares, 1, MOVES * k) < 0 else 0
    gap *= first // 2
    while gap > 0:
        _insert(order[1:first], squares, gap, k * k)
        gap = 1 if gap == 2 else gap * 5 // 11
    for place in range(1, first):
        spans[place] = rounded_down(np.sqrt(squares[order[place]]))
    spans[first:k] = rounded_down(np.sqrt(rest))


@compiling.part
def _insert(order: Any, squares: Any, gap: Any, moves: Any) -> Any:
    """Sort what is `gap` apart, in so many moves; return how many are left, below 0 if not done."""
    for place in range(gap, len(order)):
        i = order[place]
        while place >= gap:
            other = order[place - gap]
            if squares[other] < squares[i] or (squares[other] == squares[i] and other < i):
                break
            order[place] = other
            place -= gap
            moves -= 1
        order[place] = i
        if moves < 0:
            break
    return moves
