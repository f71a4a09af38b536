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

# Entries of a block, and its rows at most.
BLOCK = 1 << 18
BLOCK_ROWS = 1 << 15
# Groups of rows whose gains are added up in single precision.
GROUPS = 64


@final
class LowDSeeder(Seeder):
    """Remembers rows by column, and in which groups of them a candidate is nearer.

    Parameters
    ----------
    shape : tuple of int
        Rows and features.
    trials : int
        Candidates for each centre.
    """

    def __init__(self, shape: tuple[int, int], trials: int) -> None:
        n, _d = shape
        self.memory = (
            np.empty(n, np.float32),
            np.empty(shape, np.float32),
            np.empty((n, trials), np.uint8),
        )
        # An odd number of lanes, so that columns do not meet in the same places of the cache.
        pairs = max(1, min(BLOCK // shape[1], BLOCK_ROWS) // (2 * LANES))
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
    block: np.ndarray,
    weights: None,
    mass: np.ndarray,
    columns: np.ndarray,
    flags: np.ndarray,
    *,
    center: np.ndarray,
) -> CandidateGains:
    columns.reshape(block.shape[::-1])[:] = block.T
    mass[:] = np.inf
    flags[:] = True
    _keep(mass, columns.reshape(-1), flags.reshape(-1), center)
    return CandidateGains(mass.sum(keepdims=True, dtype=np.float64))


def _score_step(
    block: np.ndarray,
    weights: None,
    mass: np.ndarray,
    columns: np.ndarray,
    flags: np.ndarray,
    *,
    candidates: np.ndarray,
) -> CandidateGains:
    gains = np.empty(len(candidates))
    _score(mass, columns.reshape(-1), flags.reshape(-1), candidates, gains)
    return CandidateGains(gains)


def _keep_step(
    block: np.ndarray,
    weights: None,
    mass: np.ndarray,
    columns: np.ndarray,
    flags: np.ndarray,
    *,
    center: np.ndarray,
    best: int,
) -> None:
    of_best = flags.reshape(-1)[len(mass) // LANES * best :]
    _keep(mass, columns.reshape(-1), of_best, center)


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function; none but for float32."""
    if np.dtype(dtype) != np.float32:
        return {}
    real = types.float32
    flags = types.uint8[::1]
    return {
        "_score": (real[::1], real[::1], flags, real[:, ::1], types.f8[::1]),
        "_keep": (real[::1], real[::1], flags, real[::1]),
    }


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


@compiling.entry
def _score(mass: Any, columns: Any, flags: Any, candidates: Any, gains: Any) -> None:
    """Write what the masses lose to each candidate, and flag the groups where any is lower."""
    n, trials = len(mass), len(candidates)
    groups = n // LANES
    sums = np.zeros(LANES * trials, columns.dtype)
    none = spread(columns.dtype.type(0))
    gains[:] = 0
    for first in range(0, groups, GROUPS):
        sums[:] = 0
        for g in range(first, min(first + GROUPS, groups)):
            own = load(mass, g * LANES)
            for t in range(trials):
                found = _squares(columns, n, g * LANES, candidates[t])
                far = all_greater(found, own)
                flags[t * groups + g] = not far
                if not far:
                    gain = greater(minus(own, found), none)
                    store(sums, t * LANES, plus(load(sums, t * LANES), gain))
        for t in range(trials):
            for lane in range(LANES):
                gains[t] += sums[t * LANES + lane]
    for i in range(groups * LANES, n):
        for t in range(trials):
            gains[t] += max(mass[i] - _square(columns, n, i, candidates[t]), 0)


@compiling.entry
def _keep(mass: Any, columns: Any, flags: Any, center: Any) -> None:
    """Lower the masses in flagged groups to the squared distances to a new centre."""
    n = len(mass)
    groups = n // LANES
    for g in range(groups):
        if flags[g]:
            found = _squares(columns, n, g * LANES, center)
            store(mass, g * LANES, lesser(found, load(mass, g * LANES)))
    for i in range(groups * LANES, n):
        mass[i] = min(mass[i], _square(columns, n, i, center))
