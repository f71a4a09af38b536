"""Mini-batch k-means: centres as running means of small random batches."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from kmeans_xp.algorithms.final_assignment import Assignment, assigned
from kmeans_xp.algorithms.kmeans.fit import KMeansResult
from kmeans_xp.algorithms.loop import Callback, Report, iterate, teller
from kmeans_xp.algorithms.minibatch.running_means import Means, Rules, learn, rows_to_wait
from kmeans_xp.algorithms.minibatch.start import (
    among_all,
    check_init_size,
    draw,
    start,
    surely_better,
)
from kmeans_xp.algorithms.moments import Moments, moments_of
from kmeans_xp.algorithms.seeding.fit import Init, check_starts
from kmeans_xp.arrays import Array
from kmeans_xp.arrays.checks import (
    check_callback,
    check_clusters,
    check_count,
    check_flag,
    check_nonnegative,
)
from kmeans_xp.arrays.draws import as_generator
from kmeans_xp.kernels.choose.engine import engine_for_batches
from kmeans_xp.kernels.interface import Engine
from kmeans_xp.kernels.shared.prepared_centers import prepare
from kmeans_xp.rows.arguments import Weights, open_weights
from kmeans_xp.rows.base import Rows
from kmeans_xp.rows.checks import check_rows
from kmeans_xp.rows.open import beside_x, open_rows

# Rows, and entries, that are drawn at a time: many, since a cluster or a file is slow to ask, and
# no more than fit a block.
DRAWN = 1 << 14
ENTRIES = 1 << 20
# What a batch weighs in the smoothed cost, as a multiple of its part of X. With scikit-learn's 2
# there are a tenth to a fifth more batches, for 0.05 to 0.2% less inertia.
SMOOTHING = 2.4
# Whether batches still tell anything new is asked once they have had so many rows a centre. Before,
# what few rows cost is a matter of luck, and centres that had few are still on their way.
ROWS_PER_CENTER = 100
# What those rows weigh from then on: many came while centres were elsewhere. Real data and heavy
# tails end 0.5 to 1.1% lower in as many batches. Not where few batches are left to average over.
FADED = 0.1


@dataclass(frozen=True, eq=False, repr=False)
class MiniBatchKMeansResult(KMeansResult):
    """A clustering, of which centres, labels and inertia belong together.

    Attributes
    ----------
    centers : array of shape (k, d)
        Where X lives, in its floating dtype.
    labels : array of shape (n,), int32
        The index of each row's nearest centre, where X lives.
    inertia : float
        Weighted sum of squared distances of rows to their centres, by direct differences.
    n_iter : int
        How often the batches went through as many rows as X has, rounded up.
    converged : bool
        Whether they ended because the batches brought nothing new.
    history : tuple of float
        After each batch, the inertia that the batches so far suggest, exponentially smoothed.
    sizes : array of shape (k,), int64
        How many rows each cluster has, where X lives.
    kernel : str
        The kernel that ran.
    n_steps : int
        How many batches there were.
    means : Means
        The running means and what they have seen, from which further batches go on. Those of
        the start where that was better.
    """

    __module__ = "kmeans_xp"  # Pickles outlive moves.

    n_steps: int
    means: Means


def minibatch_kmeans(
    X: Array,
    n_clusters: int,
    *,
    init: Init = "k-means++",
    n_init: int | Literal["auto"] = "auto",
    batch_size: int = 1024,
    max_iter: int = 100,
    tol: float = 0.0,
    max_no_improvement: int | None = 10,
    init_size: int | None = None,
    reassignment_ratio: float = 0.01,
    algorithm: str = "auto",
    sample_weight: Array | None = None,
    rng: int | np.random.Generator | None = None,
    callback: Callback | None = None,
) -> MiniBatchKMeansResult:
    """Cluster rows by k-means on small random batches: a little worse, much sooner.

    Each batch moves each centre to the mean of all rows that it was ever given, of which the
    first, about 100 a centre, weigh a tenth once they are over. In the end every row is assigned
    to its nearest centre. Centres that cost more than where they started
    are given up for the start: all rows are asked, unless a thousand random ones of more leave no
    doubt. Rows of weight 0 get a label and count for nothing else.

    Parameters
    ----------
    X : array of shape (n, d)
        The rows: an array of any namespace, a memory map, a Dask array, a list. Batches are
        gathered where they live.
    n_clusters : int
        How many clusters, k.
    init : {"k-means++", "k-means||", "random"}, array of shape (k, d) or callable
        Where to start, as in `kmeans`, among `init_size` random rows; a callable gets those
        rows instead of X.
    n_init : int or "auto"
        How many starts to try; the one of the least inertia on a random sample is kept. "auto"
        is 3 for "random" and a callable, else 1. From an array there is one; more are a
        `RuntimeWarning`.
    batch_size : int
        Rows of a batch. They are drawn by their weights, with replacement.
    max_iter : int
        How often, at most, the batches go through as many rows as X has.
    tol : float
        Converged if the exponentially smoothed sum of the centres' squared shifts is at most
        `tol` times the mean variance of the features. 0 never stops.
    max_no_improvement : int or None
        Converged if the exponentially smoothed inertia reached no new low for so many batches,
        once they have had 100 rows a centre. None never stops.
    init_size : int, optional
        Rows that a start is chosen from; by default three times `batch_size`, or three times
        `n_clusters` where that is more. Fewer than `n_clusters` are a `RuntimeWarning`, and three
        times `n_clusters` then.
    reassignment_ratio : float
        A centre that no row came to goes to a row of the batch, drawn by squared distance, when
        it would have had one if its share were this part of an equal one: after `n_clusters` /
        `reassignment_ratio` rows, or as many as X has. 0 moves none. A start other than an array
        or a callable puts each centre on a row; only one that is equal to another can be so.
    algorithm : str
        "auto", "lloyd", or a kernel by its name, such as "portable".
    sample_weight : array of shape (n,) or float, optional
        Non-negative weights of the rows, or one for all of them; by default 1 each.
    rng : None, int or numpy.random.Generator
        Where random draws come from. They are made on the host: the same seed gives the same
        answer on every backend, whatever the number of threads.
    callback : callable, optional
        Called with an `Iteration` after each batch; if it returns true, the fit ends there.

    Returns
    -------
    MiniBatchKMeansResult
        With the fields of a `KMeansResult`, `n_steps` and `means`.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind, or arrays live in different places.
    ValueError
        If an argument has the wrong shape or value, or X holds NaN, infinity, or values whose
        squares do not fit the widest float.

    Warns
    -----
    RuntimeWarning
        If `n_init` asks for several starts from an array, or `init_size` is less than `n_clusters`.

    References
    ----------
    D. Sculley, "Web-scale k-means clustering", WWW 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from kmeans_xp import minibatch_kmeans
    >>> X = np.repeat([[0.0], [10.0]], 500, axis=0)
    >>> result = minibatch_kmeans(X, 2, batch_size=100, rng=0)
    >>> sorted(round(float(c)) for c in result.centers[:, 0])
    [0, 10]
    """
    fit = fit_minibatch_kmeans(
        X,
        n_clusters,
        init=init,
        n_init=n_init,
        batch_size=batch_size,
        max_iter=max_iter,
        tol=tol,
        max_no_improvement=max_no_improvement,
        init_size=init_size,
        reassignment_ratio=reassignment_ratio,
        algorithm=algorithm,
        compute_labels=True,
        sample_weight=sample_weight,
        rng=rng,
        callback=callback,
    )
    assert fit.assignment is not None
    return MiniBatchKMeansResult(
        fit.centers,
        fit.assignment.labels,
        fit.assignment.inertia,
        fit.n_iter,
        fit.converged,
        fit.history,
        fit.assignment.sizes,
        fit.kernel,
        fit.n_steps,
        fit.means,
    )


@dataclass(frozen=True)
class MiniBatchFit:
    """What a fit found; its fields are as those of `MiniBatchKMeansResult`.

    Attributes
    ----------
    assignment : Assignment or None
        Labels, inertia and sizes; None where they were not asked for.
    """

    centers: Array
    assignment: Assignment | None
    n_iter: int
    converged: bool
    history: tuple[float, ...]
    kernel: str
    n_steps: int
    means: Means


@beside_x
def fit_minibatch_kmeans(
    X: Array,
    n_clusters: int,
    *,
    init: Init,
    n_init: int | Literal["auto"],
    batch_size: int,
    max_iter: int,
    tol: float,
    max_no_improvement: int | None,
    init_size: int | None,
    reassignment_ratio: float,
    algorithm: str,
    compute_labels: bool,
    sample_weight: Array | None,
    rng: int | np.random.Generator | None,
    callback: Callback | None,
) -> MiniBatchFit:
    """Fit as `minibatch_kmeans`.

    Without labels, rows are not assigned in the end, nor then are centres compared with where
    they started.
    """
    rows = open_rows(X)
    k = check_clusters(n_clusters, rows.shape[0])
    size = check_count(batch_size, "batch_size")
    init_rows = check_init_size(init, init_size, k, min(size, rows.shape[0]))
    starts = check_starts(n_init, init, random=3)
    epochs, tol = check_count(max_iter, "max_iter"), check_nonnegative(tol, "tol")
    patience = _check_patience(max_no_improvement)
    compute_labels = check_flag(compute_labels, "compute_labels")
    check_callback(callback)
    engine = engine_for_batches(
        rows.xp,
        algorithm,
        (min(size, rows.shape[0]), rows.shape[1]),
        k,
        rows.dtype,
        batches=epochs * rows.shape[0] // size,
        device=rows.device,
    )
    weights = open_weights(rows, sample_weight)
    weights.check_clusters(k)
    n, size = weights.count, min(size, weights.count)
    rules = Rules(k, engine, rows_to_wait(reassignment_ratio, k, n), as_generator(rng))
    tell = teller(callback, 1, rows, lambda state: state.means.rounded(rows))
    with rows.together():
        whole = among_all(rows, weights, init, init_rows)
        moments = _checked(rows, weights.array, engine, needed=tol > 0 or whole)
        first = start(rows, weights, rules, init, starts, init_rows, moments if whole else None)
        state = _State(Means.at(first, rows, drawn=isinstance(init, str)))
        batches = _batches(rows, weights.array, size, rules.generator)
        alpha = min(1.0, SMOOTHING * size / (n + 1))
        weight, variance = (moments.weight, moments.variance) if moments else (float(n), 0.0)
        few = ROWS_PER_CENTER * k / size
        scale = weights.common * weight
        steps = epochs * n // size
        fade = few if few < steps / 4 else math.inf
        fit = _Fit(rules, batches, size, alpha, scale, tol * variance, patience, few, fade)
        run = iterate(fit.step, state, max_iter=steps, tell=tell)
        means, ended = run.state.means, None
        if compute_labels:
            means, ended = _settle(rows, weights, rules, means, state.means, scale)
            ended = replace(ended, sizes=rows.deliver(ended.sizes))
        return MiniBatchFit(
            rows.deliver(means.rounded(rows)),
            ended,
            math.ceil(run.n_iter * size / n),
            run.converged,
            run.history,
            engine.name,
            run.n_iter,
            means.on_host(),
        )


def _checked(rows: Rows, weights: Array | None, engine: Engine, *, needed: bool) -> Moments | None:
    """Check the rows; return their moments where those are needed, or weights are given."""
    if needed or weights is not None:
        return moments_of(rows, weights, engine)
    # No more than to check: moments take five times as long.
    check_rows(rows, block_rows=engine.block_rows(1, rows.shape[1]))
    return None


def _settle(
    rows: Rows, weights: Weights, rules: Rules, means: Means, first: Means, scale: float
) -> tuple[Means, Assignment]:
    """Return the means, or where they started if that costs less, and the rows assigned to them.

    The rows weigh `scale` together.
    """
    ended = _assigned(rows, weights, rules, means).checked(rows)
    here, there, mean = means.rounded(rows), first.rounded(rows), ended.inertia / scale
    if not surely_better(rows, weights, rules, here, there, mean):
        started = _assigned(rows, weights, rules, first)
        if started.inertia < ended.inertia:
            return first, started
    return means, ended


def _assigned(rows: Rows, weights: Weights, rules: Rules, means: Means) -> Assignment:
    prepared, common = prepare(means.rounded(rows)), weights.common
    return assigned(rows, weights.array, prepared, rules.engine, common=common)


@dataclass(frozen=True)
class _State:
    """The means, and what their batches cost."""

    means: Means
    steps: int = 0
    cost: float = math.inf
    drift: float = math.inf
    least: float = math.inf
    stale: int = 0


@dataclass(frozen=True)
class _Fit:
    """What stays the same from batch to batch."""

    rules: Rules
    batches: Iterator["_Batch"]
    size: int
    alpha: float
    weight: float
    threshold: float
    patience: float
    few: float
    fade: float

    def step(self, state: _State) -> tuple[_State, Report]:
        """Learn from one batch, and judge by smoothed values whether it brought anything new.

        They start from what the first batch cost, which the start does. That is high, so that
        they fall for as long as the batches that follow are cheaper than the average so far;
        scikit-learn's start with the second batch, where a lucky one ends the fit at once. The
        first may be lucky too where batches are small, so that a `few` are awaited.
        """
        batch, drawn = next(self.batches)
        means, total, shift = learn(
            batch, Weights(None, 1.0, self.size), state.means, self.rules, drawn
        )
        if state.steps < self.fade <= state.steps + 1:
            means = means.times(FADED)
        alpha = self.alpha if state.steps else 1.0
        cost = _mix(state.cost, total / self.size, alpha)
        drift = _mix(state.drift, shift, alpha)
        stale = 0 if cost < state.least else state.stale + 1
        still = self.threshold > 0 and drift <= self.threshold
        after = _State(means, state.steps + 1, cost, drift, min(cost, state.least), stale)
        tired = stale >= self.patience and after.steps >= self.few
        return after, Report(cost * self.weight, shift, still or tired)


def _mix(old: float, new: float, alpha: float) -> float:
    return new if alpha == 1 else old * (1 - alpha) + new * alpha


# Rows, and which of them if not all.
_Batch = tuple[Rows, np.ndarray | None]


def _batches(
    rows: Rows, weights: Array | None, size: int, generator: np.random.Generator
) -> Iterator[_Batch]:
    """Yield batches without end; several are drawn at a time.

    How many does not depend on where the rows live, nor then do the draws that come after them.
    What is in memory is gathered when it is wanted, and is in the cache then.
    """
    count = max(1, min(DRAWN, ENTRIES // rows.shape[1]) // size) * size
    while True:
        drawn = np.asarray(draw(rows, weights, count, generator), np.int64)
        block = None if rows.in_memory else rows.take(drawn)
        for first in range(0, count, size):
            some = slice(first, first + size)
            yield (rows, drawn[some]) if block is None else (open_rows(block[some, :]), None)


def _check_patience(max_no_improvement: Any) -> float:
    if max_no_improvement is None:
        return math.inf
    return check_count(max_no_improvement, "max_no_improvement", low=0)
