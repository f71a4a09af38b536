"""Sums in one order, which every implementation keeps."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numpy.sums import sum_in_order
from kmeans_xp.kernels.shared.ordered_sums import half_of, ordered_sum
from tests.backends import Backend


def _by_hand(numbers: list[float]) -> float:
    """The order as the module says it, number by number."""
    m = len(numbers)
    while m > 1:
        half = half_of(m)
        numbers = [
            numbers[i] + numbers[half + i] if half + i < m else numbers[i] for i in range(half)
        ]
        m = half
    return numbers[0]


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33, 100])
def test_every_implementation_keeps_the_order(m: int, backend: Backend) -> None:
    backend.need("float64")
    numbers = np.random.default_rng(m).normal(size=(5, m))
    expected = [_by_hand(row.tolist()) for row in numbers]
    assert_array_equal(backend.to_numpy(ordered_sum(backend.asarray(numbers))), expected)
    assert_array_equal(sum_in_order(numbers.T.copy()), expected)
    if compiling.installed():
        from kmeans_xp.kernels.numba import sums

        assert [sums.sum_in_order(row.copy(), m) for row in numbers] == expected


def test_half_is_the_largest_power_of_two_below() -> None:
    assert [half_of(m) for m in (2, 3, 4, 5, 8, 9)] == [1, 2, 2, 4, 4, 8]
