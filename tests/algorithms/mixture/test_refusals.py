"""gaussian_mixture refuses what it cannot do, and names it."""

import numpy as np
import pytest

from kmeans_xp import GaussianMixture, gaussian_mixture
from tests.data import cloud

BAD = [
    ({"n_components": 0}, ValueError, "n_components"),
    ({"n_components": 31}, ValueError, "n_components"),
    ({"n_components": 2.0}, TypeError, "n_components"),
    ({"covariance_type": "round"}, ValueError, "covariance_type"),
    ({"init": "kmeans"}, ValueError, "init"),
    ({"n_init": 0}, ValueError, "n_init"),
    ({"max_iter": -1}, ValueError, "max_iter"),
    ({"tol": -1.0}, ValueError, "tol"),
    ({"tol": "small"}, TypeError, "tol"),
    ({"reg_covar": -1e-6}, ValueError, "reg_covar"),
    ({"reg_covar": np.nan}, ValueError, "reg_covar"),
    ({"weights_init": [0.5, 0.6]}, ValueError, "weights_init"),
    ({"weights_init": [1.5, -0.5]}, ValueError, "weights_init"),
    ({"weights_init": [1.0]}, ValueError, "weights_init"),
    ({"weights_init": [np.nan, 1.0]}, ValueError, "weights_init"),
    ({"means_init": np.zeros((3, 2))}, ValueError, "means_init"),
    ({"means_init": np.full((2, 2), np.nan)}, ValueError, "means_init"),
    ({"precisions_init": np.ones((2, 2))}, ValueError, "precisions_init"),
    ({"precisions_init": -np.ones((2, 2, 2))}, ValueError, "precisions_init"),
    ({"precisions_init": np.tile([[1.0, 0.5], [0.0, 1.0]], (2, 1, 1))}, ValueError, "symmetric"),
    ({"precisions_init": np.full((2, 2, 2), np.inf)}, ValueError, "precisions_init"),
    ({"sample_weight": np.zeros(30)}, ValueError, "sample_weight"),
    ({"sample_weight": np.ones(29)}, ValueError, "sample_weight"),
    ({"rng": "seed"}, TypeError, "rng"),
    ({"callback": 3}, TypeError, "callback"),
]


@pytest.mark.parametrize(("options", "error", "named"), BAD, ids=lambda v: str(v)[:40])
def test_bad_arguments_are_named(options, error, named):
    with pytest.raises(error, match=named):
        gaussian_mixture(cloud(30, 2), **({"n_components": 2} | options))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_rows_must_be_finite(bad):
    X = cloud(30, 2)
    model = GaussianMixture(2, random_state=0).fit(X)
    X[17, 1] = bad
    for call in (gaussian_mixture, lambda X, k: model.predict_proba(X)):
        with pytest.raises(ValueError, match=r"\bX\b.*finite"):
            call(X, 2)
