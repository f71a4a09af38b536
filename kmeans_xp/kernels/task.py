"""What is to be clustered, as far as the choice of what to remember of rows depends on it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from kmeans_xp.arrays import Array
from kmeans_xp.kernels.projection import Directions, directions_of, part_left

# Rows that tell what products of short rows exclude.
ROWS = 4096


@dataclass(frozen=True)
class Task:
    """What rows are to be tracked.

    Attributes
    ----------
    n, d, k : int
        Rows, features and clusters.
    dtype : dtype
        Of the rows.
    few : callable
        (count) -> so many rows, spread over all.
    """

    n: int
    d: int
    k: int
    dtype: Any
    few: Callable[[int], Array]

    @property
    def work(self) -> int:
        """Return about how many operations an iteration without a tracker takes."""
        return self.n * self.k * (self.d + 8)

    @cached_property
    def directions(self) -> Directions:
        """Return directions for short rows."""
        return directions_of(self.some)

    @cached_property
    def part_left(self) -> float:
        """Return which part of the centres short products leave near a row."""
        return part_left(self.directions, self.some, self.k)

    @cached_property
    def some(self) -> Array:
        """Return rows that stand for all."""
        return self.few(ROWS)
