"""The two halves of an EM iteration on a block, in the array-API standard alone.

`monomials` and `differences` prepare rows. `expect` returns the shares that components have in
them, (k, B), and their log densities, (B,); `moments` returns the moments of the shares, (k, p), by
monomial, in the widest float. What is prepared and the shares may be in memory that the next block
takes: whoever keeps them, copies.

By polynomial, moments are about the origin. By difference they are about each component's own
mean: slower, and free of the cancellation that components cause which are small and far apart.
Differences are computed in the precision of the means.
"""

from typing import Any

from kmeans_xp.arrays import Array, namespace_of
from kmeans_xp.arrays.namespace import device_of
from kmeans_xp.kernels.shared.gaussians import MATRICES, Components

# Entries of a block's largest array, which bound the memory that a block takes.
ENTRIES = 1 << 22


def polynomial_rows(k: int, p: int, d: int) -> int:
    """Return how many rows a block should have: k components, p monomials, d features."""
    return max(64, ENTRIES // (p + k))


def difference_rows(k: int, p: int, d: int) -> int:
    """Return how many rows a block should have, where differences are taken."""
    return max(64, ENTRIES // (k + d))


def monomials(block: Array, about: Array, kind: str) -> Array:
    """Return the monomials of rows about one point, (d,), or one each, (B, d); (p, B)."""
    xp = namespace_of(block)
    x = differences(block, about, kind).T
    ones = xp.ones_like(x[:1, :])
    if kind in MATRICES:
        products = [x[i : i + 1, :] * x[i:, :] for i in range(x.shape[0])]
        return xp.concat([ones, x, *products], axis=0)
    if kind == "shared":
        return xp.concat([ones, x], axis=0)
    squares = x * x
    if kind != "diag":
        squares = xp.sum(squares, axis=0, keepdims=True)
    return xp.concat([ones, x, squares], axis=0)


def differences(block: Array, about: Array, kind: str) -> Array:
    """Return rows about one point, (d,), or one each, (B, d), in the widest float; (B, d)."""
    return namespace_of(block).astype(block, about.dtype, copy=False) - about


def scores(coefficients: Array, found: Array) -> Array:
    """Return the polynomials, (k, B), of rows by their monomials, (p, B)."""
    return coefficients @ found


def expect_by_polynomial(found: Array, parts: Components) -> tuple[Array, Array]:
    """Return shares, (k, B), and log densities, (B,), of rows by their monomials, (p, B)."""
    return share(scores(parts.coefficients, found), parts.dtype, exactly=parts.kind == "shared")


def moments_by_polynomial(found: Array, shares: Array, parts: Components) -> Array:
    """Return the moments of `shares` about what the monomials are about, (k, p)."""
    return (found @ namespace_of(found).astype(shares, found.dtype, copy=False).T).T


def share(scores: Array, dtype: Any, *, exactly: bool = False) -> tuple[Array, Array]:
    """Return the softmax of `scores`, (k, B), down each column, and the log of its sums, (B,).

    If `exactly`, shares add up to 1 in the precision of the scores.
    """
    xp = namespace_of(scores)
    top = xp.max(scores, axis=0)
    shares = xp.exp(xp.astype(scores - top, dtype, copy=False))
    shares = xp.astype(shares, scores.dtype, copy=False) if exactly else shares
    sums = xp.sum(shares, axis=0)
    return shares / sums, top + xp.log(xp.astype(sums, top.dtype, copy=False))


def expect_by_difference(x: Array, parts: Components) -> tuple[Array, Array]:
    """Return shares, (k, B), and log densities, (B,), of rows about the origin, (B, d)."""
    xp = namespace_of(x)
    x = xp.astype(x, parts.means.dtype, copy=False)
    # One scale for all components stays outside: its products may overflow, but not those of
    # the component that is nearest.
    scale = parts.factors * parts.factors if parts.kind == "shared" else 1.0
    count = parts.means.shape[0]
    forms = xp.stack([_form(x - parts.means[j, :], parts, j) for j in range(count)])
    least = xp.min(forms, axis=0)
    shares, logs = share(parts.constants[:, None] - 0.5 * scale * (forms - least), parts.dtype)
    return shares, logs - 0.5 * scale * least


def moments_by_difference(x: Array, shares: Array, parts: Components) -> Array:
    """Return the moments of `shares` about each component's mean, (k, p)."""
    xp, wide = namespace_of(x), parts.origin.dtype
    x = xp.astype(x, parts.means.dtype, copy=False)
    rows, shares = [], xp.astype(shares, x.dtype, copy=False)
    for j in range(parts.means.shape[0]):
        difference = x - parts.means[j, :]
        shared = difference * shares[j, :][:, None]
        weight = xp.sum(shares[j, :], keepdims=True)
        second = _second(shared, difference, parts.kind)
        rows.append(xp.concat([weight, xp.sum(shared, axis=0), second]))
    return xp.astype(xp.stack(rows), wide, copy=False)


def _form(difference: Array, parts: Components, j: int) -> Array:
    """Return the squared Mahalanobis distances of rows to component `j`."""
    xp, factors = namespace_of(difference), parts.factors
    if parts.kind in MATRICES:
        difference = difference @ (factors[j, :, :] if parts.kind == "full" else factors)
    elif parts.kind == "diag":
        difference = difference * factors[j, :]
    elif parts.kind == "spherical":
        difference = difference * factors[j]
    return xp.sum(difference * difference, axis=1)


def _second(shared: Array, difference: Array, kind: str) -> Array:
    """Return the second moments, by monomial."""
    xp = namespace_of(difference)
    if kind not in MATRICES:
        squares = xp.sum(shared * difference, axis=0)
        return squares if kind == "diag" else xp.sum(squares, keepdims=True)
    d = difference.shape[1]
    upper = [i * d + j for i in range(d) for j in range(i, d)]
    where = xp.asarray(upper, device=device_of(difference))
    return xp.take(xp.reshape(shared.T @ difference, (d * d,)), where)
