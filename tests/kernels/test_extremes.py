"""Trackers where squares overflow, and where float32 cannot hold what they remember."""

import numpy as np
import pytest

from kmeans_xp import kmeans
from kmeans_xp.kernels.choose.lloyd import BOUND_METHODS, BoundMethod
from tests.data import some_rows

each = pytest.mark.parametrize("tracking", BOUND_METHODS, ids=lambda tracking: tracking.name)


def _labels(X: np.ndarray, C: np.ndarray) -> np.ndarray:
    wide = X.astype(np.longdouble)[:, None, :] - C.astype(np.longdouble)
    return (wide**2).sum(axis=2).argmin(axis=1)


@each
@pytest.mark.parametrize("scale", [1e-44, 1e-40, 1e38, 1e40, 1e60])
def test_what_float32_cannot_hold_bounds_nothing(tracking: BoundMethod, scale: float) -> None:
    for seed in range(10):
        X = np.random.default_rng(seed).normal(size=(300, 64)) * 0.7 ** np.arange(64) * scale
        fit = kmeans(X, 6, init=some_rows(X, 6), tol=0, algorithm=tracking.name)
        np.testing.assert_array_equal(fit.labels, _labels(X, fit.centers))


@each
@pytest.mark.parametrize("scale", [5e18, 1e19, 2e19, 1e20])
@pytest.mark.parametrize("d", [2, 40])
def test_squares_that_overflow_bound_nothing(tracking: BoundMethod, scale: float, d: int) -> None:
    for seed in range(30):
        X = (np.random.default_rng(seed).normal(size=(200, d)) * scale).astype(np.float32)
        fit = kmeans(X, 3, init=some_rows(X, 3), tol=0, algorithm=tracking.name)
        np.testing.assert_array_equal(fit.labels, _labels(X, fit.centers))
