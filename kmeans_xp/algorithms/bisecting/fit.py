"""Bisecting k-means: a cluster is divided in two until there are k."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from kmeans_xp.algorithms.bisecting.splits import Bisections, Grown
from kmeans_xp.algorithms.bisecting.tree import Tree, tree_block_rows
from kmeans_xp.algorithms.final_assignment import assigned
from kmeans_xp.algorithms.kmeans.fit import KMeansResult
from kmeans_xp.algorithms.loop import Callback, Run, iterate, teller
from kmeans_xp.algorithms.seeding.fit import Init, check_init
from kmeans_xp.arrays import Array
from kmeans_xp.arrays.checks import (
    check_callback,
    check_choice,
    check_clusters,
    check_count,
    check_nonnegative,
)
from kmeans_xp.arrays.draws import as_generator
from kmeans_xp.kernels.choose.engine import engine_for_halves
from kmeans_xp.kernels.choose.ledger import passes_of
from kmeans_xp.kernels.interface import Engine
from kmeans_xp.kernels.shared.prepared_centers import prepare
from kmeans_xp.rows.arguments import Weights, open_weights
from kmeans_xp.rows.base import Rows
from kmeans_xp.rows.open import beside_x, open_rows

Strategy = Literal["biggest_inertia", "largest_cluster"]
STRATEGIES = get_args(Strategy)


@dataclass(frozen=True, eq=False, repr=False)
class BisectingKMeansResult(KMeansResult):
    """A clustering, of which tree, centres, labels and inertia belong together.

    Attributes
    ----------
    centers : array of shape (k, d)
        The means of the clusters, where X lives, in its floating dtype. Fewer than k if the
        callback stopped the fit.
    labels : array of shape (n,), int32
        The cluster that each row falls into on its way through the tree, where X lives.
    inertia : float
        Weighted sum of squared distances of rows to their centres, by direct differences.
    n_iter : int
        Bisections; the last one may have found nothing to divide.
    converged : bool
        Whether the k-means of each bisection converged.
    history : tuple of float
        The inertia that each bisection started from.
    sizes : array of shape (k,), int64
        How many rows each cluster has, where X lives.
    kernel : str
        The kernel that ran.
    tree : Tree
        The bisections, as small host arrays `centers` and `children`.
    """

    __module__ = "kmeans_xp"  # Pickles outlive moves.

    tree: Tree


@beside_x
def bisecting_kmeans(
    X: Array,
    n_clusters: int,
    *,
    init: Init = "random",
    n_init: int = 1,
    max_iter: int = 300,
    tol: float = 1e-4,
    bisecting_strategy: Strategy = "biggest_inertia",
    algorithm: str = "auto",
    sample_weight: Array | None = None,
    rng: int | np.random.Generator | None = None,
    callback: Callback | None = None,
) -> BisectingKMeansResult:
    """Divide the rows in two by k-means, then one of the halves, and so on until there are k.

    Parameters
    ----------
    X : array of shape (n, d)
        The rows: an array of any namespace, a memory map, a Dask array, a list.
    n_clusters : int
        How many clusters, k.
    init : {"k-means++", "k-means||", "random"} or callable
        Where each bisection starts, as in `kmeans`. A callable gets (rows, 2, rng), with the
        rows of the cluster, or some thousands of them at random.
    n_init : int
        How many starts each bisection tries; the least inertia is kept.
    max_iter : int
        The most iterations of one start.
    tol : float
        A bisection has converged if the squared shifts of its two centres add up to at most
        `tol` times the mean variance of the features in the cluster.
    bisecting_strategy : {"biggest_inertia", "largest_cluster"}
        Which cluster is divided next: that of the largest inertia, or of the most rows, or of
        the most weight where rows have weights.
    algorithm : str
        "auto", "elkan" (scikit-learn's name; any exact method may run), "lloyd", or a kernel by its
        name, such as "portable".
    sample_weight : array of shape (n,) or float, optional
        Non-negative weights of the rows, or one for all of them; by default 1 each.
    rng : None, int or numpy.random.Generator
        Where random draws come from. They are made on the host: the same seed gives the same
        answer on every backend, whatever the number of threads.
    callback : callable, optional
        Called with an `Iteration` after each bisection; if it returns true, the tree stays as
        it is then, with fewer clusters.

    Returns
    -------
    BisectingKMeansResult
        With the fields of a `KMeansResult`, and `tree`.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind, or arrays live in different places.
    ValueError
        If an argument has the wrong shape or value, or X holds NaN, infinity, or values whose
        squares do not fit the widest float.

    References
    ----------
    M. Steinbach, G. Karypis and V. Kumar, "A comparison of document clustering techniques",
    KDD workshop on text mining, 2000.

    Examples
    --------
    >>> import numpy as np
    >>> from kmeans_xp import bisecting_kmeans
    >>> X = np.array([[0.0], [1.0], [10.0], [11.0], [30.0]])
    >>> result = bisecting_kmeans(X, 3, rng=0)
    >>> sorted(result.centers[:, 0].tolist())
    [0.5, 10.5, 30.0]
    """
    rows = open_rows(X)
    k = check_clusters(n_clusters, rows.shape[0])
    _check_init(init)
    check_count(n_init, "n_init")
    check_count(max_iter, "max_iter")
    tol = check_nonnegative(tol, "tol")
    check_choice(bisecting_strategy, "bisecting_strategy", STRATEGIES)
    check_callback(callback)
    passes = passes_of(max_iter, n_init)
    engine = engine_for_halves(
        rows.xp, algorithm, rows.shape, rows.dtype, passes=passes, device=rows.device
    )
    weights = open_weights(rows, sample_weight)
    weights.check_clusters(k)
    generator = as_generator(rng)
    by_inertia = bisecting_strategy == "biggest_inertia"
    fit = Bisections(engine, init, n_init, max_iter, tol, by_inertia, generator, weights.common)
    tell = teller(callback, 1, rows, lambda state: state.centers(rows, state.tree))
    with rows.together():
        run = iterate(fit.step, fit.root(rows, weights.array), max_iter=k - 1, tell=tell)
        return _settle(rows, weights, engine, run, len(run.state.leaves) if run.stopped else k)


def _settle(
    rows: Rows, weights: Weights, engine: Engine, run: Run[Grown], k: int
) -> BisectingKMeansResult:
    """Assign every row to its leaf; where rows coincide, the last centre stands for the rest."""
    tree = run.state.tree
    found = run.state.centers(rows, tree)
    missing = k - found.shape[0]
    centers = rows.xp.concat([found, *[found[-1:, :]] * missing])
    size = tree_block_rows(engine, rows.shape[1])
    labels = rows.shares([leaf.rows for leaf in run.state.in_order(tree)])
    search = tree.search(rows, engine) if labels is None else None
    ended = assigned(
        rows,
        weights.array,
        prepare(centers),
        engine,
        search=search,
        labels=labels,
        block_rows=size,
        common=weights.common,
    ).checked(rows)
    return BisectingKMeansResult(
        rows.deliver(centers),
        ended.labels,
        ended.inertia,
        run.n_iter,
        run.state.converged,
        run.history,
        rows.deliver(ended.sizes),
        engine.name,
        tree,
    )


def _check_init(init: Any) -> None:
    """Require a name or a callable: an array cannot start every bisection."""
    if not (isinstance(init, str) or callable(init)):
        raise TypeError(
            f"init must be a name or a callable here, got {type(init).__name__}: one array of "
            "centres cannot start every bisection."
        )
    check_init(init)
