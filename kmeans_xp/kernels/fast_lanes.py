"""Exact nearest centres of rows of few features, sixteen rows at a time, compiled by Numba.

Imported only where Numba is. Rows whose gap is used up are grouped by label. Sixteen rows of one
label visit centres in the order of their distances from the label's centre, until none that is
left can be nearer than the second best: a few centres, mostly, however many there are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from kmeans_xp.kernels import fast_loops
from kmeans_xp.kernels.fast_search import STRIDE
from kmeans_xp.kernels.fast_vector import LANES
from kmeans_xp.kernels.frame import Frame
from kmeans_xp.kernels.tracker import Changes

# Up to so many rows are one block, of which threads share the pieces without the interpreter's
# lock; more are so many blocks that it does not matter.
SHARED, BLOCK_ROWS = 1 << 20, 1 << 17
# Pieces at most, and vectors that the rows of a label should fill in one, if all are looked at.
PIECES, FILL = 16, 16
# Centres that have lists of neighbours at most, where rows have no label yet, and rows of a block
# to each that repay them.
MOST, ROWS_OF_EACH = 2048, 64

Team = Callable[[Callable[[], bool]], None]


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
    found, k = _unordered(frame, len(frame.centers) + 1), len(frame.centers)
    distances, keys = np.empty((k, k), np.float32), np.empty((k, k), np.uint64)
    fast_loops.apart(frame.wide_centers, distances, keys)
    keys.sort(axis=1)
    fast_loops.in_order(keys, distances, found.order, found.spans)
    return found


def _unordered(frame: Frame, count: int) -> Neighbors:
    """Return `count` rows of neighbours in the order of their numbers."""
    k, d = frame.centers.shape
    centers = np.full((k + 1, d), np.inf, frame.centers.dtype)
    centers[:k] = frame.centers
    shape = count, -(-k // STRIDE) * STRIDE
    order, spans = np.full(shape, k, np.int32), np.full(shape, -np.inf, centers.dtype)
    order[:, :k] = np.arange(k)
    return Neighbors(centers, order, spans)


def block_rows(n: int, k: int) -> int:
    """Return how many rows a block should have, of n rows and k centres."""
    return n if n <= SHARED else max(BLOCK_ROWS, FILL * LANES * k)


def advance(
    block: np.ndarray,
    weights: np.ndarray | None,
    labels: np.ndarray,
    gaps: np.ndarray,
    *,
    frame: Frame,
    limits: np.ndarray,
    neighbors: Neighbors,
    team: Team | None,
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
    team : callable or None
        Runs a function on several threads at once, until it returns true; None where threads have
        other blocks.
    """
    (k, d), n = frame.centers.shape, len(labels)
    weights = np.empty(0) if weights is None else np.require(weights, np.float64, ["C", "A"])
    pieces = (min(PIECES, n // (FILL * LANES * k)) if team else 0) or 1
    sums, counts = np.zeros((pieces, k, d)), np.zeros((pieces, k), np.int64)
    totals, stirred = np.zeros((pieces, k)), np.zeros((pieces, k))
    work = partial(
        fast_loops.advance,
        ready_rows(block), sealed(weights), labels, gaps, neighbors.centers, frame.wide_origin,
        np.append(limits, np.inf), neighbors.order, neighbors.spans,
        sums, totals, counts, stirred, -(-n // pieces), np.zeros(2, np.int64),
    )  # fmt: skip
    if team is None or pieces == 1:
        work()
        return Changes(sums[0], totals[0], counts[0], stirred[0])
    team(work)
    return Changes(*(part.sum(axis=0) for part in (sums, totals, counts, stirred)))


def nearest(block: np.ndarray, frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """Return labels, (B,) int32, and squared distances, (B,) float64."""
    squares = np.empty(len(block))
    return _nearest(block, frame, squares), squares


def labels(block: np.ndarray, frame: Frame) -> np.ndarray:
    """Return the index of the nearest centre of each row, (B,) int32; the lowest of equals."""
    return _nearest(block, frame, np.empty(0))


def _nearest(block: np.ndarray, frame: Frame, squares: np.ndarray) -> np.ndarray:
    found, k = np.empty(len(block), np.int32), len(frame.centers)
    made = frame.made
    if k > MOST or len(block) < ROWS_OF_EACH * k:
        near = _unordered(frame, 1)
    else:
        near = made["neighbors"] = made.get("neighbors") or neighbors_of(frame)
    rows = ready_rows(block)
    fast_loops.nearest(rows, near.centers, near.order, near.spans, found, squares)
    return found


def own_distances(block: np.ndarray, frame: Frame, labels: np.ndarray) -> np.ndarray:
    """Return squared distances to the centres of `labels`, (B,) float64."""
    squares = np.empty(len(block))
    labels = np.require(labels, np.int32, ["C", "A", "W"])
    fast_loops.own(ready_rows(block), frame.wide_centers, labels, squares)
    return squares


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
