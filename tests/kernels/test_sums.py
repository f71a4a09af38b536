"""Sums about a point, on every backend and in every layout."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from kmeans_xp.kernels.choose.engine import find_engine
from kmeans_xp.kernels.numpy import nearest as numpy_nearest
from kmeans_xp.rows import open_rows

SHAPES = (1, 1), (1, 300), (7, 3), (85, 3), (1000, 2), (400, 13), (300, 200)


def _expected(X, w, about):
    return [w.sum(), w @ (X - about), w @ (X - about) ** 2]


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sums_are_those_of_the_definition(backend, shape, weighted):
    rng = np.random.default_rng(shape[1])
    X, w = rng.normal(7, 2, shape).astype("float32"), rng.uniform(0, 3, shape[0])
    rows = open_rows(backend.asarray(X))
    about = rows.small(np.full(shape[1], 6.5), rows.wide)
    weights = rows.small(w, rows.wide) if weighted else None
    found = find_engine(rows.xp).sums_about(rows.take(range(shape[0])), weights, about)
    w = w if weighted else np.ones(shape[0])
    read = backend.to_numpy if backend.name != "dask" else np.asarray
    for part, expected in zip(found, _expected(X.astype(float), w, 6.5), strict=True):
        scale = np.abs(expected).max() * backend.tolerance
        assert_allclose(read(part), expected, rtol=backend.tolerance, atol=scale)


@pytest.mark.parametrize("layout", [np.asfortranarray, lambda X: X[::-1, ::-1], lambda X: X[::2]])
def test_any_layout_of_numpy_rows_will_do(layout):
    rows = layout(np.random.default_rng(0).normal(7, 2, (501, 5)).astype("float32"))
    before = rows.copy()
    found = numpy_nearest.sums_about(rows, None, np.full(5, 6.5))
    for part, expected in zip(
        found, _expected(rows.astype(float), np.ones(len(rows)), 6.5), strict=True
    ):
        assert_allclose(part, expected)
    assert (rows == before).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_compiled_sums_are_those_of_the_definition(dtype):
    pytest.importorskip("numba")
    from kmeans_xp.kernels.numba import compiling
    from kmeans_xp.kernels.numba.low_d import distances as low_d_distances

    assert compiling.prepare(dtype)
    rows, about = np.random.default_rng(0).normal(7, 2, (401, 13)).astype(dtype), np.full(13, 6.5)
    found = low_d_distances.sums_about(rows, about)
    for part, expected in zip(
        found, _expected(rows.astype(float), np.ones(401), about)[1:], strict=True
    ):
        assert_allclose(part, expected)
