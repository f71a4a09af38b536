"""Operations on blocks of rows: every engine finds what the specification says."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from kmeans_xp import KMeans, assign, inertia
from kmeans_xp.arrays.precision import full_precision, quiet
from kmeans_xp.kernels.interface import Engine
from kmeans_xp.kernels.numba.engine import NUMBA
from kmeans_xp.kernels.numpy.engine import NUMPY
from kmeans_xp.kernels.portable.engine import PORTABLE
from kmeans_xp.kernels.shared.exact_sums import first_grid
from kmeans_xp.kernels.shared.prepared_centers import Origin, prepare
from kmeans_xp.rows import open_rows
from tests.backends import Backend
from tests.data import cloud
from tests.kernels.problems import (
    LAYOUTS,
    PROBLEMS,
    SEEN_ONCE,
    Problem,
    labels_of,
    nearest_to,
    origin_of,
    squares_of,
    zero_weights,
)


def _cases(problem: Problem, backend: Backend) -> Iterator[Problem]:
    """The problem in the precisions that hold it."""
    for name in ("float32", "float64"):
        narrow = name == "float32" and not problem.of_float32
        if not (narrow or name in backend.lacks):
            yield problem.cast(name)


@contextmanager
def _as_in_a_sweep(backend: Backend) -> Iterator[None]:
    with full_precision(backend.xp), quiet():
        yield


def _check_labels(labels: np.ndarray, case: Problem, backend: Backend) -> None:
    squares = squares_of(case.X, case.centers)
    assert labels.dtype == np.int32
    if backend.float64:
        assert_array_equal(labels, labels_of(squares, case.X.shape[1]))
    else:
        own = np.take_along_axis(squares, labels[:, None], axis=1)[:, 0]
        assert_allclose(own, squares.min(axis=1), rtol=1e-5)


def test_labels_are_exact(engine: Engine, backend: Backend, problem: Problem) -> None:
    for case in _cases(problem, backend):
        block, centers = backend.asarray(case.X), backend.asarray(case.centers)
        origins = (None, backend.asarray(case.origin), backend.asarray(0 * case.origin))
        for origin in origins[: 3 if backend.name == "numpy" else 1]:
            with _as_in_a_sweep(backend):
                given = None if origin is None else Origin(origin)
                found = engine.labels(block, prepare(centers, given))
            _check_labels(backend.to_numpy(found), case, backend)


@pytest.mark.parametrize(("n", "scale"), [(300, 1), (2100, 1), (2100, 1e-30), (2100, 1e18)])
def test_labels_of_many_features_and_centres_are_exact(
    engine: Engine, dtype: type, n: int, scale: float
) -> None:
    problem = SEEN_ONCE["seen once"]
    X, C = (scale * problem.X[:n]).astype(dtype), (scale * problem.centers).astype(dtype)
    X[7], C[9] = X[7] * dtype(1e10), C[9] * dtype(1e12)
    wide = X.astype(np.float64)
    squares = np.stack([np.square(wide - c).sum(axis=1) for c in C.astype(np.float64)], axis=1)
    with quiet():
        assert_array_equal(engine.labels(X, prepare(C)), labels_of(squares, X.shape[1]))


def test_nearest_has_their_squared_distances_too(
    engine: Engine, backend: Backend, problem: Problem
) -> None:
    rtol = 1e-13 if backend.float64 else 1e-5
    for case in _cases(problem, backend):
        with _as_in_a_sweep(backend):
            prepared = prepare(backend.asarray(case.centers))
            labels, squares = engine.nearest(backend.asarray(case.X), prepared)
        _check_labels(backend.to_numpy(labels), case, backend)
        assert squares.dtype == prepared.wide_centers.dtype
        least = squares_of(case.X, case.centers).min(axis=1)
        assert_allclose(backend.to_numpy(squares), least, rtol=rtol)


def test_own_distances_are_those_to_any_labels(
    engine: Engine, backend: Backend, problem: Problem
) -> None:
    rtol = 1e-13 if backend.float64 else 1e-5
    given = np.random.default_rng(0).integers(problem.k, size=len(problem.X)).astype(np.int32)
    for case in _cases(problem, backend):
        with _as_in_a_sweep(backend):
            prepared = prepare(backend.asarray(case.centers))
            labels = backend.asarray(given)
            found = engine.own_distances(backend.asarray(case.X), prepared, labels)
        squares = squares_of(case.X, case.centers)
        assert_allclose(backend.to_numpy(found), squares[np.arange(len(given)), given], rtol=rtol)


def test_distances_keep_their_digits_and_are_zero_at_a_centre(
    engine: Engine, backend: Backend, problem: Problem
) -> None:
    for case in _cases(problem, backend):
        X = np.concatenate([case.X, case.centers])
        with _as_in_a_sweep(backend):
            prepared = prepare(backend.asarray(case.centers))
            wide = prepared.wide_centers.dtype
            found = engine.distances(backend.asarray(X), prepared, wide)
        assert found.dtype == wide
        read, squares = backend.to_numpy(found), squares_of(X, case.centers)
        # Of rows in single precision a few percent are enough: they are to compare candidates.
        assert_allclose(read, squares, rtol=0.05 if X.dtype == np.float32 else 1e-6)
        assert (read[squares == 0] == 0).all()


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_sums_by_label_and_counts(
    engine: Engine, backend: Backend, problem: Problem, weighted: bool
) -> None:
    n, k = len(problem.X), problem.k
    labels = np.random.default_rng(0).integers(max(1, k - 1), size=n).astype(np.int32)
    w = zero_weights(n) if weighted else np.ones(n)
    own = labels[:, None] == np.arange(k)
    rtol = 1e-13 if backend.float64 else 1e-5
    for case in _cases(problem, backend):
        with _as_in_a_sweep(backend):
            prepared = prepare(backend.asarray(case.centers), Origin(backend.asarray(case.origin)))
            weights = backend.asarray(w) if weighted else None
            block, given = backend.asarray(case.X), backend.asarray(labels)
            totals = engine.sum_by_label(block, given, weights, prepared)
            sums, weight = totals.sums, totals.weights
            counts = engine.count(given, k)
        shifted = w[:, None] * (case.X.astype(np.longdouble) - case.origin)
        size = float(np.abs(shifted).sum(axis=0).max())
        expected = own.T.astype(np.longdouble) @ shifted
        assert_allclose(backend.to_numpy(sums), expected, rtol=0, atol=rtol * size)
        assert_allclose(backend.to_numpy(weight), own.T @ w, rtol=rtol)
        assert_array_equal(backend.to_numpy(counts), own.sum(axis=0))


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_assign_and_sum_is_both_in_one(
    engine: Engine, backend: Backend, problem: Problem, weighted: bool
) -> None:
    w = zero_weights(len(problem.X)) if weighted else None
    for case in _cases(problem, backend):
        with _as_in_a_sweep(backend):
            prepared = prepare(backend.asarray(case.centers), Origin(backend.asarray(case.origin)))
            weights, block = None if w is None else backend.asarray(w), backend.asarray(case.X)
            found = engine.assign_and_sum(block, weights, prepared=prepared)
            labels = engine.labels(block, prepared)
            totals = engine.sum_by_label(block, labels, weights, prepared)
            sums, weight = totals.sums, totals.weights
        size = float(np.abs(case.X.astype(np.float64) - case.origin).max()) * len(case.X)
        atol = (1e-13 if backend.float64 else 1e-6) * size
        assert_allclose(backend.to_numpy(found.sums), backend.to_numpy(sums), rtol=0, atol=atol)
        assert_allclose(backend.to_numpy(found.weights), backend.to_numpy(weight), rtol=1e-6)


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 300), (7, 3), (1000, 2), (401, 13), (85, 3), (300, 200)], ids=str
)
def test_sums_about_a_point(
    engine: Engine, backend: Backend, shape: tuple[int, int], weighted: bool
) -> None:
    rng = np.random.default_rng(shape[1])
    w = rng.uniform(0, 3, shape[0]) if weighted else np.ones(shape[0])
    for dtype in {"float32", "float64"} - backend.lacks:
        X = rng.normal(7, 2, shape).astype(dtype)
        about = backend.asarray(np.full(shape[1], 6.5))
        with _as_in_a_sweep(backend):
            weights = backend.asarray(w) if weighted else None
            centred = X.astype(np.float64) - 6.5
            terms = w[:, None] * centred**2
            grid = first_grid(float(terms.max()), terms.size) if backend.float64 else 0.0
            found = engine.sums_about(backend.asarray(X), weights, about, grid)
        coarse = backend.to_numpy(found.coarse)
        if backend.float64:  # To the last bit, whatever the order.
            assert_array_equal(coarse, ((terms + grid) - grid).sum(axis=0))
        squares = coarse + backend.to_numpy(found.rest)
        for part, expected in (
            (backend.to_numpy(found.weight), w.sum()),
            (backend.to_numpy(found.first), w @ centred),
            (squares, terms.sum(axis=0)),
            (backend.to_numpy(found.largest), terms.max(axis=0)),
        ):
            atol = np.abs(expected).max() * backend.tolerance
            assert_allclose(part, expected, rtol=backend.tolerance, atol=atol)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["a cloud", "many features", "many clusters of many features"])
def test_rows_may_lie_in_any_way(engine: Engine, name: str, layout: str, dtype: type) -> None:
    case = PROBLEMS[name].cast(dtype)
    X, lying, C = case.X, LAYOUTS[layout](case.X), case.centers
    prepared, about = prepare(C, origin_of(X, X[0])), np.full(X.shape[1], 0.25)
    grid = first_grid(float(np.square(X - about).max()), X.size)
    labels, squares = engine.nearest(lying, prepared)
    assert_array_equal(labels, nearest_to(X, C))
    assert_array_equal(labels, engine.labels(lying, prepared))
    assert_array_equal(squares, engine.nearest(X, prepared)[1])
    assert_array_equal(squares, engine.own_distances(lying, prepared, labels))
    for weights in (None, zero_weights(len(X))):
        sums = [engine.sum_by_label(rows, labels, weights, prepared) for rows in (lying, X)]
        assert_array_equal(sums[0].high, sums[1].high)
        assert_array_equal(sums[0].low, sums[1].low)
        found = [engine.sums_about(rows, weights, about, grid) for rows in (lying, X)]
        assert_array_equal(found[0].coarse, found[1].coarse)
        assert_allclose(found[0].first, found[1].first, rtol=1e-10, atol=1e-10)
    assert_array_equal(lying, X)


@pytest.mark.parametrize("n", [1, 3, 8, 1001])
def test_labels_to_count_may_lie_in_any_way(engine: Engine, n: int) -> None:
    labels = np.random.default_rng(0).integers(0, 7, n).astype(np.int32)
    for given in (labels, labels.astype(np.int64), labels[::-1]):
        assert_array_equal(engine.count(given, 9), np.bincount(labels, minlength=9))


def test_blocks_have_rows(engine: Engine) -> None:
    for k, d in ((1, 1), (1, 10**6), (10**6, 1), (10**4, 10**4)):
        assert 1 <= engine.block_rows(k, d) <= 1 << 23


def _whole(X: np.ndarray) -> Callable[[int], np.ndarray | None]:
    return lambda most: X if X.size <= most * X.shape[1] else None


def _team(threads: int) -> Callable[..., None]:
    return open_rows(np.empty((1, 1)), threads=threads).team


@pytest.fixture
def at_once(engine: Engine) -> Engine:
    """An engine that takes all rows at once."""
    if engine.label_all is PORTABLE.label_all:
        pytest.skip(f"the engine {engine.name} takes blocks alone")
    return engine


@pytest.fixture
def measured_at_once(engine: Engine) -> Engine:
    """An engine that measures the distances of all rows at once."""
    if engine.distances_all is PORTABLE.distances_all:
        pytest.skip(f"the engine {engine.name} measures blocks alone")
    return engine


# Rows of whole pieces, and some more or less; enough work for a second thread in the last.
@pytest.mark.parametrize("n", [1, 15, 16, 17, 4095, 4097, 8197])
def test_labels_of_all_rows_at_once(at_once: Engine, n: int, dtype: type) -> None:
    X, C = cloud(n, 13).astype(dtype), cloud(40, 13, seed=1).astype(dtype)
    found = [
        at_once.label_all(_whole(X), _team(threads), prepare(C), squared=True) for threads in (1, 2)
    ]
    wanted = squares_of(X, C)
    for labels, squares, largest in found:
        assert_array_equal(labels, labels_of(wanted, 13))
        assert_allclose(squares, wanted.min(axis=1), rtol=1e-14)
        assert largest == np.abs(X).max()
    assert_array_equal(found[0][1], found[1][1])
    assert at_once.label_all(lambda most: None, _team(1), prepare(C), squared=False) is None


def test_many_features_are_not_labelled_at_once_by_compiled_code() -> None:
    X = cloud(50, 200)
    assert NUMBA.label_all(_whole(X), _team(1), prepare(X[:40]), squared=False) is None


@pytest.mark.parametrize(("n", "d", "k"), [(300, 60, 7), (300, 5, 150), (7001, 3, 300)])
@pytest.mark.parametrize("offset", [0, 1e3])
def test_numpy_labels_rows_of_every_kind_at_once(
    n: int, d: int, k: int, offset: float, dtype: type
) -> None:
    X, C = ((cloud(m, d, seed=m) + offset).astype(dtype) for m in (n, k))
    labels, _, largest = NUMPY.label_all(_whole(X), _team(1), prepare(C), squared=False)
    assert_array_equal(labels, nearest_to(X, C))
    assert largest == np.abs(X).max()


@pytest.mark.parametrize("n", [1, 3, 4, 1029, 3001])
@pytest.mark.parametrize(("d", "k"), [(1, 1), (3, 16), (40, 36)])
@pytest.mark.parametrize(("scale", "offset"), [(1, 0), (1, 1e4), (1e-25, 0), (1e-40, 0), (1e30, 0)])
def test_distances_of_all_rows_at_once_are_rounded_once_or_twice(
    measured_at_once: Engine, n: int, d: int, k: int, scale: float, offset: float
) -> None:
    X = (scale * cloud(n, d) + offset).astype(np.float32)
    C = np.concatenate([X[:1], (scale * cloud(k - 1, d, seed=1) + offset)]).astype(np.float32)
    with quiet():
        found = [measured_at_once.distances_all(_whole(X), _team(t), prepare(C)) for t in (1, 2)]
    wanted = np.sqrt(squares_of(X, C))
    assert (np.abs(found[0][0] - wanted) < np.spacing(wanted.astype(np.float32))).all()
    assert found[0][0].dtype == np.float32
    assert found[0][1] == np.abs(X).max()
    assert_array_equal(found[0][0], found[1][0])


def test_distances_of_all_rows_at_once_do_not_cancel(measured_at_once: Engine) -> None:
    X = cloud(501, 13) + 2.0**20
    found, _ = measured_at_once.distances_all(_whole(X), _team(2), prepare(X[:20]))
    assert_allclose(found, np.sqrt(squares_of(X, X[:20])), rtol=1e-15)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 3, -1])
def test_what_is_not_finite_is_seen(at_once: Engine, value: float, place: int, dtype: type) -> None:
    X = cloud(4103, 3).astype(dtype)
    C, clean = X[:4].copy(), X.copy()
    X[place, 1] = value
    assert np.isnan(at_once.label_all(_whole(X), _team(1), prepare(C), squared=False)[2])
    measured = at_once.distances_all(_whole(X), _team(1), prepare(C))
    assert measured is None or not np.isfinite(measured[1])
    model = KMeans(4, init=C, max_iter=1).fit(clean)
    name = "NaN" if np.isnan(value) else "infinity"
    calls = (model.predict, model.transform, lambda X: assign(X, C), lambda X: inertia(X, C))
    for call in calls:
        with pytest.raises(ValueError, match=rf"^X must be finite.*feature . holds {name}"):
            call(X)


def test_what_overflows_is_refused_without_a_warning() -> None:
    X = np.array([[0.0, 0.0], [3e30, 0.0]] * 20, np.float32)
    with pytest.raises(ValueError, match="overflow float32"):
        assign(X, X[:1])
    with pytest.raises(ValueError, match="its inertia is inf"):
        inertia(X[:2].astype(np.float64) * 1e122, np.zeros((1, 2)), sample_weight=[1.0, 1e4])


# Centres come in the machine's byte order.
@pytest.mark.parametrize("layout", sorted({*LAYOUTS} - {"other byte order"}))
@pytest.mark.parametrize("d", [3, 20])
def test_centres_may_lie_in_any_way(engine: Engine, d: int, layout: str, dtype: type) -> None:
    X = cloud(300, d).astype(dtype)
    C, labels = X[:9].copy(), np.arange(300, dtype=np.int32) % 9
    lying = LAYOUTS[layout](C)
    expected = engine.own_distances(X, prepare(C), labels)
    assert_array_equal(engine.own_distances(X, prepare(lying), labels), expected)
    assert_array_equal(engine.nearest(X, prepare(lying))[0], nearest_to(X, C))
