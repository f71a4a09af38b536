"""How far the rows are from the centres that a seeding has chosen so far."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import numpy as np

from kmeans_xp.algorithms.moments import Moments
from kmeans_xp.arrays import Array, namespace_of
from kmeans_xp.arrays import Totals
from kmeans_xp.arrays import to_host
from kmeans_xp.kernels.interface import TOGETHER, Engine, Seeder
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters, prepare
from kmeans_xp.rows.base import Rows

# Part of the mass that rounding may take from what candidates gain: equal ones stay equal.
TIE = 2.0**-20


class Potential(ABC):
    """Each row's mass: its weight times the squared distance to the nearest centre so far."""

    mass: Array

    @abstractmethod
    def gains(self, drawn: list[int]) -> np.ndarray:
        """Return by how much some rows, as centres, would lower the sum of the masses; float64.

        Up to a number that is the same for all.
        """

    def best(self, drawn: list[int], total: float) -> int:
        """Return the first of the candidates that lower the `total` mass most, up to rounding."""
        gains = self.gains(drawn)
        return int(np.argmax(gains >= gains.max() - TIE * total))

    @abstractmethod
    def keep(self, drawn: list[int], best: int) -> None:
        """Take in one of the candidates that `gains` was just asked about."""


def potential_to(
    rows: Rows,
    weights: Array | None,
    moments: Moments,
    kernel: Engine,
    first: int,
    *,
    k: int,
    trials: int,
) -> Potential:
    """Return the masses from a first centre on: remembered where that pays, or computed afresh."""
    usual = _usual(moments)
    if usual and rows.in_place and kernel.seeder is not None:
        dtype = potential_dtype(rows, weights, moments)
        seeder = kernel.seeder(rows.shape, k, trials, moments.origin, dtype, rows.few)
        if seeder is not None:
            masses = Remembered(rows, weights, seeder)
            if masses.start(first):
                return masses
    computed = Computed(rows, weights, moments, kernel, trials=trials)
    computed.add([first])
    return computed


def potential_dtype(rows: Rows, weights: Array | None, moments: Moments) -> Any:
    """Return the dtype of masses: half the memory where single precision has the range."""
    return rows.xp.float32 if _usual(moments) and weights is None else rows.wide


def _usual(moments: Moments) -> bool:
    return 2.0**-40 < moments.variance < 2.0**40


@final
class Remembered(Potential):
    """Masses in the memory of a seeder, whose steps look only at rows that may have come nearer."""

    def __init__(self, rows: Rows, weights: Array | None, seeder: Seeder) -> None:
        self.rows = rows
        self.weights = weights
        self.seeder = seeder
        self.mass = seeder.memory[0]
        # Candidates that were scored last, of which the seeder knows whom they are nearer.
        self._scored: list[int] = []

    def start(self, first: int) -> bool:
        """Take in the first centre; return whether the rows' squares are finite."""
        return bool(np.isfinite(self._fold(self.seeder.start(self.rows.take([first])[0, :])).gains))

    def gains(self, drawn: list[int]) -> np.ndarray:
        """Return by how much some rows, as centres, would lower the sum of the masses."""
        return np.concatenate([self._score(some) for some in _few_each(drawn)])

    def keep(self, drawn: list[int], best: int) -> None:
        """Take in one of the candidates that `gains` was just asked about."""
        some = _few_each(drawn)[best // TOGETHER]
        if some != self._scored:
            self._score(some)
        self._fold(self.seeder.keep(self.rows.take(some), best % TOGETHER))

    def _score(self, drawn: list[int]) -> np.ndarray:
        self._scored = drawn
        return np.asarray(self._fold(self.seeder.score(self.rows.take(drawn))).gains)

    def _fold(self, step: Any) -> Any:
        size = self.seeder.block_rows
        return self.rows.fold(step, self.weights, *self.seeder.memory, block_rows=size)


def _few_each(drawn: list[int]) -> list[list[int]]:
    """Return candidates in groups of as many as are compared at a time."""
    return [drawn[i : i + TOGETHER] for i in range(0, len(drawn), TOGETHER)]


@dataclass(frozen=True)
class _Potentials(Totals):
    masses: Array


@final
class Computed(Potential):
    """Masses by distances of all rows, on any backend.

    Parameters
    ----------
    rows, weights, moments, kernel
        What is seeded, and with what.
    trials : int
        How many candidates there are for each centre.
    """

    def __init__(
        self, rows: Rows, weights: Array | None, moments: Moments, kernel: Engine, *, trials: int
    ) -> None:
        self.rows = rows
        self.weights = weights
        self.kernel = kernel
        self.dtype = potential_dtype(rows, weights, moments)
        self.block_rows = kernel.block_rows(min(trials, TOGETHER), rows.shape[1])
        self.mass: Array = None

    def add(self, indices: list[int]) -> None:
        """Take in some rows as centres."""
        prepared = prepare(self.rows.take(indices))
        step = partial(_add_step, kernel=self.kernel, prepared=prepared, dtype=self.dtype)
        before, size = self.mass, self.block_rows
        if len(indices) > 1:
            size = self.kernel.block_rows(*prepared.centers.shape)
        self.mass = self.rows.map(step, before, self.weights, block_rows=size, spare=before)[0]

    def gains(self, drawn: list[int]) -> np.ndarray:
        """Return by how much some rows, as centres, would lower the sum of the masses."""
        frames = [prepare(self.rows.take(some)) for some in _few_each(drawn)]
        step = partial(_potential_step, kernel=self.kernel, frames=frames, wide=self.rows.wide)
        totals = self.rows.fold(step, self.mass, self.weights, block_rows=self.block_rows)
        return -to_host(totals.masses).astype(np.float64)

    def keep(self, drawn: list[int], best: int) -> None:
        """Take in one of the candidates that `gains` was just asked about."""
        self.add([drawn[best]])


def _add_step(
    block: Array,
    mass: Array | None,
    weights: Array | None,
    *,
    kernel: Engine,
    prepared: PreparedCenters,
    dtype: Any,
) -> tuple[Array]:
    xp = namespace_of(block)
    if prepared.centers.shape[0] == 1:
        new = kernel.distances(block, prepared, dtype)[:, 0]
    else:  # Never all distances, which are more than a block of rows.
        new = xp.astype(kernel.nearest(block, prepared)[1], dtype, copy=False)
    new = new if weights is None else new * weights
    return (new if mass is None else xp.minimum(mass, new),)


def _potential_step(
    block: Array,
    mass: Array,
    weights: Array | None,
    *,
    kernel: Engine,
    frames: list[PreparedCenters],
    wide: Any,
) -> _Potentials:
    """Return what the masses would come to with each candidate as a centre."""
    xp, sums = namespace_of(block), []
    for prepared in frames:
        new = kernel.distances(block, prepared, mass.dtype)
        new = new if weights is None else new * weights[:, None]
        sums.append(xp.sum(xp.minimum(mass[:, None], new), axis=0, dtype=wide))
    return _Potentials(xp.concat(sums))
