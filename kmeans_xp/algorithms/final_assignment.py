"""The last assignment of a fit, so that labels, inertia and centres belong together."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np

from kmeans_xp.arrays import Array, Totals
from kmeans_xp.kernels.interface import Engine
from kmeans_xp.kernels.shared.binned_sums import BinnedSum
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters
from kmeans_xp.rows.base import Rows
from kmeans_xp.rows.checks import range_error


@dataclass(frozen=True)
class Assignment:
    """Labels, (n,) where the rows live; their inertia; and rows of each cluster, (k,)."""

    labels: Array
    inertia: float
    sizes: Array

    def checked(self, rows: Rows) -> Self:
        """Return itself; refuse an inertia that overflowed."""
        if not np.isfinite(self.inertia):
            raise range_error(rows, f"its inertia is {self.inertia}", "Divide")
        return self


@dataclass(frozen=True)
class _Ended(Totals):
    inertia: BinnedSum
    sizes: Array


Search = Callable[[Array], Array]


def assigned(
    rows: Rows,
    weights: Array | None,
    prepared: PreparedCenters,
    engine: Engine,
    *,
    search: Search | None = None,
    labels: Array | None = None,
    block_rows: int | None = None,
    common: float = 1.0,
) -> Assignment:
    """Assign every row to its nearest centre, or to the one that `search` of a block finds.

    Where `labels` are known already, they are taken over. The inertia is by direct differences;
    without `weights` each row has the `common` one.
    """
    step = partial(
        _settle_step, engine=engine, prepared=prepared, search=search, count=rows.shape[0]
    )
    size = block_rows or engine.block_rows(*prepared.centers.shape)
    ended, (labels,) = rows.sweep(step, weights, labels, block_rows=size, spare=labels)
    return Assignment(labels, common * ended.inertia.total(), ended.sizes)


def _settle_step(
    block: Array,
    weights: Array | None,
    labels: Array | None,
    *,
    engine: Engine,
    prepared: PreparedCenters,
    search: Search | None,
    count: int,
) -> tuple[_Ended, tuple[Array]]:
    if labels is None and search is not None:
        labels = search(block)
    if labels is None:
        labels, distances = engine.nearest(block, prepared)
    else:
        distances = engine.own_distances(block, prepared, labels)
    costs = distances if weights is None else distances * weights
    sizes = engine.count(labels, prepared.centers.shape[0])
    return _Ended(engine.binned_sum(costs, count), sizes), (labels,)
