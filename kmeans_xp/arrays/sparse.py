"""Symmetric sparse matrices in compressed rows, of any namespace: what the standard lacks for them.

SciPy, CuPy and PyTorch have products of such matrices; elsewhere entries are added up row by row.
"""

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import array_api_compat
import numpy as np

from kmeans_xp.arrays.namespace import Array, device_of, is_sparse, namespace_of
from kmeans_xp.arrays.transfer import to_host

# How many entries a sum by row takes at once. Most rows of a graph of neighbours have as many at
# most; what more a row has is added up with the others' rests in further levels, of which most rows
# need none.
FIRST_WIDTH, WIDTH = 16, 4


def to_host_matrix(matrix: Any) -> Any:
    """Return a matrix on the host: an array, or a sparse matrix of any library as SciPy's."""
    if isinstance(matrix, np.ndarray) or is_sparse(matrix):
        return matrix.get() if hasattr(matrix, "get") else matrix
    if array_api_compat.is_torch_array(matrix) and matrix.layout != sys.modules["torch"].strided:
        from scipy.sparse import csr_array

        parts = (matrix.values(), matrix.col_indices(), matrix.crow_indices())
        return csr_array(tuple(to_host(part) for part in parts), shape=tuple(matrix.shape))
    return to_host(matrix)


@dataclass(frozen=True)
class SparseMatrix:
    """A symmetric matrix, whose rows have their entries in ascending order of columns.

    Attributes
    ----------
    starts : array of shape (n + 1,), integers
        Where the entries of each row begin; the last is their number.
    columns : array of shape (m,), integers
    values : array of shape (m,)
    """

    starts: Array
    columns: Array
    values: Array

    @classmethod
    def of(cls, rows: Array, columns: Array, values: Array, n: int) -> Self:
        """Return the n by n matrix of these entries, which are in the order of rows and columns."""
        xp, device = namespace_of(values), device_of(values)
        numbers = xp.arange(n + 1, dtype=rows.dtype, device=device)
        starts = xp.searchsorted(rows, numbers)
        # Libraries want indices of one dtype, and are faster with short ones.
        short = xp.int32 if max(n, values.shape[0]) < 2**31 else starts.dtype
        return cls(xp.astype(starts, short), xp.astype(columns, short), values)

    @classmethod
    def of_library(cls, matrix: Any) -> Self:
        """Return a sparse matrix of SciPy's or CuPy's, whatever its format, in float64."""
        given = matrix.tocsr(copy=True).astype("float64")
        given.sum_duplicates()
        return cls(given.indptr, given.indices, given.data)

    @property
    def n_rows(self) -> int:
        """Return the number of rows, n."""
        return int(self.starts.shape[0]) - 1

    @cached_property
    def rows(self) -> Array:
        """Return the row of each entry, (m,)."""
        xp, device = namespace_of(self.values), device_of(self.values)
        entries = xp.arange(self.values.shape[0], dtype=self.starts.dtype, device=device)
        return xp.astype(xp.searchsorted(self.starts[1:], entries, side="right"), self.starts.dtype)

    @cached_property
    def native(self) -> Any:
        """Return the matrix as the library of its arrays has it; None where it has none."""
        xp, shape = namespace_of(self.values), (self.n_rows, self.n_rows)
        if array_api_compat.is_numpy_namespace(xp):
            from scipy.sparse import csr_array

            return csr_array((self.values, self.columns, self.starts), shape=shape)
        if array_api_compat.is_cupy_namespace(xp):
            from cupyx.scipy.sparse import csr_matrix

            return csr_matrix((self.values, self.columns, self.starts), shape=shape)
        if array_api_compat.is_torch_namespace(xp):
            with warnings.catch_warnings():
                # That its support for them is new, which is no news for the user.
                warnings.filterwarnings("ignore", "Sparse CSR tensor support", UserWarning)
                return xp.sparse_csr_tensor(
                    self.starts, self.columns, self.values, size=shape, check_invariants=False
                )
        return None

    def __matmul__(self, dense: Array) -> Array:
        """Return the product with a dense block, (n, b)."""
        if self.native is not None:
            return self.native @ dense
        xp = namespace_of(dense)
        found = xp.take(dense, self.columns, axis=0) * self.values[:, None]
        for places in self._levels:
            found = xp.sum(_gathered(found, places, 0.0), axis=1)
        return found

    def row_sums(self) -> Array:
        """Return the sum of each row, (n,)."""
        xp, device = namespace_of(self.values), device_of(self.values)
        return (self @ xp.ones((self.n_rows, 1), dtype=self.values.dtype, device=device))[:, 0]

    def connected(self) -> Array:
        """Return which connected component each row is in, (n,), from 0 in order of rows."""
        xp, device = namespace_of(self.values), device_of(self.values)
        if array_api_compat.is_numpy_namespace(xp):
            from scipy.sparse.csgraph import connected_components

            return np.asarray(connected_components(self.native, directed=False)[1])
        numbers = xp.arange(self.n_rows, dtype=self.columns.dtype, device=device)
        return components(self.least, numbers)

    def least(self, values: Array) -> Array:
        """Return the least of `values`, (n,) integers, at each row and at its columns."""
        xp = namespace_of(values)
        found = xp.take(values, self.columns)[:, None]
        for places in self._levels:
            found = xp.min(_gathered(found, places, self.n_rows), axis=1)
        return xp.minimum(values, xp.astype(found[:, 0], values.dtype, copy=False))

    def asymmetry(self) -> float:
        """Return the largest difference from the transpose; of matrices of SciPy's or CuPy's."""
        return float(abs(self.native - self.native.T).max())

    def mean_with_transpose(self) -> Self:
        """Return half the sum with the transpose; of matrices of SciPy's or CuPy's."""
        return self.of_library(0.5 * (self.native + self.native.T))

    def without_own(self) -> Self:
        """Return the matrix without its diagonal and without zeros."""
        xp = namespace_of(self.values)
        (kept,) = xp.nonzero((self.rows != self.columns) & (self.values != 0))
        rows, columns = xp.take(self.rows, kept), xp.take(self.columns, kept)
        return self.of(rows, columns, xp.take(self.values, kept), self.n_rows)

    def scaled(self, factors: Array) -> "SparseMatrix":
        """Return the matrix with rows and columns times `factors`, (n,)."""
        xp = namespace_of(factors)
        values = xp.take(factors, self.rows) * self.values * xp.take(factors, self.columns)
        return SparseMatrix(self.starts, self.columns, values)

    def dense(self) -> Array:
        """Return the matrix as an array, (n, n)."""
        xp, device = namespace_of(self.values), device_of(self.values)
        return self @ xp.eye(self.n_rows, dtype=self.values.dtype, device=device)

    @cached_property
    def _levels(self) -> list[Array]:
        """Return where the addends of each sum are, (p, width), level by level; m if there is none.

        The sums of a level are the addends of the next, and those of the last are the rows'.
        """
        levels, starts, width = [], self.starts, FIRST_WIDTH
        xp, device = namespace_of(starts), device_of(starts)
        while True:
            # A row without entries has one sum all the same.
            counts = xp.maximum((starts[1:] - starts[:-1] + width - 1) // width, 1)
            zero = xp.zeros(1, dtype=counts.dtype, device=device)
            firsts = xp.concat([zero, xp.cumulative_sum(counts)])
            sums = xp.arange(int(firsts[-1]), dtype=counts.dtype, device=device)
            row = xp.searchsorted(firsts[1:], sums, side="right")
            begin = xp.take(starts, row) + (sums - xp.take(firsts, row)) * width
            places = begin[:, None] + xp.arange(width, dtype=counts.dtype, device=device)
            inside = places < xp.take(starts[1:], row)[:, None]
            levels.append(xp.where(inside, places, starts[-1]))
            if sums.shape[0] == self.n_rows:
                return levels
            starts, width = firsts, WIDTH


def _gathered(values: Array, places: Array, fill: float) -> Array:
    """Return `values`, (m, b), at `places`, (p, width), as (p, width, b); at place m, `fill`."""
    xp = namespace_of(values)
    none = xp.full((1, values.shape[1]), fill, dtype=values.dtype, device=device_of(values))
    found = xp.take(xp.concat([values, none]), xp.reshape(places, (-1,)), axis=0)
    return xp.reshape(found, (*places.shape, values.shape[1]))


def co_occurrence(which: Array, weights: Array, count: int) -> Array:
    """Return how far each two of `count` things go together, (count, count).

    It is B^T B for the matrix B that has `weights`, (n, r), in the columns `which`, (n, r).
    """
    xp, device, n = namespace_of(weights), device_of(weights), which.shape[0]
    if array_api_compat.is_numpy_namespace(xp):
        from scipy.sparse import csr_array

        starts = np.arange(0, which.size + 1, which.shape[1])
        sparse = csr_array((weights.ravel(), which.ravel(), starts), shape=(n, count))
        return np.asarray((sparse.T @ sparse).todense())
    numbers = xp.arange(count, dtype=which.dtype, device=device)
    dense = xp.zeros((n, count), dtype=weights.dtype, device=device)
    for i in range(which.shape[1]):
        dense = dense + xp.where(which[:, i : i + 1] == numbers, weights[:, i : i + 1], 0.0)
    return dense.T @ dense


def mutual(rows: Array, columns: Array, n: int) -> tuple[Array, Array, Array]:
    """Return pairs of different indices below n, and the same pairs turned round, each once.

    In the order of rows and then of columns; and of each whether both ways were given. No pair may
    be given twice.
    """
    xp, device = namespace_of(rows), device_of(rows)
    none = xp.zeros(1, dtype=xp.bool, device=device)
    if n * n <= xp.iinfo(rows.dtype).max:
        keys = xp.sort(xp.concat([rows * n + columns, columns * n + rows]))
        again = keys[1:] == keys[:-1]
        # A row times n, and its column, are divisible by n + 1 if the two are equal.
        (first,) = xp.nonzero(~xp.concat([none, again]) & (keys % (n + 1) != 0))
        keys = xp.take(keys, first)
        return keys // n, keys % n, xp.take(xp.concat([again, none]), first)
    rows, columns = xp.concat([rows, columns]), xp.concat([columns, rows])
    order = xp.argsort(columns, stable=True)
    order = xp.take(order, xp.argsort(xp.take(rows, order), stable=True))
    rows, columns = xp.take(rows, order), xp.take(columns, order)
    again = (rows[1:] == rows[:-1]) & (columns[1:] == columns[:-1])
    (first,) = xp.nonzero(~xp.concat([none, again]) & (rows != columns))
    again = xp.take(xp.concat([again, none]), first)
    return xp.take(rows, first), xp.take(columns, first), again


def components(least: Callable[[Array], Array], numbers: Array) -> Array:
    """Return which connected component each row of a graph is in, (n,), from 0 in order of rows.

    All components that touch another one of a lower number join it, over and over: since every one
    touches some other, half of them are gone each time (Borůvka 1926).

    Parameters
    ----------
    least : callable
        (n,) integers -> the least of them at each row and its neighbours.
    numbers : array of shape (n,), integers
        From 0 to n - 1.
    """
    xp, found = namespace_of(numbers), numbers
    while True:
        around = least(found)
        # The least that any row of each component touches: the first in an order by both.
        order = xp.argsort(around, stable=True)
        order = xp.take(order, xp.argsort(xp.take(found, order), stable=True))
        first = xp.searchsorted(xp.take(found, order), found)
        joined = xp.take(around, xp.take(order, first))
        if bool(xp.all(joined == found)):
            return xp.unique_inverse(found).inverse_indices
        while True:  # Those that they joined have joined others.
            found = xp.take(joined, joined)
            if bool(xp.all(found == joined)):
                break
            joined = found
