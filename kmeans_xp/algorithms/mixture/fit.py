"""Gaussian mixtures."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from kmeans_xp.algorithms.mixture.em import EM, Delivered, Fit, MixtureCallback, State
from kmeans_xp.algorithms.mixture.em_starts import (
    INITS,
    GaussianStarts,
    MixtureInit,
    about,
    open_given,
)
from kmeans_xp.algorithms.mixture.expectation import assigned
from kmeans_xp.algorithms.mixture.parameters import Mixture
from kmeans_xp.algorithms.moments import moments_of
from kmeans_xp.arrays import Array
from kmeans_xp.arrays.checks import (
    check_callback,
    check_choice,
    check_clusters,
    check_count,
    check_nonnegative,
)
from kmeans_xp.arrays.draws import as_generator
from kmeans_xp.arrays.record import Record
from kmeans_xp.kernels.choose.engine import find_engine
from kmeans_xp.rows.arguments import open_weights
from kmeans_xp.rows.open import beside_x, open_rows

CovarianceType = Literal["full", "tied", "diag", "spherical"]
COVARIANCE_TYPES = get_args(CovarianceType)


@dataclass(frozen=True, eq=False, repr=False)
class GaussianMixtureResult(Record):
    """A Gaussian mixture, and what it says of the rows it was fitted to.

    Attributes
    ----------
    weights : array of shape (k,)
        Of the components; they add up to 1. Like means, covariances and precisions_cholesky
        they live where X lives, in its floating dtype.
    means : array of shape (k, d)
        Of the components.
    covariances : array
        Of shape (k, d, d) if "full", (d, d) if "tied", (k, d) if "diag", (k,) if "spherical".
    precisions_cholesky : array
        Factors F of the precisions, F Fᵀ, or their roots; shaped as `covariances`.
    responsibilities : array of shape (n, k)
        The probability that a row belongs to a component, where X lives.
    labels : array of shape (n,), int32
        The component of the largest responsibility, where X lives.
    log_likelihood : float
        Weighted mean of the rows' log-likelihoods under this mixture.
    n_iter : int
        Iterations of the best start.
    converged : bool
        Whether they ended because the log-likelihood stood still.
    history : tuple of float
        The log-likelihood of the parameters that each iteration started from.
    """

    __module__ = "kmeans_xp"  # Pickles outlive moves.

    weights: Array
    means: Array
    covariances: Array
    precisions_cholesky: Array
    responsibilities: Array
    labels: Array
    log_likelihood: float
    n_iter: int
    converged: bool
    history: tuple[float, ...]


def gaussian_mixture(
    X: Array,
    n_components: int,
    *,
    covariance_type: CovarianceType = "full",
    init: MixtureInit = "k-means++",
    n_init: int = 1,
    max_iter: int = 100,
    tol: float = 1e-3,
    reg_covar: float = 1e-6,
    weights_init: Array | None = None,
    means_init: Array | None = None,
    precisions_init: Array | None = None,
    sample_weight: Array | None = None,
    rng: int | np.random.Generator | None = None,
    callback: MixtureCallback | None = None,
) -> GaussianMixtureResult:
    """Fit a mixture of Gaussians by expectation-maximisation.

    Parameters
    ----------
    X : array of shape (n, d)
        The rows: an array of any namespace, a memory map, a Dask array, a list.
    n_components : int
        How many Gaussians, k.
    covariance_type : {"full", "tied", "diag", "spherical"}
        Whether each component has a covariance matrix of its own, all share one, or each has
        a variance for each feature, or one variance.
    init : {"k-means++", "k-means", "k-means||", "random", "random shares"}
        Where to start: from the clusters around centres that k-means++, k-means or k-means||
        finds, or around random rows, or from random responsibilities.
    n_init : int
        How many starts to try; the largest log-likelihood is kept.
    max_iter : int
        The most iterations of one start. With 0 the first start is the result.
    tol : float
        Converged if the mean log-likelihood of a row changes by at most this.
    reg_covar : float
        Added to the variances, so that none collapses.
    weights_init : array of shape (k,), optional
        Weights to start from, with the sum 1.
    means_init : array of shape (k, d), optional
        Means to start from, in place of those that `init` finds.
    precisions_init : array, optional
        Inverse covariances to start from; of shape (k, d, d), (d, d), (k, d) or (k,).
    sample_weight : array of shape (n,) or float, optional
        Non-negative weights of the rows, or one for all of them; by default 1 each.
    rng : None, int or numpy.random.Generator
        Where random draws come from. They are made on the host.
    callback : callable, optional
        Called with a `MixtureIteration` after each one; if it returns true, the fit ends there.

    Returns
    -------
    GaussianMixtureResult
        With the fields `weights`, `means`, `covariances`, `precisions_cholesky`,
        `responsibilities`, `labels`, `log_likelihood`, `n_iter`, `converged`, `history`.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind, or arrays live in different places.
    ValueError
        If an argument has the wrong shape or value, X holds NaN, infinity, or values whose
        squares do not fit the widest float, or a covariance does not fit X's dtype or collapses.

    References
    ----------
    A. P. Dempster, N. M. Laird, D. B. Rubin, "Maximum likelihood from incomplete data via the
    EM algorithm", J. Royal Stat. Soc. B 39, 1977.

    Examples
    --------
    >>> import numpy as np
    >>> from kmeans_xp import gaussian_mixture
    >>> X = np.array([[0.0], [1.0], [2.0], [10.0], [14.0], [18.0]])
    >>> result = gaussian_mixture(X, 2, rng=0)
    >>> sorted(result.means[:, 0].round(2).tolist())
    [1.0, 14.0]
    >>> result.responsibilities.shape
    (6, 2)
    """
    fit = fit_gaussian_mixture(
        X,
        n_components,
        covariance_type=covariance_type,
        init=init,
        n_init=n_init,
        max_iter=max_iter,
        tol=tol,
        reg_covar=reg_covar,
        weights_init=weights_init,
        means_init=means_init,
        precisions_init=precisions_init,
        sample_weight=sample_weight,
        rng=rng,
        callback=callback,
    )
    rows, run = fit.rows, fit.run
    parts = Delivered.of(rows, run.state.mixture)
    log_likelihood, labels, shares = assigned(rows, fit.weights, run.state.mixture, shares=True)
    return GaussianMixtureResult(
        parts.weights,
        parts.means,
        parts.covariances,
        parts.factors,
        shares,
        labels,
        log_likelihood,
        run.n_iter,
        run.converged,
        run.history,
    )


@beside_x
def fit_gaussian_mixture(
    X: Array,
    n_components: int,
    *,
    covariance_type: str,
    init: str,
    n_init: int,
    max_iter: int,
    tol: float,
    reg_covar: float,
    weights_init: Array | None,
    means_init: Array | None,
    precisions_init: Array | None,
    sample_weight: Array | None,
    rng: int | np.random.Generator | None,
    callback: MixtureCallback | None,
    start: State | None = None,
) -> Fit:
    """Fit as `gaussian_mixture`, and keep nothing of the size of X.

    A `start` takes the place of all others; its first change counts from what came before it.
    """
    rows = open_rows(X)
    k = check_clusters(n_components, rows.shape[0], "n_components")
    kind = check_choice(covariance_type, "covariance_type", COVARIANCE_TYPES)
    check_choice(init, "init", INITS)
    check_count(n_init, "n_init")
    check_count(max_iter, "max_iter", low=0)
    tol = check_nonnegative(tol, "tol")
    reg_covar = check_nonnegative(reg_covar, "reg_covar")
    check_callback(callback)
    opened = open_weights(rows, sample_weight)
    opened.check_clusters(k, "n_components")
    weights, generator = opened.array, as_generator(rng)
    given = open_given(rows, k, kind, weights_init, means_init, precisions_init)
    if start is not None:
        _check_same_model(start.mixture, kind, (k, rows.shape[1]))
    moments = moments_of(rows, weights, find_engine(rows.xp, device=rows.device))
    draw = GaussianStarts(rows, weights, moments, reg_covar, X, k, kind, init, generator)
    em = EM(rows, weights, moments, kind, tol, reg_covar)
    if start is None:
        run = em.fit((draw.one(given) for _ in range(n_init)), max_iter=max_iter, callback=callback)
    else:
        begun = [about(start.mixture, moments)]
        run = em.fit(begun, max_iter=max_iter, callback=callback, before=start.before)
    return Fit(rows, weights, run)


def _check_same_model(mixture: Mixture, kind: str, shape: tuple[int, int]) -> None:
    """Require a mixture that a fit goes on from to be of this kind, with means of this shape."""
    if (mixture.kind, mixture.means.shape) != (kind, shape):
        raise ValueError(
            f"warm_start must go on with the same model, but the last fit had {mixture.kind!r} "
            f"covariances and means of shape {mixture.means.shape}, got {kind!r} and {shape}. Set "
            "warm_start=False."
        )
