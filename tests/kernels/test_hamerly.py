"""Runs of Lloyd's algorithm: whatever bounds remember, every iteration is that of a full search."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.testing import assert_allclose, assert_array_equal

from kmeans_xp import kmeans
from kmeans_xp.arrays.precision import quiet
from kmeans_xp.kernels.choose.engine import ENGINES
from kmeans_xp.kernels.choose.lloyd import BOUND_METHODS, BoundMethod
from kmeans_xp.kernels.choose.workload import Workload
from kmeans_xp.kernels.interface import Engine, FusedIteration, LloydRun
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.engine import NUMBA
from kmeans_xp.kernels.numpy import hamerly_one_block
from kmeans_xp.kernels.numpy.direct import DirectIteration
from kmeans_xp.kernels.numpy.engine import NUMPY
from kmeans_xp.kernels.numpy.nearest import CENTER_MAJOR_UP_TO
from kmeans_xp.kernels.portable.engine import PORTABLE
from kmeans_xp.kernels.portable.lloyd import BoundedSearch, FullSearch
from kmeans_xp.kernels.shared.cluster_totals import ClusterTotals, Move, move
from kmeans_xp.kernels.shared.exact_sums import placed
from kmeans_xp.kernels.shared.prepared_centers import Origin, prepare
from kmeans_xp.rows import Rows, open_rows
from tests.backends import Backend
from tests.data import blobs, cloud, some_rows
from tests.kernels.problems import (
    LAYOUTS,
    PROBLEMS,
    Problem,
    correlated,
    labels_of,
    nearest_to,
    origin_of,
    squares_of,
    zero_weights,
)
from tests.strategies import problems

# Rows of a block: few, so that there are several.
BLOCK = 90


@dataclass(frozen=True)
class Kind:
    """One way in which a bound method runs: block by block, or each iteration at once."""

    method: BoundMethod
    fused: bool
    # Whether rows are taken as they lie.
    about_zero: bool = False

    def takes(self, k: int) -> bool:
        one_block = self.method.fused is not None and self.method.group is None
        return not (self.fused and one_block) or k <= CENTER_MAJOR_UP_TO

    def start(self, rows: Rows, weights: np.ndarray | None, k: int, point: np.ndarray) -> LloydRun:
        origin = origin_of(rows.block(0, rows.shape[0]), point, weights)
        if self.fused:
            block = rows.uncopied(rows.shape[0])
            return self.method.fused(block, weights, k, origin, rows.team)
        bounds = self.method.bounds(Workload.of(rows, k))
        bounds.block_rows = BLOCK
        return BoundedSearch(rows, weights, NUMPY, origin, bounds)


def _param(kind: Kind | BoundMethod) -> object:
    method = kind.method if isinstance(kind, Kind) else kind
    lacking = method.group is not None and not compiling.installed()
    skip = pytest.mark.skipif(lacking, reason=f"numba is not installed, so no {method.name}")
    name = method.name
    if isinstance(kind, Kind):
        name += " at once" * kind.fused + " about zero" * kind.about_zero
    return pytest.param(kind, id=name, marks=skip)


KINDS = [Kind(method, False) for method in BOUND_METHODS]
FUSED = [Kind(method, True) for method in BOUND_METHODS if method.fused is not None]
# NumPy takes rows as they lie where they are near zero, and looks at all differences of few.
HAMERLY = next(method for method in BOUND_METHODS if method.name == "numpy hamerly")
DIRECT = replace(HAMERLY, name="numpy direct", fused=lambda *args: DirectIteration(*args[:-1]))
NUMPYS = [Kind(HAMERLY, False, True), Kind(HAMERLY, True, True), Kind(DIRECT, True)]
each_kind = pytest.mark.parametrize("kind", [_param(kind) for kind in KINDS + FUSED + NUMPYS])
each_bounds = pytest.mark.parametrize("kind", [_param(kind) for kind in KINDS])
each_method = pytest.mark.parametrize("method", [_param(method) for method in BOUND_METHODS])


def _labels(run: LloydRun) -> np.ndarray:
    return run.row_labels if isinstance(run, FusedIteration) else run.bounds.memory[0]


def _check_bounds(run: BoundedSearch, squares: np.ndarray) -> None:
    """What is remembered of each row is not more than is so."""
    distances, labels, rows = np.sqrt(squares), _labels(run), np.arange(len(squares))
    own = distances[rows, labels]
    distances[rows, labels] = np.inf
    limits, bound_gaps = run.bounds.drift_limits[labels], run.bounds.memory[1]
    # One that float32 cannot hold counts as the largest number, and a limit as more than that.
    largest = np.finfo(np.float32).max
    kept = np.minimum(bound_gaps, largest).astype(np.longdouble) - limits
    settled = limits < largest
    assert (kept <= distances.min(axis=1) - own)[settled].all()


def _check_move(
    moved: Move, totals: ClusterTotals, labels: np.ndarray, w: np.ndarray, case: Problem
) -> None:
    """Totals are those of the labels, and centres move to the means of their rows; all bits."""
    prepared = prepare(case.centers, origin_of(case.X, case.origin, w))
    expected = PORTABLE.sum_by_label(case.X, labels, w, prepared)
    assert_array_equal(totals.high, expected.high)
    assert_array_equal(totals.low, expected.low)
    means = move(prepared, expected)
    assert_array_equal(moved.centers, means.centers)
    assert replace(moved, centers=None) == replace(means, centers=None)


precisions = pytest.mark.parametrize(
    ("dtype", "weighted"), [("float32", False), ("float64", True)], ids=["float32", "weighted"]
)


@each_kind
@precisions
def test_every_iteration_is_that_of_a_full_search(
    kind: Kind, problem: Problem, dtype: str, weighted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not kind.takes(problem.k) or (dtype == "float32" and not problem.of_float32):
        return
    # Gaps are kept, however small the work.
    monkeypatch.setattr(hamerly_one_block, "GAPS_FROM", 0)
    monkeypatch.setattr(hamerly_one_block, "MAX_CHANGING", 0.5)
    case = replace(problem.cast(dtype), about_zero=kind.about_zero)
    w = zero_weights(len(case.X)) if weighted else np.ones(len(case.X))
    run = kind.start(open_rows(case.X), w if weighted else None, case.k, case.origin)
    for _ in range(6):
        with quiet():
            moved = run.step(case.centers)
        squares = squares_of(case.X, case.centers)
        assert_array_equal(_labels(run), labels_of(squares, case.X.shape[1]))
        if not kind.fused:
            _check_bounds(run, squares)
        _check_move(moved, run.totals, _labels(run), w, case)
        case = replace(case, centers=moved.centers)
    with quiet():
        assert_array_equal(run.labels(case.centers), nearest_to(case.X, case.centers))


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_a_full_search_moves_centres_to_the_means(
    engine: Engine, backend: Backend, problem: Problem, weighted: bool
) -> None:
    backend.need("float64")
    case = problem.cast("float64")
    w = zero_weights(len(case.X)) if weighted else np.ones(len(case.X))
    weights = backend.asarray(w) if weighted else None
    rows, origin = open_rows(backend.asarray(case.X)), origin_of(case.X, case.origin, w)
    grids = placed(origin.grids, rows.block(0, 1), backend.xp)
    run = FullSearch(rows, weights, engine, Origin(backend.asarray(origin.point), grids))
    for _ in range(3 if backend.name == "numpy" else 1):
        moved = run.step(backend.asarray(case.centers))
        read = Move(backend.to_numpy(moved.centers), moved.gain, moved.shift, moved.empty)
        labels = nearest_to(case.X, case.centers)
        totals = ClusterTotals(*map(backend.to_numpy, (run.totals.high, run.totals.low)))
        if "kernels that round products" in backend.lacks:
            expected = move(prepare(case.centers, origin), totals)
            room = 1e-14 * float(np.abs(case.X).max())
            assert_allclose(read.centers, expected.centers, rtol=1e-14, atol=room)
        else:
            _check_move(read, totals, labels, w, case)
        case = Problem(case.X, read.centers)
    assert run.labels(moved.centers) is None


def _jumps(X: np.ndarray) -> list[np.ndarray]:
    C = some_rows(X, 100)
    return [C, C, C[::-1].copy(), C[::-1].copy(), C**3, C]


def _there_and_back(X: np.ndarray) -> list[np.ndarray]:
    C = some_rows(X, 40)
    way = np.random.default_rng(2).normal(size=C.shape).astype(C.dtype)
    return [C + C.dtype.type(3e-3 * min(i, 20 - i)) * way for i in range(20)]


@each_kind
@pytest.mark.parametrize("d", [1, 3, 20])
@pytest.mark.parametrize("path", [_jumps, _there_and_back])
def test_centres_may_move_in_any_way(kind: Kind, d: int, path: Callable) -> None:
    X = cloud(800, d).astype(np.float32)
    run, w = None, np.ones(len(X))
    for centers in path(X):
        case = Problem(X, centers)
        run = run or kind.start(open_rows(X), None, case.k, case.origin)
        moved, squares = run.step(centers), squares_of(X, centers)
        assert_array_equal(_labels(run), labels_of(squares, d))
        if not kind.fused:
            _check_bounds(run, squares)
        _check_move(moved, run.totals, _labels(run), w, case)


@each_kind
def test_a_step_from_the_same_centres_changes_nothing(kind: Kind) -> None:
    X = cloud(3000, 2)
    run, C = kind.start(open_rows(X), None, 6, X[9]), X[:6]
    for _ in range(3):
        C = run.step(C).centers
    first, labels = run.step(C), _labels(run).copy()
    assert_array_equal(run.step(C).centers, first.centers)
    assert_array_equal(_labels(run), labels)


@each_kind
def test_threads_change_no_bit(kind: Kind) -> None:
    X, ends = cloud(20_000, 3).astype(np.float32), []
    for weights in (None, zero_weights(len(X))):
        for threads in (1, 2, 3):
            run, C = kind.start(open_rows(X, threads=threads), weights, 5, X[9]), X[:5]
            if isinstance(run, BoundedSearch):
                run.bounds.block_rows = 3000
            for _ in range(6):
                C = run.step(C).centers
            ends.append((C.tobytes(), _labels(run).tobytes(), run.totals.low.tobytes()))
    assert ends[0] == ends[1] == ends[2]
    assert ends[3] == ends[4] == ends[5]


@each_kind
@pytest.mark.parametrize("layout", LAYOUTS)
def test_rows_may_lie_in_any_way(kind: Kind, layout: str, dtype: type) -> None:
    case = PROBLEMS["a cloud"].cast(dtype)
    run = kind.start(open_rows(case.X), None, case.k, case.origin)
    lying = LAYOUTS[layout](case.X)
    rows = open_rows(lying)
    if kind.fused and rows.uncopied(len(lying)) is None:
        return
    other = kind.start(rows, None, case.k, case.origin)
    C = case.centers
    for _ in range(4):
        moved = run.step(C)
        assert_array_equal(other.step(C).centers, moved.centers)
        assert_array_equal(_labels(other), _labels(run))
        C = moved.centers
    assert_array_equal(lying, case.X)


@each_bounds
def test_rows_that_keep_their_label_are_not_read(kind: Kind) -> None:
    X = correlated(500, 60)
    run, prepared = kind.start(open_rows(X), None, 5, X[9]), prepare(some_rows(X, 5))
    bounds = run.bounds
    for _ in range(2):
        bounds.next_step(prepared)(X, None, *bounds.memory)
    # Where nothing has moved: NaN would show.
    sure = bounds.memory[1] > 0
    assert sure.mean() > 0.9
    hidden = np.where(sure[:, None], np.nan, X)
    changes = bounds.next_step(prepared)(hidden, None, *bounds.memory)
    assert not changes.high.any()
    assert not changes.low.any()


@each_method
@pytest.mark.parametrize("name", ["few directions", "ties", "duplicates", "huge", "outliers"])
def test_a_fit_is_that_of_a_full_search(method: BoundMethod, name: str) -> None:
    case = PROBLEMS[name].cast(np.float32)
    options = {"init": case.centers, "tol": 0, "max_iter": 60}
    full = kmeans(case.X, case.k, algorithm="lloyd", **options)
    fit = kmeans(case.X, case.k, algorithm=method.name, **options)
    assert fit.kernel == method.name
    assert fit.n_iter == full.n_iter
    assert_array_equal(fit.labels, full.labels)
    assert fit.history == full.history
    assert_array_equal(fit.centers, full.centers)


@each_method
@pytest.mark.parametrize("scale", [5e18, 1e19, 2e19, 1e20])
@pytest.mark.parametrize("d", [2, 40])
def test_squares_that_overflow_bound_nothing(method: BoundMethod, scale: float, d: int) -> None:
    for seed in range(10):
        X = (np.random.default_rng(seed).normal(size=(200, d)) * scale).astype(np.float32)
        fit = kmeans(X, 3, init=some_rows(X, 3), tol=0, algorithm=method.name)
        assert_array_equal(fit.labels, nearest_to(X, fit.centers))


@each_method
@pytest.mark.parametrize("scale", [1e-44, 1e-40, 1e38, 1e60])
def test_what_float32_cannot_hold_bounds_nothing(method: BoundMethod, scale: float) -> None:
    for seed in range(4):
        X = np.random.default_rng(seed).normal(size=(300, 64)) * 0.7 ** np.arange(64) * scale
        fit = kmeans(X, 6, init=some_rows(X, 6), tol=0, algorithm=method.name)
        assert_array_equal(fit.labels, nearest_to(X, fit.centers))


@each_method
# The squares of the second vanish in float32.
@pytest.mark.parametrize("scale", [1, 1e-38])
def test_what_left_a_cluster_leaves_no_rounding_behind(method: BoundMethod, scale: float) -> None:
    # The row far away counts among those near zero until the other centre has come near it.
    for far in (1e9, 1e15):
        X = np.concatenate([cloud(60, 2), [[far, 0.0]], cloud(60, 2) + np.array([1.7 * far, 0.0])])
        start = np.array([[0.0, 0.0], [2.2 * far, 0.0]])
        _same_centers(method, scale * X, scale * start, None)


@each_method
def test_what_weighed_much_leaves_no_rounding_behind(method: BoundMethod) -> None:
    # The heavy rows at -1 and 1 leave the light ones at zero to themselves.
    light = np.array([0.0, 1e-4, 2e-4, 3e-4, 4e-4, 5e-4, 5e-3])
    X = np.concatenate([light, [-1.0, 1.0], [-1.6, 1.6]])[:, None]
    w = np.concatenate([np.full(7, 1e-9), [1.1, 1.3], [1.0, 1.0]])
    _same_centers(method, X, np.array([[0.0], [-2.5], [2.5]]), w)


def _same_centers(
    method: BoundMethod, X: np.ndarray, start: np.ndarray, w: np.ndarray | None
) -> None:
    options = {"init": start, "sample_weight": w, "tol": 0}
    full = kmeans(X, len(start), algorithm="lloyd", **options)
    fit = kmeans(X, len(start), algorithm=method.name, **options)
    assert fit.n_iter == full.n_iter > 2
    assert_array_equal(fit.centers, full.centers)


@each_method
def test_a_centre_without_rows_costs_nothing_however_far_it_is(method: BoundMethod) -> None:
    X = cloud(200, 3)
    options = {"init": np.concatenate([X[:3], [[1e160, 0, 0]]]), "max_iter": 5}
    found = kmeans(X, 4, algorithm=method.name, **options)
    full = kmeans(X, 4, algorithm="lloyd", **options)
    assert found.history == full.history


def _named(name: str) -> object:
    compiled = name.startswith(NUMBA.name) and not compiling.installed()
    return pytest.param(name, marks=pytest.mark.skipif(compiled, reason="numba is not installed"))


TUNED = [e.name for e in ENGINES if e is NUMBA or e.runs_on(np)] + [m.name for m in BOUND_METHODS]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", [_named(name) for name in TUNED if name != "portable"])
@given(p=problems())
@settings(max_examples=40)
def test_any_small_problem_has_one_answer(name: str, p) -> None:
    options = {"init": p.start, "sample_weight": p.weights, "max_iter": 6}
    ours = kmeans(p.X, p.k, algorithm=name, **options)
    spec = kmeans(p.X, p.k, algorithm="portable", **options)
    assert_array_equal(ours.labels, spec.labels)
    assert_array_equal(ours.centers, spec.centers)
    assert (ours.n_iter, ours.converged) == (spec.n_iter, spec.converged)
    assert (ours.history, ours.inertia) == (spec.history, spec.inertia)


@each_bounds
def test_bounds_spare_most_rows_of_clusters_far_apart(kind: Kind) -> None:
    X = blobs(1000, 6, 9)[0]
    run, C = kind.start(open_rows(X), None, 9, X[9]), some_rows(X, 9)
    for _ in range(12):
        C = run.step(C).centers
    limits = run.bounds.drift_limits[_labels(run)]
    assert np.mean(run.bounds.memory[1] > limits) > 0.9
