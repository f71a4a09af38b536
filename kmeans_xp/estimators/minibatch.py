"""The scikit-learn estimator of mini-batch k-means."""

from typing import Any, Literal, Self

from sklearn.utils.validation import validate_data

from kmeans_xp.algorithms.loop import Callback
from kmeans_xp.algorithms.minibatch.fit import MiniBatchFit, fit_minibatch_kmeans
from kmeans_xp.algorithms.minibatch.partial_fit import BatchResult, learn_batch
from kmeans_xp.algorithms.minibatch.running_means import Means
from kmeans_xp.algorithms.seeding.fit import Init
from kmeans_xp.arrays import Array
from kmeans_xp.arrays.draws import as_generator
from kmeans_xp.arrays.dtypes import working_dtype
from kmeans_xp.estimators.base import CenterEstimator, warn_of_empty


class MiniBatchKMeans(CenterEstimator):
    """Mini-batch k-means clustering.

    Parameters
    ----------
    n_clusters : int
        How many clusters, k.
    init : {"k-means++", "k-means||", "random"}, array of shape (k, d) or callable
        Where to start; see `kmeans_xp.minibatch_kmeans`.
    max_iter : int
        How often, at most, the batches go through as many rows as X has.
    batch_size : int
        Rows of a batch.
    verbose : int
        If not 0, show the progress on standard error: a bar if rich is installed, else a line
        each ten batches.
    compute_labels : bool
        Whether rows are assigned once the centres are found. If not, there is no `labels_`, and
        centres that came to cost more than where they started are not given up for the start.
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState
        Where random draws come from.
    tol : float
        Converged if the exponentially smoothed sum of the centres' squared shifts is at most
        `tol` times the mean variance of the features. 0 never stops.
    max_no_improvement : int or None
        Converged if the exponentially smoothed inertia reached no new low for so many batches,
        once they have had 100 rows a centre. None never stops.
    init_size : int, optional
        Rows that a start is sought among; by default three times `batch_size`, or three times
        `n_clusters` where that is more. Fewer than `n_clusters` are a `RuntimeWarning`, and three
        times `n_clusters` then.
    n_init : int or "auto"
        How many starts to try. "auto" is 3 for "random" and a callable, else 1.
    reassignment_ratio : float
        A centre that no row came to goes to a row of the batch, drawn by squared distance, when
        it would have had one if its share were this part of an equal one: after `n_clusters` /
        `reassignment_ratio` rows, or in `fit` as many as X has. 0 moves none.
    algorithm : str
        "auto", "lloyd", or a kernel by its name, such as "portable".
    callback : callable, optional
        Called with an `Iteration` after each batch of `fit`; if it returns true, the fit ends
        there.

    Attributes
    ----------
    cluster_centers_ : array of shape (k, d)
        Where X lives, in its floating dtype. `partial_fit` goes on from them, in full precision
        for as long as they are what it left.
    labels_ : array of shape (n,), int32
        The cluster of each row (of the last batch, after `partial_fit`); equals ``predict(X)``.
        Not without `compute_labels`.
    inertia_ : float
        Weighted sum of squared distances of those rows to their centres. Without `compute_labels`
        what the batches of `fit` suggest, and not after `partial_fit`.
    n_iter_ : int
        How often the batches went through as many rows as X has. Not after a first
        `partial_fit`, nor are `converged_` and `history_`.
    n_steps_ : int
        How many batches there were, those of `partial_fit` too.
    converged_ : bool
        Whether they ended because the batches told nothing new.
    history_ : tuple of float
        After each batch, the inertia that the batches so far suggest.
    kernel_ : str
        The kernel that ran.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : array of shape (d,)
        Names of the features, where X is a data frame.

    Examples
    --------
    >>> import numpy as np
    >>> from kmeans_xp import MiniBatchKMeans
    >>> X = np.repeat([[1.0, 2.0], [10.0, 4.0]], 500, axis=0)
    >>> model = MiniBatchKMeans(n_clusters=2, batch_size=100, random_state=0).fit(X)
    >>> sorted(model.cluster_centers_.tolist())
    [[1.0, 2.0], [10.0, 4.0]]
    >>> model.partial_fit(X[:50]).n_steps_ == len(model.history_) + 1
    True
    """

    __module__ = "kmeans_xp"  # Pickles outlive moves.

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: Init = "k-means++",
        max_iter: int = 100,
        batch_size: int = 1024,
        verbose: int = 0,
        compute_labels: bool = True,
        random_state: Any = None,
        tol: float = 0.0,
        max_no_improvement: int | None = 10,
        init_size: int | None = None,
        n_init: int | Literal["auto"] = "auto",
        reassignment_ratio: float = 0.01,
        algorithm: str = "auto",
        callback: Callback | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.verbose = verbose
        self.compute_labels = compute_labels
        self.random_state = random_state
        self.tol = tol
        self.max_no_improvement = max_no_improvement
        self.init_size = init_size
        self.n_init = n_init
        self.reassignment_ratio = reassignment_ratio
        self.algorithm = algorithm
        self.callback = callback

    def _fit(self, X: Array, sample_weight: Array | None) -> None:
        rng = as_generator(self.random_state, "random_state")
        fit = self._run(fit_minibatch_kmeans, X, sample_weight, end=None, every=10, rng=rng)
        self._remember(X)
        self._learn(fit)
        self.n_iter_ = fit.n_iter
        self.converged_ = fit.converged
        self.history_ = fit.history
        self.n_steps_ = fit.n_steps
        self._generator = rng
        if fit.assignment is None:
            self.inertia_ = fit.history[-1]
        else:
            warn_of_empty(fit.assignment.sizes, self.n_clusters)

    def _learn(self, fit: MiniBatchFit | BatchResult) -> None:
        """Keep centres, and the assignment to them if there is one; else forget an earlier one."""
        self.cluster_centers_ = fit.centers
        self.kernel_ = fit.kernel
        self._means = fit.means
        for name in ("labels_", "inertia_"):
            self.__dict__.pop(name, None)
        if fit.assignment is not None:
            self.labels_ = fit.assignment.labels
            self.inertia_ = fit.assignment.inertia

    def partial_fit(self, X: Array, y: None = None, sample_weight: Array | None = None) -> Self:
        """Learn from one batch; go on from what was learned before, by `fit` too.

        It goes on from `cluster_centers_`, whoever wrote them: those that were moved by hand have
        still seen what they had, and so go on as slowly. A model that has no others, or another
        number of them, has seen nothing: its centres go to the means of their rows in the batch.

        Parameters
        ----------
        X : array of shape (n, d)
            The batch, from any backend; the next may come from another. The first must have a
            row for each cluster.
        y : None
            Not used; here for scikit-learn's pipelines.
        sample_weight : array of shape (n,) or float, optional
            Non-negative weights of the rows, or one for all of them; by default 1 each.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            As `kmeans_xp.minibatch_kmeans`. The model stays as it was.
        """
        means, generator, steps = self._memory()
        known = "n_features_in_" in vars(self)
        if known:
            self._open(X)
        learned = learn_batch(
            X,
            means,
            sample_weight=sample_weight,
            generator=generator,
            **self._options(learn_batch),
        )
        validate_data(self, X, reset=not known, skip_check_array=True)
        self._learn(learned)
        self._generator, self.n_steps_ = generator, steps + 1
        return self

    def fit_predict(self, X: Array, y: None = None, sample_weight: Array | None = None) -> Array:
        """Fit, and return the cluster of each row, (n,) int32, where `X` lives."""
        self.fit(X, y, sample_weight)
        return self.labels_ if self.compute_labels else self.predict(X)

    def _memory(self) -> tuple[Means | None, Any, int]:
        """Return what earlier batches left: means, the state of the draws, and their number."""
        held = vars(self)
        generator = held.get("_generator") or as_generator(self.random_state, "random_state")
        if "cluster_centers_" not in held:
            return None, generator, 0
        centers = self._centers()
        centers = centers.astype(working_dtype(centers, "cluster_centers_"), copy=False)
        means = self._means.moved_to(centers) if "_means" in held else Means.unseen(centers)
        return means, generator, held.get("n_steps_", 0)
