"""Weights mean copies: none are weights of one, and rows that weigh nothing count for nothing."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from kmeans_xp import (
    BisectingKMeans,
    GaussianMixture,
    KMeans,
    MiniBatchKMeans,
    SoftKMeans,
    bisecting_kmeans,
    gaussian_mixture,
    inertia,
    kmeans,
    kmeans_plusplus,
    minibatch_kmeans,
    soft_kmeans,
)
from tests.callers import OF_CLUSTERINGS, OF_WEIGHTS
from tests.data import blobs, cloud

X = cloud(400, 3, seed=1)
WEIGHTS = np.random.default_rng(2).uniform(0.1, 3.0, 400)
BATCHES = {"batch_size": 50, "max_iter": 3}
# Each algorithm, from a start that it draws.
FITS = {
    "kmeans": partial(kmeans, n_clusters=5, rng=0),
    "kmeans random": partial(kmeans, n_clusters=5, init="random", n_init=2, rng=0),
    "kmeans ||": partial(kmeans, n_clusters=5, init="k-means||", rng=0),
    "empty clusters": partial(
        kmeans,
        n_clusters=3,
        init=[[0, 0, 0], [9, 9, 9], [-9, 9, 9]],
        empty_clusters="random",
        rng=0,
    ),
    "mini-batch": partial(minibatch_kmeans, n_clusters=5, rng=0, **BATCHES),
    "mini-batch random": partial(
        minibatch_kmeans, n_clusters=5, init="random", init_size=60, rng=0, **BATCHES
    ),
    "bisecting": partial(bisecting_kmeans, n_clusters=5, rng=0),
    "soft": partial(soft_kmeans, n_clusters=3, rng=0, max_iter=5),
    "mixture": partial(gaussian_mixture, n_components=3, rng=0, max_iter=5),
    "mixture random": partial(
        gaussian_mixture, n_components=3, init="random shares", rng=0, max_iter=5
    ),
}
SUMS = ("inertia", "history")

each_fit = pytest.mark.parametrize("fit", FITS.values(), ids=FITS)


def fields(result, backend):
    """What a result holds, on the host, but for what is not an array or number."""
    found = vars(result).items()
    return {
        name: backend.to_numpy(value) if hasattr(value, "shape") else value
        for name, value in found
        if name not in ("kernel", "tree", "means")
    }


def assert_same_bits(found, expected, factor=1.0):
    """All alike, but for sums over the rows, which grow by a factor."""
    means = "log_likelihood" in expected
    for name, value in expected.items():
        times = factor if name in SUMS and not means else 1.0
        assert_array_equal(found[name], np.multiply(value, times), err_msg=name)


@each_fit
@pytest.mark.parametrize("weight", [1.0, 2.0**-30])
def test_equal_weights_are_none(backend, fit, weight):
    rows = backend.asarray(X)
    plain = fields(fit(rows), backend)
    weighted = fit(rows, sample_weight=backend.asarray(np.full(400, weight)))
    assert_same_bits(fields(weighted, backend), plain, weight)


@each_fit
@pytest.mark.parametrize("factor", [2.0**-200, 0.5])
def test_a_power_of_two_times_the_weights_gives_the_same_bits(fit, factor):
    plain, scaled = fit(X, sample_weight=WEIGHTS), fit(X, sample_weight=WEIGHTS * factor)
    assert_array_equal(scaled.labels, plain.labels)
    for name in ("centers", "covariances", "stiffness"):
        if name in vars(plain):
            assert_array_equal(getattr(scaled, name), getattr(plain, name))
    if hasattr(plain, "inertia"):
        assert scaled.inertia == plain.inertia * factor
        assert_array_equal(scaled.history, np.multiply(plain.history, factor))


@each_fit
@pytest.mark.parametrize("factor", [3.0, 0.7e-5])
@pytest.mark.parametrize("weights", [np.ones(400), WEIGHTS], ids=["equal", "different"])
def test_a_common_factor_changes_no_label_and_no_draw(fit, factor, weights):
    plain, scaled = fit(X, sample_weight=weights), fit(X, sample_weight=weights * factor)
    assert_array_equal(scaled.labels, plain.labels)
    assert scaled.n_iter == plain.n_iter
    if hasattr(plain, "inertia"):
        assert_allclose(scaled.inertia, plain.inertia * factor, rtol=1e-12)


@pytest.mark.parametrize("weight", [1.0, 4.0])
def test_equal_weights_are_none_for_seeding_and_inertia(backend, weight):
    rows, equal = backend.asarray(X), backend.asarray(np.full(400, weight))
    centers, indices = kmeans_plusplus(rows, 7, rng=3)
    again = kmeans_plusplus(rows, 7, rng=3, sample_weight=equal)
    assert_array_equal(backend.to_numpy(again[1]), backend.to_numpy(indices))
    plain = inertia(rows, centers)
    assert inertia(rows, centers, sample_weight=equal) == weight * plain
    labels = backend.asarray(np.zeros(400, np.int64))
    assert inertia(rows, centers, labels, sample_weight=equal) == weight * inertia(
        rows, centers, labels
    )


@pytest.mark.parametrize("weight", [1.0, 2.0, 3.0])
def test_a_stream_of_equal_weights_is_one_of_none(weight):
    plain, weighted = (MiniBatchKMeans(4, random_state=0) for _ in range(2))
    for start in range(0, 400, 100):
        batch = X[start : start + 100]
        plain.partial_fit(batch)
        weighted.partial_fit(batch, sample_weight=np.full(100, weight))
        if weight == 3.0:
            assert_allclose(weighted.cluster_centers_, plain.cluster_centers_, rtol=1e-12)
        else:
            assert_array_equal(weighted.cluster_centers_, plain.cluster_centers_)
        assert_allclose(weighted.inertia_, weight * plain.inertia_, rtol=1e-12)


def test_batches_of_other_weights_count_by_them():
    first, second = X[:100], X[100:200]
    weighted = MiniBatchKMeans(1, random_state=0).partial_fit(first)
    weighted.partial_fit(second, sample_weight=np.full(100, 3.0))
    mean = np.average(X[:200], axis=0, weights=np.repeat([1.0, 3.0], 100))
    assert_allclose(weighted.cluster_centers_[0], mean, rtol=1e-12)


# From starts that are given, so that no draw differs from that of fewer rows.
GIVEN = {
    "kmeans": lambda X, w, start: kmeans(X, 4, init=start, sample_weight=w),
    "bisecting": lambda X, w, start: bisecting_kmeans(
        X, 4, init=lambda rows, k, rng: np.stack([rows.min(axis=0), rows.max(axis=0)]),
        sample_weight=w,
    ),
    "soft": lambda X, w, start: soft_kmeans(X, 4, init=start, sample_weight=w),
    **{
        f"mixture {kind}": lambda X, w, start, kind=kind: gaussian_mixture(
            X, 4, covariance_type=kind, means_init=start, sample_weight=w
        )
        for kind in ("full", "tied", "diag", "spherical")
    },
}  # fmt: skip


@pytest.mark.parametrize("fit", GIVEN.values(), ids=GIVEN)
@pytest.mark.parametrize("weight", [0.0, 1e-300])
def test_rows_that_weigh_nothing_move_no_digit(fit, weight):
    """However far they are, and though they be all that an even look at the rows would find."""
    near, labels = blobs(279, 3, 4, seed=3)
    start = np.stack([near[labels == j][0] for j in range(4)])
    rows, w = np.zeros((310, 3)), np.full(310, weight)
    far = np.zeros(310, bool)
    far[::10] = True
    rows[~far] = near + 1e7
    w[~far] = np.where(np.arange(279) % 2, 1.0, 2.0)
    if fit is GIVEN["bisecting"]:  # its callable start looks at all rows of a cluster
        rows[far] = rows[1]
    expected, found = fit(rows[~far], w[~far], start + 1e7), fit(rows, w, start + 1e7)
    assert_array_equal(found.labels[~far], expected.labels)
    for name in ("centers", "means", "covariances", "stiffness", "inertia", "history"):
        if hasattr(expected, name):
            assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-7, err_msg=name)


def test_a_row_that_weighs_nearly_all():
    result = bisecting_kmeans([[0, 0], [1, 1]], 2, sample_weight=[1e16, 1], rng=0)
    assert_array_equal(np.sort(result.labels), [0, 1])
    assert result.inertia == 0
    assert_allclose(result.history, [2.0], rtol=1e-15)
    for init in ("k-means++", "random"):
        both = kmeans([[0, 0], [1, 1]], 2, sample_weight=[1e16, 1], init=init, rng=0)
        assert both.inertia == 0


@pytest.mark.parametrize("algorithm", ["auto", "lloyd", "portable"])
def test_the_history_of_rows_far_from_some_without_weight(algorithm):
    rows, w = cloud(310, 2, seed=4) + 1e8, np.where(np.arange(310) % 2, 1.0, 2.0)
    rows[::10], w[::10] = 0.0, 0.0
    start = rows[w > 0][:3]
    result = kmeans(rows, 3, init=start, sample_weight=w, algorithm=algorithm)
    assert_allclose(result.history[0], inertia(rows, start, sample_weight=w), rtol=1e-6)


@pytest.mark.parametrize(
    "name",
    [n for n in OF_WEIGHTS if "score" not in n and n not in OF_CLUSTERINGS],
)
def test_more_clusters_than_rows_with_weight(name):
    rows, w = cloud(12, 3, seed=1), np.r_[1.0, np.zeros(11)]
    if name == "MiniBatchKMeans.partial_fit again":
        OF_WEIGHTS[name](rows, w)  # A later batch may have as few rows as it likes.
        return
    with pytest.raises(ValueError, match=r"rows of positive sample_weight.*=2 with 1 such"):
        OF_WEIGHTS[name](rows, w)


@pytest.mark.parametrize(
    "estimator", [KMeans, MiniBatchKMeans, BisectingKMeans, SoftKMeans, GaussianMixture]
)
def test_as_many_clusters_as_rows_with_weight(estimator):
    rows, w = cloud(12, 3, seed=1) * 50, np.r_[1.0, 2.0, 3.0, np.zeros(9)]
    model = estimator(3, random_state=0).fit(rows, sample_weight=w)
    assert_array_equal(np.sort(model.predict(rows[:3])), [0, 1, 2])
