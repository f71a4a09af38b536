"""What a kernel remembers of each row from one iteration of a fit to the next.

Where centres move little, most rows keep their label for certain and need not be looked at. With
a row whose distance to its own centre is smaller by a gap g than that to any other, the label
holds until its own centre and the fastest of the others have moved g together (Hamerly, "Making
k-means even faster", SDM 2010). Labels stay those of a full search, iteration by iteration.

A tracker lives as long as one run, and its memory is written in place by the steps it hands out.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, final

import numpy as np

from kmeans_xp.arrays import Totals
from kmeans_xp.kernels.frame import Frame
from kmeans_xp.kernels.projection import Directions, Turn

# Of a sum of a million squares in float64, and more than rounding takes from it.
ROUNDING = 1e-10
# Totals are summed afresh where so many times more has passed through a cluster than is left in
# it: beyond that, what float64 rounded away could show in its centre.
STIRRED = 2.0**20


@dataclass(frozen=True)
class Changes(Totals):
    """What clusters gained and lost since the last iteration.

    Attributes
    ----------
    sums : array of shape (k, d), float64
        Weighted sums of x - origin.
    weights : array of shape (k,), float64
    counts : array of shape (k,), int64
        Rows of positive weight.
    stirred : array of shape (k,), float64
        At least Σ w·max|x - origin| of the rows that came or went: what rounding is relative to.
    """

    sums: np.ndarray
    weights: np.ndarray
    counts: np.ndarray
    stirred: np.ndarray

    @classmethod
    def none(cls, k: int, d: int) -> Self:
        """Return what is to be added to where nothing changed."""
        return cls(np.zeros((k, d)), np.zeros(k), np.zeros(k, np.int64), np.zeros(k))


Step = Callable[..., Changes]


class Drift:
    """How far centres have moved since a fit began, rounded up; (k,) float64 each.

    Attributes
    ----------
    own : ndarray
        Each centre's way.
    limits : ndarray
        Each centre's way and, iteration by iteration, that of the other one that moved farthest.
    """

    def __init__(self, k: int) -> None:
        self.own = np.zeros(k)
        self.limits = np.zeros(k)
        self._before: np.ndarray | None = None

    def follow(self, centers: np.ndarray) -> None:
        """Take the centres of the next iteration, (k, d) float64."""
        if self._before is not None:
            step = centers - self._before
            way = np.sqrt(np.vecdot(step, step)) * (1 + ROUNDING)
            farthest = np.sort(way)[-2:]
            others = np.where(way == farthest[-1], farthest[0], farthest[-1])
            self.own = (self.own + way) * (1 + ROUNDING)
            self.limits = (self.limits + (way + others)) * (1 + ROUNDING)
        self._before = centers


class Tracker(ABC):
    """The memory of one run, and the step that each iteration takes with it.

    Attributes
    ----------
    memory : tuple
        Row-aligned. First the labels, (n,) int32, -1 before the first iteration; then the gaps,
        (n,) float32, each with the limit of its label added as it was then.
    block_rows : int
        How many rows a block should have.
    """

    memory: tuple[Any, ...]

    def __init__(self, k: int, block_rows: int) -> None:
        self.block_rows = block_rows
        self._drift = Drift(k)

    @property
    def limits(self) -> np.ndarray:
        """Return the limits now, (k,): a row keeps its label if its gap is above its label's."""
        return self._drift.limits

    @abstractmethod
    def turn(self, frame: Frame) -> Step:
        """Return the step of an iteration: (block, weights, *memory) -> `Changes`."""


@final
class GapTracker(Tracker):
    """Remembers each row's gap.

    Parameters
    ----------
    advance : callable
        (block, weights, labels, gaps, *beside, frame, limits, **about) -> `Changes`.
    n, k : int
        Rows and centres.
    block_rows : int
        How many rows a block should have.
    about : callable
        (frame) -> what else a step is told of the centres, by name.
    beside : tuple of ndarray
        Row-aligned: what else it remembers.
    """

    def __init__(
        self,
        advance: Step,
        n: int,
        k: int,
        *,
        block_rows: int,
        about: Callable[[Frame], dict[str, Any]],
        beside: tuple[np.ndarray, ...] = (),
    ) -> None:
        super().__init__(k, block_rows)
        self.memory = np.full(n, -1, np.int32), np.full(n, -np.inf, np.float32), *beside
        self._advance = advance
        self._about = about

    def turn(self, frame: Frame) -> Step:
        """Return the step of an iteration."""
        self._drift.follow(frame.wide_centers)
        return partial(self._advance, frame=frame, limits=self.limits, **self._about(frame))


@final
class ProjectionTracker(Tracker):
    """Remembers each row's gap, how far it is from its centre, and its short row.

    Parameters
    ----------
    advance : callable
        (block, weights, labels, gaps, reach, short, *, turn) -> `Changes`.
    n, k : int
        Rows and centres.
    block_rows : int
        How many rows a block should have.
    directions : Directions
        In which short rows are taken.
    dtype : dtype
        Of the rows.
    """

    def __init__(
        self,
        advance: Step,
        n: int,
        k: int,
        *,
        block_rows: int,
        directions: Directions,
        dtype: Any,
    ) -> None:
        super().__init__(k, block_rows)
        self.memory = (
            np.full(n, -1, np.int32),
            np.full(n, -np.inf, np.float32),
            np.full(n, np.inf, np.float32),
            np.empty((n, directions.width), dtype),
        )
        self._advance = advance
        self._directions = directions

    def turn(self, frame: Frame) -> Step:
        """Return the step of an iteration."""
        self._drift.follow(frame.wide_centers)
        directions, ways = self._directions, self._drift.own
        short = directions.centers(frame.wide_centers, frame.centers.dtype)
        return partial(self._advance, turn=Turn(frame, self.limits, ways, directions, short))
