"""What is remembered of the rows skips work, and never changes a label or a total."""

from typing import Any

import numpy as np
import pytest

from kmeans_xp import kmeans
from kmeans_xp.kernels.choose.lloyd import BOUND_METHODS, BoundMethod
from kmeans_xp.kernels.choose.workload import Workload
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.shared.hamerly import Bounds
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters, prepare
from kmeans_xp.rows import Rows, open_rows
from tests.data import cloud, some_rows

BLOCK = 90


def _correlated(n: int, d: int) -> np.ndarray:
    """Rows of which a few directions hold nearly everything."""
    rng = np.random.default_rng(5)
    return rng.normal(size=(n, d)) * 0.5 ** np.arange(d) @ rng.normal(size=(d, d))


def _outlier(X: np.ndarray, far: float) -> np.ndarray:
    return np.concatenate([X, np.full((1, X.shape[1]), far)])


ROWS = {
    "a cloud": cloud(400, 3),
    "one feature": cloud(300, 1),
    "many features": cloud(300, 30),
    "few directions": _correlated(300, 60),
    "ties": np.random.default_rng(1).integers(0, 4, (300, 2)).astype(float),
    "duplicates": np.repeat(cloud(40, 3), 8, axis=0),
    "far from zero": cloud(300, 3) + 5e3,
    "tiny": cloud(300, 5) * 1e-19,
    "huge": cloud(300, 5) * 1e18,
    "an outlier": _outlier(cloud(300, 4), 1e9),
    "an outlier whose square overflows": _outlier(cloud(300, 4), 1e30),
}


def _param(tracking: BoundMethod) -> Any:
    """A tracking, to be skipped where what it compiles cannot be compiled."""
    lacking = tracking.loops is not None and not compiling.installed()
    skip = pytest.mark.skipif(lacking, reason="numba is not installed")
    return pytest.param(tracking, id=tracking.name, marks=skip)


every = [_param(tracking) for tracking in BOUND_METHODS]
each = pytest.mark.parametrize("tracking", every)


def _start(tracking: BoundMethod, rows: Rows, k: int) -> Bounds:
    n, d = rows.shape
    task = Workload(n, d, k, rows.dtype, rows.few)
    assert tracking.prepare(task)
    return tracking.start(task)


def _brute(X: np.ndarray, C: np.ndarray) -> np.ndarray:
    """Distances to every centre in extended precision, (n, k)."""
    difference = X[:, None, :].astype(np.longdouble) - C.astype(np.longdouble)
    return np.sqrt((difference**2).sum(axis=2))


def _means(X: np.ndarray, w: np.ndarray, labels: np.ndarray, C: np.ndarray) -> np.ndarray:
    """The next centres of Lloyd's algorithm; of a cluster without rows, the old one."""
    C = C.astype(float)
    for j in set(labels.tolist()):
        own = labels == j
        C[j] = np.average(X[own], axis=0, weights=w[own])
    return C.astype(X.dtype)


def _sums(
    X: np.ndarray, w: np.ndarray, labels: np.ndarray, prepared: PreparedCenters
) -> np.ndarray:
    shifted = w[:, None] * (X.astype(float) - prepared.wide_origin)
    return np.stack([shifted[labels == j].sum(axis=0) for j in range(len(prepared.centers))])


@each
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("k", [1, 2, 9, 130])
@pytest.mark.parametrize("name", ROWS)
@pytest.mark.filterwarnings("ignore:.*encountered:RuntimeWarning")
def test_labels_bounds_and_totals_are_right_in_every_iteration(
    tracking: BoundMethod, weighted: bool, dtype: type, k: int, name: str
) -> None:
    X = ROWS[name].astype(dtype)
    n = len(X)
    w = np.random.default_rng(2).integers(1, 4, n).astype(float) if weighted else np.ones(n)
    C = some_rows(X, k)
    rows = open_rows(X)
    origin = np.median(X, axis=0)
    tracker = _start(tracking, rows, k)
    labels = tracker.memory[0]
    held = None
    for _ in range(6):
        prepared = prepare(C, origin)
        step = tracker.turn(prepared)
        changes = rows.fold(step, w if weighted else None, *tracker.memory, block_rows=BLOCK)
        held = changes if held is None else held + changes
        distances = _brute(X, C)
        own = distances[np.arange(n), labels]
        assert (own == distances.min(axis=1)).all()
        others = distances.copy()
        others[np.arange(n), labels] = np.inf
        gaps = tracker.memory[1].astype(np.longdouble)
        assert (gaps - tracker.limits[labels] <= others.min(axis=1) - own).all()
        np.testing.assert_array_equal(held.counts, np.bincount(labels, minlength=k))
        np.testing.assert_allclose(held.weights, np.bincount(labels, w, k), atol=1e-9)
        expected = _sums(X, w, labels, prepared)
        room = 1e-13 * (np.abs(expected).max() + held.rounding_mass.max()) + 1e-300
        np.testing.assert_allclose(held.sums, expected, rtol=1e-11, atol=room)
        C = _means(X, w, labels, C)


@each
def test_rows_that_keep_their_label_are_not_looked_at(tracking: BoundMethod) -> None:
    X = _correlated(500, 60)
    tracker = _start(tracking, open_rows(X), 5)
    prepared = prepare(some_rows(X, 5))
    for _ in range(2):
        tracker.turn(prepared)(X, None, *tracker.memory)
    # Where nothing has moved, rows that have a gap are not read: NaN would show.
    sure = tracker.memory[1] > 0
    assert sure.mean() > 0.9
    changes = tracker.turn(prepared)(np.where(sure[:, None], np.nan, X), None, *tracker.memory)
    assert not changes.counts.any()
    assert not changes.sums.any()


@each
@pytest.mark.parametrize("name", [name for name in ROWS if "overflows" not in name])
def test_a_fit_is_that_of_a_full_search(tracking: BoundMethod, name: str) -> None:
    X = ROWS[name].astype(np.float32)
    C = some_rows(X, 9)
    full = kmeans(X, 9, init=C, tol=0, algorithm="lloyd")
    fit = kmeans(X, 9, init=C, tol=0, algorithm=tracking.name)
    assert fit.kernel == tracking.name
    assert fit.n_iter == full.n_iter
    np.testing.assert_array_equal(fit.labels, full.labels)
    np.testing.assert_allclose(fit.history, full.history, rtol=1e-9)
    np.testing.assert_allclose(fit.centers, full.centers, rtol=1e-6)


@each
def test_what_left_a_cluster_leaves_no_rounding_behind(tracking: BoundMethod) -> None:
    # The row at 1e9 counts among those near zero until the other centre has come near it.
    X = np.concatenate([cloud(60, 2), [[1e9, 0.0]], cloud(60, 2) + np.array([1.7e9, 0.0])])
    start = np.array([[0.0, 0.0], [2.2e9, 0.0]])
    _same_centers(tracking, X, start, None)


@each
def test_what_weighed_much_leaves_no_rounding_behind(tracking: BoundMethod) -> None:
    # The heavy rows at -1 and 1 leave the light ones at zero to themselves.
    light = np.array([0.0, 1e-4, 2e-4, 3e-4, 4e-4, 5e-4, 5e-3])
    X = np.concatenate([light, [-1.0, 1.0], [-1.6, 1.6]])[:, None]
    w = np.concatenate([np.full(7, 1e-9), [1.1, 1.3], [1.0, 1.0]])
    _same_centers(tracking, X, np.array([[0.0], [-2.5], [2.5]]), w)


def _same_centers(
    tracking: BoundMethod, X: np.ndarray, start: np.ndarray, w: np.ndarray | None
) -> None:
    k = len(start)
    full = kmeans(X, k, init=start, sample_weight=w, tol=0, algorithm="lloyd")
    fit = kmeans(X, k, init=start, sample_weight=w, tol=0, algorithm=tracking.name)
    assert fit.n_iter == full.n_iter > 2
    np.testing.assert_allclose(fit.centers, full.centers, rtol=1e-12)
