"""What is remembered of rows that are divided: labels and gains are those of a full search."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from kmeans_xp import bisecting_kmeans
from kmeans_xp.kernels.numba import bisecting as numba_bisecting
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.compiling import TWO_MEANS
from kmeans_xp.kernels.numpy import bisecting as numpy_bisecting
from kmeans_xp.kernels.numpy.bisecting import PairBounds, measure
from tests.data import cloud
from tests.kernels.test_pair import crowded, nearer

N = 400


def numba() -> PairBounds:
    pytest.importorskip("numba")
    assert compiling.prepare(np.float32, TWO_MEANS)
    assert compiling.prepare(np.float64, TWO_MEANS)
    from kmeans_xp.kernels.numba import bisecting as numba_bisecting

    return numba_bisecting


steps = pytest.mark.parametrize("steps", [lambda: numpy_bisecting, numba], ids=["numpy", "numba"])
each_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])


@pytest.fixture(autouse=True)
def _always_bounded(monkeypatch):
    monkeypatch.setattr(numpy_bisecting, "BOUNDS_FROM_FEATURES", 1)
    monkeypatch.setattr(numpy_bisecting, "BOUNDS_FROM_ENTRIES", 0)


def tracker_of(X, about, module):
    tracker = PairBounds(X.shape, X.dtype, about, module.measure, module.advance)
    tracker.measure()(X, *tracker.memory)
    return tracker


def turn(tracker, X, centers):
    """Take one iteration in two blocks."""
    step = tracker.turn(centers)
    parts = [slice(0, 150), slice(150, len(X))]
    first, second = (step(X[part], *(m[part] for m in tracker.memory)) for part in parts)
    return step, first + second


def approach(C):
    """Pairs of centres that move less and less, and end at `C`."""
    rng = np.random.default_rng(0)
    way = rng.standard_normal((8, *C.shape)) * np.abs(C).max() * 0.3
    moved = C + way * 8.0 ** -np.arange(8.0)[:, None, None]
    return [*moved.astype(C.dtype), C]


@steps
@each_dtype
@pytest.mark.parametrize("d", [1, 3, 60])
@pytest.mark.parametrize(("scale", "offset"), [(1, 0), (1, 1e3), (1e-21, 0), (1e-25, 0), (1e17, 0)])
def test_labels_are_exact_in_every_iteration(steps, dtype, d, scale, offset):
    X, C = crowded(d, scale, offset, dtype)
    tracker = tracker_of(X, X.astype(float).mean(axis=0), steps())
    tracker.start(C)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for centers in approach(C):
            turn(tracker, X, centers)
            assert_array_equal(tracker.memory[0], nearer(X, centers))


@steps
@each_dtype
def test_bounds_spare_rows_a_product_and_gains_stay_right(steps, dtype):
    X, about = cloud(N, 40, seed=3).astype(dtype), np.linspace(-1, 1, 40)
    wide = X.astype(float) - about
    tracker = tracker_of(X, about, steps())
    assert_allclose(tracker.memory[1], np.sum(wide**2, axis=1), rtol=1e-12)
    assert np.all(tracker.memory[2].astype(float) > np.sqrt(np.sum(wide**2, axis=1)))
    tracker.start(X[:2])
    before, bounded = np.zeros(N), []
    for centers in approach(X[:2]):
        step, gains = turn(tracker, X, centers)
        bounded.append(step.keywords["bounds"] is not None)
        labels = tracker.memory[0].astype(float)
        assert gains.size == (labels - before).sum()
        assert_allclose(gains.sums, (labels - before) @ wide, rtol=1e-9, atol=1e-9)
        before = labels
    assert bounded == sorted(bounded)
    assert any(bounded)
    squares = tracker.squares()
    assert_allclose(squares, [np.sum(wide[before == j] ** 2) for j in (0, 1)], rtol=1e-12)


@steps
def test_rows_beyond_bounds_are_not_read(steps):
    X = cloud(N, 40, seed=3)
    tracker = tracker_of(X, X.mean(axis=0), steps())
    tracker.start(X[:2])
    turn(tracker, X, X[:2])
    near = X[:2] + 1e-6
    labels = nearer(X, near)
    # Not finite: whoever took a product of them would not know their side.
    far = np.abs(X @ (near[1] - near[0]) - (near[1] @ near[1] - near[0] @ near[0]) / 2) > 0.1
    assert np.mean(far) > 0.9
    X[far] = np.nan
    turn(tracker, X, near)
    assert_array_equal(tracker.memory[0], labels)


@steps
def test_a_new_run_begins_afresh(steps):
    X = cloud(N, 9, seed=3)
    tracker = tracker_of(X, X.mean(axis=0), steps())
    tracker.start(X[:2])
    turn(tracker, X, X[:2])
    labels, kept = tracker.memory[0], tracker.memory[0].copy()
    tracker.start(X[2:4])
    _, gains = turn(tracker, X, X[2:4])
    assert gains.size == nearer(X, X[2:4]).sum()
    assert_array_equal(labels, kept)
    # A start that is farther from all rows than they are from each other.
    far = np.stack([X[0] + 1e14, X[1] + 1.1e14])
    tracker.start(far)
    turn(tracker, X, far)
    assert_array_equal(tracker.memory[0], nearer(X, far))


@steps
@pytest.mark.parametrize("seed", range(8))
def test_a_row_between_the_centres_is_with_the_first(steps, seed):
    rng = np.random.default_rng(seed)
    base = rng.integers(1, 1 << 20, 30) / 2.0 ** rng.integers(0, 20, 30)
    X = np.concatenate([[rng.permutation(base), rng.permutation(base)], np.zeros((5, 30))])
    for centers in (X[:2], X[1::-1]):
        tracker = tracker_of(X, X.mean(axis=0), steps())
        tracker.start(centers)
        turn(tracker, X, centers)
        assert not tracker.memory[0][2:].any()


def test_compiled_loops_are_taken_where_they_are_ready():
    about, fast = np.zeros(3), numba()
    tracker = numba_bisecting.find_pair_tracker((10, 3), np.dtype("float32"), about)
    assert tracker.measure().func is fast.measure


def test_without_them_numpy_is_taken(monkeypatch):
    monkeypatch.setattr(compiling, "worthwhile", lambda *_: False)
    tracker = numba_bisecting.find_pair_tracker((10, 3), np.dtype("float32"), np.zeros(3))
    assert tracker.measure().func is measure


def test_distances_that_overflow_bound_nothing(monkeypatch):
    monkeypatch.setattr(compiling, "worthwhile", lambda *_: False)
    X = np.full((40, 3), 3e38, np.float32) * np.array([[1], [-1]] * 20, np.float32)
    labels = bisecting_kmeans(X, 2, rng=0).labels
    assert_array_equal(labels, np.where(X[:, 0] == X[0, 0], labels[0], labels[1]))
    assert labels[0] != labels[1]
