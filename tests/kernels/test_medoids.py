"""k-medoids: every engine measures distances and swaps medoids as the specification says."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist

from kmeans_xp.kernels.interface import Engine
from kmeans_xp.kernels.shared.prepared_centers import prepare
from tests.backends import Backend
from tests.data import cloud
from tests.reference import best_swap

SCIPY = {
    "euclidean": "euclidean",
    "sqeuclidean": "sqeuclidean",
    "manhattan": "cityblock",
    "chebyshev": "chebyshev",
}


@pytest.mark.parametrize("metric", SCIPY)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_distances_are_those_of_differences(
    engine: Engine, backend: Backend, metric: str, dtype: str
) -> None:
    if dtype == "float64":
        backend.need("float64")
    shapes = [(1, 1, 1), (7, 33, 2), (40, 17, 13), (9, 50, 64), (5, 20, 300)]
    for n, m, d in shapes if backend.name == "numpy" else shapes[1:3]:
        X = (100 + cloud(n + m, d)).astype(dtype)
        block, others = X[:n], X[n - 1 : n - 1 + m]  # They share a row.
        prepared = prepare(backend.asarray(others))
        found = engine.pairwise(backend.asarray(block), prepared, metric)
        assert backend.dtype(found.dtype) == dtype
        expected = cdist(block.astype(float), others.astype(float), SCIPY[metric])
        rtol = 1e-5 if dtype == "float32" else 1e-6
        assert_allclose(backend.to_numpy(found), expected, rtol=rtol)
        assert backend.to_numpy(found)[n - 1, 0] == 0


@pytest.mark.parametrize("scale", [1e-25, 1e25])
@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev"])
def test_squares_beyond_single_precision_do_no_harm(
    engine: Engine, scale: float, metric: str
) -> None:
    X = (scale * cloud(40, 5)).astype(np.float32)
    found = engine.pairwise(X[:20], prepare(X), metric)
    expected = cdist(X[:20].astype(float), X.astype(float), SCIPY[metric])
    assert_allclose(found, expected, rtol=1e-5)


def _problem(kind: str, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Distances of 60 candidates to 40 judges, and what these weigh."""
    X, w = cloud(60, 2), np.ones(40)
    if kind == "weighted":
        w = np.random.default_rng(1).integers(0, 4, 40).astype(float)
    if kind == "tied":  # Few different distances, and equal rows.
        X = np.round(X)
    return cdist(X, X[:40], "cityblock").astype(dtype), w


def _expected(distances: np.ndarray, w: np.ndarray, medoids: list[int]) -> list[int]:
    """Swap as a loop over all candidates does; each swap by its change, from the definition."""
    medoids = list(medoids)
    for i in range(len(distances)):
        if i not in medoids:
            change, place = best_swap(distances, w, medoids, i)
            if change < -1e-6:
                medoids[place] = i
    return medoids


@pytest.mark.parametrize("k", [1, 2, 5, 17])
@pytest.mark.parametrize("kind", ["plain", "weighted", "tied"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_candidates_are_swapped_in_as_soon_as_they_pay(
    engine: Engine, backend: Backend, k: int, kind: str, dtype: str
) -> None:
    if dtype == "float64":
        backend.need("float64")
    distances, w = _problem(kind, dtype)
    expected = _expected(distances.astype(float), w, list(range(20, 20 + k)))
    for size in (60, 7):  # Blocks change nothing.
        swaps = _swaps(engine, backend, distances, w, list(range(20, 20 + k)))
        for start in range(0, 60, size):
            before = list(swaps.medoids)
            block = distances[start : start + size]
            closed = np.zeros(len(block), bool)
            last = swaps.swap_eagerly(backend.asarray(block), start, closed)
            assert (last is None) == (swaps.medoids == before)
            assert last is None or last in swaps.medoids
        assert swaps.medoids == expected
        near = distances[expected].astype(float).min(axis=0)
        assert_allclose(swaps.loss, w @ near, rtol=1e-6)


def _swaps(engine, backend, distances, w, medoids):
    columns = np.ascontiguousarray(distances[medoids].T)
    weights = backend.asarray(w, "float64" if backend.float64 else "float32")
    return engine.swaps(medoids, backend.asarray(columns), weights)


def test_what_is_closed_is_no_medoid(engine: Engine, backend: Backend) -> None:
    distances, w = _problem("plain", "float32")
    closed = np.arange(60) % 2 == 1
    swaps = _swaps(engine, backend, distances, w, [0, 2, 4])
    swaps.swap_eagerly(backend.asarray(distances), 0, closed.copy())
    assert swaps.n_swaps > 0
    assert all(number % 2 == 0 for number in swaps.medoids)


@pytest.mark.parametrize("kind", ["plain", "weighted", "tied"])
@pytest.mark.parametrize("k", [1, 2, 6])
def test_changes_are_those_of_the_loss(engine: Engine, backend: Backend, kind: str, k: int) -> None:
    distances, w = _problem(kind, "float32")
    medoids = list(range(30, 30 + k))
    swaps = _swaps(engine, backend, distances, w, medoids)
    changes, places = swaps.changes(backend.asarray(distances))
    wide = distances.astype(float)
    for i in set(range(60)) - set(medoids):
        change, place = best_swap(wide, w, medoids, i)
        assert_allclose(changes[i], change, atol=backend.tolerance * swaps.loss)
        if backend.float64:
            assert places[i] == place
    swaps.swap(backend.asarray(distances[3]), 3, 0)
    assert swaps.medoids == [3, *medoids[1:]]
    assert_allclose(swaps.loss, w @ wide[swaps.medoids].min(axis=0), rtol=1e-6)


def test_equal_medoids_give_way_to_anything_that_helps(engine: Engine) -> None:
    """Even if it helps so little beside all the rest that it might be rounding."""
    X = np.array([[0.0], [0.0], [1e-9], [1e3], [2e3], [4e3]])
    distances = cdist(X, X)
    swaps = engine.swaps([0, 1, 3], np.ascontiguousarray(distances[[0, 1, 3]].T), np.ones(6))
    swaps.swap_eagerly(distances, 0, np.array([False] * 3 + [True] * 3))
    assert sorted(swaps.medoids) == [1, 2, 3]


def test_swaps_change_nothing_that_is_given(engine: Engine) -> None:
    distances, w = _problem("weighted", "float64")
    given = distances.copy(), distances[:4].T.copy(), w.copy()
    swaps = engine.swaps([0, 1, 2, 3], given[1], given[2])
    swaps.swap_eagerly(given[0], 0, np.zeros(60, bool))
    for array, before in zip(given, (distances, distances[:4].T, w), strict=True):
        assert_array_equal(array, before)
