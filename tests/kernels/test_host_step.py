"""Whole iterations in NumPy: labels of a full search, means of their rows, gaps that hold."""

import numpy as np
import pytest

from kmeans_xp import kmeans
from kmeans_xp.arrays.precision import quiet
from kmeans_xp.kernels.numpy import hamerly_one_block
from kmeans_xp.kernels.numpy.hamerly_one_block import OneBlockIteration
from kmeans_xp.kernels.shared.cluster_totals import ClusterTotals, move
from kmeans_xp.kernels.shared.prepared_centers import prepare
from tests.data import blobs, cloud, some_rows


def _outliers(far: float) -> np.ndarray:
    X = cloud(400, 5)
    X[::90] *= far
    return X


def _empty(X: np.ndarray, k: int) -> np.ndarray:
    """A start of which some centres have no row near."""
    return np.concatenate([some_rows(X, k - 2), X[:1] + 1e3, X[:1] - 1e4])


LATTICE = np.random.default_rng(1).integers(-3, 4, (900, 2)).astype(float)
PROBLEMS = {
    "a cloud": (cloud(700, 6), some_rows(cloud(700, 6), 9)),
    "clusters": (blobs(900, 8, 7)[0], some_rows(blobs(900, 8, 7)[0], 7)),
    "one cluster": (cloud(50, 3), cloud(50, 3)[:1]),
    "one feature": (cloud(600, 1), some_rows(cloud(600, 1), 11)),
    "one row": (cloud(1, 4), cloud(1, 4)),
    "as many clusters as rows": (cloud(30, 4), cloud(30, 4)),
    "many clusters of many features": (cloud(600, 70), some_rows(cloud(600, 70), 128)),
    "ties": (LATTICE, LATTICE[:20]),
    "coinciding centres": (LATTICE, np.repeat(LATTICE[:5], 3, axis=0)),
    "duplicates": (np.repeat(cloud(40, 3), 9, axis=0), some_rows(cloud(40, 3), 6)),
    "empty clusters": (cloud(500, 4), _empty(cloud(500, 4), 8)),
    "far away": (cloud(400, 5) + 3e4, some_rows(cloud(400, 5) + 3e4, 6)),
    "small": (1e-17 * cloud(400, 5), 1e-17 * some_rows(cloud(400, 5), 6)),
    "squares vanish": (1e-30 * cloud(400, 5), 1e-30 * some_rows(cloud(400, 5), 6)),
    "large": (1e17 * cloud(400, 5), 1e17 * some_rows(cloud(400, 5), 6)),
    "squares overflow": (1e30 * cloud(400, 5), 1e30 * some_rows(cloud(400, 5), 6)),
    "outliers": (_outliers(1e9), _outliers(1e9)[80:100]),
    "outliers whose squares overflow": (_outliers(1e25), _outliers(1e25)[80:100]),
}
each_problem = pytest.mark.parametrize("name", PROBLEMS)
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@pytest.fixture(params=[False, True], ids=["all rows", "gaps"])
def gaps(request, monkeypatch):
    """Whether gaps are kept, however small the work."""
    monkeypatch.setattr(hamerly_one_block, "GAPS_FROM", 0 if request.param else np.inf)
    if request.param:
        monkeypatch.setattr(hamerly_one_block, "MAX_CHANGING", 0.5)
    return request.param


def _stepper(X, k, weights=None):
    return OneBlockIteration(X, weights, k, X[len(X) // 2])


def _distances(X, C):
    """Distances to every centre in extended precision."""
    difference = X[:, None].astype(np.longdouble) - C.astype(np.longdouble)
    return np.sqrt((difference**2).sum(axis=2))


def _weights(n):
    weights = np.random.default_rng(1).uniform(0, 2, n)
    weights[:: n // 7 + 1] = 0
    return weights


@each_problem
@each_dtype
def test_labels_are_those_of_a_full_search_and_gaps_hold(name, dtype, gaps):
    X, C = (a.astype(dtype) for a in PROBLEMS[name])
    stepper, rows = _stepper(X, len(C)), np.arange(len(X))
    for _ in range(12):
        with quiet():
            moved = stepper.step(C)
        distances = _distances(X, C)
        np.testing.assert_array_equal(stepper.row_labels, distances.argmin(axis=1))
        if stepper._has_gaps:
            own = distances[rows, stepper.row_labels]
            distances[rows, stepper.row_labels] = np.inf
            held = np.sqrt(2) * (stepper._gaps.astype(np.longdouble) - stepper._drift_limit)
            known = held > 0
            assert (held <= distances.min(axis=1) - own)[known].all()
        C = moved.centers


@each_problem
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_centres_move_as_they_do_everywhere(name, weighted, gaps):
    X, C = PROBLEMS[name]
    weights = _weights(len(X)) if weighted else np.ones(len(X))
    stepper = _stepper(X, len(C), weights if weighted else None)
    for _ in range(8):
        with quiet():
            moved = stepper.step(C)
        prepared = prepare(C, X[len(X) // 2])
        own = np.eye(len(C))[stepper.row_labels] * weights[:, None]
        wanted = ClusterTotals(own.T @ (X - prepared.wide_origin), own.sum(axis=0))
        size = np.abs(X - prepared.wide_origin).max() * weights.sum()
        np.testing.assert_allclose(stepper.totals.weights, wanted.weights, rtol=1e-12)
        np.testing.assert_allclose(stepper.totals.sums, wanted.sums, atol=1e-14 * size)
        expected = move(prepared, stepper.totals)
        np.testing.assert_array_equal(moved.centers, expected.centers)
        assert moved.empty == expected.empty
        np.testing.assert_allclose(moved.shift, expected.shift, rtol=1e-9)
        room = 1e-12 * wanted.weights @ ((C - prepared.wide_origin) ** 2).sum(axis=1)
        np.testing.assert_allclose(moved.gain, expected.gain, rtol=1e-9, atol=room)
        C = moved.centers


def test_rows_that_keep_their_label_are_not_looked_at(gaps):
    X = blobs(3000, 6, 9)[0]
    stepper, C = _stepper(X, 9), some_rows(X, 9)
    for _ in range(20):
        C = stepper.step(C).centers
    # Rows that are looked at are all unsure if they are NaN.
    stepper._rows[:] = np.nan
    looked, decide = [], stepper._nearest_by_differences
    stepper._nearest_by_differences = lambda which, centers: (
        looked.extend(which) or decide(which, centers)
    )
    stepper.step(C)
    assert len(looked) == (0 if gaps else 3000)


@each_dtype
# The squares of the second vanish in float32.
@pytest.mark.parametrize("scale", [1, 1e-38])
def test_what_left_a_cluster_leaves_no_rounding_behind(scale, dtype, gaps):
    # The row at 1e15 counts among those near zero until the other centre has come near it.
    X = np.concatenate([cloud(60, 2), [[1e15, 0.0]], cloud(60, 2) + np.array([1.7e15, 0.0])])
    C, X = (scale * np.array([[0.0, 0.0], [2.2e15, 0.0]])).astype(dtype), (scale * X).astype(dtype)
    stepper = OneBlockIteration(X, None, 2, X[0])
    for _ in range(4):
        C = stepper.step(C).centers
    np.testing.assert_allclose(C[0], X[:60].mean(axis=0, dtype=float), rtol=1e-6, atol=1e-45)


def test_a_centre_without_rows_costs_nothing_however_far_it_is():
    X = cloud(200, 3)
    options = {"init": np.concatenate([X[:3], [[1e160, 0, 0]]]), "max_iter": 5}
    found = kmeans(X, 4, algorithm="numpy hamerly", **options)
    full = kmeans(X, 4, algorithm="lloyd", **options)
    np.testing.assert_allclose(found.history, full.history, rtol=1e-12)


@pytest.mark.parametrize("order", ["C", "F"])
@each_dtype
def test_a_fit_asks_for_it_and_gives_lloyds_answer(order, dtype, monkeypatch):
    X = np.asarray(cloud(5000, 12), dtype=dtype, order=order)
    weights = _weights(5000)
    asked, start = [], OneBlockIteration
    monkeypatch.setattr(
        hamerly_one_block, "OneBlockIteration", lambda *a: asked.append(1) or start(*a)
    )
    for w in (None, weights):
        options = {"init": X[:20], "tol": 0, "max_iter": 60, "sample_weight": w}
        full = kmeans(X, 20, algorithm="lloyd", **options)
        told = []
        fit = kmeans(X, 20, algorithm="numpy hamerly", callback=told.append, **options)
        assert fit.n_iter == full.n_iter == len(told) > 5
        np.testing.assert_array_equal(fit.labels, full.labels)
        np.testing.assert_allclose(fit.centers, full.centers, rtol=1e-6)
        np.testing.assert_allclose(fit.history, full.history, rtol=1e-12)
    assert len(asked) == 2


def test_rows_of_more_than_a_block_are_left_to_blocks(monkeypatch):
    monkeypatch.setattr(hamerly_one_block, "OneBlockIteration", None)
    for n, d, k in ((70_000, 8, 2), (6000, 2, 100), (500, 2, 129)):
        X = cloud(n, d)
        assert kmeans(X, k, init=X[:k], max_iter=2, algorithm="numpy hamerly").n_iter == 2
