"""Sums of addends whose largest is not known: the same bits whatever the blocks."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmeans_xp.kernels.choose.engine import ENGINES
from kmeans_xp.kernels.interface import Engine
from kmeans_xp.kernels.shared.binned_sums import SCALE, rung_bits, units_for
from tests.backends import Backend

addends = st.lists(st.just(0.0) | st.floats(1e-260, 1e308), min_size=1, max_size=40)


def _total(blocks: list[np.ndarray], count: int, engine: Engine) -> float:
    total = None
    for block in blocks:
        part = engine.binned_sum(block, count)
        total = part if total is None else total + part
    return total.total()


@given(addends, st.integers(1, 7), st.randoms(use_true_random=False))
def test_any_blocks_in_any_order_and_engine_give_the_same_bits(values, pieces, random):
    expected = _total([np.array(values)], len(values), ENGINES[-1])
    random.shuffle(values)
    blocks = [b for b in np.array_split(np.array(values), pieces) if len(b)]
    found = {_total(blocks, len(values), e) for e in ENGINES if e.runs_on(np)}
    assert found == {expected}
    exact = math.fsum(values)
    assert math.isclose(expected, exact, rel_tol=1e-15)


@pytest.mark.parametrize("scale", [1e-270, 1.0, 1e290])
def test_backends_agree(backend: Backend, scale: float) -> None:
    backend.need("float64")
    values = np.random.default_rng(0).exponential(size=1000) ** 8 * scale
    engine = next(e for e in ENGINES if e.runs_on(backend.xp))
    found = engine.binned_sum(backend.asarray(values), len(values))
    assert found.total() == _total([values[:300], values[300:]], 1000, ENGINES[-1])


def test_many_addends_of_one_rung_do_not_round() -> None:
    for count in (1, 1000, 1 << 30):
        units = units_for(count)
        # So many of the largest that are on a rung: units of it below 2⁵³.
        assert count * 2.0 ** rung_bits(count) <= 2**52
        assert units[-1] * 2.0 ** rung_bits(count) >= np.finfo(float).max * SCALE


def test_one_large_addend_leaves_the_small_ones() -> None:
    values = np.concatenate([[1.0], np.full(1000, 2.0**-60)])
    assert _total([values], len(values), ENGINES[-1]) == 1.0 + 1000 * 2.0**-60
