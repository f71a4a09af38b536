"""Data far from the origin, huge, tiny or many: right, or refused, never quietly wrong."""

import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from kmeans_xp import KMeans, assign, inertia, kmeans, kmeans_plusplus
from tests import reference
from tests.data import blobs, cloud, same_partition, some_rows

HOST, PLANTED = blobs(seed=1)


def partition_of(backend, labels):
    return same_partition(backend.to_numpy(labels), PLANTED)


@pytest.mark.parametrize("offset", [1e4, 1e5, -1e5])
@pytest.mark.parametrize("seed", range(3))
def test_float32_rows_far_from_the_origin(backend, offset, seed):
    # The spread is about 10, so this is up to ten thousand spreads away.
    host = (HOST + offset).astype(np.float32)
    X = backend.asarray(host)
    model = KMeans(4, random_state=seed, n_init=3).fit(X)
    assert partition_of(backend, model.labels_)
    assert_array_equal(backend.to_numpy(model.predict(X)), backend.to_numpy(model.labels_))
    centers = backend.to_numpy(model.cluster_centers_)
    labels = backend.to_numpy(model.labels_)
    cost = reference.cost(host, centers, labels)
    assert_allclose(model.inertia_, cost, rtol=1e-9 if backend.float64 else 1e-3)
    means = np.stack([host[labels == j].astype(float).mean(axis=0) for j in range(4)])
    # A float32 cannot name the mean more closely than its own spacing there.
    assert_allclose(centers, means, rtol=0, atol=2 * np.spacing(np.float32(abs(offset))))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("d", [3, 40])
def test_labels_far_from_the_origin_are_the_nearest_centres(backend, dtype, d):
    if dtype == "float64":
        backend.need("float64")
    offset = {"float32": 4096.0, "float64": 2.0**40}[dtype]
    host = (cloud(300, d, seed=3) + offset).astype(dtype)
    centers = some_rows(host, 4)
    labels, d2 = assign(backend.asarray(host), backend.asarray(centers))
    eps = float(np.finfo(dtype).eps)
    assert reference.regret(host, centers, backend.to_numpy(labels)) <= 100 * eps * d
    _, least = reference.nearest(host, centers)
    assert_allclose(backend.to_numpy(d2), least, rtol=100 * eps, atol=100 * eps * d)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_outlier_among_the_centres_does_not_blur_the_rest(backend, dtype):
    if dtype == "float64":
        backend.need("float64")
    far = {"float32": 1e6, "float64": 1e10}[dtype]
    host = np.concatenate([cloud(299, 3, seed=4), [[far, 0, 0]]]).astype(dtype)
    centers = np.concatenate([some_rows(host[:299], 3), host[-1:]])
    labels, d2 = assign(backend.asarray(host), backend.asarray(centers))
    _, least = reference.nearest(host, centers)
    eps = float(np.finfo(dtype).eps)
    assert reference.regret(host, centers, backend.to_numpy(labels)) <= 100 * eps
    assert_allclose(backend.to_numpy(d2), least, rtol=100 * eps, atol=100 * eps)


def test_a_column_of_another_scale_does_not_blur_the_rest():
    # A constant of a million beside coordinates of one, as a year or an id would be.
    X = np.concatenate([np.full((300, 1), 1e6), cloud(300, 2, seed=5)], axis=1)
    X = X.astype(np.float32)
    start = some_rows(X, 4)
    result = kmeans(X, 4, init=start)
    expected = reference.lloyd(X, start)
    assert_array_equal(result.labels, expected.labels)
    assert_allclose(result.inertia, expected.inertia, rtol=1e-5)


@pytest.mark.parametrize("far", [1e3, -1e6, 1e12])
def test_a_start_far_from_the_data_costs_no_digits(backend, far):
    if far > 1e6:
        backend.need("float64")
    host = cloud(300, 3, seed=6)
    start = np.full((1, 3), far)
    result = kmeans(backend.asarray(host), 1, init=backend.asarray(start), max_iter=1)
    atol = 1e-13 if backend.float64 else 2e-6
    assert_allclose(backend.to_numpy(result.centers)[0], np.mean(host, axis=0), rtol=0, atol=atol)


def right_or_refused(call, check):
    """The call raises a clear error, or its answer passes the check."""
    try:
        answer = call()
    except ValueError as error:
        assert re.search(r"\b(X|centers|init)\b.*power of two", str(error))  # noqa: PT017
    else:
        check(answer)


SCALES = [
    *(("float32", s) for s in (1e-36, 1e-22, 1e18, 1e36)),
    *(("float64", s) for s in (1e-300, 1e-155, 1e155, 1e300)),
]


@pytest.mark.parametrize(("dtype", "scale"), SCALES)
def test_huge_and_tiny_rows(backend, dtype, scale):
    if dtype == "float64":
        backend.need("float64")
    host = (HOST * scale).astype(dtype)
    X = backend.asarray(host)

    def fitted(model):
        assert same_partition(backend.to_numpy(model.labels_), PLANTED)
        assert_array_equal(backend.to_numpy(model.predict(X)), backend.to_numpy(model.labels_))
        unit = reference.cost(HOST, backend.to_numpy(model.cluster_centers_) / scale,
                              backend.to_numpy(model.labels_))  # fmt: skip
        if 1e-280 < unit * scale * scale < 1e300:
            assert_allclose(model.inertia_, unit * scale * scale, rtol=1e-3)
        assert np.isfinite(model.inertia_)
        distances = backend.to_numpy(model.transform(X)).min(axis=1)
        assert_allclose(np.sum((distances / scale) ** 2), unit, rtol=1e-3)
        assert model.score(X) == -model.inertia_

    right_or_refused(lambda: KMeans(4, random_state=0, n_init=3).fit(X), fitted)

    def seeded(answer):
        picked = host[np.asarray(answer[1] if isinstance(answer[1], np.ndarray)
                                 else backend.to_numpy(answer[1]))]  # fmt: skip
        nearest = reference.nearest(HOST, picked / np.asarray(scale, dtype))[0]
        assert same_partition(nearest, PLANTED)

    right_or_refused(lambda: kmeans_plusplus(X, 4, n_local_trials=6, rng=1), seeded)


@pytest.mark.parametrize(("dtype", "scale"), SCALES)
def test_huge_and_tiny_rows_without_a_fit(backend, dtype, scale):
    if dtype == "float64":
        backend.need("float64")
    host = (HOST * scale).astype(dtype)
    centers = np.stack([host[j == PLANTED][0] for j in range(4)])
    X, C = backend.asarray(host), backend.asarray(centers)
    unit = reference.nearest(host / np.asarray(scale, dtype), centers / np.asarray(scale, dtype))[1]

    def assigned(answer):
        assert_array_equal(backend.to_numpy(answer[0]), PLANTED)
        with np.errstate(over="ignore", under="ignore"):
            expected = (unit * scale * scale).astype(dtype)
        tiny = 4 * float(np.finfo(dtype).tiny)
        assert_allclose(backend.to_numpy(answer[1]), expected, rtol=1e-3, atol=tiny)
        assert np.all(np.isfinite(backend.to_numpy(answer[1])))

    right_or_refused(lambda: assign(X, C), assigned)

    def measured(value):
        assert_allclose(value, np.sum(unit) * scale * scale, rtol=1e-3, atol=1e-300)
        assert np.isfinite(value)

    right_or_refused(lambda: inertia(X, C), measured)


def test_tiny_distances_beside_large_coordinates():
    X = np.array([[1.0], [1.0 + 2**-50], [2.0], [2.0 + 2**-50]])
    result = kmeans(X, 4, init=X)
    assert result.inertia == 0.0
    assert_array_equal(result.labels, [0, 1, 2, 3])


@pytest.mark.parametrize("value", [1.0, 0.1, 3.3])
def test_sums_of_tens_of_millions_of_float32_rows_do_not_stall(value):
    # A float32 running sum of ones stops at 2**24 = 16.8 million.
    X = np.full((20_000_000, 1), value, dtype=np.float32)
    X[:2] = -5.0
    result = kmeans(X, 2, init=[[value], [-5.0]], max_iter=1)
    assert_array_equal(result.centers, np.array([[value], [-5.0]], dtype=np.float32))
    assert result.inertia == 0.0
    assert np.count_nonzero(result.labels) == 2


def test_weights_beyond_float32_do_not_stall():
    X = np.full((300_000, 1), 0.5, dtype=np.float32)
    X[::2] = 0.25
    w = np.full(300_000, 1000.0, dtype=np.float32)
    w[0] = 1e9
    result = kmeans(X, 1, rng=0, sample_weight=w)
    expected = np.average(X.astype(float), axis=0, weights=w.astype(float))
    assert_allclose(result.centers[0], expected, rtol=1e-7)


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e160, 1e300])
def test_huge_and_tiny_weights(scale):
    w = np.linspace(1.0, 2.0, 300)
    plain = kmeans(HOST, 4, rng=0, sample_weight=w)
    right_or_refused_weights(lambda: kmeans(HOST, 4, rng=0, sample_weight=w * scale), plain, scale)


def right_or_refused_weights(call, plain, scale):
    try:
        result = call()
    except ValueError as error:
        assert "sample_weight" in str(error)  # noqa: PT017
    else:
        assert same_partition(np.asarray(result.labels), np.asarray(plain.labels))
        assert_allclose(result.inertia, plain.inertia * scale, rtol=1e-9)
        order = np.argsort(result.centers[:, 0]), np.argsort(plain.centers[:, 0])
        assert_allclose(result.centers[order[0]], plain.centers[order[1]], rtol=1e-9)
