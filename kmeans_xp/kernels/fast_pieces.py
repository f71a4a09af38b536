"""An iteration of Lloyd's algorithm on some of the rows, of few features.

Imported only where Numba is.
"""

from typing import Any

import numpy as np

from kmeans_xp.kernels.fast_active import AHEAD, AMID, labels_at, limits_at, mixed, unsettled
from kmeans_xp.kernels.fast_compile import part, shared, sum_of
from kmeans_xp.kernels.fast_groups import group
from kmeans_xp.kernels.fast_search import decide, guess, room, rounded_down, search, square
from kmeans_xp.kernels.fast_vector import LANES, lowest

# Part of the rows of a vector beyond which other labels make it worth while to sort rows by label.
MIXED = 0.8


@shared
def advance_piece(
    block: Any, weights: Any, labels: Any, gaps: Any, centers: Any, origin: Any, above: Any,
    below: Any, near: Any, spans: Any, slack: Any, sums: Any, totals: Any, counts: Any,
    stirred: Any, reach: Any, measured: Any,
) -> None:  # fmt: skip
    """Search rows whose gaps are used up; write `labels`, `gaps`, and what that changes.

    Limits begin with that of label -1; `above` they are rounded up, and `below` down. Where it has
    room, `reach` is how far from their centre those are that moved, or all if `measured`, squared.
    """
    rows = np.empty(len(labels) + LANES + AHEAD, np.int32)
    k, count = len(near) - 1, unsettled(labels, gaps, above, rows)
    if count > LANES * k and mixed(labels, rows, count) > MIXED:
        rows, count = group(labels, rows, count, k)
    vectors = (count + LANES - 1) // LANES
    found, left = np.empty(vectors * LANES, block.dtype), np.empty(vectors * LANES, block.dtype)
    others, x, real = np.empty(vectors, np.int64), room(centers.shape[1], block), block.dtype.type
    for a in range(0, count, LANES):
        j, label = np.int64(labels[rows[a + AMID]]), labels_at(labels, rows, a, real(0))
        j = j if j >= 0 else guess(found, 0, a, k)
        search(
            block, rows, a, a + LANES, j, centers, near, spans, real(slack[j] if j < k else 0),
            limits_at(below, label), label, x, found, left, gaps, others,
        )  # fmt: skip
    moved, before = np.empty(count, np.int32), np.empty(count, np.int32)
    moves = _settle(block, rows, others, found, left, centers, below, labels, gaps, moved, before)
    _move(block, weights, origin, labels, moved, before, moves, sums, totals, counts, stirred)
    if len(reach):
        for a in range(len(labels) if measured else moves):
            i = a if measured else moved[a]
            reach[labels[i]] = max(reach[labels[i]], square(block, i, centers, labels[i]))


@part
def _settle(
    block: Any, rows: Any, others: Any, found: Any, left: Any, centers: Any, below: Any,
    labels: Any, gaps: Any, moved: Any, before: Any,
) -> Any:  # fmt: skip
    """Write labels and gaps of `others`; write who moved and the label before; return how many."""
    moves = 0
    for v in range(len(others)):
        bits = others[v]
        while bits:
            a = v * LANES + lowest(bits)
            bits &= bits - 1
            i, new, gap = rows[a], np.int32(found[a]), np.float64(left[a])
            if gap > 0:
                gaps[i] = rounded_down(gap + below[new + 1])
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
        _add(block, i, origin, weight, sums, new)
        totals[new] += weight
        counts[new] += weight > 0
        if old >= 0:
            _add(block, i, origin, -weight, sums, old)
            totals[old] -= weight
            counts[old] -= weight > 0
            norm = np.sqrt(_square(block, i, origin))
            stirred[new] += weight * norm
            stirred[old] += weight * norm


@part
def _add(block: Any, i: Any, origin: Any, weight: Any, sums: Any, j: Any) -> None:
    # A loop of its own, since nothing keeps it from being vectorised.
    for f in range(len(origin)):
        sums[j, f] += weight * (np.float64(block[i, f]) - origin[f])


@sum_of
def _square(block: Any, i: Any, origin: Any) -> Any:
    total = 0.0
    for f in range(len(origin)):
        difference = np.float64(block[i, f]) - origin[f]
        total += difference * difference
    return total
