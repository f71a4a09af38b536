"""Every way to add up how rows pull at their centres agrees with the specification."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from kmeans_xp.kernels import fast_compile
from kmeans_xp.kernels.pull import portable_pull
from kmeans_xp.kernels.pull_host import find_pull, pull

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("d", [1, 5, 40])
def test_pulls_are_those_of_the_specification(compiled, weighted, dtype, d):
    tuned = pull
    if compiled:
        pytest.importorskip("numba")
        assert fast_compile.prepare(dtype, fast_compile.PULL_LOOPS)
        tuned = find_pull(0, dtype)
        assert tuned is not pull
    X = (1e3 + RNG.normal(size=(300, d))).astype(dtype)
    centers = X[:7].astype(np.float64)
    labels = RNG.integers(6, size=300).astype(np.int32)  # the last centre has no row
    weights = RNG.uniform(0, 2, 300) if weighted else None
    ours, spec = (by(X, labels, weights, centers) for by in (tuned, portable_pull))
    assert_allclose(ours.ways, spec.ways, rtol=1e-12, atol=1e-10)
    assert_allclose(ours.weights, spec.weights, rtol=1e-14)
    assert_allclose(ours.cost, spec.cost, rtol=1e-13)
    assert not ours.ways[6].any()
    assert ours.ways.dtype == ours.weights.dtype == np.float64


def test_rows_at_their_centres_do_not_pull():
    X = RNG.normal(size=(50, 9)).astype(np.float32)
    found = pull(X, np.arange(50, dtype=np.int32), None, X.astype(np.float64))
    assert not found.ways.any()
    assert found.cost == 0


def test_what_does_not_repay_it_is_not_compiled(monkeypatch):
    monkeypatch.setattr(fast_compile, "_ready", set())
    assert find_pull(1 << 10, np.float32) is pull
