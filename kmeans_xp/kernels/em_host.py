"""EM by polynomial, tuned for NumPy: cache-sized blocks, monomial by monomial, in place."""

from typing import Any

import numpy as np

from kmeans_xp.kernels.components import MATRICES, Components, monomial_count

# Entries of a block's monomials and shares, which stay in the cache between the two products.
BLOCK = 1 << 18


def polynomial_rows(k: int, p: int, d: int) -> int:
    """Return how many rows a block should have: k components, p monomials, d features."""
    return min(max(BLOCK // (p + 2 * k), 256), 8192)


def difference_rows(k: int, p: int, d: int) -> int:
    """Return how many rows a block should have, where differences are taken."""
    return min(max(BLOCK // (k + 4 * d), 256), 8192)


def monomials(block: np.ndarray, about: np.ndarray, kind: str) -> np.ndarray:
    """Return the monomials of rows about one point, (d,), or one each, (B, d); (p, B).

    They lie monomial by monomial, so that SIMD lanes run over rows.
    """
    n, d = block.shape
    found = np.empty((monomial_count(kind, d), n))
    found[0] = 1
    x, rest = found[1 : d + 1], found[d + 1 :]
    np.subtract(block.T, np.atleast_2d(about).T, out=x)
    if kind == "diag":
        np.multiply(x, x, out=rest)
    elif kind not in MATRICES:
        np.einsum("ij,ij->j", x, x, out=rest[0])
    else:
        start = 0
        for i in range(d):
            np.multiply(x[i], x[i:], out=rest[start : start + d - i])
            start += d - i
    return found


def expect_by_polynomial(
    block: np.ndarray, parts: Components
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return shares, (k, B), log densities, (B,), and monomials, (p, B)."""
    found = monomials(block, parts.origin, parts.kind)
    return *_share(parts.coefficients @ found, parts.dtype), found


def _share(scores: np.ndarray, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    top = scores.max(axis=0)
    scores -= top
    # In the rows' precision: single takes a third of the time, and loses no more than rows did.
    shares = scores.astype(dtype, copy=False)
    np.exp(shares, out=shares)
    sums = shares.sum(axis=0)
    shares /= sums
    top += np.log(sums)
    return shares, top
