"""Two centres prepared for blocks of rows: which is nearer, and what it gains."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

from kmeans_xp.arrays import Array, Totals, namespace_of
from kmeans_xp.kernels import portable
from kmeans_xp.kernels.frame import Frame, frame_of


@dataclass(frozen=True)
class Gains(Totals):
    """What the second of two halves gained: rows, and their sum about a point, (d,)."""

    size: Array
    sums: Array


class Pair(ABC):
    """Two centres, prepared for blocks of rows."""

    @abstractmethod
    def labels(self, block: Array) -> Array:
        """Return the index of the nearer centre of each row, (B,) integers; 0 if both are."""

    @abstractmethod
    def gains(self, block: Array, before: Array | None, about: Array) -> tuple[Gains, Array]:
        """Return what the second centre gained since the labels `before`, and the labels now.

        Everything that it has, if nothing was before.
        """


@final
@dataclass(frozen=True)
class PortablePair(Pair):
    """The specification, in the array-API standard alone."""

    frame: Frame

    def labels(self, block: Array) -> Array:
        """Return the index of the nearer centre of each row, (B,) integers; 0 if both are."""
        return portable.labels(block, self.frame)

    def gains(self, block: Array, before: Array | None, about: Array) -> tuple[Gains, Array]:
        """Return what the second centre gained since the labels `before`, and the labels now."""
        xp, labels = namespace_of(block), self.labels(block)
        change = labels if before is None else labels - before
        (where,) = xp.nonzero(change)
        signs = xp.astype(xp.take(change, where), about.dtype)
        few = xp.astype(xp.take(block, where, axis=0), about.dtype, copy=False) - about
        return Gains(xp.sum(signs), signs @ few), labels


def portable_pair(centers: Array, reach: float | None) -> PortablePair:
    """Prepare two centres, (2, d); `reach`, which bounds the norms of rows, is not needed."""
    return PortablePair(frame_of(centers))
