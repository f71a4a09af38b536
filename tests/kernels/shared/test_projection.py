"""Few directions: what products of projected rows would exclude, tried on a few rows."""

import numpy as np
import pytest

from kmeans_xp.kernels.shared.projection import candidate_share, directions_of
from tests.data import cloud
from tests.kernels.problems import correlated


def test_the_share_tells_few_directions_from_many() -> None:
    few, many = correlated(600, 64), cloud(600, 64)
    assert candidate_share(directions_of(few), few, 60) < 0.1
    assert candidate_share(directions_of(many), many, 60) > 0.5


@pytest.mark.parametrize("scale", [1e-18, 1.0, 1e15])
def test_products_of_projected_rows_bound_those_of_rows(scale: float, dtype: type) -> None:
    for X in (correlated(300, 60), cloud(300, 40), cloud(300, 40) + 100):
        rows = (scale * X).astype(dtype)
        directions = directions_of(rows[:64])
        centers = rows[:20].astype(np.float64)
        scores = directions.rows(rows) @ directions.centers(centers, rows.dtype).T
        shifted = rows.astype(np.longdouble) - directions.origin
        exact = shifted @ shifted[:20].T - np.square(shifted[:20]).sum(axis=1) / 2
        assert (scores.astype(np.longdouble) >= exact).all()
