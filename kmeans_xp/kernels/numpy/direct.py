"""Few rows in NumPy: direct differences of all rows from all centres, in float64.

Where rows, features and centres are few, calls take longer than arithmetic: to prepare a product,
its bounds and what they leave undecided takes more of them than to look at every pair. What is
found needs no bounds, for direct differences are what decides everywhere else.
"""

from typing import final

import numpy as np

from kmeans_xp.arrays.precision import quiet
from kmeans_xp.kernels.interface import FusedIteration
from kmeans_xp.kernels.numpy.centers import moved
from kmeans_xp.kernels.numpy.sums import (
    about_of,
    addends_of,
    in_scratch,
    sum_of_squares,
    weights_on,
)
from kmeans_xp.kernels.shared.cluster_totals import ClusterTotals, Move
from kmeans_xp.kernels.shared.prepared_centers import Origin, PreparedCenters, tied


def columns_of(rows: np.ndarray) -> np.ndarray:
    """Return the rows feature by feature, (d, n) float64: loops over rows are the longest."""
    return np.ascontiguousarray(rows.T, np.float64)


def squares_of(columns: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Return the squared distances of rows, (d, n), to centres, (k, d) float64; (k, n)."""
    differences = columns[:, None, :] - centers.T[:, :, None]
    return sum_of_squares(differences)


def nearest(block: np.ndarray, prepared: PreparedCenters) -> tuple[np.ndarray, np.ndarray]:
    """Return labels, (B,) int32, the lowest of equals, and squared distances, (B,) float64."""
    squares = squares_of(columns_of(block), prepared.wide_centers)
    least = np.minimum.reduce(squares, axis=0)
    near = squares <= least * tied(block.shape[1])
    labels = near.argmax(axis=0).astype(np.int32)
    if np.count_nonzero(near) != len(least):  # The lowest of equals need not be the very least.
        least = np.take_along_axis(squares, labels[None, :], axis=0)[0]
    return labels, least


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
    origin : Origin
        Amid the rows, about which they are summed.
    """

    @quiet()
    def __init__(
        self, block: np.ndarray, weights: np.ndarray | None, k: int, origin: Origin
    ) -> None:
        n, d = block.shape
        self.row_labels = np.full(n, -1, np.int32)
        self._columns = columns_of(block)
        wide_origin = origin.point.astype(np.float64)
        self._wide_origin = wide_origin if wide_origin.any() else None
        about = about_of(wide_origin, origin.grids, n)
        # What rows add to their cluster on both grids, and their weights on the first and, where
        # they differ, the second: as often as there are features, which saves NumPy to repeat them.
        self._addends = np.zeros((3 if weights is None else 4, n, d))
        self._addends[2] = 1
        if weights is not None:
            weights = weights.astype(np.float64, copy=False)
            self._addends[2:] = weights_on(about, weights)[:, :, None]
        high, low = addends_of(in_scratch(block), weights, about)
        self._addends[0], self._addends[1] = high, 0 if low is None else low
        self._tie = tied(d)
        self._sums = np.zeros((len(self._addends), k, d))

    @property
    def totals(self) -> ClusterTotals:
        """Return the totals of the clusters after the last step."""
        high, low, *weights = self._sums
        of_weights = [part[:, :1] for part in weights]
        if len(of_weights) == 1:
            of_weights.append(np.zeros_like(of_weights[0]))
        return ClusterTotals(np.hstack([high, of_weights[0]]), np.hstack([low, of_weights[1]]))

    def step(self, centers: np.ndarray) -> Move:
        """Assign every row to its nearest centre, and move each centre to the mean of its rows."""
        squares = squares_of(self._columns, centers.astype(np.float64, copy=False))
        least = np.minimum.reduce(squares, axis=0)
        members = squares <= least * self._tie
        if np.count_nonzero(members) != len(least):  # Some rows have several nearest centres.
            members &= members.cumsum(axis=0) == 1
        self.row_labels = members.argmax(axis=0).astype(np.int32)
        self._sums = members.astype(np.float64) @ self._addends
        high, low, weights, *more = self._sums
        if more:
            weights = weights + more[0]
        return moved(high, low, weights, centers, self._wide_origin)
