r"""The nearer of two centres, tuned for NumPy: one matrix-vector product for a block.

A row x is nearer to the centre b than to a if x·(b - a) > (b - a)·(a + b)/2. Rounding moves the
two sides apart by at most 2γ‖b - a‖ρ + δ(1 + ρ), where ρ bounds the norms of rows and centres,
and γ and δ are as in `kmeans_xp.kernels.frame`. Rows closer to the middle than that are decided
by direct differences in float64. One bound for all rows, known beforehand, costs no pass.
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import Self, final

import numpy as np

from kmeans_xp.kernels.blocks import parts, rows_at
from kmeans_xp.kernels.frame import tied
from kmeans_xp.kernels.pair import Gains, Pair

# Entries that are converted to float64 at a time: few enough to stay in the cache next to a core.
WIDE = 1 << 15


@final
@dataclass(frozen=True)
class HostPair(Pair):
    """Two centres prepared for blocks of rows.

    Attributes
    ----------
    centers : numpy.ndarray of shape (2, d)
        In float64.
    line : numpy.ndarray of shape (d,)
        From the first to the second, in float64.
    away : numpy.ndarray of shape (d,)
        The same in the rows' dtype.
    middle : float
        The product of `line` and the point between the two.
    doubt : float or None
        How much rounding moves a score at most; None to find it for each block.
    """

    centers: np.ndarray
    line: np.ndarray
    away: np.ndarray
    middle: float
    doubt: float | None

    @classmethod
    def of(cls, centers: np.ndarray, reach: float | None = None) -> Self:
        """Prepare `centers`, (2, d) in the dtype of the rows.

        No row or centre may have a larger norm than `reach`, where that is known.
        """
        wide = centers.astype(np.float64, copy=False)
        line = wide[1] - wide[0]
        middle = float(line.dot(wide[0] + wide[1])) / 2
        doubt = None if reach is None else _doubt(line, reach, centers.dtype)
        return cls(wide, line, line.astype(centers.dtype, copy=False), middle, doubt)

    def labels(self, block: np.ndarray) -> np.ndarray:
        """Return the index of the nearer centre of each row, (B,) int8; 0 if both are."""
        return self.decided(block, block @ self.away)

    def decided(self, block: np.ndarray, score: np.ndarray) -> np.ndarray:
        """Return the labels of rows by their products with `away`, (B,)."""
        doubt = self.doubt_of(block)
        found = score > self.middle + doubt
        # Written so that a NaN is not sure.
        other = score < self.middle - doubt
        if np.count_nonzero(found) + np.count_nonzero(other) < len(block):
            unsure = np.flatnonzero(found == other)
            for part in parts(len(unsure), WIDE // block.shape[1]):
                some = unsure[part]
                first, second = (block[some] - center for center in self.centers)
                margin = tied(block.shape[1])
                found[some] = np.vecdot(second, second) * margin < np.vecdot(first, first)
        return found.view(np.int8)

    def gains(
        self, block: np.ndarray, before: np.ndarray | None, about: np.ndarray
    ) -> tuple[Gains, np.ndarray]:
        """Return what the second centre gained since the labels `before`, and the labels now."""
        labels = self.labels(block)
        return gained(block, labels, before, about), labels

    def doubt_of(self, block: np.ndarray) -> float:
        """Return how much rounding moves the score of a row of a block at most."""
        if self.doubt is not None:
            return self.doubt
        # No row is longer than all together; the factor is for what rounding takes from that.
        squares = max(1.25 * float(np.vdot(part, part)) for part in (block, self.centers))
        return _doubt(self.line, math.sqrt(squares), block.dtype)


def _doubt(line: np.ndarray, reach: float, dtype: np.dtype) -> float:
    """Return how much rounding moves a score at most."""
    product = 2 * math.sqrt(line.dot(line)) * reach
    eps, smallest, largest = _limits(dtype)
    # A product that is too large for the rows' precision leaves no row sure.
    if not product < largest:
        return math.inf
    d = len(line)
    return (d + 8) * eps * product + (d + 16) * smallest * (1 + reach)


@cache
def _limits(dtype: np.dtype) -> tuple[float, float, float]:
    info = np.finfo(dtype)
    return float(info.eps), float(info.smallest_normal), float(info.max)


def gained(
    block: np.ndarray, labels: np.ndarray, before: np.ndarray | None, about: np.ndarray
) -> Gains:
    """Return what the second of two halves gained since the labels `before`."""
    where = np.flatnonzero(labels if before is None else labels != before)
    sums, size = np.zeros(block.shape[1]), 0.0
    for part in parts(len(where), WIDE // block.shape[1]):
        some = where[part]
        signs = 2.0 * labels[some] - 1.0
        few = rows_at(block, some).astype(np.float64, copy=False)
        few -= about
        sums += signs @ few
        size += signs.sum()
    return Gains(np.asarray(size), sums)
