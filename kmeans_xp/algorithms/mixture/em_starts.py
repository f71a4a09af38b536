"""Where expectation-maximisation starts from."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, get_args

import numpy as np

from kmeans_xp.algorithms.kmeans.fit import kmeans
from kmeans_xp.algorithms.mixture.parameters import (
    Mixture,
    attempted,
    covariance_shape,
    factors_of,
    from_precisions,
    maximize,
    shifts_of,
)
from kmeans_xp.algorithms.moments import Moments
from kmeans_xp.algorithms.seeding.fit import InitName, given_centers, seed
from kmeans_xp.arrays import Array, Totals, as_array, namespace_of, to_host
from kmeans_xp.arrays.dtypes import working_dtype
from kmeans_xp.arrays.namespace import device_of
from kmeans_xp.arrays.precision import quiet
from kmeans_xp.kernels.choose.engine import find_engine
from kmeans_xp.kernels.choose.mixture import find_em
from kmeans_xp.kernels.interface import Engine, ExpectationMaximization
from kmeans_xp.kernels.shared.gaussians import MATRICES, Components, monomial_count
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters, prepare
from kmeans_xp.rows.base import Rows

MixtureInit = Literal["k-means", InitName, "random shares"]
INITS = get_args(MixtureInit)
# One draw a row gives the shares of all components, as the fractions of its multiples: of
# different multiples from here on, fractions are as good as uncorrelated.
MULTIPLE = 1009


@dataclass(frozen=True)
class _Moments(Totals):
    moments: Array


def blank(kind: str, means: np.ndarray, moments: Moments, variance: float) -> Mixture:
    """Return a mixture of equal weights and one `variance` in every direction."""
    k, d = means.shape
    covariances = np.full(covariance_shape(kind, k, d), variance)
    if kind in MATRICES:
        covariances = covariances * np.eye(d)
    spread = moments.squares / moments.weight
    weights = np.full(k, 1 / k)
    factors = factors_of(covariances, kind)
    return Mixture(kind, weights, means, covariances, factors, moments.mean, spread)


def about(mixture: Mixture, moments: Moments) -> Mixture:
    """Return `mixture` about the mean of other rows."""
    return replace(mixture, origin=moments.mean, spread=moments.squares / moments.weight)


@dataclass(frozen=True)
class Given:
    """What a user starts from, on the host; None where that is to be found."""

    weights: np.ndarray | None
    means: Array | None
    covariances: np.ndarray | None
    factors: np.ndarray | None

    def into(self, mixture: Mixture) -> Mixture:
        """Return `mixture` with what is given."""
        means = None if self.means is None else to_host(self.means).astype(np.float64)
        return replace(
            mixture,
            weights=mixture.weights if self.weights is None else self.weights,
            means=mixture.means if means is None else means,
            covariances=mixture.covariances if self.covariances is None else self.covariances,
            factors=mixture.factors if self.factors is None else self.factors,
        )


def open_given(
    rows: Rows, k: int, kind: str, weights: object, means: object, precisions: object
) -> Given:
    """Return what the user starts from.

    Raises
    ------
    TypeError, ValueError
        If it lives elsewhere, has another shape, or stands for no mixture.
    """
    d = rows.shape[1]
    centers = None if means is None else given_centers(rows, means, "means_init", k)
    parts = _opened(rows, weights, "weights_init", (k,))
    if parts is not None:
        check_mixing(parts, "weights_init")
    inverse = _opened(rows, precisions, "precisions_init", covariance_shape(kind, k, d))
    found = (None, None) if inverse is None else from_precisions(inverse, kind)
    return Given(parts, centers, *found)


def check_mixing(weights: np.ndarray, name: str) -> None:
    """Require the weights of components not to be negative, and to add up to 1."""
    if not (weights.min() >= 0 and abs(weights.sum() - 1) < 1e-6):
        raise ValueError(
            f"{name} must not be negative and add up to 1, got {weights} with the sum "
            f"{weights.sum()}. Divide them by their sum."
        )


def _opened(rows: Rows, values: object, name: str, shape: tuple[int, ...]) -> np.ndarray | None:
    """Return a small array of the user's on the host."""
    if values is None:
        return None
    array: Any = as_array(values, name)
    working_dtype(array, name)
    with quiet():
        host = to_host(rows.admit(array, name)).astype(np.float64)
    if host.shape != shape:
        raise ValueError(f"{name} must have the shape {shape}, got {host.shape}.")
    return host


@dataclass(frozen=True)
class GaussianStarts:
    """What the starts of a Gaussian mixture need."""

    rows: Rows
    weights: Array | None
    moments: Moments
    reg_covar: float
    X: Any
    k: int
    kind: str
    init: str
    generator: np.random.Generator

    def one(self, given: Given) -> Mixture:
        """Return the next start."""
        if given.means is not None and given.weights is not None and given.factors is not None:
            means = to_host(given.means).astype(np.float64)
            return given.into(blank(self.kind, means, self.moments, 1.0))
        if given.means is None and self.init == "random shares":
            return given.into(self._from_random_shares())
        centers = self._centers() if given.means is None else given.means
        variance = self.moments.variance + self.reg_covar
        start = blank(self.kind, to_host(centers).astype(np.float64), self.moments, variance)
        return given.into(self._from_clusters(centers, start))

    def _from_clusters(self, centers: Array, start: Mixture) -> Mixture:
        """Return the mixture that fits the rows nearest to each of `centers`, where blocks live."""
        rows, reg_covar, means = self.rows, self.reg_covar, start.means
        moments = hard_moments(rows, self.weights, centers, start, centers)
        eps = float(rows.xp.finfo(rows.wide).eps)
        found = attempted(start, moments, means, reg_covar, eps)
        if found is None:  # A centre may be far from the mean of its rows.
            means = means + shifts_of(moments, means.shape[1])
            about = rows.small(means, rows.wide)
            moments = hard_moments(rows, self.weights, centers, start, about)
            found = maximize(start, moments, to_host(about).astype(np.float64), reg_covar)
        return found

    def _centers(self) -> Array:
        """Return the centres that `init` finds, where blocks live."""
        rows, generator = self.rows, self.generator
        if self.init != "k-means":
            engine = find_engine(rows.xp, device=rows.device)
            return seed(
                rows, self.X, self.k, self.init, self.weights, self.moments, generator, engine
            )
        found = kmeans(self.X, self.k, sample_weight=self.weights, rng=generator)
        return rows.small(to_host(found.centers), rows.dtype)

    def _from_random_shares(self) -> Mixture:
        """Return the mixture that fits random shares of the rows."""
        rows = self.rows
        means = np.tile(self.moments.mean, (self.k, 1))
        variance = self.moments.variance + self.reg_covar
        start = blank(self.kind, means, self.moments, variance)
        draws = rows.uniforms(int(self.generator.integers(2**63)))
        origin = rows.small(self.moments.mean, rows.wide)
        step = partial(_random_step, origin=origin)
        found = _fold(rows, step, start, self.weights, draws)
        return maximize(start, found, to_host(origin).astype(np.float64), self.reg_covar)


def hard_moments(
    rows: Rows, weights: Array | None, centers: Array, start: Mixture, about: Array
) -> np.ndarray:
    """Return the moments, (k, p), of the rows nearest to each of `centers`, about each of `about`.

    Both are (k, d) where blocks live.
    """
    labeller = find_engine(rows.xp, device=rows.device)
    about = rows.xp.astype(about, rows.wide, copy=False)
    step = partial(_hard_step, labeller=labeller, prepared=prepare(centers), about=about)
    return _fold(rows, step, start, weights)


@quiet()
def _fold(rows: Rows, step: Any, start: Mixture, *aligned: Array | None) -> np.ndarray:
    """Return the moments, (k, p), of the shares that `step` gives."""
    k, d = start.means.shape
    count = monomial_count(start.kind, d)
    em = find_em(rows.xp, start.kind, d, device=rows.device)
    # Steps bring the differences, so that here all means are 0.
    none = rows.small(np.zeros((k, d)), rows.wide)
    parts = Components(start.kind, none[0, :], none, none, none[:, 0], None, rows.dtype)
    step = partial(step, em=em, parts=parts)
    totals = rows.fold(step, *aligned, block_rows=em.block_rows(k, count, d))
    return to_host(totals.moments).astype(np.float64)


def _hard_step(
    block: Array,
    weights: Array | None,
    *,
    labeller: Engine,
    prepared: PreparedCenters,
    about: Array,
    em: ExpectationMaximization,
    parts: Components,
) -> _Moments:
    """Share each row out to its nearest centre alone; moments are about its row of `about`."""
    labels = labeller.labels(block, prepared)
    xp, count = namespace_of(block), parts.means.shape[0]
    clusters = xp.arange(count, dtype=labels.dtype, device=device_of(labels))
    shares = xp.astype(clusters[:, None] == labels[None, :], parts.origin.dtype)
    shares = shares if weights is None else shares * weights
    places = xp.take(about, labels, axis=0)
    return _Moments(em.moments(em.prepare(block, places, parts.kind), shares, parts))


def _random_step(
    block: Array,
    weights: Array | None,
    draws: Array,
    *,
    origin: Array,
    em: ExpectationMaximization,
    parts: Components,
) -> _Moments:
    """Share each row out at random; moments are about the origin."""
    xp, count = namespace_of(block), parts.means.shape[0]
    multiples = MULTIPLE + xp.arange(count, dtype=origin.dtype, device=device_of(block))
    shares = multiples[:, None] * draws[None, :] % 1
    shares = shares / xp.sum(shares, axis=0)
    shares = shares if weights is None else shares * weights
    return _Moments(em.moments(em.prepare(block, origin, parts.kind), shares, parts))
