"""What the NumPy engine's search leaves to direct differences."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from kmeans_xp.kernels.numpy import nearest as numpy_nearest
from kmeans_xp.kernels.shared.prepared_centers import prepare
from tests.kernels.problems import nearest_to


@pytest.mark.parametrize("k", [20, 200])
def test_well_separated_rows_are_certain(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificate is no idle one: usual data never needs direct differences."""
    rng = np.random.default_rng(0)
    C = rng.normal(size=(k, 5)).astype(np.float32) * 100
    X = (C[rng.integers(0, k, 1000)] + rng.normal(size=(1000, 5)) / 10).astype(np.float32)
    monkeypatch.setattr(numpy_nearest, "_nearest_candidates", None)
    assert_array_equal(numpy_nearest.labels(X, prepare(C)), nearest_to(X, C))
