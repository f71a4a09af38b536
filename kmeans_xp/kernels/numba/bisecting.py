"""Bisecting with Numba: one pass over the rows for each iteration of two-means."""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import types

from kmeans_xp.kernels.interface import HalfGains, Halves, HalvesTask
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.low_d.search import loose_square, tied
from kmeans_xp.kernels.numpy import bisecting as numpy_bisecting
from kmeans_xp.kernels.numpy.bisecting import BoundedHalves, NumpyPair, ScoreBounds
from kmeans_xp.kernels.shared.hamerly import ROUNDING

# What says nothing of any row.
NO_BOUNDS = ScoreBounds(factor=0.0, shift=0.0, slope=0.0, slack=math.inf)


class PairScores(NamedTuple):
    """Two centres, the scores that decide between them, and bounds of these scores.

    Attributes
    ----------
    centers : ndarray of shape (2, d), float64
    row_line : ndarray of shape (d,)
        A row's score is its product with this.
    low, high : float
        A row of a lower score is nearer to the first centre, and one of a higher to the second.
    factor, shift, slope, slack : float
        As in `ScoreBounds`.
    """

    centers: np.ndarray
    row_line: np.ndarray
    low: float
    high: float
    factor: float
    shift: float
    slope: float
    slack: float


def halves(task: HalvesTask) -> Halves:
    """Return the rows that are to be divided."""
    if numpy_bisecting.is_bounded(task):
        return BoundedHalves(task, measure, advance)
    return numpy_bisecting.halves(task)


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
    _measure_rows(compiling.ready_rows(block), about, squares, radii)


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
        block.dot(pair.row_line, out=scores)
    sums, rounding = np.zeros(len(about)), pair.rounding_of(block)
    limits = pair.middle - rounding, pair.middle + rounding
    known = NO_BOUNDS if bounds is None else bounds
    decision = PairScores(pair.centers, pair.row_line, *limits, *known)
    rows = compiling.ready_rows(block)
    size = _label_rows(rows, labels, radii, scores, decision, about, sums)
    return HalfGains(np.asarray(size), sums)


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for rows of `dtype`."""
    real, wide = compiling.real(dtype), types.f8
    rows, numbers, kept = compiling.sealed_type(real, 2), wide[::1], real[::1]
    pair = compiling.tuple_type(PairScores, wide[:, ::1], kept, *(wide,) * 6)
    return {
        "_measure_rows": (rows, numbers, numbers, kept),
        "_label_rows": (rows, types.int8[::1], kept, kept, pair, numbers, numbers),
    }


@compiling.sum_of
def _product(rows: Any, i: int, line: Any) -> float:
    total = rows[i, 0] * line[0]
    for f in range(1, rows.shape[1]):
        total += rows[i, f] * line[f]
    return total


@compiling.entry
def _measure_rows(block: Any, about: Any, squares: Any, radii: Any) -> None:
    """Write the squared distances of rows from a point, and the distances, rounded up."""
    point, real = about.reshape(1, -1), radii.dtype.type
    for i in range(len(block)):
        squares[i] = loose_square(block, i, point, 0)
        if len(radii):
            radii[i] = np.nextafter(real(np.sqrt(squares[i]) * (1 + ROUNDING)), real(np.inf))


@compiling.entry
def _label_rows(
    block: Any, labels: Any, radii: Any, scores: Any, pair: Any, about: Any, sums: Any
) -> float:
    """Write the label of each row; add what the second half gained to `sums`, and return its rows.

    `scores` are those for this pair, unless bounds say what those for an earlier pair mean.
    """
    centers, line, low, high, factor, shift, slope, slack = pair
    bounded, size = slack < np.inf, 0.0
    for i in range(len(block)):
        second, first = False, False
        if bounded:
            above = factor * scores[i] - shift
            margin = slope * radii[i] + slack
            second, first = above > margin, above < -margin
        # A row is unsure as long as it is on neither side for certain.
        if second == first:
            score = _product(block, i, line) if bounded else scores[i]
            second, first = score > high, score < low
            if second == first:
                to_second = loose_square(block, i, centers, 1) * tied(block.shape[1])
                second = to_second < loose_square(block, i, centers, 0)
        if second != labels[i]:
            sign = 1.0 if second else -1.0
            labels[i] = second
            size += sign
            for f in range(len(about)):
                sums[f] += sign * (np.float64(block[i, f]) - about[f])
    return size
