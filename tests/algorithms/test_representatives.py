"""The row nearest to each centre, on every backend and source."""

import numpy as np
import pytest

import kmeans_xp.algorithms.representatives as module
from kmeans_xp import BisectingKMeans, KMeans, MiniBatchKMeans, representatives
from tests.data import blobs, cloud


def expected(X: np.ndarray, centers: np.ndarray) -> list[int]:
    """By all differences in float64."""
    differences = X.astype(np.float64)[None] - centers.astype(np.float64)[:, None]
    return np.square(differences).sum(axis=2).argmin(axis=1).tolist()


@pytest.mark.parametrize("block_rows", [1, 7, 1 << 12])
def test_every_backend_finds_the_nearest_rows(backend, block_rows, monkeypatch):
    monkeypatch.setattr(module, "BLOCK_ROWS", block_rows)
    X, centers = cloud(60, 3).astype(np.float32), cloud(5, 3, seed=1).astype(np.float32)
    found = representatives(backend.asarray(X), backend.asarray(centers))
    assert backend.owns(found)
    assert backend.to_numpy(found).tolist() == expected(X, centers)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64"])
@pytest.mark.parametrize("shape", [(1, 1), (5000, 2), (300, 70), (9000, 5)])
def test_every_shape_and_dtype(shape, dtype):
    X = (100 * cloud(*shape)).astype(dtype)
    centers = X[:: max(1, len(X) // 200)] + 1
    assert representatives(X, centers.astype(np.float64)).tolist() == expected(X, centers)


def test_the_lowest_of_equal_rows(monkeypatch):
    X = np.array([[3.0], [1.0], [3.0], [1.0], [2.0]])
    for block_rows in (1, 2, 5):
        monkeypatch.setattr(module, "BLOCK_ROWS", block_rows)
        assert representatives(X, [[3.0], [0.0], [1.5]]).tolist() == [0, 1, 1]


def test_far_from_zero_differences_decide():
    X = 1e8 + np.array([[0.0, 0.0], [1e-7, 0.0], [3e-7, 0.0]])
    centers = X[[2, 1]] + [[0.0, 1e-7], [0.0, 0.0]]
    assert representatives(X, centers).tolist() == [2, 1]


def test_maps_and_views_of_rows(tmp_path):
    X, centers = cloud(500, 4), cloud(3, 4, seed=2)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    for rows in (mapped, np.asfortranarray(X), X[::-1][::-1], X.tolist()):
        assert representatives(rows, centers).tolist() == expected(X, centers)


@pytest.mark.parametrize("estimator", [KMeans, MiniBatchKMeans, BisectingKMeans])
def test_models_know_their_representatives(estimator):
    X = blobs(200, 3, 4)[0]
    model = estimator(4, random_state=0).fit(X)
    found = model.representatives(X)
    assert found.tolist() == expected(X, model.cluster_centers_)
    assert model.predict(X[found]).tolist() == [0, 1, 2, 3]


def test_what_is_refused():
    X = cloud(10, 2)
    with pytest.raises(ValueError, match="centers must have the shape"):
        representatives(X, cloud(2, 3))
    X[3, 0] = np.nan
    with pytest.raises(ValueError, match="X must be finite"):
        representatives(X, cloud(2, 2))
