"""Greedy k-means++ of rows of few features, sixteen rows at a time, compiled by Numba.

Imported only where Numba is. Distances are taken by direct differences in single precision, from
a copy of the rows that lies feature by feature within each block.
"""

from functools import partial
from typing import Any, final

import numpy as np
from numba.core import types

from kmeans_xp.kernels.interface import CandidateGains, Seeder, SeedingStep
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.simd.vector import (
    LANES,
    all_greater,
    greater,
    lesser,
    load,
    minus,
    plus,
    spread,
    store,
    times_plus,
)

# Entries of a block, and its rows at most, so that what is remembered of a block stays in the cache
# from one candidate to the next.
BLOCK_ENTRIES, BLOCK_ROWS = 1 << 18, 1 << 15
# Vectors of rows whose gains are added up in single precision: more are faster and less precise.
VECTORS = 64


@final
class LowDSeeder(Seeder):
    """Remembers rows by column, and which vectors of them have a candidate nearer.

    Parameters
    ----------
    shape : tuple of int
        Rows and features.
    trials : int
        Candidates for each centre.
    """

    def __init__(self, shape: tuple[int, int], trials: int) -> None:
        n, d = shape
        potential, columns = np.empty(n, np.float32), np.empty(shape, np.float32)
        self.memory = potential, columns, np.empty((n, trials), np.uint8)
        # An odd number of vectors, so that columns do not meet in the same places of the cache.
        pairs = max(1, min(BLOCK_ENTRIES // d, BLOCK_ROWS) // (2 * LANES))
        self.block_rows = (2 * pairs + 1) * LANES

    def start(self, center: np.ndarray) -> SeedingStep:
        """Return the step that takes in the first centre, (d,)."""
        return partial(_start_step, center=np.ascontiguousarray(center))

    def score(self, candidates: np.ndarray) -> SeedingStep:
        """Return the step that scores candidates, (T, d)."""
        return partial(_score_step, candidates=np.ascontiguousarray(candidates))

    def keep(self, candidates: np.ndarray, best: int) -> SeedingStep:
        """Return the step that takes in one of the candidates that were just scored."""
        return partial(_keep_step, center=np.ascontiguousarray(candidates[best]), best=best)


def _start_step(
    block: np.ndarray, _weights: None, *memory: np.ndarray, center: np.ndarray
) -> CandidateGains:
    potential, columns, flags = memory
    columns.reshape(block.shape[::-1])[:] = block.T
    potential[:] = np.inf
    flags[:] = True
    _keep(potential, columns.reshape(-1), flags.reshape(-1), center)
    return CandidateGains(potential.sum(keepdims=True, dtype=np.float64))


def _score_step(
    _block: np.ndarray, _weights: None, *memory: np.ndarray, candidates: np.ndarray
) -> CandidateGains:
    potential, columns, flags = memory
    gains = np.empty(len(candidates))
    _score(potential, columns.reshape(-1), flags.reshape(-1), candidates, gains)
    return CandidateGains(gains)


def _keep_step(
    _block: np.ndarray, _weights: None, *memory: np.ndarray, center: np.ndarray, best: int
) -> None:
    potential, columns, flags = memory
    of_best = flags.reshape(-1)[len(potential) // LANES * best :]
    _keep(potential, columns.reshape(-1), of_best, center)


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function; none but for float32."""
    if np.dtype(dtype) != np.float32:
        return {}
    numbers, flags = types.float32[::1], types.uint8[::1]
    return {
        "_score": (numbers, numbers, flags, types.float32[:, ::1], types.f8[::1]),
        "_keep": (numbers, numbers, flags, numbers),
    }


@compiling.entry
def _score(potential: Any, columns: Any, flags: Any, candidates: Any, gains: Any) -> None:
    """Write what the potential loses to each candidate, and flag the vectors where it does."""
    n, trials = len(potential), len(candidates)
    vectors = n // LANES
    sums = np.zeros(LANES * trials, columns.dtype)
    none = spread(columns.dtype.type(0))
    gains[:] = 0
    for first in range(0, vectors, VECTORS):
        sums[:] = 0
        for v in range(first, min(first + VECTORS, vectors)):
            own = load(potential, v * LANES)
            for t in range(trials):
                found = _squares(columns, n, v * LANES, candidates[t])
                far = all_greater(found, own)
                flags[t * vectors + v] = not far
                if not far:
                    gain = greater(minus(own, found), none)
                    store(sums, t * LANES, plus(load(sums, t * LANES), gain))
        for t in range(trials):
            for lane in range(LANES):
                gains[t] += sums[t * LANES + lane]
    for i in range(vectors * LANES, n):
        for t in range(trials):
            gains[t] += max(potential[i] - _square(columns, n, i, candidates[t]), 0)


@compiling.entry
def _keep(potential: Any, columns: Any, flags: Any, center: Any) -> None:
    """Lower the potential of flagged vectors to the squared distances to a new centre."""
    n = len(potential)
    vectors = n // LANES
    for v in range(vectors):
        if flags[v]:
            found = _squares(columns, n, v * LANES, center)
            store(potential, v * LANES, lesser(found, load(potential, v * LANES)))
    for i in range(vectors * LANES, n):
        potential[i] = min(potential[i], _square(columns, n, i, center))


@compiling.part
def _squares(columns: Any, n: Any, start: Any, center: Any) -> Any:
    """Return the squared distances of sixteen rows to a centre."""
    total = spread(columns.dtype.type(0))
    for f in range(len(center)):
        difference = minus(load(columns, f * n + start), spread(center[f]))
        total = times_plus(difference, difference, total)
    return total


@compiling.part
def _square(columns: Any, n: Any, i: Any, center: Any) -> Any:
    """Return the squared distance of a row to a centre."""
    total = columns.dtype.type(0)
    for f in range(len(center)):
        difference = columns[f * n + i] - center[f]
        total += difference * difference
    return total
