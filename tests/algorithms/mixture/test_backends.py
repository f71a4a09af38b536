"""Mixtures on every backend, in files and in chunks: as on NumPy, in memory bounded by a block."""

import dask.array as da
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from kmeans_xp import GaussianMixture, SoftKMeans, gaussian_mixture, soft_kmeans
from tests.data import blobs, cloud, same_partition, some_rows
from tests.processes import run_measured

KINDS = ["full", "tied", "diag", "spherical"]
HOST = cloud(300, 3, seed=4)
WEIGHTS = np.random.default_rng(0).uniform(0.1, 2.0, 300)

each_kind = pytest.mark.parametrize("kind", KINDS)


def _assert_same(backend, ours, theirs, parts, rtol):
    for part in parts:
        found, expected = getattr(ours, part), getattr(theirs, part)
        assert backend.owns(found), part
        assert_allclose(backend.to_numpy(found), expected, rtol=rtol, atol=rtol)


@each_kind
def test_every_backend_agrees_with_numpy(backend, kind):
    options = {"covariance_type": kind, "max_iter": 5, "tol": 0}
    start = some_rows(HOST, 4)
    ours = gaussian_mixture(
        backend.asarray(HOST),
        4,
        means_init=backend.asarray(start),
        sample_weight=backend.asarray(WEIGHTS),
        **options,
    )
    theirs = gaussian_mixture(HOST, 4, means_init=start, sample_weight=WEIGHTS, **options)
    rtol = 1e-8 if backend.float64 else 2e-3
    parts = ("weights", "means", "covariances", "precisions_cholesky", "responsibilities")
    _assert_same(backend, ours, theirs, parts, rtol)
    assert_allclose(ours.history, theirs.history, rtol=rtol)
    assert_allclose(ours.log_likelihood, theirs.log_likelihood, rtol=rtol)
    assert backend.dtype(ours.labels) == "int32"


@each_kind
def test_given_precisions_are_taken_everywhere(backend, kind):
    options = {"covariance_type": kind, "max_iter": 5, "tol": 0}
    precisions = {
        "full": np.linalg.inv([np.cov(HOST[i::4].T) for i in range(4)]),
        "tied": np.linalg.inv(np.cov(HOST.T)),
        "diag": 1 / np.stack([HOST[i::4].var(axis=0) for i in range(4)]),
        "spherical": 1 / np.stack([HOST[i::4].var() for i in range(4)]),
    }[kind]
    begin = {"means_init": some_rows(HOST, 4), "precisions_init": precisions}
    theirs = gaussian_mixture(HOST, 4, **begin, **options)
    placed = {name: backend.asarray(array) for name, array in begin.items()}
    ours = gaussian_mixture(backend.asarray(HOST), 4, **placed, **options)
    rtol = 1e-8 if backend.float64 else 2e-3
    _assert_same(backend, ours, theirs, ("means", "covariances", "precisions_cholesky"), rtol)


@pytest.mark.parametrize("stiffness", [None, 3.0, 1e6])
def test_soft_kmeans_agrees_with_numpy(backend, stiffness):
    start = some_rows(HOST, 4)
    ours, theirs = (
        soft_kmeans(X, 4, stiffness=stiffness, init=c, sample_weight=w, max_iter=4, tol=0)
        for X, c, w in (
            (backend.asarray(HOST), backend.asarray(start), backend.asarray(WEIGHTS)),
            (HOST, start, WEIGHTS),
        )
    )
    rtol = 1e-8 if backend.float64 else 2e-3
    _assert_same(backend, ours, theirs, ("centers", "weights", "responsibilities"), rtol)
    assert_allclose(ours.stiffness, theirs.stiffness, rtol=rtol)
    assert_allclose(ours.history, theirs.history, rtol=rtol)


@pytest.mark.parametrize("init", ["k-means++", "k-means", "k-means||", "random"])
def test_every_start_runs_everywhere(backend, init):
    host, planted = blobs(seed=6)
    r = gaussian_mixture(backend.asarray(host), 4, init=init, n_init=6, rng=0)
    assert same_partition(backend.to_numpy(r.labels), planted)


def test_random_shares_are_the_same_everywhere(backend):
    backend.need("float64")
    ours, theirs = (
        gaussian_mixture(X, 3, init="random shares", rng=1, max_iter=2, tol=0)
        for X in (backend.asarray(HOST), HOST)
    )
    assert_allclose(backend.to_numpy(ours.means), theirs.means, rtol=1e-7, atol=1e-9)


@each_kind
def test_a_collapse_is_an_error_everywhere(backend, kind):
    X = backend.asarray(np.repeat([[0.0, 1.0], [5.0, 3.0]], 3, axis=0))
    with pytest.raises(ValueError, match="reg_covar"):
        gaussian_mixture(X, 2, covariance_type=kind, reg_covar=0, rng=0)


def test_a_model_follows_the_rows(backend):
    host = blobs()[0].astype(np.float32)
    X = backend.asarray(host)
    for model in (GaussianMixture(4, random_state=0), SoftKMeans(4, random_state=0)):
        here = model.fit(X)
        assert backend.owns(here.weights_)
        assert_allclose(
            here.predict_proba(host), backend.to_numpy(here.predict_proba(X)), atol=1e-4
        )
        there = model.fit(host)
        for method in (there.predict, there.predict_proba, there.score_samples):
            assert backend.owns(method(X))
        assert_array_equal(backend.to_numpy(there.predict(X)), there.predict(host))
        assert_allclose(there.score(X), there.score(host), rtol=1e-4)


def test_samples_live_where_the_model_does(backend):
    model = GaussianMixture(2, random_state=0).fit(backend.asarray(blobs(k=2)[0]))
    rows, labels = model.sample(5)
    assert backend.owns(rows)
    assert backend.owns(labels)
    assert rows.shape == (5, 3)


def test_uneven_chunks():
    chunked = da.from_array(HOST, chunks=((7, 150, 0, 143), (2, 1)))
    start = some_rows(HOST, 3)
    ours, theirs = (gaussian_mixture(X, 3, means_init=start) for X in (chunked, HOST))
    assert_allclose(ours.covariances.compute(), theirs.covariances, rtol=1e-7, atol=1e-10)
    assert ours.responsibilities.chunks[0] == (7, 150, 0, 143)
    assert_allclose(ours.responsibilities.compute(), theirs.responsibilities, atol=1e-7)


STREAM = """
import numpy as np
from kmeans_xp import {name}
X = np.memmap({path!r}, dtype="float32", mode="w+", shape=({rows}, 16))
X[: 1000] = 10.0
X[-500:] = 40.0
X.flush()
del X
X = np.memmap({path!r}, dtype="float32", mode="r", shape=({rows}, 16))
model = {name}(3, random_state=0, max_iter=2, tol=1e9)
model.fit(X[:5000])
measure()
model.fit(X)
report()
"""


@pytest.mark.parametrize(("name", "limit"), [("GaussianMixture", 150), ("SoftKMeans", 150)])
def test_a_large_map_is_streamed(tmp_path, name, limit):
    rows = 2**29 // 64
    program = STREAM.format(path=str(tmp_path / "large"), rows=rows, name=name)
    assert run_measured(program) < limit
