"""One iteration of Lloyd's algorithm in NumPy, of the rows that no short product excludes."""

from typing import TYPE_CHECKING

import numpy as np

from kmeans_xp.kernels import host, host_gaps
from kmeans_xp.kernels.projection import Turn
from kmeans_xp.kernels.scratch import scratch
from kmeans_xp.kernels.tracker import Changes

if TYPE_CHECKING:
    from kmeans_xp.kernels.host_moved import MovedTurn

# Part of the rows that change their label while a short product would exclude too few.
RESTLESS = 0.15
# More than float32 rounds away in two operations.
ROUND = 2.0**-21


def advance(
    block: np.ndarray,
    weights: np.ndarray | None,
    labels: np.ndarray,
    gaps: np.ndarray,
    reach: np.ndarray,
    short: np.ndarray,
    *,
    turn: Turn,
) -> Changes:
    """Search where no bound holds; write the memory; return what changed.

    `reach` is how far a row is from its centre at most, less the way which that had come by then;
    `short` holds short rows.
    """
    if len(labels) and labels[0] < 0:
        shorten(block, turn, out=short)
    active = host_gaps.unsettled(labels, gaps, turn.limits)
    if len(active) and np.isfinite(reach[active[0]]):
        gap = _gaps_of_short(active, labels, reach, short, turn)
        stays = gap > 0
        host_gaps.remember(gaps, active[stays], gap[stays], labels, turn.limits)
        active = active[~stays]
    before = labels.copy()
    search(block, active, labels, gaps, reach, turn, restless=RESTLESS)
    return host_gaps.changes(block, weights, before, labels, turn.frame)


def search(
    block: np.ndarray,
    which: np.ndarray,
    labels: np.ndarray,
    gaps: np.ndarray,
    reach: np.ndarray,
    turn: "Turn | MovedTurn",
    *,
    restless: float,
) -> None:
    """Search all centres for the rows `which`; write the memory."""
    rows = host_gaps.gathered(block, which)
    found, gap, own = host_gaps.search(rows, labels[which], turn.frame, restless=restless)
    labels[which] = found
    host_gaps.remember(gaps, which, gap, labels, turn.limits)
    reach[which] = reach_of(own, turn.ways[found])


def reach_of(own: np.ndarray, ways: np.ndarray) -> np.ndarray:
    """Return distances to the own centre less the way that it had come, rounded up to float32."""
    left = own.astype(np.float64) - ways + (own + ways) * ROUND
    return np.nextafter(left.astype(np.float32), np.float32(np.inf))


def shorten(block: np.ndarray, turn: Turn, out: np.ndarray) -> None:
    """Write the short rows of a block, a few at a time."""
    size = max(1, host.DIFFERENCES // block.shape[1])
    for start in range(0, len(block), size):
        part = slice(start, start + size)
        out[part] = turn.directions.rows(block[part])


def scores_of(rows: np.ndarray, labels: np.ndarray, turn: Turn) -> np.ndarray:
    """Return upper bounds of x'·c' - ½‖c'‖² of short rows, but for the own centre: -inf there."""
    scores = scratch("scores", (len(rows), len(turn.short_centers)), rows.dtype)
    np.matmul(rows, turn.short_centers.T, out=scores)
    scores[np.flatnonzero(labels >= 0), labels[labels >= 0]] = -np.inf
    return scores


def _gaps_of_short(
    active: np.ndarray, labels: np.ndarray, reach: np.ndarray, short: np.ndarray, turn: Turn
) -> np.ndarray:
    """Return bounds on how much nearer than any other the own centre is, of the active rows."""
    gaps = np.empty(len(active), short.dtype)
    margin, underflow, limit = turn.margin
    for part in host.pieces(gaps, turn.frame):
        which = active[part]
        rows, own = short.take(which, axis=0), labels[which]
        scores = scores_of(rows, own, turn)
        # NumPy finds the place of a largest entry several times as fast as its value.
        top = scores[np.arange(len(rows)), scores.argmax(axis=1)]
        norms = rows[:, -2]
        other = np.where(norms < limit, np.square(norms) * (1 - margin) - 2 * top - underflow, 0)
        gaps[part] = np.sqrt(np.maximum(other, 0)) * (1 - margin)
        gaps[part] -= (reach[which] + turn.ways[own]) * (1 + ROUND)
    return gaps
