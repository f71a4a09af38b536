"""Bounds by projected rows, with Numba: the centres that they do not exclude are compared.

Imported only where Numba is. Projected rows bound scores from above, tile by tile; rows that these
bounds do not settle are compared with the remaining centres by direct differences in float64.
"""

from dataclasses import replace
from typing import Any, NamedTuple, Self

import numpy as np
from numba import types

from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.blocks import high_d_block_rows
from kmeans_xp.kernels.numba.high_d.changes import changes
from kmeans_xp.kernels.numba.high_d.search import (
    ROUND,
    find_nearest,
    float32_above,
    float32_below,
    largest_score,
    room_for,
    root_below,
    shift_row,
)
from kmeans_xp.kernels.numba.simd.float_tiles import PANEL, ROWS, panels_of, product_tile
from kmeans_xp.kernels.numba.simd.gather import prefetch_row
from kmeans_xp.kernels.numpy import projection as numpy_projection
from kmeans_xp.kernels.shared.cluster_totals import ClusterTotals
from kmeans_xp.kernels.shared.hamerly import unsettled
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters
from kmeans_xp.kernels.shared.projection import (
    Directions,
    NormMargin,
    ProjectedIteration,
    ProjectionBounds,
    directions_of,
)

# Part of a block that projections may leave undecided: a prediction that leaves more goes on by
# products, which take as long as projections and what those leave.
UNDECIDED = 1 / 8
# Rows of a block from which on a prediction finds directions, which takes as long for any block.
ROWS_FOR_DIRECTIONS = 2048


class RowBounds(NamedTuple):
    """What is remembered of each row, (n,).

    Attributes
    ----------
    labels : ndarray, int32
    bound_gaps : ndarray, float32
        As in `kmeans_xp.kernels.shared.hamerly.Bounds`.
    upper_bounds : ndarray, float32
        Of the distance to the own centre, less that centre's drift by then.
    """

    labels: np.ndarray
    bound_gaps: np.ndarray
    upper_bounds: np.ndarray


class MovingCenters(NamedTuple):
    """The centres of an iteration.

    Attributes
    ----------
    panels : ndarray of shape (p, q + 3, 32)
        Projected centres, for products of tiles.
    wide : ndarray of shape (k, d), float64
        The centres themselves.
    drift_limits, center_drift : ndarray of shape (k,), float64
        As in `ProjectedIteration`.
    """

    panels: np.ndarray
    wide: np.ndarray
    drift_limits: np.ndarray
    center_drift: np.ndarray

    @classmethod
    def of(cls, iteration: ProjectedIteration) -> Self:
        """Lay out the centres of an iteration for compiled functions."""
        panels = panels_of(iteration.projected_centers)
        # What fills up the last panel is no centre, and never remains.
        panels[-1, -1, PANEL - -len(iteration.projected_centers) % PANEL :] = -np.inf
        wide = np.require(iteration.prepared.wide_centers, None, ["C", "A", "W"])
        return cls(panels, wide, iteration.drift_limits, iteration.center_drift)


def bounds_of(n: int, d: int, k: int, dtype: Any, directions: Directions) -> ProjectionBounds:
    """Return the bounds of a run over n rows of d features with k centres."""
    size = high_d_block_rows(k, d)
    return ProjectionBounds(advance, n, k, block_rows=size, directions=directions, dtype=dtype)


def advance(
    block: np.ndarray,
    weights: np.ndarray | None,
    labels: np.ndarray,
    bound_gaps: np.ndarray,
    upper_bounds: np.ndarray,
    projected: np.ndarray,
    *,
    iteration: ProjectedIteration,
) -> ClusterTotals:
    """As `kmeans_xp.kernels.numpy.projection.advance`."""
    block, before = compiling.ready_rows(block), labels.copy()
    if len(labels) and labels[0] < 0:
        numpy_projection.project(block, iteration, out=projected)
    active = unsettled(labels, bound_gaps, iteration.drift_limits)
    bounds = RowBounds(labels, bound_gaps, upper_bounds)
    undecided = _search(block, active, projected, bounds, iteration)
    if len(undecided):
        numpy_projection.search(block, undecided, *bounds, iteration)
    return changes(block, weights, before, labels, iteration.prepared)


def labels_once(block: np.ndarray, prepared: PreparedCenters) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels of rows that are seen once, and the rows that are still undecided."""
    n, every = len(block), np.arange(len(block))
    bounds = RowBounds(np.full(n, -1, np.int32), *np.empty((2, n), np.float32))
    once = prepared.derive(_Prediction) if n >= ROWS_FOR_DIRECTIONS else None
    if once is None or not once.pays:
        return bounds.labels, every
    block, iteration = compiling.ready_rows(block), once.iteration
    projected = np.empty((n, iteration.directions.width), block.dtype)
    rounding = iteration.directions.rounding
    _project_rows(block, prepared.origin, once.panels, rounding, projected)
    undecided = _search(block, every, projected, bounds, iteration)
    if len(undecided) > UNDECIDED * n:
        once.pays = False
    return bounds.labels, undecided


class _Prediction:
    """Centres that do not move, and directions for rows that are projected as they come.

    Attributes
    ----------
    iteration : ProjectedIteration
    panels : ndarray
        The directions, for products of tiles.
    pays : bool
        Whether the blocks so far left few enough rows undecided.
    """

    def __init__(self, prepared: PreparedCenters) -> None:
        k, dtype = len(prepared.centers), prepared.centers.dtype
        directions = directions_of(prepared.wide_centers, prepared.wide_origin)
        # Of q products with unit vectors, and the norms of what they leave over.
        rounding = 4 * directions.matrix.shape[1] ** 0.5 * prepared.gamma
        directions = replace(directions, rounding=rounding)
        still, centers = np.zeros(k), directions.centers(prepared.wide_centers, dtype)
        self.iteration = ProjectedIteration(prepared, still, still, directions, centers)
        self.panels = panels_of(directions.matrix.T.astype(dtype))
        self.pays = True


def _search(
    block: np.ndarray,
    which: np.ndarray,
    projected: np.ndarray,
    bounds: RowBounds,
    iteration: ProjectedIteration,
) -> np.ndarray:
    """Find the nearest centres of the rows `which`; return those that are still undecided."""
    centers = iteration.derive(MovingCenters.of)
    return which[_search_rows(block, which, projected, bounds, centers, iteration.margin)]


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for rows of `dtype`."""
    real = compiling.real(dtype)
    rows, panels, projected = compiling.sealed_type(real, 2), real[:, :, ::1], real[:, ::1]
    single, numbers = types.float32[::1], types.f8[::1]
    bounds = compiling.tuple_type(RowBounds, types.int32[::1], single, single)
    centers = compiling.tuple_type(MovingCenters, panels, types.f8[:, ::1], numbers, numbers)
    margin = compiling.tuple_type(NormMargin, types.f8, types.f8, types.f8)
    return {
        "_search_rows": (rows, types.intp[::1], projected, bounds, centers, margin),
        "_project_rows": (rows, real[::1], panels, types.f8, projected),
    }


@compiling.entry
def _project_rows(block: Any, origin: Any, panels: Any, rounding: float, projected: Any) -> None:
    """Write projected rows, (B, q + 3), in directions that are given in panels."""
    q, real = projected.shape[1] - 3, block.dtype.type
    up = 1 + 4 * np.finfo(block.dtype).eps
    x, squares = np.empty((ROWS, len(origin)), block.dtype), np.zeros(ROWS)
    components = np.empty((ROWS, len(panels) * PANEL), block.dtype)
    for first in range(0, len(block), ROWS):
        count = min(ROWS, len(block) - first)
        for r in range(count):
            squares[r] = shift_row(block, first + r, origin, x, r)
        for panel in range(len(panels)):
            product_tile(x, panels, panel, components, panel * PANEL)
        for r in range(count):
            rest = squares[r] * (1 + rounding) - _square(components, r, q)
            for f in range(q):
                projected[first + r, f] = components[r, f]
            projected[first + r, q] = real(np.sqrt(max(rest, 0.0)) * up)
            projected[first + r, q + 1] = real(np.sqrt(squares[r]) * up)
            projected[first + r, q + 2] = real(1)


@compiling.sum_of
def _square(rows: Any, i: int, count: int) -> Any:
    total = rows.dtype.type(0)
    for f in range(count):
        total += rows[i, f] * rows[i, f]
    return np.float64(total)


@compiling.entry
def _search_rows(
    block: Any, which: Any, projected: Any, bounds: Any, centers: Any, margin: Any
) -> Any:
    """Write the bounds of the rows `which`; return whether each of them is undecided."""
    panels = centers.panels
    undecided, near = np.zeros(len(which), np.bool_), np.empty(ROWS, np.intp)
    x, squares = np.empty((ROWS, projected.shape[1]), projected.dtype), np.empty(ROWS)
    scores = np.empty((ROWS, len(panels) * PANEL), projected.dtype)
    remaining = room_for(len(centers.wide), centers.wide.shape[1])
    for first in range(0, len(which), ROWS):
        _score_rows(projected, which, first, panels, x, scores)
        count = 0
        for r in range(min(ROWS, len(which) - first)):
            norm = np.float64(x[r, -2])
            squares[r] = norm * norm * (1 - margin.relative) - margin.absolute
            if not norm < margin.max_norm:
                undecided[first + r] = True
            elif not _keeps_label(scores, r, squares[r], which[first + r], bounds, centers):
                # Rows that are to be compared come near while the others of the tile are scored.
                prefetch_row(block, which[first + r])
                near[count], count = r, count + 1
        for b in range(count):
            r, i = near[b], which[first + near[b]]
            undecided[first + r] = not _compare(
                block, i, squares[r], scores, r, bounds, centers, remaining
            )
    return undecided


@compiling.part
def _score_rows(projected: Any, which: Any, first: int, panels: Any, x: Any, scores: Any) -> None:
    """Write the scores of eight projected rows; of the last again where there are no more."""
    for r in range(ROWS):
        i = which[min(first + r, len(which) - 1)]
        for f in range(projected.shape[1]):
            x[r, f] = projected[i, f]
    for panel in range(len(panels)):
        product_tile(x, panels, panel, scores, panel * PANEL)


@compiling.part
def _keeps_label(scores: Any, r: int, square: float, i: int, bounds: Any, centers: Any) -> bool:
    """Return whether scores alone tell that a row keeps its label, and write its new gap then.

    The score of its own centre becomes -inf.
    """
    own = bounds.labels[i]
    if own < 0:
        return False
    scores[r, own] = -np.inf
    upper_bound = (bounds.upper_bounds[i] + centers.center_drift[own]) * (1 + ROUND)
    bound_gap = root_below(square - 2 * largest_score(scores, r)) - upper_bound
    if not bound_gap > 0:
        return False
    bounds.bound_gaps[i] = float32_below((bound_gap + centers.drift_limits[own]) * (1 - ROUND))
    return True


@compiling.part
def _compare(
    block: Any, i: int, square: float, scores: Any, r: int, bounds: Any, centers: Any,
    remaining: Any,
) -> bool:  # fmt: skip
    """Compare a row with the remaining centres; write its bounds; return false if undecided."""
    found = find_nearest(block, i, bounds.labels[i], centers.wide, square, scores, r, remaining)
    if found.undecided:
        return False
    drift, bound_gap = centers.center_drift[found.label], found.others - found.distance
    limit = centers.drift_limits[found.label]
    bounds.labels[i] = found.label
    bounds.bound_gaps[i] = float32_below((bound_gap + limit) * (1 - ROUND))
    bounds.upper_bounds[i] = float32_above(
        found.distance - drift + (found.distance + drift) * ROUND
    )
    return True
