"""What is to be clustered, as far as the choice of bounds depends on it."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

from kmeans_xp.arrays import Array
from kmeans_xp.kernels.choose.ledger import ITERATIONS
from kmeans_xp.kernels.choose.loading import Loader
from kmeans_xp.kernels.interface import Source
from kmeans_xp.kernels.shared.projection import Directions, candidate_share, directions_of

# Rows that tell what products of projected rows exclude: a glance at them takes milliseconds.
SAMPLE = 4096


@dataclass(frozen=True)
class Workload:
    """Rows in memory that bounds may be remembered of, and how many clusters they get.

    Attributes
    ----------
    rows : Source
    n, d, k : int
        Rows, features and clusters.
    dtype : dtype
        Of the rows.
    loader : Loader
        Of what a method has compiled.
    passes : int
        As how many passes over the rows the fit counts.
    """

    rows: Source
    n: int
    d: int
    k: int
    dtype: Any
    loader: Loader = field(default_factory=Loader)
    passes: int = ITERATIONS

    @classmethod
    def of(
        cls, rows: Source, k: int, loader: Loader | None = None, passes: int = ITERATIONS
    ) -> Self:
        """Return the workload of clustering `rows`."""
        n, d = rows.shape
        return cls(rows, n, d, k, rows.dtype, loader or Loader(), passes)

    @property
    def work(self) -> int:
        """Return about how many operations an iteration without bounds takes."""
        return self.n * self.k * (self.d + 8)

    @property
    def looked_at(self) -> bool:
        """Return whether rows were looked at, for they stay here then."""
        return "sample" in vars(self)

    @cached_property
    def directions(self) -> Directions:
        """Return directions for projected rows."""
        return directions_of(self.sample)

    @cached_property
    def candidate_share(self) -> float:
        """Return the share of centres that projected rows leave as candidates."""
        return candidate_share(self.directions, self.sample, self.k)

    @cached_property
    def sample(self) -> Array:
        """Return rows that stand for all."""
        return self.rows.evenly(SAMPLE)
