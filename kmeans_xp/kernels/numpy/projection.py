"""Bounds by projected rows in NumPy: only the centres that these do not exclude are compared."""

from typing import Any

import numpy as np

from kmeans_xp.kernels.numpy import hamerly as numpy_hamerly
from kmeans_xp.kernels.numpy import nearest as numpy_nearest
from kmeans_xp.kernels.numpy.memory import gathered, rows_in_scratch, scratch
from kmeans_xp.kernels.numpy.nearest import BLOCK_ENTRIES, DIFFERENCE_ENTRIES
from kmeans_xp.kernels.shared.blocks import even_blocks, parts
from kmeans_xp.kernels.shared.cluster_totals import ClusterTotals
from kmeans_xp.kernels.shared.hamerly import remember, unsettled
from kmeans_xp.kernels.shared.prepared_centers import tied
from kmeans_xp.kernels.shared.projection import Directions, ProjectedIteration, ProjectionBounds

# So many centres in a product cost as much as the differences from one.
DIFFERENCE_COST = 64
# Bytes of scores of projected rows at a time, and rows: a product of them is short, so that calls
# weigh more; 512 rows instead of 2,048 are a third slower at k = 256.
SCORE_BYTES, PIECE_ROWS = 1 << 22, 2048
# Entries of a block: its steps are many calls, and each block adds up the sums of all clusters.
LARGE_BLOCK_ENTRIES = 1 << 21
# More than float32 rounds away in two operations, and float64 in a few.
FLOAT32_ROUNDING, FLOAT64_ROUNDING = 2.0**-21, 2.0**-49


def bounds_of(n: int, d: int, k: int, dtype: Any, directions: Directions) -> ProjectionBounds:
    """Return the bounds of a run over n rows of d features with k centres."""
    size = block_rows(n, d)
    return ProjectionBounds(advance, n, k, block_rows=size, directions=directions, dtype=dtype)


def block_rows(n: int, d: int) -> int:
    """Return how many rows a block should have, so that two threads get as many rows."""
    return even_blocks(n, max(1, LARGE_BLOCK_ENTRIES // d))


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
    """Search the rows whose gap is used up; write all memory of the rows; return the changes.

    The memory is that of `kmeans_xp.kernels.shared.projection.ProjectionBounds`.
    """
    before, undecided = labels.copy(), np.arange(len(block))
    if len(labels) and labels[0] < 0:
        project(block, iteration, out=projected)
    else:
        active = unsettled(labels, bound_gaps, iteration.drift_limits)
        score_rows = SCORE_BYTES // (len(iteration.projected_centers) * block.itemsize)
        crowded = [
            _settle(block, active[part], labels, bound_gaps, projected, iteration)
            for part in parts(len(active), min(max(256, score_rows), PIECE_ROWS))
        ]
        undecided = np.concatenate([active[:0], *crowded])
    search(block, undecided, labels, bound_gaps, upper_bounds, iteration)
    return numpy_hamerly.changes(block, weights, before, labels, iteration.prepared)


def search(
    block: np.ndarray,
    which: np.ndarray,
    labels: np.ndarray,
    bound_gaps: np.ndarray,
    upper_bounds: np.ndarray,
    iteration: ProjectedIteration,
) -> None:
    """Compare the rows `which` with all centres; write the memory."""
    found = numpy_hamerly.search(gathered(block, which), labels[which], iteration.prepared)
    labels[which] = found.labels
    remember(bound_gaps, which, found.gaps, labels, iteration.drift_limits)
    own, drift = found.own_distances, iteration.center_drift[found.labels]
    # Rounded up to float32.
    upper = own.astype(np.float64) - drift + (own + drift) * FLOAT32_ROUNDING
    upper_bounds[which] = np.nextafter(upper.astype(np.float32), np.float32(np.inf))


def project(block: np.ndarray, iteration: ProjectedIteration, out: np.ndarray) -> None:
    """Write the projected rows of a block, a few at a time."""
    for part in parts(len(block), DIFFERENCE_ENTRIES // block.shape[1]):
        out[part] = iteration.directions.rows(block[part])


def _settle(
    block: np.ndarray,
    which: np.ndarray,
    labels: np.ndarray,
    bound_gaps: np.ndarray,
    projected: np.ndarray,
    iteration: ProjectedIteration,
) -> np.ndarray:
    """Label rows by their differences from the candidates; write labels and bound gaps.

    Return the rows that have too many candidates.
    """
    x, own = rows_in_scratch(block, which, "rows"), labels.take(which).astype(np.intp)
    own_squares = numpy_nearest.own_distances(x, iteration.prepared, own)
    rows = rows_in_scratch(projected, which, "projected")
    squares, scores = _projected_scores(rows, own, iteration)
    # A centre whose score is below this is farther than the own one.
    limit = (squares - own_squares * (tied(x.shape[1]) + FLOAT64_ROUNDING)) / 2
    limit = np.nextafter(limit.astype(scores.dtype), -scores.dtype.type(np.inf))
    excluded = np.less(scores, limit[:, None], out=scratch("near", scores.shape, np.bool_))
    candidates = np.flatnonzero(np.logical_not(excluded, out=excluded))
    i, j = np.divmod(candidates, scores.shape[1])
    crowded = np.bincount(i, minlength=len(which)) * DIFFERENCE_COST > scores.shape[1]
    scores.reshape(-1)[candidates] = -np.inf
    # NumPy finds the place of a largest entry several times as fast as its value.
    largest = scores[np.arange(len(which)), scores.argmax(axis=1)].astype(np.float64)
    pairs = np.flatnonzero(~crowded[i])
    nearest, least, second = _nearest_two(x, own, own_squares, i[pairs], j[pairs], iteration)
    excluded_squares = np.maximum(squares - 2 * largest, 0)
    gaps = np.sqrt(np.minimum(second, excluded_squares)) * (1 - FLOAT64_ROUNDING)
    gaps -= np.sqrt(least) * (1 + FLOAT64_ROUNDING)
    settled = np.flatnonzero(~crowded)
    at = which[settled]
    labels[at] = nearest[settled]
    remember(bound_gaps, at, gaps[settled], labels, iteration.drift_limits)
    return which[crowded]


def _projected_scores(
    rows: np.ndarray, own: np.ndarray, iteration: ProjectedIteration
) -> tuple[np.ndarray, np.ndarray]:
    """Return lower bounds of ‖x'‖² and upper bounds of x'·c' - ½‖c'‖², -inf for the own centre."""
    scores = scratch("scores", (len(rows), len(iteration.projected_centers)), rows.dtype)
    np.matmul(rows, iteration.projected_centers.T, out=scores)
    scores[np.arange(len(rows)), own] = -np.inf
    margin, norms = iteration.margin, rows[:, -2].astype(np.float64)
    squares = np.square(norms) * (1 - margin.relative) - margin.absolute
    return np.where(norms < margin.max_norm, squares, -np.inf), scores


def _nearest_two(
    x: np.ndarray,
    own: np.ndarray,
    own_squares: np.ndarray,
    i: np.ndarray,
    j: np.ndarray,
    iteration: ProjectedIteration,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the nearest of the own centre and the candidates, and the least two squares.

    Row i[p] of `x` has the candidate j[p].
    """
    squares = np.empty(len(i))
    for part in parts(len(i), BLOCK_ENTRIES // x.shape[1]):
        rows = rows_in_scratch(x, i[part], "pairs")
        squares[part] = numpy_nearest.own_distances(rows, iteration.prepared, j[part])
    least = own_squares.copy()
    np.minimum.at(least, i, squares)
    equal = least * tied(x.shape[1])
    labels = np.where(own_squares <= equal, own, len(iteration.projected_centers))
    hits = np.flatnonzero(squares <= equal[i])
    np.minimum.at(labels, i[hits], j[hits])
    second = np.where(labels == own, np.inf, own_squares)
    others = np.flatnonzero(j != labels[i])
    np.minimum.at(second, i[others], squares[others])
    return labels, least, second
