r"""Greedy k-means++ from rows that are rounded to bytes, compiled by Numba.

About an origin, x̂ is a row x rounded to whole multiples of a scale, at most 127 of them, and
x·c is at most x̂·ĉ + ‖x - x̂‖‖ĉ‖ + ‖x‖‖c - ĉ‖. What is lost to rounding is measured, not guessed, and
the sum of the products of bytes is exact, so that ‖x‖² + ‖c‖² less twice that is a lower bound of
the squared distance, which excludes nearly all pairs; the others are measured. A row's marks are
its scale, ‖x - x̂‖ and ‖x‖ rounded up, and ‖x‖² rounded down.

Imported only where Numba is.
"""

from functools import partial
from typing import Any, final

import numpy as np
from numba import types

from kmeans_xp.kernels.interface import CandidateGains, Seeder, SeedingStep
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.high_d.byte_rows import by_lanes, quantise, width_of
from kmeans_xp.kernels.numba.simd.byte_tiles import CENTERS, ROWS, byte_tile
from kmeans_xp.kernels.numba.simd.gather import prefetch_row
from kmeans_xp.kernels.numba.simd.vector import (
    LANES,
    failing_lanes,
    load,
    lowest_bit,
    minus,
    spread,
    times,
    times_plus,
)
from kmeans_xp.kernels.numpy.seeding import by_column

# Bytes of a block.
BLOCK = 1 << 22
# How many rows ahead of use they are fetched.
AHEAD = 4


@final
class QuantisedSeeder(Seeder):
    """Remembers rows as bytes, and which candidates are nearer than a row's mass.

    Parameters
    ----------
    n, trials : int
        Rows, and candidates for each centre.
    origin : array of shape (d,)
        A point amid the rows.
    dtype : dtype
        Of the masses.
    """

    def __init__(self, n: int, trials: int, origin: np.ndarray, dtype: type) -> None:
        width = width_of(len(origin))
        self.origin = origin.astype(np.float64)
        self.memory = (
            np.empty(n, dtype),
            np.empty((n, width), np.int32),
            np.empty((n, 4), np.float32),
            np.empty((n, trials), np.bool_),
        )
        self.block_rows = max(1, BLOCK // (4 * width * ROWS)) * ROWS

    def start(self, center: np.ndarray) -> SeedingStep:
        """Return the step that takes in the first centre, (d,)."""
        return partial(_start_step, origin=self.origin, center=compiling.sealed(center))

    def score(self, candidates: np.ndarray) -> SeedingStep:
        """Return the step that scores candidates, (T, d)."""
        candidates = compiling.ready_rows(candidates)
        short = short_centers(candidates, self.origin)
        return partial(_score_step, candidates=candidates, short=short)

    def keep(self, candidates: np.ndarray, best: int) -> SeedingStep:
        """Return the step that takes in one of the candidates that were just scored."""
        return partial(_keep_step, center=compiling.sealed(candidates[best]), best=best)


def short_centers(centers: np.ndarray, origin: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return centres as `byte_loops.bound` takes them, filled up to whole tiles.

    Returns
    -------
    words : ndarray of shape (m, w), int32
        As signed bytes.
    starts : ndarray of shape (m,), int32
        What to begin their products with, since rows are unsigned.
    terms : ndarray of shape (4, m), float32
        Factors of a row's product, of what it lost and of its norm, and what their sum must be
        above for the centre to be excluded.
    """
    k, d = centers.shape
    size = -(-k // CENTERS) * CENTERS
    words = np.zeros((size, width_of(d)), np.int32)
    marks, terms = np.empty((4, k), np.float32), np.zeros((4, size), np.float32)
    quantise(compiling.ready_rows(centers), origin, words[:k], marks)
    scale, lost, norm, square = marks
    terms[0, :k] = -2 * scale
    terms[1, :k] = -2 * (norm + lost)
    terms[2, :k] = -2 * lost
    terms[3, :k] = 16 * (d + 16) * np.finfo(np.float32).smallest_normal - square
    return words, -128 * words.view(np.int8).sum(axis=1, dtype=np.int32), terms


def _start_step(
    block: np.ndarray,
    weights: np.ndarray | None,
    mass: np.ndarray,
    words: np.ndarray,
    marks: np.ndarray,
    closer: np.ndarray,
    *,
    origin: np.ndarray,
    center: np.ndarray,
) -> CandidateGains:
    rows = compiling.ready_rows(block)
    quantise(rows, origin, words, by_column(marks))
    by_lanes(words)
    squares = _squares(rows, np.arange(len(rows)), center)
    mass[:] = squares if weights is None else squares * weights
    # What overflows in the precision of the rows is infinite.
    return CandidateGains(squares.astype(block.dtype).sum(keepdims=True, dtype=np.float64))


def _score_step(
    block: np.ndarray,
    weights: np.ndarray | None,
    mass: np.ndarray,
    words: np.ndarray,
    marks: np.ndarray,
    closer: np.ndarray,
    *,
    candidates: np.ndarray,
    short: tuple[np.ndarray, ...],
) -> CandidateGains:
    nearer, gains = by_column(closer)[: len(candidates)], np.zeros(len(candidates))
    limits = mass if weights is None else np.where(weights > 0, mass / weights, 0)
    single = limits.astype(np.float32, copy=False)
    which = bound_rows(words.reshape(-1), by_column(marks), single, short, nearer)
    limits, weights = limits.astype(block.dtype, copy=False), compiling.ready_weights(weights)
    rows, places = _reachable(block, which)
    _measure(rows, places, which, candidates, limits, weights, nearer, gains)
    return CandidateGains(gains)


def _keep_step(
    block: np.ndarray,
    weights: np.ndarray | None,
    mass: np.ndarray,
    words: np.ndarray,
    marks: np.ndarray,
    closer: np.ndarray,
    *,
    center: np.ndarray,
    best: int,
) -> None:
    which = np.flatnonzero(by_column(closer)[best])
    new = _squares(block, which, center)
    mass[which] = np.minimum(mass[which], new if weights is None else new * weights[which])


def _squares(block: np.ndarray, which: np.ndarray, center: np.ndarray) -> np.ndarray:
    """Return squared distances of some rows to a centre, float64."""
    found = np.empty(len(which))
    _squares_at(*_reachable(block, which), center, found)
    return found


def _reachable(block: np.ndarray, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rows as loops take them, and where the rows `which` are; all others may be missing."""
    if block.flags.c_contiguous:
        return compiling.ready_rows(block), which
    return compiling.ready_rows(block[which]), np.arange(len(which))


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for rows of `dtype`."""
    real = compiling.real(dtype)
    rows, center = compiling.sealed_type(real, 2), compiling.sealed_type(real, 1)
    words, single, weights = types.int32, types.f4, compiling.sealed_type(types.f8, 1)
    nearer, places, numbers = types.boolean[:, ::1], types.intp[::1], types.f8[::1]
    centers = types.Tuple((words[:, ::1], words[::1], single[:, ::1]))
    return {
        "_squares_at": (rows, places, center, numbers),
        "bound_rows": (words[::1], single[:, ::1], single[::1], centers, nearer),
        "_measure": (rows, places, places, rows, real[::1], weights, nearer, numbers),
    }


@compiling.sum_of
def _wide_square(rows: Any, i: int, center: Any) -> float:
    total = 0.0
    for f in range(len(center)):
        difference = np.float64(rows[i, f]) - np.float64(center[f])
        total += difference * difference
    return total


@compiling.entry
def _squares_at(rows: Any, places: Any, center: Any, out: Any) -> None:
    """Write the squared distances of the rows at some places to a centre, in double precision."""
    for r in range(len(places)):
        prefetch_row(rows, places[min(r + AHEAD, len(places) - 1)])
        out[r] = _wide_square(rows, places[r], center)


@compiling.sum_of
def _square(rows: Any, i: int, centers: Any, j: int) -> Any:
    """Return the squared distance of a row to a centre, in their precision."""
    total = rows.dtype.type(0)
    for f in range(rows.shape[1]):
        difference = rows[i, f] - centers[j, f]
        total += difference * difference
    return total


@compiling.entry
def bound_rows(words: Any, marks: Any, limits: Any, short: Any, nearer: Any) -> Any:
    """Write which centres may be `nearer` than the limit; return the rows that have any.

    `short` is what `seed_bytes.short_centers` returns.
    """
    centers, starts, terms = short
    count, which = 0, np.empty(len(limits), np.intp)
    whole, width = len(limits) // ROWS * ROWS, centers.shape[1]
    products = np.empty((len(centers), ROWS), np.float32)
    nearer[:] = False
    for first in range(0, whole, ROWS):
        for t in range(0, len(centers), CENTERS):
            byte_tile(words, first * width, centers, t, starts, products)
        for half in range(0, ROWS, LANES):
            rest = _mark(marks, limits, first + half, products, half, terms, nearer)
            while rest:
                which[count] = first + half + lowest_bit(rest)
                count, rest = count + 1, rest & (rest - 1)
    for i in range(whole, len(limits)):
        nearer[:, i] = True
        which[count], count = i, count + 1
    return which[:count]


@compiling.part
def _mark(
    marks: Any, limits: Any, i: int, products: Any, half: int, terms: Any, nearer: Any
) -> Any:
    """Write which centres may be nearer to sixteen rows; return a bit for each that has any."""
    n = len(limits)
    scale, lost, norm = load(marks, i), load(marks, n + i), load(marks, 2 * n + i)
    more = minus(load(marks, 3 * n + i), load(limits, i))
    every = 0
    for t in range(len(nearer)):
        left = times_plus(lost, spread(terms[1, t]), more)
        left = times_plus(norm, spread(terms[2, t]), left)
        product = times(load(products, t * ROWS + half), scale)
        left = times_plus(product, spread(terms[0, t]), left)
        bits = failing_lanes(left, spread(terms[3, t]), left, left)
        every |= bits
        while bits:
            nearer[t, i + lowest_bit(bits)] = True
            bits &= bits - 1
    return every


@compiling.entry
def _measure(
    rows: Any,
    places: Any,
    which: Any,
    candidates: Any,
    limits: Any,
    weights: Any,
    nearer: Any,
    gains: Any,
) -> None:
    """Add up what the limits of the rows `which`, at `places`, lose to candidates that are nearer.

    On return those that only might have been are `nearer` no more.
    """
    for r in range(len(which)):
        prefetch_row(rows, places[min(r + AHEAD, len(which) - 1)])
        i = which[r]
        for t in range(len(gains)):
            if nearer[t, i]:
                gain = limits[i] - _square(rows, places[r], candidates, t)
                if gain > 0:
                    gains[t] += gain * (weights[i] if len(weights) else 1.0)
                else:
                    nearer[t, i] = False
