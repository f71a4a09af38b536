"""The two halves of an EM iteration on a block, in the array-API standard alone.

`monomials` and `differences` prepare rows. `expect` returns the shares that components have in
them, (k, B), and their log densities, (B,). `moments` returns the moments of the shares, (k, p), by
monomial, in the widest float. Prepared rows and shares may be in memory that the next block
overwrites.

By polynomial, moments are about the origin. By difference they are about each component's own
mean, which is slower, but free of the cancellation for small components that are far apart.
Differences are computed in the precision of the means.
"""

from typing import Any

from kmeans_xp.arrays import Array, namespace_of
from kmeans_xp.arrays.namespace import device_of
from kmeans_xp.kernels.shared.gaussians import MATRICES, Components


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


def scores(coefficients: Array, monomials: Array) -> Array:
    """Return the polynomials, (k, B), of rows by their monomials, (p, B)."""
    return coefficients @ monomials


def expect_by_polynomial(monomials: Array, components: Components) -> tuple[Array, Array]:
    """Return shares, (k, B), and log densities, (B,), of rows by their monomials, (p, B)."""
    exactly = components.kind == "shared"
    return share(scores(components.coefficients, monomials), components.dtype, exactly=exactly)


def moments_by_polynomial(monomials: Array, shares: Array, components: Components) -> Array:
    """Return the moments of `shares` about what the monomials are about, (k, p)."""
    shares = namespace_of(monomials).astype(shares, monomials.dtype, copy=False)
    return (monomials @ shares.T).T


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


def expect_by_difference(x: Array, components: Components) -> tuple[Array, Array]:
    """Return shares, (k, B), and log densities, (B,), of rows about the origin, (B, d)."""
    # A scale of all components is applied last: its products may overflow, but not those of the
    # nearest component.
    scale = components.factors * components.factors if components.kind == "shared" else 1.0
    squares = _mahalanobis(_about_means(x, components), components)
    least = namespace_of(x).min(squares, axis=0)
    scores = components.constants[:, None] - 0.5 * scale * (squares - least)
    shares, logs = share(scores, components.dtype)
    return shares, logs - 0.5 * scale * least


def moments_by_difference(x: Array, shares: Array, components: Components) -> Array:
    """Return the moments of `shares` about each component's mean, (k, p)."""
    xp, differences = namespace_of(x), _about_means(x, components)
    shares = xp.astype(shares, differences.dtype, copy=False)
    weighted = differences * shares[:, :, None]
    weights = xp.sum(shares, axis=1, keepdims=True)
    second = _second_moments(weighted, differences, components.kind)
    moments = xp.concat([weights, xp.sum(weighted, axis=1), second], axis=1)
    return xp.astype(moments, components.origin.dtype, copy=False)


def _about_means(x: Array, components: Components) -> Array:
    """Return the rows' differences from each mean, (k, B, d), in the dtype of the means."""
    means = components.means
    return namespace_of(x).astype(x, means.dtype, copy=False)[None, :, :] - means[:, None, :]


def _mahalanobis(differences: Array, components: Components) -> Array:
    """Return the squared Mahalanobis distances of rows, (k, B)."""
    xp, factors = namespace_of(differences), components.factors
    if components.kind in MATRICES:
        differences = differences @ factors  # (k, d, d), or one of them for all.
    elif components.kind == "diag":
        differences = differences * factors[:, None, :]
    elif components.kind == "spherical":
        differences = differences * factors[:, None, None]
    return xp.sum(differences * differences, axis=2)


def _second_moments(weighted: Array, differences: Array, kind: str) -> Array:
    """Return the second moments of each component, by monomial, (k, p - d - 1)."""
    xp = namespace_of(differences)
    if kind not in MATRICES:
        squares = xp.sum(weighted * differences, axis=1)
        return squares if kind == "diag" else xp.sum(squares, axis=1, keepdims=True)
    k, _, d = differences.shape
    products = xp.matrix_transpose(weighted) @ differences
    upper = [i * d + j for i in range(d) for j in range(i, d)]
    where = xp.asarray(upper, device=device_of(differences))
    return xp.take(xp.reshape(products, (k, d * d)), where, axis=1)
