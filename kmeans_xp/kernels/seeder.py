"""What a kernel remembers of each row while greedy k-means++ chooses centres.

Like a tracker's, its memory is written in place by the steps that it hands out. A row's mass is
its weight times the squared distance to the nearest centre so far. Candidates are scored by what
the masses would lose to each, and rows that a candidate cannot lower need no distance.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kmeans_xp.arrays import Totals

# Candidates that are scored at a time, which bounds what is remembered of them for each row. A
# step for so many takes little longer than its arithmetic.
TOGETHER = 32


@dataclass(frozen=True)
class Gains(Totals):
    """By how much each candidate would lower the masses, (T,) float64."""

    gains: np.ndarray


# (block, weights, *memory) -> gains; nothing from the step that keeps.
Step = Callable[..., Gains | None]


class Seeder(ABC):
    """The memory of one seeding, and the steps that each centre takes with it.

    Attributes
    ----------
    memory : tuple of ndarray
        Row-aligned; the masses first, (n,).
    block_rows : int
        How many rows every block must have, since memory is laid out by block.
    """

    memory: tuple[np.ndarray, ...]
    block_rows: int

    @abstractmethod
    def start(self, center: np.ndarray) -> Step:
        """Return the step that takes in the first centre, (d,), and adds up the rows' squares."""

    @abstractmethod
    def score(self, candidates: np.ndarray) -> Step:
        """Return the step that scores candidates, (T, d), and remembers whom they are nearer."""

    @abstractmethod
    def keep(self, candidates: np.ndarray, best: int) -> Step:
        """Return the step that takes in one of the candidates that were just scored."""
