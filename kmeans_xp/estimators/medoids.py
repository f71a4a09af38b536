"""The scikit-learn estimator of k-medoids."""

from typing import Any, Literal

import numpy as np
from sklearn.utils import Tags

from kmeans_xp.algorithms.medoids.assign import medoid_loss, predict_medoids, transform_medoids
from kmeans_xp.algorithms.medoids.fit import MedoidCallback, Method, kmedoids
from kmeans_xp.algorithms.medoids.starts import Init
from kmeans_xp.arrays import Array
from kmeans_xp.estimators.base import Clusterer, check_fits, warn_of_empty
from kmeans_xp.kernels.metrics import PRECOMPUTED, Metric
from kmeans_xp.rows import Rows


class KMedoids(Clusterer):
    """k-medoids clustering, around rows of X and by any distance.

    Parameters
    ----------
    n_clusters : int
        How many medoids, k.
    metric : str or callable
        "euclidean", "sqeuclidean", "manhattan", "cosine", "chebyshev", "precomputed", or a
        function of two blocks of rows; see `kmeans_xp.kmedoids`.
    method : {"auto", "pam", "fasterpam", "onebatch"}
        "auto" is "fasterpam", or "onebatch" if the distances between all rows would not fit in
        `max_memory`.
    init : {"auto", "random", "build", "k-medoids++"} or array of shape (k,), integers
        Where to start. "auto" is "build" for "pam", else "k-medoids++".
    n_init : int or "auto"
        How many starts to try. "auto" is 3 where random starts share the distances, else 1.
    max_iter : int
        The most iterations of one start.
    max_memory : int
        How many bytes the distances between all rows may take.
    verbose : int
        If not 0, show the progress on standard error: a bar if rich is installed, else a line
        an iteration.
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState
        Where random draws come from.
    algorithm : str
        "auto", or an engine by its name, such as "portable".
    callback : callable, optional
        Called with a `MedoidIteration` after each iteration; if it returns true, the fit ends
        there.

    Attributes
    ----------
    medoid_indices_ : array of shape (k,), int64
        Which rows the medoids are, where X lives.
    cluster_centers_ : array of shape (k, d) or None
        The medoids, where X lives, in its floating dtype. None if X holds distances.
    labels_ : array of shape (n,), int32
        The cluster of each row; equals ``predict(X)``.
    inertia_ : float
        Weighted sum of the rows' distances to their medoids.
    n_iter_ : int
        Iterations of the best start.
    n_swaps_ : int
        How often a row took a medoid's place.
    converged_ : bool
        Whether they ended because no swap lowers the inertia.
    history_ : tuple of float
        The inertia that each iteration started from, as far as the rows that judge know it.
    method_ : str
        "pam", "fasterpam" or "onebatch".
    kernel_ : str
        The kernel that ran.
    n_features_in_ : int
        Number of features; of rows, where X holds distances.
    feature_names_in_ : array of shape (d,)
        Names of the features, where X is a data frame.

    Examples
    --------
    >>> import numpy as np
    >>> from kmeans_xp import KMedoids
    >>> X = np.array([[1.0, 2.0], [1.0, 3.0], [1.0, 4.0], [99.0, 2.0], [99.0, 3.0], [99.0, 50.0]])
    >>> model = KMedoids(n_clusters=2, metric="manhattan", random_state=0).fit(X)
    >>> sorted(model.cluster_centers_.tolist())
    [[1.0, 3.0], [99.0, 3.0]]
    >>> bool((model.predict(X) == model.labels_).all())
    True
    """

    __module__ = "kmeans_xp"  # Pickles outlive moves.

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        metric: Metric = "euclidean",
        method: Method = "auto",
        init: Init = "auto",
        n_init: int | Literal["auto"] = "auto",
        max_iter: int = 300,
        max_memory: int = 2**31,
        verbose: int = 0,
        random_state: Any = None,
        algorithm: str = "auto",
        callback: MedoidCallback | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.metric = metric
        self.method = method
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.max_memory = max_memory
        self.verbose = verbose
        self.random_state = random_state
        self.algorithm = algorithm
        self.callback = callback

    def _fit(self, X: Array, sample_weight: Array | None) -> None:
        result = self._run(kmedoids, X, sample_weight, end=self.max_iter)
        self._remember(X)
        self.medoid_indices_ = result.medoid_indices
        self.cluster_centers_ = result.centers
        self.labels_ = result.labels
        self.inertia_ = result.loss
        self.n_iter_ = result.n_iter
        self.n_swaps_ = result.n_swaps
        self.converged_ = result.converged
        self.history_ = result.history
        self.method_ = result.method
        self.kernel_ = result.kernel
        warn_of_empty(result.sizes, self.n_clusters)

    def predict(self, X: Array) -> Array:
        """Return the index of the nearest medoid of each row, (n,) int32, where `X` lives.

        With metric="precomputed" X holds the distances of rows to all rows of the fit.
        """
        rows = self._open(X)
        return predict_medoids(rows, self._medoids(rows), self.metric)

    def transform(self, X: Array) -> Array:
        """Return the distance of each row to each medoid, (n, k), where `X` lives."""
        rows = self._open(X)
        return transform_medoids(rows, self._medoids(rows), self.metric)

    def score(self, X: Array, y: None = None, sample_weight: Array | None = None) -> float:
        """Return minus the weighted sum of the distances of `X` to the nearest medoids."""
        rows = self._open(X)
        return -medoid_loss(rows, self._medoids(rows), self.metric, sample_weight)

    def _medoids(self, rows: Rows) -> np.ndarray:
        """Return the medoids on the host: rows, or their numbers where distances are given."""
        centers = self._centers()
        if self.metric != PRECOMPUTED:
            check_fits(rows, centers, self.CENTERS)
        return centers

    def _centers(self) -> np.ndarray:
        if self.metric != PRECOMPUTED:
            return super()._centers()
        numbers = self._fitted("medoid_indices_", (None,))
        most = vars(self).get("n_features_in_", int(numbers.max()) + 1)
        if numbers.dtype.kind not in "iu" or numbers.min() < 0 or numbers.max() >= most:
            raise ValueError(
                f"medoid_indices_ must hold indices of rows, from 0 to {most - 1}, got {numbers}."
            )
        return numbers

    def __sklearn_tags__(self) -> Tags:
        """Tell scikit-learn whether X holds distances."""
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self.metric == PRECOMPUTED
        return tags
