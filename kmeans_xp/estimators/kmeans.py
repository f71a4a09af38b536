"""The scikit-learn estimator of k-means."""

import warnings
from typing import Any, Self

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted, validate_data

from kmeans_xp.algorithms.assign import predict_labels, transform_distances
from kmeans_xp.algorithms.kmeans import kmeans
from kmeans_xp.algorithms.loop import Callback
from kmeans_xp.algorithms.seeding import Init
from kmeans_xp.arrays import Array, to_host
from kmeans_xp.arrays.draws import as_generator
from kmeans_xp.estimators.progress import progress
from kmeans_xp.metrics.inertia import inertia
from kmeans_xp.rows import Rows, open_rows


class KMeans(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator):
    """k-means clustering.

    Parameters
    ----------
    n_clusters : int
        How many clusters, k.
    init : {"k-means++", "k-means||", "random"}, array of shape (k, d) or callable
        Where to start; see `kmeans_xp.kmeans`.
    n_init : int or "auto"
        How many starts to try. "auto" is 10 for "random" and a callable, else 1.
    max_iter : int
        The most iterations of one start.
    tol : float
        Converged if the squared shifts of the centres add up to at most `tol` times the mean
        variance of the features.
    verbose : int
        If not 0, show the progress on standard error: a bar if rich is installed, else a line
        an iteration.
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState
        Where random draws come from.
    algorithm : str
        "auto", "lloyd", or a kernel by its name, such as "portable".
    empty_clusters : {"farthest", "random"}
        Where a cluster that lost its rows goes.
    callback : callable, optional
        Called with an `Iteration` after each one; if it returns true, the fit ends there.

    Attributes
    ----------
    cluster_centers_ : array of shape (k, d)
        Where X lives, in its floating dtype.
    labels_ : array of shape (n,), int32
        The cluster of each row; equals ``predict(X)``.
    inertia_ : float
        Weighted sum of squared distances of rows to their centres.
    n_iter_ : int
        Iterations of the best start.
    converged_ : bool
        Whether they ended because the centres stood still.
    history_ : tuple of float
        The inertia of the centres that each iteration started from.
    kernel_ : str
        The kernel that ran.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : array of shape (d,)
        Names of the features, where X is a data frame.

    Examples
    --------
    >>> import numpy as np
    >>> from kmeans_xp import KMeans
    >>> X = np.array([[1.0, 2.0], [1.0, 4.0], [10.0, 2.0], [10.0, 4.0]])
    >>> model = KMeans(n_clusters=2, random_state=0).fit(X)
    >>> sorted(model.cluster_centers_.tolist())
    [[1.0, 3.0], [10.0, 3.0]]
    >>> bool((model.predict(X) == model.labels_).all())
    True
    """

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: Init = "k-means++",
        n_init: int | str = "auto",
        max_iter: int = 300,
        tol: float = 1e-4,
        verbose: int = 0,
        random_state: Any = None,
        algorithm: str = "auto",
        empty_clusters: str = "farthest",
        callback: Callback | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.verbose = verbose
        self.random_state = random_state
        self.algorithm = algorithm
        self.empty_clusters = empty_clusters
        self.callback = callback

    def fit(self, X: Array, y: None = None, sample_weight: Array | None = None) -> Self:
        """Cluster the rows of `X`.

        Parameters
        ----------
        X : array of shape (n, d)
            The rows.
        y : None
            Not used; here for scikit-learn's pipelines.
        sample_weight : array of shape (n,), optional
            Non-negative weights of the rows; by default 1 each.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            As `kmeans_xp.kmeans`. A model that was fitted before stays as it was.
        """
        with progress(self.verbose, self.callback, self.max_iter) as callback:
            result = kmeans(
                X,
                self.n_clusters,
                init=self.init,
                n_init=self.n_init,
                max_iter=self.max_iter,
                tol=self.tol,
                algorithm=self.algorithm,
                empty_clusters=self.empty_clusters,
                sample_weight=sample_weight,
                rng=as_generator(self.random_state, "random_state"),
                callback=callback,
            )
        validate_data(self, X, skip_check_array=True)
        self.cluster_centers_ = result.centers
        self.labels_ = result.labels
        self.inertia_ = result.inertia
        self.n_iter_ = result.n_iter
        self.converged_ = result.converged
        self.history_ = result.history
        self.kernel_ = result.kernel
        found = int(np.count_nonzero(to_host(result.sizes)))
        if found < self.n_clusters:
            warnings.warn(
                f"Number of distinct clusters ({found}) found smaller than n_clusters "
                f"({self.n_clusters}). Possibly due to duplicate points in X.",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def predict(self, X: Array) -> Array:
        """Return the index of the nearest centre of each row, (n,) int32, where `X` lives."""
        rows = self._open(X)
        return predict_labels(rows, to_host(self.cluster_centers_))

    def transform(self, X: Array) -> Array:
        """Return the distance of each row to each centre, (n, k), where `X` lives."""
        rows = self._open(X)
        return transform_distances(rows, to_host(self.cluster_centers_))

    def score(self, X: Array, y: None = None, sample_weight: Array | None = None) -> float:
        """Return minus the inertia of `X` about the fitted centres."""
        rows = self._open(X)
        centers = rows.deliver(rows.small(to_host(self.cluster_centers_), rows.dtype))
        return -inertia(X, centers, sample_weight=sample_weight)

    def _open(self, X: Array) -> Rows:
        """Return the rows of `X`, which must have the features of the fit."""
        check_is_fitted(self)
        rows = open_rows(X)
        validate_data(self, X, reset=False, skip_check_array=True)
        return rows

    @property
    def _n_features_out(self) -> int:
        return int(self.cluster_centers_.shape[0])

    def __getstate__(self) -> dict[str, Any]:
        """Hold host arrays, so that a model saved on a GPU box opens without one."""
        state = super().__getstate__()
        small = {"cluster_centers_", "labels_"} & state.keys()
        return state | {name: to_host(state[name]) for name in small}
