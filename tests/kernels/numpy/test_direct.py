"""All differences of few rows: what is found is what every search finds."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from kmeans_xp import KMeans
from kmeans_xp.arrays.precision import quiet
from kmeans_xp.kernels.choose import regimes
from kmeans_xp.kernels.numpy import direct, nearest
from kmeans_xp.kernels.shared.prepared_centers import prepare
from tests.data import cloud
from tests.kernels.problems import Problem, labels_of, squares_of


def test_nearest_is_exact(problem: Problem, dtype: type) -> None:
    if dtype == np.float32 and not problem.of_float32:
        return
    case = problem.cast(dtype)
    squares = squares_of(case.X, case.centers)
    with quiet():
        labels, found = direct.nearest(case.X, prepare(case.centers))
    assert labels.dtype == np.int32
    assert_array_equal(labels, labels_of(squares, case.X.shape[1]))
    assert_allclose(found, squares.min(axis=1).astype(np.float64), rtol=1e-13)


def test_few_rows_are_searched_so(monkeypatch: pytest.MonkeyPatch) -> None:
    X, calls = cloud(40, 3), []
    monkeypatch.setattr(direct, "nearest", lambda *args: calls.append(1) or (None, None))
    monkeypatch.setattr(regimes, "DIRECT_UP_TO", 40 * 3 * 5)
    for k, direct_calls in ((5, 2), (6, 0)):
        calls.clear()
        nearest.labels(X, prepare(X[:k]))
        nearest.nearest(X, prepare(X[:k]))
        assert len(calls) == direct_calls


def test_a_fit_of_few_rows_is_that_of_many(dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    X = cloud(200, 4, seed=3).astype(dtype)
    weights = np.arange(200) % 5
    for options in ({}, {"init": X[:6].copy()}, {"tol": 0.0, "max_iter": 50}):
        models = []
        for most in (0, 1 << 20):
            monkeypatch.setattr(regimes, "DIRECT_UP_TO", most)
            monkeypatch.setattr(regimes, "DIRECT_ITERATIONS_UP_TO", most)
            models.append(KMeans(6, random_state=1, **options).fit(X, sample_weight=weights))
        one, other = models
        assert_array_equal(one.labels_, other.labels_)
        assert_allclose(one.cluster_centers_, other.cluster_centers_, rtol=1e-6)
        assert_allclose(one.history_, other.history_, rtol=1e-9)
        assert one.n_iter_ == other.n_iter_
