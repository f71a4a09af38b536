"""Generators of random numbers, and what stands for them."""

import numbers

import numpy as np

from kmeans_xp.arrays.draws import as_generator


@numbers.Integral.register
class Seed:
    """An integer of another library's."""

    def __int__(self) -> int:
        return 7

    def __lt__(self, other: int) -> bool:
        return int(self) < other


def test_all_integers_of_one_value_are_the_same_seed():
    wanted = np.random.default_rng(7).random()
    for seed in (7, np.int8(7), np.uint64(7), Seed()):
        assert as_generator(seed).random() == wanted
