"""The scikit-learn estimator of bisecting k-means."""

from typing import Any

import numpy as np

from kmeans_xp.algorithms.bisecting.fit import Strategy, bisecting_kmeans
from kmeans_xp.algorithms.bisecting.tree import Tree, predict_leaves
from kmeans_xp.algorithms.loop import Callback
from kmeans_xp.algorithms.seeding.fit import Init
from kmeans_xp.arrays import Array, to_host
from kmeans_xp.arrays.checks import check_flag
from kmeans_xp.estimators.base import CenterEstimator, check_fits, warn_of_empty


class BisectingKMeans(CenterEstimator):
    """Bisecting k-means clustering.

    Parameters
    ----------
    n_clusters : int
        How many clusters, k.
    init : {"k-means++", "k-means||", "random"} or callable
        Where each bisection starts; see `kmeans_xp.bisecting_kmeans`.
    n_init : int
        How many starts each bisection tries; the least inertia is kept.
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState
        Where random draws come from.
    max_iter : int
        The most iterations of one start.
    verbose : int
        If not 0, show the progress on standard error: a bar if rich is installed, else a line
        a bisection.
    copy_x : bool
        Here for scikit-learn's sake. X is never modified, whatever is said.
    tol : float
        A bisection has converged if the squared shifts of its two centres add up to at most
        `tol` times the mean variance of the features in the cluster.
    algorithm : str
        "auto", "elkan" (scikit-learn's name; any exact method may run), "lloyd", or a kernel by its
        name, such as "portable".
    bisecting_strategy : {"biggest_inertia", "largest_cluster"}
        Which cluster is divided next: that of the largest inertia, or of the most rows, or of
        the most weight where rows have weights.
    callback : callable, optional
        Called with an `Iteration` after each bisection; if it returns true, the tree stays as
        it is then, with fewer clusters.

    Attributes
    ----------
    cluster_centers_ : array of shape (k, d)
        Where X lives, in its floating dtype. They are the leaves of `tree_`; to change them, write
        to that, which all methods then use. Others written here alone are an error.
    labels_ : array of shape (n,), int32
        The cluster that each row falls into; equals ``predict(X)``.
    inertia_ : float
        Weighted sum of squared distances of rows to their centres.
    n_iter_ : int
        Bisections.
    converged_ : bool
        Whether the k-means of each bisection converged.
    history_ : tuple of float
        The inertia that each bisection started from.
    tree_ : Tree
        The bisections, as small host arrays `centers` and `children`.
    kernel_ : str
        The kernel that ran.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : array of shape (d,)
        Names of the features, where X is a data frame.

    Examples
    --------
    >>> import numpy as np
    >>> from kmeans_xp import BisectingKMeans
    >>> X = np.array([[1.0, 2.0], [1.0, 4.0], [20.0, 2.0], [20.0, 4.0], [99.0, 3.0]])
    >>> model = BisectingKMeans(n_clusters=3, n_init=5, random_state=0).fit(X)
    >>> sorted(model.cluster_centers_.tolist())
    [[1.0, 3.0], [20.0, 3.0], [99.0, 3.0]]
    >>> bool((model.predict(X) == model.labels_).all())
    True
    """

    __module__ = "kmeans_xp"  # Pickles outlive moves.

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: Init = "random",
        n_init: int = 1,
        random_state: Any = None,
        max_iter: int = 300,
        verbose: int = 0,
        copy_x: bool = True,
        tol: float = 1e-4,
        algorithm: str = "auto",
        bisecting_strategy: Strategy = "biggest_inertia",
        callback: Callback | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.random_state = random_state
        self.max_iter = max_iter
        self.verbose = verbose
        self.copy_x = copy_x
        self.tol = tol
        self.algorithm = algorithm
        self.bisecting_strategy = bisecting_strategy
        self.callback = callback

    def _fit(self, X: Array, sample_weight: Array | None) -> None:
        check_flag(self.copy_x, "copy_x")
        result = self._run(bisecting_kmeans, X, sample_weight, end=self.n_clusters)
        self._take(X, result)
        self.tree_ = result.tree
        self._found = np.array(to_host(result.centers))
        if result.centers.shape[0] == self.n_clusters:
            warn_of_empty(result.sizes, self.n_clusters)

    def predict(self, X: Array) -> Array:
        """Return the leaf that each row falls into, (n,) int32, where `X` lives.

        At each bisection it goes to the nearer half, so that the nearest of all centres may be
        another one.
        """
        rows, tree = self._open(X), self._tree()
        self._centers()  # Others than the tree's leaves are an error.
        check_fits(rows, tree.centers, "tree_.centers")
        return predict_leaves(rows, tree)

    def _tree(self) -> Tree:
        if not isinstance(vars(self).get("tree_"), Tree):
            raise self._lacking("tree_")
        tree, d = self.tree_.checked("tree_"), vars(self).get("n_features_in_")
        if len(tree.centers) and d not in (None, tree.centers.shape[2]):
            raise ValueError(
                f"tree_.centers must have the shape (m, 2, {d}), got {tree.centers.shape}."
            )
        return tree

    def _centers(self) -> np.ndarray:
        """Return the centres on the host, (k, d): leaves of the tree, if it has any."""
        leaves, held = self._tree().leaves(), vars(self)
        if "cluster_centers_" not in held and len(leaves):
            return leaves
        centers = super()._centers()
        # Where rows coincide, the last leaf stands for more centres.
        leaves = leaves if len(leaves) else centers[:1]
        which = np.minimum(np.arange(len(centers)), len(leaves) - 1)
        fit = len(centers) >= len(leaves) and leaves.shape[1] == centers.shape[1]
        if fit and np.array_equal(leaves[which].astype(centers.dtype), centers):
            return centers
        if "_found" in held and np.array_equal(centers, self._found):
            return leaves  # It is the tree that the user wrote.
        raise ValueError(
            f"cluster_centers_ must be the leaves of tree_, {leaves.shape}, by which rows are "
            f"labelled, but others were written, {centers.shape}. Write them to tree_.centers."
        )
