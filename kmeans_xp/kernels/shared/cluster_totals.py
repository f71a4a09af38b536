"""What rows add to clusters, and the centres that follow from that."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from kmeans_xp.arrays import Array, Totals, namespace_of, to_host
from kmeans_xp.arrays.fusing import fused
from kmeans_xp.kernels.shared.ordered_sums import ordered_sum
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters


@dataclass(frozen=True)
class ClusterTotals(Totals):
    """Sums by cluster of w·(x - origin) and w, on the two grids of `exact_sums`.

    Or what clusters gained of these less what they lost: where no row remains, nothing does.

    Attributes
    ----------
    high, low : array of shape (k, d + 1)
        The last column is that of the weights.
    """

    high: Array
    low: Array

    @classmethod
    def none(cls, k: int, d: int) -> Self:
        """Return the totals of k clusters without rows, of d features, in NumPy."""
        return cls(np.zeros((k, d + 1)), np.zeros((k, d + 1)))

    @property
    def sums(self) -> Array:
        """Return weighted sums of the rows less the origin, (k, d)."""
        return self.high[:, :-1] + self.low[:, :-1]

    @property
    def weights(self) -> Array:
        """Return the weight of each cluster, (k,)."""
        return self.high[:, -1] + self.low[:, -1]


@dataclass(frozen=True)
class Move:
    """Where an iteration of Lloyd's algorithm moves the centres.

    Attributes
    ----------
    centers : array of shape (k, d)
        After the move, in the dtype of the rows.
    gain : float
        The inertia of the centres before, less the weighted squares of all rows about the origin.
    shift : float
        Sum of the squared distances that the centres moved.
    empty : int
        How many clusters have no rows; their centres stay where they are.
    told : tuple of float
        What `move` was handed to bring to the host along with these.
    """

    centers: Array
    gain: float
    shift: float
    empty: int
    told: tuple[float, ...] = ()


def move(prepared: PreparedCenters, totals: ClusterTotals, *tell: Array) -> Move:
    """Move each centre to the mean of its rows, and `tell` further numbers, of shape ().

    The inertia follows from the totals alone, without a distance: with everything about the
    origin, it is Σw‖x‖² - 2Σc·s + ΣW‖c‖².
    """
    xp, weights = namespace_of(prepared.centers), totals.weights
    weighed = xp.where(weights > 0, weights, xp.ones_like(weights))[:, None]
    # Divided here, since compiled together with other things JAX would multiply by the inverse.
    means = means_of(totals.high[:, :-1], totals.low[:, :-1], weighed)
    about = prepared.centers, prepared.wide_centers, prepared.wide_origin
    moved, numbers = _moved(*about, totals.sums, weights, means, tell)
    # One transfer from the device for all of them.
    gain, shift, empty, *told = to_host(numbers).tolist()
    return Move(moved, gain, shift, int(empty), tuple(told))


def means_of(high: Array, low: Array, weights: Array) -> Array:
    """Return the means of clusters about the origin, (k, d).

    Each grid is divided by itself. What m equal rows have there is m times a number of so few
    digits that neither the product nor the quotient rounds: so their mean is that row.

    Parameters
    ----------
    high, low : array of shape (k, d)
        What the rows add up to, on each grid.
    weights : array of shape (k, 1)
        What they weigh, more than 0.
    """
    return high / weights + low / weights


@fused()
def _moved(
    centers: Array,
    wide_centers: Array,
    origin: Array,
    sums: Array,
    weights: Array,
    means: Array,
    tell: tuple[Array, ...],
) -> tuple[Array, Array]:
    """Return where the centres move, and the numbers of the move: gain, shift, empty and others."""
    xp, wide = namespace_of(centers), wide_centers.dtype
    occupied = weights > 0
    moved = xp.where(occupied[:, None], origin + means, wide_centers)
    moved = xp.astype(moved, centers.dtype)
    drift = xp.astype(moved, wide, copy=False) - wide_centers
    c = wide_centers - origin
    terms = xp.stack([c * (weights[:, None] * c - 2 * sums), drift * drift])
    gain_and_shift = ordered_sum(xp.reshape(terms, (2, -1)))
    empty = xp.sum(xp.astype(~occupied, wide))
    told = [xp.astype(number, wide) for number in (empty, *tell)]
    return moved, xp.concat([gain_and_shift, xp.stack(told)])
