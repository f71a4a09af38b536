"""Centres in the order of their distances from each other."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from kmeans_xp.kernels.shared.prepared_centers import prepare
from tests.data import cloud
from tests.kernels.problems import squares_of

pytest.importorskip("numba")

from kmeans_xp.kernels.numba.low_d.neighbours import neighbors_of


@pytest.mark.parametrize("k", [1, 4, 33])
def test_neighbors_begin_with_the_centre_itself_and_come_nearest_first(dtype: type, k: int) -> None:
    C = cloud(k, 3).astype(dtype)
    C[k // 2 :] = C[: k - k // 2]  # Some coincide.
    found = neighbors_of(prepare(C))
    order = found.order[:, :k]
    assert_array_equal(order[:, 0], [*range(k), 0])
    assert_array_equal(np.sort(order, axis=1), [list(range(k))] * (k + 1))
    distances = np.take_along_axis(np.sqrt(squares_of(C, C)), order[:-1], axis=1)
    assert (np.diff(distances[:, 1:], axis=1) >= -1e-6 * distances[:, 2:]).all()
    # What fills up the strides is a centre that is never the nearest.
    assert (found.order[:, k:] == k).all()
    assert np.isinf(found.centers[k]).all()
