"""The portable engine, which computes in the namespace of X, whatever that is."""

from kmeans_xp.arrays import Namespace
from kmeans_xp.kernels.interface import Engine, ExpectationMaximization
from kmeans_xp.kernels.portable import bisecting, minibatch, mixture, nearest


def _runs_anywhere(xp: Namespace) -> bool:
    return True


PORTABLE = Engine(
    name="portable",
    runs_on=_runs_anywhere,
    remembers=False,
    block_rows=nearest.block_rows,
    labels=nearest.labels,
    nearest=nearest.nearest,
    own_distances=nearest.own_distances,
    distances=nearest.distances,
    sum_by_label=nearest.sum_by_label,
    count=nearest.count,
    sums_about=nearest.sums_about,
    assign_and_sum=nearest.assign_and_sum,
    fused_iteration=nearest.blocks_are_faster,
    label_all=nearest.blocks_are_faster,
    distances_all=nearest.blocks_are_faster,
    pair=bisecting.pair,
    halves=bisecting.halves,
    learn=minibatch.learn,
    polynomial=ExpectationMaximization(
        name="portable polynomial",
        exact=False,
        block_rows=mixture.polynomial_rows,
        prepare=mixture.monomials,
        expect=mixture.expect_by_polynomial,
        moments=mixture.moments_by_polynomial,
        scores=mixture.scores,
    ),
    difference=ExpectationMaximization(
        name="portable difference",
        exact=True,
        block_rows=mixture.difference_rows,
        prepare=mixture.differences,
        expect=mixture.expect_by_difference,
        moments=mixture.moments_by_difference,
    ),
)
