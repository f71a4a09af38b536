"""The swap phases of k-medoids: the best swap of all, or each that pays as soon as it is seen."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from kmeans_xp.algorithms.loop import Report, Run, iterate
from kmeans_xp.algorithms.medoids.judges import Judges
from kmeans_xp.arrays import Array, Totals, to_host
from kmeans_xp.kernels.interface import MedoidSwaps


@dataclass(frozen=True)
class Swapped:
    """Medoids after some iterations.

    Attributes
    ----------
    judges : Judges
    swaps : MedoidSwaps
        Changed in place by each iteration.
    last : int or None
        The last row that was swapped in: when all rows were tried since, none pays any more.
    """

    judges: Judges
    swaps: MedoidSwaps
    last: int | None = None

    @classmethod
    def of(cls, judges: Judges, medoids: list[int], *, before: int = 0) -> "Swapped":
        """Return medoids, rows of X, at the start of iterations; there were swaps `before`."""
        candidates = judges.candidates
        if candidates.numbers is not None:
            medoids = np.searchsorted(candidates.numbers, medoids).tolist()
        swaps = candidates.engine.swaps(medoids, judges.to(medoids), judges.weights)
        swaps.n_swaps = before
        return cls(judges, swaps)

    @property
    def medoids(self) -> list[int]:
        """Return which rows of X the medoids are."""
        numbers: list[int] = self.judges.candidates.which(self.swaps.medoids).tolist()
        return numbers


Tell = Callable[[int, Swapped, Report], Any]


def swap_best(begun: Swapped, *, max_iter: int, tell: Tell) -> Run[Swapped]:
    """Swap, in each iteration, the one row and medoid that lower the loss most."""
    step = partial(_swap_best, numbers=begun.judges.candidates.rows.numbers())
    return iterate(step, begun, max_iter=max_iter, tell=tell)


def swap_eagerly(
    begun: Swapped, *, max_iter: int, tell: Tell, least_gain: float = 0.0
) -> Run[Swapped]:
    """Try, in each iteration, all rows in turn, and swap each that lowers the loss at once.

    It ends with an iteration that lowers the loss by less than a part of it, `least_gain`, or not.
    """
    step = partial(_swap_eagerly, least_gain=least_gain)
    return iterate(step, begun, max_iter=max_iter, tell=tell)


def _swap_eagerly(state: Swapped, *, least_gain: float) -> tuple[Swapped, Report]:
    judges, swaps, last = state.judges, state.swaps, state.last
    loss, before, n = swaps.loss, swaps.n_swaps, judges.candidates.rows.shape[0]
    start = 0
    while start < n:
        stop = min(start + swaps.block_rows, n)
        if last is not None and swaps.n_swaps == before:
            stop = min(stop, last)
        if start == stop:
            break
        closed = judges.candidates.closed(start, stop)
        found = swaps.swap_eagerly(judges.block(start, stop), start, closed)
        last = last if found is None else found
        start = stop
    report = _report(swaps, loss, before)
    if loss - swaps.loss < least_gain * loss:
        report = replace(report, converged=True)
    return Swapped(judges, swaps, last), report


@dataclass(frozen=True)
class _Best(Totals):
    """By how much the best swap changes the loss, the row that comes, and whose place it takes."""

    change: float
    number: int
    place: int

    def __add__(self, other: "_Best") -> "_Best":
        # Where sums of equal terms differ by rounding, the first, however rows are cut into blocks.
        return other if other.change + MedoidSwaps.TIE * abs(other.change) < self.change else self


def _swap_best(state: Swapped, *, numbers: Array) -> tuple[Swapped, Report]:
    judges, swaps = state.judges, state.swaps
    rows, weights = judges.candidates.rows, judges.candidates.weights
    loss, before = swaps.loss, swaps.n_swaps
    step = partial(_best_step, judges=judges, swaps=swaps)
    best = rows.fold(step, numbers, weights, block_rows=swaps.block_rows)
    if swaps.gains_enough(best.change, best.place):
        swaps.swap(judges.to([best.number])[:, 0], best.number, best.place)
    return state, _report(swaps, loss, before)


def _best_step(
    block: Array, numbers: Array, weights: Array | None, *, judges: Judges, swaps: MedoidSwaps
) -> _Best:
    which = to_host(numbers)
    changes, places = swaps.changes(judges.measured(block, which))
    changes[np.isin(which, swaps.medoids)] = np.inf
    if weights is not None:
        changes[to_host(weights) <= 0] = np.inf
    least = float(changes.min())
    best = int(np.argmax(changes <= least + swaps.TIE * abs(least)))
    return _Best(float(changes[best]), int(which[best]), int(places[best]))


def _report(swaps: MedoidSwaps, loss: float, before: int) -> Report:
    """Report the loss that an iteration started from, and how many medoids it changed."""
    return Report(loss, swaps.n_swaps - before, swaps.n_swaps == before)
