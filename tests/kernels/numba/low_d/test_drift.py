"""What whole iterations remember is true: radii, drift limits, and the bound gaps of rows."""

import numpy as np
import pytest

from tests.kernels.problems import origin_of, squares_of

pytest.importorskip("numba")

from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.low_d.iteration import RADII_UP_TO, LowDIteration


def _alone(work, _help):
    while not work():
        pass


@pytest.mark.parametrize("d", [1, 2, 5, RADII_UP_TO + 1])
@pytest.mark.parametrize("start", ["poor", "two far apart"])
def test_no_radius_is_too_short_and_no_gap_too_long(d, start):
    assert compiling.prepare(np.float32)
    rng = np.random.default_rng(d)
    X, k = rng.normal(size=(3000, d)).astype(np.float32), 25
    centers = X[:k].copy()
    if start == "two far apart":
        centers[:2] *= 40
    run = LowDIteration(X, None, k, origin_of(X, np.zeros(d, np.float32)), _alone)
    for _ in range(12):
        moved, before = run.step(centers).centers, centers
        distances, labels = np.sqrt(squares_of(X, before)), run.row_labels
        own = distances[np.arange(len(X)), labels]
        assert (own == distances.min(axis=1)).all()
        distances[np.arange(len(X)), labels] = np.inf
        drift = run._state.drift
        assert (own <= drift.radii[labels]).all()
        # What a centre is ahead of the limits counts as soon as it matters.
        leads = drift.leads if len(drift.leads) else np.zeros((k, k))
        farther = (distances + leads[labels]).min(axis=1) - own
        gaps = run._state.rows.bound_gaps - drift.drift_limits[labels]
        assert (gaps <= farther).all()
        centers = moved
