"""Which of an engine's two ways of EM runs: by polynomials or by differences."""

from typing import Any

from kmeans_xp.arrays import Namespace
from kmeans_xp.kernels.choose.engine import find_engine
from kmeans_xp.kernels.interface import ExpectationMaximization
from kmeans_xp.kernels.shared.gaussians import MATRICES, monomial_count

# Monomials of matrices up to which two products of them are faster than two products a component.
MANY = 900


def find_em(
    xp: Namespace, kind: str, d: int, *, exact: bool = False, device: Any = None
) -> ExpectationMaximization:
    """Return EM for arrays of `xp` with d features and components of a kind.

    By difference if `exact` or if that is faster, else by polynomial.
    """
    engine = find_engine(xp, device=device)
    exact = exact or (kind in MATRICES and monomial_count(kind, d) > MANY)
    return engine.difference if exact else engine.polynomial
