"""Which rows an iteration of one block looks at, and which sizes it takes."""

import numpy as np
import pytest

from kmeans_xp.kernels.numpy import hamerly_one_block
from kmeans_xp.kernels.numpy.hamerly_one_block import OneBlockIteration, most_rows
from kmeans_xp.kernels.numpy.nearest import CENTER_MAJOR_UP_TO
from tests.data import blobs, some_rows
from tests.kernels.problems import origin_of


@pytest.mark.parametrize("keeps", [False, True], ids=["all rows", "gaps"])
def test_rows_that_keep_their_label_are_not_looked_at(
    keeps: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hamerly_one_block, "GAPS_FROM", 0 if keeps else np.inf)
    X = blobs(3000, 6, 9)[0]
    run, C = OneBlockIteration(X, None, 9, origin_of(X, X[9])), some_rows(X, 9)
    for _ in range(20):
        C = run.step(C).centers
    # Rows that are looked at are all unsure if they are NaN.
    run._rows[:] = np.nan
    looked, decide = [], run._nearest_by_differences

    def decided(which: np.ndarray, centers: np.ndarray) -> np.ndarray:
        looked.extend(which)
        return decide(which, centers)

    monkeypatch.setattr(run, "_nearest_by_differences", decided)
    run.step(C)
    assert len(looked) == (0 if keeps else 3000)


def test_blocks_that_are_too_large_are_not_taken() -> None:
    assert most_rows(8, 2) < 600_000
    assert most_rows(2, 100) < 11_000
    assert 2000 < most_rows(784, 10) < 20_000
    assert 500 < most_rows(5000, 10) < 1000
    assert most_rows(2, CENTER_MAJOR_UP_TO) > 0
    assert most_rows(2, CENTER_MAJOR_UP_TO + 1) == 0
