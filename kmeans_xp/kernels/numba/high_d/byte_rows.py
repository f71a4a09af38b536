"""Rows and centres rounded to bytes. Imported only where Numba is."""

from typing import Any

import numpy as np
from numba import types

from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.high_d.projection import rounded
from kmeans_xp.kernels.numba.simd.byte_tiles import ROWS
from kmeans_xp.kernels.numba.simd.vector import LANES
from kmeans_xp.kernels.shared.quantised import TOP

# Bytes of a word, by which rows are made unsigned.
SIGNS = np.int32(-0x7F7F7F80)
# More than single precision rounds away in a bound, of the squares of both norms.
ROUND = 2.0**-17


def width_of(d: int) -> int:
    """Return how many words of four bytes hold d features."""
    return -(-d // 4)


def by_lanes(words: np.ndarray) -> None:
    """Turn rows of signed bytes into what tiles take, as many as make whole ones."""
    lanes = words[: len(words) // ROWS * ROWS].reshape(-1, LANES, words.shape[1])
    lanes[:] = (lanes.transpose(0, 2, 1) ^ SIGNS).reshape(lanes.shape)


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for rows of `dtype`."""
    rows = compiling.sealed_type(compiling.real(dtype), 2)
    return {"quantise": (rows, types.f8[::1], types.int32[:, ::1], types.f4[:, ::1])}


@compiling.sum_of
def _largest_and_square(rows: Any, i: int, origin: Any) -> Any:
    """Return the largest entry of a row less the origin, and its square."""
    most = total = 0.0
    for f in range(len(origin)):
        difference = np.float64(rows[i, f]) - origin[f]
        most = max(most, abs(difference))
        total += difference * difference
    return most, total


@compiling.sum_of
def _rounded_row(rows: Any, i: int, origin: Any, scale: float, out: Any) -> float:
    """Write a row less the origin, by its scale, as bytes; return the square of what is lost."""
    total, times = 0.0, 1 / scale if scale > 0 else 0.0
    for f in range(len(origin)):
        difference = np.float64(rows[i, f]) - origin[f]
        number = min(max(np.rint(difference * times), -TOP), TOP)
        out[f] = np.int8(number)
        lost = difference - scale * number
        total += lost * lost
    return total


@compiling.entry
def quantise(rows: Any, origin: Any, words: Any, marks: Any) -> None:
    """Write rows less the origin as signed bytes, and their marks as in `seed_bytes`."""
    row = np.zeros(4 * words.shape[1], np.int8)
    for i in range(len(rows)):
        most, square = _largest_and_square(rows, i, origin)
        scale = np.float32(most / TOP)
        lost = _rounded_row(rows, i, origin, np.float64(scale), row)
        words[i] = row.view(np.int32)
        marks[0, i] = scale
        marks[1, i] = rounded(np.sqrt(lost) * (1 + ROUND), np.inf)
        marks[2, i] = rounded(np.sqrt(square) * (1 + ROUND), np.inf)
        marks[3, i] = rounded(square * (1 - ROUND), -np.inf)
