"""Bounds by projected rows in NumPy: only the centres that they do not exclude are looked at."""

from typing import Any

import numpy as np

from kmeans_xp.kernels.numpy import hamerly as numpy_hamerly
from kmeans_xp.kernels.numpy import nearest as numpy_nearest
from kmeans_xp.kernels.numpy.memory import gathered, scratch, taken
from kmeans_xp.kernels.numpy.nearest import DIFFERENCES
from kmeans_xp.kernels.shared.blocks import even_blocks, parts
from kmeans_xp.kernels.shared.cluster_totals import Changes
from kmeans_xp.kernels.shared.hamerly import remember, unsettled
from kmeans_xp.kernels.shared.prepared_centers import tied
from kmeans_xp.kernels.shared.projection import Directions, ProjectedIteration, ProjectionBounds

# Centres in a product that cost as much as the differences from one.
PAIR = 64
# Bytes of scores of projected rows at a time: they cost little, and calls the more.
SCORE_BYTES = 1 << 22
# Rows at a time at most.
PIECE = 2048
# Entries of a block: each adds up the sums of all clusters, and calls that are turns at the lock.
BLOCK = 1 << 21
# More than float32 rounds away in two operations, and float64 in a few.
ROUND, FINE = 2.0**-21, 2.0**-49


def bounds_of(n: int, d: int, k: int, dtype: Any, directions: Directions) -> ProjectionBounds:
    """Return the bounds of a run over n rows of d features with k centres."""
    size = block_rows(n, d)
    return ProjectionBounds(advance, n, k, block_rows=size, directions=directions, dtype=dtype)


def block_rows(n: int, d: int) -> int:
    """Return how many rows a block should have."""
    return even_blocks(n, max(1, BLOCK // d))


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
    """Search where no bound holds; write the memory; return what changed.

    `upper_bounds` is how far a row is from its centre at most, less that centre's drift by then;
    `projected` holds projected rows.
    """
    before, left = labels.copy(), np.arange(len(block))
    if len(labels) and labels[0] < 0:
        project(block, iteration, out=projected)
    else:
        active = unsettled(labels, bound_gaps, iteration.drift_limits)
        size = min(
            max(256, SCORE_BYTES // (len(iteration.projected_centers) * block.itemsize)), PIECE
        )
        crowded = [
            _settle(block, active[part], labels, bound_gaps, projected, iteration)
            for part in parts(len(active), size)
        ]
        left = np.concatenate([active[:0], *crowded])
    search(block, left, labels, bound_gaps, upper_bounds, iteration)
    return numpy_hamerly.changes(block, weights, before, labels, iteration.prepared)


def search(
    block: np.ndarray,
    which: np.ndarray,
    labels: np.ndarray,
    bound_gaps: np.ndarray,
    upper_bounds: np.ndarray,
    iteration: ProjectedIteration,
) -> None:
    """Search all centres for the rows `which`; write the memory."""
    rows = gathered(block, which)
    found, bound_gap, own = numpy_hamerly.search(
        rows, labels[which], iteration.prepared, restless=1
    )
    labels[which] = found
    remember(bound_gaps, which, bound_gap, labels, iteration.drift_limits)
    upper_bounds[which] = upper_bounds_of(own, iteration.center_drift[found])


def upper_bounds_of(own: np.ndarray, center_drift: np.ndarray) -> np.ndarray:
    """Return distances to the own centre less the way that it had come, rounded up to float32."""
    left = own.astype(np.float64) - center_drift + (own + center_drift) * ROUND
    return np.nextafter(left.astype(np.float32), np.float32(np.inf))


def project(block: np.ndarray, iteration: ProjectedIteration, out: np.ndarray) -> None:
    """Write the projected rows of a block, a few at a time."""
    for part in parts(len(block), DIFFERENCES // block.shape[1]):
        out[part] = iteration.directions.rows(block[part])


def _settle(
    block: np.ndarray,
    which: np.ndarray,
    labels: np.ndarray,
    bound_gaps: np.ndarray,
    projected: np.ndarray,
    iteration: ProjectedIteration,
) -> np.ndarray:
    """Label rows by their differences from the centres that may be nearer; write the memory.

    Return the rows for which these are too many.
    """
    x, own = taken(block, which, "rows"), labels.take(which).astype(np.intp)
    near = numpy_nearest.own_distances(x, iteration.prepared, own)
    squares, scores = _short(taken(projected, which, "short"), own, iteration)
    # Where the score does not tell that a centre is farther than the own one.
    most = (squares - near * (tied(x.shape[1]) + FINE)) / 2
    below = np.nextafter(most.astype(scores.dtype), -scores.dtype.type(np.inf))
    far = np.less(scores, below[:, None], out=scratch("near", scores.shape, np.bool_))
    flat = np.flatnonzero(np.logical_not(far, out=far))
    i, j = np.divmod(flat, scores.shape[1])
    crowded = np.bincount(i, minlength=len(which)) * PAIR > scores.shape[1]
    scores.reshape(-1)[flat] = -np.inf
    # NumPy finds the place of a largest entry several times as fast as its value.
    top = scores[np.arange(len(which)), scores.argmax(axis=1)].astype(np.float64)
    few = np.flatnonzero(~crowded[i])
    new, nearest, second = _decided(x, own, near, i[few], j[few], iteration)
    rest = np.maximum(squares - 2 * top, 0)
    first = np.sqrt(nearest) * (1 + FINE)
    bound_gap = np.sqrt(np.minimum(second, rest)) * (1 - FINE) - first
    easy = np.flatnonzero(~crowded)
    at = which[easy]
    labels[at] = new[easy]
    remember(bound_gaps, at, bound_gap[easy], labels, iteration.drift_limits)
    return which[crowded]


def _short(
    rows: np.ndarray, own: np.ndarray, iteration: ProjectedIteration
) -> tuple[np.ndarray, np.ndarray]:
    """Return lower bounds of ‖x'‖², and upper ones of x'·c' - ½‖c'‖², but for the own centre."""
    scores = scratch("scores", (len(rows), len(iteration.projected_centers)), rows.dtype)
    np.matmul(rows, iteration.projected_centers.T, out=scores)
    scores[np.arange(len(rows)), own] = -np.inf
    (margin, underflow, limit), norms = iteration.margin, rows[:, -2].astype(np.float64)
    squares = np.square(norms) * (1 - margin) - underflow
    return np.where(norms < limit, squares, -np.inf), scores


def _decided(
    x: np.ndarray,
    own: np.ndarray,
    near: np.ndarray,
    i: np.ndarray,
    j: np.ndarray,
    iteration: ProjectedIteration,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the nearest of each row's own centre and its rivals, and the least two squares.

    `near` are the squared distances to the own centre; row i[p] of `x` has the rival j[p].
    """
    found = np.empty(len(i))
    for part in parts(len(i), numpy_nearest.BLOCK // x.shape[1]):
        found[part] = numpy_nearest.own_distances(
            taken(x, i[part], "pairs"), iteration.prepared, j[part]
        )
    least = near.copy()
    np.minimum.at(least, i, found)
    equal = least * tied(x.shape[1])
    new = np.where(near <= equal, own, len(iteration.projected_centers))
    hits = np.flatnonzero(found <= equal[i])
    np.minimum.at(new, i[hits], j[hits])
    second = np.where(new == own, np.inf, near)
    others = np.flatnonzero(j != new[i])
    np.minimum.at(second, i[others], found[others])
    return new, least, second
