"""The compiled loops of `pair_fast`. Imported only where Numba is."""

from typing import Any

import numpy as np
from numba import types

from kmeans_xp.kernels.fast_compile import entry, sum_of
from kmeans_xp.kernels.fast_search import tied
from kmeans_xp.kernels.tracker import ROUNDING


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for rows of `dtype`."""
    real = types.float32 if np.dtype(dtype) == np.float32 else types.float64
    rows, numbers = types.Array(real, 2, "C", readonly=True), types.f8[::1]
    kept, bounds = real[::1], types.UniTuple(types.f8, 4)
    pair = types.Tuple((types.f8[:, ::1], kept, types.f8, types.f8))
    return {
        "measure": (rows, numbers, numbers, kept),
        "advance": (rows, types.int8[::1], kept, kept, pair, bounds, numbers, numbers),
    }


@sum_of
def _square(rows: Any, i: int, points: Any, j: int) -> float:
    total = 0.0
    for f in range(rows.shape[1]):
        difference = np.float64(rows[i, f]) - points[j, f]
        total += difference * difference
    return total


@sum_of
def _product(rows: Any, i: int, line: Any) -> float:
    total = rows[i, 0] * line[0]
    for f in range(1, rows.shape[1]):
        total += rows[i, f] * line[f]
    return total


@entry
def measure(block: Any, about: Any, squares: Any, radii: Any) -> None:
    """Write the squared distances of rows from a point, and the distances, rounded up."""
    point, real = about.reshape(1, -1), radii.dtype.type
    for i in range(len(block)):
        squares[i] = _square(block, i, point, 0)
        if len(radii):
            radii[i] = np.nextafter(real(np.sqrt(squares[i]) * (1 + ROUNDING)), real(np.inf))


@entry
def advance(
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
