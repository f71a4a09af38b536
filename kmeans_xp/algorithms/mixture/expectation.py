"""What a given mixture says of rows: labels, shares, log densities. The first half of EM."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np

from kmeans_xp.algorithms.mixture.parameters import Mixture
from kmeans_xp.arrays import Array, Totals, namespace_of, to_host
from kmeans_xp.arrays.precision import quiet
from kmeans_xp.kernels.choose.mixture import find_em
from kmeans_xp.kernels.interface import ExpectationMaximization
from kmeans_xp.kernels.shared.gaussians import MATRICES, Components, monomial_count
from kmeans_xp.rows.arguments import open_weights
from kmeans_xp.rows.base import Rows
from kmeans_xp.rows.checks import check_rows, range_error
from kmeans_xp.rows.open import beside_x

# Differences are taken where polynomials would lose more than this to cancellation.
LOSS = 1e-8
# Monomials from which on differences in the rows' precision are faster than polynomials in the
# widest one, and what rounding may add to a row's distance from a mean, in standard deviations.
NARROW = 400
NARROW_LOSS = 1e-4


@dataclass(frozen=True)
class Expectation:
    """A mixture prepared for the blocks of some rows."""

    em: ExpectationMaximization
    parts: Components
    block_rows: int
    narrow: bool


@quiet()
def expectation_of(
    rows: Rows,
    mixture: Mixture,
    *,
    exact: bool | None = None,
    narrow: bool = True,
    each: bool = True,
) -> Expectation:
    """Prepare `mixture`; by differences if `exact`, by default where they are needed or faster.

    With `narrow`, these may be in the rows' precision. Unless the log density of `each` row is
    asked for, they may be right on average only.
    """
    k, d = mixture.means.shape
    loss, many = mixture.cancellation(), monomial_count(mixture.kind, d) > NARROW
    narrow = narrow and exact is None and many and narrows(mixture, rows, loss)
    if exact is None:
        exact = narrow or not loss * float(rows.xp.finfo(rows.wide).eps) < LOSS
    mixture = mixture.apart() if each and not exact else mixture
    count = monomial_count(mixture.kind, d)
    em = find_em(rows.xp, mixture.kind, d, exact=exact, device=rows.device)
    origin = rows.small(mixture.origin, rows.wide)
    # The origin as it is there, so that means are about the same one as rows.
    about = to_host(origin).astype(np.float64)
    if em.exact:
        dtype = rows.dtype if narrow else rows.wide
        means, factors = (rows.small(a, dtype) for a in (mixture.means - about, mixture.factors))
        needed = means, factors, _small(rows, mixture.constants()), None
    else:
        needed = None, None, None, _small(rows, mixture.coefficients(about))
    parts = Components(mixture.kind, origin, *needed, rows.dtype)
    return Expectation(em, parts, em.block_rows(k, count, d), narrow)


def narrows(mixture: Mixture, rows: Rows, loss: float) -> bool:
    """Whether the rows' precision is enough for matrices: by their digits, and by their range."""
    digits = math.sqrt(loss) * float(rows.xp.finfo(rows.dtype).eps) < NARROW_LOSS
    return mixture.kind in MATRICES and digits and 2.0**-40 < mixture.spread.max() < 2.0**40


def _small(rows: Rows, values: np.ndarray) -> Array:
    return rows.small(np.asarray(values), rows.wide)


@beside_x
def predicted(rows: Rows, mixture: Mixture, step: Any, *, finite: bool = False) -> Array:
    """Return what `step` says of each row of new data; checks the rows, and their log densities.

    Raises
    ------
    ValueError
        As `check_rows`; also if log densities overflow so far that they tell no component from
        another, or at all if they must be `finite`.
    """
    ready = expectation_of(rows, mixture)
    check_rows(rows, _small(rows, mixture.means), block_rows=ready.block_rows)
    step = partial(step, em=ready.em, parts=ready.parts)
    least, kept = rows.sweep(step, block_rows=ready.block_rows)
    require_density(rows, float(to_host(least.log_density)), rows.dtype if finite else None)
    return kept[0]


def require_density(rows: Rows, found: float, dtype: Any = None) -> None:
    """Require a log density not to be NaN; with a `dtype`, not to have overflowed in that."""
    if math.isnan(found) or (dtype is not None and math.isinf(found)):
        raise range_error(rows, "its log-likelihood overflows", "Divide", dtype)


@dataclass(frozen=True)
class _Least(Totals):
    """The least log density of some rows. "Adding" takes the smaller, and keeps a NaN."""

    log_density: Array

    @classmethod
    def of(cls, logs: Array) -> Self:
        return cls(namespace_of(logs).min(logs))

    def __add__(self, other: Self) -> Self:
        xp = namespace_of(self.log_density)
        return type(self)(xp.minimum(self.log_density, other.log_density))


def label_step(
    block: Array, *, em: ExpectationMaximization, parts: Components
) -> tuple[_Least, tuple[Array]]:
    """Keep the component with the largest share in each row, (B,) int32."""
    shares, logs = _expected(block, em, parts)
    return _Least.of(logs), (_labels(shares),)


def share_step(
    block: Array, *, em: ExpectationMaximization, parts: Components
) -> tuple[_Least, tuple[Array]]:
    """Keep the shares of components in each row, (B, k)."""
    shares, logs = _expected(block, em, parts)
    return _Least.of(logs), (_kept(shares),)


def density_step(
    block: Array, *, em: ExpectationMaximization, parts: Components
) -> tuple[_Least, tuple[Array]]:
    """Keep the log density of each row, (B,)."""
    _, logs = _expected(block, em, parts)
    logs = namespace_of(logs).astype(logs, parts.dtype, copy=False)
    return _Least.of(logs), (logs,)


def _expected(block: Array, em: ExpectationMaximization, parts: Components) -> tuple[Array, Array]:
    """Return shares, (k, B), and log densities, (B,)."""
    return em.expect(em.prepare(block, parts.origin, parts.kind), parts)


@beside_x
def mean_log_density(
    rows: Rows, sample_weight: Array | None, mixture: Mixture, *, checked: bool = False
) -> float:
    """Return the mean of the rows' log densities, by the weights that a user gave."""
    weights, ready = open_weights(rows, sample_weight).array, expectation_of(rows, mixture)
    if not checked:
        check_rows(rows, _small(rows, mixture.means), block_rows=ready.block_rows)
    step = partial(_score_step, em=ready.em, parts=ready.parts)
    found = rows.fold(step, weights, block_rows=ready.block_rows).mean()
    require_density(rows, found)
    return found


@dataclass(frozen=True)
class LogDensity(Totals):
    """Weighted log densities, and the weights."""

    log_density: Array
    weight: Array

    def mean(self) -> float:
        """Return the mean on the host."""
        return float(to_host(self.log_density)) / float(to_host(self.weight))


def _score_step(
    block: Array, weights: Array | None, *, em: ExpectationMaximization, parts: Components
) -> LogDensity:
    return log_density(_expected(block, em, parts)[1], weights)


def log_density(logs: Array, weights: Array | None) -> LogDensity:
    """Return the total of the rows' log densities."""
    xp = namespace_of(logs)
    weights = xp.ones_like(logs) if weights is None else weights
    return LogDensity(xp.sum(logs * weights), xp.sum(weights))


@beside_x
def assigned(
    rows: Rows, weights: Array | None, mixture: Mixture, *, shares: bool
) -> tuple[float, Array, Array | None]:
    """Return mean log density, labels, and if asked for the shares, (n, k), of fitted rows."""
    ready = expectation_of(rows, mixture)
    step = partial(_assign_step, em=ready.em, parts=ready.parts, shares=shares)
    total, kept = rows.sweep(step, weights, block_rows=ready.block_rows)
    found = total.mean()
    require_density(rows, found)
    return found, kept[0], kept[1] if shares else None


def _assign_step(
    block: Array,
    weights: Array | None,
    *,
    em: ExpectationMaximization,
    parts: Components,
    shares: bool,
) -> tuple[LogDensity, tuple[Array, ...]]:
    found, logs = _expected(block, em, parts)
    kept = (_labels(found), _kept(found)) if shares else (_labels(found),)
    return log_density(logs, weights), kept


def _kept(shares: Array) -> Array:
    return namespace_of(shares).asarray(shares.T, copy=True)


def _labels(shares: Array) -> Array:
    xp = namespace_of(shares)
    return xp.astype(xp.argmax(shares, axis=0), xp.int32)
