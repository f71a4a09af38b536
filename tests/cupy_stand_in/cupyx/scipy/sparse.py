"""Sparse matrices: SciPy computes on what is behind arrays, as cuSPARSE would on the device."""

from typing import Any

import scipy.sparse as _scipy
from cupy._ndarray import launch, ndarray


class csr_matrix:
    """Compressed rows, of the parts that CuPy wants: three arrays, or another such matrix."""

    def __init__(self, arg1: Any, shape: tuple[int, int] | None = None) -> None:
        if isinstance(arg1, csr_matrix):
            self.data, self.indices, self.indptr = arg1.data, arg1.indices, arg1.indptr
            self.shape = arg1.shape
            return
        if not all(isinstance(part, ndarray) for part in arg1):
            raise ValueError("data, indices and indptr must be cupy arrays")
        self.data, self.indices, self.indptr = arg1
        self.shape = shape

    @property
    def dtype(self) -> Any:
        return self.data.dtype

    @property
    def T(self) -> "csr_matrix":
        return self._by(lambda matrix: matrix.T.tocsr())

    def tocsr(self, copy: bool = False) -> "csr_matrix":
        return self._by(lambda matrix: matrix.copy()) if copy else self

    def astype(self, dtype: Any, copy: bool = True) -> "csr_matrix":
        return self._by(lambda matrix: matrix.astype(dtype, copy=copy))

    def sum_duplicates(self) -> None:
        def summed(matrix: Any) -> Any:
            matrix = matrix.copy()
            matrix.sum_duplicates()
            return matrix

        new = self._by(summed)
        self.data, self.indices, self.indptr = new.data, new.indices, new.indptr

    def get(self) -> Any:
        parts = (self.data.get(), self.indices.get(), self.indptr.get())
        return _scipy.csr_matrix(parts, shape=self.shape)

    def max(self) -> Any:
        return launch("csr_max", lambda *parts: self._scipy(parts).max(), *self._parts)

    def __matmul__(self, other: Any) -> Any:
        if not isinstance(other, ndarray):
            return NotImplemented
        return launch("csrmm2", lambda x, *parts: self._scipy(parts) @ x, other, *self._parts)

    def __rmul__(self, factor: float) -> "csr_matrix":
        return self._by(lambda matrix: factor * matrix)

    def __abs__(self) -> "csr_matrix":
        return self._by(abs)

    def __add__(self, other: "csr_matrix") -> "csr_matrix":
        return self._by(lambda one, two: one + two, other)

    def __sub__(self, other: "csr_matrix") -> "csr_matrix":
        return self._by(lambda one, two: one - two, other)

    @property
    def _parts(self) -> tuple[ndarray, ndarray, ndarray]:
        return self.data, self.indices, self.indptr

    def _scipy(self, parts: Any) -> Any:
        return _scipy.csr_matrix(parts, shape=self.shape)

    def _by(self, compute: Any, *others: "csr_matrix") -> "csr_matrix":
        """Return what SciPy makes of this one, and of others."""

        def computed(*parts: Any) -> Any:
            triples = [parts[i : i + 3] for i in range(0, len(parts), 3)]
            found = compute(*(self._scipy(triple) for triple in triples))
            return tuple(part.copy() for part in (found.data, found.indices, found.indptr))

        arrays = [part for matrix in (self, *others) for part in matrix._parts]
        return csr_matrix(launch("csr", computed, *arrays), shape=self.shape)


def issparse(value: Any) -> bool:
    return isinstance(value, csr_matrix)
