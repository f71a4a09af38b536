"""k-medoids: PAM, FasterPAM, and OneBatchPAM where distances would not fit in memory."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, get_args

import numpy as np

from kmeans_xp.algorithms.loop import Report, Run
from kmeans_xp.algorithms.medoids.checks import check_kept, check_measurable
from kmeans_xp.algorithms.medoids.judges import (
    Candidates,
    Judges,
    all_judge,
    batch_size,
    fewer,
    some_judge,
)
from kmeans_xp.algorithms.medoids.starts import ROUNDING, Init, check_init, start
from kmeans_xp.algorithms.medoids.swapping import Swapped, Tell, swap_best, swap_eagerly
from kmeans_xp.arrays import Array, Totals, namespace_of, to_host
from kmeans_xp.arrays.checks import check_callback, check_choice, check_clusters, check_count
from kmeans_xp.arrays.draws import as_generator
from kmeans_xp.arrays.precision import full_precision, quiet
from kmeans_xp.arrays.record import Record
from kmeans_xp.kernels.choose.engine import engine_for_medoids
from kmeans_xp.kernels.metrics import PRECOMPUTED, Metric, check_metric, measure
from kmeans_xp.rows.arguments import Weights, open_weights
from kmeans_xp.rows.base import Rows
from kmeans_xp.rows.checks import range_error
from kmeans_xp.rows.open import beside_x, open_rows

Method = Literal["auto", "pam", "fasterpam", "onebatch"]
METHODS = get_args(Method)
# How many times as many rows judge the medoids in the second round of "onebatch": on 20,000 flights
# with k = 100 a loss that is 0.76, 0.52 and 0.35% above that of "fasterpam" with 3, 4 and 5.
MORE = 5
# How many random rows are candidates in its two rounds, in all or for each medoid, whichever is
# more. On 100,000 flights with k = 100 all of them would take five times as long for 0.5%
# less loss.
FIRST_CANDIDATES, FIRST_CANDIDATES_EACH = 5_000, 50
CANDIDATES, CANDIDATES_EACH = 20_000, 200
# The part of the loss by which one of its iterations must lower it to be followed by another: what
# some judges say of less is noise.
NOISE = 1e-3


@dataclass(frozen=True, eq=False, repr=False)
class KMedoidsResult(Record):
    """A clustering around medoids, which are rows of X.

    Attributes
    ----------
    medoid_indices : array of shape (k,), int64
        Which rows the medoids are, where X lives.
    centers : array of shape (k, d) or None
        The medoids, where X lives, in its floating dtype. None if X holds distances.
    labels : array of shape (n,), int32
        The index of each row's nearest medoid, where X lives.
    loss : float
        Weighted sum of the rows' distances to their medoids.
    n_iter : int
        Iterations of the best start: passes over all rows, or with "pam" swaps and the vain last
        search.
    n_swaps : int
        How often a row took a medoid's place.
    converged : bool
        Whether they ended because no swap lowers the loss, or with "onebatch" hardly any.
    history : tuple of float
        The loss that each iteration started from, as far as the rows that judge know it.
    sizes : array of shape (k,), int64
        How many rows each cluster has, where X lives.
    method : str
        "pam", "fasterpam" or "onebatch".
    kernel : str
        The kernel that ran.
    """

    __module__ = "kmeans_xp"  # Pickles outlive moves.

    medoid_indices: Array
    centers: Array | None
    labels: Array
    loss: float
    n_iter: int
    n_swaps: int
    converged: bool
    history: tuple[float, ...]
    sizes: Array
    method: str
    kernel: str


@dataclass(frozen=True, eq=False, repr=False)
class MedoidIteration(Record):
    """What the callback of k-medoids is told after each iteration.

    Attributes
    ----------
    run : int
        Which start this is, from 1 to ``n_init``.
    number : int
        Which iteration of the run, from 1.
    loss : float
        The loss that the iteration started from, as far as the rows that judge know it.
    n_swaps : int
        How many rows took a medoid's place in this iteration.
    medoid_indices : array of shape (k,), int64
        A copy of the new medoids' indices, where X lives.
    """

    __module__ = "kmeans_xp"  # Pickles outlive moves.

    run: int
    number: int
    loss: float
    n_swaps: int
    medoid_indices: Array


MedoidCallback = Callable[[MedoidIteration], Any]


@beside_x
def kmedoids(
    X: Array,
    n_clusters: int,
    *,
    metric: Metric = "euclidean",
    method: Method = "auto",
    init: Init = "auto",
    n_init: int | Literal["auto"] = "auto",
    max_iter: int = 300,
    max_memory: int = 2**31,
    algorithm: str = "auto",
    sample_weight: Array | None = None,
    rng: int | np.random.Generator | None = None,
    callback: MedoidCallback | None = None,
) -> KMedoidsResult:
    """Cluster rows around k of them, the medoids, so that the distances to these are small.

    A medoid is a row of X, so any distance will do, and a few outliers move it little.

    Parameters
    ----------
    X : array of shape (n, d), or of shape (n, n) with metric="precomputed"
        The rows: an array of any namespace, a memory map, a Dask array, a list. Or the distances
        between them, which are symmetric, kept in their dtype and not copied.
    n_clusters : int
        How many medoids, k.
    metric : str or callable
        "euclidean", "sqeuclidean", "manhattan", "cosine", "chebyshev"; "precomputed"; or a function
        of two blocks of rows, (B, d) and (m, d), that returns their distances, (B, m). It gets
        arrays of X's library, and must be symmetric.
    method : {"auto", "pam", "fasterpam", "onebatch"}
        "pam" makes the one best swap of a row and a medoid at a time; "fasterpam" makes each swap
        that lowers the loss as soon as it is seen, and is as good and much faster. Both keep the
        distances between all rows. "onebatch" has random rows judge the medoids, keeps nothing, and
        ends a fraction of a percent worse. "auto" is "fasterpam", or "onebatch" if the distances
        would not fit in `max_memory`.
    init : {"auto", "random", "build", "k-medoids++"} or array of shape (k,), integers
        Where to start. "random" takes random rows; "build" takes one row after the other that
        lowers the loss most, which passes k times over all distances; "k-medoids++" draws rows by
        their distances to those before; an array names rows. "auto" is "build" for "pam", else
        "k-medoids++".
    n_init : int or "auto"
        How many starts to try; the least loss is kept. "auto" is 3 where random starts share the
        distances between all rows, else 1.
    max_iter : int
        The most iterations of one start.
    max_memory : int
        How many bytes the distances between all rows may take. While they are put together, those
        of other libraries than NumPy take twice as many.
    algorithm : str
        "auto" takes the best engine; or an engine by its name, such as "portable".
    sample_weight : array of shape (n,) or float, optional
        Non-negative weights of the rows, or one for all of them; by default 1 each. A row of
        weight 0 is no medoid.
    rng : None, int or numpy.random.Generator
        Where random draws come from. They are made on the host: the same seed gives the same
        start on every backend.
    callback : callable, optional
        Called with a `MedoidIteration` after each one; if it returns true, the fit ends there.

    Returns
    -------
    KMedoidsResult
        With the fields `medoid_indices`, `centers`, `labels`, `loss`, `n_iter`, `n_swaps`,
        `converged`, `history`, `sizes`, `method`, `kernel`.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind, or arrays live in different places.
    ValueError
        If an argument has the wrong shape or value, X or its distances hold NaN or infinity or
        are out of range, a row has no direction for "cosine", or the distances that `method` keeps
        take more than `max_memory`.

    References
    ----------
    L. Kaufman and P. J. Rousseeuw, *Finding Groups in Data*, 1990 ("pam", "build").
    E. Schubert and P. J. Rousseeuw, "Fast and eager k-medoids clustering", Information Systems
    101, 2021 ("fasterpam", and how "pam" scores swaps).
    A. de Mathelin et al., "OneBatchPAM: a fast and frugal k-medoids algorithm", AAAI 2025.

    Examples
    --------
    >>> import numpy as np
    >>> from kmeans_xp import kmedoids
    >>> X = np.array([[0.0], [1.0], [2.0], [10.0], [11.0], [99.0]])
    >>> result = kmedoids(X, 2, metric="manhattan", rng=0)
    >>> sorted(result.medoid_indices.tolist())
    [2, 5]
    >>> result.loss
    20.0
    """
    rows = open_rows(X)
    n = rows.shape[0]
    k = check_clusters(n_clusters, n, "n_clusters")
    check_metric(metric)
    check_choice(method, "method", METHODS)
    given = check_init(init, n, k)
    max_iter = check_count(max_iter, "max_iter")
    max_memory = check_count(max_memory, "max_memory")
    check_callback(callback)
    weights = open_weights(rows, sample_weight)
    weights.check_clusters(k, "n_clusters")
    generator = as_generator(rng)
    method = _method(method, metric, rows, max_memory)
    if given == "auto":
        given = "build" if method == "pam" else "k-medoids++"
    starts = _starts(n_init, given, method)
    count = min(n, MORE * batch_size(n, k)) if method == "onebatch" else n
    engine = engine_for_medoids(
        rows.xp, algorithm, rows.shape, count, rows.dtype, swaps=True, device=rows.device
    )
    with rows.together(), full_precision(rows.xp), quiet():
        check_measurable(rows, metric)
        check_kept(rows, metric)
        candidates = Candidates(rows, measure(metric, engine), engine, weights.array, weights.count)
        _check_open(candidates, given)
        problem = Problem(candidates, weights, k, method, metric, generator)
        return problem.best(given, starts=starts, max_iter=max_iter, callback=callback)


def _method(method: Method, metric: Metric, rows: Rows, max_memory: int) -> Method:
    """Return the method that runs; refuse one that keeps too many distances."""
    n = rows.shape[0]
    needed = n * n * rows.xp.finfo(rows.dtype).bits // 8
    fits = metric == PRECOMPUTED or needed <= max_memory
    if metric == PRECOMPUTED and method == "onebatch":
        raise ValueError(
            "method must be 'auto', 'pam' or 'fasterpam' for metric='precomputed', got 'onebatch', "
            "which measures distances anew. All of them are there already."
        )
    if method == "auto":
        return "fasterpam" if fits else "onebatch"
    if method != "onebatch" and not fits:
        raise ValueError(
            f"max_memory must hold the distances between all rows for method={method!r}, which "
            f"take {needed} bytes, got max_memory={max_memory}. Take method='onebatch', or allow "
            "more."
        )
    return method


def _starts(n_init: int | Literal["auto"], init: str | list[int], method: str) -> int:
    """Return how many starts to try."""
    drawn = init in ("random", "k-medoids++")
    if isinstance(n_init, str):
        check_choice(n_init, "n_init", ("auto",))
        return 3 if drawn and method != "onebatch" else 1
    starts = check_count(n_init, "n_init")
    if starts > 1 and not drawn and method != "onebatch":
        raise ValueError(
            f"n_init must be 1 or 'auto' where init is no random one, got {n_init}: every start "
            "would be the same."
        )
    return starts


def _check_open(candidates: Candidates, init: str | list[int]) -> None:
    """Require the rows that `init` names to have a positive weight."""
    if candidates.weights is None or isinstance(init, str):
        return
    zero = candidates.rows.pick(candidates.weights, init) <= 0
    if zero.any():
        row = init[int(np.argmax(zero))]
        raise ValueError(
            f"init must hold rows of positive sample_weight, but row {row} has the weight 0. Name "
            "another row."
        )


@dataclass(frozen=True)
class Problem:
    """What stays the same from start to start.

    Attributes
    ----------
    candidates : Candidates
    weights : Weights
    k : int
    method : str
    metric : Metric
    generator : numpy.random.Generator
    """

    candidates: Candidates
    weights: Weights
    k: int
    method: str
    metric: Metric
    generator: np.random.Generator

    def best(
        self,
        init: str | list[int],
        *,
        starts: int,
        max_iter: int,
        callback: MedoidCallback | None,
    ) -> KMedoidsResult:
        """Return the best of several starts."""
        judges = None if self.method == "onebatch" else all_judge(self.candidates)
        best: tuple[Run[Swapped], Ended] | None = None
        for number in range(1, starts + 1):
            tell = self._teller(callback, number)
            run = self.run(judges, init, max_iter=max_iter, tell=tell)
            ended = self.settle(run.state.medoids)
            if best is None or ended.loss * ROUNDING < best[1].loss:
                best = run, ended
            if run.stopped:
                break
        assert best is not None
        return self._result(*best)

    def run(
        self, judges: Judges | None, init: str | list[int], *, max_iter: int, tell: Tell
    ) -> Run[Swapped]:
        """Start, and swap until no swap lowers the loss."""
        if judges is None:
            return self._two_rounds(init, max_iter=max_iter, tell=tell)
        begun = Swapped.of(judges, self._medoids(init, judges))
        swap = swap_best if self.method == "pam" else swap_eagerly
        return swap(begun, max_iter=max_iter, tell=tell)

    def _two_rounds(self, init: str | list[int], *, max_iter: int, tell: Tell) -> Run[Swapped]:
        """Swap as a few rows judge, and then as more and other ones do."""
        size, generator = batch_size(self.candidates.rows.shape[0], self.k), self.generator
        judges = some_judge(self.candidates, size, generator)
        medoids = self._medoids(init, judges)
        count = max(FIRST_CANDIDATES, FIRST_CANDIDATES_EACH * self.k)
        begun = Swapped.of(fewer(judges, count, medoids, generator), medoids)
        first = swap_eagerly(begun, max_iter=max_iter, tell=tell, least_gain=NOISE)
        if first.stopped or first.n_iter == max_iter:
            return replace(first, converged=False)
        judges, medoids = some_judge(self.candidates, MORE * size, generator), first.state.medoids
        count = max(CANDIDATES, CANDIDATES_EACH * self.k)
        few = fewer(judges, count, medoids, generator)
        begun = Swapped.of(few, medoids, before=first.state.swaps.n_swaps)

        def tell_on(number: int, state: Swapped, report: Report) -> Any:
            return tell(first.n_iter + number, state, report)

        left = max_iter - first.n_iter
        second = swap_eagerly(begun, max_iter=left, tell=tell_on, least_gain=NOISE)
        return replace(
            second, n_iter=first.n_iter + second.n_iter, history=first.history + second.history
        )

    def _medoids(self, init: str | list[int], judges: Judges) -> list[int]:
        return start(init, judges, self.k, self.generator)

    def _teller(self, callback: MedoidCallback | None, run: int) -> Tell:
        """Return the `tell` of `iterate` that tells the user's callback."""

        def tell(number: int, state: Swapped, report: Report) -> Any:
            if callback is None:
                return False
            rows, loss = self.candidates.rows, self.weights.common * report.objective
            medoids = rows.deliver(rows.small(np.array(state.medoids)))
            return callback(MedoidIteration(run, number, loss, int(report.shift), medoids))

        return tell

    def settle(self, medoids: list[int]) -> "Ended":
        """Assign all rows to their nearest medoids.

        A medoid that has no row, since it is equal to another one, gives its place to the row that
        is farthest from its own medoid, as long as there is one beside them and that row then has
        a cluster, which it may not where its distance to itself is not the least.
        """
        ended = self._assigned(medoids)
        while (farthest := self._farthest(ended)) is not None:
            medoids = list(ended.medoids)
            medoids[int(ended.empty[0])] = farthest
            after = self._assigned(medoids)
            if len(after.empty) >= len(ended.empty):
                break
            ended = after
        return ended

    def _farthest(self, ended: "Ended") -> int | None:
        """Return the row beside the medoids that costs most, if one is to replace an empty one."""
        if not len(ended.empty):
            return None
        rows = self.candidates.rows
        for row in rows.largest(ended.costs, min(self.k + 1, rows.shape[0])):
            if row not in ended.medoids:
                return row if rows.pick(ended.costs, [row])[0] > 0 else None
        return None

    def _assigned(self, medoids: list[int]) -> "Ended":
        candidates, rows = self.candidates, self.candidates.rows
        given = self.metric == PRECOMPUTED
        prepared = candidates.measure.prepare(rows.small(medoids) if given else rows.take(medoids))
        step = partial(_settle_step, candidates=candidates, prepared=prepared, k=self.k)
        size = candidates.measure.block_rows(self.k, rows.shape[1])
        ended, (labels, costs) = rows.sweep(step, candidates.weights, block_rows=size)
        loss = self.weights.common * float(to_host(ended.loss))
        if not np.isfinite(loss):
            raise range_error(rows, f"its loss is {loss}", "Divide")
        return Ended(medoids, labels, costs, loss, ended.sizes)

    def _result(self, run: Run[Swapped], ended: "Ended") -> KMedoidsResult:
        rows, swaps, common = self.candidates.rows, run.state.swaps, self.weights.common
        given = self.metric == PRECOMPUTED
        return KMedoidsResult(
            rows.deliver(rows.small(np.array(ended.medoids))),
            None if given else rows.deliver(rows.take(ended.medoids)),
            ended.labels,
            ended.loss,
            run.n_iter,
            swaps.n_swaps,
            run.converged,
            tuple(common * loss for loss in run.history),
            rows.deliver(ended.sizes),
            self.method,
            self.candidates.engine.name,
        )


@dataclass(frozen=True)
class Ended:
    """Medoids, and the labels, weighted distances and loss of all rows, and the clusters' sizes."""

    medoids: list[int]
    labels: Array
    costs: Array
    loss: float
    sizes: Array

    @property
    def empty(self) -> np.ndarray:
        """Return which medoids have no row."""
        return np.flatnonzero(to_host(self.sizes) == 0)


@dataclass(frozen=True)
class _Sums(Totals):
    loss: Array
    sizes: Array


def _settle_step(
    block: Array, weights: Array | None, *, candidates: Candidates, prepared: Any, k: int
) -> tuple[_Sums, tuple[Array, Array]]:
    xp = namespace_of(block)
    labels, distances = candidates.measure.nearest(block, prepared)
    costs = distances if weights is None else distances * weights
    return _Sums(xp.sum(costs), candidates.engine.count(labels, k)), (labels, costs)
