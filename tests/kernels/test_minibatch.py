"""Mini-batches: every engine teaches running means what the specification says."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from kmeans_xp.arrays.precision import quiet
from kmeans_xp.kernels.interface import Batch, Engine, Learned
from kmeans_xp.rows import open_rows
from tests.backends import Backend
from tests.data import cloud, some_rows
from tests.kernels.problems import LAYOUTS, PROBLEMS, nearest_to, zero_weights


def _batch(
    X: np.ndarray,
    centers: np.ndarray,
    counts: np.ndarray | None = None,
    drawn: np.ndarray | None = None,
    weights: np.ndarray | None = None,
) -> Batch:
    counts = np.zeros(len(centers)) if counts is None else counts
    return Batch(open_rows(X), drawn, weights, centers, counts, X[0])


def _check(found: Learned, batch: Batch, X: np.ndarray, read=np.asarray) -> None:
    """By direct differences in extended precision from the centres as they are."""
    rows = X if batch.drawn is None else X[batch.drawn]
    centers, counts = read(batch.centers), read(batch.counts)
    labels = nearest_to(rows, centers.astype(X.dtype))
    w = np.ones(len(rows)) if batch.weights is None else read(batch.weights)
    differences = rows.astype(np.longdouble) - centers[labels]
    own = (labels[:, None] == np.arange(len(centers))) * w[:, None]
    seen = counts + own.sum(axis=0)
    moved = (own.T @ differences) / np.where(seen > 0, seen, 1)[:, None]
    size = float(np.abs(centers).max() + np.abs(differences).max())
    assert_allclose(read(found.centers), centers + moved, rtol=1e-12, atol=1e-13 * size)
    assert_allclose(read(found.counts), seen, rtol=1e-13)
    assert_allclose(found.cost, w @ np.square(differences).sum(axis=1), rtol=1e-9)
    assert_allclose(found.shift, np.square(moved).sum(), rtol=1e-9)
    # The host's counts are a copy: they may be kept where the others are given away.
    assert_array_equal(found.seen, read(found.counts))
    assert not np.shares_memory(found.seen, read(found.counts))
    untouched = ~own.any(axis=0)
    assert_array_equal(read(found.centers)[untouched], centers[untouched])


@pytest.mark.parametrize("kind", ["all", "drawn", "weighted"])
def test_a_batch_teaches_what_the_specification_says(
    engine: Engine, backend: Backend, kind: str
) -> None:
    backend.need("float64")
    shapes = [(1, 1), (2, 50), (3, 16), (5, 17), (40, 7), (70, 33)]
    for d, k in shapes if backend.name == "numpy" else shapes[3:4]:
        for dtype in ("float32", "float64"):
            X = (1e3 + cloud(300, d)).astype(dtype)
            centers = X[:k] + 1e-3 * cloud(k, d, seed=1)
            batch = Batch(
                open_rows(backend.asarray(X)),
                np.random.default_rng(0).integers(300, size=77) if kind == "drawn" else None,
                backend.asarray(zero_weights(300)) if kind == "weighted" else None,
                backend.asarray(centers),
                backend.asarray(np.arange(k) % 3.0),
                backend.asarray(X[0]),
            )
            _check(engine.learn(batch), batch, X, backend.to_numpy)


@pytest.mark.parametrize("name", [name for name, p in PROBLEMS.items() if p.of_float32])
def test_hard_problems_teach_what_the_specification_says(
    engine: Engine, name: str, dtype: type
) -> None:
    case = PROBLEMS[name].cast(dtype)
    batch = _batch(case.X, case.centers.astype(np.float64))
    with quiet():
        _check(engine.learn(batch), batch, case.X)


def test_a_batch_of_several_blocks(engine: Engine, dtype: type) -> None:
    X = cloud(40_000, 3).astype(dtype)
    batch = _batch(X, some_rows(X, 5).astype(float), weights=zero_weights(len(X)))
    _check(engine.learn(batch), batch, X)


def test_rows_at_their_centres_change_nothing(engine: Engine) -> None:
    X = cloud(50, 9).astype(np.float32)
    found = engine.learn(_batch(X, X.astype(np.float64)))
    assert_array_equal(found.centers, X)
    assert found.cost == found.shift == 0


def test_ties_and_what_single_precision_cannot_tell_apart(engine: Engine, dtype: type) -> None:
    X = np.arange(8, dtype=dtype)[:, None] * np.ones((1, 20), dtype)
    centers = np.repeat([[2.0], [4.0], [2.0], [4.0]], 20, axis=1)
    # Of equals the first: 3 goes to 2.
    assert engine.learn(_batch(X, centers)).seen.tolist() == [4, 4, 0, 0]
    centers = 1 + np.array([[2.0], [1.0], [0.0]]) * np.finfo(dtype).eps
    for scale in (1.0, 2.0**-60, 2.0**60):
        found = engine.learn(_batch((centers * scale).astype(dtype), centers * scale, np.ones(3)))
        assert found.seen.tolist() == [2, 2, 2]
        assert found.cost == found.shift == 0
        assert_array_equal(found.centers, centers * scale)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rows_and_centres_may_lie_in_any_way(engine: Engine, layout: str, dtype: type) -> None:
    X, wide = cloud(60, 4).astype(dtype), cloud(6, 8, seed=1)
    for centers in (np.asfortranarray(wide[:, :4]), wide[:, :4], wide[::2, :4]):
        centers.flags.writeable = False
        batch = _batch(LAYOUTS[layout](X), centers)
        _check(engine.learn(batch), batch, X)
