"""Exact nearest centres of rows of few features, sixteen rows at a time, compiled by Numba.

Imported only where Numba is. Sixteen rows whose gap is used up visit centres in the order of their
distances from the label of one amid them, until none that is left can be nearer than the second
best: a few centres, mostly, however many there are.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from kmeans_xp.kernels import fast_distances, fast_loops
from kmeans_xp.kernels.fast_label import PIECE
from kmeans_xp.kernels.fast_search import STRIDE
from kmeans_xp.kernels.fast_vector import LANES
from kmeans_xp.kernels.frame import Frame
from kmeans_xp.kernels.stepper import Team
from kmeans_xp.kernels.tracker import Changes

# Rows of a block, and vectors that those of a label should fill in one, if all are looked at.
BLOCK_ROWS, FILL = 1 << 17, 16
# Rows times centres times features from which a second thread is worth waking for labels.
SHARED_FROM = 1 << 22
# More centres than the first and at most the second have lists of neighbours, where rows have no
# label yet, and so many rows of a block to each repay them.
LEAST, MOST, ROWS_OF_EACH = 16, 2048, 64


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


def neighbors_of(frame: Frame) -> Neighbors:
    """Return the neighbours of each centre: k² numbers, to be found once an iteration."""
    k = len(frame.centers)
    found = unordered(frame.centers, k + 1)
    sort(found)
    return found


def sort(near: Neighbors) -> None:
    """Find the order of the neighbours."""
    k = len(near.centers) - 1
    distances, keys = np.empty((k, k), np.float32), np.empty((k, k), np.uint64)
    fast_loops.apart(near.centers[:k].astype(np.float64), distances, keys)
    keys.sort(axis=1)
    fast_loops.in_order(keys, distances, near.order, near.spans)


def unordered(centers: np.ndarray, count: int) -> Neighbors:
    """Return `count` rows of neighbours in the order of their numbers, after each centre's own."""
    k, d = centers.shape
    filled = np.full((k + 1, d), np.inf, centers.dtype)
    filled[:k] = centers
    shape = count, -(-k // STRIDE) * STRIDE
    order, spans = np.full(shape, k, np.int32), np.full(shape, -np.inf, centers.dtype)
    order[:, :k] = np.arange(k)
    return Neighbors(filled, order, spans)


def block_rows(k: int) -> int:
    """Return how many rows a block should have with k centres."""
    return max(BLOCK_ROWS, FILL * LANES * k)


def advance(
    block: np.ndarray,
    weights: np.ndarray | None,
    labels: np.ndarray,
    gaps: np.ndarray,
    *,
    frame: Frame,
    limits: np.ndarray,
    neighbors: Neighbors,
) -> Changes:
    """Search where the gap is used up; write `labels` and `gaps`; return what changed.

    Parameters
    ----------
    block : ndarray of shape (B, d)
    weights : ndarray of shape (B,) or None
    labels : ndarray of shape (B,), int32
        Of the previous iteration, or -1.
    gaps : ndarray of shape (B,), float32
        How much farther than the own centre any other one is at least, and the limit of the label
        as it was then.
    frame : Frame
        Of this iteration's centres.
    limits : ndarray of shape (k,)
        How far each centre and the fastest of the others have moved together since the fit began,
        rounded up.
    neighbors : Neighbors
        Of the same centres.
    """
    weights = np.empty(0) if weights is None else np.require(weights, np.float64, ["C", "A"])
    changes = Changes.none(*frame.centers.shape)
    counts = np.zeros(len(frame.centers))
    fast_loops.advance(
        ready_rows(block), sealed(weights), labels, gaps, neighbors.centers, frame.wide_origin,
        limits, neighbors.order, neighbors.spans,
        changes.sums, changes.weights, counts, changes.stirred,
    )  # fmt: skip
    changes.counts[:] = counts
    return changes


def nearest(block: np.ndarray, frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """Return labels, (B,) int32, and squared distances, (B,) float64."""
    return label_all(block, frame, squared=True)[:2]


def labels(block: np.ndarray, frame: Frame) -> np.ndarray:
    """Return the index of the nearest centre of each row, (B,) int32; the lowest of equals."""
    return label_all(block, frame, squared=False)[0]


def label_all(
    block: np.ndarray, frame: Frame, *, squared: bool, team: Team | None = None
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return labels, squared distances if they are asked for, and the largest absolute value.

    That is NaN if a row is not finite, whose label means nothing then.
    """
    n, (k, d) = len(block), frame.centers.shape
    if not LEAST < k <= MOST or n < ROWS_OF_EACH * k:
        near = unordered(frame.centers, 1)
    else:
        near = frame.made["neighbors"] = frame.made.get("neighbors") or neighbors_of(frame)
    rows = ready_rows(block if n >= LANES else np.resize(block, (LANES, d)))
    found, squares = np.empty(len(rows), np.int32), np.empty(len(rows) if squared else 0)
    extents = np.empty(max(1, len(rows) // PIECE), rows.dtype)
    work = partial(
        fast_loops.label,
        rows, near.centers, near.order, near.spans, found, squares, extents, np.zeros(2, np.int64),
    )  # fmt: skip
    if team is None or n * k * d < SHARED_FROM:
        work()
    else:
        team(work, work)
    return found[:n], squares[:n], float(extents.max())


def distances_all(block: np.ndarray, frame: Frame, team: Team) -> tuple[np.ndarray, float]:
    """Return distances, not squared, to every centre, (B, k); and as `label_all` the largest value.

    By direct differences in float64, rounded to the dtype of the rows.
    """
    rows, (k, d) = ready_rows(block), frame.centers.shape
    columns = np.zeros((d, -(-k // LANES) * LANES))
    columns[:, :k] = frame.wide_centers.T
    found = np.empty((len(rows), k), rows.dtype)
    extents = np.empty(-(-len(rows) // fast_distances.PIECE), np.int64)
    work = partial(
        fast_loops.distances, rows, columns, found.reshape(-1), extents, np.zeros(2, np.int64)
    )
    if found.size * d < SHARED_FROM:
        work()
    else:
        team(work, work)
    return found, float(extents.max().view(np.float64))


def sums_about(block: np.ndarray, about: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return sums of x - about and of (x - about)², (d,) float64."""
    first, second = np.zeros(len(about)), np.zeros(len(about))
    fast_loops.sums(ready_rows(block), np.require(about, np.float64, ["C", "W"]), first, second)
    return first, second


def own_distances(block: np.ndarray, frame: Frame, labels: np.ndarray) -> np.ndarray:
    """Return squared distances to the centres of `labels`, (B,) float64."""
    squares = np.empty(len(block))
    labels = np.require(labels, np.int32, ["C", "A", "W"])
    fast_loops.own(ready_rows(block), frame.wide_centers, labels, squares)
    return squares


def count(labels: np.ndarray, k: int) -> np.ndarray:
    """Return how many rows have each label, (k,) int64."""
    counts = np.zeros(k, np.int64)
    fast_loops.count(np.require(labels, np.int32, ["C", "A", "W"]), counts)
    return counts


def ready_rows(block: np.ndarray) -> np.ndarray:
    """Return rows as loops take them: in the machine's byte order, one after the other."""
    if not (block.flags.c_contiguous and block.flags.aligned and block.dtype.isnative):
        block = np.require(block, block.dtype.newbyteorder("="), ["C", "A"])
    return sealed(block)


def sealed(array: np.ndarray) -> np.ndarray:
    """Return a read-only view: the one kind of array that loops are compiled for."""
    view = array.view(np.ndarray)
    view.flags.writeable = False
    return view
