"""Hamerly bounds: what is remembered of each row from one iteration to the next.

Where centres move little, most rows keep their label for certain and need not be looked at. With
a row whose distance to its own centre is smaller by a gap g than that to any other, the label
holds until its own centre and the fastest of the others have moved g together (Hamerly, "Making
k-means even faster", SDM 2010). Labels stay those of a full search, iteration by iteration.

Bounds live as long as one run, and their memory is written in place by the steps they hand out.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar, final

import numpy as np

from kmeans_xp.kernels.shared.cluster_totals import Changes
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters

# Of a sum of a million squares in float64, and more than rounding takes from it.
ROUNDING = 1e-10
# Totals are summed afresh where so many times more has passed through a cluster than is left in
# it: beyond that, what float64 rounded away could show in its centre.
STIRRED = 2.0**20


Step = Callable[..., Changes]
Derived = TypeVar("Derived")


class Drift:
    """How far centres have moved since a run began, rounded up; (k,) float64 each.

    Attributes
    ----------
    center_drift : ndarray
        The length of each centre's way.
    drift_limits : ndarray
        The same and, iteration by iteration, that of the other centre that moved farthest.
    """

    def __init__(self, k: int) -> None:
        self.center_drift = np.zeros(k)
        self.drift_limits = np.zeros(k)
        self._before: np.ndarray | None = None

    def follow(self, centers: np.ndarray) -> None:
        """Take the centres of the next iteration, (k, d) float64."""
        if self._before is not None:
            difference = centers - self._before
            moved = np.sqrt(np.vecdot(difference, difference)) * (1 + ROUNDING)
            farthest = np.sort(moved)[-2:]
            others = np.where(moved == farthest[-1], farthest[0], farthest[-1])
            self.center_drift = (self.center_drift + moved) * (1 + ROUNDING)
            self.drift_limits = (self.drift_limits + (moved + others)) * (1 + ROUNDING)
        self._before = centers


class Bounds(ABC):
    """What is remembered of each row in one run, and the step of each iteration.

    Attributes
    ----------
    memory : tuple of ndarray
        Row-aligned. First the labels, (n,) int32, -1 before the first iteration; then the bound
        gaps, (n,) float32, each with the drift limit of its label added as it was then.
    block_rows : int
        How many rows a block should have.
    """

    memory: tuple[np.ndarray, ...]

    def __init__(self, k: int, block_rows: int) -> None:
        self.block_rows = block_rows
        self._drift = Drift(k)

    @property
    def drift_limits(self) -> np.ndarray:
        """Return the limits now, (k,): a row keeps its label if its gap is above its label's."""
        return self._drift.drift_limits

    @abstractmethod
    def next_step(self, prepared: PreparedCenters) -> Step:
        """Return the step of an iteration: (block, weights, *memory) -> `Changes`."""


@final
class HamerlyBounds(Bounds, Generic[Derived]):
    """Remembers the bound gap of each row.

    Parameters
    ----------
    advance : callable
        (block, weights, labels, bound_gaps, *beside, prepared, drift_limits, derived) ->
        `Changes`.
    n, k : int
        Rows and centres.
    block_rows : int
        How many rows a block should have.
    derive : callable
        (prepared centres) -> what else a step needs of them, once an iteration.
    beside : tuple of ndarray
        Row-aligned: what else is remembered.
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
    """Return the rows whose gap is used up; a row without a label has none."""
    above = np.nextafter(drift_limits.astype(np.float32), np.float32(np.inf))
    return np.flatnonzero(~(bound_gaps > above.take(labels, mode="wrap")))


def remember(
    bound_gaps: np.ndarray,
    which: np.ndarray | slice,
    bound_gap: np.ndarray,
    labels: np.ndarray,
    drift_limits: np.ndarray,
) -> None:
    """Write new gaps, not above those given, with the drift limits added from which they count."""
    if bound_gap.max(initial=-np.inf) == -np.inf:
        bound_gaps[which] = -np.inf
        return
    bound_gap += np.nextafter(
        drift_limits.astype(bound_gap.dtype), bound_gap.dtype.type(-np.inf)
    ).take(labels[which])
    # More than the sum and the conversion round up, however small the number.
    bound_gap *= 1 - 2.0**-21
    bound_gap -= np.finfo(np.float32).smallest_normal
    bound_gaps[which] = bound_gap


def underflow(rows: np.ndarray) -> float:
    """Return more than squares of a row may lose by being too small."""
    return 16 * rows.shape[1] * float(np.finfo(rows.dtype).smallest_normal)
