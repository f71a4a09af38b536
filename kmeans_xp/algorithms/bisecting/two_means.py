"""Lloyd's algorithm for two centres: after the first iteration few rows change sides."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np

from kmeans_xp.algorithms.kmeans.fit import Problem
from kmeans_xp.algorithms.loop import Report, iterate
from kmeans_xp.algorithms.moments import CANCELLED, Moments
from kmeans_xp.algorithms.seeding.fit import Init, seed
from kmeans_xp.arrays import Array, Totals, namespace_of, to_host
from kmeans_xp.arrays.precision import quiet
from kmeans_xp.kernels.interface import Engine, HalfGains, Halves, HalvesTask
from kmeans_xp.kernels.shared.prepared_centers import Origin, PreparedCenters, prepare

# A half with so many times fewer rows than both is summed by itself.
UNEVEN = 1 << 20
# Blocks of so many usual ones: to search two centres takes little of what a block costs.
BLOCKS = 4
# Of an inertia, and more than rounding takes from it.
ROUNDING = 1e-14


@dataclass(frozen=True)
class Divided:
    """Two halves: centres and labels where rows live, the rest on the host, for both of them.

    Where rows have weights, the moments of the halves are not known.
    """

    centers: Array
    labels: Array
    inertia: np.ndarray
    sizes: np.ndarray
    moments: tuple[Moments | None, ...]
    converged: bool


@dataclass(frozen=True)
class _State:
    """Two centres, which half each row was in last, and what the second had; nothing at first.

    `means` are the centres on the host, before they are rounded to the rows' dtype.
    """

    centers: Array
    means: np.ndarray
    labels: Array | None = None
    second: HalfGains | None = None


@dataclass(frozen=True)
class _Halves(Totals):
    inertia: Array


@dataclass(frozen=True)
class Division:
    """Rows that are to be divided.

    Sums are taken about their mean, where the sum of one half tells that of the other.

    Attributes
    ----------
    about : array of shape (d,)
        The mean, where blocks live.
    middle : numpy.ndarray of shape (d,)
        The same on the host, in float64.
    rest : numpy.ndarray of shape (d,)
        The sum of all rows about it, which only its rounding leaves.
    squares : float
        Of all rows about it.
    block_rows : int
        How many rows a block has.
    halves : Halves
        The rows as the engine divides them.
    """

    problem: Problem
    about: Array
    middle: np.ndarray
    rest: np.ndarray
    squares: float
    block_rows: int
    halves: Halves

    @classmethod
    @quiet()
    def of(cls, problem: Problem) -> Self:
        """Prepare the rows of `problem`."""
        rows, moments, max_norm = problem.rows, problem.moments, None
        about = rows.small(moments.mean, rows.wide)
        middle = to_host(about).astype(np.float64)
        rest, squares = rows.shape[0] * (moments.mean - middle), moments.total
        if problem.weights is None:
            # No row is farther from the mean than all are together.
            max_norm = float(np.linalg.norm(moments.mean)) + 1.01 * math.sqrt(squares)
        size = BLOCKS * problem.engine.block_rows(problem.k, rows.shape[1])
        halves = problem.engine.halves(HalvesTask(rows, about, max_norm, size))
        return cls(problem, about, middle, rest, squares, size, halves)

    @quiet()
    def run(self, shown: Array | None, init: Init, max_iter: int) -> Divided:
        """Seed two centres, iterate to the end, and assign once more."""
        problem = self.problem
        rows, weights, moments = problem.rows, problem.weights, problem.moments
        centers = seed(rows, shown, 2, init, weights, moments, problem.generator, problem.engine)
        step = self._step if weights is None else self._whole_step
        run = iterate(step, _state(centers), max_iter=max_iter, tell=lambda *_: False)
        return self._settled(run.state, run.converged)

    def _step(self, state: _State) -> tuple[_State, Report]:
        """Sum the rows that changed sides."""
        rows, threshold = self.problem.rows, self._threshold
        second, labels = self._second(state)
        size, n = float(second.size), rows.shape[0]
        if min(size, n - size) * UNEVEN < n:
            return self._whole_step(state)
        means = self._means(second)
        change = means - state.means
        shift = float(np.vdot(change, change))
        between = n / (size * (n - size)) * float(second.sums @ second.sums)
        moved = _State(rows.small(means, rows.dtype), means, labels, second)
        return moved, Report(self.squares - between, shift, shift <= threshold)

    def _whole_step(self, state: _State) -> tuple[_State, Report]:
        """Sum each half by itself, so that what it lost leaves no rest in it."""
        problem = self.problem
        moved, report = problem.step(
            state.centers, lloyd=problem.lloyd(), threshold=lambda: self._threshold
        )
        return _state(moved), report

    @property
    def _threshold(self) -> float:
        """Return up to which squared shift of the centres they have converged."""
        return self.problem.tol * self.problem.moments.variance

    def _settled(self, state: _State, converged: bool) -> Divided:
        """Return the halves that the two centres make of the rows."""
        weights, centers = self.problem.weights, state.centers
        second, labels = self._second(state)
        sizes = np.array([self.problem.rows.shape[0] - second.size, second.size])
        inertia = self._inertia(centers, labels, second, sizes)
        moments: tuple[Moments | None, ...] = (None, None)
        if weights is None and sizes.all():
            moments = self._moments(centers, self._means(second), inertia, sizes)
        return Divided(centers, labels, inertia, sizes, moments, converged)

    def _second(self, state: _State) -> tuple[HalfGains, Array]:
        """Return what the second half has, on the host, and which half each row is in."""
        before = state.second
        if before is None:
            self.halves.start(state.centers)
        gains, labels = self.halves.gains(state.centers)
        return gains if before is None else before + gains, labels

    def _inertia(
        self, centers: Array, labels: Array, second: HalfGains, sizes: np.ndarray
    ) -> np.ndarray:
        """Return the inertia of both halves, from what is remembered where that is enough."""
        squares = self.halves.squares()
        if squares is not None:
            shifted = to_host(centers) - self.middle
            sums = np.array([self.rest - second.sums, second.sums])
            found = squares + np.vecdot(shifted, sizes[:, None] * shifted - 2 * sums)
            if (found >= CANCELLED * squares).all():
                return found
        engine, rows = self.problem.engine, self.problem.rows
        step = partial(_inertia_step, engine=engine, prepared=prepare(centers))
        halves = rows.fold(step, labels, self.problem.weights, block_rows=self.block_rows)
        return to_host(halves.inertia).astype(np.float64)

    def _moments(
        self, centers: Array, means: np.ndarray, inertia: np.ndarray, sizes: np.ndarray
    ) -> tuple[Moments, ...]:
        """Return the moments of both halves, the squares as if all features had the same."""
        offsets = np.square(to_host(centers) - means).sum(axis=1)
        squares = np.maximum(inertia - sizes * offsets, ROUNDING * inertia)
        d = means.shape[1]
        return tuple(
            Moments(
                float(sizes[j]),
                means[j],
                np.full(d, squares[j] / d),
                Origin(centers[j, :]),
                float(inertia[j]),
                float(inertia[j]),
            )
            for j in (0, 1)
        )

    def _means(self, second: HalfGains) -> np.ndarray:
        """Return the means of both halves, (2, d)."""
        first = (self.rest - second.sums) / (self.problem.rows.shape[0] - second.size)
        return self.middle + np.array([first, second.sums / second.size])


def _state(centers: Array) -> _State:
    return _State(centers, to_host(centers).astype(np.float64))


def _inertia_step(
    block: Array, labels: Array, weights: Array | None, *, engine: Engine, prepared: PreparedCenters
) -> _Halves:
    xp, distances = namespace_of(block), engine.own_distances(block, prepared, labels)
    costs = distances if weights is None else distances * weights
    side = xp.astype(labels, costs.dtype)
    return _Halves(xp.stack([xp.vecdot(costs, 1 - side), xp.vecdot(costs, side)]))
