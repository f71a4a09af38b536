"""The nearest neighbours of every row."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.neighbors import NearestNeighbors

from kmeans_xp import nearest_neighbors
from kmeans_xp.algorithms import neighbors as module
from tests.data import cloud
from tests.reference import nearest_rows
from tests.test_refusals import refuses


def without_self(X, k):
    order, squares = nearest_rows(X, X, len(X))
    others = order != np.arange(len(X))[:, None]
    return (part[others].reshape(len(X), -1)[:, :k] for part in (order, np.sqrt(squares)))


def test_backends_agree(backend):
    backend.need("eager")
    X = cloud(200, 5).astype("float32")
    indices, distances = nearest_neighbors(backend.asarray(X), 6)
    expected, theirs = without_self(X, 6)
    assert_array_equal(backend.to_numpy(indices), expected)
    assert_allclose(backend.to_numpy(distances), theirs, rtol=1e-6)
    assert backend.dtype(distances.dtype) == "float32"
    assert backend.owns(indices)
    assert backend.owns(distances)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
@pytest.mark.parametrize("include_self", [False, True])
@pytest.mark.parametrize("d", [1, 3, 40])
def test_they_are_scikit_learns(d, include_self, dtype):
    X = (10 * cloud(700, d)).astype(dtype)
    indices, distances = nearest_neighbors(X, 9, include_self=include_self)
    sklearn = NearestNeighbors(n_neighbors=9, algorithm="brute").fit(X)
    theirs = sklearn.kneighbors(X if include_self else None)[0]
    assert_allclose(distances, theirs, rtol=1e-5, atol=1e-3)
    expected = nearest_rows(X, X, 9)[0] if include_self else next(without_self(X, 9))
    assert_array_equal(indices, expected)


@pytest.mark.parametrize("scale", [1e-140, 1e-30, 1e30, 1e140])
def test_any_scale(scale):
    X = cloud(60, 8)
    assert_array_equal(nearest_neighbors(X * scale, 5)[0], nearest_neighbors(X, 5)[0])


def test_copies_are_neighbours_of_each_other():
    X = np.repeat(cloud(4, 9), 30, axis=0)
    indices, distances = nearest_neighbors(X, 12)
    assert not distances.any()
    assert (indices // 30 == np.arange(120)[:, None] // 30).all()
    assert (indices != np.arange(120)[:, None]).all()
    expected, _ = without_self(X, 12)
    assert_array_equal(indices, expected)


def test_any_layout_and_source(tmp_path):
    X = cloud(90, 4)
    expected = nearest_neighbors(X, 3)
    np.save(tmp_path / "x.npy", X)
    wide = np.zeros((90, 8))
    wide[:, ::2] = X
    for same in (np.asfortranarray(X), wide[:, ::2], X.tolist(), np.load(tmp_path / "x.npy", "r")):
        for found, theirs in zip(nearest_neighbors(same, 3), expected, strict=True):
            assert_array_equal(found, theirs)


def test_blocks_and_engines_change_nothing(monkeypatch):
    X = cloud(500, 7)
    expected = nearest_neighbors(X, 5)
    monkeypatch.setattr(module, "OTHERS", 64)
    for algorithm in ("auto", "portable", "numpy"):
        indices, distances = nearest_neighbors(X, 5, algorithm=algorithm)
        assert_array_equal(indices, expected[0])
        assert_allclose(distances, expected[1], rtol=1e-15)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_as_many_as_there_are(n):
    X = cloud(n, 2)
    indices, _ = nearest_neighbors(X, n, include_self=True)
    assert_array_equal(np.sort(indices, axis=1), np.tile(np.arange(n), (n, 1)))
    refuses(lambda: nearest_neighbors(X, n), "n_neighbors", f"at most {n - 1}")
    with_self = {"include_self": True}
    refuses(lambda: nearest_neighbors(X, n + 1, **with_self), "n_neighbors", f"at most {n}")


def test_dask_is_refused():
    dask = pytest.importorskip("dask.array")
    X = dask.from_array(cloud(20, 2), chunks=(10, 2))
    refuses(lambda: nearest_neighbors(X, 2), "X", "an array in memory")
