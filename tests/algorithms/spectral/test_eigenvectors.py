"""The leading eigenvectors of a graph are those of a dense solver, repeated ones too."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from kmeans_xp.algorithms.spectral import eigenvectors
from kmeans_xp.algorithms.spectral import embedding as module
from kmeans_xp.algorithms.spectral.affinities import linked
from kmeans_xp.algorithms.spectral.eigenvectors import scattered
from kmeans_xp.algorithms.spectral.embedding import Solver, embed
from kmeans_xp.algorithms.spectral.graph import DenseGraph
from tests.algorithms.spectral.shapes import SHAPES, moons, spirals
from tests.data import cloud
from tests.reference import nearest_rows


def never(*_):
    return False


def solver(name="chebyshev", tol=1e-8, max_iter=100, tell=never):
    return Solver(name, tol, max_iter, 0, tell)


def neighbor_graph(X, k=10):
    return linked(nearest_rows(X, X, k)[0], np.float64)


def laplacian(graph):
    A = graph.dense()
    degrees = A.sum(axis=1)
    roots = np.sqrt(np.where(degrees > 0, degrees, 1))
    return np.eye(len(A)) - A / roots[:, None] / roots, roots


def reference(graph):
    """All eigenvalues of the normalised Laplacian, ascending, and the eigenvectors."""
    L, roots = laplacian(graph)
    values, vectors = np.linalg.eigh(L)
    return values, vectors, roots


def check(graph, found, k):
    """Eigenvalues, the span of the eigenvectors, and the residual are those of a dense solver."""
    values, vectors, roots = reference(graph)
    assert found.converged
    assert_allclose(found.eigenvalues, values[:k], atol=1e-8)
    ours = found.coordinates * roots[:, None]
    assert_allclose(ours.T @ ours, np.eye(k), atol=1e-10)
    # Up to the next eigenvalue that is another: a repeated one has no first vectors.
    last = np.searchsorted(values, values[k - 1] + 1e-9)
    inside = vectors[:, :last]
    assert np.linalg.norm(ours - inside @ (inside.T @ ours), 2) < 1e-8
    off = laplacian(graph)[0] @ ours - ours * found.eigenvalues
    assert_allclose(found.residual, np.linalg.norm(off, axis=0).max(), atol=1e-13)


@pytest.mark.parametrize("name", ["dense", "chebyshev"])
@pytest.mark.parametrize("k", [2, 3, 9, 60])
@pytest.mark.parametrize("shape", SHAPES)
def test_graphs_of_neighbors(shape, k, name):
    graph = neighbor_graph(SHAPES[shape](600)[0])
    k = max(k, int(graph.connected().max()) + 1)
    check(graph, embed(graph, k, solver(name), None), k)


def test_more_than_a_hundred_eigenvectors():
    graph = neighbor_graph(cloud(1200, 3))
    check(graph, embed(graph, 130, solver(), None), 130)


def test_components_that_are_alike_have_every_eigenvalue_several_times():
    """One vector's Lanczos iteration finds each of them once."""
    X = spirals(150)[0]
    graph = neighbor_graph(np.concatenate([X, X + 1e3, X + 2e3, X + 3e3]))
    n_connected = embed(neighbor_graph(X), 2, solver(), None).n_connected
    found = embed(graph, 20, solver(), None)
    assert found.n_connected == 4 * n_connected
    check(graph, found, 20)


def test_nearly_separate_components():
    """The second eigenvalue is within 1e-7 of the first."""
    X = np.concatenate([cloud(300, 2), cloud(300, 2, seed=1) + 50])
    dense = neighbor_graph(X).dense()
    dense[0, -1] = dense[-1, 0] = 1e-4
    graph = DenseGraph(dense)
    found = embed(graph, 3, solver(), None)
    assert 0 < found.eigenvalues[1] < 1e-6
    check(graph, found, 3)


@pytest.mark.parametrize("k", [1, 2, 7, 30, 40])
def test_as_many_as_there_are(k):
    graph = DenseGraph(np.exp(-(((cloud(40, 2)[:, None] - cloud(40, 2)) ** 2).sum(axis=2))))
    check(graph, embed(graph, k, solver("auto"), None), k)


def test_few_rows_are_solved_densely(monkeypatch):
    asked = []
    monkeypatch.setattr(module, "by_filter", lambda *_, **__: asked.append(1))
    graph = neighbor_graph(spirals(300)[0])
    embed(graph, 4, solver("auto"), None)
    assert not asked


def test_the_tolerance_is_kept_to():
    graph = neighbor_graph(moons(2500, noise=0.2)[0], k=12)
    runs = [embed(graph, 6, solver(tol=tol), None) for tol in (1e-1, 1e-4, 1e-8)]
    residuals = [run.residual for run in runs]
    assert residuals[0] > residuals[1] > residuals[2]
    assert all(run.converged for run in runs)


def test_too_few_iterations_are_told():
    graph = neighbor_graph(moons(2500, noise=0.2)[0], k=12)
    found = embed(graph, 6, solver(max_iter=1), None)
    assert (found.converged, found.n_iter) == (False, 1)
    L, roots = laplacian(graph)
    ours = found.coordinates * roots[:, None]
    off = L @ ours - ours * found.eigenvalues
    assert_allclose(found.residual, np.linalg.norm(off, axis=0).max(), rtol=1e-9)


def test_signs_are_fixed():
    graph = neighbor_graph(spirals(400)[0])
    for name in ("dense", "chebyshev"):
        found = embed(graph, 5, solver(name), None)
        vectors = found.coordinates * reference(graph)[2][:, None]
        largest = np.abs(vectors).argmax(axis=0)
        assert (vectors[largest, np.arange(5)] > 0).all()


def test_a_start_has_no_pattern(backend):
    backend.need("eager")
    numbers = backend.asarray(np.arange(100_000), "int32")
    found = backend.to_numpy(scattered(numbers, 6, 0, backend.xp.float32))
    assert found.shape == (100_000, 6)
    assert np.abs(found).max() <= 1
    assert_allclose(found.mean(axis=0), 0, atol=0.02)
    assert_allclose(np.corrcoef(found.T), np.eye(6), atol=0.03)
    for lag in (1, 2, 1000, 46_337):
        assert abs(np.corrcoef(found[lag:, 0], found[:-lag, 0])[0, 1]) < 0.03


def test_large_blocks_are_made_orthogonal_in_parts(monkeypatch):
    graph = neighbor_graph(cloud(700, 3, seed=1), 10)
    expected = embed(graph, 4, solver(), None)
    monkeypatch.setattr(eigenvectors, "AT_ONCE", 1)
    monkeypatch.setattr(eigenvectors, "SHARED", 1)
    monkeypatch.setattr(eigenvectors, "TOGETHER", 1400)
    found = embed(graph, 4, solver(), None)
    check(graph, found, 4)
    assert_allclose(found.coordinates, expected.coordinates, atol=1e-9)


def test_vectors_that_depend_on_others_are_made_orthogonal_all_the_same(monkeypatch, backend):
    backend.need("eager")
    monkeypatch.setattr(eigenvectors, "AT_ONCE", 1)
    vectors = cloud(90, 4, seed=2)
    vectors[:, 3] = vectors[:, 0] - vectors[:, 1]
    known = np.full((90, 1), 90**-0.5)
    given = backend.asarray(vectors), backend.asarray(known)
    found = backend.to_numpy(eigenvectors._orthonormal(*given))
    atol = 1e-12 if backend.float64 else 1e-5
    assert_allclose(found.T @ found, np.eye(4), atol=atol)
    assert_allclose(known.T @ found, 0, atol=atol)
    off = vectors - known @ (known.T @ vectors)
    assert_allclose(found @ (found.T @ off), off, atol=10 * atol)
