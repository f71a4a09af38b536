"""Agreement with scikit-learn: same start, same labels; same seeding quality."""

from functools import cache
from itertools import islice

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import cluster, datasets
from sklearn.preprocessing import StandardScaler

from kmeans_xp import KMeans, kmeans, kmeans_plusplus
from tests import reference
from tests.data import cloud, some_rows

SETS = ["iris", "wine", "wine-scaled", "cancer", "cancer-scaled", "digits"]


@cache
def load(name: str) -> np.ndarray:
    plain = name.removesuffix("-scaled").replace("cancer", "breast_cancer")
    X = getattr(datasets, f"load_{plain}")().data.astype(np.float64)
    return StandardScaler().fit_transform(X) if name.endswith("-scaled") else X


def clear_starts(X, k, how_many):
    """Random rows to start from, none of which lead to a tie (iris is full of them)."""
    starts = (some_rows(X, k, seed) for seed in range(1000))
    return list(islice((s for s in starts if reference.lloyd(X, s).robust), how_many))


def theirs(X, start, w=None, **options):
    model = cluster.KMeans(len(start), init=start, n_init=1, algorithm="lloyd", **options)
    return model.fit(X, sample_weight=w)


def assert_parity(ours, sk):
    assert_array_equal(ours.labels_, sk.labels_)
    assert abs(ours.n_iter_ - sk.n_iter_) <= 1
    assert_allclose(ours.inertia_, sk.inertia_, rtol=1e-9)
    scale = np.max(np.abs(sk.cluster_centers_))
    assert_allclose(ours.cluster_centers_, sk.cluster_centers_, rtol=1e-7, atol=1e-9 * scale)


@pytest.mark.parametrize("k", [2, 3, 5, 8, 20])
@pytest.mark.parametrize("name", SETS)
def test_the_same_start_gives_the_same_answer(name, k):
    X = load(name)
    for start in clear_starts(X, k, 2):
        assert_parity(KMeans(k, init=start).fit(X), theirs(X, start))


@pytest.mark.parametrize("name", SETS)
def test_the_same_start_to_unchanged_labels(name):
    X = load(name)
    (start,) = clear_starts(X, 6, 1)
    ours = KMeans(6, init=start, tol=0).fit(X)
    assert_parity(ours, theirs(X, start, tol=0))
    assert ours.converged_


@pytest.mark.parametrize("max_iter", [1, 2, 5])
def test_the_same_start_cut_short(max_iter):
    X = load("digits")
    (start,) = clear_starts(X, 10, 1)
    ours = KMeans(10, init=start, max_iter=max_iter, tol=0).fit(X)
    assert_parity(ours, theirs(X, start, max_iter=max_iter, tol=0))
    assert ours.n_iter_ == max_iter


@pytest.mark.parametrize("name", ["iris", "cancer", "digits"])
def test_weights_give_the_same_answer(name):
    X = load(name)
    w = np.random.default_rng(7).exponential(size=len(X))
    (start,) = clear_starts(X, 5, 1)
    ours = KMeans(5, init=start, tol=0).fit(X, sample_weight=w)
    sk = theirs(X, start, w, tol=0)
    assert_parity(ours, sk)
    assert_allclose(ours.score(X, sample_weight=w), sk.score(X, sample_weight=w), rtol=1e-9)


def test_predict_and_transform_agree():
    X = load("wine")
    (start,) = clear_starts(X, 4, 1)
    ours, sk = KMeans(4, init=start).fit(X[::2]), theirs(X[::2], start)
    assert_array_equal(ours.predict(X), sk.predict(X))
    assert_allclose(ours.transform(X), sk.transform(X), rtol=1e-8)
    assert_allclose(ours.score(X), sk.score(X), rtol=1e-9)


@pytest.mark.parametrize("name", ["iris", "wine", "digits"])
def test_float32_agrees_in_inertia(name):
    X = load(name).astype(np.float32)
    (start,) = clear_starts(X, 8, 1)
    ours = KMeans(8, init=start).fit(X)
    assert ours.cluster_centers_.dtype == np.float32
    assert_allclose(ours.inertia_, theirs(X, start).inertia_, rtol=1e-3)


def _farther(X, start, how_many):
    """A start whose last centres are too far away to own a row."""
    away = np.max(X) + 100.0 * (1 + np.arange(how_many))[:, None] * np.ones(X.shape[1])
    return np.concatenate([start[: len(start) - how_many], away])


@pytest.mark.parametrize("name", ["iris", "wine-scaled", "cancer", "digits"])
@pytest.mark.parametrize("empties", [1, 2, 3])
def test_empty_clusters_move_where_scikit_learn_moves_them(name, empties):
    X = load(name)
    start = _farther(X, some_rows(X, 6, 2), empties)
    ours, sk = KMeans(6, init=start).fit(X), theirs(X, start)
    assert_allclose(ours.inertia_, sk.inertia_, rtol=1e-9)
    assert abs(ours.n_iter_ - sk.n_iter_) <= 1
    # scikit-learn leaves the order of several moved centres open.
    a, b = (m.cluster_centers_[np.lexsort(m.cluster_centers_.round(6).T)] for m in (ours, sk))
    assert_allclose(a, b, rtol=1e-7, atol=1e-9 * np.max(X))
    if empties == 1:
        assert_array_equal(ours.labels_, sk.labels_)


def _mean_inertia(estimator, X, k, seeds):
    fits = (estimator(k, random_state=s, n_init=1).fit(X).inertia_ for s in range(seeds))
    return float(np.mean(list(fits)))


@pytest.mark.parametrize(
    ("name", "k", "seeds"),
    [("digits", 10, 20), ("digits", 40, 20), ("wine-scaled", 8, 40), ("cancer-scaled", 12, 30)],
)
def test_the_default_seeding_is_as_good(name, k, seeds):
    X = load(name)
    ours, sk = (_mean_inertia(e, X, k, seeds) for e in (KMeans, cluster.KMeans))
    assert ours <= 1.005 * sk


def _seeding_cost(X, centers):
    return float(np.sum(np.min(np.sum((X[:, None] - centers) ** 2, axis=2), axis=1)))


@pytest.mark.parametrize("trials", [1, None])
def test_seeding_alone_costs_no_more(trials):
    X = cloud(400, 4, seed=9)
    ours, sk = [], []
    for seed in range(60):
        a, _ = kmeans_plusplus(X, 15, n_local_trials=trials, rng=seed)
        b, _ = cluster.kmeans_plusplus(X, 15, n_local_trials=trials, random_state=seed)
        ours.append(_seeding_cost(X, a))
        sk.append(_seeding_cost(X, b))
    # Both are means of 60 draws; 4 standard errors of their difference is the noise.
    noise = 4 * np.sqrt((np.var(ours) + np.var(sk)) / 60)
    assert abs(np.mean(ours) - np.mean(sk)) <= noise
    assert noise < 0.06 * np.mean(sk)


def test_the_function_and_the_estimator_are_the_same():
    X = load("wine")
    result, model = kmeans(X, 5, rng=3), KMeans(5, random_state=3).fit(X)
    assert_array_equal(result.centers, model.cluster_centers_)
    assert_array_equal(result.labels, model.labels_)
    assert result.inertia == model.inertia_
    assert result.n_iter == model.n_iter_
    assert result.converged == model.converged_
    assert list(result.history) == list(model.history_)
    assert result.kernel == model.kernel_
