"""Runs of Lloyd's algorithm block by block, which search all rows or those that bounds leave."""

from functools import partial
from typing import final

from kmeans_xp.arrays import Array
from kmeans_xp.kernels.interface import Engine, LloydRun, Source
from kmeans_xp.kernels.portable import nearest
from kmeans_xp.kernels.portable.sums import FEW
from kmeans_xp.kernels.shared.blocks import parts
from kmeans_xp.kernels.shared.cluster_totals import ClusterTotals, Move, move
from kmeans_xp.kernels.shared.hamerly import Bounds
from kmeans_xp.kernels.shared.prepared_centers import Origin, PreparedCenters, prepare

# Rows of each cluster that are summed together, so that the costs of each cluster are repaid.
ROWS_OF_EACH = 32


class _Search(LloydRun):
    """What runs have that sweep over the rows, and whose sums are taken about `origin`."""

    def __init__(self, rows: Source, weights: Array | None, engine: Engine, origin: Origin) -> None:
        self.rows = rows
        self.weights = weights
        self.engine = engine
        self.origin = origin
        self._totals: ClusterTotals

    @property
    def totals(self) -> ClusterTotals:
        """Return the totals of the clusters in the last step."""
        return self._totals


@final
class FullSearch(_Search):
    """Searches and sums every row in every iteration."""

    def step(self, centers: Array) -> Move:
        """Assign every row to its nearest centre, and move each centre to the mean of its rows."""
        prepared = prepare(centers, self.origin)
        step = partial(self.engine.assign_and_sum, prepared=prepared)
        size = self.engine.block_rows(*centers.shape)
        self._totals = self.rows.fold(step, self.weights, block_rows=size)
        return move(prepared, self._totals)

    def labels(self, centers: Array) -> None:
        """Return None: this run keeps no labels."""


@final
class DeferredSearch(_Search):
    """Searches every row in every iteration, decides what that leaves, and then sums all rows.

    Which rows a product leaves undecided is known to the device alone, and to ask is to wait for
    it. So an accelerator decides as many rows as there were in the iteration before, and some more,
    unseen; how many that left over is told together with where the centres move. If any, which is
    rare, they are decided then, and all rows are summed again.

    Parameters
    ----------
    rows : Source
        In memory.
    weights, engine, origin
        As `FullSearch` has them.
    unseen : bool
        Whether rows are decided unseen.
    """

    def __init__(
        self, rows: Source, weights: Array | None, engine: Engine, origin: Origin, *, unseen: bool
    ) -> None:
        super().__init__(rows, weights, engine, origin)
        # For how many undecided rows there is room, unseen; None where the device is asked.
        self._room = nearest.first_room(rows.shape[0]) if unseen else None

    def step(self, centers: Array) -> Move:
        """Assign every row to its nearest centre, and move each centre to the mean of its rows."""
        prepared = prepare(centers, self.origin)
        labels, room = self._shortlist(prepared), self._room
        if room is None:
            return self._move(self._decide(labels, prepared), prepared)
        undecided = nearest.count_undecided(labels)
        labels = self._decide_unseen(labels, prepared, room)
        moved = self._move(labels, prepared, undecided, nearest.count_undecided(labels))
        count, left = map(int, moved.told)
        self._room = nearest.room_for(count, self.rows.shape[0])
        if left == 0:
            return moved
        if left > max(0, count - room):  # Some had too many candidates.
            self._room = None
        return self._move(self._decide(labels, prepared), prepared)

    def labels(self, centers: Array) -> Array:
        """Return the labels of all rows."""
        prepared = prepare(centers, self.origin)
        return self._decide(self._shortlist(prepared), prepared)

    def _shortlist(self, prepared: PreparedCenters) -> Array:
        """Return the labels of all rows, -1 where a product leaves several candidates."""
        step = partial(_shortlist_step, prepared=prepared)
        return self.rows.map(step, block_rows=self._block_rows(prepared))[0]

    def _decide(self, labels: Array, prepared: PreparedCenters) -> Array:
        """Return the labels of all rows, of which those that are -1 are decided now."""
        count, n = int(nearest.count_undecided(labels)), self.rows.shape[0]
        if count:
            labels = self._decide_unseen(labels, prepared, nearest.rounded_up(count, n))
            if int(nearest.count_undecided(labels)):
                step, size = partial(_decide_step, prepared=prepared), self._block_rows(prepared)
                (labels,) = self.rows.map(step, labels, block_rows=size)
        return labels

    def _decide_unseen(self, labels: Array, prepared: PreparedCenters, room: int) -> Array:
        """Return the labels of all rows; the first `room` that are -1 are decided among few."""
        pieces = list(parts(room, self._block_rows(prepared)))
        return nearest.decide_unseen(labels, prepared, self.rows.gather, pieces)

    def _move(self, labels: Array, prepared: PreparedCenters, *tell: Array) -> Move:
        """Sum the rows of each label, and move the centres."""
        (k, d), engine = prepared.centers.shape, self.engine
        step = partial(_sum_step, engine=engine, prepared=prepared)
        size = summed_rows(engine, k, d)
        self._totals = self.rows.fold(step, labels, self.weights, block_rows=size)
        return move(prepared, self._totals, *tell)

    def _block_rows(self, prepared: PreparedCenters) -> int:
        return self.engine.block_rows(*prepared.centers.shape)


def summed_rows(engine: Engine, k: int, d: int) -> int:
    """Return how many rows are summed at a time where they are not searched then.

    As many entries as a product of all rows may have, where there are few clusters.
    """
    return max(engine.block_rows(min(k, FEW), d), ROWS_OF_EACH * k)


def full_search(
    rows: Source, weights: Array | None, engine: Engine, origin: Origin, *, unseen: bool = False
) -> LloydRun:
    """Return a run that searches all rows in every iteration.

    Where to ask the device takes long, rows that a product leaves undecided are decided `unseen`.
    """
    if rows.in_memory:
        return DeferredSearch(rows, weights, engine, origin, unseen=unseen)
    return FullSearch(rows, weights, engine, origin)


@final
class BoundedSearch(_Search):
    """Searches the rows whose bounds no longer hold, and sums those that change their label."""

    def __init__(
        self, rows: Source, weights: Array | None, engine: Engine, origin: Origin, bounds: Bounds
    ) -> None:
        super().__init__(rows, weights, engine, origin)
        self.bounds = bounds
        self._totals = ClusterTotals.none(len(bounds.drift_limits), rows.shape[1])

    def step(self, centers: Array) -> Move:
        """Assign every row to its nearest centre, and move each centre to the mean of its rows."""
        prepared = prepare(centers, self.origin)
        self._assign(prepared)
        return move(prepared, self._totals)

    def labels(self, centers: Array) -> Array:
        """Return the labels of all rows."""
        self._assign(prepare(centers, self.origin))
        return self.bounds.memory[0]

    def _assign(self, prepared: PreparedCenters) -> None:
        """Assign every row to its nearest centre, and add what that changes to the totals."""
        bounds, step = self.bounds, self.bounds.next_step(prepared)
        size = bounds.block_rows
        self._totals += self.rows.fold(step, self.weights, *bounds.memory, block_rows=size)


def _sum_step(
    block: Array, labels: Array, weights: Array | None, *, engine: Engine, prepared: PreparedCenters
) -> ClusterTotals:
    return engine.sum_by_label(block, labels, weights, prepared)


def _shortlist_step(block: Array, *, prepared: PreparedCenters) -> tuple[Array]:
    return (nearest.shortlist(block, prepared),)


def _decide_step(block: Array, labels: Array, *, prepared: PreparedCenters) -> tuple[Array]:
    return (nearest.decide(labels, block, prepared),)
