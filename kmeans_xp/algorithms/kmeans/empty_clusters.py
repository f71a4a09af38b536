"""Clusters that lost all their rows, and where they go."""

from functools import partial
from typing import Literal, get_args

import numpy as np

from kmeans_xp.algorithms.seeding.fit import random_rows
from kmeans_xp.arrays import Array, namespace_of, to_host
from kmeans_xp.kernels.interface import Engine
from kmeans_xp.kernels.shared.cluster_totals import ClusterTotals
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
    sums, cluster_weights = to_host(totals.sums).copy(), to_host(totals.weights).copy()
    empty = np.flatnonzero(cluster_weights == 0)
    step = partial(_nearest_step, engine=engine, prepared=prepared)
    size = engine.block_rows(*prepared.centers.shape)
    labels, distances = rows.map(step, weights, block_rows=size)
    count = len(empty) if choice == "farthest" else 1
    indices = _far(rows, prepared, distances, rows.largest(distances, count))
    if not indices:
        return totals
    if choice == "random":
        indices = random_rows(rows, len(empty), weights, generator)
    shifted = to_host(rows.take(indices)).astype(sums.dtype) - to_host(prepared.origin)
    moved = np.ones(len(indices)) if weights is None else rows.pick(weights, indices)
    for j, x, w, old in zip(empty, shifted, moved, rows.pick(labels, indices), strict=False):
        _take_away(sums, cluster_weights, int(old), w, x)
        sums[j], cluster_weights[j] = w * x, w
    return ClusterTotals(rows.small(sums), rows.small(cluster_weights))


def _far(rows: Rows, prepared: PreparedCenters, distances: Array, indices: list[int]) -> list[int]:
    """Return those rows that are farther from their centres than rounding puts means of one row.

    Else clusters would take turns at rows that coincide, for ever.
    """
    eps = float(rows.xp.finfo(distances.dtype).eps)
    x = to_host(rows.take(indices)).astype(np.float64)
    shifted = x - to_host(prepared.origin)
    x *= 4 * eps
    shifted *= 4 * eps * SUMMED
    rounding = np.vecdot(x, x) + np.vecdot(shifted, shifted)
    far = rows.pick(distances, indices) > rounding
    return [i for i, is_far in zip(indices, far, strict=True) if is_far]


def _take_away(
    sums: np.ndarray, cluster_weights: np.ndarray, old: int, w: float, x: np.ndarray
) -> None:
    """Take a row of weight `w` from cluster `old`; what only rounding leaves is nothing."""
    before = cluster_weights[old]
    sums[old] -= w * x
    cluster_weights[old] -= w
    if cluster_weights[old] <= 1e-12 * before:
        sums[old], cluster_weights[old] = 0, 0


def _nearest_step(
    block: Array, weights: Array | None, *, engine: Engine, prepared: PreparedCenters
) -> tuple[Array, Array]:
    """Return labels and squared distances; a row without weight is at its centre."""
    labels, distances = engine.nearest(block, prepared)
    if weights is None:
        return labels, distances
    xp = namespace_of(block)
    return labels, xp.where(weights > 0, distances, xp.zeros_like(distances))
