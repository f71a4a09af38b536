"""Every way to add up how rows pull at their centres agrees with the specification."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba import minibatch as numba_minibatch
from kmeans_xp.kernels.numba.compiling import BATCHES
from kmeans_xp.kernels.numpy import minibatch as numpy_minibatch
from kmeans_xp.kernels.portable.minibatch import sum_batch
from tests import reference

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("d", [1, 5, 40])
def test_pulls_are_those_of_the_specification(compiled, weighted, dtype, d):
    tuned = numpy_minibatch.sum_batch
    if compiled:
        pytest.importorskip("numba")
        assert compiling.prepare(dtype, BATCHES)
        tuned = numba_minibatch.sum_batch_for(0, dtype)
        assert tuned is not numpy_minibatch.sum_batch
    X = (1e3 + RNG.normal(size=(300, d))).astype(dtype)
    centers = X[:7].astype(np.float64)
    labels = RNG.integers(6, size=300).astype(np.int32)  # the last centre has no row
    weights = RNG.uniform(0, 2, 300) if weighted else None
    ours, spec = (by(X, labels, weights, centers) for by in (tuned, sum_batch))
    assert_allclose(ours.ways, spec.ways, rtol=1e-12, atol=1e-10)
    assert_allclose(ours.weights, spec.weights, rtol=1e-14)
    assert_allclose(ours.cost, spec.cost, rtol=1e-13)
    assert not ours.ways[6].any()
    assert ours.ways.dtype == ours.weights.dtype == np.float64


def test_rows_at_their_centres_do_not_pull():
    X = RNG.normal(size=(50, 9)).astype(np.float32)
    found = numpy_minibatch.sum_batch(X, np.arange(50, dtype=np.int32), None, X.astype(np.float64))
    assert not found.ways.any()
    assert found.cost == 0


def test_what_does_not_repay_it_is_not_compiled(monkeypatch):
    monkeypatch.setattr(compiling, "_ready", set())
    assert numba_minibatch.sum_batch_for(1 << 10, np.float32) is numpy_minibatch.sum_batch
    X = np.zeros((9, 2), np.float32)
    assert numba_minibatch.learn(X, None, None, np.zeros((1, 2)), np.zeros(1)) is None


@pytest.fixture(scope="module", params=[np.float32, np.float64])
def compiled(request):
    pytest.importorskip("numba")
    assert compiling.prepare(request.param, BATCHES)
    return request.param


def learned_plainly(X, drawn, weights, centers, counts):
    """What a batch teaches by the specification."""
    rows = X if drawn is None else X[drawn]
    labels = reference.nearest(rows, centers.astype(X.dtype))[0].astype(np.int32)
    pulled = sum_batch(rows, labels, weights, centers)
    seen = counts + pulled.weights
    moved = pulled.ways / np.where(seen > 0, seen, 1)[:, None]
    return centers + moved, seen, float(pulled.cost), float(np.sum(moved**2))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("d", "k"), [(1, 1), (2, 50), (3, 16), (5, 17), (40, 7), (70, 33)])
def test_a_batch_at_once_teaches_what_the_specification_says(compiled, weighted, d, k):
    X = (1e3 + RNG.normal(size=(300, d))).astype(compiled)
    centers = X[:k] + RNG.normal(scale=1e-3, size=(k, d))
    counts = RNG.integers(3, size=k).astype(np.float64)
    drawn = None if weighted else RNG.integers(300, size=77)
    weights = RNG.uniform(0, 2, 300) if weighted else None
    moved, seen, told, cost, shift = numba_minibatch.learn(X, drawn, weights, centers, counts)
    expected = learned_plainly(X, drawn, weights, centers, counts)
    assert_allclose(moved, expected[0], rtol=1e-12)
    assert_allclose(seen, expected[1], rtol=1e-14)
    assert_allclose([cost, shift], expected[2:], rtol=1e-9)
    # The host's counts are a copy: they may be kept where the others are given away.
    np.testing.assert_array_equal(told, seen)
    assert not np.shares_memory(told, seen)


def test_ties_and_what_single_precision_cannot_tell_apart_at_once(compiled):
    X = np.arange(8, dtype=compiled)[:, None] * np.ones((1, 20), compiled)
    centers = np.repeat([[2.0], [4.0], [2.0], [4.0]], 20, axis=1)
    seen = numba_minibatch.learn(X, None, None, centers, np.zeros(4))[1]
    assert seen.tolist() == [4, 4, 0, 0]  # of equals the first: 3 goes to 2
    centers = 1 + np.array([[2.0], [1.0], [0.0]]) * np.finfo(compiled).eps
    for scale in (1.0, 2.0**-60, 2.0**60):
        rows = (centers * scale).astype(compiled)
        moved, seen, _, cost, shift = numba_minibatch.learn(
            rows, None, None, centers * scale, np.ones(3)
        )
        assert seen.tolist() == [2, 2, 2]
        assert cost == shift == 0
        assert (moved == centers * scale).all()


def test_squares_that_overflow_single_precision_are_told_apart_at_once():
    pytest.importorskip("numba")
    compiling.prepare(np.float32, BATCHES)
    X = np.array([[-3e30], [1e30], [3e30]], np.float32)
    _, seen, _, cost, _ = numba_minibatch.learn(
        X, None, None, np.array([[-2e30], [2e30]]), np.zeros(2)
    )
    assert seen.tolist() == [1, 2]
    assert_allclose(cost, 3e60, rtol=1e-6)


def test_rows_that_do_not_lie_one_after_another_are_not_taken_at_once(compiled):
    X = np.asfortranarray(RNG.normal(size=(30, 4)).astype(compiled))
    assert numba_minibatch.learn(X, None, None, np.zeros((2, 4)), np.zeros(2)) is None


def test_centres_of_any_layout_are_taken_without_compiling_again(compiled):
    from kmeans_xp.kernels.numba import minibatch as numba_minibatch

    before = len(numba_minibatch._learn_rows.overloads)
    X, wide = RNG.normal(size=(30, 4)).astype(compiled), RNG.normal(size=(6, 8))
    for centers in (np.asfortranarray(wide[:, :4]), wide[:, :4], wide[::2, :4]):
        centers.flags.writeable = False
        found = numba_minibatch.learn(X, None, None, centers, np.zeros(len(centers)))
        wanted = numba_minibatch.learn(X, None, None, centers.copy(), np.zeros(len(centers)))
        np.testing.assert_array_equal(found[0], wanted[0])
    assert len(numba_minibatch._learn_rows.overloads) == before
