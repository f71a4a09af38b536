"""How the rows of a mini-batch pull at their nearest centres."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kmeans_xp.arrays import Array, Totals, namespace_of
from kmeans_xp.arrays.namespace import device_of


@dataclass(frozen=True)
class Pull(Totals):
    """What the rows of each cluster add up to, in the widest float.

    Attributes
    ----------
    ways : array of shape (k, d)
        Weighted sums of the rows' differences from the centre.
    weights : array of shape (k,)
    cost : array of shape ()
        Weighted squared distances, of all clusters together.
    """

    ways: Array
    weights: Array
    cost: Array


# (block, labels, weights, centers in the widest float) -> what the rows of each label add up to
# about its centre.
Puller = Callable[[Array, Array, Array | None, Array], Pull]
# Where centres moved to, what they have seen, that again on the host, what the batch cost before,
# and the sum of the squared distances that they moved.
Learned = tuple[Array, Array, np.ndarray, float, float]


def portable_puller(work: int, dtype: Any) -> Puller:
    """Return the specification, whatever the work."""
    return portable_pull


def portable_pull(block: Array, labels: Array, weights: Array | None, centers: Array) -> Pull:
    """Return what the rows of each label add up to about its centre."""
    xp = namespace_of(block)
    numbers = xp.arange(centers.shape[0], dtype=labels.dtype, device=device_of(block))
    member = xp.astype(labels[:, None] == numbers[None, :], centers.dtype)
    ways = xp.astype(block, centers.dtype, copy=False) - xp.take(centers, labels, axis=0)
    squares = xp.vecdot(ways, ways)
    if weights is not None:
        member, squares = member * weights[:, None], squares * weights
    return Pull(member.T @ ways, xp.sum(member, axis=0), xp.sum(squares))
