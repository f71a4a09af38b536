"""The scikit-learn estimator of Gaussian mixtures."""

import math
from functools import partial
from typing import Any

from sklearn.utils.validation import check_is_fitted, validate_data

from kmeans_xp.algorithms.em import EM, MixtureCallback, delivered
from kmeans_xp.algorithms.expectation import assigned
from kmeans_xp.algorithms.gaussian import drawn
from kmeans_xp.algorithms.mixture import fit_gaussian_mixture
from kmeans_xp.arrays import Array, to_like
from kmeans_xp.arrays.checks import check_choice, check_count
from kmeans_xp.arrays.draws import as_generator
from kmeans_xp.estimators.densities import Densities

# scikit-learn's names for the starts.
INITS = {
    "kmeans": "k-means",
    "k-means++": "k-means++",
    "k-means||": "k-means||",
    "random": "random shares",
    "random_from_data": "random",
}


class GaussianMixture(Densities):
    """A mixture of Gaussians.

    Parameters
    ----------
    n_components : int
        How many Gaussians, k.
    covariance_type : {"full", "tied", "diag", "spherical"}
        Whether each component has a covariance matrix of its own, all share one, or each has
        a variance for each feature, or one variance.
    tol : float
        Converged if the mean log-likelihood of a row changes by at most this.
    reg_covar : float
        Added to the variances, so that none collapses.
    max_iter : int
        The most iterations of one start.
    n_init : int
        How many starts to try; the largest log-likelihood is kept.
    init_params : {"kmeans", "k-means++", "k-means||", "random", "random_from_data"}
        Where to start: from the clusters of k-means, those around centres of k-means++ or
        k-means||, random responsibilities, or the clusters around random rows.
    weights_init : array of shape (k,), optional
        Weights to start from, with the sum 1.
    means_init : array of shape (k, d), optional
        Means to start from, in place of those that `init_params` finds.
    precisions_init : array, optional
        Inverse covariances to start from; of shape (k, d, d), (d, d), (k, d) or (k,).
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState
        Where random draws come from.
    warm_start : bool
        Whether `fit` goes on from where it ended before.
    verbose : int
        If not 0, show the progress on standard error.
    verbose_interval : int
        After how many iterations it is shown again.
    callback : callable, optional
        Called with a `MixtureIteration` after each one; if it returns true, the fit ends there.

    Attributes
    ----------
    weights_ : array of shape (k,)
        Of the components. Like all the arrays here it lives where X lives, in its dtype.
    means_ : array of shape (k, d)
        Of the components.
    covariances_, precisions_, precisions_cholesky_ : array
        Covariances, their inverses, and factors F of these, F Fᵀ; of shape (k, d, d), (d, d),
        (k, d) or (k,), by `covariance_type`.
    converged_ : bool
        Whether the best start ended because the log-likelihood stood still.
    n_iter_ : int
        Iterations of the best start.
    lower_bound_ : float
        Log-likelihood of the parameters that the last iteration started from.
    lower_bounds_, history_ : sequence of float
        The same of every iteration.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : array of shape (d,)
        Names of the features, where X is a data frame.

    Examples
    --------
    >>> import numpy as np
    >>> from kmeans_xp import GaussianMixture
    >>> X = np.array([[1.0, 2.0], [1.0, 4.0], [1.0, 0.0], [10.0, 2.0], [10.0, 4.0], [10.0, 0.0]])
    >>> model = GaussianMixture(n_components=2, random_state=0).fit(X)
    >>> sorted(model.means_.round(6).tolist())
    [[1.0, 2.0], [10.0, 2.0]]
    >>> labels = model.predict([[0.0, 0.0], [12.0, 3.0]])
    >>> bool(labels[0] != labels[1])
    True
    """

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: str = "full",
        tol: float = 1e-3,
        reg_covar: float = 1e-6,
        max_iter: int = 100,
        n_init: int = 1,
        init_params: str = "kmeans",
        weights_init: Array | None = None,
        means_init: Array | None = None,
        precisions_init: Array | None = None,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        verbose_interval: int = 10,
        callback: MixtureCallback | None = None,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.weights_init = weights_init
        self.means_init = means_init
        self.precisions_init = precisions_init
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.callback = callback

    def fit_predict(self, X: Array, y: None = None, sample_weight: Array | None = None) -> Array:
        """Fit the mixture, and return the component of each row, (n,) int32."""
        em = self._fit(X, sample_weight)
        return assigned(em.rows, em.weights, self._mixture, shares=False)[1]

    def _fit(self, X: Array, sample_weight: Array | None) -> EM:
        """Fit, and return what was fitted to."""
        init = INITS[check_choice(self.init_params, "init_params", tuple(INITS))]
        every = check_count(self.verbose_interval, "verbose_interval")
        algorithm = partial(
            fit_gaussian_mixture,
            init=init,
            start=getattr(self, "_mixture", None) if self.warm_start else None,
        )
        em, run = self._run(algorithm, X, sample_weight, end=self.max_iter, every=every)
        validate_data(self, X, skip_check_array=True)
        self._mixture = mixture = run.state.mixture
        self.weights_ = delivered(em.rows, mixture.weights)
        self.means_ = delivered(em.rows, mixture.means)
        self.covariances_ = delivered(em.rows, mixture.covariances)
        self.precisions_ = delivered(em.rows, mixture.precisions)
        self.precisions_cholesky_ = delivered(em.rows, mixture.factors)
        self.lower_bound_ = run.history[-1]
        self.lower_bounds_ = list(run.history)
        self._set_run(run)
        return em

    def bic(self, X: Array) -> float:
        """Return the Bayesian information criterion of the mixture for `X`; less is better."""
        n = self._open(X).shape[0]
        return self._deviance(X) + self._mixture.parameter_count() * math.log(n)

    def aic(self, X: Array) -> float:
        """Return Akaike's information criterion of the mixture for `X`; less is better."""
        return self._deviance(X) + 2 * self._mixture.parameter_count()

    def sample(self, n_samples: int = 1) -> tuple[Array, Array]:
        """Draw new rows from the mixture.

        Parameters
        ----------
        n_samples : int
            How many rows.

        Returns
        -------
        X : array of shape (n_samples, d)
            Like `means_`, component by component.
        y : array of shape (n_samples,), int32
            Their components.
        """
        check_is_fitted(self)
        generator = as_generator(self.random_state, "random_state")
        X, y = drawn(self._mixture, check_count(n_samples, "n_samples"), generator)
        like = self.means_
        return to_like(X, like, like.dtype), to_like(y, like)

    def _deviance(self, X: Array) -> float:
        return -2 * self.score(X) * self._open(X).shape[0]
