"""Sums on grids: any order gives the same bits, and what is taken away leaves nothing."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from kmeans_xp.kernels.interface import Engine
from kmeans_xp.kernels.shared.exact_sums import Grids, grids_for, split
from kmeans_xp.kernels.shared.prepared_centers import prepare
from tests.data import cloud
from tests.kernels.problems import origin_of, zero_weights

numbers = st.floats(-1e100, 1e100, allow_subnormal=False)


def _split(addends: np.ndarray) -> tuple[np.ndarray, np.ndarray, Grids]:
    grids = grids_for(np.abs(addends).max(initial=0.0), len(addends))
    return *split(addends, grids), grids


@given(st.lists(numbers, min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_no_order_of_addends_rounds(values, random):
    high, low, _ = _split(np.array(values))
    for part in (high, low):
        exact = sum(map(Fraction, part.tolist()))
        for _ in range(3):
            order = list(range(len(part)))
            random.shuffle(order)
            total = 0.0
            for i in order:
                total += part[i]
            assert Fraction(total) == exact
            # Whatever is taken away, in any order, leaves nothing behind.
            random.shuffle(order)
            for i in order:
                total -= part[i]
            assert total == 0


@given(st.lists(numbers, min_size=1, max_size=60))
def test_what_is_dropped_of_an_addend_is_as_small_as_said(values):
    addends = np.array(values)
    high, low, grids = _split(addends)
    # Half the distance of neighbours on the second grid.
    most = Fraction(float(grids.second)) / 3 / 2**51
    for value, parts in zip(values, zip(high.tolist(), low.tolist(), strict=True), strict=True):
        assert abs(Fraction(value) - sum(map(Fraction, parts))) <= most / 2


def test_grids_follow_a_power_of_two():
    largest = np.array([1e-200, 3.0, 1e150])
    once, twice = grids_for(largest, 1000), grids_for(4 * largest, 1000)
    for constants, others in zip(once, twice, strict=True):
        assert_array_equal(4 * constants, others)


@pytest.mark.parametrize("largest", [0.0, 1e-308, 1e-280, 1e280, 1.7e308])
def test_extreme_rows_have_finite_grids(largest):
    for constants in grids_for(np.array([largest]), 1 << 30):
        assert np.isfinite(constants).all()
        assert (constants > 0).all()


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("d", [1, 3, 4, 40])
def test_any_blocks_of_rows_in_any_order_give_the_same_bits(
    engine: Engine, d: int, weighted: bool, dtype: type
) -> None:
    rng, n, k = np.random.default_rng(d), 900, 7
    X = (cloud(n, d) * np.exp(3 * rng.normal(size=(n, 1)))).astype(dtype)
    weights = zero_weights(n) if weighted else None
    labels = rng.integers(k, size=n).astype(np.int32)
    prepared = prepare(X[:k], origin_of(X, X[3], weights))
    whole = engine.sum_by_label(X, labels, weights, prepared)
    for pieces in (1, 2, 7):
        order, total = rng.permutation(n), None
        for which in np.array_split(order, pieces):
            w = None if weights is None else weights[which]
            part = engine.sum_by_label(X[which], labels[which], w, prepared)
            total = part if total is None else total + part
        assert_array_equal(total.high, whole.high)
        assert_array_equal(total.low, whole.low)
