"""Few rows in NumPy: direct differences of all rows from all centres, in float64.

Where rows, features and centres are few, calls take longer than arithmetic: to prepare a product,
its bounds and what they leave undecided takes more of them than to look at every pair. What is
found needs no bounds, for direct differences are what decides everywhere else.
"""

from typing import final

import numpy as np

from kmeans_xp.arrays.precision import quiet
from kmeans_xp.kernels.interface import FusedIteration
from kmeans_xp.kernels.numpy.centers import means
from kmeans_xp.kernels.shared.cluster_totals import ClusterTotals, Move
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters, tied


def columns_of(rows: np.ndarray) -> np.ndarray:
    """Return the rows feature by feature, (d, n) float64: loops over rows are the longest."""
    return np.ascontiguousarray(rows.T, np.float64)


def squares_of(columns: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Return the squared distances of rows, (d, n), to centres, (k, d) float64; (k, n)."""
    differences = columns - centers[:, :, None]
    np.multiply(differences, differences, out=differences)
    return np.add.reduce(differences, axis=1)


def nearest(block: np.ndarray, prepared: PreparedCenters) -> tuple[np.ndarray, np.ndarray]:
    """Return labels, (B,) int32, the lowest of equals, and squared distances, (B,) float64."""
    squares = squares_of(columns_of(block), prepared.wide_centers)
    least = np.minimum.reduce(squares, axis=0)
    return (squares <= least * tied(block.shape[1])).argmax(axis=0).astype(np.int32), least


@final
class DirectIteration(FusedIteration):
    """A run over few rows.

    Parameters
    ----------
    block : ndarray of shape (n, d)
        All rows.
    weights : ndarray of shape (n,) or None
    k : int
        How many clusters.
    origin : ndarray of shape (d,)
        A point amid the rows, about which they are summed.
    """

    @quiet()
    def __init__(
        self, block: np.ndarray, weights: np.ndarray | None, k: int, origin: np.ndarray
    ) -> None:
        n, d = block.shape
        self.row_labels = np.full(n, -1, np.int32)
        self._columns = columns_of(block)
        self._wide_origin = origin.astype(np.float64)
        # Rows about the origin, and one, times their weight: what clusters add up.
        self._terms = np.ones((n, d + 1))
        shifted = np.subtract(block, self._wide_origin, out=self._terms[:, :d])
        squares = np.vecdot(shifted, shifted)
        self._weights = None if weights is None else weights.astype(np.float64, copy=False)
        if self._weights is not None:
            squares *= self._weights
            self._terms *= self._weights[:, None]
        self._tie = tied(d)
        self._all_squares = float(squares.sum())
        self._totals = np.zeros((k, d + 1))

    @property
    def totals(self) -> ClusterTotals:
        """Return the totals of the clusters after the last step."""
        return ClusterTotals(self._totals[:, :-1], self._totals[:, -1])

    def step(self, centers: np.ndarray) -> Move:
        """Assign every row to its nearest centre, and move each centre to the mean of its rows."""
        squares = squares_of(self._columns, centers.astype(np.float64, copy=False))
        least = np.minimum.reduce(squares, axis=0)
        members = squares <= least * self._tie
        if np.count_nonzero(members) != len(least):  # Some rows have several nearest centres.
            members &= members.cumsum(axis=0) == 1
        self.row_labels = members.argmax(axis=0).astype(np.int32)
        self._totals = members.astype(np.float64) @ self._terms
        costs = least if self._weights is None else least * self._weights
        moved, empty = means(self.totals, centers, self._wide_origin)
        drift = np.subtract(moved, centers, dtype=np.float64)
        gain = float(np.add.reduce(costs)) - self._all_squares
        return Move(moved, gain, float(np.vdot(drift, drift)), empty)
