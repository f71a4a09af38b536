"""An iteration of Lloyd's algorithm: of all rows afresh, or by what changed."""

from abc import ABC, abstractmethod
from functools import partial
from typing import final

from kmeans_xp.arrays import Array, namespace_of
from kmeans_xp.kernels.interface import Engine, FusedIteration
from kmeans_xp.kernels.shared import cluster_totals as shared_cluster_totals
from kmeans_xp.kernels.shared.cluster_totals import Changes, ClusterTotals, Move
from kmeans_xp.kernels.shared.hamerly import STIRRED, Bounds
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters, prepare
from kmeans_xp.rows.base import Rows


class LloydRun(ABC):
    """The iterations of one run.

    Attributes
    ----------
    totals : ClusterTotals
        Of the last step.
    """

    totals: ClusterTotals

    @abstractmethod
    def step(self, centers: Array) -> Move:
        """Assign every row to its nearest centre, and move each centre to the mean of its rows."""

    @abstractmethod
    def labels(self, centers: Array) -> Array | None:
        """Return the labels of all rows; None if they are not to be had for less than a search."""


class Summing(LloydRun):
    """Iterations that sum blocks of rows, about an origin amid them."""

    def __init__(self, rows: Rows, weights: Array | None, kernel: Engine, origin: Array) -> None:
        self.rows = rows
        self.weights = weights
        self.kernel = kernel
        self.origin = origin

    def step(self, centers: Array) -> Move:
        """Assign every row to its nearest centre, and move each centre to the mean of its rows."""
        prepared = prepare(centers, self.origin)
        self.totals = self.add_up(prepared)
        return shared_cluster_totals(prepared, self.totals)

    @abstractmethod
    def add_up(self, prepared: PreparedCenters) -> ClusterTotals:
        """Assign every row to its nearest centre, and return the totals of the clusters."""


@final
class Afresh(Summing):
    """Searches and sums every row in every iteration, and remembers nothing."""

    def add_up(self, prepared: PreparedCenters) -> ClusterTotals:
        """Assign every row to its nearest centre, and return the totals of the clusters."""
        step = partial(_afresh_step, kernel=self.kernel, prepared=prepared)
        size = self.kernel.block_rows(*prepared.centers.shape)
        return self.rows.fold(step, self.weights, block_rows=size)

    def labels(self, centers: Array) -> None:
        """Return nothing: no labels are kept."""


def _afresh_step(
    block: Array, weights: Array | None, *, kernel: Engine, prepared: PreparedCenters
) -> ClusterTotals:
    labels = kernel.labels(block, prepared)
    return ClusterTotals(*kernel.sum_by_label(block, labels, weights, prepared))


@final
class Following(Summing):
    """Searches rows whose label may change, and sums those that change it."""

    def __init__(
        self,
        rows: Rows,
        weights: Array | None,
        kernel: Engine,
        origin: Array,
        tracker: Bounds,
    ) -> None:
        super().__init__(rows, weights, kernel, origin)
        self.tracker = tracker
        # Since totals were summed afresh: what changed, and the heaviest that clusters were.
        self._held: Changes | None = None
        self._heaviest: Array | None = None

    def add_up(self, prepared: PreparedCenters) -> ClusterTotals:
        """Assign every row to its nearest centre, and return the totals of the clusters."""
        tracker, step = self.tracker, self.tracker.turn(prepared)
        size = tracker.block_rows
        held = self.rows.fold(step, self.weights, *tracker.memory, block_rows=size)
        if self._held is not None:
            held = self._held + held
        if self._doubtful(held):
            held = self._afresh(held, prepared)
        self._held = held
        xp, some = namespace_of(held.sums), held.counts > 0
        if bool(xp.all(some)):
            return ClusterTotals(held.sums, held.weights)
        # Where no row is left, only rounding is.
        return ClusterTotals(
            xp.where(some[:, None], held.sums, 0.0), xp.where(some, held.weights, 0.0)
        )

    def labels(self, centers: Array) -> Array:
        """Return the labels of all rows."""
        self.add_up(prepare(centers, self.origin))
        return self.tracker.memory[0]

    def _doubtful(self, held: Changes) -> bool:
        """Whether some cluster's totals are too small beside what passed through it."""
        xp = namespace_of(held.sums)
        left = xp.max(xp.abs(held.sums), axis=1)
        lost = held.rounding_mass > STIRRED * left
        # Without weights, counts are what is added up, and nothing is lost of them.
        if self.weights is not None:
            heaviest = held.weights if self._heaviest is None else self._heaviest
            self._heaviest = xp.maximum(heaviest, held.weights)
            lost = lost | (self._heaviest > STIRRED * held.weights)
        return bool(xp.any(lost)) and bool(xp.any(lost & (held.counts > 0)))

    def _afresh(self, held: Changes, prepared: PreparedCenters) -> Changes:
        """Sum all rows by the labels that they have."""
        size = self.kernel.block_rows(*prepared.centers.shape)
        step = partial(_sum_step, kernel=self.kernel, prepared=prepared)
        labels = self.tracker.memory[0]
        totals = self.rows.fold(step, labels, self.weights, block_rows=size)
        self._heaviest = totals.weights
        xp = namespace_of(held.rounding_mass)
        return Changes(totals.sums, totals.weights, held.counts, xp.zeros_like(held.rounding_mass))


def _sum_step(
    block: Array, labels: Array, weights: Array | None, *, kernel: Engine, prepared: PreparedCenters
) -> ClusterTotals:
    return ClusterTotals(*kernel.sum_by_label(block, labels, weights, prepared))


@final
class AtOnce(LloydRun):
    """Leaves whole iterations to the kernel."""

    def __init__(self, stepper: FusedIteration) -> None:
        self.stepper = stepper

    @property
    def totals(self) -> ClusterTotals:  # type: ignore[override]
        """Return the totals of the clusters after the last step."""
        return self.stepper.totals

    def step(self, centers: Array) -> Move:
        """Assign every row to its nearest centre, and move each centre to the mean of its rows."""
        return self.stepper.step(centers)

    def labels(self, centers: Array) -> Array:
        """Return the labels of all rows."""
        self.stepper.step(centers)
        return self.stepper.labels
