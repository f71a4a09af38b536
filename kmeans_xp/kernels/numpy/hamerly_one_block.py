"""Hamerly bounds in NumPy for a single block of rows: an iteration is some forty bare calls.

With few rows the number of calls is what an iteration costs. Hence it prepares no centres, and all
rows have one drift limit. One product gives half the squared distances about an origin, in single
precision where that has the range, to within an error e that is the same for all centres. A centre
that is nearer than all others by more than 2e is the nearest; where several may be, direct
differences in float64 decide.
"""

import math
from typing import Any

import numpy as np

from kmeans_xp.arrays.precision import quiet
from kmeans_xp.kernels.interface import FusedIteration
from kmeans_xp.kernels.numpy.centers import moved
from kmeans_xp.kernels.numpy.nearest import CENTER_MAJOR_UP_TO, DIFFERENCE_ENTRIES
from kmeans_xp.kernels.numpy.sums import (
    SUM_ENTRIES,
    about_of,
    add_weights,
    addends_of,
    dense_members,
    in_scratch,
    members,
    sum_of_squares,
)
from kmeans_xp.kernels.shared.blocks import parts
from kmeans_xp.kernels.shared.cluster_totals import ClusterTotals, Move
from kmeans_xp.kernels.shared.hamerly import ROUNDING
from kmeans_xp.kernels.shared.prepared_centers import Origin, tied

# Scores, and entries of rows, up to which one thread is faster than two with blocks of their own:
# 50,000 x 16 with 16 centres takes 26 ms instead of 67. Four times as many would be faster still,
# but then more threads would gain, and single precision needs a copy of the rows.
SCORES, ENTRIES = 1 << 20, 1 << 22
# Rows that are asked whether single precision has their range; and the share of rows that it may
# leave undecided, of more than which a product in double precision leaves fewer.
SAMPLE, UNDECIDED = 64, 1 / 32
# From so many operations of a search on, gaps repay the calls that they take.
GAPS_FROM = 1 << 19
# No gaps are taken where a larger share of the rows changed its label: they would not last.
MAX_CHANGING = 0.02
# Where a larger share of the rows has used up its gap, all are searched without gathering them.
SEARCH_ALL_ABOVE = 0.4
# Where rows that moved, times centres, are more than so many times all rows, all are summed.
SUM_ALL_ABOVE = 4
# Added to a centre's number, it makes a code: the sum of the near centres' codes less this is the
# number of the near centre only where there is exactly one.
CODE = np.uint16(2 * CENTER_MAJOR_UP_TO)
# BLAS takes so many centres at a time and the rest one by one, so columns are padded: k = 7 takes
# 30 µs instead of 41.
BLAS_COLUMNS = 4


def most_rows(d: int, k: int) -> int:
    """Return up to how many rows this way of iterating serves."""
    if k > CENTER_MAJOR_UP_TO:
        return 0
    return min(SCORES // k, ENTRIES // d)


class OneBlockIteration(FusedIteration):
    """The memory of one run, and its iterations.

    Parameters
    ----------
    block : ndarray of shape (n, d)
        All rows.
    weights : ndarray of shape (n,) or None
    k : int
        How many clusters, at most `kmeans_xp.kernels.numpy.nearest.CENTER_MAJOR_UP_TO`.
    origin : Origin
        Amid the rows, about which they are summed.
    """

    @quiet()
    def __init__(
        self, block: np.ndarray, weights: np.ndarray | None, k: int, origin: Origin
    ) -> None:
        n, d = block.shape
        self.row_labels = np.full(n, -1, np.int32)
        self._block = block
        self._weights = None if weights is None else weights.astype(np.float64, copy=False)
        self._origin, self._wide_origin = origin.point, origin.point.astype(np.float64)
        self._about = about_of(self._wide_origin, origin.grids, n)
        self._moved_origin = self._wide_origin if self._wide_origin.any() else None
        self._near, self._near_codes = np.empty(k * n, np.bool_), np.empty(k * n, np.uint16)
        self._codes = CODE + np.arange(k, dtype=np.uint16)[:, None]
        self._indices = np.arange(n)
        self._totals = np.zeros((k, 2 * d + 2))
        # Gaps and their drift limit are those of roots of half the squared distances.
        self._keeps_gaps = k > 1 and n * k * (d + 8) >= GAPS_FROM
        self._centers_before = np.empty((k, d), block.dtype)
        self._lay_out(np.float32 if self._fits_single() else block.dtype)

    def _fits_single(self) -> bool:
        """Return whether a product in single precision may shortlist, by the range of some rows."""
        few = self._block[:: max(1, len(self._block) // SAMPLE)].astype(np.float64)
        largest = float(np.abs(few - self._origin).max())
        return self._block.dtype == np.float64 and 2.0**-30 < largest < 2.0**30

    def _lay_out(self, dtype: Any) -> None:
        """Prepare rows for products in a precision; what gaps there were are forgotten.

        Half the squared distances less ‖x'‖²/2 are products of x' and -c', plus ‖c'‖²/2.
        """
        (n, d), k, info = self._block.shape, len(self._totals), np.finfo(dtype)
        rows = self._block - self._origin if self._origin.any() else self._block
        self._rows = np.ascontiguousarray(rows, dtype)
        squares = np.vecdot(self._rows, self._rows)
        self._half_squares = squares * 0.5
        self._columns = np.zeros((math.ceil(k / BLAS_COLUMNS) * BLAS_COLUMNS, d), dtype)
        self._scores = np.empty(len(self._columns) * n, dtype)
        # The rows' part of 2e: half an ε for each term of a product, half as many for ‖x'‖², what
        # follows from them, ties, and underflow. It is infinite where something may overflow.
        self._relative_error = 2 * ((0.75 * d + 10) * float(info.eps) + tied(d) - 1)
        underflow = 32 * (d + 2) * float(info.smallest_normal)
        self._errors = squares * self._relative_error + underflow
        self._largest_square = float(info.max) / 4
        self._errors[~(squares < self._largest_square)] = np.inf
        self._has_gaps, self._gaps = False, squares
        self._drift_limit, self._gap_rounding = 0.0, 4 * float(info.eps)

    @property
    def totals(self) -> ClusterTotals:
        """Return the totals of the clusters after the last step."""
        width = self._totals.shape[1] // 2
        return ClusterTotals(self._totals[:, :width], self._totals[:, width:])

    def step(self, centers: np.ndarray) -> Move:
        """Search the rows whose label may change, and move each centre to the mean of its rows."""
        columns = np.subtract(self._origin, centers, out=self._columns[: len(centers)])
        squares = np.vecdot(columns, columns)
        which = self._unsettled(centers) if self._has_gaps else None
        if which is None or which.size:
            largest = max(squares.tolist())
            bounded = largest < self._largest_square
            error = self._relative_error * largest if bounded else math.inf
            undecided = self._assign(which, centers, squares * 0.5, error)
            if undecided > UNDECIDED * len(self._rows) and self._rows.dtype != self._block.dtype:
                self._lay_out(self._block.dtype)
        totals = self.totals
        high, low, weights = totals.high[:, :-1], totals.low[:, :-1], totals.weights[:, None]
        return moved(high, low, weights, centers, self._moved_origin)

    def _unsettled(self, centers: np.ndarray) -> np.ndarray | None:
        """Return the indices of rows whose gap is used up; None for all, where these are many."""
        drift = np.subtract(centers, self._centers_before, dtype=np.float64)
        second, largest = np.sort(np.vecdot(drift, drift))[-2:].tolist()
        self._drift_limit += math.sqrt(second / 2) + math.sqrt(largest / 2)
        self._drift_limit *= 1 + ROUNDING
        self._centers_before = centers.copy()
        (which,) = (~(self._gaps > self._drift_limit)).nonzero()
        return None if len(which) > SEARCH_ALL_ABOVE * len(self.row_labels) else which

    def _assign(
        self, which: np.ndarray | None, centers: np.ndarray, halves: np.ndarray, error: float
    ) -> int:
        """Label rows by their nearest centre, and take those that changed to its cluster.

        Return how many rows the product left undecided.
        """
        rows, errors, old = self._rows, self._errors, self.row_labels
        if which is not None:
            rows, errors, old = rows.take(which, axis=0), errors.take(which), old.take(which)
        m, k = len(rows), len(centers)
        scores = self._scores[: len(self._columns) * m].reshape(-1, m)
        scores = np.matmul(self._columns, rows.T, out=scores)[:k]
        scores += halves[:, None]
        errors = errors + error
        upper = np.minimum.reduce(scores, axis=0)
        upper += errors
        # Sums of several codes are too large, and that of none (NaN) wraps below zero.
        near = np.less_equal(scores, upper, out=self._near[: k * m].reshape(k, m))
        codes = np.multiply(near, self._codes, out=self._near_codes[: k * m].reshape(k, m))
        nearest = np.add.reduce(codes, axis=0, dtype=np.uint16)
        nearest -= CODE
        (undecided,) = (nearest >= k).nonzero()
        new = nearest.astype(np.int32)
        if undecided.size:
            at = undecided if which is None else which.take(undecided)
            new[undecided] = self._nearest_by_differences(at, centers)
        (changed,) = (new != old).nonzero()
        if self._keeps_gaps:
            known, self._has_gaps = self._has_gaps, len(changed) <= MAX_CHANGING * len(self._gaps)
            if self._has_gaps and not known:
                self._drift_limit, self._centers_before = 0.0, centers.copy()
            if self._has_gaps:
                self._remember(which, scores, upper, errors, new)
        if changed.size:
            old, new = old.take(changed), new.take(changed)
            which = changed if which is None else which.take(changed)
            self.row_labels[which] = new
            self._update_totals(which, old, new)
        return len(undecided)

    def _nearest_by_differences(self, which: np.ndarray, centers: np.ndarray) -> np.ndarray:
        """Return the nearest centres of rows by direct differences, the first of equal ones."""
        nearest = np.empty(len(which), np.int32)
        wide, tie = centers.astype(np.float64), tied(centers.shape[1])
        for part in parts(len(which), DIFFERENCE_ENTRIES // centers.size):
            differences = self._block[which[part], None] - wide
            squares = sum_of_squares(np.moveaxis(differences, 2, 0))
            nearest[part] = (squares <= squares.min(axis=1, keepdims=True) * tie).argmax(axis=1)
        return nearest

    def _remember(
        self,
        which: np.ndarray | None,
        scores: np.ndarray,
        upper: np.ndarray,
        errors: np.ndarray,
        labels: np.ndarray,
    ) -> None:
        """Write the gaps of rows, plus the drift limit, by their scores, which are overwritten."""
        at = labels * np.intp(len(labels))
        at += self._indices[: len(labels)]
        scores.reshape(-1)[at] = np.inf
        half_squares = self._half_squares if which is None else self._half_squares.take(which)
        gaps = np.minimum.reduce(scores, axis=0)
        gaps += half_squares - errors
        np.sqrt(np.maximum(gaps, 0, out=gaps), out=gaps)
        upper += half_squares
        gaps -= np.sqrt(upper, out=upper)
        gaps += self._drift_limit
        gaps *= 1 - self._gap_rounding
        if which is None:
            self._gaps = gaps
        else:
            self._gaps[which] = gaps

    def _update_totals(self, which: np.ndarray, old: np.ndarray, new: np.ndarray) -> None:
        """Take rows from their old clusters to their new ones."""
        m, k = len(which), len(self._totals)
        if old[0] < 0 or m * k > SUM_ALL_ABOVE * len(self.row_labels):
            self._sum_all()
        else:
            self._add(dense_members(new, old, k), which)
            add_weights(self.totals, self._weights_of(which), self._about, new, old)

    def _sum_all(self) -> None:
        """Sum all rows, cluster by cluster."""
        (n, d), k = self._block.shape, len(self._totals)
        self._totals[:] = 0
        every = np.arange(n)
        for part in parts(n, SUM_ENTRIES // d):
            self._add(members(self.row_labels[part], None, k, d), every[part])
        add_weights(self.totals, self._weights, self._about, self.row_labels, None)

    def _add(self, signs: Any, which: np.ndarray) -> None:
        """Add rows to the totals of clusters with the signs in a matrix, (k, m)."""
        rows, totals = in_scratch(self._block, which), self.totals
        high, low = addends_of(rows, self._weights_of(which), self._about)
        totals.high[:, :-1] += signs @ high
        if low is not None:
            totals.low[:, :-1] += signs @ low

    def _weights_of(self, which: np.ndarray) -> np.ndarray | None:
        return None if self._weights is None else self._weights.take(which)
