"""An iteration of Lloyd's algorithm on a block of rows of few features, with Hamerly bounds.

Imported only where Numba is. Sixteen rows whose gap is used up visit centres in the order of their
distances from the label of one amid them, until none that is left can be nearer than the second
best: a few centres, mostly, however many there are.
"""

from typing import Any

import numpy as np
from numba import types

from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.low_d.neighbours import Neighbors, neighbors_of
from kmeans_xp.kernels.numba.low_d.search import (
    MOST,
    decide,
    guess,
    room,
    rounded_down,
    rounded_up,
    search,
    square,
)
from kmeans_xp.kernels.numba.low_d.unsettled_rows import (
    AHEAD,
    AMID,
    group,
    mixed,
    unsettled,
)
from kmeans_xp.kernels.numba.simd.labels import labels_at, limits_at
from kmeans_xp.kernels.numba.simd.vector import LANES, lowest_bit
from kmeans_xp.kernels.shared.cluster_totals import Changes
from kmeans_xp.kernels.shared.hamerly import HamerlyBounds
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters

# Rows of a block, and vectors that those of a label should fill in one, if all are looked at.
BLOCK_ROWS, FILL = 1 << 17, 16
# Part of the rows of a vector beyond which other labels make it worth while to sort rows by label.
MIXED = 0.8


def bounds_of(n: int, k: int) -> HamerlyBounds[Neighbors]:
    """Return the bounds of a run over n rows with k centres."""
    return HamerlyBounds(advance, n, k, block_rows=block_rows(k), derive=neighbors_of)


def block_rows(k: int) -> int:
    """Return how many rows a block should have with k centres."""
    return max(BLOCK_ROWS, FILL * LANES * k)


def advance(
    block: np.ndarray,
    weights: np.ndarray | None,
    labels: np.ndarray,
    bound_gaps: np.ndarray,
    *,
    prepared: PreparedCenters,
    drift_limits: np.ndarray,
    derived: Neighbors,
) -> Changes:
    """Search where the gap is used up; write `labels` and `bound_gaps`; return what changed.

    Parameters
    ----------
    block : ndarray of shape (B, d)
    weights : ndarray of shape (B,) or None
    labels : ndarray of shape (B,), int32
        Of the previous iteration, or -1.
    bound_gaps : ndarray of shape (B,), float32
        How much farther than the own centre any other one is at least, and the limit of the label
        as it was then.
    prepared : PreparedCenters
        This iteration's centres.
    drift_limits : ndarray of shape (k,)
        How far each centre and the fastest of the others have moved together since the fit began,
        rounded up.
    derived : Neighbors
        Of the same centres.
    """
    weights = compiling.ready_weights(weights)
    changes = Changes.none(*prepared.centers.shape)
    counts = np.zeros(len(prepared.centers))
    _advance(
        compiling.ready_rows(block), weights, labels, bound_gaps, derived.centers,
        prepared.wide_origin, drift_limits, derived.order, derived.spans,
        changes.sums, changes.weights, counts, changes.rounding_mass,
    )  # fmt: skip
    changes.counts[:] = counts
    return changes


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for rows of `dtype`."""
    real = compiling.real(dtype)
    rows, weights = compiling.sealed_type(real, 2), compiling.sealed_type(types.f8, 1)
    centers, near = real[:, ::1], types.int32[:, ::1]
    numbers = types.f8[::1]
    return {
        "_advance": (
            rows, weights, types.int32[::1], types.float32[::1], centers, numbers, numbers, near,
            centers, types.f8[:, ::1], numbers, numbers, numbers,
        ),
    }  # fmt: skip


@compiling.entry
def _advance(
    block: Any, weights: Any, labels: Any, gaps: Any, centers: Any, origin: Any, limits: Any,
    near: Any, spans: Any, sums: Any, totals: Any, counts: Any, rounding_mass: Any,
) -> None:  # fmt: skip
    """As `fast_lanes.advance`."""
    above, below = np.empty(len(limits) + 1, np.float32), np.empty(len(limits) + 1, block.dtype)
    above[0], below[0] = np.inf, MOST
    for j in range(len(limits)):
        above[j + 1], below[j + 1] = rounded_up(limits[j]), rounded_down(limits[j])
    advance_piece(
        block, weights, labels, gaps, centers, origin, above, below, near, spans,
        np.zeros(len(limits)), sums, totals, counts, rounding_mass, np.empty(0), False,
    )  # fmt: skip


@compiling.shared
def advance_piece(
    block: Any, weights: Any, labels: Any, gaps: Any, centers: Any, origin: Any, above: Any,
    below: Any, near: Any, spans: Any, slack: Any, sums: Any, totals: Any, counts: Any,
    rounding_mass: Any, reach: Any, measured: Any,
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
    _move_rows(
        block, weights, origin, labels, moved, before, moves, sums, totals, counts, rounding_mass
    )
    if len(reach):
        for a in range(len(labels) if measured else moves):
            i = a if measured else moved[a]
            reach[labels[i]] = max(reach[labels[i]], square(block, i, centers, labels[i]))


@compiling.part
def _settle(
    block: Any, rows: Any, others: Any, found: Any, left: Any, centers: Any, below: Any,
    labels: Any, gaps: Any, moved: Any, before: Any,
) -> Any:  # fmt: skip
    """Write labels and gaps of `others`; write who moved and the label before; return how many."""
    moves = 0
    for v in range(len(others)):
        bits = others[v]
        while bits:
            a = v * LANES + lowest_bit(bits)
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


@compiling.part
def _move_rows(
    block: Any, weights: Any, origin: Any, labels: Any, moved: Any, before: Any, moves: Any,
    sums: Any, totals: Any, counts: Any, rounding_mass: Any,
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
            norm = np.sqrt(_square_about(block, i, origin))
            rounding_mass[new] += weight * norm
            rounding_mass[old] += weight * norm


@compiling.part
def _add(block: Any, i: Any, origin: Any, weight: Any, sums: Any, j: Any) -> None:
    # A loop of its own, since nothing keeps it from being vectorised.
    for f in range(len(origin)):
        sums[j, f] += weight * (np.float64(block[i, f]) - origin[f])


@compiling.sum_of
def _square_about(block: Any, i: Any, origin: Any) -> Any:
    total = 0.0
    for f in range(len(origin)):
        difference = np.float64(block[i, f]) - origin[f]
        total += difference * difference
    return total
