"""The two halves of an EM iteration in NumPy: cache-sized blocks, and work in place.

They are specified in `kmeans_xp.kernels.portable.mixture`. Polynomials are computed monomial by
monomial, and differences component by component in the precision of the means.
"""

from typing import Any

import numpy as np

from kmeans_xp.kernels.numpy.memory import scratch
from kmeans_xp.kernels.portable import mixture as portable_mixture
from kmeans_xp.kernels.shared.gaussians import MATRICES, Components, monomial_count

# Entries of a block's monomials and shares, which stay in the cache between the two products.
BLOCK_ENTRIES = 1 << 19


def polynomial_rows(k: int, p: int, d: int) -> int:
    """Return how many rows a block should have: k components, p monomials, d features."""
    return min(max(BLOCK_ENTRIES // (p + 2 * k), 256), 8192)


def difference_rows(k: int, p: int, d: int) -> int:
    """Return how many rows a block should have, where differences are taken."""
    return min(max(BLOCK_ENTRIES // (k + 8 * d), 256), 8192)


def monomials(block: np.ndarray, about: np.ndarray, kind: str) -> np.ndarray:
    """Return the monomials of rows about one point, (d,), or one each, (B, d); (p, B).

    They lie monomial by monomial, so that SIMD lanes run over rows.
    """
    n, d = block.shape
    monomials = scratch("monomials", (monomial_count(kind, d), n), np.float64)
    monomials[0] = 1
    x, squares = monomials[1 : d + 1], monomials[d + 1 :]
    np.subtract(block.T, np.atleast_2d(about).T, out=x)
    if kind == "diag":
        np.multiply(x, x, out=squares)
    elif kind == "spherical":
        np.einsum("ij,ij->j", x, x, out=squares[0])
    elif kind in MATRICES:
        start = 0
        for i in range(d):
            np.multiply(x[i], x[i:], out=squares[start : start + d - i])
            start += d - i
    return monomials


def expect_by_polynomial(
    monomials: np.ndarray, components: Components
) -> tuple[np.ndarray, np.ndarray]:
    """Return shares, (k, B), and log densities, (B,), of rows by their monomials, (p, B)."""
    exactly = components.kind == "shared"
    return share(scores(components.coefficients, monomials), components.dtype, exactly=exactly)


def moments_by_polynomial(
    monomials: np.ndarray, shares: np.ndarray, components: Components
) -> np.ndarray:
    """Return the moments of `shares` about what the monomials are about, (k, p)."""
    if shares.dtype != np.float64:
        wide = scratch("wide shares", shares.shape, np.float64)
        wide[...] = shares
        shares = wide
    return (monomials @ shares.T).T


def scores(coefficients: Any, monomials: np.ndarray) -> np.ndarray:
    """Return the polynomials, (k, B), of rows by their monomials, (p, B)."""
    out = scratch("scores", (len(coefficients), monomials.shape[1]), np.float64)
    return np.matmul(coefficients, monomials, out=out)


def expect_by_difference(x: np.ndarray, components: Components) -> tuple[np.ndarray, np.ndarray]:
    """Return shares, (k, B), and log densities, (B,), of rows about the origin, (B, d)."""
    if components.kind not in MATRICES:
        return portable_mixture.expect_by_difference(x, components)
    x = x.astype(components.means.dtype, copy=False)
    squares = np.empty((len(components.means), len(x)), x.dtype)
    difference, whitened = np.empty_like(x), np.empty_like(x)
    rows, means = x, components.means
    # Where rows are rounded already, they may be whitened before differences are taken.
    whitens_rows = components.kind == "tied" and x.dtype != components.origin.dtype
    if whitens_rows:
        rows, means, whitened = x @ components.factors, means @ components.factors, difference
    for j, mean in enumerate(means):
        np.subtract(rows, mean, out=difference)
        if not whitens_rows:
            factor = components.factors if components.kind == "tied" else components.factors[j]
            np.matmul(difference, factor, out=whitened)
        np.vecdot(whitened, whitened, out=squares[j])
    return share(components.constants[:, None] - 0.5 * squares, components.dtype)


def moments_by_difference(x: np.ndarray, shares: np.ndarray, components: Components) -> np.ndarray:
    """Return the moments of `shares` about each component's mean, (k, p)."""
    if components.kind not in MATRICES:
        return portable_mixture.moments_by_difference(x, shares, components)
    k, d = components.means.shape
    x, shares = x.astype(components.means.dtype, copy=False), shares.astype(np.float64, copy=False)
    moments = np.empty((k, monomial_count(components.kind, d)))
    moments[:, 0] = shares.sum(axis=1)
    roots = np.sqrt(shares).astype(x.dtype, copy=False)
    upper = np.flatnonzero(np.triu(np.ones((d, d), bool)))
    difference = np.empty_like(x)
    for j, mean in enumerate(components.means):
        np.subtract(x, mean, out=difference)
        difference *= roots[j][:, None]
        moments[j, 1 : d + 1] = roots[j] @ difference
        # A product with its own transpose takes BLAS half the time.
        moments[j, d + 1 :] = (difference.T @ difference).take(upper)
    return moments


def share(
    scores: np.ndarray, dtype: Any, *, exactly: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return the softmax and its log sums as the portable `share` does; overwrite the scores."""
    top = scores.max(axis=0)
    scores -= top
    # In the rows' precision: single takes a third of the time, and loses no more than the rows did.
    shares = scores
    if dtype != scores.dtype:
        shares = scratch("shares", scores.shape, dtype)
        shares[...] = scores
    np.exp(shares, out=shares)
    if exactly and shares is not scores:
        scores[...] = shares
        shares = scores
        sums = np.ones(len(shares)) @ shares
        shares *= 1 / sums
    else:
        sums = shares.sum(axis=0)
        shares /= sums
    top += np.log(sums)
    return shares, top
