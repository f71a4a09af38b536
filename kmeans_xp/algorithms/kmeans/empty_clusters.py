"""Clusters that lost all their rows, and where they go."""

from functools import partial
from typing import Literal, get_args

import numpy as np

from kmeans_xp.algorithms.seeding.fit import random_rows
from kmeans_xp.arrays import Array, namespace_of, to_host
from kmeans_xp.kernels.interface import Engine
from kmeans_xp.kernels.shared.cluster_totals import ClusterTotals
from kmeans_xp.kernels.shared.exact_sums import Grids, split
from kmeans_xp.kernels.shared.ordered_sums import ordered_sum
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters
from kmeans_xp.rows.base import Rows

EmptyClusters = Literal["farthest", "random"]
CHOICES = get_args(EmptyClusters)
# How much more a sum of many rows about the origin is rounded than what it is added to.
SUMMED = 256


def relocate(
    rows: Rows,
    weights: Array | None,
    prepared: PreparedCenters,
    totals: ClusterTotals,
    engine: Engine,
    *,
    choice: str,
    generator: np.random.Generator,
) -> ClusterTotals:
    """Give each empty cluster one row, which its old cluster loses.

    With "farthest", the rows farthest from their centres, as scikit-learn does; a row at its
    centre, but for rounding, stays there, so that a cluster can remain empty where rows coincide.
    With "random", any rows, unless all are at their centres: then nothing is left to gain, and
    clusters would take turns at rows for ever.
    """
    # Totals are small, and this is rare: on the host it is the same for every backend.
    on_host = ClusterTotals(to_host(totals.high).copy(), to_host(totals.low).copy())
    empty = np.flatnonzero(on_host.weights == 0)
    step = partial(_nearest_step, engine=engine, prepared=prepared)
    size = engine.block_rows(*prepared.centers.shape)
    labels, distances = rows.map(step, weights, block_rows=size)
    count = len(empty) if choice == "farthest" else 1
    indices = _far(rows, prepared, distances, rows.largest(distances, count))
    if not indices:
        return totals
    if choice == "random":
        indices = random_rows(rows, len(empty), weights, generator)
    moved = None if weights is None else rows.pick(weights, indices)
    high, low = _addends(rows, prepared, indices, moved)
    for j, i, old in zip(empty, range(len(indices)), rows.pick(labels, indices), strict=False):
        for sums, addend in ((on_host.high, high[i]), (on_host.low, low[i])):
            sums[old] -= addend
            sums[j] = addend
    return ClusterTotals(rows.small(on_host.high), rows.small(on_host.low))


def _addends(
    rows: Rows, prepared: PreparedCenters, indices: list[int], weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return what rows add to clusters on each grid, (m, d + 1) on the host."""
    wide = to_host(prepared.wide_origin)
    shifted = to_host(rows.take(indices)).astype(wide.dtype) - wide
    column = np.ones((len(indices), 1), wide.dtype) if weights is None else weights[:, None]
    addends = np.hstack([shifted * column, column])
    if prepared.grids is None:
        return addends, np.zeros_like(addends)
    return split(addends, Grids(*map(to_host, prepared.grids)))


def _far(rows: Rows, prepared: PreparedCenters, distances: Array, indices: list[int]) -> list[int]:
    """Return those rows that are farther from their centres than rounding puts means of one row.

    Else clusters would take turns at rows that coincide, for ever.
    """
    eps = float(rows.xp.finfo(distances.dtype).eps)
    x = to_host(rows.take(indices)).astype(np.float64)
    shifted = x - to_host(prepared.origin)
    x *= 4 * eps
    shifted *= 4 * eps * SUMMED
    rounding = ordered_sum(x * x) + ordered_sum(shifted * shifted)
    far = rows.pick(distances, indices) > rounding
    return [i for i, is_far in zip(indices, far, strict=True) if is_far]


def _nearest_step(
    block: Array, weights: Array | None, *, engine: Engine, prepared: PreparedCenters
) -> tuple[Array, Array]:
    """Return labels and squared distances; a row without weight is at its centre."""
    labels, distances = engine.nearest(block, prepared)
    if weights is None:
        return labels, distances
    xp = namespace_of(block)
    return labels, xp.where(weights > 0, distances, xp.zeros_like(distances))
