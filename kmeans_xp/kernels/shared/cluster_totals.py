"""Sums and weights of clusters, their changes, and the centres that follow from them."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from kmeans_xp.arrays import Array, Totals, namespace_of, to_host
from kmeans_xp.arrays.fusing import fused
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters


@dataclass(frozen=True)
class ClusterTotals(Totals):
    """Weighted sums about the centres' origin, (k, d), and weights, (k,), by cluster."""

    sums: Array
    weights: Array


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
    xp, sums, weights = namespace_of(prepared.centers), totals.sums, totals.weights
    # Divided here, since compiled together with other things JAX would multiply by the inverse.
    means = sums / xp.where(weights > 0, weights, xp.ones_like(weights))[:, None]
    about = prepared.centers, prepared.wide_centers, prepared.wide_origin
    moved, numbers = _moved(*about, sums, weights, means, tell)
    # One transfer from the device for all of them.
    gain, shift, empty, *told = to_host(numbers).tolist()
    return Move(moved, gain, shift, int(empty), tuple(told))


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
    gain = xp.sum(c * (weights[:, None] * c - 2 * sums))
    empty = xp.sum(xp.astype(~occupied, wide))
    told = [xp.astype(number, wide) for number in (empty, *tell)]
    return moved, xp.stack([gain, xp.sum(drift * drift), *told])


@dataclass(frozen=True)
class Changes(Totals):
    """What clusters gained less what they lost, since the last iteration.

    Attributes
    ----------
    sums : array of shape (k, d), float64
        Weighted sums of x - origin.
    weights : array of shape (k,), float64
    counts : array of shape (k,), int64
        Rows of positive weight.
    rounding_mass : array of shape (k,), float64
        At least Σ w·max|x - origin| of the rows that came or went, to which rounding is relative.
    """

    sums: np.ndarray
    weights: np.ndarray
    counts: np.ndarray
    rounding_mass: np.ndarray

    @classmethod
    def none(cls, k: int, d: int) -> Self:
        """Return no changes of k clusters of rows of d features."""
        return cls(np.zeros((k, d)), np.zeros(k), np.zeros(k, np.int64), np.zeros(k))
