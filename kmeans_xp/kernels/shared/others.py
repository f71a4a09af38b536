"""Rows amid which the nearest are looked for, in blocks that are prepared for products."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from kmeans_xp.arrays import Array, Namespace, namespace_of
from kmeans_xp.arrays.precision import quiet
from kmeans_xp.kernels.shared.prepared_centers import Derivable, Origin, PreparedCenters

# Entries of rows up to which what is prepared of them is kept; else it is made again for each block
# of rows that asks, which takes a fifth of the time that its product takes.
KEPT = 1 << 24


class Blocks(Protocol):
    """What is asked of rows; `kmeans_xp.rows.Rows` in memory offer it."""

    shape: tuple[int, int]
    xp: Namespace
    device: Any

    @property
    def wide(self) -> Any:
        """Return the widest float of the device."""

    def block(self, start: int, stop: int) -> Array:
        """Return rows `start` to `stop`."""

    def gather(self, where: Array) -> Array:
        """Return the rows at indices that are an array of the blocks' kind."""


@dataclass(frozen=True)
class Others(Derivable):
    """Rows, (n, d), amid which the nearest are looked for.

    Attributes
    ----------
    rows : Blocks
    origin : array of shape (d,)
        A point amid them, in the widest float.
    dtype : dtype
        In which bounds of distances are computed.
    size : int
        How many rows a block of them has.
    """

    rows: Blocks
    origin: Array
    dtype: Any
    size: int
    _kept: dict[Any, Array] = field(default_factory=dict, init=False, repr=False, compare=False)

    def blocks(self) -> Iterator[tuple[int, Array]]:
        """Return the rows block by block, each with the number of its first row."""
        n = self.rows.shape[0]
        for first in range(0, n, self.size):
            yield first, self.rows.block(first, min(first + self.size, n))

    def columns(self, made: Callable[[Array], Array] | None = None) -> Iterator[tuple[int, Array]]:
        """Return what a product with the rows needs, (d + 2, size), or what is `made` of that."""
        n, d = self.rows.shape
        for first in range(0, n, self.size):
            key = made, first
            columns = self._kept.get(key)
            if columns is None:
                columns = self._prepared(self.rows.block(first, min(first + self.size, n)))
                columns = columns if made is None else made(columns)
                if n * d <= KEPT:
                    self._kept[key] = columns
            yield first, columns

    @quiet()
    def _prepared(self, rows: Array) -> Array:
        xp = namespace_of(rows)
        shifted = xp.astype(rows, self.origin.dtype, copy=False) - self.origin
        narrow = xp.astype(shifted, self.dtype, copy=False)
        return PreparedCenters(narrow, Origin(xp.zeros_like(narrow[0, :]))).columns.T
