"""Expectation-maximisation of Gaussian mixtures, whatever their kind and start."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from functools import cached_property, partial
from typing import Any, Self

import numpy as np

from kmeans_xp.algorithms.loop import Report, Run, iterate
from kmeans_xp.algorithms.mixture.expectation import (
    Expectation,
    expectation_of,
    narrows,
    require_density,
)
from kmeans_xp.algorithms.mixture.parameters import EPS, Mixture, attempted, maximize, shifts_of
from kmeans_xp.algorithms.moments import Moments
from kmeans_xp.arrays import Array, Totals, namespace_of, to_host
from kmeans_xp.arrays.precision import quiet
from kmeans_xp.arrays.record import Record
from kmeans_xp.kernels.choose.mixture import find_em
from kmeans_xp.kernels.interface import ExpectationMaximization
from kmeans_xp.kernels.shared.gaussians import Components, monomial_count
from kmeans_xp.rows.base import Rows
from kmeans_xp.rows.checks import range_error


@dataclass(frozen=True, eq=False, repr=False)
class MixtureIteration(Record):
    """What the callback of a mixture is told after each iteration.

    Attributes
    ----------
    run : int
        Which start this is, from 1 to ``n_init``.
    number : int
        Which iteration of the run, from 1.
    log_likelihood : float
        Mean log-likelihood of a row, of the parameters that the iteration started from.
    change : float
        By how much it is above that of the iteration before.
    means : array of shape (k, d)
        A copy of the new means, where X lives.
    """

    __module__ = "kmeans_xp"  # Pickles outlive moves.

    run: int
    number: int
    log_likelihood: float
    change: float
    means: Array


MixtureCallback = Callable[[MixtureIteration], Any]


@dataclass(frozen=True)
class State:
    """A mixture, and the mean log-likelihood of the one before it."""

    mixture: Mixture
    before: float = -math.inf


@dataclass(frozen=True)
class _EMTotals(Totals):
    moments: Array
    log_density: Array


@dataclass(frozen=True)
class EM:
    """What stays the same from iteration to iteration.

    Attributes
    ----------
    moments : Moments
        Of the rows. Mixtures are taken about their mean.
    kind : str
        Of the mixtures.
    reg_covar : float or None
        What is added to variances; None where covariances stay as they are.
    mixing : bool
        Whether the weights of the components are learned.
    """

    rows: Rows
    weights: Array | None
    moments: Moments
    kind: str
    tol: float
    reg_covar: float | None
    mixing: bool = True

    def fit(
        self,
        starts: Iterable[Mixture],
        *,
        max_iter: int,
        callback: MixtureCallback | None,
        before: float = -math.inf,
    ) -> Run[State]:
        """Return the run that reaches the largest log-likelihood; the first if none iterates.

        `before` is the mean log-likelihood of what came before the starts.
        """
        best: Run[State] | None = None
        with self.rows.together():
            for number, start in enumerate(starts, 1):
                tell = self._teller(callback, number)
                run = iterate(self.step, State(start, before), max_iter=max_iter, tell=tell)
                if best is None or run.history[-1] > best.history[-1]:
                    best = run
                if run.stopped or max_iter == 0:
                    break
        assert best is not None
        if self.reg_covar is not None:
            check_range(self.rows, best.state.mixture, self.rows.wide)
        return best

    def step(self, state: State) -> tuple[State, Report]:
        """Share the rows out, and fit every component to its shares."""
        before = state.mixture
        mixture, found = self._improved(before)
        require_density(self.rows, found)
        mixture = mixture if self.mixing else replace(mixture, weights=before.weights)
        change = found - state.before if found != state.before else 0.0
        # A change within rounding is none; nor can a mixture improve that stands still.
        still = math.isfinite(found) and abs(change) <= self.tol + 4 * EPS * abs(found)
        same = np.array_equal(mixture.means, before.means) and np.array_equal(
            mixture.covariances, before.covariances
        )
        return State(mixture, found), Report(found, change, still or same)

    def _improved(self, mixture: Mixture) -> tuple[Mixture, float]:
        """Return the next mixture, and the mean log-likelihood of this one."""
        rows, reg_covar = self.rows, self.reg_covar
        # Weights may be of any size, and their products too large or small for narrow floats.
        narrow = self.weights is None
        ready = expectation_of(rows, mixture, narrow=narrow, each=False)
        moments, anchors, found = self._shared_out(ready, ready.parts)
        eps = float(rows.xp.finfo(rows.dtype if ready.narrow else rows.wide).eps)
        after = attempted(mixture, moments, anchors, reg_covar, eps)
        if after and not (ready.narrow and not narrows(after, rows, after.cancellation())):
            return after, found
        # Cancellation, or narrow floats, took the digits of a covariance, or made it collapse. By
        # differences in wide floats, about the means that were found, nothing cancels.
        means = anchors + shifts_of(moments, mixture.means.shape[1])
        ready = expectation_of(rows, mixture, exact=True, each=False)
        about = rows.small(means - to_host(ready.parts.origin), rows.wide)
        moments, anchors, found = self._shared_out(ready, replace(ready.parts, means=about))
        return maximize(mixture, moments, anchors, reg_covar), found

    def _shared_out(
        self, ready: Expectation, about: Components
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """Return the moments of the shares, (k, p), their anchors, and the mean log-likelihood.

        Anchors are what moments are about: by difference the means of `about`, (k, d), by
        polynomial the origin, (d,).
        """
        step = partial(_em_step, em=ready.em, parts=ready.parts, about=about)
        monomials = None if ready.em.exact else self.monomials
        with quiet():
            totals = self.rows.fold(step, self.weights, monomials, block_rows=ready.block_rows)
        moments = to_host(totals.moments).astype(np.float64)
        anchors = to_host(about.origin).astype(np.float64)
        if ready.em.exact:
            anchors = anchors + to_host(about.means)
        return moments, anchors, float(to_host(totals.log_density)) / self.moments.weight

    @cached_property
    def monomials(self) -> Array | None:
        """Of all rows, (n, p), where these fit a block: they stay the same in every iteration."""
        rows, (n, d) = self.rows, self.rows.shape
        em = find_em(rows.xp, self.kind, d, device=rows.device)
        size = em.block_rows(1, monomial_count(self.kind, d), d)
        if em.exact or n > size or not rows.in_memory:
            return None
        origin = rows.small(self.moments.mean, rows.wide)
        step = partial(_prepare_step, em=em, origin=origin, kind=self.kind)
        return rows.map(step, block_rows=size)[0]

    def _teller(
        self, callback: MixtureCallback | None, run: int
    ) -> Callable[[int, State, Report], Any]:
        def tell(number: int, state: State, report: Report) -> Any:
            if callback is None:
                return False
            means = delivered(self.rows, state.mixture.means)
            iteration = MixtureIteration(run, number, report.objective, report.shift, means)
            return callback(iteration)

        return tell


@dataclass(frozen=True)
class Fit:
    """What a mixture was fitted to, and where the run ended that was kept."""

    rows: Rows
    weights: Array | None
    run: Run[State]


@dataclass(frozen=True)
class Delivered:
    """A mixture's parameters where X lives, in its floating dtype; nobody else holds them."""

    weights: Array
    means: Array
    covariances: Array
    precisions: Array
    factors: Array

    @classmethod
    def of(cls, rows: Rows, mixture: Mixture) -> Self:
        """Deliver `mixture`.

        Raises
        ------
        ValueError
            If it does not fit the dtype of `rows`.
        """
        check_range(rows, mixture, rows.dtype)
        return cls(*(delivered(rows, getattr(mixture, field.name)) for field in fields(cls)))


def delivered(rows: Rows, values: np.ndarray) -> Array:
    """Return a copy of small host values where X lives, in its floating dtype."""
    return rows.deliver(rows.small(np.array(values), rows.dtype))


@quiet()
def check_range(rows: Rows, mixture: Mixture, dtype: Any) -> None:
    """Require the variances of a mixture, and their inverses, to be normal numbers of `dtype`.

    No other entry of a covariance, a precision or a factor is larger than these are.

    Raises
    ------
    ValueError
        If one overflows, or vanishes.
    """
    info = rows.xp.finfo(dtype)
    least, most = float(info.smallest_normal), float(info.max)
    variances, inverse = mixture.variances, mixture.inverse_variances
    if not (variances <= most).all() or not (inverse >= least).all():
        raise range_error(rows, "its covariances overflow", "Divide", dtype)
    if not (variances >= least).all() or not (inverse <= most).all():
        raise range_error(rows, "its covariances vanish", "Multiply", dtype)


def _prepare_step(
    block: Array, *, em: ExpectationMaximization, origin: Array, kind: str
) -> tuple[Array]:
    xp = namespace_of(block)
    return (xp.asarray(em.prepare(block, origin, kind), copy=True).T,)


def _em_step(
    block: Array,
    weights: Array | None,
    monomials: Array | None,
    *,
    em: ExpectationMaximization,
    parts: Components,
    about: Components,
) -> _EMTotals:
    xp = namespace_of(block)
    prepared = em.prepare(block, parts.origin, parts.kind) if monomials is None else monomials.T
    shares, logs = em.expect(prepared, parts)
    if weights is not None:
        shares, logs = shares * weights, logs * weights
    return _EMTotals(em.moments(prepared, shares, about), xp.sum(logs))
