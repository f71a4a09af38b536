"""Distances between rows, and the swaps of k-medoids, in NumPy and SciPy.

Candidates are scored a block at a time in their own precision, which leaves few of them; these are
weighed one by one in float64, in order, so that swaps are those of a loop over candidates. After a
swap only the judges whose two nearest medoids changed are scored again.
"""

from collections.abc import Sequence

import numpy as np

from kmeans_xp.kernels.interface import MedoidSwaps, Team
from kmeans_xp.kernels.numpy import nearest
from kmeans_xp.kernels.portable.medoids import widened
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters

# SciPy's names of metrics, which it computes by a loop over pairs.
SCIPY = {
    "euclidean": "euclidean",
    "sqeuclidean": "sqeuclidean",
    "manhattan": "cityblock",
    "chebyshev": "chebyshev",
}
# Features up to which that is faster than a product, where one serves.
LOOP_UP_TO = 48
# Candidates of a block. More are scored in vain before a swap, fewer make poor products: 5,000 rows
# with k = 10 take 1.0, 1.3 and 1.8 times as long with 64, 32 and 256.
BLOCK_ROWS = 64
# The part of the judges up to which those that a swap changed are scored by themselves.
FEW = 1 / 3
# The part of what removing a medoid costs, and of what a candidate saves, that a block's score may
# lack by rounding.
ROUGH = 2e-6


def pairwise(
    block: np.ndarray, others: PreparedCenters, metric: str, team: Team | None = None
) -> np.ndarray:
    """Return the distances of a block to other rows, (B, m), in the dtype of the block."""
    if block.shape[1] <= LOOP_UP_TO or metric in ("manhattan", "chebyshev"):
        from scipy.spatial.distance import cdist

        found = cdist(block, others.wide_centers, SCIPY[metric])
    else:
        rows = block.astype(np.float64, copy=False)
        found = nearest.distances(rows, others.derive(widened), np.float64)
        if metric == "euclidean":
            found = np.sqrt(found, out=found)
    return found.astype(block.dtype, order="C", copy=False)


class NumpySwaps(MedoidSwaps):
    """Scores blocks in the dtype of the distances, and decides in float64."""

    def __init__(self, medoids: Sequence[int], distances: np.ndarray, weights: np.ndarray) -> None:
        super().__init__(medoids, distances, weights)
        m, k = distances.shape
        self._least_gain = self.LEAST_GAIN[weights.dtype.itemsize]
        self._distances = np.array(distances, order="C")
        self._weights = weights
        self._rough_weights = weights.astype(distances.dtype)
        # Of each judge: its two nearest medoids, and how far they are.
        self._own, self._next = np.zeros(m, np.intp), np.zeros(m, np.intp)
        self._near, self._second = np.zeros((2, m), distances.dtype)
        # Each judge's weight in the column of its medoid.
        self._members = np.zeros((m, k), distances.dtype)
        self._settle(np.arange(m))

    @property
    def loss(self) -> float:
        """Return the weighted sum of the judges' distances to their nearest medoids."""
        return float(self._near.astype(np.float64) @ self._weights)

    @property
    def block_rows(self) -> int:
        """Return how many candidates a block should have."""
        return BLOCK_ROWS

    def swap_eagerly(self, block: np.ndarray, first: int, closed: np.ndarray) -> int | None:
        """Swap in each candidate in turn, if that lowers the loss; return the last one's number."""
        last, begun = None, 0
        costs, saved = self._scores(block, slice(None))
        # The most that costs and savings were since all judges were scored.
        removal, most = self._removal, -saved
        while True:
            scores = (costs - ROUGH * removal).min(axis=1) + saved - ROUGH * most
            rough = ~(scores[begun:] >= 0)
            rough &= ~(closed | self.is_medoid(first, len(closed)))[begun:]
            for where in begun + np.flatnonzero(rough):
                change, place = self._change(block[where])
                if self.gains_enough(change, place):
                    break
            else:
                return last
            last, begun = first + int(where), int(where) + 1
            changed = self._affected(block[where], place)
            few = len(changed) < FEW * len(self._near)
            some = changed if few else slice(None)
            if few:
                old = self._scores(block, some)
            self.swap(block[where], last, place)
            new = self._scores(block, some)
            if few:
                costs, saved = costs + (new[0] - old[0]), saved + (new[1] - old[1])
                removal, most = np.maximum(removal, self._removal), np.maximum(most, -saved)
            else:
                costs, saved = new
                removal, most = self._removal, -saved

    def changes(self, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return by how much swapping in each candidate changes the loss, and which medoid goes."""
        found = [self._change(candidate) for candidate in block]
        return np.array([change for change, _ in found]), np.array([place for _, place in found])

    def swap(self, candidate: np.ndarray, number: int, place: int) -> None:
        """Put a candidate in a medoid's place."""
        changed = self._affected(candidate, place)
        self._distances[:, place] = candidate
        self._settle(changed)
        self.medoids[place] = number
        self.n_swaps += 1

    def gains_enough(self, change: float, place: int) -> bool:
        """Return whether a change of the loss is more than rounding."""
        return bool(change < -self._least_gain * self._removal[place])

    def _scores(self, block: np.ndarray, some: slice | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what some judges lose without each medoid, (B, k), and save, (B,), roughly."""
        block, near, weights = block[:, some], self._near[some], self._rough_weights[some]
        nearer = np.minimum(block, near)
        nearer -= near
        saved = nearer @ weights
        between = np.maximum(block, near, out=nearer)
        np.minimum(between, self._second[some], out=between)
        between -= near
        return between @ self._members[some], saved

    def _change(self, candidate: np.ndarray) -> tuple[float, int]:
        """Return by how much a candidate's best swap changes the loss, and which medoid goes."""
        near, k = self._near.astype(np.float64), len(self.medoids)
        between = np.clip(candidate, near, self._second) - near
        costs = np.bincount(self._own, between * self._weights, k)
        saved = float(np.minimum(candidate - near, 0.0) @ self._weights)
        place = int(np.argmax(costs <= costs.min() + self.TIE * self._removal))
        return float(costs.min()) + saved, place

    def _affected(self, candidate: np.ndarray, place: int) -> np.ndarray:
        """Return the judges whose two nearest medoids a swap may change."""
        gone = (self._own == place) | (self._next == place)
        return np.flatnonzero(gone | (candidate < self._second))

    def _settle(self, changed: np.ndarray) -> None:
        """Find the two nearest medoids of the judges that `changed`."""
        distances, rows = self._distances[changed], np.arange(len(changed))
        own = distances.argmin(axis=1)
        self._members[changed, self._own[changed]] = 0
        self._members[changed, own] = self._rough_weights[changed]
        self._own[changed], self._near[changed] = own, distances[rows, own]
        distances[rows, own] = np.inf
        self._next[changed] = after = distances.argmin(axis=1)
        self._second[changed] = distances[rows, after]
        if len(self.medoids) == 1:
            self._removal = np.array([self.loss])
        else:
            spare = (self._second.astype(np.float64) - self._near) * self._weights
            self._removal = np.bincount(self._own, spare, len(self.medoids))
