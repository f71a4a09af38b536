"""Two centres: every kernel finds the nearer one exactly, and what it gained."""

import array_api_compat.numpy as xp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from kmeans_xp.kernels.choose.engine import find_engine
from tests.data import cloud

KERNELS = pytest.mark.parametrize("name", ["numpy", "portable"])


def nearer(X: np.ndarray, C: np.ndarray) -> np.ndarray:
    first, second = (((X.astype(float) - c) ** 2).sum(axis=1) for c in C.astype(float))
    return second < first


def crowded(d: int, scale: float, offset: float, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows on both sides of the middle between two centres, many of them next to it."""
    X = cloud(400, d)
    C = np.stack([-np.ones(d), np.ones(d)])
    X[:300] -= X[:300].mean(axis=1, keepdims=True)
    X[:300] += (np.logspace(-10, -2, 300) * (-1.0) ** np.arange(300))[:, None]
    return tuple((scale * (part + offset)).astype(dtype) for part in (X, C))


@KERNELS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("d", [1, 3, 60])
@pytest.mark.parametrize(("scale", "offset"), [(1, 0), (1, 1e3), (1e-21, 0), (1e-25, 0), (1e17, 0)])
@pytest.mark.parametrize("known", [True, False])
def test_labels_are_exact(
    name: str, dtype: str, d: int, scale: float, offset: float, known: bool
) -> None:
    X, C = crowded(d, scale, offset, dtype)
    reach = float(np.linalg.norm(np.concatenate([X, C]).astype(float), axis=1).max())
    pair = find_engine(xp, name).pair(C, reach if known else None)
    assert_array_equal(pair.labels(X), nearer(X, C))


@KERNELS
def test_products_that_overflow_decide_nothing(name: str) -> None:
    # One term is infinite in single precision, yet the others outweigh it.
    C = np.array([[-1e19] * 3, [1e19] * 3], np.float32)
    X = np.array([[1.8e19, -1.6e19, -1.6e19], [-1.8e19, 1.6e19, 1.6e19]], np.float32)
    X = np.concatenate([np.roll(X, j, axis=1) for j in range(3)])
    with np.errstate(over="ignore", invalid="ignore"):
        found = find_engine(xp, name).pair(C, None).labels(X)
    assert_array_equal(found, nearer(X, C))


@KERNELS
def test_a_tie_goes_to_the_first(name: str) -> None:
    C = np.array([[1.0, 0.0], [0.0, 1.0]])
    X = np.repeat(np.arange(-3.0, 4.0)[:, None], 2, axis=1)
    kernel = find_engine(xp, name)
    assert_array_equal(kernel.pair(C, None).labels(X), 0)
    assert_array_equal(kernel.pair(C[[0, 0]], None).labels(X), 0)


@KERNELS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gains_are_those_of_the_second_half(name: str, dtype: str) -> None:
    X = cloud(3000, 40, seed=3).astype(dtype)
    about, kernel = np.linspace(-1, 1, 40), find_engine(xp, name)
    wide = X.astype(float) - about
    first = kernel.pair(X[:2], None)
    gains, before = first.gains(X, None, about)
    assert_array_equal(before, nearer(X, X[:2]))
    assert gains.size == before.sum()
    assert_allclose(gains.sums, wide[before == 1].sum(axis=0), rtol=1e-10, atol=1e-10)
    gains, labels = kernel.pair(X[2:4], None).gains(X, before, about)
    change = labels.astype(float) - before
    assert_array_equal(labels, nearer(X, X[2:4]))
    assert gains.size == change.sum()
    assert_allclose(gains.sums, change @ wide, rtol=1e-10, atol=1e-10)
