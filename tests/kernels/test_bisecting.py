"""Rows that are divided in two: labels and gains are those of direct differences."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from kmeans_xp import bisecting_kmeans
from kmeans_xp.arrays.precision import full_precision, quiet
from kmeans_xp.kernels.interface import Engine, Halves, HalvesTask
from kmeans_xp.kernels.numpy import bisecting as numpy_bisecting
from kmeans_xp.kernels.numpy.bisecting import BoundedHalves
from kmeans_xp.rows import open_rows
from tests.backends import Backend
from tests.data import cloud
from tests.kernels.problems import LAYOUTS, between, nearest_to

N, BLOCK = 400, 150
scales = pytest.mark.parametrize(
    ("scale", "offset"), [(1, 0), (1, 1e3), (1e-21, 0), (1e-25, 0), (1e17, 0)]
)


@pytest.fixture(autouse=True)
def _always_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds are kept, however small the work."""
    monkeypatch.setattr(numpy_bisecting, "BOUNDS_FROM_FEATURES", 1)
    monkeypatch.setattr(numpy_bisecting, "BOUNDS_FROM_ENTRIES", 0)


def crowded(d: int, scale: float, offset: float, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows on both sides of the middle between two centres, many of them next to it."""
    ones = np.ones((1, d))
    parts = between(d, N), np.concatenate([-ones, ones])
    return tuple((scale * (part + offset)).astype(dtype) for part in parts)


def _dtypes(backend: Backend) -> list[str]:
    # Elsewhere the two centres are prepared in no wider float than the rows have.
    return ["float32", "float64"] if backend.float64 else []


def _max_norm(*parts: np.ndarray) -> float:
    return float(np.linalg.norm(np.concatenate(parts).astype(float), axis=1).max())


@pytest.mark.parametrize("d", [1, 3, 60])
@scales
@pytest.mark.parametrize("known", [True, False], ids=["known norm", "unknown norm"])
def test_labels_of_a_pair_are_exact(
    engine: Engine, dtype: type, d: int, scale: float, offset: float, known: bool
) -> None:
    X, C = crowded(d, scale, offset, dtype)
    with quiet():
        found = engine.pair(C, _max_norm(X, C) if known else None).labels(X)
    assert_array_equal(found, nearest_to(X, C))


def test_products_that_overflow_decide_nothing(engine: Engine) -> None:
    # One term is infinite in single precision, yet the others outweigh it.
    C = np.array([[-1e19] * 3, [1e19] * 3], np.float32)
    X = np.array([[1.8e19, -1.6e19, -1.6e19], [-1.8e19, 1.6e19, 1.6e19]], np.float32)
    X = np.concatenate([np.roll(X, j, axis=1) for j in range(3)])
    with quiet():
        assert_array_equal(engine.pair(C, None).labels(X), nearest_to(X, C))


def test_a_tie_goes_to_the_first(engine: Engine, backend: Backend) -> None:
    C = np.array([[1.0, 0.0], [0.0, 1.0]])
    X = backend.asarray(np.repeat(np.arange(-3.0, 4.0)[:, None], 2, axis=1))
    for centers in (C, C[[0, 0]]):
        pair = engine.pair(backend.asarray(centers), None)
        assert not backend.to_numpy(pair.labels(X)).any()


def test_gains_of_a_pair_are_those_of_the_second(engine: Engine, backend: Backend) -> None:
    for dtype in _dtypes(backend):
        X, about = cloud(300, 40, seed=3).astype(dtype), np.linspace(-1, 1, 40)
        block, origin, before = backend.asarray(X), backend.asarray(about), None
        had = np.zeros(300)
        for C in (X[:2], X[2:4]):
            with full_precision(backend.xp), quiet():
                pair = engine.pair(backend.asarray(C), None)
                gains, before = pair.gains(block, before, origin)
            labels = backend.to_numpy(before).astype(float)
            assert_array_equal(labels, nearest_to(X, C))
            assert float(gains.size) == (labels - had).sum()
            expected = (labels - had) @ (X - about)
            assert_allclose(backend.to_numpy(gains.sums), expected, rtol=1e-10, atol=1e-10)
            had = labels


def halves_of(
    engine: Engine, X: np.ndarray, about: np.ndarray | None = None, *, known: bool = True
) -> Halves:
    rows, max_norm = open_rows(X), _max_norm(X) if known else None
    about = X.astype(float).mean(axis=0) if about is None else about
    return engine.halves(HalvesTask(rows, about, max_norm, BLOCK))


def approach(C: np.ndarray) -> list[np.ndarray]:
    """Pairs of centres that move less and less, and end at `C`."""
    way = np.random.default_rng(0).standard_normal((8, *C.shape)) * np.abs(C).max() * 0.3
    moved = C + way * 8.0 ** -np.arange(8.0)[:, None, None]
    return [*moved.astype(C.dtype), C]


@pytest.mark.parametrize("d", [1, 3, 60])
@scales
def test_labels_of_halves_are_exact_in_every_iteration(
    engine: Engine, dtype: type, d: int, scale: float, offset: float
) -> None:
    X, C = crowded(d, scale, offset, dtype)
    for known in (True, False):
        halves = halves_of(engine, X, known=known)
        halves.start(C)
        for centers in approach(C):
            assert_array_equal(halves.gains(centers)[1], nearest_to(X, centers))


def test_gains_of_halves_are_those_of_the_second(engine: Engine, backend: Backend) -> None:
    for dtype in _dtypes(backend):
        X, about = cloud(N, 40, seed=3).astype(dtype), np.linspace(-1, 1, 40)
        rows, wide, had = open_rows(backend.asarray(X)), X - about, np.zeros(N)
        task = HalvesTask(rows, backend.asarray(about), _max_norm(X), BLOCK)
        halves = engine.halves(task)
        halves.start(backend.asarray(X[:2]))
        for centers in approach(X[:2]):
            gains, found = halves.gains(backend.asarray(centers))
            labels = backend.to_numpy(found).astype(float)
            assert_array_equal(labels, nearest_to(X, centers))
            assert float(gains.size) == (labels - had).sum()
            assert_allclose(gains.sums, (labels - had) @ wide, rtol=1e-9, atol=1e-9)
            had = labels
        squares = halves.squares()
        if squares is not None:
            expected = [np.sum(wide[had == j] ** 2) for j in (0, 1)]
            assert_allclose(squares, expected, rtol=1e-12)


def test_a_new_run_of_halves_begins_afresh(engine: Engine) -> None:
    X = cloud(N, 9, seed=3)
    halves = halves_of(engine, X)
    halves.start(X[:2])
    labels = halves.gains(X[:2])[1]
    kept = labels.copy()
    halves.start(X[2:4])
    assert halves.gains(X[2:4])[0].size == nearest_to(X, X[2:4]).sum()
    assert_array_equal(labels, kept)
    # A start that is farther from all rows than they are from each other.
    far = np.stack([X[0] + 1e14, X[1] + 1.1e14])
    halves.start(far)
    assert_array_equal(halves.gains(far)[1], nearest_to(X, far))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rows_of_halves_may_lie_in_any_way(engine: Engine, layout: str, dtype: type) -> None:
    X = cloud(N, 9, seed=3).astype(dtype)
    halves = halves_of(engine, LAYOUTS[layout](X))
    halves.start(X[:2])
    for centers in approach(X[:2]):
        assert_array_equal(halves.gains(centers)[1], nearest_to(X, centers))


@pytest.mark.parametrize("seed", range(8))
def test_a_row_between_the_centres_is_with_the_first(engine: Engine, seed: int) -> None:
    rng = np.random.default_rng(seed)
    base = rng.integers(1, 1 << 20, 30) / 2.0 ** rng.integers(0, 20, 30)
    X = np.concatenate([[rng.permutation(base), rng.permutation(base)], np.zeros((5, 30))])
    for centers in (X[:2], X[1::-1]):
        halves = halves_of(engine, X)
        halves.start(centers)
        assert not halves.gains(centers)[1][2:].any()
        assert not engine.pair(centers, None).labels(X)[2:].any()


def test_rows_beyond_bounds_are_not_read(engine: Engine) -> None:
    X = cloud(N, 40, seed=3)
    halves = halves_of(engine, X)
    if not isinstance(halves, BoundedHalves):
        pytest.skip(f"the engine {engine.name} keeps no bounds")
    halves.start(X[:2])
    halves.gains(X[:2])
    near = X[:2] + 1e-6
    labels = nearest_to(X, near)
    # Not finite: whoever took a product of them would not know their side.
    far = np.abs(X @ (near[1] - near[0]) - (near[1] @ near[1] - near[0] @ near[0]) / 2) > 0.1
    assert np.mean(far) > 0.9
    X[far] = np.nan
    assert_array_equal(halves.gains(near)[1], labels)


def test_distances_that_overflow_bound_nothing(engine: Engine) -> None:
    X = np.full((40, 3), 3e38, np.float32) * np.array([[1], [-1]] * 20, np.float32)
    labels = bisecting_kmeans(X, 2, rng=0, algorithm=engine.name).labels
    assert_array_equal(labels, np.where(X[:, 0] == X[0, 0], labels[0], labels[1]))
    assert labels[0] != labels[1]
