"""The centres in the order of their distances from each other, and how that order is kept.

Imported only where Numba is.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import types

from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.low_d.search import STRIDE, rounded_down
from kmeans_xp.kernels.shared.hamerly import ROUNDING
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters

# The neighbours of a centre are found again when its separations may have changed by this part of
# the one to its eighth neighbour. A larger part would make searches visit more centres, a smaller
# one would find neighbours more often. Beside finding all of them in every iteration, 500,000 rows
# of 2 features with k = 1,000 took 310 instead of 853 ms.
SLACKENED, EIGHTH = 1 / 8, 8
# Moves for each neighbour that insertion sort may take in a list that is nearly in order. Where it
# needs more, as after centres have jumped, the list is sorted from far apart instead.
MOVES = 8


class Neighbors(NamedTuple):
    """Centres in the order of their distances from each one.

    Row j of the order begins with j. Row k is for rows that have no label yet: it is in the order
    of numbers, and its separations say nothing.
    """

    centers: np.ndarray  # (k + 1, d); the last one is infinitely far away
    order: np.ndarray  # (k + 1, m) int32; the last centre fills up whole strides
    # (k + 1, m): lower bounds of the distances to all that come from a place of the order on.
    separations: np.ndarray
    slack: np.ndarray  # (k + 1,): by how much separations may have changed since then


def neighbors_of(prepared: PreparedCenters) -> Neighbors:
    """Return the neighbours of each centre: k² numbers, to be found once an iteration."""
    neighbors = unordered(prepared.centers, len(prepared.centers) + 1)
    sort(neighbors)
    return neighbors


def unordered(centers: np.ndarray, count: int) -> Neighbors:
    """Return `count` rows of neighbours in the order of their numbers, after each centre's own."""
    k, d = centers.shape
    filled = np.full((k + 1, d), np.inf, centers.dtype)
    filled[:k] = centers
    shape = count, -(-k // STRIDE) * STRIDE
    order, separations = np.full(shape, k, np.int32), np.full(shape, -np.inf, centers.dtype)
    order[:, :k] = np.arange(k)
    return Neighbors(filled, order, separations, np.zeros(count))


def sort(neighbors: Neighbors) -> None:
    """Measure the separations, and find the order of the neighbours."""
    k = len(neighbors.centers) - 1
    distances, keys = np.empty((k, k), np.float32), np.empty((k, k), np.uint64)
    _measure_all(neighbors.centers[:k].astype(np.float64), distances, keys)
    keys.sort(axis=1)
    _write_order(keys, distances, neighbors.order, neighbors.separations)


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for rows of `dtype`."""
    distances, keys = types.float32[:, ::1], types.uint64[:, ::1]
    separations = compiling.real(dtype)[:, ::1]
    return {
        "_measure_all": (types.f8[:, ::1], distances, keys),
        "_write_order": (keys, distances, types.int32[:, ::1], separations),
    }


@compiling.entry
def _measure_all(centers: Any, distances: Any, keys: Any) -> None:
    """Write the centres' distances from each other, (k, k) float32, rounded down, and their keys.

    Keys have the order of the distances, a centre's own being the least, and end in its number:
    the bits of floats that are not below 0 are in the order of their values.
    """
    k = len(centers)
    features, squares = _transposed(centers), np.empty(k)
    bits = distances.view(np.uint32)
    for j in range(k):
        _measure(features, j, squares)
        for i in range(k):
            distances[j, i] = rounded_down(np.sqrt(squares[i]))
            keys[j, i] = np.uint64(bits[j, i] + 1) << np.uint64(32) | np.uint64(i)
        keys[j, j] = j


@compiling.entry
def _write_order(keys: Any, distances: Any, order: Any, separations: Any) -> None:
    """Write who comes next to each centre by its sorted keys, and how far away that is."""
    for j in range(len(keys)):
        for place in range(len(keys)):
            i = np.int64(keys[j, place] & np.uint64(0xFFFFFFFF))
            order[j, place] = i
            separations[j, place] = distances[j, i]


@compiling.making
def reorder(neighbors: Neighbors, centers: Any, center_drift: Any, radii: Any) -> None:
    """Find the neighbours again of each centre whose separations may have changed too much.

    The `centers`, (k, d) float64, have moved by `center_drift`, (k,); no row is farther from the
    centre of its label than the radius of that.
    """
    k = len(centers)
    if k == 1:
        return
    features, squares, behind = _transposed(centers), np.empty(k), np.empty(k, np.int32)
    most, second = 0.0, 0.0
    for j in range(k):
        most, second = max(most, center_drift[j]), max(second, min(most, center_drift[j]))
    for j in range(k):
        other = second if center_drift[j] == most else most
        neighbors.slack[j] = (neighbors.slack[j] + center_drift[j] + other) * (1 + ROUNDING)
        if neighbors.slack[j] > SLACKENED * neighbors.separations[j, min(k - 1, EIGHTH)]:
            _measure(features, j, squares)
            _sort_near(squares, 2 * radii[j], neighbors.order[j], neighbors.separations[j], behind)
            neighbors.slack[j] = 0


@compiling.making
def _transposed(centers: Any) -> Any:
    k, d = centers.shape
    features = np.empty((d, k))
    for j in range(k):
        for f in range(d):
            features[f, j] = centers[j, f]
    return features


@compiling.part
def _measure(features: Any, j: int, squares: Any) -> None:
    """Write the squared distances of all centres, feature by feature, from centre j."""
    d, k = features.shape
    squares[:] = 0
    for f in range(d):
        own = features[f, j]
        for i in range(k):
            squares[i] += (features[f, i] - own) * (features[f, i] - own)


@compiling.part
def _sort_near(squares: Any, diameter: float, order: Any, separations: Any, behind: Any) -> None:
    """Put the neighbours of a centre in order, as far as its own rows need that.

    A row is no farther from its centre than the radius, and its second nearest centre is no
    farther from it than the one that came next to its own; the triangle inequality excludes what
    is behind that. The others come in any order. Memory for them is `behind`.
    """
    k, near, rest = len(squares), 1, np.inf
    within = (diameter + np.sqrt(squares[order[1]])) * (1 + SLACKENED)
    within *= within
    for place in range(1, k):
        i = order[place]
        if squares[i] > within:
            behind[place - near] = i
            rest = min(rest, squares[i])
        else:
            order[near] = i
            near += 1
    for place in range(near, k):
        order[place] = behind[place - near]
    _sort_by(order[1:near], squares)
    for place in range(1, near):
        separations[place] = rounded_down(np.sqrt(squares[order[place]]))
    separations[near:k] = rounded_down(np.sqrt(rest))


@compiling.part
def _sort_by(order: Any, squares: Any) -> None:
    """Sort centres by their squares: by insertion, or if they are far from sorted by Shell's way.

    Insertion sort would then take the square of so many moves.
    """
    step = (len(order) + 1) // 2
    if _insert(order, squares, 1, MOVES * len(squares)) >= 0:
        return
    while step > 0:
        _insert(order, squares, step, len(squares) * len(squares))
        step = 1 if step == 2 else step * 5 // 11


@compiling.part
def _insert(order: Any, squares: Any, step: int, moves: int) -> int:
    """Sort what is `step` apart, in so many moves; return how many are left, < 0 if not done."""
    for place in range(step, len(order)):
        i = order[place]
        while place >= step:
            other = order[place - step]
            if squares[other] < squares[i] or (squares[other] == squares[i] and other < i):
                break
            order[place] = other
            place -= step
            moves -= 1
        order[place] = i
        if moves < 0:
            break
    return moves
