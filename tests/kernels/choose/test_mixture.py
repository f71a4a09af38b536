"""Which of the two ways of EM runs: polynomials, or differences where those would cancel."""

import array_api_compat.numpy as xp
import numpy as np
import pytest

from kmeans_xp.algorithms.mixture.expectation import expectation_of
from kmeans_xp.algorithms.mixture.parameters import Mixture
from kmeans_xp.kernels.choose.mixture import find_em
from kmeans_xp.kernels.shared.gaussians import KINDS
from kmeans_xp.rows import open_rows
from tests.data import cloud
from tests.kernels.test_mixture import HOST, ORIGIN, mixture


@pytest.mark.parametrize("kind", KINDS)
def test_differences_are_taken_where_polynomials_would_cancel(kind: str) -> None:
    rows, near = open_rows(HOST), mixture(kind)
    assert not expectation_of(rows, near).em.exact
    factors = near.factors * 1e6
    far = Mixture(kind, near.weights, near.means, near.covariances, factors, ORIGIN, np.ones(3))
    assert expectation_of(rows, far).em.exact
    assert not expectation_of(open_rows(HOST.astype(np.float32)), near).em.exact


def test_matrices_of_many_features_take_differences() -> None:
    X = cloud(20, 90)
    assert expectation_of(open_rows(X), mixture("full", 2, 90, X.mean(axis=0))).em.exact
    for kind in KINDS:
        assert find_em(xp, kind, 90).exact == (kind in ("full", "tied"))
        assert not find_em(xp, kind, 3).exact
        assert find_em(xp, kind, 3, exact=True).exact


def test_tuned_ways_stand_above_portable_ones() -> None:
    for exact in (False, True):
        assert not find_em(xp, "full", 3, exact=exact).name.startswith("portable")
