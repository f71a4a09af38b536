"""One iteration of Lloyd's algorithm in NumPy, by a product with those centres alone that moved.

From the last iteration a row knows how far it is from its own centre, and by how much it is nearer
to that than to any other. Centres that stand still are as far as they were. So only distances to
the others are to be found, the row's own perhaps among them; where they leave a doubt, all are.

Rows go into products as they lie, if they lie about zero, and constants are added afterwards. Each
row is thought to have one feature more, in which centres are zero: what its squared norm, as it
was rounded up, is above the true one. That changes no order of distances, and makes roots exact.
"""

from dataclasses import dataclass
from functools import partial
from typing import Self, final

import numpy as np

from kmeans_xp.kernels import host, host_gaps
from kmeans_xp.kernels.blocks import even_blocks, parts, rows_at
from kmeans_xp.kernels.frame import Frame, frame_of
from kmeans_xp.kernels.host_projection import FINE, reach_of
from kmeans_xp.kernels.scratch import scratch
from kmeans_xp.kernels.tracker import Changes, Step, Tracker

# The part of all centres up to which those that moved are looked at alone: so many rows for each
# that has just changed its label are left in doubt, and must be searched as well.
MOST, LEAVING = 0.95, 0.25
# Rows of which this is estimated.
SAMPLE = 2048
# Entries of a block: each adds up the sums of all clusters, and calls that are turns at the lock.
BLOCK = 1 << 21
# BLAS takes so many centres in one go, and those that are left more slowly; and so many rows.
AT_A_TIME = 8
# More than float32 rounds away when a distance is remembered.
ROUND = 2.0**-19

Memory = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def block_rows(n: int, d: int) -> int:
    """Return how many rows a block should have."""
    return even_blocks(n, max(1, BLOCK // d))


@dataclass(frozen=True)
class Columns:
    """Centres for a product with rows.

    Attributes
    ----------
    numbers : ndarray of shape (m,), int
        Which ones.
    places : ndarray of shape (k,), int
        Where each centre is among them, or -1.
    minus : ndarray of shape (m, d)
        They themselves about the origin, with the other sign.
    frame : Frame
        Of all centres, about that origin.
    """

    numbers: np.ndarray
    places: np.ndarray
    minus: np.ndarray
    frame: Frame

    @classmethod
    def of(cls, frame: Frame, numbers: np.ndarray) -> Self:
        """Prepare some of the centres of a frame."""
        k, d = frame.centers.shape
        places = np.full(k, -1)
        places[numbers] = np.arange(len(numbers))
        return cls(numbers, places, frame.columns[numbers, :d], frame)

    def constants(self, longest: np.floating) -> tuple[np.ndarray, np.ndarray]:
        """Return what makes products lower bounds of scores, and these upper bounds, (m,) each.

        For rows whose norm is at most `longest`.
        """
        columns, slack = self.frame.columns[self.numbers], self.frame.slack[self.numbers]
        wide = slack[:, 1] + longest * (slack[:, 0] + longest * slack.dtype.type(self.frame.tie))
        return columns[:, -1] + longest * columns[:, -2], wide


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
    moved : Columns or None
        The centres that moved; None if all are to be looked at.
    every : Columns
        All centres.
    """

    frame: Frame
    limits: np.ndarray
    ways: np.ndarray
    earlier: tuple[np.ndarray, np.ndarray]
    moved: Columns | None
    every: Columns


@final
class MovedTracker(Tracker):
    """Remembers each row's gap, how far it is from its centre, and its squared norm.

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
            np.empty(n),
        )
        self._centers: np.ndarray | None = None
        self._origin: np.ndarray | None = None
        self._labels = self._some(self.memory[0])

    def turn(self, frame: Frame) -> Step:
        """Return the step of an iteration."""
        drift, centers = self._drift, frame.wide_centers
        earlier = drift.limits, drift.own
        drift.follow(centers)
        if self._origin is None:
            self._origin = _about(frame)
        about = frame_of(frame.centers, self._origin)
        before, self._centers = self._centers, centers
        left, moved = self._left(earlier[0]), None
        if before is not None:
            some = (centers != before).any(axis=1)
            some[np.flatnonzero(~some)[: -np.count_nonzero(some) % AT_A_TIME]] = True
            if 0 < np.count_nonzero(some) < (MOST - left) * len(centers):
                moved = Columns.of(about, np.flatnonzero(some))
        every = Columns.of(about, np.arange(len(centers)))
        turn = MovedTurn(frame, drift.limits, drift.own, earlier, moved, every)
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


def _about(frame: Frame) -> np.ndarray:
    """Return the origin of products: zero, if it is amid the first centres too."""
    shifted = frame.centers - frame.origin
    near = np.vdot(frame.origin, frame.origin) <= np.vecdot(shifted, shifted).mean()
    return np.zeros_like(frame.origin) if near else frame.origin


def advance(
    block: np.ndarray,
    weights: np.ndarray | None,
    labels: np.ndarray,
    gaps: np.ndarray,
    reach: np.ndarray,
    squares: np.ndarray,
    *,
    turn: MovedTurn,
) -> Changes:
    """Search where no bound holds; write the memory; return what changed.

    `reach` is how far a row is from its centre at most, less the way which that had come by then;
    `squares` are squared norms, rounded up.
    """
    memory, before = (labels, gaps, reach, squares), labels.copy()
    left = host_gaps.unsettled(labels, gaps, turn.limits)
    if len(left) * (1 + host_gaps.GATHERING / len(turn.limits)) > len(block):
        left = np.arange(len(block))
    for columns in (turn.moved, turn.every):
        if columns is not None and len(left):
            left = _settle(block, left, memory, columns, turn)
    if len(left):
        labels[left] = host.labels(host_gaps.gathered(block, left), turn.frame)
        gaps[left], reach[left] = -np.inf, np.inf
    return host_gaps.changes(block, weights, before, labels, turn.frame)


def _settle(
    block: np.ndarray, active: np.ndarray, memory: Memory, columns: Columns, turn: MovedTurn
) -> np.ndarray:
    """Label rows by some columns, and write the memory; return the rows that are in doubt."""
    labels, gaps, reach, squares = memory
    old = labels.take(active)
    best, upper, second = _compared(block, active, old, squares, columns)
    norms = squares.take(active)
    own = np.sqrt(np.maximum(norms * (1 + FINE) + 2 * upper, 0)) * (1 + FINE)
    far = np.sqrt(np.maximum(norms * (1 - FINE) + 2 * second, 0)) * (1 - FINE)
    new = columns.numbers.take(best)
    if columns is turn.moved:
        still = best < 0
        new = np.where(still, old, new)
        own = np.where(still, reach.take(active) + turn.ways.take(old), own)
        far = np.minimum(far, _others(gaps.take(active), old, reach.take(active), turn))
    gap = far - own
    sure = (gap > 0) & np.isfinite(gap)
    some, new = active[sure], new[sure]
    labels[some] = new
    host_gaps.remember(gaps, some, gap[sure], labels, turn.limits)
    reach[some] = reach_of(own[sure], turn.ways.take(new))
    return active[~sure]


def _others(gaps: np.ndarray, labels: np.ndarray, reach: np.ndarray, turn: MovedTurn) -> np.ndarray:
    """Return how far the others were at least, as far as they stand still."""
    limits, ways = turn.earlier
    way = ways.take(labels)
    # A gap that overflowed is enough for its own row to stay, but says nothing of how far the
    # others are.
    own = np.where(np.isfinite(gaps) & np.isfinite(reach), reach + way, np.nan)
    # The distance was rounded up where it was remembered, and is to be rounded down.
    return gaps - limits.take(labels) + (own - (np.abs(own) + 2 * way) * ROUND)


def _compared(
    block: np.ndarray,
    active: np.ndarray,
    labels: np.ndarray,
    squares: np.ndarray,
    columns: Columns,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the nearest column of each active row, and bounds of its score and of the others'.

    The nearest is -1 where the row's own centre is none of the columns.
    """
    n, m, dtype = len(active), len(columns.numbers), block.dtype
    best, upper, second = np.empty(n, np.intp), np.empty(n), np.empty(n)
    frame, new = columns.frame, bool(labels[0] < 0)
    shifted, up = frame.origin.any(), 1 + 2 * frame.gamma
    size = max(256, host.SCORE_BYTES // (2 * m * block.itemsize) // AT_A_TIME * AT_A_TIME)
    for part in parts(n, size):
        which = active[part]
        x = block[part] if n == len(block) else rows_at(block, which)
        if shifted:
            x = np.subtract(x, frame.origin, out=scratch("rows", x.shape, dtype))
        if new:
            squares[part] = np.vecdot(x, x).astype(np.float64) * up + host_gaps.underflow(x)
        added, slack = columns.constants(dtype.type(np.sqrt(squares.take(which).max())))
        lower = np.matmul(x, columns.minus.T, out=scratch("scores", (len(x), m), dtype))
        lower += added
        own = np.full(len(x), -1) if new else columns.places.take(labels[part])
        best[part], upper[part], second[part] = _ranked(lower, slack, own, new=new)
    return best, upper, second


def _ranked(
    lower: np.ndarray, slack: np.ndarray, own: np.ndarray, *, new: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what `_compared` does, of lower bounds of scores, to which this writes.

    `own` is the place of the own centre, which mostly is the nearest: then the least of the others
    is all that is to be found. `new` rows have none.
    """
    n, flat = len(lower), lower.reshape(-1)
    # Not infinite, which would be a score that overflowed.
    far, row = np.finfo(lower.dtype).max / 8, np.arange(0, lower.size, lower.shape[1])
    (there,) = (own >= 0).nonzero()
    at = row.take(there) + own.take(there)
    least = np.full(n, np.inf if new else -np.inf, lower.dtype)
    least[there] = flat.take(at)
    flat[at] = far
    found = lower.argmin(axis=1)
    second, upper = flat.take(row + found), least + slack.take(own, mode="wrap")
    flat[at] = least.take(there)
    (lost,) = (~(second > upper)).nonzero()
    found, rival = found.take(lost), second.take(lost)
    flat[row.take(lost) + found] = far
    rest = lower if len(lost) == n else lower.take(lost, axis=0)
    own[lost], upper[lost] = found, rival + slack.take(found)
    second[lost] = rest[np.arange(len(lost)), rest.argmin(axis=1)]
    return own, upper, second
