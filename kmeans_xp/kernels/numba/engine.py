"""The engine for NumPy arrays where Numba is: compiled operations that are loaded, NumPy's else.

Nothing here loads or compiles anything; `kmeans_xp.kernels.choose` does, where that pays. Modules
of compiled functions import Numba, so they are imported only where they are loaded.
"""

from collections.abc import Sequence

import numpy as np
from array_api_compat import is_numpy_namespace

from kmeans_xp.arrays import Namespace
from kmeans_xp.kernels.choose import regimes
from kmeans_xp.kernels.interface import (
    Batch,
    Halves,
    HalvesTask,
    Learned,
    MedoidSwaps,
    Source,
    Team,
)
from kmeans_xp.kernels.metrics import Metric
from kmeans_xp.kernels.numba import compiling, nearest
from kmeans_xp.kernels.numpy.engine import NUMPY
from kmeans_xp.kernels.shared.others import Others
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters


def _runs_on(xp: Namespace) -> bool:
    return bool(is_numpy_namespace(xp)) and compiling.any_ready()


def _halves(task: HalvesTask) -> Halves:
    if not compiling.ready(task.rows.dtype, compiling.TWO_MEANS):
        return NUMPY.halves(task)
    from kmeans_xp.kernels.numba import bisecting

    return bisecting.halves(task)


def _learn(batch: Batch) -> Learned:
    if not compiling.ready(batch.rows.dtype, compiling.BATCHES):
        return NUMPY.learn(batch)
    from kmeans_xp.kernels.numba import minibatch

    return minibatch.learn(batch)


def _pairwise(
    block: np.ndarray, others: PreparedCenters, metric: str, team: Team | None = None
) -> np.ndarray:
    loop = regimes.measures_by_difference(block.shape[1], metric)
    if loop and compiling.ready(block.dtype, compiling.MEDOIDS):
        from kmeans_xp.kernels.numba import medoids

        found = medoids.pairwise(block, others, metric, team)
        if found is not None:
            return found
    return NUMPY.pairwise(block, others, metric)


def _swaps(medoids: Sequence[int], distances: np.ndarray, weights: np.ndarray) -> MedoidSwaps:
    # One medoid has no second, with which compiled loops begin.
    if len(medoids) == 1 or not compiling.ready(distances.dtype, compiling.MEDOIDS):
        return NUMPY.swaps(medoids, distances, weights)
    from kmeans_xp.kernels.numba.medoids import NumbaSwaps

    return NumbaSwaps(medoids, distances, weights)


def _neighbors(block: np.ndarray, others: Others, count: int) -> tuple[np.ndarray, np.ndarray]:
    if regimes.has_tree(block.shape[1]) or not compiling.ready(others.dtype, compiling.NEIGHBORS):
        return NUMPY.neighbors(block, others, count)
    from kmeans_xp.kernels.numba import neighbors

    return neighbors.neighbors(block, others, count)


def _cluster_distances_all(
    rows: Source,
    labels: np.ndarray,
    masses: np.ndarray,
    weights: np.ndarray | None,
    metric: Metric,
) -> tuple[np.ndarray, np.ndarray] | None:
    by_difference = regimes.measures_by_difference(rows.shape[1], "euclidean")
    if not (by_difference and compiling.ready(np.float64, compiling.SILHOUETTE)):
        return NUMPY.cluster_distances_all(rows, labels, masses, weights, metric)
    from kmeans_xp.kernels.numba import silhouette

    return silhouette.cluster_distances_all(rows, labels, masses, weights, metric)


NUMBA = NUMPY.overriding(
    "numba",
    runs_on=_runs_on,
    labels=nearest.labels,
    nearest=nearest.nearest,
    own_distances=nearest.own_distances,
    binned_sum=nearest.binned_sum,
    count=nearest.count,
    sums_about=nearest.sums_about,
    assign_and_sum=nearest.assign_and_sum,
    label_all=nearest.label_all,
    distances_all=nearest.distances_all,
    halves=_halves,
    learn=_learn,
    pairwise=_pairwise,
    swaps=_swaps,
    neighbors=_neighbors,
    cluster_distances_all=_cluster_distances_all,
)
