"""Bounds by projected rows, with Numba: centres that remain are looked at one by one.

Imported only where Numba is. Rows are compared with centres in their projected form first, which
bounds scores from above; then, with those that it leaves in doubt, by direct differences in
float64.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numba import types

from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.high_d.changes import changes
from kmeans_xp.kernels.numba.low_d.search import tied
from kmeans_xp.kernels.numba.simd.float_tiles import PANEL, ROWS, panels_of, product_tile
from kmeans_xp.kernels.numba.simd.gather import prefetch_row
from kmeans_xp.kernels.numba.simd.vector import (
    LANES,
    failing_lanes,
    greater,
    largest,
    load,
    spread,
    where_less,
)
from kmeans_xp.kernels.numpy import nearest as numpy_nearest
from kmeans_xp.kernels.numpy import projection as numpy_projection
from kmeans_xp.kernels.shared.cluster_totals import Changes
from kmeans_xp.kernels.shared.hamerly import unsettled
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters
from kmeans_xp.kernels.shared.projection import (
    Directions,
    ProjectedIteration,
    ProjectionBounds,
    directions_of,
)

# Part of the rows of a block that projections may leave for them to be made of the next block.
LEFT = 1 / 8
# Rows of a block that repay directions.
LEAST = 2048
# More than float64 rounds away in a distance, and float32 in a conversion or two.
EXACT = 1e-10
ROUND = 2.0**-21
# Where more than one in so many centres is near a row, a whole product is faster.
CROWD = 8


def bounds_of(n: int, d: int, k: int, dtype: Any, directions: Directions) -> ProjectionBounds:
    """Return the bounds of a run over n rows of d features with k centres."""
    size = block_rows(k, d)
    return ProjectionBounds(advance, n, k, block_rows=size, directions=directions, dtype=dtype)


def block_rows(k: int, d: int) -> int:
    """Return how many rows a block should have: enough for its sums to be a small part."""
    return max(numpy_nearest.block_rows(k, d), min(32 * k, 1 << 14))


def advance(
    block: np.ndarray,
    weights: np.ndarray | None,
    labels: np.ndarray,
    bound_gaps: np.ndarray,
    upper_bounds: np.ndarray,
    projected: np.ndarray,
    *,
    iteration: ProjectedIteration,
) -> Changes:
    """As `kmeans_xp.kernels.numpy.projection.advance`."""
    block, before = compiling.ready_rows(block), labels.copy()
    if len(labels) and labels[0] < 0:
        numpy_projection.project(block, iteration, out=projected)
    active = unsettled(labels, bound_gaps, iteration.drift_limits)
    memory = labels, bound_gaps, upper_bounds
    left = active[_look(block, active, projected, memory, iteration)]
    if len(left):
        numpy_projection.search(block, left, *memory, iteration)
    return changes(block, weights, before, labels, iteration.prepared)


def undecided(block: np.ndarray, prepared: PreparedCenters) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels of rows that are seen once, and the rows that have none yet."""
    n, every = len(block), np.arange(len(block))
    labels = np.full(n, -1, np.int32)
    once = prepared.derive(_SeenOnce) if n >= LEAST else None
    if once is None or not once.pays:
        return labels, every
    block, iteration = compiling.ready_rows(block), once.iteration
    directions = iteration.directions
    projected = np.empty((n, directions.width), block.dtype)
    _project_rows(block, prepared.origin, once.panels, directions.rounding, projected)
    memory = labels, np.empty(n, np.float32), np.empty(n, np.float32)
    left = every[_look(block, every, projected, memory, iteration)]
    if len(left) > LEFT * n:
        once.pays = False
    return labels, left


class _SeenOnce:
    """Centres that do not move, and directions for rows that are projected as they come.

    Attributes
    ----------
    iteration : ProjectedIteration
    panels : ndarray
        The directions, for products of tiles.
    pays : bool
        Whether the blocks so far left few enough rows.
    """

    def __init__(self, prepared: PreparedCenters) -> None:
        k, dtype = len(prepared.centers), prepared.centers.dtype
        directions = directions_of(prepared.wide_centers, prepared.wide_origin)
        # Of q products with unit vectors, and the norms of what they leave.
        rounding = 4 * directions.matrix.shape[1] ** 0.5 * prepared.gamma
        directions = replace(directions, rounding=rounding)
        still, centers = np.zeros(k), directions.centers(prepared.wide_centers, dtype)
        self.iteration = ProjectedIteration(prepared, still, still, directions, centers)
        self.panels = panels_of(directions.matrix.T.astype(dtype))
        self.pays = True


def _look(
    block: np.ndarray,
    which: np.ndarray,
    projected: np.ndarray,
    memory: tuple[np.ndarray, np.ndarray, np.ndarray],
    iteration: ProjectedIteration,
) -> np.ndarray:
    """Settle the rows `which`; return whether each of them is left."""
    panels, centers = iteration.derive(_panels_of)
    moving = centers, iteration.drift_limits, iteration.center_drift
    return _look_rows(block, which, projected, panels, memory, moving, iteration.margin)


def _panels_of(iteration: ProjectedIteration) -> tuple[np.ndarray, np.ndarray]:
    """Return the projected centres in panels, and the centres as loops take them."""
    panels = panels_of(iteration.projected_centers)
    # What fills up the last panel is nobody's rival.
    panels[-1, -1, PANEL - -len(iteration.projected_centers) % PANEL :] = -np.inf
    return panels, np.require(iteration.prepared.wide_centers, None, ["C", "A", "W"])


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for rows of `dtype`."""
    real = compiling.real(dtype)
    rows = compiling.sealed_type(real, 2)
    table, numbers, places = real[:, ::1], types.f8[::1], types.intp[::1]
    wide, labels, panels = types.f8[:, ::1], types.int32[::1], real[:, :, ::1]
    memory = types.Tuple((labels, types.float32[::1], types.float32[::1]))
    moving = types.Tuple((wide, numbers, numbers))
    margin = types.UniTuple(types.f8, 3)
    return {
        "_look_rows": (rows, places, table, panels, memory, moving, margin),
        "_project_rows": (rows, real[::1], panels, types.f8, table),
    }


@compiling.sum_of
def shifted(rows: Any, i: int, origin: Any, out: Any, r: int) -> Any:
    """Write a row less the origin to a row of `out`; return its square."""
    total = out.dtype.type(0)
    for f in range(len(origin)):
        difference = rows[i, f] - origin[f]
        out[r, f] = difference
        total += difference * difference
    return np.float64(total)


@compiling.sum_of
def _square(rows: Any, i: int, count: int) -> Any:
    total = rows.dtype.type(0)
    for f in range(count):
        total += rows[i, f] * rows[i, f]
    return np.float64(total)


@compiling.sum_of
def _squares(rows: Any, i: int, centers: Any, j: int) -> float:
    total = 0.0
    for f in range(rows.shape[1]):
        difference = np.float64(rows[i, f]) - centers[j, f]
        total += difference * difference
    return total


@compiling.part
def rounded(number: float, towards: float) -> Any:
    """Return a float32 on that side of a number, however small or large it is."""
    return np.nextafter(np.float32(number), np.float32(towards))


@compiling.part
def _root(square: float) -> float:
    return np.sqrt(max(square, 0.0)) * (1 - EXACT)


@compiling.entry
def _project_rows(block: Any, origin: Any, panels: Any, rounding: float, projected: Any) -> None:
    """Write projected rows, (B, q + 3), of directions that are given in panels."""
    q, real = projected.shape[1] - 3, block.dtype.type
    up = 1 + 4 * np.finfo(block.dtype).eps
    x, squares = np.empty((ROWS, len(origin)), block.dtype), np.zeros(ROWS)
    held = np.empty((ROWS, len(panels) * PANEL), block.dtype)
    for first in range(0, len(block), ROWS):
        count = min(ROWS, len(block) - first)
        for r in range(count):
            squares[r] = shifted(block, first + r, origin, x, r)
        for panel in range(len(panels)):
            product_tile(x, panels, panel, held, panel * PANEL)
        for r in range(count):
            left = squares[r] * (1 + rounding) - _square(held, r, q)
            for f in range(q):
                projected[first + r, f] = held[r, f]
            projected[first + r, q] = real(np.sqrt(max(left, 0.0)) * up)
            projected[first + r, q + 1] = real(np.sqrt(squares[r]) * up)
            projected[first + r, q + 2] = real(1)


@compiling.entry
def _look_rows(
    block: Any, which: Any, projected: Any, panels: Any, memory: Any, moving: Any, margin: Any
) -> Any:
    """Settle rows by the scores of projected rows; return whether each of them is left."""
    labels, bound_gaps, upper_bounds = memory
    centers, drift_limits, center_drift = moving
    left, waiting = np.zeros(len(which), np.bool_), np.empty(ROWS, np.intp)
    x, squares = np.empty((ROWS, projected.shape[1]), projected.dtype), np.empty(ROWS)
    scores, most = np.empty((ROWS, len(panels) * PANEL), projected.dtype), len(centers) // CROWD + 1
    rivals, rivals_scores = np.empty(most, np.int32), np.empty(most)
    for first in range(0, len(which), ROWS):
        _score(projected, which, first, panels, x, scores)
        count = 0
        for r in range(min(ROWS, len(which) - first)):
            i, norm = which[first + r], np.float64(x[r, -2])
            own, squares[r] = labels[i], norm * norm * (1 - margin[0]) - margin[1]
            if not norm < margin[2]:
                left[first + r] = True
                continue
            if own >= 0:
                scores[r, own] = -np.inf
                bound_gap = _root(squares[r] - 2 * _top(scores, r)) - (
                    upper_bounds[i] + center_drift[own]
                ) * (1 + ROUND)
                if bound_gap > 0:
                    bound_gaps[i] = rounded((bound_gap + drift_limits[own]) * (1 - ROUND), -np.inf)
                    continue
            # Rows that need a look at themselves come near while the others are seen to.
            prefetch_row(block, i)
            waiting[count], count = r, count + 1
        for b in range(count):
            r, i = waiting[b], which[first + waiting[b]]
            left[first + r], best, nearest, other = nearest_of(
                block, i, labels[i], centers, squares[r], scores, r, rivals, rivals_scores
            )
            if not left[first + r]:
                labels[i] = best
                bound_gaps[i] = rounded(
                    (other - nearest + drift_limits[best]) * (1 - ROUND), -np.inf
                )
                upper_bounds[i] = rounded(
                    nearest - center_drift[best] + (nearest + center_drift[best]) * ROUND, np.inf
                )
    return left


@compiling.part
def _score(projected: Any, which: Any, first: int, panels: Any, x: Any, scores: Any) -> None:
    """Write the scores of eight projected rows; of the last again where there are no more."""
    for r in range(ROWS):
        i = which[min(first + r, len(which) - 1)]
        for f in range(projected.shape[1]):
            x[r, f] = projected[i, f]
    for panel in range(len(panels)):
        product_tile(x, panels, panel, scores, panel * PANEL)


@compiling.part
def nearest_of(
    block: Any, i: int, own: int, centers: Any, square: float, scores: Any, r: int, rivals: Any,
    rivals_scores: Any,
) -> Any:  # fmt: skip
    """Compare a row with its own centre, or the most likely one, and those that may be nearer.

    Returns
    -------
    bool
        Whether those are too many, and nothing else holds.
    int
        The nearest.
    float
        Its distance, rounded up.
    float
        A lower bound of the distances to the others.
    """
    if own < 0:
        own = _place(scores, r, _top(scores, r))
        scores[r, own] = -np.inf
    best, held, second = own, _squares(block, i, centers, own), np.inf
    nearest, margin = held, tied(centers.shape[1])
    # A centre of a lower score is farther than the nearest one so far.
    least = 0.5 * (square - nearest * (1 + EXACT))
    count, bound = _rivals(scores, r, least, rivals, rivals_scores)
    for b in range(min(count, len(rivals))):
        if rivals_scores[b] < least:
            bound = max(bound, rivals_scores[b])
            continue
        j = rivals[b]
        found = _squares(block, i, centers, j)
        nearest = min(nearest, found)
        # Of those that are `prepared_centers.tied` the first.
        if found <= nearest * margin and (j < best or held > nearest * margin):
            second, held, best = min(second, held), found, j
            least = 0.5 * (square - held * (1 + EXACT))
        else:
            second = min(second, found)
    other = _root(min(second, square - 2 * bound))
    return count > len(rivals), best, np.sqrt(held) * (1 + EXACT), other


@compiling.part
def _top(scores: Any, r: int) -> Any:
    """Return the largest of a row's scores."""
    start = r * scores.shape[1]
    top, other = load(scores, start), load(scores, start + LANES)
    for c in range(PANEL, scores.shape[1], PANEL):
        top = greater(load(scores, start + c), top)
        other = greater(load(scores, start + c + LANES), other)
    return np.float64(largest(greater(top, other)))


@compiling.part
def _place(scores: Any, r: int, score: float) -> Any:
    """Return the first place of a row's scores where one is not below `score`."""
    width, limit = scores.shape[1], spread(scores.dtype.type(score))
    for c in range(0, width, LANES):
        lanes = load(scores, r * width + c)
        bits = failing_lanes(limit, lanes, lanes, lanes)
        for b in range(LANES if bits else 0):
            if bits >> b & 1:
                return np.int32(c + b)
    return np.int32(0)


@compiling.part
def _rivals(scores: Any, r: int, least: float, rivals: Any, rivals_scores: Any) -> Any:
    """Write the centres whose score is not below `least`; return how many, and the next score."""
    width, real = scores.shape[1], scores.dtype.type
    # Lower by more than its conversion rounds.
    limit = spread(real(least - abs(least) * ROUND))
    lowest = spread(real(-np.inf))
    count, bounds = 0, lowest
    for c in range(0, width, LANES):
        lanes = load(scores, r * width + c)
        bits = failing_lanes(limit, lanes, lanes, lanes)
        bounds = greater(bounds, where_less(lanes, limit, lanes, lowest))
        for b in range(LANES if bits else 0):
            # What fills up the last panel has no centre.
            if bits >> b & 1 and scores[r, c + b] != -np.inf:
                if count < len(rivals):
                    rivals[count], rivals_scores[count] = c + b, scores[r, c + b]
                count += 1
    return count, np.float64(largest(bounds))
