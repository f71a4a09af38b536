r"""Two-means in NumPy: the nearer of two centres by one matrix-vector product for a block.

A row x is nearer to the centre b than to a if x·(b - a) > (b - a)·(a + b)/2. Rounding moves the
two sides apart by at most 2γ‖b - a‖ρ + δ(1 + ρ), where ρ bounds the norms of rows and centres,
and γ and δ are as in `kmeans_xp.kernels.shared.prepared_centers`. Direct differences in float64
decide about rows that are closer to the middle than that. One bound for all rows, known beforehand,
costs no pass.

Scores for an earlier pair of centres bound those for later ones (`ScoreBounds`), which spares most
rows the product.
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

# Entries that are converted to float64 at a time, which stay in the cache next to a core.
DIFFERENCE_ENTRIES = 1 << 15
# With fewer features, or fewer entries of rows, a product takes no longer than bounds do.
BOUNDS_FROM_FEATURES, BOUNDS_FROM_ENTRIES = 8, 1 << 17
# Bounds are used where they leave at most this share of a sample of so many rows undecided.
MAX_UNDECIDED, SAMPLE_ROWS = 0.25, 1 << 10

Step = Callable[..., Any]


@final
@dataclass(frozen=True)
class NumpyPair(Pair):
    """Two centres prepared for blocks of rows.

    The score of a row is its product with the line from the first centre to the second.

    Attributes
    ----------
    centers : numpy.ndarray of shape (2, d)
        In float64.
    line : numpy.ndarray of shape (d,)
        In float64.
    row_line : numpy.ndarray of shape (d,)
        In the rows' dtype.
    middle : float
        The score of the point between the two.
    rounding : float or None
        How much rounding moves a score at most; None to compute it for each block.
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
        return self.labels_by_score(block, block @ self.row_line)

    def labels_by_score(self, block: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Return the labels of rows whose scores are known, (B,)."""
        rounding = self.rounding_of(block)
        # A NaN is on neither side, so that its row is undecided.
        is_second, is_first = scores > self.middle + rounding, scores < self.middle - rounding
        if np.count_nonzero(is_second) + np.count_nonzero(is_first) < len(block):
            undecided = np.flatnonzero(is_second == is_first)
            for part in parts(len(undecided), DIFFERENCE_ENTRIES // block.shape[1]):
                which = undecided[part]
                first, second = (block[which] - center for center in self.centers)
                nearer = np.vecdot(second, second) * tied(block.shape[1]) < np.vecdot(first, first)
                is_second[which] = nearer
        return is_second.view(np.int8)

    def gains(
        self, block: np.ndarray, before: np.ndarray | None, about: np.ndarray
    ) -> tuple[HalfGains, np.ndarray]:
        """Return what the second centre gained since the labels `before`, and the labels now."""
        labels = self.labels(block)
        return _gains(block, labels, before, about), labels

    def rounding_of(self, block: np.ndarray) -> float:
        """Return how much rounding moves the score of a row of a block at most."""
        if self.rounding is not None:
            return self.rounding
        # No row is longer than all together; the factor covers the rounding of these sums.
        squares = max(1.25 * float(np.vdot(part, part)) for part in (block, self.centers))
        return _rounding(self.line, math.sqrt(squares), block.dtype)


class ScoreBounds(NamedTuple):
    """Bounds of later scores less their middle: factor·score - shift ± (slope·radius + slack)."""

    factor: float
    shift: float
    slope: float
    slack: float

    @classmethod
    def of(cls, known: NumpyPair, pair: NumpyPair, about: np.ndarray) -> Self:
        """Return the bounds of scores for `pair` by the scores for the pair `known`."""
        assert known.rounding is not None
        assert pair.rounding is not None
        factor = pair.line @ known.line / (known.line @ known.line)
        rest = pair.line - factor * known.line
        # Scores need less than half of each rounding; the rest is for that of these bounds.
        slack = abs(factor) * known.rounding + pair.rounding
        return cls(factor, pair.middle - about @ rest, np.sqrt(rest @ rest), slack)

    def sides(self, scores: np.ndarray, radii: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which rows are certainly nearer to the second centre, and which to the first."""
        above = scores * self.factor
        above -= self.shift
        margin = radii * self.slope
        margin += self.slack
        second = above > margin
        return second, above < np.negative(margin, out=margin)


@final
class BoundedHalves(Halves):
    """Keeps a score of each row, which bounds its later scores.

    Parameters
    ----------
    task : HalvesTask
        Of rows in memory, whose largest norm is known.
    measure, advance : callable
        As those of this module.

    Attributes
    ----------
    memory : tuple of ndarray
        Row-aligned: the labels, (n,) int8; the squared distances from the point about which rows
        are summed, (n,) float64; the radii, which are these distances rounded up, (n,), but (0,)
        where bounds do not pay; the last scores, (n,).
    """

    def __init__(self, task: HalvesTask, measure: Step, advance: Step) -> None:
        (n, d), dtype = task.rows.shape, task.rows.dtype
        bounded = d >= BOUNDS_FROM_FEATURES and n * d >= BOUNDS_FROM_ENTRIES
        radii = np.empty(n if bounded else 0, dtype)
        self.memory = np.zeros(n, np.int8), np.empty(n), radii, np.empty(n, dtype)
        self._task, self._advance = task, advance
        self._whole = task.rows.whole(task.block_rows)
        self._about = task.about.astype(np.float64, copy=False)
        self._max_norm = 0.0
        self._scored: NumpyPair | None = None
        self._fold(partial(measure, about=self._about))

    def start(self, centers: np.ndarray) -> None:
        """Begin a run from two centres, in which all rows have the first label."""
        labels, squares, radii, scores = self.memory
        self.memory = np.zeros_like(labels), squares, radii, scores
        about, wide = self._about, centers.astype(np.float64)
        # Later centres are means of rows, and no farther than these.
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
        """Return bounds by the last scores, if they leave few rows undecided."""
        _, _, radii, scores = self.memory
        if self._scored is None or not len(radii):
            return None
        bounds = ScoreBounds.of(self._scored, pair, self._about)
        step = max(1, len(scores) // SAMPLE_ROWS)
        second, first = bounds.sides(scores[::step], radii[::step])
        undecided = len(first) - np.count_nonzero(first) - np.count_nonzero(second)
        return bounds if undecided < MAX_UNDECIDED * len(first) else None

    def _fold(self, step: Step) -> Any:
        """Add up what a step returns for each block; a single one needs no sweep."""
        if self._whole is not None:
            return step(self._whole, *self.memory)
        return self._task.rows.fold(step, *self.memory, block_rows=self._task.block_rows)


def halves(task: HalvesTask) -> Halves:
    """Return the rows that are to be divided."""
    if is_bounded(task):
        return BoundedHalves(task, measure, advance)
    return SweptHalves(task, NumpyPair.of)


def is_bounded(task: HalvesTask) -> bool:
    """Return whether scores can be kept and bounded."""
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
    """Write the squared distances of rows from a point, and their radii."""
    for part in parts(len(block), DIFFERENCE_ENTRIES // block.shape[1]):
        differences = block[part].astype(np.float64)
        differences -= about
        np.vecdot(differences, differences, out=squares[part])
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
        new = pair.labels_by_score(block, np.matmul(block, pair.row_line, out=scores))
    else:
        second, first = bounds.sides(scores, radii)
        undecided = np.flatnonzero(second == first)
        new = second.view(np.int8)
        new[undecided] = pair.labels(block.take(undecided, axis=0))
    gains = _gains(block, new, labels, about)
    labels[:] = new
    return gains


def _rounding(line: np.ndarray, max_norm: float, dtype: np.dtype) -> float:
    """Return how much rounding moves a score at most."""
    product = 2 * math.sqrt(line.dot(line)) * max_norm
    d, (eps, smallest, largest) = len(line), _limits(dtype)
    # A product that is too large for the rows' precision leaves all rows undecided.
    if not product < largest:
        return math.inf
    return (d + 8) * eps * product + (d + 16) * smallest * (1 + max_norm)


@cache
def _limits(dtype: np.dtype) -> tuple[float, float, float]:
    """Return ε, the smallest and the largest number; to look them up takes 3 µs an iteration."""
    info = np.finfo(dtype)
    return float(info.eps), float(info.smallest_normal), float(info.max)


def _gains(
    block: np.ndarray, labels: np.ndarray, before: np.ndarray | None, about: np.ndarray
) -> HalfGains:
    """Return what the second of two halves gained since the labels `before`."""
    changed = np.flatnonzero(labels if before is None else labels != before)
    sums, size = np.zeros(block.shape[1]), 0.0
    for part in parts(len(changed), DIFFERENCE_ENTRIES // block.shape[1]):
        which = changed[part]
        signs = 2.0 * labels[which] - 1.0
        rows = rows_at(block, which).astype(np.float64, copy=False)
        rows -= about
        sums += signs @ rows
        size += signs.sum()
    return HalfGains(np.asarray(size), sums)
