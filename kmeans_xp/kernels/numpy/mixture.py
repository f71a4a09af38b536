"""EM tuned for NumPy: cache-sized blocks, and work in place.

By polynomial, monomial by monomial; by difference, component by component, in the precision that
the components are given in.
"""

from typing import Any

import numpy as np

from kmeans_xp.kernels.numpy.memory import scratch
from kmeans_xp.kernels.portable import mixture as portable_mixture
from kmeans_xp.kernels.shared.gaussians import MATRICES, Components, monomial_count

# Entries of a block's monomials and shares, which stay in the cache between the two products.
BLOCK = 1 << 19


def polynomial_rows(k: int, p: int, d: int) -> int:
    """Return how many rows a block should have: k components, p monomials, d features."""
    return min(max(BLOCK // (p + 2 * k), 256), 8192)


def difference_rows(k: int, p: int, d: int) -> int:
    """Return how many rows a block should have, where differences are taken."""
    return min(max(BLOCK // (k + 8 * d), 256), 8192)


def monomials(block: np.ndarray, about: np.ndarray, kind: str) -> np.ndarray:
    """Return the monomials of rows about one point, (d,), or one each, (B, d); (p, B).

    They lie monomial by monomial, so that SIMD lanes run over rows.
    """
    n, d = block.shape
    found = scratch("monomials", (monomial_count(kind, d), n), np.float64)
    found[0] = 1
    x, rest = found[1 : d + 1], found[d + 1 :]
    np.subtract(block.T, np.atleast_2d(about).T, out=x)
    if kind == "shared":
        return found
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


def expect_by_polynomial(found: np.ndarray, parts: Components) -> tuple[np.ndarray, np.ndarray]:
    """Return shares, (k, B), and log densities, (B,), of rows by their monomials, (p, B)."""
    exactly = parts.kind == "shared"
    return share(scores(parts.coefficients, found), parts.dtype, exactly=exactly)


def moments_by_polynomial(found: np.ndarray, shares: np.ndarray, parts: Components) -> np.ndarray:
    """Return the moments of `shares` about what the monomials are about, (k, p)."""
    if shares.dtype != np.float64:
        narrow, shares = shares, scratch("wide shares", shares.shape, np.float64)
        shares[...] = narrow
    return (found @ shares.T).T


def scores(coefficients: Any, found: np.ndarray) -> np.ndarray:
    """Return the polynomials, (k, B), of rows by their monomials, (p, B)."""
    out = scratch("scores", (len(coefficients), found.shape[1]), np.float64)
    return np.matmul(coefficients, found, out=out)


def expect_by_difference(x: np.ndarray, parts: Components) -> tuple[np.ndarray, np.ndarray]:
    """Return shares, (k, B), and log densities, (B,), of rows about the origin, (B, d)."""
    if parts.kind not in MATRICES:
        return portable_mixture.expect_by_difference(x, parts)
    x = x.astype(parts.means.dtype, copy=False)
    forms = np.empty((len(parts.means), len(x)), x.dtype)
    difference, turned = np.empty_like(x), np.empty_like(x)
    rows, means = x, parts.means
    # Where rows are rounded already, they may be turned before differences are taken.
    shared = parts.kind == "tied" and x.dtype != parts.origin.dtype
    if shared:
        rows, means, turned = x @ parts.factors, means @ parts.factors, difference
    for j, mean in enumerate(means):
        np.subtract(rows, mean, out=difference)
        if not shared:
            factor = parts.factors if parts.kind == "tied" else parts.factors[j]
            np.matmul(difference, factor, out=turned)
        np.vecdot(turned, turned, out=forms[j])
    return share(parts.constants[:, None] - 0.5 * forms, parts.dtype)


def moments_by_difference(x: np.ndarray, shares: np.ndarray, parts: Components) -> np.ndarray:
    """Return the moments of `shares` about each component's mean, (k, p)."""
    if parts.kind not in MATRICES:
        return portable_mixture.moments_by_difference(x, shares, parts)
    k, d = parts.means.shape
    x, shares = x.astype(parts.means.dtype, copy=False), shares.astype(np.float64, copy=False)
    found = np.empty((k, monomial_count(parts.kind, d)))
    found[:, 0] = shares.sum(axis=1)
    roots = np.sqrt(shares).astype(x.dtype, copy=False)
    upper = np.flatnonzero(np.triu(np.ones((d, d), bool)))
    difference = np.empty_like(x)
    for j, mean in enumerate(parts.means):
        np.subtract(x, mean, out=difference)
        difference *= roots[j][:, None]
        found[j, 1 : d + 1] = roots[j] @ difference
        # A product with its own transpose takes BLAS half the time.
        found[j, d + 1 :] = (difference.T @ difference).take(upper)
    return found


def share(
    scores: np.ndarray, dtype: Any, *, exactly: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """As `em_portable.share`, in place of the scores."""
    top = scores.max(axis=0)
    scores -= top
    # In the rows' precision: single takes a third of the time, and loses no more than rows did.
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
