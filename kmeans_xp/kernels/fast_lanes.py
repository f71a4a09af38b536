"""Exact nearest centres of rows of few features, sixteen rows at a time, compiled by Numba.

Imported only where Numba is. Rows whose gap is used up are grouped by label. Sixteen rows of one
label visit centres in the order of their distances from the label's centre, until none that is
left can be nearer than the second best: a few centres, mostly, however many there are.
"""

from dataclasses import dataclass

import numpy as np

from kmeans_xp.kernels import fast_loops
from kmeans_xp.kernels.fast_vector import LANES
from kmeans_xp.kernels.frame import Frame
from kmeans_xp.kernels.tracker import Changes

# Rows of a block at most, and at least, where there are so many: a thread that turns to the next
# one too soon mostly waits for the interpreter's lock. Blocks come in eights, or fewer pairs,
# which threads share evenly.
BLOCK_ROWS, LEAST_ROWS = 1 << 17, 1 << 15
# Vectors that the rows of a label should fill in a block, if all of them are looked at.
FILL = 16
# Centres that have lists of neighbours at most, where rows have no label yet, and rows of a block
# to each that repay them.
MOST, ROWS_OF_EACH = 2048, 64


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
    distances = np.empty((k, k), np.float32)
    fast_loops.apart(frame.wide_centers, distances)
    # The bits of floats that are not below 0 are in the order of their values, so that a distance
    # and a number sort as one integer, many times faster than an argsort.
    keys = distances.view(np.uint32).astype(np.uint64) << 32 | np.arange(k, dtype=np.uint64)
    np.fill_diagonal(keys, 0)
    keys.sort(axis=1)
    found = _unordered(frame, k + 1)
    found.order[:k, :k] = keys & 0xFFFFFFFF
    found.order[:k, 0] = np.arange(k)
    found.spans[:k, :k] = (keys >> 32).astype(np.uint32).view(np.float32)
    return found


def _unordered(frame: Frame, count: int) -> Neighbors:
    """Return `count` rows of neighbours in the order of their numbers."""
    k, d = frame.centers.shape
    centers = np.full((k + 1, d), np.inf, frame.centers.dtype)
    centers[:k] = frame.centers
    shape = count, -(-k // fast_loops.STRIDE) * fast_loops.STRIDE
    order, spans = np.full(shape, k, np.int32), np.full(shape, -np.inf, centers.dtype)
    order[:, :k] = np.arange(k)
    return Neighbors(centers, order, spans)


def block_rows(n: int, k: int) -> int:
    """Return how many rows a block should have, of n rows and k centres."""
    pairs = n // (2 * LEAST_ROWS)
    blocks = min(8 * -(-n // (8 * BLOCK_ROWS)), max(1, 2 * pairs))
    return max(-(-n // blocks), FILL * LANES * k)


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
    k, d = frame.centers.shape
    block = ready_rows(block)
    weights = np.empty(0) if weights is None else np.require(weights, np.float64, ["C", "A"])
    changes = Changes(np.zeros((k, d)), np.zeros(k), np.zeros(k, np.int64), np.zeros(k))
    fast_loops.advance(
        block, sealed(weights), labels, gaps, neighbors.centers, frame.wide_origin,
        np.append(limits, np.inf), neighbors.order, neighbors.spans,
        changes.sums, changes.weights, changes.counts, changes.stirred,
    )  # fmt: skip
    return changes


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
