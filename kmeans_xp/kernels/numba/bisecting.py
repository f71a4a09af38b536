"""Bisecting with Numba: one pass over the rows for each iteration of two-means."""

import math
from typing import Any

import numpy as np
from numba import types

from kmeans_xp.kernels.interface import HalfGains, Halves, HalvesTask
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.low_d.search import tied
from kmeans_xp.kernels.numpy import bisecting as numpy_bisecting
from kmeans_xp.kernels.numpy.bisecting import BoundedHalves, NumpyPair, ScoreBounds
from kmeans_xp.kernels.shared.hamerly import ROUNDING

# Bounds that say nothing.
NONE = 0.0, 0.0, 0.0, math.inf


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
    sums = np.zeros(len(about))
    rounding, known = pair.rounding_of(block), NONE if bounds is None else tuple(bounds)
    of_pair = pair.centers, pair.row_line, pair.middle - rounding, pair.middle + rounding
    size = _label_rows(
        compiling.ready_rows(block), labels, radii, scores, of_pair, known, about, sums
    )
    return HalfGains(np.asarray(size), sums)


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for rows of `dtype`."""
    real = compiling.real(dtype)
    rows, numbers = compiling.sealed_type(real, 2), types.f8[::1]
    kept, bounds = real[::1], types.UniTuple(types.f8, 4)
    pair = types.Tuple((types.f8[:, ::1], kept, types.f8, types.f8))
    return {
        "_measure_rows": (rows, numbers, numbers, kept),
        "_label_rows": (rows, types.int8[::1], kept, kept, pair, bounds, numbers, numbers),
    }


@compiling.sum_of
def _square(rows: Any, i: int, points: Any, j: int) -> float:
    total = 0.0
    for f in range(rows.shape[1]):
        difference = np.float64(rows[i, f]) - points[j, f]
        total += difference * difference
    return total


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
        squares[i] = _square(block, i, point, 0)
        if len(radii):
            radii[i] = np.nextafter(real(np.sqrt(squares[i]) * (1 + ROUNDING)), real(np.inf))


@compiling.entry
def _label_rows(
    block: Any, labels: Any, radii: Any, scores: Any, pair: Any, bounds: Any, about: Any, sums: Any
) -> float:
    """Write the label of each row; add what the second half gained to `sums`, and return its rows.

    Where bounds are infinite, `scores` are those for this pair.
    """
    centers, line, low, high = pair
    factor, shift, slope, slack = bounds
    known, size = slack < np.inf, 0.0
    for i in range(len(block)):
        if known:
            above = factor * scores[i] - shift
            reach = slope * radii[i] + slack
            second, first = above > reach, above < -reach
        else:
            second, first = False, False
        if second == first:
            score = _product(block, i, line) if known else scores[i]
            second, first = score > high, score < low
            if second == first:
                margin = tied(block.shape[1])
                second = _square(block, i, centers, 1) * margin < _square(block, i, centers, 0)
        if second != labels[i]:
            sign = 1.0 if second else -1.0
            labels[i] = second
            size += sign
            for f in range(len(about)):
                sums[f] += sign * (np.float64(block[i, f]) - about[f])
    return size
