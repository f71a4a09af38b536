"""Hamerly bounds, which tell from one iteration to the next which rows keep their label.

The gap of a row is the distance to the nearest other centre less the distance to its own. The label
holds until its own centre and the fastest of the others have moved that far together (Hamerly,
"Making k-means even faster", SDM 2010). So where centres move little, most rows need no search, and
labels are those of a full search in every iteration.

A run has one `Bounds`, whose steps write its memory in place.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar, final

import numpy as np

from kmeans_xp.kernels.shared.cluster_totals import ClusterTotals
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters

# More than the relative rounding error of a sum of a million squares in float64.
ROUNDING = 1e-10

Step = Callable[..., ClusterTotals]
Derived = TypeVar("Derived")


class Drift:
    """How far centres have moved since a run began, rounded up; (k,) float64 each.

    Attributes
    ----------
    center_drift : ndarray
        The distances that each centre moved, added up over the iterations.
    drift_limits : ndarray
        The same, plus the distance of that other centre which moved farthest in each iteration.
    """

    def __init__(self, k: int) -> None:
        self.center_drift = np.zeros(k)
        self.drift_limits = np.zeros(k)
        self._before: np.ndarray | None = None

    def follow(self, centers: np.ndarray) -> None:
        """Add how far centres moved to be those of the next iteration, (k, d) float64."""
        if self._before is not None:
            difference = centers - self._before
            moved = np.sqrt(np.vecdot(difference, difference)) * (1 + ROUNDING)
            farthest = np.sort(moved)[-2:]
            others = np.where(moved == farthest[-1], farthest[0], farthest[-1])
            self.center_drift = (self.center_drift + moved) * (1 + ROUNDING)
            self.drift_limits = (self.drift_limits + (moved + others)) * (1 + ROUNDING)
        self._before = centers


class Bounds(ABC):
    """The bounds of each row in one run, and the step of each iteration.

    Attributes
    ----------
    memory : tuple of ndarray
        Row-aligned. First the labels, (n,) int32, -1 before the first iteration; then lower bounds
        of the gaps, (n,) float32, each plus its label's drift limit at the time.
    block_rows : int
        How many rows a block should have.
    """

    memory: tuple[np.ndarray, ...]

    def __init__(self, k: int, block_rows: int) -> None:
        self.block_rows = block_rows
        self._drift = Drift(k)

    @property
    def drift_limits(self) -> np.ndarray:
        """Return the limits now, (k,): rows whose bound gap is above their label's keep it."""
        return self._drift.drift_limits

    @abstractmethod
    def next_step(self, prepared: PreparedCenters) -> Step:
        """Return the step of an iteration: (block, weights, *memory) -> `ClusterTotals`."""


@final
class HamerlyBounds(Bounds, Generic[Derived]):
    """Bounds of one gap for each row.

    Parameters
    ----------
    advance : callable
        (block, weights, labels, bound_gaps, *beside, prepared, drift_limits, derived) ->
        `ClusterTotals`, what clusters gained less what they lost.
    n, k : int
        Rows and centres.
    block_rows : int
        How many rows a block should have.
    derive : callable
        (prepared centres) -> what a step needs of them besides, once an iteration.
    beside : tuple of ndarray
        Row-aligned memory of the steps, besides labels and gaps.
    """

    def __init__(
        self,
        advance: Step,
        n: int,
        k: int,
        *,
        block_rows: int,
        derive: Callable[[PreparedCenters], Derived],
        beside: tuple[np.ndarray, ...] = (),
    ) -> None:
        super().__init__(k, block_rows)
        self.memory = np.full(n, -1, np.int32), np.full(n, -np.inf, np.float32), *beside
        self._advance = advance
        self._derive = derive

    def next_step(self, prepared: PreparedCenters) -> Step:
        """Return the step of an iteration."""
        self._drift.follow(prepared.wide_centers)
        return partial(
            self._advance,
            prepared=prepared,
            drift_limits=self.drift_limits,
            derived=self._derive(prepared),
        )


def unsettled(labels: np.ndarray, bound_gaps: np.ndarray, drift_limits: np.ndarray) -> np.ndarray:
    """Return the indices of rows whose label may change: the drift limit has reached their gap."""
    above = np.nextafter(drift_limits.astype(np.float32), np.float32(np.inf))
    return np.flatnonzero(~(bound_gaps > above.take(labels, mode="wrap")))


def remember(
    bound_gaps: np.ndarray,
    which: np.ndarray | slice,
    new_gaps: np.ndarray,
    labels: np.ndarray,
    drift_limits: np.ndarray,
) -> None:
    """Write new gaps, plus the drift limits of their labels, rounded down; overwrite `new_gaps`."""
    if new_gaps.max(initial=-np.inf) == -np.inf:
        bound_gaps[which] = -np.inf
        return
    below = np.nextafter(drift_limits.astype(new_gaps.dtype), new_gaps.dtype.type(-np.inf))
    new_gaps += below.take(labels[which])
    # More than the sum and the conversion round up, however small the number.
    new_gaps *= 1 - 2.0**-21
    new_gaps -= np.finfo(np.float32).smallest_normal
    bound_gaps[which] = new_gaps


def underflow(rows: np.ndarray) -> float:
    """Return more than the sum of a row's squares may lose to underflow."""
    return 16 * rows.shape[1] * float(np.finfo(rows.dtype).smallest_normal)
