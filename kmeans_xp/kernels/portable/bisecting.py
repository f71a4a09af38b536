"""Two-means of rows that are divided in two, in the array-API standard alone."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import final

import numpy as np

from kmeans_xp.arrays import Array, namespace_of, to_host
from kmeans_xp.kernels.interface import HalfGains, Halves, HalvesTask, Pair
from kmeans_xp.kernels.portable import nearest
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters, prepare


@final
@dataclass(frozen=True)
class PortablePair(Pair):
    """Two centres, prepared for blocks of rows."""

    prepared: PreparedCenters

    def labels(self, block: Array) -> Array:
        """Return the index of the nearer centre of each row, (B,) integers; 0 if both are."""
        return nearest.labels(block, self.prepared)

    def gains(self, block: Array, before: Array | None, about: Array) -> tuple[HalfGains, Array]:
        """Return what the second centre gained since the labels `before`, and the labels now."""
        xp, labels = namespace_of(block), self.labels(block)
        change = labels if before is None else labels - before
        (where,) = xp.nonzero(change)
        signs = xp.astype(xp.take(change, where), about.dtype)
        changed = xp.astype(xp.take(block, where, axis=0), about.dtype, copy=False) - about
        return HalfGains(xp.sum(signs), signs @ changed), labels


def pair(centers: Array, max_norm: float | None) -> PortablePair:
    """Prepare two centres, (2, d). The largest norm of the rows is of use to other engines only."""
    return PortablePair(prepare(centers))


@final
class SweptHalves(Halves):
    """Compares every row with both centres in every iteration, and keeps its label alone.

    Parameters
    ----------
    task : HalvesTask
    pair : callable
        (centers, max_norm) -> `Pair`.
    """

    def __init__(self, task: HalvesTask, pair: Callable[[Array, float | None], Pair]) -> None:
        self._task = task
        self._pair = pair
        self._labels: Array | None = None

    def start(self, centers: Array) -> None:
        """Begin a run from two centres."""
        self._labels = None

    def gains(self, centers: Array) -> tuple[HalfGains, Array]:
        """Return what the second half gained since the last call, and all labels."""
        task, max_norm = self._task, self._task.max_norm
        if max_norm is not None:
            # A start may be farther than any row.
            wide = to_host(centers).astype(np.float64)
            max_norm = max(max_norm, float(np.linalg.norm(wide, axis=1).max()))
        step = partial(_gains_step, pair=self._pair(centers, max_norm), about=task.about)
        gains, (self._labels,) = task.rows.sweep(step, self._labels, block_rows=task.block_rows)
        xp = task.rows.xp
        # One transfer from the device for both.
        host = to_host(xp.concat([xp.reshape(gains.size, (1,)), gains.sums]))
        return HalfGains(host[0], host[1:].astype(np.float64, copy=False)), self._labels

    def squares(self) -> None:
        """Return None: the squared distances are not computed."""


def halves(task: HalvesTask) -> SweptHalves:
    """Return the rows that are to be divided."""
    return SweptHalves(task, pair)


def _gains_step(
    block: Array, before: Array | None, *, pair: Pair, about: Array
) -> tuple[HalfGains, tuple[Array]]:
    gains, labels = pair.gains(block, before, about)
    return gains, (labels,)
