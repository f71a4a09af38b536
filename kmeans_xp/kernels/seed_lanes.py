"""Greedy k-means++ of rows of few features, sixteen rows at a time, compiled by Numba.

Imported only where Numba is. Distances are taken by direct differences in single precision, from
a copy of the rows that lies feature by feature within each block.
"""

from functools import partial
from typing import final

import numpy as np

from kmeans_xp.kernels import seed_loops
from kmeans_xp.kernels.fast_vector import LANES
from kmeans_xp.kernels.seeder import Gains, Seeder, Step

# Entries of a block, and its rows at most.
BLOCK = 1 << 18
BLOCK_ROWS = 1 << 15


@final
class LaneSeeder(Seeder):
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

    def start(self, center: np.ndarray) -> Step:
        """Return the step that takes in the first centre, (d,)."""
        return partial(_start_step, center=np.ascontiguousarray(center))

    def score(self, candidates: np.ndarray) -> Step:
        """Return the step that scores candidates, (T, d)."""
        return partial(_score_step, candidates=np.ascontiguousarray(candidates))

    def keep(self, candidates: np.ndarray, best: int) -> Step:
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
) -> Gains:
    columns.reshape(block.shape[::-1])[:] = block.T
    mass[:] = np.inf
    flags[:] = True
    seed_loops.keep(mass, columns.reshape(-1), flags.reshape(-1), center)
    return Gains(mass.sum(keepdims=True, dtype=np.float64))


def _score_step(
    block: np.ndarray,
    weights: None,
    mass: np.ndarray,
    columns: np.ndarray,
    flags: np.ndarray,
    *,
    candidates: np.ndarray,
) -> Gains:
    gains = np.empty(len(candidates))
    seed_loops.score(mass, columns.reshape(-1), flags.reshape(-1), candidates, gains)
    return Gains(gains)


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
    seed_loops.keep(mass, columns.reshape(-1), of_best, center)
