r"""Gaussian components prepared for a block of rows.

About an origin o, with x' = x - o and μ' = μ - o, the log density of a component times its
weight is a quadratic polynomial of x'. Its moments are sums over the same monomials: 1, x' and

- the products x'_i x'_j, i ≤ j, for the kinds "full" and "tied",
- the squares x'_i² for "diag",
- the squared norm ‖x'‖² for "spherical".

The kind "shared", one variance for all components, has no monomials for squares: they do not tell
components apart, and their total over the components does not depend on the shares. Without them
log densities are right on average only.

Hence one list of monomials serves both halves of an iteration as two matrix products: coefficients
times monomials are the scores, and shares times monomials are the moments.
"""

from dataclasses import dataclass
from typing import Any

from kmeans_xp.arrays import Array

MATRICES = ("full", "tied")
KINDS = (*MATRICES, "diag", "spherical", "shared")


@dataclass(frozen=True)
class Components:
    """Gaussian components, where blocks live.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    origin : array of shape (d,)
        Rows and means are taken about it.
    means : array of shape (k, d), optional
        About the origin. Only differences need means, factors and constants.
    factors : array, optional
        The squared norms of differences times these are Mahalanobis distances. Of shape (k, d, d),
        (d, d), (k, d), (k,) or (), in the order of `KINDS`.
    constants : array of shape (k,), optional
        Logarithms of weight times largest density.
    coefficients : array of shape (k, p), optional
        Of the polynomials, where these are used.
    dtype : dtype
        Of the shares: that of the rows.
    """

    kind: str
    origin: Array
    means: Array
    factors: Array
    constants: Array
    coefficients: Array | None
    dtype: Any


def monomial_count(kind: str, d: int) -> int:
    """Return how many monomials there are, the p of (k, p)."""
    if kind in MATRICES:
        return 1 + d + d * (d + 1) // 2
    return 1 + d + {"diag": d, "shared": 0}.get(kind, 1)
