"""Lloyd's algorithm for two centres: after the first iteration few rows change sides."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np

from kmeans_xp.algorithms.kmeans import Problem
from kmeans_xp.algorithms.loop import Report, iterate
from kmeans_xp.algorithms.moments import Moments
from kmeans_xp.algorithms.seeding import Init, seed
from kmeans_xp.arrays import Array, Totals, namespace_of, to_host
from kmeans_xp.arrays.precision import quiet
from kmeans_xp.kernels import Frame, Gains, Kernel, Pair, frame_of

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
    second: Gains | None = None


@dataclass(frozen=True)
class _Halves(Totals):
    inertia: Array
    gains: Gains


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
    reach : float or None
        A bound of the norms of the rows, where these have no weights.
    """

    problem: Problem
    about: Array
    middle: np.ndarray
    rest: np.ndarray
    squares: float
    reach: float | None

    @classmethod
    def of(cls, problem: Problem) -> Self:
        """Prepare the rows of `problem`."""
        rows, moments, reach = problem.rows, problem.moments, None
        about = rows.small(moments.mean, rows.wide)
        middle = to_host(about).astype(np.float64)
        rest, squares = rows.shape[0] * (moments.mean - middle), float(moments.squares.sum())
        if problem.weights is None:
            # No row is farther from the mean than all are together.
            reach = float(np.linalg.norm(moments.mean)) + 1.01 * math.sqrt(squares)
        return cls(problem, about, middle, rest, squares, reach)

    def run(self, shown: Array | None, init: Init, max_iter: int) -> Divided:
        """Seed two centres, iterate to the end, and assign once more."""
        problem = self.problem
        rows, weights, moments = problem.rows, problem.weights, problem.moments
        centers = seed(rows, shown, 2, init, weights, moments, problem.generator, problem.kernel)
        step = self._step if weights is None else self._whole_step
        run = iterate(step, _state(centers), max_iter=max_iter, tell=lambda *_: False)
        return self._settled(run.state, run.converged)

    @quiet()
    def _step(self, state: _State) -> tuple[_State, Report]:
        """Sum the rows that changed sides."""
        rows, threshold = self.problem.rows, self.problem.threshold
        step = partial(_gains_step, pair=self._pair(state), about=self.about)
        gains, (labels,) = rows.sweep(step, state.labels, block_rows=self._block_rows)
        second = _added(state.second, gains)
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
        moved, report = self.problem.step(state.centers, tally=self.problem.tally())
        return _state(moved), report

    @quiet()
    def _settled(self, state: _State, converged: bool) -> Divided:
        """Return the halves that the two centres make of the rows."""
        rows, weights, centers = self.problem.rows, self.problem.weights, state.centers
        step = partial(
            _halves_step,
            pair=self._pair(state),
            about=self.about,
            kernel=self.problem.kernel,
            frame=frame_of(centers),
        )
        halves, (labels,) = rows.sweep(step, state.labels, weights, block_rows=self._block_rows)
        second = _added(state.second, halves.gains)
        inertia = to_host(halves.inertia).astype(np.float64)
        sizes = np.array([rows.shape[0] - second.size, second.size])
        moments: tuple[Moments | None, ...] = (None, None)
        if weights is None and sizes.all():
            moments = self._moments(centers, self._means(second), inertia, sizes)
        return Divided(centers, labels, inertia, sizes, moments, converged)

    def _moments(
        self, centers: Array, means: np.ndarray, inertia: np.ndarray, sizes: np.ndarray
    ) -> tuple[Moments, ...]:
        """Return the moments of both halves, the squares as if all features had the same."""
        offsets = np.square(to_host(centers) - means).sum(axis=1)
        squares = np.maximum(inertia - sizes * offsets, ROUNDING * inertia)
        d = means.shape[1]
        return tuple(
            Moments(float(sizes[j]), means[j], np.full(d, squares[j] / d), centers[j, :])
            for j in (0, 1)
        )

    def _means(self, second: Gains) -> np.ndarray:
        """Return the means of both halves, (2, d)."""
        first = (self.rest - second.sums) / (self.problem.rows.shape[0] - second.size)
        return self.middle + np.array([first, second.sums / second.size])

    def _pair(self, state: _State) -> Pair:
        return self.problem.kernel.pair(state.centers, self.reach)

    @property
    def _block_rows(self) -> int:
        return BLOCKS * self.problem.block_rows


def _state(centers: Array) -> _State:
    return _State(centers, to_host(centers).astype(np.float64))


def _added(before: Gains | None, gains: Gains) -> Gains:
    """Return the sum on the host."""
    here = Gains(to_host(gains.size), to_host(gains.sums).astype(np.float64, copy=False))
    return here if before is None else before + here


def _gains_step(
    block: Array, before: Array | None, *, pair: Pair, about: Array
) -> tuple[Gains, tuple[Array]]:
    gains, labels = pair.gains(block, before, about)
    return gains, (labels,)


def _halves_step(
    block: Array,
    before: Array | None,
    weights: Array | None,
    *,
    pair: Pair,
    about: Array,
    kernel: Kernel,
    frame: Frame,
) -> tuple[_Halves, tuple[Array]]:
    gains, labels = pair.gains(block, before, about)
    xp, distances = namespace_of(block), kernel.own_distances(block, frame, labels)
    costs = distances if weights is None else distances * weights
    side = xp.astype(labels, costs.dtype)
    inertia = xp.stack([xp.vecdot(costs, 1 - side), xp.vecdot(costs, side)])
    return _Halves(inertia, gains), (labels,)
