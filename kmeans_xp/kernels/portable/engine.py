"""The portable engine, which computes in the namespace of X, whatever that is."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial

from kmeans_xp.arrays import Namespace
from kmeans_xp.kernels.interface import Engine, ExpectationMaximization
from kmeans_xp.kernels.portable import (
    bisecting,
    blocks,
    lloyd,
    medoids,
    minibatch,
    mixture,
    nearest,
    neighbors,
    sums,
)
from kmeans_xp.kernels.shared.binned_sums import binned_sum


def _runs_anywhere(xp: Namespace) -> bool:
    return True


PORTABLE = Engine(
    name="portable",
    runs_on=_runs_anywhere,
    remembers=False,
    block_rows=blocks.block_rows,
    labels=nearest.labels,
    nearest=nearest.nearest,
    own_distances=nearest.own_distances,
    distances=nearest.distances,
    sum_by_label=sums.sum_by_label,
    count=sums.count,
    sums_about=sums.sums_about,
    binned_sum=binned_sum,
    assign_and_sum=sums.assign_and_sum,
    full_search=lloyd.full_search,
    label_all=nearest.blocks_are_faster,
    distances_all=nearest.blocks_are_faster,
    pair=bisecting.pair,
    halves=bisecting.halves,
    learn=minibatch.learn,
    pairwise=medoids.pairwise,
    swaps=medoids.PortableSwaps,
    neighbors=neighbors.neighbors,
    neighbor_rows=blocks.block_rows,
    cluster_distances_all=nearest.blocks_are_faster,
    polynomial=ExpectationMaximization(
        name="portable polynomial",
        exact=False,
        block_rows=blocks.polynomial_rows,
        prepare=mixture.monomials,
        expect=mixture.expect_by_polynomial,
        moments=mixture.moments_by_polynomial,
        scores=mixture.scores,
    ),
    difference=ExpectationMaximization(
        name="portable difference",
        exact=True,
        block_rows=blocks.difference_rows,
        prepare=mixture.differences,
        expect=mixture.expect_by_difference,
        moments=mixture.moments_by_difference,
    ),
)


@cache
def portable_on(memory: int) -> Engine:
    """Return the portable engine for an accelerator with so many bytes of memory.

    Its blocks are as large as that allows, and it seldom waits for the device.
    """
    entries = blocks.entries_of(memory)

    def sized(rows: Callable[..., int]) -> Callable[..., int]:
        return partial(rows, entries=entries)

    return PORTABLE.overriding(
        "portable",
        block_rows=sized(blocks.block_rows),
        full_search=partial(lloyd.full_search, unseen=True),
        learn=partial(minibatch.learn_unseen, block_rows=sized(blocks.block_rows)),
        swaps=partial(medoids.PortableSwaps, entries=entries),
        neighbor_rows=sized(blocks.block_rows),
        polynomial=replace(PORTABLE.polynomial, block_rows=sized(blocks.polynomial_rows)),
        difference=replace(PORTABLE.difference, block_rows=sized(blocks.difference_rows)),
    )
