"""Graphs of affinities between rows, dense or sparse."""

from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

from kmeans_xp.arrays import Array, device_of, namespace_of
from kmeans_xp.arrays.sparse import components
from kmeans_xp.kernels.shared.blocks import parts

# Affinities that are looked at at a time.
ENTRIES = 1 << 22


class Graph(Protocol):
    """Symmetric affinities between n rows, none of them negative."""

    @property
    def n_rows(self) -> int:
        """Return the number of rows, n."""

    def __matmul__(self, block: Array) -> Array:
        """Return the product with a block of vectors, (n, b)."""

    @property
    def native(self) -> Any:
        """Return the affinities as the library of X has them; None if it has no such matrices."""

    def row_sums(self) -> Array:
        """Return the sum of each row, (n,)."""

    def scaled(self, factors: Array) -> Self:
        """Return the graph with rows and columns times `factors`, (n,)."""

    def dense(self) -> Array:
        """Return all affinities, (n, n)."""

    def connected(self) -> Array:
        """Return which connected component each row is in, (n,), from 0 in order of rows."""


@dataclass(frozen=True)
class DenseGraph:
    """Affinities between all rows.

    Attributes
    ----------
    values : array of shape (n, n)
    factors : array of shape (n,) or None
        What rows and columns are multiplied by, which takes no second array of this size.
    """

    values: Array
    factors: Array | None = None

    @property
    def n_rows(self) -> int:
        """Return the number of rows, n."""
        return int(self.values.shape[0])

    @property
    def native(self) -> Array:
        """Return the affinities."""
        return self.values

    def __matmul__(self, block: Array) -> Array:
        """Return the product with a block of vectors."""
        if self.factors is None:
            return self.values @ block
        factors = self.factors[:, None]
        return factors * (self.values @ (factors * block))

    def row_sums(self) -> Array:
        """Return the sum of each row."""
        return namespace_of(self.values).sum(self.values, axis=1)

    def scaled(self, factors: Array) -> Self:
        """Return the graph with rows and columns times `factors`."""
        return replace(self, factors=factors)

    def dense(self) -> Array:
        """Return all affinities."""
        if self.factors is None:
            return self.values
        return self.values * self.factors[:, None] * self.factors

    def connected(self) -> Array:
        """Return which connected component each row is in."""
        xp, device = namespace_of(self.values), device_of(self.values)
        return components(self._least, xp.arange(self.n_rows, device=device))

    def _least(self, numbers: Array) -> Array:
        """Return the least of numbers, (n,), at each row and its neighbours."""
        xp, n = namespace_of(numbers), self.n_rows
        found = [
            xp.min(xp.where(self.values[some, :] > 0, numbers[None, :], n), axis=1)
            for some in parts(n, ENTRIES // n)
        ]
        return xp.minimum(numbers, xp.astype(xp.concat(found), numbers.dtype, copy=False))


def without_own(values: Array, numbers: Array) -> Array:
    """Return affinities of some rows to all, (B, n), with 0 for those of rows to themselves."""
    xp, device = namespace_of(values), device_of(values)
    columns = xp.arange(values.shape[1], dtype=numbers.dtype, device=device)
    return xp.where(numbers[:, None] == columns, 0.0, values)


@dataclass(frozen=True)
class Shifted:
    """A normalised graph, in which rows without affinities have the eigenvalue -1 and not 0.

    Else these might come before others.

    Attributes
    ----------
    graph : Graph
    alone : array of shape (n,)
        1 for each such row, else 0.
    """

    graph: Graph
    alone: Array

    def __matmul__(self, block: Array) -> Array:
        """Return the product with a block of vectors."""
        return self.graph @ block - self.alone[:, None] * block

    def dense(self) -> Array:
        """Return the matrix in full, (n, n)."""
        found = self.graph.dense()
        xp, n = namespace_of(found), found.shape[0]
        return found - xp.eye(n, dtype=found.dtype, device=device_of(found)) * self.alone
