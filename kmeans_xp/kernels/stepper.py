"""Whole iterations of Lloyd's algorithm, where a kernel does all of one at once."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from kmeans_xp.kernels.move import ClusterTotals, Move

Team = Callable[[Callable[[], bool], Callable[[], Any]], None]


class Stepper(ABC):
    """The memory of one run, and its iterations.

    Attributes
    ----------
    labels : ndarray of shape (n,), int32
        After the last step; -1 before the first.
    """

    labels: np.ndarray

    @abstractmethod
    def step(self, centers: np.ndarray) -> Move:
        """Assign every row to its nearest centre, and move each centre to the mean of its rows."""

    @property
    @abstractmethod
    def totals(self) -> ClusterTotals:
        """Return the totals of the clusters after the last step."""
