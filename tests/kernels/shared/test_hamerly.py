"""How far centres have moved since a run began, and what is remembered beside it."""

import numpy as np
from numpy.testing import assert_array_equal

from kmeans_xp.kernels.shared.hamerly import Drift, remember, unsettled


def test_limits_add_the_fastest_other_centre_to_the_own() -> None:
    drift, centers = Drift(3), np.zeros((3, 2))
    drift.follow(centers)
    assert not drift.drift_limits.any()
    for moves in ([3.0, 1.0, 0.0], [0.0, 2.0, 5.0]):
        centers = centers + np.outer(moves, [0.6, 0.8])
        drift.follow(centers)
    wanted = np.array([4 + 5, 4 + 7, 3 + 7])
    assert (drift.drift_limits >= wanted).all()
    np.testing.assert_allclose(drift.drift_limits, wanted, rtol=1e-9)
    np.testing.assert_allclose(drift.center_drift, [3, 3, 5], rtol=1e-9)


def test_a_row_is_settled_until_its_gap_is_used_up() -> None:
    labels, gaps = np.array([0, 1, 1, -1], np.int32), np.full(4, -np.inf, np.float32)
    limits = np.array([0.5, 1.0])
    remember(gaps, np.arange(3), np.array([2.0, 0.25, -np.inf]), labels, limits)
    assert (gaps[:2] < [2.5, 1.25]).all()
    np.testing.assert_allclose(gaps[:2], [2.5, 1.25], rtol=1e-5)
    assert_array_equal(unsettled(labels, gaps, limits), [2, 3])
    assert_array_equal(unsettled(labels, gaps, limits + 0.5), [1, 2, 3])
    assert_array_equal(unsettled(labels, gaps, limits + 2.0), [0, 1, 2, 3])
