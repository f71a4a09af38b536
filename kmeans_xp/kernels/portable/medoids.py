"""Distances between rows, and the swaps of k-medoids, in the array-API standard alone.

A swap puts a candidate in the place of a medoid. A judge whose distances to its nearest and second
nearest medoid are a and b, and which the candidate is at the distance x from, then loses
min(x - a, 0) if its nearest medoid stays, and min(max(x, a), b) - a more if that one goes. So the
swaps of a candidate with all k medoids cost one pass over the judges: FastPAM1 of E. Schubert and
P. J. Rousseeuw, "Fast and eager k-medoids clustering", Information Systems 101, 2021. For a block
of candidates it is a matrix product.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from kmeans_xp.arrays import Array, namespace_of, to_host
from kmeans_xp.arrays.fusing import fused
from kmeans_xp.arrays.namespace import device_of
from kmeans_xp.kernels.interface import MedoidSwaps, Team
from kmeans_xp.kernels.portable import nearest
from kmeans_xp.kernels.portable.blocks import CPU_ENTRIES, LEAST_ROWS
from kmeans_xp.kernels.shared.blocks import parts
from kmeans_xp.kernels.shared.prepared_centers import Origin, PreparedCenters, prepare

# Candidates of a block at most: after each swap all of them are scored again.
MOST_ROWS = 1 << 10


def pairwise(block: Array, others: PreparedCenters, metric: str, team: Team | None = None) -> Array:
    """Return the distances of a block to other rows, (B, m), in the dtype of the block.

    They are computed in the widest float: whether a swap pays is a matter of many small
    differences.

    Parameters
    ----------
    block : array of shape (B, d)
    others : PreparedCenters
        The other rows, (m, d).
    metric : {"euclidean", "sqeuclidean", "manhattan", "chebyshev"}
    team : callable, optional
        Of threads that may help: (work, help) -> None.
    """
    xp, wide = namespace_of(block), others.wide_centers
    rows = xp.astype(block, wide.dtype, copy=False)
    if metric in ("manhattan", "chebyshev"):
        found = _absolute(rows, wide, metric)
    else:
        found = nearest.distances(rows, others.derive(widened), wide.dtype)
        if metric == "euclidean":
            found = xp.sqrt(found)
    return xp.astype(found, block.dtype, copy=False)


def widened(others: PreparedCenters) -> PreparedCenters:
    """Return the same rows in the widest float."""
    return prepare(others.wide_centers, Origin(others.wide_origin))


def _absolute(block: Array, others: Array, metric: str) -> Array:
    """Return sums, or the largest, of absolute differences, (B, m)."""
    xp, (m, d) = namespace_of(block), others.shape
    reduce = xp.sum if metric == "manhattan" else xp.max
    # As many differences at a time as the block has distances, or entries.
    pieces = [
        reduce(xp.abs(block[:, None, :] - others[None, part, :]), axis=2)
        for part in parts(m, m // d)
    ]
    return pieces[0] if len(pieces) == 1 else xp.concat(pieces, axis=1)


class _Judged(NamedTuple):
    """What the judges think of the medoids, in the widest float.

    `near`, (m,), are their distances to the nearest medoid, and `second` to the next, which is
    infinitely far if there is one medoid; `members`, (m, k), holds each judge's weight in the
    column of its medoid; `removal`, (k,), is what the loss of each medoid would cost, or, if there
    is one, the loss.
    """

    near: Array
    second: Array
    members: Array
    weights: Array
    removal: Array
    loss: Array


class PortableSwaps(MedoidSwaps):
    """Scores blocks of candidates by matrix products in the widest float."""

    def __init__(
        self,
        medoids: Sequence[int],
        distances: Array,
        weights: Array,
        *,
        entries: int = CPU_ENTRIES,
    ) -> None:
        super().__init__(medoids, distances, weights)
        xp = namespace_of(distances)
        self._entries = entries
        self._least_gain = self.LEAST_GAIN[xp.finfo(weights.dtype).bits // 8]
        self._distances = xp.astype(distances, weights.dtype, copy=False)
        self._judged = _judged(self._distances, weights)

    @property
    def loss(self) -> float:
        """Return the weighted sum of the judges' distances to their nearest medoids."""
        return float(to_host(self._judged.loss))

    @property
    def block_rows(self) -> int:
        """Return how many candidates a block should have."""
        return min(max(LEAST_ROWS, self._entries // max(self._distances.shape)), MOST_ROWS)

    def swap_eagerly(self, block: Array, first: int, closed: np.ndarray) -> int | None:
        """Swap in each candidate in turn, if that lowers the loss; return the last one's number."""
        last, begun = None, 0
        while True:
            changes, places, scales = _changes(block, self._judged, tie=self.TIE)
            gains = to_host(changes < -self._least_gain * scales)
            gains = gains & ~closed & ~self.is_medoid(first, len(closed))
            (found,) = np.nonzero(gains[begun:])
            if not len(found):
                return last
            where = begun + int(found[0])
            last, begun = first + where, where + 1
            self.swap(block[where, :], last, int(places[where]))

    def changes(self, block: Array) -> tuple[np.ndarray, np.ndarray]:
        """Return by how much swapping in each candidate changes the loss, and which medoid goes."""
        changes, places, _ = _changes(block, self._judged, tie=self.TIE)
        return to_host(changes).astype(np.float64), to_host(places)

    def swap(self, candidate: Array, number: int, place: int) -> None:
        """Put a candidate in a medoid's place."""
        xp, k = namespace_of(candidate), len(self.medoids)
        here = xp.arange(k, device=device_of(candidate))[None, :] == place
        column = xp.astype(candidate, self._distances.dtype, copy=False)[:, None]
        self._distances = xp.where(here, column, self._distances)
        self._judged = _judged(self._distances, self._judged.weights)
        self.medoids[place] = number
        self.n_swaps += 1

    def gains_enough(self, change: float, place: int) -> bool:
        """Return whether a change of the loss is more than rounding."""
        return change < -self._least_gain * float(self._judged.removal[place])


@fused()
def _judged(distances: Array, weights: Array) -> _Judged:
    xp, k = namespace_of(distances), distances.shape[1]
    own = xp.argmin(distances, axis=1, keepdims=True)
    mine = own == xp.arange(k, dtype=own.dtype, device=device_of(distances))
    near = xp.min(distances, axis=1)
    second = xp.min(xp.where(mine, xp.inf, distances), axis=1)
    members = xp.where(mine, weights[:, None], 0.0)
    loss = xp.sum(near * weights)
    if k == 1:
        removal = xp.reshape(loss, (1,))
    else:
        removal = xp.sum(members * (second - near)[:, None], axis=0)
    return _Judged(near, second, members, weights, removal, loss)


@fused("tie")
def _changes(block: Array, judged: _Judged, *, tie: float) -> tuple[Array, Array, Array]:
    """Return how the best swap of each candidate changes the loss, whose place it is, and its cost.

    The cost, (B,), is that of removing the medoid, to which gains are compared.
    """
    xp = namespace_of(block)
    block = xp.astype(block, judged.near.dtype, copy=False)
    nearer = xp.minimum(block, judged.near)
    # What judges of each medoid lose if it goes; never negative, so that no digits cancel.
    between = xp.minimum(xp.maximum(block, judged.near), judged.second) - judged.near
    losses = between @ judged.members
    least = xp.min(losses, axis=1, keepdims=True)
    equal = losses <= least + tie * judged.removal
    places = xp.argmax(xp.astype(equal, xp.int8), axis=1)
    saved = (nearer - judged.near) @ judged.weights
    return least[:, 0] + saved, places, xp.take(judged.removal, places)
