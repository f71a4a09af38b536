"""The scikit-learn estimator of soft k-means."""

import math
from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from kmeans_xp.algorithms.assign import transform_distances
from kmeans_xp.algorithms.mixture.em import MixtureCallback, delivered
from kmeans_xp.algorithms.mixture.em_starts import check_mixing
from kmeans_xp.algorithms.mixture.expectation import assigned
from kmeans_xp.algorithms.mixture.parameters import Mixture
from kmeans_xp.algorithms.mixture.soft import check_stiffness, fit_soft_kmeans
from kmeans_xp.algorithms.seeding.fit import Init
from kmeans_xp.arrays import Array
from kmeans_xp.estimators.base import Clusterer
from kmeans_xp.estimators.densities import Densities


class SoftKMeans(Clusterer, Densities):
    """Soft k-means clustering: each row belongs to the clusters in parts.

    Parameters
    ----------
    n_clusters : int
        How many clusters, k.
    stiffness : float, optional
        The inverse of the clusters' variance. By default it is learned.
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
        Added to the variance where that is learned.
    verbose : int
        If not 0, show the progress on standard error.
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState
        Where random draws come from.
    callback : callable, optional
        Called with a `MixtureIteration` after each one; if it returns true, the fit ends there.

    Attributes
    ----------
    cluster_centers_ : array of shape (k, d)
        Where X lives, in its floating dtype. All methods use them, `stiffness_` and `weights_` as
        they are now.
    labels_ : array of shape (n,), int32
        The cluster of the largest responsibility; equals ``predict(X)``.
    stiffness_ : float
        The inverse of the clusters' variance.
    weights_ : array of shape (k,)
        Mixing weights of the clusters; they add up to 1.
    log_likelihood_ : float
        Weighted mean of the rows' log-likelihoods.
    n_iter_ : int
        Iterations of the best start.
    converged_ : bool
        Whether they ended because the log-likelihood stood still.
    history_ : tuple of float
        The log-likelihood of the centres that each iteration started from.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : array of shape (d,)
        Names of the features, where X is a data frame.

    Examples
    --------
    >>> import numpy as np
    >>> from kmeans_xp import SoftKMeans
    >>> X = np.array([[1.0, 2.0], [1.0, 4.0], [10.0, 2.0], [10.0, 4.0]])
    >>> model = SoftKMeans(n_clusters=2, random_state=0).fit(X)
    >>> sorted(model.cluster_centers_.round(6).tolist())
    [[1.0, 3.0], [10.0, 3.0]]
    >>> model.predict_proba(X).round(6).max(axis=1)
    array([1., 1., 1., 1.])
    """

    __module__ = "kmeans_xp"  # Pickles outlive moves.

    PARAMETERS = ("cluster_centers_", "stiffness_", "weights_")

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        stiffness: float | None = None,
        init: Init = "k-means++",
        mixing: bool = True,
        n_init: int = 1,
        max_iter: int = 300,
        tol: float = 1e-4,
        reg_covar: float = 1e-6,
        verbose: int = 0,
        random_state: Any = None,
        callback: MixtureCallback | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.stiffness = stiffness
        self.init = init
        self.mixing = mixing
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.reg_covar = reg_covar
        self.verbose = verbose
        self.random_state = random_state
        self.callback = callback

    def _fit(self, X: Array, sample_weight: Array | None) -> None:
        fit = self._run(fit_soft_kmeans, X, sample_weight, end=self.max_iter)
        mixture, rows = fit.run.state.mixture, fit.rows
        log_likelihood, labels, _ = assigned(rows, fit.weights, mixture, shares=False)
        validate_data(self, X, skip_check_array=True)
        self._set_parameters(
            mixture,
            cluster_centers_=delivered(rows, mixture.means),
            stiffness_=1 / float(mixture.covariances),
            weights_=delivered(rows, mixture.weights),
        )
        self.labels_ = labels
        self.log_likelihood_ = log_likelihood
        self._set_run(fit.run)

    def _described(self) -> Mixture:
        means = self._centers().astype(np.float64)
        weights = self._fitted("weights_", (len(means),)).astype(np.float64)
        check_mixing(weights, "weights_")
        if "stiffness_" not in vars(self):
            raise self._lacking("stiffness_")
        stiffness = check_stiffness(self.stiffness_, "stiffness_")
        covariances, factors = np.asarray(1 / stiffness), np.asarray(math.sqrt(stiffness))
        return Mixture.amid("shared", weights, means, covariances, factors)

    def transform(self, X: Array) -> Array:
        """Return the distance of each row to each centre, (n, k), where `X` lives."""
        rows = self._open(X)
        return transform_distances(rows, self._density().means)
