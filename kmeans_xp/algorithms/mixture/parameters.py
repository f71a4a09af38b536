"""Parameters of Gaussian mixtures: small, and on the host in float64 for every backend."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from kmeans_xp.arrays.precision import quiet
from kmeans_xp.arrays.record import Record
from kmeans_xp.arrays.threads import one_blas_thread
from kmeans_xp.arrays.views import OnHost
from kmeans_xp.kernels.shared.gaussians import MATRICES

EPS = float(np.finfo(np.float64).eps)
DEFINITE = "must be finite, symmetric and positive definite, but"


class CollapsedCovariance(ValueError):  # noqa: N818
    """A covariance that no density has."""

    def __init__(self, found: str) -> None:
        super().__init__(
            f"reg_covar must keep every covariance positive definite, but one collapsed: it "
            f"{found}, for instance because all rows of a component coincide. Increase "
            "reg_covar, ask for fewer components, or scale X."
        )


@dataclass(frozen=True, eq=False, repr=False)
class Mixture(Record, OnHost):
    """A Gaussian mixture.

    Attributes
    ----------
    kind : str
        "full", "tied", "diag", "spherical", or "shared": one variance for all components.
    weights, means, covariances : numpy.ndarray
        Of shape (k,), (k, d), and (k, d, d), (d, d), (k, d), (k,) or (), by kind.
    factors : numpy.ndarray
        Cholesky factors F of the precisions, P = F Fᵀ, or their roots; shaped as covariances.
    origin, spread : numpy.ndarray
        What distances are taken about, and the rows' mean squares about it; each (d,).
    """

    __module__ = "kmeans_xp"  # Pickles outlive moves.

    kind: str
    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    factors: np.ndarray
    origin: np.ndarray
    spread: np.ndarray

    @classmethod
    @quiet()
    def amid(
        cls,
        kind: str,
        weights: np.ndarray,
        means: np.ndarray,
        covariances: np.ndarray,
        factors: np.ndarray,
    ) -> Self:
        """Return the mixture of rows that are spread as it says itself."""
        found = cls(kind, weights, means, covariances, factors, means[0], means[0])
        origin = weights @ means
        variances = found.variances[:, None] if kind == "spherical" else found.variances
        return replace(
            found, origin=origin, spread=weights @ (variances + np.square(means - origin))
        )

    @property
    def precisions(self) -> np.ndarray:
        """Return the inverses of the covariances."""
        if self.kind in MATRICES:
            return self.factors @ np.swapaxes(self.factors, -1, -2)
        return np.square(self.factors)

    def constants(self) -> np.ndarray:
        """Return the logarithms of the densities' largest values, times the weights, (k,)."""
        d = self.means.shape[1]
        if self.kind in MATRICES:
            logs = np.log(np.diagonal(self.factors, axis1=-2, axis2=-1)).sum(axis=-1)
        else:
            logs = np.log(self.factors)
            logs = logs.sum(axis=-1) if self.kind == "diag" else d * logs
        with np.errstate(divide="ignore"):  # a component may have lost all its weight
            return np.log(self.weights) + logs - 0.5 * d * np.log(2 * np.pi)

    def apart(self) -> Self:
        """Return the mixture with a variance for each component, where all share one."""
        if self.kind != "shared":
            return self
        covariances, factors = (
            np.full(len(self.means), a) for a in (self.covariances, self.factors)
        )
        return replace(self, kind="spherical", covariances=covariances, factors=factors)

    def coefficients(self, origin: np.ndarray) -> np.ndarray:
        """Return the polynomials of the log densities about `origin`, (k, p).

        Where these have no squares, the rows' mean squares stand in for them.
        """
        means, precisions = self.means - origin, self.precisions
        k, d = means.shape
        if self.kind == "shared":
            linear = precisions * means
            squares = np.vecdot(linear, means) + precisions * self.spread.sum()
            constants = self.constants() - 0.5 * squares
            return np.concatenate([constants[:, None], linear], axis=1)
        if self.kind in MATRICES:
            precisions = np.broadcast_to(precisions, (k, d, d))
            linear = np.einsum("kij,kj->ki", precisions, means)
            i, j = np.triu_indices(d)
            second = precisions[:, i, j] * np.where(i == j, -0.5, -1.0)
        else:
            precisions = precisions.reshape(k, -1)
            linear, second = precisions * means, -0.5 * precisions
        constants = self.constants() - 0.5 * np.vecdot(linear, means)
        return np.concatenate([constants[:, None], linear, second], axis=1)

    @property
    def variances(self) -> np.ndarray:
        """Return the diagonals of the covariances, or what there is instead."""
        return _variances(self.covariances, self.kind)

    @property
    def inverse_variances(self) -> np.ndarray:
        """Return the diagonals of the precisions, or what there is instead."""
        squares = np.square(self.factors)
        return squares.sum(axis=-1) if self.kind in MATRICES else squares

    def cancellation(self) -> float:
        """Return by how much rounding grows where polynomials about the origin are used."""
        return float(self._standardized(np.square(self.means - self.origin) + self.spread).max())

    def _standardized(self, squares: np.ndarray) -> np.ndarray:
        """Return the sums over features of squares, (k, d), in units of the variances, (k,)."""
        if self.kind in ("spherical", "shared"):
            return self.inverse_variances * squares.sum(axis=1)
        return (self.inverse_variances * squares).sum(axis=1)

    def cancelled(self, anchors: np.ndarray) -> float:
        """Return by how much rounding grew where the covariances came from moments.

        These were about `anchors`, (k, d) or (d,), so that as much as the squared distances of the
        means from there, in units of the variances, had to cancel. Only components that have a
        share count: the others keep what they had.
        """
        occupied = self.weights > 0
        shifts = np.square(self.means - anchors) * occupied[:, None]
        if self.kind in ("tied", "shared"):
            shifts = (self.weights @ shifts)[None]
        return float(self._standardized(shifts).max())

    def parameter_count(self) -> int:
        """Return how many free parameters the mixture has."""
        return parameter_count(self.kind, *self.means.shape)


def parameter_count(kind: str, k: int, d: int) -> int:
    """Return how many free parameters a mixture of k Gaussians of d features has."""
    of_one = d * (d + 1) // 2
    covariances = {"full": k * of_one, "tied": of_one, "diag": k * d, "spherical": k, "shared": 1}
    return covariances[kind] + k * d + k - 1


def maximize(
    mixture: Mixture, moments: np.ndarray, anchors: np.ndarray, reg_covar: float | None
) -> Mixture:
    """Return the mixture of most likelihood for the moments that shares have about `anchors`.

    A component without any share keeps its mean and covariance, and has the weight 0. With a
    `reg_covar` of None all covariances stay.

    Raises
    ------
    CollapsedCovariance
        If a covariance is not positive definite.
    """
    d = mixture.means.shape[1]
    totals, second = moments[:, 0], moments[:, d + 1 :]
    occupied, shifts = totals > 0, shifts_of(moments, d)
    weights = totals / totals.sum()
    means = np.where(occupied[:, None], anchors + shifts, mixture.means)
    found = replace(mixture, weights=weights, means=means)
    if reg_covar is None:
        return found
    products = _products(shifts, mixture.kind)
    divisors = np.where(occupied, totals, 1.0)[:, None]
    # Without squares of their own, components share those of all rows.
    squares = second / divisors if second.size else np.full((len(totals), 1), mixture.spread.sum())
    if mixture.kind in ("tied", "shared"):
        squares, products = weights @ squares, weights @ products
    covariances = _shaped(squares - products, mixture.kind, d)
    # A variance below this is rounding; with a regularisation it need not be told apart.
    bound = (
        0.0 if reg_covar else 16 * EPS * _variances(_shaped(squares, mixture.kind, d), mixture.kind)
    )
    covariances = regularized(covariances, mixture.kind, reg_covar)
    if mixture.kind not in ("tied", "shared"):
        keep = occupied.reshape(-1, *[1] * (covariances.ndim - 1))
        covariances = np.where(keep, covariances, mixture.covariances)
    factors = factors_of(covariances, mixture.kind, bound)
    return replace(found, covariances=covariances, factors=factors)


@quiet()
def attempted(
    mixture: Mixture,
    moments: np.ndarray,
    anchors: np.ndarray,
    reg_covar: float | None,
    eps: float,
) -> Mixture | None:
    """Return what `maximize` does; None where moments about `anchors` do not tell the covariances.

    That is where half of the digits of the floats, of precision `eps`, cancelled. Moments about
    the means, `anchors` plus `shifts_of` the moments, tell them then.
    """
    try:
        found = maximize(mixture, moments, anchors, reg_covar)
    except CollapsedCovariance:
        return None
    certain = reg_covar is None or found.cancelled(anchors) <= eps**-0.5
    return found if certain else None


def shifts_of(moments: np.ndarray, d: int) -> np.ndarray:
    """Return how far means are from what the moments are about, (k, d); 0 without any share."""
    totals = moments[:, :1]
    return moments[:, 1 : d + 1] / np.where(totals > 0, totals, 1.0)


def regularized(covariances: np.ndarray, kind: str, reg_covar: float) -> np.ndarray:
    """Return covariances with `reg_covar` added to the variances; rounding makes none negative."""
    if kind in MATRICES:
        return covariances + reg_covar * np.eye(covariances.shape[-1])
    return np.maximum(covariances, 0.0) + reg_covar


def factors_of(covariances: np.ndarray, kind: str, bound: Any = 0.0) -> np.ndarray:
    """Return the Cholesky factors of the precisions, upper triangles, or their roots.

    Raises
    ------
    CollapsedCovariance
        If a covariance is not finite, or a variance in it is not above `bound`.
    """
    if not np.isfinite(covariances).all():
        raise CollapsedCovariance("is not finite")
    if kind not in MATRICES:
        if not (covariances > bound).all():
            raise CollapsedCovariance("has a variance of 0")
        return 1 / np.sqrt(covariances)
    try:
        lower = np.linalg.cholesky(covariances)
    except np.linalg.LinAlgError as error:
        raise CollapsedCovariance("is not positive definite") from error
    pivots = np.square(np.diagonal(lower, axis1=-2, axis2=-1))
    if not (pivots > bound).all():
        raise CollapsedCovariance("is not positive definite")
    return np.swapaxes(_inverse(lower), -1, -2)


def _inverse(lower: np.ndarray) -> np.ndarray:
    """Return the inverses of lower triangles."""
    # Imported here: SciPy takes longer to import than the rest of the package together.
    from scipy.linalg.lapack import dtrtri

    flat = lower.reshape(-1, *lower.shape[-2:])
    # SciPy has a BLAS of its own, which nobody holds yet when this has just loaded it.
    with one_blas_thread():
        return np.stack([dtrtri(one, lower=1)[0] for one in flat]).reshape(lower.shape)


def from_precisions(
    precisions: np.ndarray, kind: str, name: str = "precisions_init"
) -> tuple[np.ndarray, np.ndarray]:
    """Return (covariances, factors) of the user's `precisions`, which go by `name`.

    Raises
    ------
    ValueError
        If they are not finite, symmetric and positive definite.
    """
    _check_definite(precisions, kind, name)
    if kind not in MATRICES:
        return 1 / precisions, np.sqrt(precisions)
    # Rows and columns reversed, so that the factor is an upper triangle; a copy, since not every
    # backend takes a view that runs backwards.
    factors = _lower(precisions[..., ::-1, ::-1], name)[..., ::-1, ::-1].copy()
    return covariances_of(factors, kind), factors


def from_covariances(
    covariances: np.ndarray, kind: str, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return (covariances, factors) of the user's `covariances`; else as `from_precisions`."""
    _check_definite(covariances, kind, name)
    if kind not in MATRICES:
        return covariances, 1 / np.sqrt(covariances)
    return covariances, np.swapaxes(_inverse(_lower(covariances, name)), -1, -2)


def from_factors(factors: np.ndarray, kind: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return (covariances, factors) of the user's `factors`, which go by `name`.

    Raises
    ------
    ValueError
        If they are no triangles, or not positive on the diagonal.
    """
    roots = _variances(factors, kind)
    if not (roots > 0).all():
        where = "on its diagonal" if kind in MATRICES else "throughout"
        raise ValueError(f"{name} must be positive {where}, but its least value is {roots.min()}.")
    if kind in MATRICES and np.tril(factors, -1).any() and np.triu(factors, 1).any():
        raise ValueError(
            f"{name} must be an upper triangle, or one for each component, but holds values on "
            "both sides of the diagonal. Pass Cholesky factors F of the precisions, F Fᵀ."
        )
    return covariances_of(factors, kind), factors


def covariances_of(factors: np.ndarray, kind: str) -> np.ndarray:
    """Return the inverses of F Fᵀ."""
    if kind not in MATRICES:
        return np.square(1 / factors)
    inverse = np.linalg.inv(factors)
    return np.swapaxes(inverse, -1, -2) @ inverse


def _check_definite(values: np.ndarray, kind: str, name: str) -> None:
    """Require finite values, and positive or symmetric ones by kind."""
    if not np.isfinite(values).all():
        raise ValueError(f"{name} {DEFINITE} it holds NaN or infinity. Check its values.")
    if kind not in MATRICES:
        if not (values > 0).all():
            raise ValueError(
                f"{name} {DEFINITE} its least value is {values.min()}. Make it positive."
            )
    elif not np.allclose(values, np.swapaxes(values, -1, -2), atol=1e-8 * np.abs(values).max()):
        raise ValueError(f"{name} {DEFINITE} it is not symmetric. Pass (P + P.T) / 2.")


def _lower(values: np.ndarray, name: str) -> np.ndarray:
    try:
        return np.linalg.cholesky(values)
    except np.linalg.LinAlgError as error:
        raise ValueError(
            f"{name} {DEFINITE} its Cholesky factor does not exist. Check it."
        ) from error


def rounding(values: np.ndarray) -> float:
    """Return the precision of the floats that `values` were rounded to, whatever holds them now."""
    single = np.array_equal(values.astype(np.float32), values)
    return float(np.finfo(np.float32 if single else np.float64).eps)


def are_inverse(covariances: np.ndarray, precisions: np.ndarray, kind: str, eps: float) -> bool:
    """Whether two are each other's inverses, but for values rounded to floats of precision `eps`.

    The bound takes in what the inversion of a matrix makes of rounding, feature by feature in
    units of the standard deviations.
    """
    if kind not in MATRICES:
        return bool((np.abs(covariances * precisions - 1) <= 64 * eps).all())
    d = covariances.shape[-1]
    scale = np.sqrt(np.diagonal(covariances, axis1=-2, axis2=-1))
    scale = scale[..., :, None] * scale[..., None, :]
    covariances, precisions = covariances / scale, precisions * scale
    off = np.abs(covariances @ precisions - np.eye(d)).max(axis=(-1, -2))
    grown = (np.abs(covariances) @ np.abs(precisions)).max(axis=(-1, -2))
    return bool((off <= 64 * d * eps * grown).all())


def drawn(
    mixture: Mixture, count: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return `count` rows drawn from `mixture`, component by component, and their components."""
    k, d = mixture.means.shape
    counts = generator.multinomial(count, mixture.weights / mixture.weights.sum())
    labels = np.repeat(np.arange(k, dtype=np.int32), counts)
    noise = generator.standard_normal((count, d))
    factors = mixture.factors
    if mixture.kind in MATRICES:
        # The inverse of a precision's factor F, transposed, is a factor of the covariance.
        roots = np.broadcast_to(np.linalg.inv(factors), (k, d, d))
        shifts = np.einsum("ni,nij->nj", noise, roots[labels])
    else:
        roots = 1 / (factors[:, None] if mixture.kind == "spherical" else factors)
        shifts = noise * np.broadcast_to(roots, (k, roots.shape[-1] if roots.ndim else 1))[labels]
    return mixture.means[labels] + shifts, labels


def covariance_shape(kind: str, k: int, d: int) -> tuple[int, ...]:
    """Return the shape of covariances and precisions."""
    shapes = {"full": (k, d, d), "tied": (d, d), "diag": (k, d), "spherical": (k,)}
    return shapes.get(kind, ())


def _variances(covariances: np.ndarray, kind: str) -> np.ndarray:
    if kind in MATRICES:
        return np.diagonal(covariances, axis1=-2, axis2=-1)
    return covariances


def _products(shifts: np.ndarray, kind: str) -> np.ndarray:
    """Return the second moments of single points, (k, p - d - 1), by monomial."""
    if kind in MATRICES:
        i, j = np.triu_indices(shifts.shape[1])
        return shifts[:, i] * shifts[:, j]
    return np.square(shifts) if kind == "diag" else np.vecdot(shifts, shifts)[:, None]


def _shaped(second: np.ndarray, kind: str, d: int) -> np.ndarray:
    """Return second moments by monomial in the shape of covariances."""
    if kind in MATRICES:
        i, j = np.triu_indices(d)
        whole = np.empty((*second.shape[:-1], d, d))
        whole[..., i, j] = second
        whole[..., j, i] = second
        return whole
    return second if kind == "diag" else second[..., 0] / d
