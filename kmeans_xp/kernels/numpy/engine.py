"""The engine for NumPy arrays, which needs nothing but NumPy and SciPy."""

from array_api_compat import is_numpy_namespace

from kmeans_xp.kernels.numpy import (
    bisecting,
    medoids,
    minibatch,
    mixture,
    nearest,
    neighbors,
    silhouette,
    sums,
)
from kmeans_xp.kernels.numpy.bisecting import NumpyPair
from kmeans_xp.kernels.portable.engine import PORTABLE
from kmeans_xp.kernels.portable.lloyd import FullSearch

NUMPY = PORTABLE.overriding(
    "numpy",
    runs_on=is_numpy_namespace,
    remembers=True,
    block_rows=nearest.block_rows,
    labels=nearest.labels,
    nearest=nearest.nearest,
    own_distances=nearest.own_distances,
    distances=nearest.distances,
    sum_by_label=sums.sum_by_label,
    count=sums.count,
    sums_about=sums.sums_about,
    binned_sum=sums.binned_sum,
    assign_and_sum=nearest.assign_and_sum,
    full_search=FullSearch,
    label_all=nearest.label_all,
    pair=NumpyPair.of,
    halves=bisecting.halves,
    learn=minibatch.learn,
    pairwise=medoids.pairwise,
    swaps=medoids.NumpySwaps,
    neighbors=neighbors.neighbors,
    neighbor_rows=neighbors.block_rows,
    cluster_distances_all=silhouette.cluster_distances_all,
    polynomial=PORTABLE.polynomial.overriding(
        "numpy polynomial",
        block_rows=mixture.polynomial_rows,
        prepare=mixture.monomials,
        expect=mixture.expect_by_polynomial,
        moments=mixture.moments_by_polynomial,
        scores=mixture.scores,
    ),
    difference=PORTABLE.difference.overriding(
        "numpy difference",
        block_rows=mixture.difference_rows,
        expect=mixture.expect_by_difference,
        moments=mixture.moments_by_difference,
    ),
)
