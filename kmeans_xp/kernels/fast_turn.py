"""What a compiled iteration of Lloyd's algorithm does before and after it looks at rows.

Imported only where Numba is.

A row whose gap was g keeps its label j until c_j and some centre that matters to it have moved g
together. Only centres nearer to c_j than twice its reach matter, the distance of its farthest row:
of its rows, none is nearer to any other. So the limit of j rises by how far c_j moved and the
farthest of the centres that matter; for one that did not matter before, by how much it is ahead:
has moved more than the limit rose for others.
"""

from typing import Any

import numpy as np

from kmeans_xp.kernels.fast_compile import making, part
from kmeans_xp.kernels.fast_search import rounded_down, rounded_up
from kmeans_xp.kernels.tracker import ROUNDING, STIRRED

# Part of the distance to one of the next centres by which distances may be wrong before they are
# measured again; and which one.
SLACKENED, FEW = 1 / 8, 8
# How often each neighbour is moved in vain before they are sorted from far apart.
MOVES = 8
# What is kept of each cluster, by its place in `each`: its limit, its reach, how far its centre
# moved last, by how much distances from it may have changed since they were measured; as `Changes`
# have them its weight, rows and stirring; and the most weight it had.
LIMIT, REACH, WAY, SLACK, WEIGHT, COUNT, STIR, HEAVIEST, EACH = range(9)
# What a piece brings of each cluster, by its place in `parts`.
MORE_WEIGHT, MORE_ROWS, MORE_STIR, FARTHEST, PARTS = range(5)


@making
def turn(
    unsorted: Any, centers: Any, before: Any, near: Any, spans: Any, ahead: Any, each: Any,
    above: Any, below: Any,
) -> None:  # fmt: skip
    """Take the centres of the next iteration; write neighbours, if `unsorted`, and limits."""
    _follow(centers, before, each)
    if unsorted:
        _reorder(before, each, near, spans)
    _raise_limits(near, spans, ahead, each, above, below)


@part
def _follow(centers: Any, before: Any, each: Any) -> None:
    """Take the centres of the next iteration; write how far they moved, in `before` where to."""
    k, d = before.shape
    for j in range(k):
        moved = 0.0
        for f in range(d):
            step = np.float64(centers[j, f]) - before[j, f]
            moved += step * step
            before[j, f] = centers[j, f]
        each[WAY, j] = np.sqrt(moved) * (1 + ROUNDING)
        each[REACH, j] = (each[REACH, j] + each[WAY, j]) * (1 + ROUNDING)


@making
def measure(centers: Any, distances: Any) -> None:
    """Write the distances of centres, (k, d) float64, from each other, rounded down."""
    features, squares = _transposed(centers), np.empty(len(centers))
    for j in range(len(centers)):
        _measure(features, j, squares)
        for i in range(len(centers)):
            distances[j, i] = rounded_down(np.sqrt(squares[i]))


@making
def _transposed(centers: Any) -> Any:
    k, d = centers.shape
    features = np.empty((d, k))
    for j in range(k):
        for f in range(d):
            features[f, j] = centers[j, f]
    return features


@part
def _measure(features: Any, j: Any, squares: Any) -> None:
    d, k = features.shape
    squares[:] = 0
    for f in range(d):
        own = features[f, j]
        for i in range(k):
            squares[i] += (features[f, i] - own) * (features[f, i] - own)


@making
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


@part
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


@part
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


@part
def _raise_limits(near: Any, spans: Any, ahead: Any, each: Any, above: Any, below: Any) -> None:
    """Raise the limits, and write them rounded up and down."""
    for j in range(each.shape[1]):
        most = _farthest_near(j, near, spans, ahead, each)
        each[LIMIT, j] = (each[LIMIT, j] + each[WAY, j] + most) * (1 + ROUNDING)
        above[j + 1], below[j + 1] = rounded_up(each[LIMIT, j]), rounded_down(each[LIMIT, j])


@part
def _farthest_near(j: Any, near: Any, spans: Any, ahead: Any, each: Any) -> Any:
    """Return how far the limit of j is to rise for other centres."""
    most, k = 0.0, each.shape[1]
    if not len(ahead):
        for i in range(k):
            most = max(most, each[WAY, i] if i != j else 0.0)
        return most
    within = 2 * each[REACH, j] * (1 + ROUNDING) + each[SLACK, j]
    for i in range(k):
        ahead[j, i] += each[WAY, i]
    for place in range(1, k):
        if spans[j, place] > within:
            break
        most = max(most, ahead[j, near[j, place]])
    for i in range(k):
        ahead[j, i] = max(ahead[j, i] - most, 0.0)
    return most


@part
def add_up(
    block: Any, weights: Any, labels: Any, origin: Any, sums: Any, parts: Any, measured: Any,
    held: Any, each: Any,
) -> None:  # fmt: skip
    """Add what pieces bring, in their order; sum all rows afresh where that lost too much."""
    if measured:
        each[REACH] = 0
    for p in range(len(sums)):
        for j in range(len(held)):
            for f in range(held.shape[1]):
                held[j, f] += sums[p, j, f]
            each[WEIGHT, j] += parts[p, MORE_WEIGHT, j]
            each[COUNT, j] += parts[p, MORE_ROWS, j]
            each[STIR, j] += parts[p, MORE_STIR, j]
            reach = np.sqrt(parts[p, FARTHEST, j]) * (1 + ROUNDING)
            each[REACH, j] = max(each[REACH, j], reach)
    if _doubtful(held, each, len(weights) > 0):
        _sum_afresh(block, weights, labels, origin, held, each)


@part
def _doubtful(held: Any, each: Any, weighted: Any) -> Any:
    """Return whether some cluster's totals are too small beside what passed through it."""
    found = False
    for j in range(len(held)):
        left = 0.0
        for f in range(held.shape[1]):
            left = max(left, abs(held[j, f]))
        each[HEAVIEST, j] = max(each[HEAVIEST, j], each[WEIGHT, j])
        lost = each[STIR, j] > STIRRED * left
        lost |= weighted and each[HEAVIEST, j] > STIRRED * each[WEIGHT, j]
        found |= lost and each[COUNT, j] > 0
    return found


@part
def _sum_afresh(block: Any, weights: Any, labels: Any, origin: Any, held: Any, each: Any) -> None:
    """Sum all rows by the labels that they have."""
    held[:], each[WEIGHT], each[STIR] = 0, 0, 0
    for i in range(len(labels)):
        j, weight = labels[i], weights[i] if len(weights) else 1.0
        each[WEIGHT, j] += weight
        for f in range(len(origin)):
            held[j, f] += weight * (np.float64(block[i, f]) - origin[f])
    for j in range(len(held)):
        each[HEAVIEST, j] = each[WEIGHT, j]


@part
def move(centers: Any, wide: Any, origin: Any, held: Any, each: Any, moved: Any) -> Any:
    """Write the new centres; return what `kernels.move.move` does of them."""
    gain = shift = 0.0
    empty = 0
    for j in range(len(held)):
        weight = each[WEIGHT, j] if each[COUNT, j] > 0 else 0.0
        empty += weight <= 0
        for f in range(len(origin)):
            moved[j, f] = origin[f] + held[j, f] / weight if weight > 0 else centers[j, f]
            step, c = np.float64(moved[j, f]) - wide[j, f], wide[j, f] - origin[f]
            shift += step * step
            gain += c * (weight * c - 2 * held[j, f]) if weight > 0 else 0.0
    return gain, shift, empty
