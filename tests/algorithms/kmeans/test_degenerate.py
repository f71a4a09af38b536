"""Data and starts at the edge: too few distinct rows, empty clusters, k = n, k = 1."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import cluster
from sklearn.exceptions import ConvergenceWarning

from kmeans_xp import (
    KMeans,
    assign,
    bisecting_kmeans,
    kmeans,
    kmeans_plusplus,
    minibatch_kmeans,
)
from tests import reference
from tests.data import cloud, some_rows

POLICIES = ["farthest", "random"]
INITS = ["k-means++", "k-means||", "random"]


def quietly(call, *args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return call(*args, **options)


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("policy", POLICIES)
def test_more_clusters_than_distinct_rows(init, policy):
    X = np.repeat([[0.0, 0.0], [1.0, 5.0], [9.0, 2.0]], 5, axis=0)
    result = quietly(kmeans, X, 6, init=init, empty_clusters=policy, rng=0)
    assert result.inertia == 0.0
    assert np.all(np.isfinite(result.centers))
    assert_array_equal(result.centers[result.labels], X)
    assert len(np.unique(result.labels)) == 3


@pytest.mark.parametrize("X", [np.zeros((6, 2)), np.full((6, 2), 0.1), np.full((6, 1), 1e6)])
@pytest.mark.parametrize("init", INITS)
def test_identical_rows(X, init):
    for k in (1, 2, 6):
        result = quietly(kmeans, X, k, init=init, rng=0)
        assert_allclose(result.inertia, 0.0, atol=1e-18)
        assert len(np.unique(result.labels)) == 1
        assert np.all(np.isfinite(result.centers))
        assert_allclose(result.centers[result.labels], X, rtol=1e-15)
        assert result.converged


def _warns(estimator, X, w=None):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = estimator.fit(X, sample_weight=w)
    return model, [str(c.message) for c in caught if c.category is ConvergenceWarning]


@pytest.mark.parametrize(
    ("X", "k"),
    [
        (np.zeros((5, 2)), 2),
        (np.repeat([[0.0], [1.0]], 4, axis=0), 3),
        (np.repeat([[0.0], [1.0]], 4, axis=0), 2),
        (np.zeros((5, 2)), 1),
        (cloud(20, 2), 20),
    ],
)
def test_it_warns_where_scikit_learn_warns(X, k):
    ours, warned = _warns(KMeans(k, random_state=0), X)
    sk, sk_warned = _warns(cluster.KMeans(k, random_state=0, n_init=1), X)
    assert len(warned) == len(sk_warned)
    assert_allclose(ours.inertia_, sk.inertia_, atol=1e-12)
    for message in warned:
        assert str(k) in message
        assert str(len(np.unique(X, axis=0))) in message


def test_no_warning_for_a_fit_that_is_cut_short():
    X = cloud(200, 2)
    model, warned = _warns(KMeans(5, max_iter=1, random_state=0), X)
    assert not warned
    assert not model.converged_


@pytest.mark.parametrize("policy", POLICIES)
def test_a_start_with_empty_clusters(policy):
    X = cloud(200, 3, seed=2)
    start = some_rows(X, 6)
    start[1:4] += 1e3
    result = kmeans(X, 6, init=start, empty_clusters=policy, rng=0)
    assert len(np.unique(result.labels)) == 6
    assert np.max(np.abs(result.centers)) <= np.max(np.abs(X))
    assert result.inertia < result.history[0]


@pytest.mark.parametrize("algorithm", ["lloyd", "hamerly"])
@pytest.mark.parametrize("far", [0, 1, 100])
def test_clusters_do_not_take_turns_at_rows_that_coincide(far, algorithm):
    X = (far + cloud(5, 3))[np.random.default_rng(0).integers(5, size=250)]
    result = kmeans(X, 9, rng=0, tol=0, algorithm=algorithm)
    assert result.converged
    assert_allclose(result.inertia, 0, atol=1e-22)


_THREE = np.repeat(cloud(3, 2, seed=1), 5, axis=0)
COINCIDING = {
    "duplicates": (_THREE, None),
    "far from zero": (1e4 + _THREE, None),
    "of many scales": (np.repeat([[1e6, 1.0], [1.0, 1e-6], [1e-6, 1e-3]], 5, axis=0), None),
    "subnormal": (np.repeat([[1e-39, 2e-41], [3e-40, 1e-45], [0.0, 1e-38]], 5, axis=0), None),
    "of many weights": (_THREE, np.tile([1e-3, 7.0, 1e5], 5)),
    "others without weight": (
        np.concatenate([_THREE, cloud(9, 2, seed=2)]),
        np.repeat([1.0, 0.3, 0.0], [7, 8, 9]),
    ),
}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("kind", COINCIDING)
def test_a_fit_ends_when_every_row_is_at_its_centre(backend, kind, policy):
    X, w = COINCIDING[kind]
    options = {"empty_clusters": policy, "tol": 0, "n_init": 1}
    weights = None if w is None else backend.asarray(w)
    widest = "float64" if backend.float64 else "float32"
    for dtype in ("float32", "float64"):
        # What is subnormal in the widest float is refused: its squares vanish.
        if dtype in backend.lacks or (kind == "subnormal" and dtype == widest):
            continue
        rows = backend.asarray(X, dtype)
        for init in INITS:
            for seed in range(3):
                given = {"init": init, "sample_weight": weights, "rng": seed}
                result = quietly(kmeans, rows, 7, **given, **options)
                assert result.converged
                assert result.n_iter < 20


@pytest.mark.parametrize("kind", COINCIDING)
def test_the_rest_of_the_family_ends_too(kind):
    X, w = COINCIDING[kind]
    for call in (minibatch_kmeans, bisecting_kmeans):
        result = quietly(call, X.astype("float32"), 7, sample_weight=w, rng=0)
        assert result.converged
        assert result.n_iter < 50


def test_the_farthest_row_takes_the_empty_cluster():
    X = np.array([[0.0], [1.0], [2.0], [30.0]])
    result = kmeans(X, 2, init=[[1.0], [1000.0]], max_iter=1)
    # The row at 30 costs most: it leaves the first cluster and is the second.
    assert_array_equal(result.centers, [[1.0], [30.0]])
    assert_array_equal(result.labels, [0, 0, 0, 1])


def test_several_empty_clusters_take_different_rows():
    X = np.array([[0.0], [1.0], [2.0], [30.0], [70.0]])
    result = kmeans(X, 3, init=[[1.0], [1000.0], [2000.0]], max_iter=1)
    assert_array_equal(np.sort(result.centers[:, 0]), [1.0, 30.0, 70.0])
    assert result.inertia == 2.0


def test_a_random_row_takes_the_empty_cluster():
    X = cloud(50, 2, seed=3)
    start = np.concatenate([some_rows(X, 2), [[1e3, 1e3]]])
    moved = set()
    for seed in range(6):
        result = kmeans(X, 3, init=start, empty_clusters="random", rng=seed, max_iter=1)
        centre = result.centers[2]
        row = int(np.argmin(np.sum((X - centre) ** 2, axis=1)))
        assert_allclose(X[row], centre, rtol=1e-12)
        moved.add(row)
        again = kmeans(X, 3, init=start, empty_clusters="random", rng=seed, max_iter=1)
        assert_array_equal(again.centers, result.centers)
    assert len(moved) > 1


@pytest.mark.parametrize("policy", POLICIES)
def test_an_empty_cluster_takes_no_row_without_weight(policy):
    X = np.array([[0.0], [1.0], [2.0], [30.0], [900.0]])
    w = [1.0, 1.0, 1.0, 1.0, 0.0]
    options = {"sample_weight": w, "empty_clusters": policy, "max_iter": 1}
    for seed in range(20):
        result = kmeans(X, 2, init=[[1.0], [5000.0]], rng=seed, **options)
        assert result.centers[1] in X[:4]


@pytest.mark.parametrize("init", INITS)
def test_no_centre_starts_at_a_row_without_weight(init):
    X = np.r_[0:10, 100:110].astype(float)[:, None]
    w = np.repeat([0.0, 1.0], 10)
    for seed in range(10):
        result = kmeans(X, 8, init=init, n_init=1, sample_weight=w, rng=seed, max_iter=1)
        assert np.min(result.centers) >= 100


@pytest.mark.parametrize("init", INITS)
def test_k_is_n(init):
    X = cloud(12, 3, seed=4)
    result = kmeans(X, 12, init=init, rng=0)
    assert result.inertia <= 1e-28
    assert_array_equal(np.sort(result.labels), np.arange(12))
    assert_allclose(result.centers[result.labels], X, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("init", INITS)
def test_k_is_one(init):
    X = cloud(50, 3, seed=5)
    result = kmeans(X, 1, init=init, rng=0)
    assert_allclose(result.centers[0], np.mean(X, axis=0), rtol=1e-12, atol=1e-14)
    assert_allclose(result.inertia, np.sum((X - np.mean(X, axis=0)) ** 2), rtol=1e-12)
    assert not np.any(result.labels)


def test_one_row():
    result = kmeans([[3.0, 4.0]], 1, rng=0)
    assert_array_equal(result.centers, [[3.0, 4.0]])
    assert result.inertia == 0.0
    _, indices = kmeans_plusplus([[3.0, 4.0]], 1, rng=0)
    assert_array_equal(indices, [0])


def test_one_feature():
    X = np.random.default_rng(6).permutation(np.r_[0:5, 100:105, 300:305]).astype(float)[:, None]
    result = kmeans(X, 3, rng=0)
    assert_array_equal(np.sort(result.centers[:, 0]), [2.0, 102.0, 302.0])
    assert result.inertia == 30.0


def test_a_tie_takes_the_lowest_index():
    labels, d2 = assign(
        [[0.0, 0.0], [2.0, 0.0]], [[-1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]
    )
    assert_array_equal(labels, [0, 1])
    assert_array_equal(d2, [1.0, 1.0])
    twice = assign(cloud(100, 3), np.tile(some_rows(cloud(100, 3), 5), (7, 1)))[0]
    assert np.max(twice) < 5


@pytest.mark.parametrize("times", [3, 20])
@pytest.mark.parametrize("d", [2, 5, 40])
def test_repeated_centres_leave_the_later_ones_empty(times, d):
    X = cloud(2000, d, seed=7)
    centers = np.tile(some_rows(X, 13), (times, 1))
    labels, _ = assign(X, centers)
    assert_array_equal(labels, reference.nearest(X, centers[:13])[0])
