r"""The nearer of two centres, tuned for NumPy: one matrix-vector product for a block.

A row x is nearer to the centre b than to a if x·(b - a) > (b - a)·(a + b)/2. Rounding moves the
two sides apart by at most 2γ‖b - a‖ρ + δ(1 + ρ), where ρ bounds the norms of rows and centres,
and γ and δ are as in `kmeans_xp.kernels.shared.prepared_centers`. Rows closer to the middle than
that are decided by direct differences in float64. One bound for all rows, known beforehand, costs
no pass.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NamedTuple, Self, final

import numpy as np

from kmeans_xp.kernels.interface import HalfGains, Halves, HalvesTask, Pair
from kmeans_xp.kernels.numpy.memory import rows_at
from kmeans_xp.kernels.portable.bisecting import SweptHalves
from kmeans_xp.kernels.shared.blocks import parts
from kmeans_xp.kernels.shared.hamerly import ROUNDING
from kmeans_xp.kernels.shared.prepared_centers import tied

# Entries that are converted to float64 at a time: few enough to stay in the cache next to a core.
WIDE = 1 << 15
# With fewer features, or fewer entries of rows, a product takes no longer than bounds do.
NARROW, SMALL = 8, 1 << 17
# Part of the rows that bounds may leave, and of how many rows it is found out beforehand.
LEFT, SAMPLE = 0.25, 1 << 10


@final
@dataclass(frozen=True)
class NumpyPair(Pair):
    """Two centres prepared for blocks of rows.

    Attributes
    ----------
    centers : numpy.ndarray of shape (2, d)
        In float64.
    line : numpy.ndarray of shape (d,)
        From the first to the second, in float64.
    row_line : numpy.ndarray of shape (d,)
        The same in the rows' dtype.
    middle : float
        The product of `line` and the point between the two.
    rounding : float or None
        How much rounding moves a score at most; None to find it for each block.
    """

    centers: np.ndarray
    line: np.ndarray
    row_line: np.ndarray
    middle: float
    rounding: float | None

    @classmethod
    def of(cls, centers: np.ndarray, max_norm: float | None = None) -> Self:
        """Prepare `centers`, (2, d) in the dtype of the rows.

        No row or centre may have a larger norm than `max_norm`, where that is known.
        """
        wide = centers.astype(np.float64, copy=False)
        line = wide[1] - wide[0]
        middle = float(line.dot(wide[0] + wide[1])) / 2
        rounding = None if max_norm is None else _rounding(line, max_norm, centers.dtype)
        return cls(wide, line, line.astype(centers.dtype, copy=False), middle, rounding)

    def labels(self, block: np.ndarray) -> np.ndarray:
        """Return the index of the nearer centre of each row, (B,) int8; 0 if both are."""
        return self.decided(block, block @ self.row_line)

    def decided(self, block: np.ndarray, score: np.ndarray) -> np.ndarray:
        """Return the labels of rows by their products with `row_line`, (B,)."""
        rounding = self.rounding_of(block)
        found = score > self.middle + rounding
        # Written so that a NaN is not sure.
        other = score < self.middle - rounding
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
    ) -> tuple[HalfGains, np.ndarray]:
        """Return what the second centre gained since the labels `before`, and the labels now."""
        labels = self.labels(block)
        return gained(block, labels, before, about), labels

    def rounding_of(self, block: np.ndarray) -> float:
        """Return how much rounding moves the score of a row of a block at most."""
        if self.rounding is not None:
            return self.rounding
        # No row is longer than all together; the factor is for what rounding takes from that.
        squares = max(1.25 * float(np.vdot(part, part)) for part in (block, self.centers))
        return _rounding(self.line, math.sqrt(squares), block.dtype)


def _rounding(line: np.ndarray, max_norm: float, dtype: np.dtype) -> float:
    """Return how much rounding moves a score at most."""
    product = 2 * math.sqrt(line.dot(line)) * max_norm
    eps, smallest, largest = _limits(dtype)
    # A product that is too large for the rows' precision leaves no row sure.
    if not product < largest:
        return math.inf
    d = len(line)
    return (d + 8) * eps * product + (d + 16) * smallest * (1 + max_norm)


@cache
def _limits(dtype: np.dtype) -> tuple[float, float, float]:
    info = np.finfo(dtype)
    return float(info.eps), float(info.smallest_normal), float(info.max)


def gained(
    block: np.ndarray, labels: np.ndarray, before: np.ndarray | None, about: np.ndarray
) -> HalfGains:
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
    return HalfGains(np.asarray(size), sums)


Step = Callable[..., Any]


class ScoreBounds(NamedTuple):
    """What earlier scores say: they are factor·score - shift ± (slope·radius + slack) above t."""

    factor: float
    shift: float
    slope: float
    slack: float

    @classmethod
    def of(cls, known: NumpyPair, pair: NumpyPair, about: np.ndarray) -> Self:
        """Return what scores for the pair `known` say of those for `pair`."""
        assert known.rounding is not None
        assert pair.rounding is not None
        factor = pair.line @ known.line / (known.line @ known.line)
        rest = pair.line - factor * known.line
        # Of either rounding, more than half is left over for the rounding of the bounds themselves.
        slack = abs(factor) * known.rounding + pair.rounding
        return cls(factor, pair.middle - about @ rest, np.sqrt(rest @ rest), slack)

    def sides(self, scores: np.ndarray, radii: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which rows are nearer to the second centre for certain, and to the first."""
        above = scores * self.factor
        above -= self.shift
        margin = radii * self.slope
        margin += self.slack
        second = above > margin
        return second, above < np.negative(margin, out=margin)


@final
class BoundedHalves(Halves):
    """Remembers a score of each row, which bounds its later scores.

    Parameters
    ----------
    task : HalvesTask
        Of rows in memory, with a norm that none exceeds.
    measure, advance : callable
        As those of this module.

    Attributes
    ----------
    memory : tuple of ndarray
        Row-aligned: the labels, (n,) int8; the squared distances from the point about which rows
        are summed, (n,) float64; the distances, rounded up, (n,), but (0,) where bounds do not
        pay; the last scores, (n,).
    """

    def __init__(self, task: HalvesTask, measure: Step, advance: Step) -> None:
        (n, d), dtype = task.rows.shape, task.rows.dtype
        radii = np.empty(n if d >= NARROW and n * d >= SMALL else 0, dtype)
        self.memory = np.zeros(n, np.int8), np.empty(n), radii, np.empty(n, dtype)
        self._task, self._advance = task, advance
        self._whole = task.rows.whole(task.block_rows)
        self._about = task.about.astype(np.float64, copy=False)
        self._max_norm = 0.0
        self._scored: NumpyPair | None = None
        self._fold(partial(measure, about=self._about))

    def start(self, centers: np.ndarray) -> None:
        """Begin a run from two centres: all rows are with the first one."""
        labels, squares, radii, scores = self.memory
        self.memory = np.zeros_like(labels), squares, radii, scores
        about, wide = self._about, centers.astype(np.float64)
        # The means of rows are no farther than rows.
        farthest = np.sqrt(about @ about) + np.sqrt(squares.max())
        start = np.sqrt(np.vecdot(wide, wide).max())
        self._max_norm = float(max(farthest, start)) * (1 + ROUNDING)

    def gains(self, centers: np.ndarray) -> tuple[HalfGains, np.ndarray]:
        """Return what the second half gained since the last call, and all labels."""
        pair = NumpyPair.of(centers, self._max_norm)
        bounds = self._bounds(pair)
        if bounds is None:
            self._scored = pair
        step = partial(self._advance, pair=pair, about=self._about, bounds=bounds)
        return self._fold(step), self.memory[0]

    def squares(self) -> np.ndarray:
        """Return the squared distances of each half from the point about which rows are summed."""
        labels, squares, _, _ = self.memory
        return np.bincount(labels, squares, 2)

    def _bounds(self, pair: NumpyPair) -> ScoreBounds | None:
        """Return what the last scores say, if that leaves few rows."""
        _, _, radii, scores = self.memory
        if self._scored is None or not len(radii):
            return None
        bounds = ScoreBounds.of(self._scored, pair, self._about)
        step = max(1, len(scores) // SAMPLE)
        second, first = bounds.sides(scores[::step], radii[::step])
        left = len(first) - np.count_nonzero(first) - np.count_nonzero(second)
        return bounds if left < LEFT * len(first) else None

    def _fold(self, step: Step) -> Any:
        """Add up what a step returns for each block; a single one needs no sweep."""
        if self._whole is not None:
            return step(self._whole, *self.memory)
        return self._task.rows.fold(step, *self.memory, block_rows=self._task.block_rows)


def halves(task: HalvesTask) -> Halves:
    """Return the rows that are to be divided."""
    if remembered(task):
        return BoundedHalves(task, measure, advance)
    return SweptHalves(task, NumpyPair.of)


def remembered(task: HalvesTask) -> bool:
    """Return whether bounds of scores may be remembered of each row."""
    return task.rows.in_memory and task.max_norm is not None


def measure(
    block: np.ndarray,
    _labels: np.ndarray,
    squares: np.ndarray,
    radii: np.ndarray,
    _scores: np.ndarray,
    *,
    about: np.ndarray,
) -> None:
    """Write how far rows are from a point."""
    for part in parts(len(block), WIDE // block.shape[1]):
        away = block[part].astype(np.float64)
        away -= about
        np.vecdot(away, away, out=squares[part])
    if len(radii):
        # A step up is more than the conversion rounds down.
        np.multiply(np.sqrt(squares), 1 + ROUNDING, out=radii, casting="same_kind")
        np.nextafter(radii, radii.dtype.type(np.inf), out=radii)


def advance(
    block: np.ndarray,
    labels: np.ndarray,
    _squares: np.ndarray,
    radii: np.ndarray,
    scores: np.ndarray,
    *,
    pair: NumpyPair,
    about: np.ndarray,
    bounds: ScoreBounds | None,
) -> HalfGains:
    """Write the label of each row, and return what the second half gained."""
    if bounds is None:
        found = pair.decided(block, np.matmul(block, pair.row_line, out=scores))
    else:
        second, first = bounds.sides(scores, radii)
        left = np.flatnonzero(second == first)
        found = second.view(np.int8)
        found[left] = pair.labels(block.take(left, axis=0))
    gains = gained(block, found, labels, about)
    labels[:] = found
    return gains
