"""Greedy k-means++ from rows that are rounded to bytes, with Numba.

‖x‖² + ‖c‖² less twice an upper bound of x·c is a lower bound of the squared distance. It excludes
nearly all pairs of rows and candidates; the others are measured. Imported only where Numba is.
"""

from functools import partial
from typing import Any, final

import numpy as np
from numba import types

from kmeans_xp.kernels.interface import CandidateGains, Seeder, SeedingStep
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.high_d.quantised_rows import (
    QuantisedCenters,
    QuantisedRows,
    lay_out_tiles,
    quantise,
    tuple_types,
    width_of,
)
from kmeans_xp.kernels.numba.low_d.search import loose_square
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

# Bytes of a block of quantised rows: few enough to stay in a core's cache with their potential,
# and enough to repay the fixed costs of a step.
BLOCK = 1 << 22
# How many rows ahead of use they are fetched from memory.
AHEAD = 4


@final
class QuantisedSeeder(Seeder):
    """Remembers rows as bytes, and which candidates are nearer to them than any centre so far.

    Parameters
    ----------
    n, trials : int
        Rows, and candidates for each centre.
    origin : array of shape (d,)
        A point amid the rows.
    dtype : dtype
        Of the potential.
    """

    def __init__(self, n: int, trials: int, origin: np.ndarray, dtype: type) -> None:
        self.origin = origin.astype(np.float64)
        rows, nearer = QuantisedRows.empty(n, len(origin)), np.empty((n, trials), np.bool_)
        self.memory = np.empty(n, dtype), *rows, nearer
        self.block_rows = max(1, BLOCK // (4 * width_of(len(origin)) * ROWS)) * ROWS

    def start(self, center: np.ndarray) -> SeedingStep:
        """Return the step that takes in the first centre, (d,)."""
        return partial(_start_step, origin=self.origin, center=compiling.sealed(center[None]))

    def score(self, candidates: np.ndarray) -> SeedingStep:
        """Return the step that scores candidates, (T, d)."""
        candidates = compiling.ready_rows(candidates)
        quantised = QuantisedCenters.of(candidates, self.origin, multiple=CENTERS)
        return partial(_score_step, candidates=candidates, quantised=quantised)

    def keep(self, candidates: np.ndarray, best: int) -> SeedingStep:
        """Return the step that takes in one of the candidates that were just scored."""
        return partial(_keep_step, center=compiling.sealed(candidates[[best]]), best=best)


def _start_step(
    block: np.ndarray,
    weights: np.ndarray | None,
    potential: np.ndarray,
    *memory: np.ndarray,
    origin: np.ndarray,
    center: np.ndarray,
) -> CandidateGains:
    rows, quantised = compiling.ready_rows(block), QuantisedRows(*memory[:-1])
    quantise(rows, origin, quantised)
    lay_out_tiles(quantised.words)
    squares = _squares(rows, np.arange(len(rows)), center)
    potential[:] = squares if weights is None else squares * weights
    # What overflows in the precision of the rows is infinite.
    return CandidateGains(squares.astype(block.dtype).sum(keepdims=True, dtype=np.float64))


def _score_step(
    block: np.ndarray,
    weights: np.ndarray | None,
    potential: np.ndarray,
    *memory: np.ndarray,
    candidates: np.ndarray,
    quantised: QuantisedCenters,
) -> CandidateGains:
    rows, nearer = QuantisedRows(*memory[:-1]), by_column(memory[-1])[: len(candidates)]
    closest = potential if weights is None else np.where(weights > 0, potential / weights, 0)
    which = bound_rows(rows, quantised, closest.astype(np.float32, copy=False), nearer)
    closest, weights = closest.astype(block.dtype, copy=False), compiling.ready_weights(weights)
    gains = np.zeros(len(candidates))
    _measure(*_reachable(block, which), which, candidates, closest, weights, nearer, gains)
    return CandidateGains(gains)


def _keep_step(
    block: np.ndarray,
    weights: np.ndarray | None,
    potential: np.ndarray,
    *memory: np.ndarray,
    center: np.ndarray,
    best: int,
) -> None:
    which = np.flatnonzero(by_column(memory[-1])[best])
    new = _squares(block, which, center)
    new = new if weights is None else new * weights[which]
    potential[which] = np.minimum(potential[which], new)


def _squares(block: np.ndarray, which: np.ndarray, center: np.ndarray) -> np.ndarray:
    """Return squared distances of some rows to a centre, (1, d), float64."""
    found = np.empty(len(which))
    _measure_squares(*_reachable(block, which), center, found)
    return found


def _reachable(block: np.ndarray, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rows as loops take them, and where the rows `which` are; all others may be missing."""
    if block.flags.c_contiguous:
        return compiling.ready_rows(block), which
    return compiling.ready_rows(block[which]), np.arange(len(which))


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for rows of `dtype`."""
    real, single = compiling.real(dtype), types.f4[::1]
    rows, nearer = compiling.sealed_type(real, 2), types.boolean[:, ::1]
    places, numbers = types.intp[::1], types.f8[::1]
    weights, quantised = compiling.sealed_type(types.f8, 1), tuple_types()
    return {
        "_measure_squares": (rows, places, rows, numbers),
        "bound_rows": (*quantised, single, nearer),
        "_measure": (rows, places, places, rows, real[::1], weights, nearer, numbers),
    }


@compiling.entry
def _measure_squares(rows: Any, places: Any, center: Any, out: Any) -> None:
    """Write the squared distances of the rows at some places to a centre, (1, d), in float64."""
    for r in range(len(places)):
        prefetch_row(rows, places[min(r + AHEAD, len(places) - 1)])
        out[r] = loose_square(rows, places[r], center, 0)


@compiling.entry
def bound_rows(rows: Any, candidates: Any, closest: Any, nearer: Any) -> Any:
    """Write which candidates may be `nearer` than the closest centre; return rows that have any.

    Parameters
    ----------
    rows : QuantisedRows
        Whose words are laid out in tiles.
    candidates : QuantisedCenters
    closest : array of shape (B,), float32
        Squared distances to the closest centre so far.
    nearer : array of shape (T, B), bool
    """
    words, centers, starts = rows.words.reshape(-1), candidates.words, candidates.starts
    count, which = 0, np.empty(len(closest), np.intp)
    whole, width = len(closest) // ROWS * ROWS, centers.shape[1]
    products = np.empty((len(centers), ROWS), np.float32)
    nearer[:] = False
    for first in range(0, whole, ROWS):
        for t in range(0, len(centers), CENTERS):
            byte_tile(words, first * width, centers, t, starts, products)
        for half in range(0, ROWS, LANES):
            bits = _bound_lanes(rows, closest, first + half, products, half, candidates, nearer)
            while bits:
                which[count] = first + half + lowest_bit(bits)
                count, bits = count + 1, bits & (bits - 1)
    # Rows that make no whole tile are not bounded.
    for i in range(whole, len(closest)):
        nearer[:, i] = True
        which[count], count = i, count + 1
    return which[:count]


@compiling.part
def _bound_lanes(
    rows: Any, closest: Any, i: int, products: Any, half: int, candidates: Any, nearer: Any
) -> Any:
    """Write which candidates may be nearer to sixteen rows; return a bit for each that has any."""
    scale, error, norm = load(rows.scale, i), load(rows.error, i), load(rows.norm, i)
    # A candidate is nearer only if its score is at least half of ‖x‖² less the distance so far.
    less = times(spread(np.float32(0.5)), minus(load(closest, i), load(rows.square, i)))
    every = 0
    for t in range(len(nearer)):
        bound = times_plus(error, spread(candidates.of_error[t]), less)
        bound = times_plus(norm, spread(candidates.of_norm[t]), bound)
        product = times(load(products, t * ROWS + half), scale)
        bound = times_plus(product, spread(candidates.of_product[t]), bound)
        bits = failing_lanes(spread(-candidates.offset[t]), bound, bound, bound)
        every |= bits
        while bits:
            nearer[t, i + lowest_bit(bits)] = True
            bits &= bits - 1
    return every


@compiling.entry
def _measure(
    rows: Any, places: Any, which: Any, candidates: Any, closest: Any, weights: Any, nearer: Any,
    gains: Any,
) -> None:  # fmt: skip
    """Add up what the rows `which`, at `places`, would gain from candidates that are nearer.

    On return those that only might have been are `nearer` no more.
    """
    for r in range(len(which)):
        prefetch_row(rows, places[min(r + AHEAD, len(which) - 1)])
        i = which[r]
        for t in range(len(gains)):
            if nearer[t, i]:
                gain = closest[i] - _square(rows, places[r], candidates, t)
                if gain > 0:
                    gains[t] += gain * (weights[i] if len(weights) else 1.0)
                else:
                    nearer[t, i] = False


@compiling.sum_of
def _square(rows: Any, i: int, centers: Any, j: int) -> Any:
    """Return the squared distance of a row to a centre, in their precision."""
    total = rows.dtype.type(0)
    for f in range(rows.shape[1]):
        difference = rows[i, f] - centers[j, f]
        total += difference * difference
    return total
