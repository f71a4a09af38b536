"""The rows that judge medoids, and how far all rows, the candidates, are from them."""

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import array_api_extra as xpx
import numpy as np

from kmeans_xp.algorithms.seeding.fit import random_rows
from kmeans_xp.arrays import Array, Totals, device_of, namespace_of
from kmeans_xp.kernels.interface import Engine, Team
from kmeans_xp.kernels.metrics import DISTANCES, Measure, Precomputed
from kmeans_xp.kernels.shared.blocks import parts
from kmeans_xp.kernels.shared.prepared_centers import prepare
from kmeans_xp.rows.base import Rows
from kmeans_xp.rows.open import open_rows


@dataclass(frozen=True)
class Candidates:
    """Rows that may be medoids.

    Attributes
    ----------
    rows : Rows
        The candidates: rows of X, or of a matrix of distances.
    measure : Measure
    engine : Engine
    weights : array of shape (n,) or None
        Of the candidates, aligned with them.
    count : int
        How many have a positive weight; the others may be no medoids after all.
    numbers : ndarray of shape (n,), int64, or None
        Which rows of X the candidates are, ascending; None if they are all.
    """

    rows: Rows
    measure: Measure
    engine: Engine
    weights: Array | None
    count: int
    numbers: np.ndarray | None = None

    def closed(self, start: int, stop: int) -> np.ndarray:
        """Return which of the candidates from `start` to `stop` may be no medoids."""
        if self.weights is None or self.count == self.rows.shape[0]:
            return np.zeros(stop - start, bool)
        return self.rows.pick(self.weights, np.arange(start, stop)) <= 0

    def which(self, places: np.ndarray | list[int]) -> np.ndarray:
        """Return which rows of X some candidates are."""
        places = np.asarray(places)
        return places if self.numbers is None else self.numbers[places]

    def only(self, numbers: np.ndarray) -> "Candidates":
        """Return those candidates, of all rows, that have these numbers, ascending."""
        rows = self.rows.copied(numbers)
        return replace(self, rows=rows, weights=None, count=len(numbers), numbers=numbers)


@dataclass(frozen=True)
class Judges:
    """Rows that judge medoids.

    Attributes
    ----------
    candidates : Candidates
    numbers : ndarray of shape (m,), int64
        Which rows of X the judges are, ascending.
    prepared : object
        The judges as the candidates' measure prepared them; None if these are distances to them.
    weights : array of shape (m,)
        How many rows each stands for, in the widest float.
    own : array of shape (m,) or None
        How far each counts as being from itself; None if that is 0.
    """

    candidates: Candidates
    numbers: np.ndarray
    prepared: Any
    weights: Array
    own: Array | None = None

    def block(self, start: int, stop: int) -> Array:
        """Return the distances of the candidates from `start` to `stop`, (B, m)."""
        rows = self.candidates.rows
        return self.measured(rows.block(start, stop), np.arange(start, stop), rows.team)

    def to(self, places: list[int]) -> Array:
        """Return the judges' distances to some candidates, (m, T)."""
        found = self.measured(self.candidates.rows.take(places), np.asarray(places))
        return namespace_of(found).permute_dims(found, (1, 0))

    def measured(self, block: Array, places: np.ndarray, team: Team | None = None) -> Array:
        """Return the distances of a block of candidates, (B, m), whose `places` are known."""
        found = self.candidates.measure.distances(block, self.prepared, team)
        if self.own is None:
            return found
        numbers = self.candidates.which(places)
        first, last = np.searchsorted(self.numbers, [numbers.min(), numbers.max() + 1])
        if first == last:
            return found
        xp, rows = namespace_of(found), self.candidates.rows
        itself = rows.small(numbers[:, None] == self.numbers[None, first:last])
        some = xp.where(itself, self.own[None, first:last], found[:, first:last])
        return xpx.at(found)[:, first:last].set(some)


def all_judge(candidates: Candidates) -> Judges:
    """Return all rows as judges, to which the distances are measured and kept if they are not yet.

    They take n² numbers.
    """
    rows, weights = candidates.rows, candidates.weights
    n = rows.shape[0]
    weighed = _weights(rows, weights, np.arange(n))
    if not isinstance(candidates.measure, Precomputed):
        kept = _distances(candidates)
        weights = None if weights is None else weighed
        candidates = replace(candidates, rows=kept, measure=Precomputed(), weights=weights)
    return Judges(candidates, np.arange(n), None, weighed)


def _weights(rows: Rows, weights: Array | None, numbers: np.ndarray) -> Array:
    """Return the weights of some rows where blocks live, in the widest float."""
    host = np.ones(len(numbers)) if weights is None else rows.pick(weights, numbers)
    return rows.small(host, rows.wide)


def _distances(candidates: Candidates) -> Rows:
    """Return the distances of all candidates to all, in memory."""
    rows, measure = candidates.rows, candidates.measure
    n = rows.shape[0]
    block = rows.block(0, n)
    step = partial(_distances_step, measure=measure, prepared=measure.prepare(block))
    return open_rows(open_rows(block).map(step, block_rows=max(1, DISTANCES // n))[0])


def _distances_step(block: Array, *, measure: Measure, prepared: Any) -> tuple[Array]:
    return (measure.distances(block, prepared),)


def batch_size(n: int, k: int) -> int:
    """Return how many judges suffice for k medoids of n rows, by de Mathelin et al. (2025)."""
    return max(1, math.ceil(100 * math.log(k * n)))


def some_judge(candidates: Candidates, size: int, generator: np.random.Generator) -> Judges:
    """Return random rows as judges, each for the rows that are nearer to it than to the others.

    A judge counts as being as far from itself as from the next one: that it is there at all is no
    evidence of rows around it. Where all rows judge, each is for itself.
    """
    rows, measure, weights = candidates.rows, candidates.measure, candidates.weights
    drawn = random_rows(rows, min(size, candidates.count), weights, generator)
    numbers = np.sort(np.asarray(drawn))
    judges = rows.take(numbers)
    prepared = measure.prepare(judges)
    if len(numbers) == candidates.count:
        return Judges(candidates, numbers, prepared, _weights(rows, weights, numbers))
    step = partial(
        _votes_step,
        measure=measure,
        engine=candidates.engine,
        prepared=prepared,
        size=len(numbers),
    )
    size = measure.block_rows(len(numbers), rows.shape[1])
    votes = rows.fold(step, weights, block_rows=size).weights
    own = [
        _to_next(measure.distances(judges[part, :], prepared, rows.team), part.start)
        for part in parts(len(numbers), DISTANCES // len(numbers))
    ]
    return Judges(candidates, numbers, prepared, votes, rows.xp.concat(own))


def fewer(judges: Judges, size: int, medoids: list[int], generator: np.random.Generator) -> Judges:
    """Return the same judges of fewer candidates: so many random rows, and the medoids."""
    candidates = judges.candidates
    size = min(size, candidates.count)
    drawn = random_rows(candidates.rows, size, candidates.weights, generator)
    return replace(judges, candidates=candidates.only(np.union1d(drawn, medoids)))


def _to_next(distances: Array, first: int) -> Array:
    """Return how far judges, from number `first` on, are from the nearest of the others, (B,)."""
    xp, last = namespace_of(distances), first + distances.shape[0]
    itself = xp.eye(last - first, dtype=xp.bool, device=device_of(distances))
    others = xp.where(itself, xp.inf, distances[:, first:last])
    return xp.min(xpx.at(distances)[:, first:last].set(others), axis=1)


@dataclass(frozen=True)
class _Votes(Totals):
    weights: Array


def _votes_step(
    block: Array,
    weights: Array | None,
    *,
    measure: Measure,
    engine: Engine,
    prepared: Any,
    size: int,
) -> _Votes:
    """Return the weight of the rows that are nearest to each judge."""
    xp = namespace_of(block)
    labels, _ = measure.nearest(block, prepared)
    nothing = prepare(xp.zeros((size, 1), dtype=block.dtype, device=device_of(block)))
    return _Votes(engine.sum_by_label(block[:, :1], labels, weights, nothing).weights)
