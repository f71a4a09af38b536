"""Where centres go: to the means of their rows."""

from dataclasses import dataclass

from kmeans_xp.arrays import Array, Totals, namespace_of, to_host
from kmeans_xp.kernels.frame import Frame


@dataclass(frozen=True)
class ClusterTotals(Totals):
    """Weighted sums about the frame's origin, (k, d), and weights, (k,), by cluster."""

    sums: Array
    weights: Array


@dataclass(frozen=True)
class Move:
    """What an iteration of Lloyd's algorithm leads to.

    Attributes
    ----------
    centers : array of shape (k, d)
        The new ones, in the dtype of the rows.
    gain : float
        By how much the inertia of the old ones is above the total squares about the origin.
    shift : float
        Sum of the squared distances that the centres moved.
    empty : int
        How many clusters have no rows; their centres stay where they are.
    """

    centers: Array
    gain: float
    shift: float
    empty: int


def move(frame: Frame, totals: ClusterTotals) -> Move:
    """Move each centre to the mean of its rows.

    The inertia follows from the totals alone, without a distance: with everything about the
    origin, it is Σw‖x‖² - 2Σc·s + ΣW‖c‖².
    """
    xp, wide = namespace_of(frame.centers), frame.wide_centers.dtype
    held = totals.weights > 0
    weights = xp.where(held, totals.weights, xp.ones_like(totals.weights))
    means = frame.wide_origin + totals.sums / weights[:, None]
    moved = xp.where(held[:, None], means, frame.wide_centers)
    moved = xp.astype(moved, frame.centers.dtype)
    step = xp.astype(moved, wide, copy=False) - frame.wide_centers
    c = frame.wide_centers - frame.wide_origin
    gain = xp.sum(c * (totals.weights[:, None] * c - 2 * totals.sums))
    facts = xp.stack([gain, xp.sum(step * step), xp.sum(xp.astype(~held, wide))])
    gain, shift, empty = (float(fact) for fact in to_host(facts))
    return Move(moved, gain, shift, int(empty))
