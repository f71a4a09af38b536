"""A step of Lloyd's algorithm on a block of rows of few features, with Hamerly bounds.

Imported only where Numba is. Sixteen rows whose bound gap is used up visit the centres in the order
of their distances from the label of one of them, until none that is left can be nearer than the
second nearest: mostly a few centres, however many there are.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import typeof

from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.blocks import low_d_block_rows
from kmeans_xp.kernels.numba.low_d import search
from kmeans_xp.kernels.numba.low_d.drift import DriftLimits, no_limits, round_limits
from kmeans_xp.kernels.numba.low_d.neighbours import Neighbors, neighbors_of, unordered
from kmeans_xp.kernels.numba.low_d.unsettled_rows import AHEAD, MIDDLE, unsettled_rows
from kmeans_xp.kernels.numba.simd.gather import prefetch, scatter
from kmeans_xp.kernels.numba.simd.labels import labels_at, limits_at
from kmeans_xp.kernels.numba.simd.vector import (
    LANES,
    failing_lanes,
    lowest_bit,
    plus,
    spread,
    store,
)
from kmeans_xp.kernels.numba.sums import (
    ClusterSums,
    SumsAbout,
    about_of,
    move_row,
    no_sums,
    room_of,
)
from kmeans_xp.kernels.shared.cluster_totals import ClusterTotals
from kmeans_xp.kernels.shared.hamerly import HamerlyBounds
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters


class Rows(NamedTuple):
    """Rows, and what is remembered of them."""

    block: np.ndarray  # (n, d), read-only
    weights: np.ndarray  # (n,) float64, read-only; (0,) if all are 1
    labels: np.ndarray  # (n,) int32; -1 before the first iteration
    # (n,) float32: by how much any other centre is farther than the own one at least, and the drift
    # limit of the label as it was then.
    bound_gaps: np.ndarray


class _Found(NamedTuple):
    """What was found of the rows that were searched, in their order."""

    labels: np.ndarray  # (v * 16,): the nearest centres, as floats
    gaps: np.ndarray  # (v * 16,): the bound gaps; a label is certain where that is above 0
    exceptions: np.ndarray  # (v,) int64: a bit for each row whose label is new or not certain


class _Moves(NamedTuple):
    """Rows that changed their label."""

    indices: np.ndarray  # (m,) int32
    labels_before: np.ndarray  # (m,) int32


def bounds_of(n: int, k: int) -> HamerlyBounds[Neighbors]:
    """Return the bounds of a run over n rows with k centres."""
    return HamerlyBounds(advance, n, k, block_rows=low_d_block_rows(k), derive=neighbors_of)


def advance(
    block: np.ndarray,
    weights: np.ndarray | None,
    *memory: np.ndarray,
    prepared: PreparedCenters,
    drift_limits: np.ndarray,
    derived: Neighbors,
) -> ClusterTotals:
    """Search where the bound gap is used up; write labels and gaps, and return what changed.

    As `HamerlyBounds` specifies; memory is as in `Rows`.
    """
    (k, d), rows = prepared.centers.shape, rows_of(block, weights, *memory)
    changes, limits = no_sums(d, k), no_limits(k, rows.block.dtype)
    _advance(rows, about_of(prepared), derived, drift_limits, limits, changes)
    return ClusterTotals(*changes)


def rows_of(block: np.ndarray, weights: np.ndarray | None, *memory: np.ndarray) -> Rows:
    """Return rows, with their labels and bound gaps, as compiled functions take them."""
    return Rows(compiling.ready_rows(block), compiling.ready_weights(weights), *memory)


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for rows of `dtype`."""
    block, one = np.zeros((1, 1), dtype), np.zeros(1)
    rows = rows_of(block, None, np.zeros(1, np.int32), np.zeros(1, np.float32))
    limits, neighbors = no_limits(1, dtype), unordered(block, 2)
    about = SumsAbout.of(one, None)
    arguments = rows, about, neighbors, one, limits, no_sums(1, 1)
    return {"_advance": tuple(typeof(argument) for argument in arguments)}


@compiling.entry
def _advance(
    rows: Rows,
    about: SumsAbout,
    neighbors: Neighbors,
    drift_limits: Any,
    limits: Any,
    changes: ClusterSums,
) -> None:
    """As `advance`; `limits` is room for the rounded drift limits."""
    round_limits(drift_limits, limits)
    advance_piece(rows, about, neighbors, limits, changes, np.empty(0), False)


@compiling.shared
def advance_piece(
    rows: Rows,
    about: SumsAbout,
    neighbors: Neighbors,
    limits: DriftLimits,
    changes: ClusterSums,
    squared_radii: Any,
    measures_all: bool,
) -> None:
    """Search the rows whose bound gap is used up; write labels, gaps, and what that changes.

    Where it has room, `squared_radii` gets the largest squared distance to the centre of each label
    of the rows that changed theirs; or of all, if it `measures_all`.
    """
    block, labels, k = rows.block, rows.labels, len(neighbors.order) - 1
    indices, count = unsettled_rows(labels, rows.bound_gaps, limits.upper, k)
    vectors = (count + LANES - 1) // LANES
    nearest, gaps = np.empty(vectors * LANES, block.dtype), np.empty(vectors * LANES, block.dtype)
    found = _Found(nearest, gaps, np.empty(vectors, np.int64))
    x = search.aligned_vectors(block.shape[1], block)
    for first in range(0, count, LANES):
        _search_vector(rows, indices, first, neighbors, limits.lower, found, x)
    moves = _Moves(np.empty(count, np.int32), np.empty(count, np.int32))
    room = room_of(block.shape[1])
    moved = _settle(rows, indices, found, neighbors.centers, limits.lower, moves, room)
    _move_rows(rows, about, moves, moved, changes)
    if len(squared_radii):
        for a in range(len(labels) if measures_all else moved):
            i = a if measures_all else moves.indices[a]
            j = labels[i]
            squared_radii[j] = max(
                squared_radii[j], search.loose_square(block, i, neighbors.centers, j)
            )


@compiling.part
def _search_vector(
    rows: Rows, indices: Any, first: int, neighbors: Neighbors, limits: Any, found: Any, x: Any
) -> None:
    """Search the nearest centres of sixteen `indices`, from place `first` on, in the memory `x`.

    Bound gaps are written already, as if no label changed.
    """
    real, labels, k = x.dtype.type, found.labels, len(neighbors.order) - 1
    j = np.int64(rows.labels[indices[first + MIDDLE]])
    search.take_rows(rows.block, indices, first, x)
    prefetch(rows.block, indices, first + AHEAD)
    around = j if j >= 0 else search.guess(labels, first, k)
    nearest, gap = search.find_nearest(x, neighbors, around, True)
    store(labels, first, nearest)
    store(found.gaps, first, gap)
    before = labels_at(rows.labels, indices, first, real(0))
    bound = search.all_rounded_down(plus(gap, limits_at(limits, before)), x)
    scatter(rows.bound_gaps, indices, first, bound)
    found.exceptions[first // LANES] = failing_lanes(gap, spread(real(0)), nearest, before)


@compiling.part
def _settle(
    rows: Rows, indices: Any, found: Any, centers: Any, limits: Any, moves: Any, room: Any
) -> int:
    """Write labels and gaps of the exceptions, and who moves; return how many do."""
    moved = 0
    for v in range(len(found.exceptions)):
        bits = found.exceptions[v]
        while bits:
            a = v * LANES + lowest_bit(bits)
            bits &= bits - 1
            i, label, gap = indices[a], np.int32(found.labels[a]), np.float64(found.gaps[a])
            if gap > 0:
                rows.bound_gaps[i] = search.rounded_down(gap + limits[label + 1])
            else:
                label = np.int32(search.decide(rows.block, i, centers, room))
                rows.bound_gaps[i] = -np.inf
            if label != rows.labels[i]:
                moves.indices[moved], moves.labels_before[moved] = i, rows.labels[i]
                rows.labels[i] = label
                moved += 1
    return moved


@compiling.part
def _move_rows(rows: Rows, about: SumsAbout, moves: Any, moved: int, changes: ClusterSums) -> None:
    """Take rows from their old cluster, where they had one, and add them to their new one."""
    for a in range(moved):
        i, old = moves.indices[a], moves.labels_before[a]
        move_row(rows.block, i, rows.weights, about, changes, old, rows.labels[i])
