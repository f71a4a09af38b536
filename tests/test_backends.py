"""Every backend and device agrees with NumPy, and keeps what it returns where X lives.

Nearly all tests have 300 rows, 3 features and 4 clusters: JAX compiles anew for every shape.
"""

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from kmeans_xp import KMeans, assign, inertia, kmeans, kmeans_plusplus
from tests import reference
from tests.data import blobs, cloud, same_partition, some_rows

DTYPES = ["float32", "float64"]


def test_results_live_where_x_lives(backend):
    X = backend.asarray(blobs()[0], "float32")
    result = kmeans(X, 4, rng=0)
    assert backend.owns(result.centers)
    assert backend.owns(result.labels)
    assert backend.dtype(result.centers) == "float32"
    assert backend.dtype(result.labels) == "int32"
    assert result.centers.shape == (4, 3)
    assert result.labels.shape == (300,)
    assert type(result.inertia) is float
    assert type(result.n_iter) is int
    assert type(result.converged) is bool
    assert all(type(h) is float for h in result.history)

    labels, d2 = assign(X, result.centers)
    assert backend.owns(labels)
    assert backend.owns(d2)
    assert backend.dtype(labels) == "int32"
    assert backend.dtype(d2) == "float32"

    centers, indices = kmeans_plusplus(X, 4, rng=0)
    assert backend.owns(centers)
    assert backend.dtype(centers) == "float32"
    picked = np.asarray(backend.to_numpy(indices) if backend.owns(indices) else indices)
    assert_array_equal(backend.to_numpy(centers), backend.to_numpy(X)[picked])


def test_float64_stays_float64(backend):
    backend.need("float64")
    X = backend.asarray(blobs()[0], "float64")
    result = kmeans(X, 4, rng=0)
    assert backend.dtype(result.centers) == "float64"
    assert backend.dtype(assign(X, result.centers)[1]) == "float64"


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "bool"])
def test_integers_become_the_default_float(backend, dtype):
    host = np.array([[0, 1], [0, 1], [1, 0], [1, 0], [1, 0]], dtype=dtype)
    result = kmeans(backend.asarray(host), 2, init=backend.asarray(host[[0, 2]] * 1.0), rng=0)
    assert backend.dtype(result.centers) == backend.default_float
    assert_array_equal(backend.to_numpy(result.labels), [0, 0, 1, 1, 1])
    assert_array_equal(backend.to_numpy(result.centers), [[0, 1], [1, 0]])


def test_float16_becomes_float32(backend):
    backend.need("float16")
    X = backend.asarray(blobs()[0], "float16")
    result = kmeans(X, 4, rng=0)
    assert backend.dtype(result.centers) == "float32"
    assert same_partition(backend.to_numpy(result.labels), blobs()[1])


@pytest.mark.parametrize("dtype", DTYPES)
def test_separated_data_gives_the_same_labels_from_a_seed(backend, dtype):
    if dtype == "float64":
        backend.need("float64")
    host, planted = blobs(seed=3)
    host = host.astype(dtype)
    ours = kmeans(backend.asarray(host), 4, rng=11)
    theirs = kmeans(host, 4, rng=11)
    assert_array_equal(backend.to_numpy(ours.labels), theirs.labels)
    assert same_partition(theirs.labels, planted)
    rtol = 1e-9 if dtype == "float64" else 1e-5
    assert_allclose(backend.to_numpy(ours.centers), theirs.centers, rtol=rtol)
    assert_allclose(ours.inertia, theirs.inertia, rtol=rtol)


@pytest.mark.parametrize("weighted", [False, True])
def test_overlapping_data_gives_the_same_inertia_from_a_seed(backend, weighted):
    backend.need("float64")
    host = cloud(300, 3, seed=4)
    w = np.random.default_rng(0).uniform(0.1, 2.0, 300) if weighted else None
    here = None if w is None else backend.asarray(w)
    ours = kmeans(backend.asarray(host), 4, rng=5, sample_weight=here)
    theirs = kmeans(host, 4, rng=5, sample_weight=w)
    assert_allclose(ours.inertia, theirs.inertia, rtol=1e-6)
    assert_allclose(ours.history, theirs.history, rtol=1e-6)


def test_overlapping_data_without_float64(backend):
    host = cloud(300, 3, seed=4).astype("float32")
    start = some_rows(host, 4)
    ours = kmeans(backend.asarray(host), 4, init=backend.asarray(start), max_iter=10)
    theirs = kmeans(host, 4, init=start, max_iter=10)
    assert_allclose(ours.inertia, theirs.inertia, rtol=2e-3)
    assert_allclose(ours.history[:2], theirs.history[:2], rtol=1e-5)


def test_kmeans_plusplus_draws_the_same_rows(backend):
    host = cloud(300, 3, seed=5).astype("float32")
    for trials in (1, None):
        _, ours = kmeans_plusplus(backend.asarray(host), 9, n_local_trials=trials, rng=2)
        _, theirs = kmeans_plusplus(host, 9, n_local_trials=trials, rng=2)
        ours = backend.to_numpy(ours) if backend.owns(ours) else ours
        assert_array_equal(ours, theirs)


@pytest.mark.parametrize("init", ["k-means++", "k-means||", "random"])
def test_every_seeding_runs_everywhere(backend, init):
    host, planted = blobs(seed=6)
    w = np.linspace(0.5, 1.5, 300)
    result = kmeans(
        backend.asarray(host),
        4,
        init=init,
        n_init=3 if init == "random" else 1,
        rng=0,
        sample_weight=backend.asarray(w),
    )
    assert same_partition(backend.to_numpy(result.labels), planted)


@given(seed=st.integers(0, 1000), weighted=st.booleans(), empty=st.sampled_from(["none", "start"]))
# Without the phase that shrinks a failure: it takes minutes where every shape is compiled.
@settings(max_examples=8, phases=[Phase.generate])
def test_every_backend_agrees_with_numpy(backend, seed, weighted, empty):
    rng = np.random.default_rng(seed)
    host = rng.standard_normal((300, 3)).astype("float32").astype("float64")
    start = some_rows(host, 4, seed)
    if empty == "start":
        start[1] = 100.0
    w = rng.integers(0, 4, 300) + 0.5 if weighted else None
    ours = kmeans(
        backend.asarray(host),
        4,
        init=backend.asarray(start),
        max_iter=4,
        sample_weight=None if w is None else backend.asarray(w),
    )
    theirs = kmeans(host, 4, init=start, max_iter=4, sample_weight=w)
    rtol = 1e-9 if backend.float64 else 1e-4
    if backend.float64:
        assert_array_equal(backend.to_numpy(ours.labels), theirs.labels)
        assert_allclose(backend.to_numpy(ours.centers), theirs.centers, rtol=1e-9, atol=1e-12)
    assert_allclose(ours.history[0], theirs.history[0], rtol=rtol)
    slack = 1e-9 if backend.float64 else 0.05
    assert_allclose(ours.inertia, theirs.inertia, rtol=slack)


def test_labels_and_inertia_belong_together_everywhere(backend):
    host = cloud(300, 3, seed=8)
    w = np.random.default_rng(1).uniform(0.0, 2.0, 300)
    X, here = backend.asarray(host), backend.asarray(w)
    result = kmeans(X, 4, rng=0, max_iter=3, sample_weight=here)
    labels, d2 = assign(X, result.centers)
    assert_array_equal(backend.to_numpy(labels), backend.to_numpy(result.labels))
    named = inertia(X, result.centers, result.labels, sample_weight=here)
    assert_allclose(named, result.inertia, rtol=1e-12)
    host = backend.to_numpy(X)
    centers, labels = backend.to_numpy(result.centers), backend.to_numpy(labels)
    cost = reference.cost(host, centers, labels, backend.to_numpy(here))
    assert_allclose(result.inertia, cost, rtol=backend.tolerance)
    assert_allclose(np.sum(backend.to_numpy(d2)), reference.cost(host, centers, labels),
                    rtol=backend.tolerance)  # fmt: skip
    assert reference.regret(host, centers, labels) <= 10 * backend.tolerance


def test_the_estimator_works_everywhere(backend):
    X = backend.asarray(blobs()[0])
    model = KMeans(4, random_state=0)
    assert_array_equal(backend.to_numpy(model.fit_predict(X)), backend.to_numpy(model.labels_))
    assert backend.owns(model.cluster_centers_)
    assert backend.owns(model.labels_)
    assert_array_equal(backend.to_numpy(model.predict(X)), backend.to_numpy(model.labels_))
    distances = model.transform(X)
    assert backend.owns(distances)
    expected = reference.squared_distances(
        backend.to_numpy(X), backend.to_numpy(model.cluster_centers_)
    )
    assert_allclose(backend.to_numpy(distances), np.sqrt(expected), rtol=1e-4)
    assert_allclose(model.score(X), -model.inertia_, rtol=1e-12)


def test_a_model_follows_the_rows_from_numpy_to_a_backend_and_back(backend):
    host = blobs()[0]
    X = backend.asarray(host)
    here, there = KMeans(4, random_state=0).fit(X), KMeans(4, random_state=0).fit(host)
    assert isinstance(here.predict(host), np.ndarray)
    assert isinstance(here.transform(host), np.ndarray)
    assert backend.owns(there.predict(X))
    assert backend.owns(there.transform(X))
    assert_array_equal(here.predict(host), there.labels_)
    assert_array_equal(backend.to_numpy(there.predict(X)), there.labels_)
    assert_allclose(there.score(X), here.score(host), rtol=1e-4)
