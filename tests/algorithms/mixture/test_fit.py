"""gaussian_mixture: agreement with scikit-learn, laws of EM, numerics, degenerate data."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture as SkGaussianMixture

from kmeans_xp import GaussianMixture, gaussian_mixture, kmeans_plusplus
from tests.data import blobs, cloud, same_partition, some_rows

KINDS = ["full", "tied", "diag", "spherical"]
INITS = ["k-means++", "k-means", "k-means||", "random", "random shares"]

each_kind = pytest.mark.parametrize("kind", KINDS)


def _geyser():
    """Eruptions and waiting times, as of Old Faithful."""
    rng = np.random.default_rng(0)
    short, long = rng.normal([2.0, 55.0], [0.3, 6.0], (97, 2)), rng.normal([4.3, 80], 0.4, (175, 2))
    return np.concatenate([short, long])


def _digits():
    return PCA(10, svd_solver="full").fit_transform(load_digits().data)


REAL = {
    "iris": (lambda: load_iris().data, 3),
    "wine": (lambda: load_wine().data, 3),
    "digits": (_digits, 10),
    "geyser": (_geyser, 2),
}


def start(X, k, kind, seed=1):
    """Weights, means and precisions to start from."""
    scales = 1 / X.var(axis=0)
    precisions = {
        "full": np.tile(np.diag(scales), (k, 1, 1)),
        "tied": np.diag(scales),
        "diag": np.tile(scales, (k, 1)),
        "spherical": np.full(k, 1 / X.var(axis=0).mean()),
    }[kind]
    weights = np.arange(1.0, k + 1)
    return {
        "weights_init": weights / weights.sum(),
        "means_init": np.asarray(kmeans_plusplus(X, k, rng=seed)[0]),
        "precisions_init": precisions,
    }


@each_kind
@pytest.mark.parametrize("name", REAL)
def test_it_agrees_with_scikit_learn(name, kind):
    load, k = REAL[name]
    X = load()
    begin = start(X, k, kind)
    ours = GaussianMixture(k, covariance_type=kind, **begin).fit(X)
    theirs = SkGaussianMixture(k, covariance_type=kind, **begin).fit(X)
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.converged_
    assert_allclose(ours.lower_bounds_, theirs.lower_bounds_, rtol=1e-6)
    for part in ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"):
        expected = getattr(theirs, part)
        found = getattr(ours, part)
        assert_allclose(found, expected, rtol=1e-6, atol=1e-9 * np.max(np.abs(expected)))
    for score in ("lower_bound_", "bic", "aic", "score"):
        a, b = (getattr(m, score) for m in (ours, theirs))
        a, b = (a, b) if score == "lower_bound_" else (a(X), b(X))
        assert_allclose(a, b, rtol=1e-6)
    assert_array_equal(ours.predict(X), theirs.predict(X))
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-6, atol=1e-12)
    assert_allclose(ours.score_samples(X), theirs.score_samples(X), rtol=1e-6, atol=1e-9)


@each_kind
def test_parts_belong_together(kind):
    X = cloud(300, 3, seed=1)
    r = gaussian_mixture(X, 4, covariance_type=kind, max_iter=7, rng=0)
    assert r.responsibilities.shape == (300, 4)
    assert r.labels.dtype == np.int32
    assert_allclose(r.responsibilities.sum(axis=1), 1.0)
    assert_array_equal(r.labels, np.argmax(r.responsibilities, axis=1))
    assert_allclose(r.weights.sum(), 1.0)
    assert len(r.history) == r.n_iter == 7
    assert r.log_likelihood >= r.history[-1]
    theirs = SkGaussianMixture(4, covariance_type=kind)
    theirs.weights_, theirs.means_ = r.weights, r.means
    theirs.covariances_, theirs.precisions_cholesky_ = r.covariances, r.precisions_cholesky
    assert_allclose(r.log_likelihood, theirs.score(X), rtol=1e-12)
    assert_allclose(r.responsibilities, theirs.predict_proba(X), rtol=1e-9, atol=1e-15)


@each_kind
@pytest.mark.parametrize("seed", range(4))
def test_the_log_likelihood_never_falls(kind, seed):
    X = cloud(200, 3, seed=seed)
    X[:50] *= 0.05
    r = gaussian_mixture(X, 5, covariance_type=kind, reg_covar=0, tol=0, max_iter=60, rng=seed)
    assert np.all(np.diff([*r.history, r.log_likelihood]) >= -1e-10)
    assert r.log_likelihood > r.history[0]


@each_kind
@pytest.mark.parametrize("init", INITS[:-1])
def test_every_start_finds_what_was_planted(kind, init):
    X, planted = blobs(seed=2)
    r = gaussian_mixture(X, 4, covariance_type=kind, init=init, n_init=12, rng=0, max_iter=300)
    assert same_partition(r.labels, planted)
    assert_allclose(r.weights, 0.25, rtol=1e-6)


def test_random_shares_are_uncorrelated_and_uniform():
    X = np.random.default_rng(0).standard_normal((40_000, 1))
    r = gaussian_mixture(X, 6, init="random shares", rng=0, max_iter=1, tol=0)
    assert_allclose(r.weights, 1 / 6, rtol=0.02)
    assert_allclose(r.means[:, 0], 0.0, atol=0.05)
    assert len(np.unique(r.means)) == 6


def test_several_starts_keep_the_best():
    X = cloud(200, 2, seed=3)
    starts = []
    r = gaussian_mixture(X, 5, n_init=5, rng=0, callback=starts.append, init="random")
    ends = [max(i.log_likelihood for i in starts if i.run == run) for run in range(1, 6)]
    assert r.history[-1] == max(ends)
    assert len(set(ends)) > 1


@each_kind
def test_a_weight_is_a_repetition(kind):
    X = cloud(120, 3, seed=4)
    w = np.random.default_rng(0).integers(0, 4, 120)
    begin = start(X, 3, kind)
    weighted = gaussian_mixture(X, 3, covariance_type=kind, sample_weight=w, **begin)
    repeated = gaussian_mixture(np.repeat(X, w, axis=0), 3, covariance_type=kind, **begin)
    assert weighted.n_iter == repeated.n_iter
    assert_allclose(weighted.covariances, repeated.covariances, rtol=1e-9, atol=1e-12)
    assert_allclose(weighted.means, repeated.means, rtol=1e-9, atol=1e-12)
    assert_allclose(weighted.log_likelihood, repeated.log_likelihood, rtol=1e-12)
    scaled = gaussian_mixture(X, 3, covariance_type=kind, sample_weight=w * 1e-3, **begin)
    assert_allclose(scaled.covariances, weighted.covariances, rtol=1e-9, atol=1e-12)


@each_kind
def test_permutation_translation_and_scale(kind):
    X = cloud(150, 3, seed=5)
    order = np.random.default_rng(0).permutation(150)
    options = {"covariance_type": kind, "reg_covar": 0}
    begin = start(X, 3, kind)
    plain = gaussian_mixture(X, 3, **options, **begin)
    shuffled = gaussian_mixture(X[order], 3, **options, **begin)
    assert_allclose(shuffled.covariances, plain.covariances, rtol=1e-9, atol=1e-12)
    assert_allclose(shuffled.responsibilities, plain.responsibilities[order], atol=1e-9)
    moved = begin | {"means_init": begin["means_init"] + 1000.0}
    there = gaussian_mixture(X + 1000.0, 3, **options, **moved)
    assert_allclose(there.covariances, plain.covariances, rtol=1e-7, atol=1e-9)
    assert_allclose(there.log_likelihood, plain.log_likelihood, rtol=1e-9)
    scaled = begin | {
        "means_init": begin["means_init"] * 8,
        "precisions_init": begin["precisions_init"] / 64,
    }
    large = gaussian_mixture(X * 8, 3, **options, **scaled)
    assert_allclose(large.covariances, plain.covariances * 64, rtol=1e-9, atol=1e-9)
    assert_allclose(large.log_likelihood, plain.log_likelihood - 3 * np.log(8), rtol=1e-9)


@each_kind
@pytest.mark.parametrize("init", ["k-means++", "random shares"])
def test_single_precision_far_from_zero(kind, init):
    rng = np.random.default_rng(6)
    near = rng.standard_normal((4000, 3)) * [1.0, 2.0, 4.0] + rng.integers(0, 2, (4000, 1)) * 30.0
    far = (near + 50_000.0).astype(np.float32)
    near = far.astype(np.float64) - 50_000.0  # what is left of it in single precision
    options = {"covariance_type": kind, "rng": 0, "init": init, "reg_covar": 0, "max_iter": 20}
    ours, exact = (gaussian_mixture(X, 2, **options) for X in (far, near))
    assert ours.covariances.dtype == np.float32
    assert_allclose(ours.covariances, exact.covariances, rtol=1e-3, atol=1e-3)
    assert_allclose(ours.log_likelihood, exact.log_likelihood, rtol=1e-5)


@each_kind
def test_small_components_far_apart(kind):
    rng = np.random.default_rng(7)
    labels = np.arange(600) % 3
    X = 1e-4 * rng.standard_normal((600, 2)) + 1e4 * labels[:, None]
    r = gaussian_mixture(X, 3, covariance_type=kind, reg_covar=0, rng=0)
    assert same_partition(r.labels, labels)
    inside = X - r.means[r.labels]
    if kind in ("full", "diag"):
        own = np.stack([np.mean(inside[r.labels == j] ** 2, axis=0) for j in range(3)])
        found = np.diagonal(r.covariances, axis1=1, axis2=2) if kind == "full" else r.covariances
        assert_allclose(found, own, rtol=1e-6)
    total = {"full": 3, "tied": 1, "diag": 3, "spherical": 1.5}[kind]
    traces = np.einsum("...ii", r.covariances) if kind in ("full", "tied") else r.covariances
    assert_allclose(np.sum(traces) / total, np.sum(inside**2) / 600, rtol=1e-6)
    assert np.isfinite(r.log_likelihood)


@each_kind
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_collapse_is_an_error_without_regularisation(kind, dtype):
    X = np.repeat([[0.3, 1.7], [5.1, 3.3], [9.7, 0.9]], 4, axis=0).astype(dtype)
    with pytest.raises(ValueError, match="reg_covar"):
        gaussian_mixture(X, 3, covariance_type=kind, reg_covar=0, rng=0)
    r = gaussian_mixture(X, 3, covariance_type=kind, rng=0)
    assert np.all(np.isfinite(r.responsibilities))
    assert_allclose(r.means[r.labels], X, rtol=1e-5)


@pytest.mark.parametrize("kind", ["full", "diag", "spherical"])
@pytest.mark.parametrize("seed", range(5))
def test_rounding_is_not_taken_for_a_variance(kind, seed):
    X = np.concatenate([cloud(50, 3, seed=seed), np.tile(cloud(1, 3, seed=seed) + 60.1, (7, 1))])
    begin = {"means_init": X[[0, -1]], "weights_init": [0.5, 0.5]}
    ones = {"full": np.tile(np.eye(3), (2, 1, 1)), "diag": np.ones((2, 3)), "spherical": np.ones(2)}
    begin["precisions_init"] = ones[kind]
    with pytest.raises(ValueError, match="collapsed"):
        gaussian_mixture(X, 2, covariance_type=kind, reg_covar=0, **begin)


@pytest.mark.parametrize("kind", ["full", "tied", "diag"])
def test_a_constant_feature(kind):
    X = cloud(60, 3, seed=8)
    X[:, 1] = 0.1
    with pytest.raises(ValueError, match="collapsed"):
        gaussian_mixture(X, 2, covariance_type=kind, reg_covar=0, rng=0)
    r = gaussian_mixture(X, 2, covariance_type=kind, rng=0)
    assert_allclose(r.means[:, 1], 0.1, rtol=1e-9)


@each_kind
@pytest.mark.parametrize("init", INITS)
def test_degenerate_data(kind, init):
    options = {"covariance_type": kind, "init": init, "rng": 0}
    one_each = gaussian_mixture(cloud(6, 2), 6, **options)
    assert np.isfinite(one_each.log_likelihood)
    same = gaussian_mixture(np.full((7, 2), 0.1), 3, **options)
    assert np.all(np.isfinite(same.responsibilities))
    assert_allclose(same.means[same.labels], 0.1)
    few = gaussian_mixture(np.repeat([[0.0], [1.0]], 5, axis=0), 4, **options)
    assert np.all(np.isfinite(few.responsibilities))
    assert gaussian_mixture([[3.0, 4.0]], 1, **options).means.tolist() == [[3.0, 4.0]]


@each_kind
def test_one_component_is_the_moments_of_the_data(kind):
    X = cloud(80, 3, seed=9) * [1, 2, 3]
    w = np.random.default_rng(0).uniform(0, 2, 80)
    r = gaussian_mixture(X, 1, covariance_type=kind, sample_weight=w, reg_covar=0)
    c = np.cov(X.T, aweights=w, ddof=0)
    expected = {
        "full": c[None],
        "tied": c,
        "diag": np.diag(c)[None],
        "spherical": [np.trace(c) / 3],
    }[kind]
    assert_allclose(r.covariances, expected, rtol=1e-10, atol=1e-12)
    assert_allclose(r.means[0], np.average(X, axis=0, weights=w), atol=1e-12)


def test_the_means_alone_may_be_given():
    X, planted = blobs(seed=3)
    means = np.stack([X[planted == j].mean(axis=0) for j in range(4)])
    r = gaussian_mixture(X, 4, means_init=means)
    assert_allclose(r.means, means, atol=1e-6)
    assert_array_equal(r.labels, planted)
    w = gaussian_mixture(X, 4, means_init=means.tolist(), weights_init=[0.1, 0.2, 0.3, 0.4])
    assert_array_equal(w.labels, planted)


def test_the_callback_sees_and_stops():
    X, seen = cloud(100, 2), []
    r = gaussian_mixture(X, 3, rng=0, tol=0, callback=lambda i: seen.append(i) or i.number == 3)
    assert [i.number for i in seen] == [1, 2, 3]
    assert [i.log_likelihood for i in seen] == list(r.history)
    assert_allclose([i.change for i in seen[1:]], np.diff(r.history))
    assert_array_equal(seen[-1].means, r.means)
    assert not r.converged


def test_the_same_seed_gives_the_same_bits():
    X = some_rows(cloud(5000, 3), 5000).astype(np.float32)
    a, b = (gaussian_mixture(X, 3, rng=4, n_init=2) for _ in range(2))
    assert_array_equal(a.covariances, b.covariances)
    assert_array_equal(a.responsibilities, b.responsibilities)
