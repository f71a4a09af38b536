"""`kmeans_xp.kernels.pull` in NumPy, and compiled by Numba where that is worth while."""

from typing import Any

import numpy as np

from kmeans_xp.kernels import fast_compile
from kmeans_xp.kernels.fast_compile import PULL_LOOPS
from kmeans_xp.kernels.pull import Learned, Pull, Puller
from kmeans_xp.kernels.scratch import scratch


def find_pull(work: int, dtype: Any) -> Puller:
    """Return what pulls: compiled if that is done already, or the `work` of a batch repays it."""
    return _compiled if fast_compile.worthwhile(work, dtype, PULL_LOOPS) else pull


def pull(
    block: np.ndarray, labels: np.ndarray, weights: np.ndarray | None, centers: np.ndarray
) -> Pull:
    """Return what the rows of each label add up to about its centre."""
    # Imported here: SciPy takes longer to import than the rest of the package together.
    from scipy.sparse import csc_array

    n, k = len(block), len(centers)
    ways = scratch("ways", block.shape, np.float64)
    # Labels are in range; where it had to look, NumPy would write to a copy first.
    np.take(centers, labels, axis=0, out=ways, mode="clip")
    np.subtract(block, ways, out=ways)
    ones = np.ones(n) if weights is None else weights
    cost = np.vdot(ways, ways) if weights is None else np.vecdot(ways, ways) @ weights
    member = csc_array((ones, labels, np.arange(n + 1, dtype=np.int32)), shape=(k, n))
    totals = np.bincount(labels, weights, k).astype(np.float64, copy=False)
    return Pull(member @ ways, totals, np.asarray(cost))


def _compiled(
    block: np.ndarray, labels: np.ndarray, weights: np.ndarray | None, centers: np.ndarray
) -> Pull:
    from kmeans_xp.kernels import fast_lanes, pull_loops

    weights = np.empty(0) if weights is None else np.require(weights, np.float64, ["C", "A"])
    centers = np.require(centers, requirements=["C", "A", "W"])
    ways, totals = np.zeros(centers.shape), np.zeros(len(centers))
    rows, weights = fast_lanes.ready_rows(block), fast_lanes.sealed(weights)
    cost = pull_loops.pull(rows, labels, weights, centers, ways, totals)
    return Pull(ways, totals, np.asarray(cost))


def learn(
    block: np.ndarray,
    drawn: np.ndarray | None,
    weights: np.ndarray | None,
    centers: np.ndarray,
    counts: np.ndarray,
) -> Learned | None:
    """Do all that a batch asks for in one compiled call; None where that is not to be had.

    Parameters
    ----------
    block : ndarray of shape (n, d)
        Rows, of which the batch consists or is drawn.
    drawn : ndarray of shape (B,), int64, or None
        Which rows the batch has; by default all.
    weights : ndarray of shape (B,) or None
    centers : ndarray of shape (k, d), float64
        Rows go to the nearest of them, rounded to the dtype of the rows, and pull at them as they
        are.
    counts : ndarray of shape (k,), float64
        The weight that each has seen.
    """
    if not (block.flags.c_contiguous and block.flags.aligned and block.dtype.isnative):
        return None
    drawn = np.arange(len(block)) if drawn is None else drawn
    if not fast_compile.worthwhile(len(drawn) * centers.size, block.dtype, PULL_LOOPS):
        return None
    from kmeans_xp.kernels import fast_lanes, pull_loops

    weights = np.empty(0) if weights is None else np.require(weights, np.float64, ["C", "A"])
    # The one kind of array that it is compiled for.
    centers, counts = (np.require(a, np.float64, ["C", "A", "W", "E"]) for a in (centers, counts))
    moved, seen, facts = np.empty(centers.shape), np.empty(len(centers)), np.empty(2)
    pull_loops.learn(
        fast_lanes.sealed(block), drawn, fast_lanes.sealed(weights), centers, counts,
        moved, seen, facts,
    )  # fmt: skip
    cost, shift = facts.tolist()
    return moved, seen, seen.copy(), cost, shift
