"""Which of an engine's two ways of EM runs: by polynomials or by differences."""

import numpy as np
from array_api_compat import is_numpy_namespace

from kmeans_xp.arrays import Namespace
from kmeans_xp.kernels.choose import regimes
from kmeans_xp.kernels.choose.engine import find_engine
from kmeans_xp.kernels.interface import ExpectationMaximization
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.compiling import MIXTURE
from kmeans_xp.kernels.shared.gaussians import MATRICES, monomial_count

# Monomials of matrices up to which two products of them are faster than two products a component.
MANY = 900


def find_em(xp: Namespace, kind: str, d: int, *, exact: bool = False) -> ExpectationMaximization:
    """Return EM for arrays of `xp` with d features and components of a kind.

    By difference if `exact` or if that is faster, else by polynomial.
    """
    engine = find_engine(xp)
    exact = exact or (kind in MATRICES and monomial_count(kind, d) > MANY)
    return engine.difference if exact else engine.polynomial


def find_em_for_pass(
    xp: Namespace, kind: str, shape: tuple[int, int], k: int, *, exact: bool
) -> ExpectationMaximization:
    """Return EM for a pass over rows of this shape, for k components.

    What makes scores faster is loaded if passes so far have repaid it.
    """
    n, d = shape
    count = monomial_count(kind, d)
    if not exact and is_numpy_namespace(xp):
        block = min(n, find_em(xp, kind, d).block_rows(k, count, d))
        if regimes.scores_in_loop(k, block):
            compiling.repaid(n * k * count, np.float64, MIXTURE)
    return find_em(xp, kind, d, exact=exact)
