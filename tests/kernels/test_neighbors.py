"""Nearest rows: every engine finds them as direct differences in float64 say."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from kmeans_xp.kernels.interface import Engine
from kmeans_xp.kernels.numpy import neighbors as of_numpy
from kmeans_xp.kernels.portable import neighbors as portable
from kmeans_xp.kernels.shared.others import Others
from kmeans_xp.rows.open import open_rows
from tests.backends import Backend
from tests.data import cloud
from tests.reference import nearest_rows

PROBLEMS = {
    "a cloud": cloud(150, 6),
    "of one feature": cloud(80, 1),
    "of many features": cloud(60, 200),
    "far away": cloud(100, 5) + 1e5,
    "repeated": np.repeat(cloud(6, 3), 40, axis=0),
    "on a grid": np.stack(np.meshgrid(*[np.arange(5.0)] * 3), axis=-1).reshape(-1, 3),
    "all equal": np.ones((50, 4)),
    "one far from the rest": np.concatenate([cloud(60, 3), [[1e6, 0, 0]]]),
}


def others_of(X, backend: Backend, narrow: str, size: int) -> Others:
    rows = open_rows(X)
    origin = rows.xp.astype(rows.block(0, 1)[0, :], rows.wide)
    return Others(rows, origin, getattr(rows.xp, narrow) if narrow else rows.wide, size)


@pytest.mark.parametrize("narrow", ["float32", ""], ids=["bounds in float32", "in the widest"])
@pytest.mark.parametrize("size", [17, 10_000], ids=["in blocks", "at once"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_they_are_the_nearest(
    engine: Engine, backend: Backend, name: str, size: int, narrow: str
) -> None:
    X = PROBLEMS[name].astype("float32")
    x = backend.asarray(X)
    for count in (1, 7, len(X)) if backend.name == "numpy" else (7,):
        others = others_of(x, backend, narrow, size)
        indices, squares = engine.neighbors(backend.asarray(X[:50]), others, count)
        expected, theirs = nearest_rows(X[:50], X, count)
        assert_allclose(backend.to_numpy(squares), theirs, rtol=backend.tolerance)
        if backend.float64:
            assert_array_equal(backend.to_numpy(indices), expected)


@pytest.mark.parametrize("shortlist", [portable.shortlist, of_numpy.shortlist])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kinds", [3, 30, 10**6])
def test_whatever_is_below_the_limit_is_on_the_list(shortlist, dtype, kinds):
    rng = np.random.default_rng(0)
    for n in (1, 2, 15, 33, 200, 1023, 1024, 1025, 2500):
        for size in {1, min(n, 2), min(n, 5), max(1, n // 2), n}:
            for piece in (n, max(1, n // 3), max(1, 2 * n // 3)):
                scores = rng.integers(0, kinds, (9, n)).astype(dtype)
                pieces = [(i, scores[:, i : i + piece]) for i in range(0, n, piece)]
                columns, limits = shortlist(iter(pieces), size, n)
                for row, listed, limit in zip(scores, columns.tolist(), limits, strict=True):
                    chosen = [column for column in listed if column < n]
                    assert len(chosen) == len(set(chosen))
                    assert set(np.flatnonzero(row < limit)) <= set(chosen)
                    assert np.isinf(limit) or limit >= np.sort(row)[size - 1]


def test_the_first_of_equals_are_found():
    scores = np.random.default_rng(0).integers(0, 4, (20, 500)).astype(float)
    where = portable.first_least(scores, 40)
    assert_array_equal(where, np.argsort(scores, axis=1, kind="stable")[:, :40])


def test_few_rows_are_measured_against_all(monkeypatch):
    """Bounds in float32 decide nearly all rows of a cloud."""
    asked = []

    def squares(rows, others):
        asked.append(len(rows))
        return of_numpy.squares(rows, others)

    X = cloud(3000, 12)
    method = of_numpy.PRODUCT._replace(squares=squares)
    others = others_of(X, None, "float32", 1000)
    found, _ = portable.neighbors(X[:500], others, 8, method=method)
    assert_array_equal(found, nearest_rows(X[:500], X, 8)[0])
    assert not asked
