"""A whole iteration of Lloyd's algorithm in a few calls of NumPy, for rows of one block.

Where rows are few, it is calls that an iteration costs. Hence no frame, and no totals of blocks.
One product gives half the squared distances, about an origin amid the rows, to within an error e
that is the same for all centres. A centre that is nearer than all others by more than 2e is the
nearest; where several may be, direct differences in float64 decide.
"""

import math

import numpy as np

from kmeans_xp.arrays.precision import quiet
from kmeans_xp.kernels.interface import FusedIteration
from kmeans_xp.kernels.numpy.memory import scratch, taken
from kmeans_xp.kernels.numpy.nearest import BLOCK, DIFFERENCES, FEW
from kmeans_xp.kernels.shared.blocks import parts
from kmeans_xp.kernels.shared.cluster_totals import ClusterTotals, Move
from kmeans_xp.kernels.shared.hamerly import ROUNDING, STIRRED
from kmeans_xp.kernels.shared.prepared_centers import tied

# Operations of a search that are worth the calls that tell which rows need none.
WORTH = 1 << 19
# Part of the rows that may change their label while gaps would not last, and part of them from
# which on all are searched, sooner than some are picked.
RESTLESS, PICKED = 0.02, 0.4
# Rows that moved, by centres, for each row: from there on all are summed sooner.
MOVED = 4
# More than the number of any centre.
ONE = np.uint16(2 * FEW)
# BLAS takes so many centres in one go, and those that are left one by one.
AT_A_TIME = 4


def most_rows(d: int, k: int) -> int:
    """Return up to how many rows an iteration is done so."""
    return BLOCK // max(d, k) if k <= FEW else 0


class OneBlockIteration(FusedIteration):
    """The memory of one run, and its iterations.

    Parameters
    ----------
    block : ndarray of shape (n, d)
        All rows.
    weights : ndarray of shape (n,) or None
    k : int
        How many clusters, at most `host.FEW`.
    origin : ndarray of shape (d,)
        A point amid the rows, about which they are summed.
    """

    @quiet()
    def __init__(
        self, block: np.ndarray, weights: np.ndarray | None, k: int, origin: np.ndarray
    ) -> None:
        (n, d), info = block.shape, np.finfo(block.dtype)
        self.row_labels = np.full(n, -1, np.int32)
        self._block = block
        self._weights = None if weights is None else weights.astype(np.float64, copy=False)
        self._origin, self._wide_origin = origin, origin.astype(np.float64)
        # Half the squared distances are products of (x', ‖x'‖²/2, 1) and (-c', 1, ‖c'‖²/2).
        self._rows = np.empty((n, d + 2), block.dtype)
        shifted = np.subtract(block, origin, out=self._rows[:, :d])
        squares = np.vecdot(shifted, shifted)
        self._rows[:, d], self._rows[:, d + 1] = squares * 0.5, 1
        self._columns = np.ones((math.ceil(k / AT_A_TIME) * AT_A_TIME, d + 2), block.dtype)
        self._scores = np.empty(len(self._columns) * n, block.dtype)
        self._near, self._named = np.empty(k * n, np.bool_), np.empty(k * n, np.uint16)
        self._names = ONE + np.arange(k, dtype=np.uint16)[:, None]
        self._numbers = np.arange(n)
        # 2e, of which the centres' part is added: half an ε for each term of a product, half as
        # many for ‖x'‖², what follows from them and ties; what underflow may lose; and all of it
        # where something may overflow.
        self._part = 2 * ((0.75 * d + 10) * float(info.eps) + tied(d) - 1)
        lost = 32 * (d + 2) * float(info.smallest_normal)
        self._errors = squares * self._part + lost
        self._largest = float(info.max) / 4
        self._errors[~(squares < self._largest)] = np.inf
        self._sums, self._held = np.zeros((k, d)), np.zeros(k)
        self._farthest, self._stirred = math.sqrt(float(squares.max()) + lost), 0.0
        # Whether gaps are kept, and are known; of half the squared distances, like their limit.
        self._keeps, self._calm = k > 1 and n * k * (d + 8) >= WORTH, False
        self._gaps, self._limit, self._rounding = squares, 0.0, 4 * float(info.eps)
        self._before = np.empty((k, d), block.dtype)

    @property
    def totals(self) -> ClusterTotals:
        """Return the totals of the clusters after the last step."""
        return ClusterTotals(self._sums, self._held)

    def step(self, centers: np.ndarray) -> Move:
        """Search the rows whose label may change, and move each centre to the mean of its rows."""
        k, d = centers.shape
        shifted = centers - self._wide_origin
        squares = np.vecdot(shifted, shifted)
        np.subtract(self._origin, centers, out=self._columns[:k, :d])
        self._columns[:k, d + 1] = squares * 0.5
        which = self._unsettled(centers) if self._calm else None
        if which is None or which.size:
            largest = max(squares.tolist())
            error = self._part * largest if largest < self._largest else math.inf
            self._assign(which, centers, error)
        moved, empty = self._means(centers)
        way = np.subtract(moved, centers, dtype=np.float64)
        # Of a centre without rows nothing counts, however far it is.
        gain = np.vdot(shifted, self._held[:, None] * shifted - 2 * self._sums)
        return Move(moved, float(gain), float(np.vdot(way, way)), empty)

    def _unsettled(self, centers: np.ndarray) -> np.ndarray | None:
        """Return the rows whose gap is used up; None for all, where these are many."""
        way = np.subtract(centers, self._before, dtype=np.float64)
        second, most = np.sort(np.vecdot(way, way))[-2:].tolist()
        self._limit += math.sqrt(second / 2) + math.sqrt(most / 2)
        self._limit *= 1 + ROUNDING
        self._before = centers.copy()
        (which,) = (~(self._gaps > self._limit)).nonzero()
        return None if len(which) > PICKED * len(self.row_labels) else which

    def _assign(self, which: np.ndarray | None, centers: np.ndarray, error: float) -> None:
        """Give rows the label of their nearest centre, and take those that move to its cluster."""
        rows, errors, old = self._rows, self._errors, self.row_labels
        if which is not None:
            rows, errors, old = rows.take(which, axis=0), errors.take(which), old.take(which)
        m, k = len(rows), len(centers)
        scores = self._scores[: len(self._columns) * m].reshape(-1, m)
        scores = np.matmul(self._columns, rows.T, out=scores)[:k]
        errors = errors + error
        bound = np.minimum.reduce(scores, axis=0)
        bound += errors
        # Of one near centre the sum is its name; of more it is longer, of none (NaN) it wraps.
        near = np.less_equal(scores, bound, out=self._near[: k * m].reshape(k, m))
        named = np.multiply(near, self._names, out=self._named[: k * m].reshape(k, m))
        found = np.add.reduce(named, axis=0, dtype=np.uint16)
        found -= ONE
        (unsure,) = (found >= k).nonzero()
        new = found.astype(np.int32)
        if unsure.size:
            new[unsure] = self._decide(unsure if which is None else which.take(unsure), centers)
        (moved,) = (new != old).nonzero()
        if self._keeps:
            self._remember(which, len(moved), centers, (scores, bound, errors, new))
        if moved.size:
            old, new = old.take(moved), new.take(moved)
            which = moved if which is None else which.take(moved)
            self.row_labels[which] = new
            self._add(which, old, new)

    def _decide(self, which: np.ndarray, centers: np.ndarray) -> np.ndarray:
        """Return the nearest centre of rows by direct differences, the first of equal ones."""
        found = np.empty(len(which), np.int32)
        wide, tie = centers.astype(np.float64), tied(centers.shape[1])
        for part in parts(len(which), DIFFERENCES // centers.size):
            every = self._block[which[part], None] - wide
            squares = np.vecdot(every, every)
            equal = squares <= squares.min(axis=1, keepdims=True) * tie
            found[part] = equal.argmax(axis=1)
        return found

    def _remember(
        self,
        which: np.ndarray | None,
        moved: int,
        centers: np.ndarray,
        found: tuple[np.ndarray, ...],
    ) -> None:
        """Write the gaps of rows, if few moved, beside the limit from which they count."""
        known, self._calm = self._calm, moved <= RESTLESS * len(self.row_labels)
        if not self._calm:
            return
        if not known:
            self._limit, self._before = 0.0, centers.copy()
        scores, bound, errors, labels = found
        at = labels * np.intp(len(labels))
        at += self._numbers[: len(labels)]
        scores.reshape(-1)[at] = np.inf
        gaps = np.minimum.reduce(scores, axis=0)
        gaps -= errors
        np.sqrt(np.maximum(gaps, 0, out=gaps), out=gaps)
        gaps -= np.sqrt(bound, out=bound)
        gaps += self._limit
        gaps *= 1 - self._rounding
        if which is None:
            self._gaps = gaps
        else:
            self._gaps[which] = gaps

    def _add(self, which: np.ndarray, old: np.ndarray, new: np.ndarray) -> None:
        """Take rows from their old clusters to their new ones."""
        m, k = len(which), len(self._sums)
        if old[0] < 0 or m * k > MOVED * len(self.row_labels):
            self._add_up()
            return
        rows = self._about_origin(which)
        weights = np.ones(m) if self._weights is None else self._weights.take(which)
        numbers, signed = self._numbers[:m], np.zeros((k, m))
        signed[new, numbers], signed[old, numbers] = weights, -weights
        self._sums += signed @ rows
        if self._weights is None:
            self._held += signed.sum(axis=1)
        else:  # Of weights, unlike of counts, rounding would be left.
            self._held = self._weigh()
        self._stirred += self._farthest * float(weights.sum())
        left = min(np.vecdot(self._sums, self._sums).tolist())
        lost = self._stirred / STIRRED
        if not lost * lost < left:
            self._add_up()

    def _weigh(self) -> np.ndarray:
        """Return the weight of each cluster."""
        found = np.bincount(self.row_labels, self._weights, len(self._sums))
        return found.astype(np.float64, copy=False)

    def _about_origin(self, which: np.ndarray) -> np.ndarray:
        """Return rows less the origin in float64, in scratch memory."""
        rows = taken(self._block, which, "rows")
        wide = scratch("wide", rows.shape, np.float64)
        # A subtraction that converts on the way takes three times as long.
        wide[...] = rows
        wide -= self._wide_origin
        return wide

    def _add_up(self) -> None:
        """Sum all rows, cluster by cluster."""
        self._held = self._weigh()
        order = self.row_labels.astype(np.uint8).argsort(kind="stable")
        rows = self._about_origin(order)
        weights = np.ones(len(order)) if self._weights is None else self._weights.take(order)
        start = 0
        ends = np.bincount(self.row_labels, minlength=len(self._sums)).cumsum()
        for total, end in zip(self._sums, ends.tolist(), strict=True):
            np.matmul(weights[start:end], rows[start:end], out=total)
            start = end
        self._stirred = 0.0

    def _means(self, centers: np.ndarray) -> tuple[np.ndarray, int]:
        """Return the mean of each cluster, and how many have none: their centres stay."""
        held, empty = self._held, len(centers) - int(np.count_nonzero(self._held))
        if not empty:
            means = self._sums / held[:, None]
            means += self._wide_origin
            return means.astype(centers.dtype), 0
        # Where no row is left, only rounding is.
        self._sums[held == 0] = 0
        means = self._wide_origin + self._sums / np.where(held > 0, held, 1)[:, None]
        return np.where(held[:, None] > 0, means.astype(centers.dtype), centers), empty
