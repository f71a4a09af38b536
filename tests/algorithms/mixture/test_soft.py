"""soft_kmeans: laws of EM, its limit k-means, extreme stiffness, degenerate data."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp

from kmeans_xp import kmeans, soft_kmeans
from tests.data import blobs, cloud, same_partition, some_rows
from tests.reference import squared_distances


def reference(X, centers, stiffness, w=None, *, mixing=True, steps=1):
    """Soft k-means at its plainest: the result of some steps, and the log-likelihoods."""
    n, d = X.shape
    k = len(centers)
    pi, beta, w = np.full(k, 1 / k), stiffness, np.ones(n) if w is None else w
    history = []
    for _ in range(steps + 1):
        logs = np.log(pi) - 0.5 * beta * squared_distances(X, centers)
        logs = logs + 0.5 * d * np.log(beta / (2 * np.pi))
        sums = logsumexp(logs, axis=1)
        history.append(np.average(sums, weights=w))
        r = np.exp(logs - sums[:, None])
        last = centers, pi, beta, r
        wr = r * w[:, None]
        centers = (wr.T @ X) / wr.sum(axis=0)[:, None]
        pi = wr.sum(axis=0) / w.sum() if mixing else pi
        if stiffness_is_learned(stiffness):
            beta = d * w.sum() / np.sum(wr * squared_distances(X, centers))
    return *last, history


def stiffness_is_learned(stiffness):
    return isinstance(stiffness, np.float64)


@pytest.mark.parametrize("mixing", [True, False])
@pytest.mark.parametrize("learned", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_it_is_spherical_em(mixing, learned, weighted):
    X = cloud(200, 3, seed=1)
    begin = some_rows(X, 4)
    w = np.random.default_rng(0).uniform(0.1, 2.0, 200) if weighted else np.ones(200)
    nearest = squared_distances(X, begin).min(axis=1)
    first = np.float64(3 * w.sum() / np.sum(w * nearest)) if learned else 2.5
    centers, pi, beta, r, history = reference(X, begin, first, w, mixing=mixing, steps=6)
    ours = soft_kmeans(
        X,
        4,
        stiffness=None if learned else 2.5,
        init=begin,
        mixing=mixing,
        reg_covar=0,
        tol=0,
        max_iter=6,
        sample_weight=w if weighted else None,
    )
    assert_allclose(ours.centers, centers, rtol=1e-9, atol=1e-12)
    assert_allclose(ours.weights, pi, rtol=1e-9)
    assert_allclose(ours.stiffness, beta, rtol=1e-9)
    assert_allclose(ours.responsibilities, r, rtol=1e-7, atol=1e-12)
    assert_allclose([*ours.history, ours.log_likelihood], history, rtol=1e-9)
    assert_array_equal(ours.labels, np.argmax(r, axis=1))
    assert ours.n_iter == 6


@pytest.mark.parametrize("mixing", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_its_limit_is_kmeans(mixing, seed):
    X = cloud(300, 3, seed=seed)
    begin = some_rows(X, 5, seed)
    hard = kmeans(X, 5, init=begin, tol=0)
    gaps = []
    for stiffness in (1e1, 1e3, 1e5, 1e7, 1e9):
        soft = soft_kmeans(X, 5, init=begin, stiffness=stiffness, mixing=mixing, tol=0)
        gaps.append(np.max(np.abs(soft.centers - hard.centers)))
    assert_array_equal(soft.labels, hard.labels)
    assert_allclose(soft.centers, hard.centers, atol=1e-9)
    assert gaps[0] > 1e-2
    assert gaps[-1] < 1e-9
    assert soft.converged


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [1e-9, 1e-3, 1.0, 1e3, 1e9, 1e15])
def test_extreme_stiffness_on_data_of_any_scale(dtype, scale):
    X = (cloud(200, 3, seed=2) * scale).astype(dtype)
    for stiffness in (1e-6, 1e6, 1e12, 1e200):
        r = soft_kmeans(X, 4, stiffness=stiffness, init=some_rows(X, 4), max_iter=50)
        assert not np.any(np.isnan(r.responsibilities))
        assert_allclose(r.responsibilities.sum(axis=1), 1.0, rtol=1e-5)
        assert np.all(np.isfinite(r.centers))
        assert not np.isnan(r.log_likelihood)
        assert not np.any(np.isnan(r.history))


def test_where_squares_times_the_stiffness_overflow_it_is_kmeans():
    X = cloud(200, 3, seed=3) * 1e150
    begin = some_rows(X, 4)
    soft = soft_kmeans(X, 4, stiffness=1e100, init=begin, mixing=False)
    hard = kmeans(X, 4, init=begin, tol=0)
    assert_array_equal(soft.labels, hard.labels)
    assert soft.log_likelihood == -np.inf
    assert soft.converged


@pytest.mark.parametrize("stiffness", [None, 0.5, 50.0])
@pytest.mark.parametrize("seed", range(4))
def test_the_log_likelihood_never_falls(stiffness, seed):
    X = cloud(200, 2, seed=seed)
    r = soft_kmeans(X, 6, stiffness=stiffness, reg_covar=0, tol=0, max_iter=80, rng=seed)
    assert np.all(np.diff([*r.history, r.log_likelihood]) >= -1e-11)


def test_it_finds_what_was_planted_and_how_wide_it_is():
    X, planted = blobs(n=2000, seed=4)
    r = soft_kmeans(X, 4, rng=0)
    assert same_partition(r.labels, planted)
    assert_allclose(r.stiffness, 1 / 0.3**2, rtol=0.05)
    assert r.converged
    assert r.responsibilities.shape == (2000, 4)


def test_a_weight_is_a_repetition():
    X = cloud(100, 3, seed=5)
    w = np.random.default_rng(0).integers(0, 4, 100)
    begin = some_rows(X, 3)
    weighted = soft_kmeans(X, 3, init=begin, sample_weight=w)
    repeated = soft_kmeans(np.repeat(X, w, axis=0), 3, init=begin)
    assert weighted.n_iter == repeated.n_iter
    assert_allclose(weighted.centers, repeated.centers, rtol=1e-9, atol=1e-12)
    assert_allclose(weighted.stiffness, repeated.stiffness, rtol=1e-9)


def test_permutation_translation_and_scale():
    X = cloud(150, 3, seed=6)
    begin, order = some_rows(X, 3), np.random.default_rng(0).permutation(150)
    plain = soft_kmeans(X, 3, init=begin, reg_covar=0)
    shuffled = soft_kmeans(X[order], 3, init=begin, reg_covar=0)
    assert_allclose(shuffled.responsibilities, plain.responsibilities[order], atol=1e-9)
    moved = soft_kmeans(X + 1e4, 3, init=begin + 1e4, reg_covar=0)
    assert_allclose(moved.centers - 1e4, plain.centers, atol=1e-8)
    assert_allclose(moved.stiffness, plain.stiffness, rtol=1e-7)
    scaled = soft_kmeans(X * 16, 3, init=begin * 16, reg_covar=0)
    assert_allclose(scaled.stiffness, plain.stiffness / 256, rtol=1e-9)
    assert_allclose(scaled.centers, plain.centers * 16, rtol=1e-9, atol=1e-10)


def test_single_precision_far_from_zero():
    far = (blobs(n=2000, seed=7)[0] + 20_000.0).astype(np.float32)
    near = far.astype(np.float64) - 20_000.0
    ours, exact = (soft_kmeans(X, 4, rng=0, reg_covar=0) for X in (far, near))
    assert_allclose(ours.stiffness, exact.stiffness, rtol=1e-4)
    assert_allclose(ours.log_likelihood, exact.log_likelihood, rtol=1e-4)


def test_degenerate_data():
    for options in ({}, {"stiffness": 1e6}, {"mixing": False}):
        one_each = soft_kmeans(cloud(6, 2), 6, rng=0, **options)
        assert_array_equal(np.sort(one_each.labels), np.arange(6))
        same = soft_kmeans(np.full((7, 2), 0.1), 3, rng=0, **options)
        assert_allclose(same.centers, 0.1)
        few = soft_kmeans(np.repeat([[0.0], [1.0]], 5, axis=0), 4, rng=0, **options)
        assert np.all(np.isfinite(few.responsibilities))
        assert_allclose(few.centers[few.labels], np.repeat([[0.0], [1.0]], 5, axis=0), atol=1e-6)
    with pytest.raises(ValueError, match="collapsed"):
        soft_kmeans(np.repeat([[0.0], [1.0]], 5, axis=0), 2, rng=0, reg_covar=0)


@pytest.mark.parametrize("far", [50.0, 1e4])  # by polynomial, by difference
def test_a_centre_far_from_every_row_stays_where_it_is(far):
    X = cloud(100, 2, seed=8)
    begin = np.concatenate([some_rows(X, 2), [[far, far]]])
    r = soft_kmeans(X, 3, stiffness=100.0, init=begin)
    assert_array_equal(r.centers[2], [far, far])
    assert r.weights[2] == 0
    assert_allclose(r.weights.sum(), 1.0)


@pytest.mark.parametrize("init", ["k-means++", "k-means||", "random"])
def test_several_starts_keep_the_best(init):
    X, seen = cloud(200, 2, seed=9), []
    r = soft_kmeans(X, 5, init=init, n_init=4, rng=0, callback=seen.append)
    ends = [max(i.log_likelihood for i in seen if i.run == run) for run in range(1, 5)]
    assert r.history[-1] == max(ends)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("tightness", [1.0, 1e-7])  # of the latter polynomials leave no digit
def test_the_first_variance_is_that_about_the_nearest_centres(tightness, weighted):
    centers = np.array([[0.0, 0.0], [1e3, 0.0], [0.0, 1e3]])
    rng = np.random.default_rng(0)
    own = centers[rng.integers(3, size=60)]
    X = own + tightness * rng.standard_normal(own.shape)
    w = rng.uniform(0.5, 2, 60) if weighted else np.ones(60)
    variance = np.average(np.square(X - own).mean(axis=1), weights=w)
    r = soft_kmeans(X, 3, init=centers, max_iter=1, reg_covar=0.0, sample_weight=w)
    # No row has a share in a centre far away.
    expected = -np.log(3) - np.log(2 * np.pi * variance) - 1
    assert_allclose(r.history[0], expected, rtol=1e-7)


BAD = [
    ({"n_clusters": 0}, ValueError, "n_clusters"),
    ({"n_clusters": 31}, ValueError, "n_clusters"),
    ({"stiffness": 0.0}, ValueError, "stiffness"),
    ({"stiffness": -1.0}, ValueError, "stiffness"),
    ({"stiffness": np.inf}, ValueError, "stiffness"),
    ({"stiffness": "hard"}, TypeError, "stiffness"),
    ({"mixing": "yes"}, TypeError, "mixing"),
    ({"init": "best"}, ValueError, "init"),
    ({"init": np.zeros((3, 2))}, ValueError, "init"),
    ({"n_init": 0}, ValueError, "n_init"),
    ({"max_iter": 0}, ValueError, "max_iter"),
    ({"tol": np.nan}, ValueError, "tol"),
    ({"reg_covar": -1}, ValueError, "reg_covar"),
    ({"sample_weight": -np.ones(30)}, ValueError, "sample_weight"),
    ({"rng": 0.5}, TypeError, "rng"),
    ({"callback": "print"}, TypeError, "callback"),
]


@pytest.mark.parametrize(("options", "error", "named"), BAD, ids=lambda v: str(v)[:40])
def test_bad_arguments_are_named(options, error, named):
    with pytest.raises(error, match=named):
        soft_kmeans(cloud(30, 2), **({"n_clusters": 2} | options))
