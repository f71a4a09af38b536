"""Rows as far from one centre as from another, where rounding depends on the order of a sum."""

import numpy as np
import pytest

from kmeans_xp import KMeans, assign
from kmeans_xp.rows import threads as pool


@pytest.mark.parametrize(
    "algorithm", ["portable", "numpy hamerly", "numba hamerly", "numba bytes", "numba wide"]
)
def test_predict_equals_labels_where_rows_are_between_centres(algorithm):
    if algorithm.startswith("numba"):
        pytest.importorskip("numba")
    rng = np.random.default_rng(0)
    base = rng.integers(1, 1 << 20, 20) / 2.0 ** rng.integers(0, 20, 20)
    centers = np.array([rng.permutation(base) * rng.choice([-1, 1], 20) for _ in range(64)])
    X = np.concatenate([centers, np.zeros((2000, 20))])
    weights = np.repeat([1.0, 0.0], [64, 2000])
    model = KMeans(64, init=centers, n_init=1, max_iter=2, algorithm=algorithm)
    model.fit(X, sample_weight=weights)
    np.testing.assert_array_equal(model.predict(X), model.labels_)


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_no_label_where_rows_are_between_centres(monkeypatch, threads):
    rng, d, k, size = np.random.default_rng(0), 128, 256, 4096
    lines = rng.standard_normal((k // 2, 8)) @ rng.standard_normal((8, d)) * 2
    middles = np.round(lines * 4) / 4
    ways = rng.integers(1, 1 << 20, middles.shape) / 2.0 ** rng.integers(17, 40, middles.shape) / 4
    centers = np.repeat(middles, 2, axis=0)
    centers[::2] += ways
    centers[1::2] += rng.permuted(ways, axis=1)
    X = middles[rng.integers(0, len(middles), 12 * size)]
    # A block that short products leave, so that others may or may not be tried by them.
    noise = rng.standard_normal((size, d)) * 2000
    X[:size] = noise - noise @ np.linalg.pinv(lines) @ lines
    monkeypatch.setattr(pool, "thread_count", lambda: 1)
    alone = assign(X, centers)[0]
    monkeypatch.setattr(pool, "thread_count", lambda: threads)
    np.testing.assert_array_equal(assign(X, centers)[0], alone)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("d", [4, 48, 100])
@pytest.mark.parametrize(
    "algorithm",
    ["portable", "numpy hamerly", "numba hamerly", "numba wide", "numba bytes", "numpy projection"],
)
def test_rows_so_far_away_that_all_centres_are_as_near_take_the_first(algorithm, d, dtype):
    if algorithm.startswith("numba"):
        pytest.importorskip("numba")
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.standard_normal((200, d)), 1e17 * rng.standard_normal((50, d))])
    X, weights = X.astype(dtype), np.repeat([1.0, 0.0], [200, 50])
    model = KMeans(8, init=X[:8], n_init=1, max_iter=3, algorithm=algorithm)
    model.fit(X, sample_weight=weights)
    np.testing.assert_array_equal(model.labels_[200:], 0)
    np.testing.assert_array_equal(model.predict(X), model.labels_)
