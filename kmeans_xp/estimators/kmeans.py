"""The scikit-learn estimator of k-means."""

from typing import Any, Literal

from kmeans_xp.algorithms.kmeans.empty_clusters import EmptyClusters
from kmeans_xp.algorithms.kmeans.fit import kmeans
from kmeans_xp.algorithms.loop import Callback
from kmeans_xp.algorithms.seeding.fit import Init
from kmeans_xp.arrays import Array
from kmeans_xp.arrays.checks import check_flag
from kmeans_xp.estimators.base import CenterEstimator, warn_of_empty

# Values of `algorithm` that earlier versions took and pickles may hold.
REMOVED = ("boxes", "numpy boxes")


class KMeans(CenterEstimator):
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
    copy_x : bool
        Here for scikit-learn's sake. X is never modified, whatever is said.
    algorithm : str
        "auto", "elkan" (scikit-learn's name; any exact method may run), "lloyd", or a kernel by its
        name, such as "portable".
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

    __module__ = "kmeans_xp"  # Pickles outlive moves.

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: Init = "k-means++",
        n_init: int | Literal["auto"] = "auto",
        max_iter: int = 300,
        tol: float = 1e-4,
        verbose: int = 0,
        random_state: Any = None,
        copy_x: bool = True,
        algorithm: str = "auto",
        empty_clusters: EmptyClusters = "farthest",
        callback: Callback | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.verbose = verbose
        self.random_state = random_state
        self.copy_x = copy_x
        self.algorithm = algorithm
        self.empty_clusters = empty_clusters
        self.callback = callback

    def _fit(self, X: Array, sample_weight: Array | None) -> None:
        check_flag(self.copy_x, "copy_x")
        result = self._run(kmeans, X, sample_weight, end=self.max_iter)
        self._take(X, result)
        warn_of_empty(result.sizes, self.n_clusters)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Open a pickle; a model whose algorithm was removed is fitted again by "auto"."""
        if state.get("algorithm") in REMOVED:
            state = state | {"algorithm": "auto"}
        super().__setstate__(state)
