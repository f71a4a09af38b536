"""One iteration of Lloyd's algorithm in NumPy, by a product with those centres alone that moved.

From the last iteration a row knows how far it is from its own centre, and by how much it is nearer
to that than to any other. Centres that stand still are as far as they were. So only distances to
the others are to be found, the row's own perhaps among them; where they leave a doubt, all are.
"""

from dataclasses import dataclass
from functools import partial
from typing import final

import numpy as np

from kmeans_xp.kernels import host, host_gaps
from kmeans_xp.kernels.frame import Frame
from kmeans_xp.kernels.host_projection import RESTLESS, reach_of, search
from kmeans_xp.kernels.scratch import scratch
from kmeans_xp.kernels.tracker import Changes, Step, Tracker

# The part of all centres up to which those that moved are looked at alone: so many rows for each
# that has just changed its label are left in doubt, and must be searched as well.
MOST, LEAVING = 0.95, 4
# Rows of which this is estimated.
SAMPLE = 2048
# More than float32 rounds away when a distance is remembered.
ROUND = 2.0**-19


@dataclass(frozen=True)
class MovedTurn:
    """What an iteration needs.

    Attributes
    ----------
    frame : Frame
        Of the centres.
    limits, ways : ndarray of shape (k,), float64
        As in `Drift`: how far each centre and the fastest other one have come, and it alone.
    earlier : tuple of ndarray
        Both as they were in the last iteration.
    places : ndarray of shape (k,), int
        Where each centre is among those that moved; -1 if it stood still.
    columns : ndarray of shape (m, d + 2), optional
        Of the frame, for the centres that moved; None if all are to be searched.
    """

    frame: Frame
    limits: np.ndarray
    ways: np.ndarray
    earlier: tuple[np.ndarray, np.ndarray]
    places: np.ndarray
    columns: np.ndarray | None


@final
class MovedTracker(Tracker):
    """Remembers each row's gap and how far it is from its centre.

    Parameters
    ----------
    n, k : int
        Rows and centres.
    block_rows : int
        How many rows a block should have.
    """

    def __init__(self, n: int, k: int, *, block_rows: int) -> None:
        super().__init__(k, block_rows)
        self.memory = (
            np.full(n, -1, np.int32),
            np.full(n, -np.inf, np.float32),
            np.full(n, np.inf, np.float32),
        )
        self._centers: np.ndarray | None = None
        self._labels = self._some(self.memory[0])

    def turn(self, frame: Frame) -> Step:
        """Return the step of an iteration."""
        drift, centers = self._drift, frame.wide_centers
        earlier = drift.limits, drift.own
        drift.follow(centers)
        before, self._centers = self._centers, centers
        left = self._left(earlier[0])
        places, columns = np.full(len(centers), -1), None
        if before is not None:
            moved = np.flatnonzero((centers != before).any(axis=1))
            if 0 < len(moved) < (MOST - left) * len(centers):
                places[moved], columns = np.arange(len(moved)), frame.columns[moved]
        turn = MovedTurn(frame, drift.limits, drift.own, earlier, places, columns)
        return partial(advance, turn=turn)

    def _left(self, limits: np.ndarray) -> float:
        """Return about which part of the rows will have to be searched."""
        labels, gaps = self._some(self.memory[0]), self._some(self.memory[1])
        changed, self._labels = labels != self._labels, labels
        unknown = np.count_nonzero(gaps <= limits.take(labels, mode="wrap"))
        return (unknown + LEAVING * np.count_nonzero(changed)) / len(labels)

    @staticmethod
    def _some(memory: np.ndarray) -> np.ndarray:
        return memory[:: max(1, len(memory) // SAMPLE)].copy()


def advance(
    block: np.ndarray,
    weights: np.ndarray | None,
    labels: np.ndarray,
    gaps: np.ndarray,
    reach: np.ndarray,
    *,
    turn: MovedTurn,
) -> Changes:
    """Search where no bound holds; write the memory; return what changed.

    `reach` is how far a row is from its centre at most, less the way which that had come by then.
    """
    active = host_gaps.unsettled(labels, gaps, turn.limits)
    before, restless = labels.copy(), RESTLESS
    if len(active) * (1 + host_gaps.GATHERING / len(turn.limits)) > len(block):
        active = np.arange(len(block))
    if turn.columns is not None:
        active = _left_by_moved(block, active, labels, gaps, reach, turn.columns, turn)
        restless = 1
    search(block, active, labels, gaps, reach, turn, restless=restless)
    return host_gaps.changes(block, weights, before, labels, turn.frame)


def _left_by_moved(
    block: np.ndarray,
    active: np.ndarray,
    labels: np.ndarray,
    gaps: np.ndarray,
    reach: np.ndarray,
    columns: np.ndarray,
    turn: MovedTurn,
) -> np.ndarray:
    """Return the rows whose label is in doubt; write the memory of the others."""
    left = np.ones(len(active), np.bool_)
    for part in host.pieces(active, turn.frame):
        which = active[part]
        rows = block[part] if len(active) == len(block) else block.take(which, axis=0)
        own, far = _distances(rows, labels[which], reach[which], columns, turn)
        gap = np.minimum(far, _others(gaps[which], labels[which], reach[which], turn)) - own
        stays = gap > 0
        left[part] = ~stays
        which, own = which[stays], own[stays]
        host_gaps.remember(gaps, which, gap[stays], labels, turn.limits)
        reach[which] = reach_of(own, turn.ways[labels[which]])
    return active[left]


def _others(gaps: np.ndarray, labels: np.ndarray, reach: np.ndarray, turn: MovedTurn) -> np.ndarray:
    """Return how far the others were at least, as far as they stand still."""
    limits, ways = turn.earlier
    way = ways.take(labels)
    own = reach + way
    # The distance was rounded up where it was remembered, and is to be rounded down. A gap that
    # overflowed is enough for its own row to stay, but says nothing of how far the others are.
    gaps = np.where(np.isfinite(gaps), gaps, np.nan)
    return gaps - limits.take(labels) + (own - (np.abs(own) + 2 * way) * ROUND)


def _distances(
    rows: np.ndarray, labels: np.ndarray, reach: np.ndarray, columns: np.ndarray, turn: MovedTurn
) -> tuple[np.ndarray, np.ndarray]:
    """Return distances to the own centre, rounded up, and to others that moved, rounded down."""
    frame = turn.frame
    augmented = host.augment(rows, frame)
    lower = scratch("scores", (len(columns), len(rows)), rows.dtype)
    np.matmul(columns, augmented.T, out=lower)
    place, flat = turn.places.take(labels), lower.reshape(-1)
    own = reach + turn.ways.take(labels)
    went = np.flatnonzero(place >= 0)
    at = place.take(went) * len(rows) + went
    norms, slack = augmented[:, -2], frame.slack.take(labels.take(went), axis=0).T
    some = norms.take(went)
    bound = flat.take(at) + slack[1] + some * (slack[0] + some * frame.tie)
    # Not infinite, which would be one that overflowed.
    flat[at] = np.finfo(rows.dtype).max / 8
    other = lower.min(axis=0)
    margin, lost = 4 * frame.gamma, host_gaps.underflow(frame.centers)
    nearest = np.square(some) * (1 + margin) + 2 * bound + lost
    own[went] = np.sqrt(np.maximum(nearest, 0)) * (1 + margin)
    others = np.square(norms) * (1 - margin) + 2 * other - lost
    far = np.sqrt(np.maximum(others, 0)) * (1 - margin)
    # What overflowed bounds nothing.
    return own, np.where(np.isfinite(others), far, np.nan)
