"""The sketch of rows: its products are bounds."""

import numpy as np
import pytest

from kmeans_xp.kernels.numpy.seeding import Candidates, SketchSeeder
from kmeans_xp.kernels.shared.projection import directions_of
from tests.kernels.problems import correlated


@pytest.mark.parametrize("projected", [False, True], ids=["all features", "projection"])
def test_the_bound_is_one(projected: bool) -> None:
    rows = correlated(500, 30).astype(np.float32)
    basis = np.ascontiguousarray(directions_of(rows[:64]).matrix.T, np.float32)
    seeder = SketchSeeder(500, 4, rows[3], basis if projected else None, np.float32)
    drawn = np.empty((seeder.memory[1].shape[1], 500), np.float32)
    seeder.sketch(rows - rows[3], drawn)
    scored = Candidates(seeder, rows[:4])
    bounds = scored.columns @ drawn
    wide = rows.astype(np.float64)
    exact = np.sum((wide[None] - wide[:4, None]) ** 2, axis=2)
    slack = drawn[-2] * scored.slack[0] + scored.slack[1]
    assert (bounds <= exact + slack).all()
    assert np.corrcoef(bounds.ravel(), exact.ravel())[0, 1] > 0.9


def test_no_block_is_left_with_a_few_rows() -> None:
    def size_for(n: int) -> int:
        return SketchSeeder(n, 4, np.zeros(30), None, np.float64).block_rows

    size = size_for(10**6)
    assert size < 10**6
    assert size_for(size + 1) == size + 1
    assert size_for(2 * size - 1) == 2 * size - 1
    assert size_for(2 * size) == size
