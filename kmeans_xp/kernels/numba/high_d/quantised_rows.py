"""Rows and centres rounded to bytes, for seeding and for Lloyd. Imported only where Numba is.

About an origin, x̂ is a row x rounded to whole multiples of a scale, at most 127 of them, and
x·c is at most x̂·ĉ + ‖x - x̂‖‖ĉ‖ + ‖x‖‖c - ĉ‖. What is lost to rounding is measured, not guessed, and
the sum of the products of bytes is exact, so that this bounds every distance from below.
"""

from typing import Any, NamedTuple, Self

import numpy as np
from numba import types

from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.high_d.search import float32_above, float32_below
from kmeans_xp.kernels.numba.simd.byte_tiles import ROWS
from kmeans_xp.kernels.numba.simd.vector import LANES
from kmeans_xp.kernels.shared.hamerly import underflow
from kmeans_xp.kernels.shared.quantised import TOP

# 128 in each of four bytes: to turn these bits adds 128 to signed bytes, and makes them unsigned.
SIGNS = np.int32(-0x7F7F7F80)
# More than single precision rounds away in a bound, of the squares of both norms.
ROUND = 2.0**-17


class QuantisedRows(NamedTuple):
    """Rows x less an origin, rounded to bytes x̂.

    Attributes
    ----------
    words : ndarray of shape (n, w), int32
        Four features each, as signed bytes, filled up with zeros.
    starts : ndarray of shape (n,), int32
        What products with these begin with, since the bytes of others are made larger by 128.
    scale : ndarray of shape (n,), float32
        Of which x̂ are multiples.
    error, norm : ndarray of shape (n,), float32
        ‖x - x̂‖ and ‖x‖, rounded up.
    square : ndarray of shape (n,), float32
        ‖x‖², rounded down.
    """

    words: np.ndarray
    starts: np.ndarray
    scale: np.ndarray
    error: np.ndarray
    norm: np.ndarray
    square: np.ndarray

    @classmethod
    def empty(cls, n: int, d: int) -> Self:
        """Return room for n rows of d features."""
        words, starts = np.empty((n, width_of(d)), np.int32), np.empty(n, np.int32)
        return cls(words, starts, *np.empty((4, n), np.float32))


class QuantisedCenters(NamedTuple):
    """Centres c less the origin, as bytes, and upper bounds of their scores x·c - ½‖c‖².

    A bound is the sum of the product of bytes times the row's scale, the row's error and its norm,
    each times its factor here, and the offset.

    Attributes
    ----------
    words : ndarray of shape (m, w), int32
        As in `QuantisedRows`, filled up with zeros to whole tiles.
    starts : ndarray of shape (m,), int32
        As in `QuantisedRows`.
    of_product, of_error, of_norm : ndarray of shape (m,), float32
    offset : ndarray of shape (m,), float32
        -½‖c‖², rounded up; -inf for what fills up.
    """

    words: np.ndarray
    starts: np.ndarray
    of_product: np.ndarray
    of_error: np.ndarray
    of_norm: np.ndarray
    offset: np.ndarray

    @classmethod
    def of(cls, centers: np.ndarray, origin: np.ndarray, multiple: int) -> Self:
        """Quantise centres, (k, d), filled up to a multiple of so many."""
        k, d = centers.shape
        rows = QuantisedRows.empty(-(-k // multiple) * multiple, d)
        for field in rows:
            field[k:] = 0
        quantise(compiling.ready_rows(centers), origin, QuantisedRows(*(f[:k] for f in rows)))
        offset = underflow(np.empty((0, d), np.float32)) - 0.5 * rows.square
        offset[k:] = -np.inf
        return cls(rows.words, rows.starts, rows.scale, rows.norm + rows.error, rows.error, offset)


def width_of(d: int) -> int:
    """Return how many words of four bytes hold d features."""
    return -(-d // 4)


def lay_out_tiles(words: np.ndarray) -> None:
    """Turn signed bytes into what tiles take, in place: sixteen rows word by word, unsigned.

    Rows that do not make a whole tile stay as they are.
    """
    lanes = words[: len(words) // ROWS * ROWS].reshape(-1, LANES, words.shape[1])
    lanes[:] = (lanes.transpose(0, 2, 1) ^ SIGNS).reshape(lanes.shape)


def tuple_types() -> tuple[Any, Any]:
    """Return Numba's types of `QuantisedRows` and `QuantisedCenters`."""
    fields = types.int32[:, ::1], types.int32[::1], *(types.f4[::1],) * 4
    return tuple(compiling.tuple_type(kind, *fields) for kind in (QuantisedRows, QuantisedCenters))


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for rows of `dtype`."""
    rows = compiling.sealed_type(compiling.real(dtype), 2)
    return {"quantise": (rows, types.f8[::1], tuple_types()[0])}


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
def _round_row(rows: Any, i: int, origin: Any, scale: float, out: Any) -> float:
    """Write a row less the origin, by its scale, as bytes; return the square of the error."""
    total, times = 0.0, 1 / scale if scale > 0 else 0.0
    for f in range(len(origin)):
        difference = np.float64(rows[i, f]) - origin[f]
        number = min(max(np.rint(difference * times), -TOP), TOP)
        out[f] = np.int8(number)
        error = difference - scale * number
        total += error * error
    return total


@compiling.part
def _sum(row: Any) -> Any:
    total = np.int32(0)
    for f in range(len(row)):
        total += np.int32(row[f])
    return total


@compiling.entry
def quantise(rows: Any, origin: Any, out: Any) -> None:
    """Write rows less the origin to `out`, which are `QuantisedRows`."""
    words, starts, scale, error, norm, square = out
    row = np.zeros(4 * words.shape[1], np.int8)
    for i in range(len(rows)):
        most, exact = _largest_and_square(rows, i, origin)
        scale[i] = np.float32(most / TOP)
        error_square = _round_row(rows, i, origin, np.float64(scale[i]), row)
        words[i], starts[i] = row.view(np.int32), -128 * _sum(row)
        error[i] = float32_above(np.sqrt(error_square) * (1 + ROUND))
        norm[i] = float32_above(np.sqrt(exact) * (1 + ROUND))
        square[i] = float32_below(exact * (1 - ROUND))
