r"""Gaussian components prepared for a block of rows.

About an origin o, with x' = x - o and μ' = μ - o, the log density of a component times its
weight is a quadratic polynomial of x'. Its moments are sums over the same monomials: 1, x' and

- the products x'_i x'_j, i ≤ j, for the kinds "full" and "tied",
- the squares x'_i² for "diag",
- the squared norm ‖x'‖² for "spherical".

For "shared", one variance for all components, squares do not tell these apart, and shares do not
change what they add up to: there are none, and log densities are right on average only.

So one list of monomials serves both halves of an iteration, as two matrix products: the
coefficients times the monomials are the scores, and the shares times the monomials the moments.
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
        What rows and means are taken about.
    means : array of shape (k, d), optional
        About the origin; like factors and constants only where differences are taken.
    factors : array, optional
        What differences are multiplied with, so that their squares are Mahalanobis distances:
        of shape (k, d, d), (d, d), (k, d), (k,) or (), by kind.
    constants : array of shape (k,), optional
        Logarithms of the densities' largest values, times the weights.
    coefficients : array of shape (k, p), optional
        Of the polynomials; only where these are used.
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
