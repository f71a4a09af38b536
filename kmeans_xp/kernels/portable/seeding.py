"""The potential of rows while greedy k-means++ chooses centres: kept by a seeder, or computed."""

from dataclasses import dataclass
from functools import partial
from typing import Any, final

import numpy as np

from kmeans_xp.arrays import Array, Totals, namespace_of, to_host
from kmeans_xp.arrays.fusing import fused
from kmeans_xp.kernels.interface import Engine, Potential, Seeder, SeedingStep, Source
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters, prepare

# Candidates that are scored at a time, which bounds what a seeder keeps of them for each row. With
# so many a step takes little longer than its arithmetic.
TOGETHER = 32


@final
class RememberedPotential(Potential):
    """The potential in a seeder's memory, whose steps skip rows that no candidate can lower."""

    def __init__(self, rows: Source, weights: Array | None, seeder: Seeder) -> None:
        self.rows = rows
        self.weights = weights
        self.seeder = seeder
        self.potential = seeder.memory[0]
        # The candidates that were scored last: the seeder knows which rows they are nearer to.
        self._scored: list[int] = []

    def start(self, first: int) -> bool:
        """Take in the first centre; return whether the rows' squares are finite."""
        gains = self._fold(self.seeder.start(self.rows.take([first])[0, :])).gains
        return bool(np.isfinite(gains))

    def gains(self, drawn: list[int]) -> np.ndarray:
        """Return by how much some rows, as centres, would lower the sum of the potential."""
        return np.concatenate([self._score(group) for group in _groups(drawn)])

    def keep(self, drawn: list[int], best: int) -> None:
        """Take in one of the candidates that `gains` was just asked about."""
        group = _groups(drawn)[best // TOGETHER]
        if group != self._scored:
            self._score(group)
        self._fold(self.seeder.keep(self.rows.take(group), best % TOGETHER))

    def _score(self, drawn: list[int]) -> np.ndarray:
        self._scored = drawn
        return np.asarray(self._fold(self.seeder.score(self.rows.take(drawn))).gains)

    def _fold(self, step: SeedingStep) -> Any:
        size = self.seeder.block_rows
        return self.rows.fold(step, self.weights, *self.seeder.memory, block_rows=size)


@final
class ComputedPotential(Potential):
    """The potential by the distances of all rows, on any backend.

    Parameters
    ----------
    rows, weights, engine
        As `kmeans_xp.kernels.portable.lloyd.FullSearch` has them.
    dtype : dtype
        Of the potential.
    trials : int
        How many candidates there are for each centre.
    """

    def __init__(
        self, rows: Source, weights: Array | None, engine: Engine, dtype: Any, *, trials: int
    ) -> None:
        self.rows = rows
        self.weights = weights
        self.engine = engine
        self.dtype = dtype
        self.block_rows = engine.block_rows(min(trials, TOGETHER), rows.shape[1])
        self.potential: Array = None

    def add(self, indices: list[int]) -> None:
        """Take in some rows as centres."""
        prepared = prepare(self.rows.take(indices))
        step = partial(_add_step, engine=self.engine, prepared=prepared, dtype=self.dtype)
        before, size = self.potential, self.block_rows
        if len(indices) > 1:
            size = self.engine.block_rows(*prepared.centers.shape)
        (self.potential,) = self.rows.map(step, before, self.weights, block_rows=size, spare=before)

    def gains(self, drawn: list[int]) -> np.ndarray:
        """Return by how much some rows, as centres, would lower the sum of the potential."""
        groups = [prepare(self.rows.take(group)) for group in _groups(drawn)]
        step = partial(_sum_step, engine=self.engine, groups=groups, wide=self.rows.wide)
        totals = self.rows.fold(step, self.potential, self.weights, block_rows=self.block_rows)
        return -to_host(totals.potentials).astype(np.float64)

    def keep(self, drawn: list[int], best: int) -> None:
        """Take in one of the candidates that `gains` was just asked about."""
        self.add([drawn[best]])


@dataclass(frozen=True)
class _Potentials(Totals):
    """The sum of the potential with each candidate as a centre, (T,)."""

    potentials: Array


def _groups(drawn: list[int]) -> list[list[int]]:
    """Divide candidates into groups that are scored at a time."""
    return [drawn[i : i + TOGETHER] for i in range(0, len(drawn), TOGETHER)]


def _add_step(
    block: Array,
    potential: Array | None,
    weights: Array | None,
    *,
    engine: Engine,
    prepared: PreparedCenters,
    dtype: Any,
) -> tuple[Array]:
    xp = namespace_of(block)
    if prepared.centers.shape[0] == 1:
        new = engine.distances(block, prepared, dtype)[:, 0]
    else:  # All distances would take more memory than the block.
        new = xp.astype(engine.nearest(block, prepared)[1], dtype, copy=False)
    new = new if weights is None else new * weights
    return (new if potential is None else xp.minimum(potential, new),)


def _sum_step(
    block: Array,
    potential: Array,
    weights: Array | None,
    *,
    engine: Engine,
    groups: list[PreparedCenters],
    wide: Any,
) -> _Potentials:
    sums = []
    for prepared in groups:
        new = engine.distances(block, prepared, potential.dtype)
        sums.append(_lowered(potential, new, weights, dtype=wide))
    return _Potentials(namespace_of(block).concat(sums))


@fused("dtype")
def _lowered(potential: Array, new: Array, weights: Array | None, *, dtype: Any) -> Array:
    """Return the sum of the potential, (T,), with each of T centres at squared distances `new`."""
    xp = namespace_of(potential)
    new = new if weights is None else new * weights[:, None]
    return xp.sum(xp.minimum(potential[:, None], new), axis=0, dtype=dtype)
