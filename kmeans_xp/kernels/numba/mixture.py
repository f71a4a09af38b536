"""Scores of Gaussian components with Numba."""

from typing import Any

import numpy as np
from numba import types

from kmeans_xp.kernels.choose import regimes
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.simd.vector import LANES, load, spread, store, times_plus
from kmeans_xp.kernels.numpy import mixture as numpy_mixture
from kmeans_xp.kernels.numpy.memory import scratch
from kmeans_xp.kernels.shared.gaussians import Components

# Components whose scores are taken together, so that monomials are loaded once for all of them.
TOGETHER = 4


def expect_by_polynomial(found: np.ndarray, parts: Components) -> tuple[np.ndarray, np.ndarray]:
    """Return shares, (k, B), and log densities, (B,), of rows by their monomials, (p, B)."""
    exactly = parts.kind == "shared"
    return numpy_mixture.share(scores(parts.coefficients, found), parts.dtype, exactly=exactly)


def scores(coefficients: Any, found: np.ndarray) -> np.ndarray:
    """Return the product, (k, B); of few components BLAS spends most of its time on packing."""
    (k, p), n = coefficients.shape, found.shape[1]
    if not (regimes.scores_in_loop(k, n) and found.flags.c_contiguous):
        return numpy_mixture.scores(coefficients, found)
    size = -(-k // TOGETHER) * TOGETHER
    filled, product = np.zeros((size, p)), scratch("scores", (size, n), np.float64)
    filled[:k] = coefficients
    _scores(filled, found, product)
    return product[:k]


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of the compiled function, for rows of any dtype."""
    wide = types.f8[:, ::1]
    return {"_scores": (wide, wide, wide)}


@compiling.entry
def _scores(coefficients: Any, found: Any, out: Any) -> None:
    """Write the products of coefficients, (k, p), and monomials, (p, B); k is a multiple of four.

    Sixteen rows at a time, whose monomials stay in the nearest cache while components pass by.
    """
    (k, p), n = coefficients.shape, found.shape[1]
    whole = n // LANES * LANES
    for first in range(0, whole, LANES):
        for c in range(0, k, TOGETHER):
            s0 = s1 = s2 = s3 = spread(0.0)
            for m in range(p):
                x = load(found, m * n + first)
                s0 = times_plus(x, spread(coefficients[c, m]), s0)
                s1 = times_plus(x, spread(coefficients[c + 1, m]), s1)
                s2 = times_plus(x, spread(coefficients[c + 2, m]), s2)
                s3 = times_plus(x, spread(coefficients[c + 3, m]), s3)
            store(out, c * n + first, s0)
            store(out, (c + 1) * n + first, s1)
            store(out, (c + 2) * n + first, s2)
            store(out, (c + 3) * n + first, s3)
    for c in range(k):
        for i in range(whole, n):
            total = 0.0
            for m in range(p):
                total += coefficients[c, m] * found[m, i]
            out[c, i] = total
