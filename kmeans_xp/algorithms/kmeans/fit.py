"""Lloyd's algorithm for k-means."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from typing import Any, Literal

import numpy as np

from kmeans_xp.algorithms.final_assignment import Assignment, assigned
from kmeans_xp.algorithms.kmeans.batch import Batch, Terms
from kmeans_xp.algorithms.kmeans.empty_clusters import CHOICES, EmptyClusters, relocate
from kmeans_xp.algorithms.loop import Callback, Report, Run, iterate, teller
from kmeans_xp.algorithms.moments import CANCELLED, Moments, moments_of
from kmeans_xp.algorithms.seeding.batch import draw_count
from kmeans_xp.algorithms.seeding.fit import (
    Init,
    check_init,
    check_starts,
    given_centers,
    random_rows,
    seed,
)
from kmeans_xp.arrays import Array
from kmeans_xp.arrays.checks import (
    check_callback,
    check_choice,
    check_clusters,
    check_count,
    check_nonnegative,
)
from kmeans_xp.arrays.draws import as_generator, check_rng
from kmeans_xp.arrays.precision import full_precision, quiet
from kmeans_xp.arrays.record import Record
from kmeans_xp.kernels.choose.ledger import passes_of
from kmeans_xp.kernels.choose.lloyd import LloydMethod, find_lloyd, suits_batch
from kmeans_xp.kernels.interface import Engine, LloydRun
from kmeans_xp.kernels.portable.batch import batch_rows, totals_of
from kmeans_xp.kernels.shared.cluster_totals import ClusterTotals, move
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters, prepare
from kmeans_xp.rows.arguments import open_weights
from kmeans_xp.rows.base import Rows
from kmeans_xp.rows.open import beside_x, open_rows

# Part of the total squares that rounding may change. Of starts that end so close the first is kept:
# most find the same clusters, often in another order, which rounding must not choose.
TIE = 2.0**-40
# Starts that are drawn for all runs at once.
AT_ONCE = ("k-means++", "random")


@dataclass(frozen=True, eq=False, repr=False)
class KMeansResult(Record):
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
        Iterations of the best start.
    converged : bool
        Whether they ended because the centres stood still.
    history : tuple of float
        The inertia of the centres that each iteration started from.
    sizes : array of shape (k,), int64
        How many rows each cluster has, where X lives.
    kernel : str
        The kernel that ran; "batch" where all starts were made at once.
    """

    __module__ = "kmeans_xp"  # Pickles outlive moves.

    centers: Array
    labels: Array
    inertia: float
    n_iter: int
    converged: bool
    history: tuple[float, ...]
    sizes: Array
    kernel: str


@beside_x
def kmeans(
    X: Array,
    n_clusters: int,
    *,
    init: Init = "k-means++",
    n_init: int | Literal["auto"] = "auto",
    max_iter: int = 300,
    tol: float = 1e-4,
    algorithm: str = "auto",
    empty_clusters: EmptyClusters = "farthest",
    sample_weight: Array | None = None,
    rng: int | np.random.Generator | None = None,
    callback: Callback | None = None,
) -> KMeansResult:
    """Cluster rows around k centres so that the squared distances to them are small.

    Parameters
    ----------
    X : array of shape (n, d)
        The rows: an array of any namespace, a memory map, a Dask array or data frame, a data
        frame in memory, a list. float32 and float64 are computed as such, float16 and bfloat16 as
        float32, integers and bool as the default float.
    n_clusters : int
        How many clusters, k.
    init : {"k-means++", "k-means||", "random"}, array of shape (k, d) or callable
        Where to start. "k-means++" is greedy k-means++; "k-means||" passes over the rows a few
        times rather than k times, for Dask arrays and files; "random" takes random rows; a
        callable gets (X, n_clusters, rng) and returns an array of shape (k, d). One that has a
        parameter `random_state`, as scikit-learn calls it, gets a `numpy.random.RandomState` by
        that name in place of `rng`.
    n_init : int or "auto"
        How many starts to try; the least inertia is kept. "auto" is 10 for "random" and a
        callable, else 1. From an array there is one; more are a `RuntimeWarning`. Of few rows all
        starts are made at once, unless a callback watches.
    max_iter : int
        The most iterations of one start.
    tol : float
        Converged if the squared shifts of the centres add up to at most `tol` times the mean
        variance of the features. With 0, only if no centre moves.
    algorithm : str
        "auto" takes what suits the data, and so does "elkan", scikit-learn's name for skipping rows
        by bounds: any exact method may run. "lloyd" looks at every row in every iteration;
        "hamerly" and "projection" skip rows that are certain to keep their label, and give Lloyd's
        labels iteration by iteration (for NumPy arrays in memory). Or a kernel by its name, such
        as "portable" or "numba hamerly".
    empty_clusters : {"farthest", "random"}
        Where a cluster that lost its rows goes: to the row that is farthest from its centre, or
        to a random row.
    sample_weight : array of shape (n,) or float, optional
        Non-negative weights of the rows, or one for all of them; by default 1 each. They, and an
        `init`, are like X, or a list or NumPy array, which moves to where X lives.
    rng : None, int or numpy.random.Generator
        Where random draws come from. They are made on the host: the same seed gives the same
        answer on every backend, whatever the number of threads.
    callback : callable, optional
        Called with an `Iteration` after each one; if it returns true, the fit ends there.

    Returns
    -------
    KMeansResult
        With the fields `centers`, `labels`, `inertia`, `n_iter`, `converged`, `history`,
        `sizes`, `kernel`.

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
        If `n_init` asks for several starts from an array.

    References
    ----------
    S. P. Lloyd, "Least squares quantization in PCM", IEEE Trans. Inf. Theory 28, 1982.

    Examples
    --------
    >>> import numpy as np
    >>> from kmeans_xp import kmeans
    >>> X = np.array([[0.0], [1.0], [10.0], [11.0]])
    >>> result = kmeans(X, 2, rng=0)
    >>> sorted(result.centers[:, 0].tolist())
    [0.5, 10.5]
    >>> result.inertia
    1.0
    """
    rows = open_rows(X)
    k = check_clusters(n_clusters, rows.shape[0])
    check_init(init)
    starts = check_starts(n_init, init, random=10)
    check_count(max_iter, "max_iter")
    tol = check_nonnegative(tol, "tol")
    check_callback(callback)
    check_choice(empty_clusters, "empty_clusters", CHOICES)
    weights = open_weights(rows, sample_weight)
    weights.check_clusters(k)
    check_rng(rng)
    with rows.together():
        # Starts that are made at once gain nothing by compiled code.
        several = starts > 1 and not suits_batch(rows, k, algorithm)
        passes = passes_of(max_iter, starts if several else 1)
        method = find_lloyd(rows, k, algorithm, passes=passes)
        moments = moments_of(rows, weights.array, method.engine)
        problem = Problem(
            rows,
            weights.array,
            k,
            method,
            moments,
            tol,
            empty_clusters,
            rng,
            weights.common,
            at_once=suits_batch(rows, k, algorithm),
        )
        return problem.best(X, init, starts=starts, max_iter=max_iter, callback=callback)


@dataclass(frozen=True)
class Problem:
    """What stays the same from iteration to iteration.

    Attributes
    ----------
    weights : array of shape (n,) or None
        None where all rows weigh the same, which is then the `common` weight.
    at_once : bool
        Whether several starts are made at once, where each draws by itself.
    """

    rows: Rows
    weights: Array | None
    k: int
    method: LloydMethod
    moments: Moments
    tol: float
    empty_clusters: str
    rng: int | np.random.Generator | None
    common: float = 1.0
    at_once: bool = False

    @property
    def engine(self) -> Engine:
        """Return the engine that runs."""
        return self.method.engine

    def threshold(self, totals: ClusterTotals) -> float:
        """Return up to which squared shift of the centres a run has converged.

        It is the same by the totals of any iteration.
        """
        return self.tol * self.moments.variance_by(totals) if self.tol else 0.0

    @cached_property
    def generator(self) -> np.random.Generator:
        """Return where random draws come from; to make one takes as long as an iteration."""
        return as_generator(self.rng)

    def best(
        self, X: Any, init: Init, *, starts: int, max_iter: int, callback: Callback | None
    ) -> KMeansResult:
        """Return the best of several starts."""
        best = None
        if self.at_once and starts > 1 and callback is None and init in AT_ONCE:
            best = self.best_at_once(init, starts, max_iter)
        if best is None:
            best = self.best_one_by_one(
                X, init, starts=starts, max_iter=max_iter, callback=callback
            )
        centers, sizes = self.rows.deliver(best.centers), self.rows.deliver(best.sizes)
        return replace(best, centers=centers, sizes=sizes)

    def is_better(self, inertia: float, before: float) -> bool:
        """Return whether an inertia is less than the one before, by more than rounding."""
        return inertia < before - TIE * self.moments.total

    def best_at_once(self, init: str, starts: int, max_iter: int) -> KMeansResult | None:
        """Return the best of starts that are all made at once.

        None if one needs what only a start by itself does: there are fewer distinct rows than
        clusters, or a cluster lost all its rows.
        """
        before = self.generator.bit_generator.state
        with full_precision(self.rows.xp), quiet():
            found = self._best_at_once(init, starts, max_iter)
        if found is None:  # The same draws are made again, start by start.
            self.generator.bit_generator.state = before
        return found

    def _best_at_once(self, init: str, starts: int, max_iter: int) -> KMeansResult | None:
        rows, k, xp = self.rows, self.k, self.rows.xp
        everything, origin = (
            xp.astype(a, rows.wide, copy=False)[None, ...]
            for a in (rows.block(0, rows.shape[0]), self.moments.origin.point)
        )
        data = batch_rows(everything, origin, self.weights, self.moments.origin.grids)
        one_cluster = xp.ones((1, 1, rows.shape[0]), dtype=xp.bool, device=rows.device)
        totals = ClusterTotals(*(part[0, ...] for part in totals_of(one_cluster, data)))
        one = np.array([self.threshold(totals)]), np.array([self.moments.about_origin])
        all_starts = Batch(data, k, rows.dtype, Terms(*one, max_iter))
        if init == "random":
            drawn = [random_rows(rows, k, self.weights, self.generator) for _ in range(starts)]
            centers, fits = all_starts.from_rows(rows.small(np.asarray(drawn)))
        else:
            centers, fits = all_starts.from_draws(self.generator.random((starts, draw_count(k))))
        if not all(fit.sound for fit in fits):
            return None
        best = 0
        for number, fit in enumerate(fits):
            best = number if self.is_better(fit.inertia, fits[best].inertia) else best
        fit = fits[best]
        history = tuple(self.common * inertia for inertia in fit.history)
        run = Run(centers[best, ...], len(history), fit.converged, False, history)
        return replace(self.settle(run, self.lloyd()), kernel="batch")

    def best_one_by_one(
        self, X: Any, init: Init, *, starts: int, max_iter: int, callback: Callback | None
    ) -> KMeansResult:
        """Return the best of starts that are made one after the other."""
        best: KMeansResult | None = None
        for number in range(1, starts + 1):
            tell = teller(callback, number, self.rows, lambda centers: centers)
            result, stopped = self.solve(X, init, max_iter=max_iter, tell=tell)
            if best is None or self.is_better(result.inertia, best.inertia):
                best = result
            if stopped:
                break
        assert best is not None
        return best

    def solve(
        self, X: Any, init: Init, *, max_iter: int, tell: Callable[..., Any]
    ) -> tuple[KMeansResult, bool]:
        """Seed, and iterate to the end of one start; return also whether `tell` stopped it."""
        centers = self.start(X, init)
        lloyd = self.lloyd()
        threshold = cache(lambda: self.threshold(lloyd.totals))
        step = partial(self.step, lloyd=lloyd, threshold=threshold)
        run = iterate(step, centers, max_iter=max_iter, tell=tell)
        return self.settle(run, lloyd), run.stopped

    def start(self, X: Any, init: Init) -> Array:
        """Return the centres of a start, where blocks live."""
        if not (isinstance(init, str) or callable(init)):
            return given_centers(self.rows, init, "init", self.k)
        rows, moments, generator = self.rows, self.moments, self.generator
        return seed(rows, X, self.k, init, self.weights, moments, generator, self.engine)

    def lloyd(self) -> LloydRun:
        """Return the iterations of a run."""
        return self.method.start(self.rows, self.weights, self.k, self.moments.origin)

    @quiet()
    def step(
        self, centers: Array, *, lloyd: LloydRun, threshold: Callable[[], float]
    ) -> tuple[Array, Report]:
        """Assign every row, and move each centre to the mean of its rows."""
        step, converged_at = lloyd.step(centers), threshold()
        squares = self.moments.about_origin
        inertia = self.common * (step.gain + squares)
        if inertia < CANCELLED * self.common * squares:
            inertia = self._ended(centers, lloyd).inertia
        if step.empty:
            prepared = prepare(centers, self.moments.origin)
            step = move(prepared, self.fill(prepared, lloyd.totals))
        return step.centers, Report(inertia, step.shift, step.shift <= converged_at)

    def fill(self, prepared: PreparedCenters, totals: ClusterTotals) -> ClusterTotals:
        """Give each empty cluster a row."""
        return relocate(
            self.rows,
            self.weights,
            prepared,
            totals,
            self.engine,
            choice=self.empty_clusters,
            generator=self.generator,
        )

    @quiet()
    def settle(self, run: Run[Array], lloyd: LloydRun) -> KMeansResult:
        """Assign once more, so that labels, inertia and centres belong together."""
        ended = self._ended(run.state, lloyd).checked(self.rows)
        return KMeansResult(
            run.state,
            ended.labels,
            ended.inertia,
            run.n_iter,
            run.converged,
            run.history,
            ended.sizes,
            self.method.name,
        )

    def _ended(self, centers: Array, lloyd: LloydRun) -> Assignment:
        labels, prepared = lloyd.labels(centers), prepare(centers, self.moments.origin)
        return assigned(
            self.rows, self.weights, prepared, self.engine, labels=labels, common=self.common
        )
