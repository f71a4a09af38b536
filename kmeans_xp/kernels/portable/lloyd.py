"""Runs of Lloyd's algorithm block by block, which search all rows or those that bounds leave."""

from functools import partial
from typing import final

from kmeans_xp.arrays import Array, namespace_of
from kmeans_xp.kernels.interface import Engine, LloydRun, Source
from kmeans_xp.kernels.portable import nearest
from kmeans_xp.kernels.portable.sums import FEW
from kmeans_xp.kernels.shared.blocks import parts
from kmeans_xp.kernels.shared.cluster_totals import Changes, ClusterTotals, Move, move
from kmeans_xp.kernels.shared.hamerly import CANCELLATION_LIMIT, Bounds
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters, prepare

# Rows of each cluster that are summed together, so that the costs of each cluster are repaid.
ROWS_OF_EACH = 32


class _Search(LloydRun):
    """What runs have that sweep over the rows, and whose sums are taken about `origin`, (d,)."""

    def __init__(self, rows: Source, weights: Array | None, engine: Engine, origin: Array) -> None:
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
        self, rows: Source, weights: Array | None, engine: Engine, origin: Array, *, unseen: bool
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
        # As many entries as a product of all rows may have, where there are few clusters.
        size = max(engine.block_rows(min(k, FEW), d), ROWS_OF_EACH * k)
        self._totals = self.rows.fold(step, labels, self.weights, block_rows=size)
        return move(prepared, self._totals, *tell)

    def _block_rows(self, prepared: PreparedCenters) -> int:
        return self.engine.block_rows(*prepared.centers.shape)


def full_search(
    rows: Source, weights: Array | None, engine: Engine, origin: Array, *, unseen: bool = False
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
        self, rows: Source, weights: Array | None, engine: Engine, origin: Array, bounds: Bounds
    ) -> None:
        super().__init__(rows, weights, engine, origin)
        self.bounds = bounds
        # All changes so far; and each cluster's largest weight since all rows were last summed.
        self._sums_so_far: Changes | None = None
        self._heaviest: Array | None = None

    def step(self, centers: Array) -> Move:
        """Assign every row to its nearest centre, and move each centre to the mean of its rows."""
        prepared = prepare(centers, self.origin)
        self._totals = self._assign(prepared)
        return move(prepared, self._totals)

    def labels(self, centers: Array) -> Array:
        """Return the labels of all rows."""
        self._assign(prepare(centers, self.origin))
        return self.bounds.memory[0]

    def _assign(self, prepared: PreparedCenters) -> ClusterTotals:
        """Assign every row to its nearest centre, and return the totals of the clusters."""
        bounds, step = self.bounds, self.bounds.next_step(prepared)
        size = bounds.block_rows
        sums = self.rows.fold(step, self.weights, *bounds.memory, block_rows=size)
        if self._sums_so_far is not None:
            sums = self._sums_so_far + sums
        if self._lost_digits(sums):
            sums = self._sum_afresh(sums, prepared)
        self._sums_so_far = sums
        xp, occupied = namespace_of(sums.sums), sums.counts > 0
        if bool(xp.all(occupied)):
            return ClusterTotals(sums.sums, sums.weights)
        # Where no row remains, the sums are rounding errors.
        return ClusterTotals(
            xp.where(occupied[:, None], sums.sums, 0.0), xp.where(occupied, sums.weights, 0.0)
        )

    def _lost_digits(self, sums: Changes) -> bool:
        """Return whether a cluster's totals are too small beside the rows that came and went."""
        xp = namespace_of(sums.sums)
        remaining = xp.max(xp.abs(sums.sums), axis=1)
        lost = sums.rounding_mass > CANCELLATION_LIMIT * remaining
        # Without weights the totals are counts, which are exact.
        if self.weights is not None:
            heaviest = sums.weights if self._heaviest is None else self._heaviest
            self._heaviest = xp.maximum(heaviest, sums.weights)
            lost = lost | (self._heaviest > CANCELLATION_LIMIT * sums.weights)
        return bool(xp.any(lost)) and bool(xp.any(lost & (sums.counts > 0)))

    def _sum_afresh(self, sums: Changes, prepared: PreparedCenters) -> Changes:
        """Sum all rows by the labels that they have."""
        size = self.engine.block_rows(*prepared.centers.shape)
        step = partial(_sum_step, engine=self.engine, prepared=prepared)
        totals = self.rows.fold(step, self.bounds.memory[0], self.weights, block_rows=size)
        self._heaviest = totals.weights
        none = namespace_of(sums.sums).zeros_like(sums.rounding_mass)
        return Changes(totals.sums, totals.weights, sums.counts, none)


def _sum_step(
    block: Array, labels: Array, weights: Array | None, *, engine: Engine, prepared: PreparedCenters
) -> ClusterTotals:
    return ClusterTotals(*engine.sum_by_label(block, labels, weights, prepared))


def _shortlist_step(block: Array, *, prepared: PreparedCenters) -> tuple[Array]:
    return (nearest.shortlist(block, prepared),)


def _decide_step(block: Array, labels: Array, *, prepared: PreparedCenters) -> tuple[Array]:
    return (nearest.decide(labels, block, prepared),)
