"""Sparse matrices: products, components and orders are those of dense ones, on every backend."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse.csgraph import connected_components

from kmeans_xp.arrays.sparse import (
    SparseMatrix,
    co_occurrence,
    components,
    mutual,
    to_host_matrix,
)


def some_graph(n, links, seed=0):
    """A symmetric matrix: a few random links, and a hub that many rows are linked to."""
    rng = np.random.default_rng(seed)
    dense = np.zeros((n, n))
    i, j = rng.integers(0, n, (2, links))
    dense[i, j] = rng.uniform(0.5, 2, links)
    dense[0, : n // 3] = 1.0
    dense = np.maximum(dense, dense.T)
    np.fill_diagonal(dense, 0)
    return dense


def opened(backend, dense, dtype="float32"):
    rows, columns = np.nonzero(dense)
    values = backend.asarray(dense[rows, columns], dtype)
    return SparseMatrix.of(backend.asarray(rows), backend.asarray(columns), values, len(dense))


GRAPHS = {
    "sparse": some_graph(90, 60),
    "with a hub": some_graph(200, 300),
    "a path": np.diag(np.ones(69), 1) + np.diag(np.ones(69), -1),
    "without links": np.zeros((5, 5)),
    "one row": np.zeros((1, 1)),
}
each_graph = pytest.mark.parametrize("dense", GRAPHS.values(), ids=GRAPHS)


@each_graph
def test_products_are_those_of_the_dense_matrix(backend, dense):
    backend.need("eager")
    block = np.random.default_rng(1).normal(size=(len(dense), 7)).astype("float32")
    matrix = opened(backend, dense)
    assert_allclose(
        backend.to_numpy(matrix @ backend.asarray(block)), dense @ block, rtol=1e-4, atol=1e-4
    )
    assert_allclose(backend.to_numpy(matrix.row_sums()), dense.sum(axis=1), rtol=1e-6)
    assert_allclose(backend.to_numpy(matrix.dense()), dense, rtol=1e-6)
    if matrix.native is not None:
        assert_allclose(to_host_matrix(matrix.native).toarray(), dense, rtol=1e-6)


@pytest.mark.parametrize("seed", range(2))
@each_graph
def test_components_are_scipys(backend, dense, seed):
    backend.need("eager")
    order = np.random.default_rng(seed).permutation(len(dense))
    dense = dense[np.ix_(order, order)]
    matrix = opened(backend, dense)
    expected = connected_components(sp.csr_array(dense), directed=False)[1]
    assert_array_equal(backend.to_numpy(matrix.connected()), expected)
    numbers = backend.asarray(np.arange(len(dense)), "int32")
    assert_array_equal(backend.to_numpy(components(matrix.least, numbers)), expected)


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_pairs_go_both_ways(backend, dtype):
    backend.need("eager")
    n = 60_000  # The square of which does not fit in 32 bits.
    given = np.unique(np.random.default_rng(0).integers(n - 20, n, (2, 200)), axis=1)
    found = mutual(*(backend.asarray(part, dtype) for part in given), n)
    dense = np.zeros((20, 20))
    dense[tuple(given - (n - 20))] = 1
    dense += dense.T
    np.fill_diagonal(dense, 0)
    rows, columns = np.nonzero(dense)
    assert_array_equal(backend.to_numpy(found[0]), rows + n - 20)
    assert_array_equal(backend.to_numpy(found[1]), columns + n - 20)
    assert_array_equal(backend.to_numpy(found[2]), dense[rows, columns] == 2)


def test_what_goes_together_is_counted(backend):
    backend.need("eager")
    rng = np.random.default_rng(0)
    which = np.stack([rng.permutation(9)[:3] for _ in range(50)])
    weights = rng.uniform(size=which.shape).astype("float32")
    found = co_occurrence(backend.asarray(which), backend.asarray(weights), 9)
    dense = np.zeros((50, 9))
    np.put_along_axis(dense, which, weights, axis=1)
    assert_allclose(backend.to_numpy(found), dense.T @ dense, rtol=1e-5)


@pytest.mark.parametrize("kind", [sp.csr_array, sp.csc_matrix, sp.coo_array])
def test_a_matrix_of_scipys_is_taken_as_it_is_meant(kind):
    """Unsorted and duplicate entries, of whatever integers, and never written to."""
    rows, columns = np.array([0, 0, 1, 2, 0]), np.array([2, 1, 0, 0, 1])
    given = kind(sp.coo_array((np.array([1, 2, 3, 4, 5]), (rows, columns)), shape=(3, 3)))
    if hasattr(given, "indptr"):
        given.indices, given.indptr = given.indices.astype("int64"), given.indptr.astype("int64")
    before = given.copy()
    found = SparseMatrix.of_library(given)
    assert_array_equal(found.dense(), [[0, 7, 1], [3, 0, 0], [4, 0, 0]])
    assert found.values.dtype == np.float64
    assert (given != before).nnz == 0
    assert found.asymmetry() == 4
    assert_array_equal(found.mean_with_transpose().dense(), [[0, 5, 2.5], [5, 0, 0], [2.5, 0, 0]])


def test_own_entries_and_zeros_can_be_left_out():
    dense = sp.csr_array(np.array([[5.0, 1, 0], [1, 0, 2], [0, 2, 7]]))
    dense.data[1] = 0
    found = SparseMatrix.of_library(dense).without_own()
    assert_array_equal(found.columns, [0, 2, 1])
    assert_array_equal(found.starts, [0, 0, 2, 3])
