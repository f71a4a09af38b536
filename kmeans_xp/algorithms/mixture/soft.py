"""Soft k-means: spherical EM with one stiffness for all clusters."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from kmeans_xp.algorithms.mixture.em import EM, Fit, MixtureCallback, delivered
from kmeans_xp.algorithms.mixture.em_starts import blank
from kmeans_xp.algorithms.mixture.expectation import LOSS, assigned
from kmeans_xp.algorithms.mixture.parameters import Mixture
from kmeans_xp.algorithms.moments import Moments, moments_of
from kmeans_xp.algorithms.seeding.fit import Init, check_init, count_starts, seed
from kmeans_xp.arrays import Array, Totals, namespace_of, to_host
from kmeans_xp.arrays.checks import (
    check_callback,
    check_clusters,
    check_count,
    check_flag,
    check_nonnegative,
)
from kmeans_xp.arrays.draws import as_generator
from kmeans_xp.arrays.precision import quiet
from kmeans_xp.arrays.record import Record
from kmeans_xp.kernels.choose.engine import find_engine
from kmeans_xp.kernels.choose.mixture import find_em
from kmeans_xp.kernels.interface import Engine, ExpectationMaximization
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters, prepare
from kmeans_xp.rows.arguments import open_weights
from kmeans_xp.rows.open import beside_x, open_rows


@dataclass(frozen=True, eq=False, repr=False)
class SoftKMeansResult(Record):
    """A soft clustering, of which all parts belong together.

    Attributes
    ----------
    centers : array of shape (k, d)
        Where X lives, in its floating dtype.
    responsibilities : array of shape (n, k)
        How much of a row belongs to a cluster, where X lives; each row adds up to 1.
    labels : array of shape (n,), int32
        The cluster of the largest responsibility, where X lives.
    stiffness : float
        The inverse of the clusters' variance.
    log_likelihood : float
        Weighted mean of the rows' log-likelihoods.
    weights : array of shape (k,)
        Mixing weights of the clusters; they add up to 1.
    n_iter : int
        Iterations of the best start.
    converged : bool
        Whether they ended because the log-likelihood stood still.
    history : tuple of float
        The log-likelihood of the centres that each iteration started from.
    """

    __module__ = "kmeans_xp"  # Pickles outlive moves.

    centers: Array
    responsibilities: Array
    labels: Array
    stiffness: float
    log_likelihood: float
    weights: Array
    n_iter: int
    converged: bool
    history: tuple[float, ...]


def soft_kmeans(
    X: Array,
    n_clusters: int,
    *,
    stiffness: float | None = None,
    init: Init = "k-means++",
    mixing: bool = True,
    n_init: int = 1,
    max_iter: int = 300,
    tol: float = 1e-4,
    reg_covar: float = 1e-6,
    sample_weight: Array | None = None,
    rng: int | np.random.Generator | None = None,
    callback: MixtureCallback | None = None,
) -> SoftKMeansResult:
    """Cluster rows around k centres, each row in parts.

    A row x belongs to the cluster of centre c and mixing weight π in proportion to
    π exp(-β‖x - c‖²/2), where β is the stiffness. This is expectation-maximisation of Gaussians
    of the variance 1/β; for growing β it becomes k-means.

    Parameters
    ----------
    X : array of shape (n, d)
        The rows: an array of any namespace, a memory map, a Dask array, a list.
    n_clusters : int
        How many clusters, k.
    stiffness : float, optional
        The inverse of the clusters' variance, β. By default it is learned: one variance for
        all clusters.
    init : {"k-means++", "k-means||", "random"}, array of shape (k, d) or callable
        Where to start; see `kmeans_xp.kmeans`.
    mixing : bool
        Whether the mixing weights are learned; else they are 1/k each.
    n_init : int
        How many starts to try; the largest log-likelihood is kept.
    max_iter : int
        The most iterations of one start.
    tol : float
        Converged if the mean log-likelihood of a row changes by at most this.
    reg_covar : float
        Added to the variance where that is learned, so that it does not collapse.
    sample_weight : array of shape (n,) or float, optional
        Non-negative weights of the rows, or one for all of them; by default 1 each.
    rng : None, int or numpy.random.Generator
        Where random draws come from. They are made on the host.
    callback : callable, optional
        Called with a `MixtureIteration` after each one; if it returns true, the fit ends there.

    Returns
    -------
    SoftKMeansResult
        With the fields `centers`, `responsibilities`, `labels`, `stiffness`, `log_likelihood`,
        `weights`, `n_iter`, `converged`, `history`.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind, or arrays live in different places.
    ValueError
        If an argument has the wrong shape or value, X holds NaN, infinity, or values whose
        squares do not fit the widest float, or the variance collapses.

    References
    ----------
    D. J. C. MacKay, "Information Theory, Inference, and Learning Algorithms", Cambridge
    University Press 2003, chapters 20 and 22.

    Examples
    --------
    >>> import numpy as np
    >>> from kmeans_xp import soft_kmeans
    >>> X = np.array([[0.0], [1.0], [5.0], [10.0], [11.0]])
    >>> result = soft_kmeans(X, 2, stiffness=1.0, init=np.array([[0.0], [11.0]]))
    >>> result.responsibilities.round(2)
    array([[1., 0.],
           [1., 0.],
           [1., 0.],
           [0., 1.],
           [0., 1.]])
    """
    fit = fit_soft_kmeans(
        X,
        n_clusters,
        stiffness=stiffness,
        init=init,
        mixing=mixing,
        n_init=n_init,
        max_iter=max_iter,
        tol=tol,
        reg_covar=reg_covar,
        sample_weight=sample_weight,
        rng=rng,
        callback=callback,
    )
    rows, run = fit.rows, fit.run
    found = run.state.mixture
    log_likelihood, labels, shares = assigned(rows, fit.weights, found, shares=True)
    return SoftKMeansResult(
        delivered(rows, found.means),
        shares,
        labels,
        1 / float(found.covariances),
        log_likelihood,
        delivered(rows, found.weights),
        run.n_iter,
        run.converged,
        run.history,
    )


@beside_x
def fit_soft_kmeans(
    X: Array,
    n_clusters: int,
    *,
    stiffness: float | None,
    init: Init,
    mixing: bool,
    n_init: int,
    max_iter: int,
    tol: float,
    reg_covar: float,
    sample_weight: Array | None,
    rng: int | np.random.Generator | None,
    callback: MixtureCallback | None,
) -> Fit:
    """Fit as `soft_kmeans`, and keep nothing of the size of X."""
    rows = open_rows(X)
    k = check_clusters(n_clusters, rows.shape[0])
    check_init(init)
    starts = count_starts(n_init, init)
    check_count(max_iter, "max_iter")
    tol = check_nonnegative(tol, "tol")
    reg_covar = check_nonnegative(reg_covar, "reg_covar")
    variance = None if stiffness is None else 1 / check_stiffness(stiffness, "stiffness")
    mixing = check_flag(mixing, "mixing")
    check_callback(callback)
    opened = open_weights(rows, sample_weight)
    opened.check_clusters(k)
    weights, generator = opened.array, as_generator(rng)
    engine = find_engine(rows.xp, device=rows.device)
    moments = moments_of(rows, weights, engine)
    reg = reg_covar if variance is None else None
    em = EM(rows, weights, moments, "shared", tol, reg, mixing)
    seeds = (seed(rows, X, k, init, weights, moments, generator, engine) for _ in range(starts))
    begun = (_start(em, moments, centers, variance, engine) for centers in seeds)
    return Fit(rows, weights, em.fit(begun, max_iter=max_iter, callback=callback))


def _start(
    em: EM, moments: Moments, centers: Array, variance: float | None, engine: Engine
) -> Mixture:
    """Return clusters of equal weight at `centers`; if need be with the variance about them."""
    means = to_host(centers).astype(np.float64)
    if variance is not None:
        return blank("shared", means, moments, variance)
    cost = _cost_by_polynomial(em, means)
    if not cost * LOSS > float(em.rows.xp.finfo(em.rows.wide).eps) * moments.total:
        step = partial(_cost_step, engine=engine, prepared=prepare(centers))
        size = engine.block_rows(*means.shape)
        cost = float(to_host(em.rows.fold(step, em.weights, block_rows=size).cost))
    learned = cost / (moments.weight * means.shape[1])
    return blank("shared", means, moments, learned + (em.reg_covar or 0.0))


@quiet()
def _cost_by_polynomial(em: EM, means: np.ndarray) -> float:
    """Return the weighted squared distances to the nearest of `means`; it may have cancelled.

    It takes what an iteration takes: no labels, and rows that are remembered already.
    """
    rows, (k, d) = em.rows, means.shape
    steps = find_em(rows.xp, em.kind, d, device=rows.device)
    origin = rows.small(em.moments.mean, rows.wide)
    differences = means - to_host(origin).astype(np.float64)
    halves = -0.5 * np.vecdot(differences, differences)
    coefficients = rows.small(np.concatenate([halves[:, None], differences], axis=1), rows.wide)
    step = partial(_gain_step, steps=steps, origin=origin, coefficients=coefficients)
    size = steps.block_rows(k, d + 1, d)
    gain = rows.fold(step, em.weights, em.monomials, block_rows=size).cost
    return em.moments.total - 2 * float(to_host(gain))


@dataclass(frozen=True)
class _Cost(Totals):
    cost: Array


def _gain_step(
    block: Array,
    weights: Array | None,
    monomials: Array | None,
    *,
    steps: ExpectationMaximization,
    origin: Array,
    coefficients: Array,
) -> _Cost:
    """Return half of what the nearest centres take off the rows' squares."""
    xp = namespace_of(block)
    prepared = steps.prepare(block, origin, "shared") if monomials is None else monomials.T
    assert steps.scores is not None  # without matrices, polynomials are always there
    gains = xp.max(steps.scores(coefficients, prepared), axis=0)
    return _Cost(xp.sum(gains if weights is None else gains * weights))


def _cost_step(
    block: Array, weights: Array | None, *, engine: Engine, prepared: PreparedCenters
) -> _Cost:
    """Return the weighted squared distances to the nearest centres."""
    _, distances = engine.nearest(block, prepared)
    costs = distances if weights is None else distances * weights
    return _Cost(namespace_of(costs).sum(costs))


def check_stiffness(value: Any, name: str) -> float:
    """Return `value` as a positive float that has an inverse."""
    number = check_nonnegative(value, name)
    if number == 0 or not np.isfinite(1 / number):
        raise ValueError(
            f"{name} must be positive, got {name}={value}. A fit with stiffness=None learns it."
        )
    return number
