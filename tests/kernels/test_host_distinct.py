"""Rows of which many are equal: each is looked at once, and speaks for all."""

import numpy as np
import pytest

from kmeans_xp import kmeans
from kmeans_xp.kernels import Task, frame_of
from kmeans_xp.kernels.host_distinct import PAIRS, Distinct, DistinctTracker, repeated
from kmeans_xp.kernels.tracking import find_lloyd
from tests.data import cloud, some_rows


def _repeated(n: int, d: int, distinct: int) -> np.ndarray:
    return cloud(distinct, d)[np.random.default_rng(1).integers(0, distinct, n)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "d"), [(1, 1), (2000, 1), (2000, 3), (2000, 11)])
def test_each_distinct_row_is_there_once(n: int, d: int, dtype: type) -> None:
    X = _repeated(n, d, 500).astype(dtype)
    weights = np.random.default_rng(2).random(n)
    found = Distinct.of(X, weights)
    expected, which = np.unique(X, axis=0, return_inverse=True)
    place = np.lexsort(found.rows.T[::-1])
    np.testing.assert_array_equal(found.rows[place], expected)
    np.testing.assert_allclose(found.weights[place], np.bincount(which, weights))
    np.testing.assert_array_equal(X[found.order], np.repeat(found.rows, found.counts, axis=0))


def test_rows_whose_sorted_bits_are_equal_stay_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kmeans_xp.kernels.host_distinct.MIXER", 0)
    X = _repeated(300, 2, 20)
    found = Distinct.of(X, None)
    assert found.weights.sum() == len(X)
    np.testing.assert_array_equal(X[found.order], np.repeat(found.rows, found.counts, axis=0))


def test_labels_reach_all_equal_rows() -> None:
    X = _repeated(1000, 2, 100)
    found, labels = Distinct.of(X, None), np.full(1000, -1, np.int32)
    found.labels[:] = np.arange(len(found.labels))
    some = np.array([3, 50, 7])
    found.spread(some, labels)
    for row in range(len(X)):
        (place,) = np.flatnonzero((found.rows == X[row]).all(axis=1))
        assert labels[row] == (place if place in some else -1)


def test_they_are_told_by_pairs() -> None:
    one = cloud(4096, 2)
    assert not repeated(one, 1 << 16)
    often = one.copy()
    often[:1000] = one[0]
    assert not repeated(often, 1 << 16)
    twice = one.copy()
    twice[-PAIRS:] = one[:PAIRS]
    assert repeated(twice, 1 << 20)
    # Where every row is there twice, so many as these hold more pairs.
    assert not repeated(twice, 1 << 16)


@pytest.mark.parametrize(
    ("n", "d", "distinct", "chosen"),
    [(1 << 16, 3, 10_000, True), (1 << 16, 3, 1 << 20, False), (1 << 12, 3, 500, False)],
)
def test_they_are_chosen_for_many_rows_that_are_repeated(
    n: int, d: int, distinct: int, chosen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kmeans_xp.kernels.fast_compile.worthwhile", lambda *_: False)
    X = _repeated(4096, d, distinct).astype(np.float32)
    task = Task(n, d, 20, X.dtype, lambda count: X[:count])
    _, tracking = find_lloyd(np, "auto", task)
    assert tracking is not None
    assert tracking.name == "numpy hamerly"
    assert isinstance(tracking.start(task), DistinctTracker) == chosen


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_fits_are_those_of_all_rows(weighted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    X = _repeated(1 << 16, 3, 5000).astype(np.float32)
    weights = np.random.default_rng(3).integers(0, 4, len(X)) if weighted else None
    made: list[int] = []
    of = Distinct.of

    def noted(block: np.ndarray, weights: np.ndarray | None) -> Distinct:
        made.append(len(block))
        return of(block, weights)

    monkeypatch.setattr(Distinct, "of", noted)
    options = {"init": some_rows(X, 12), "sample_weight": weights, "max_iter": 12, "tol": 0}
    found = kmeans(X, 12, algorithm="numpy hamerly", **options)
    full = kmeans(X, 12, algorithm="lloyd", **options)
    # First come those that stand for all.
    assert sum(made[1:]) == len(X)
    np.testing.assert_array_equal(found.labels, full.labels)
    np.testing.assert_allclose(found.history, full.history)


def test_distinct_rows_that_keep_their_label_are_not_looked_at() -> None:
    X = np.concatenate([_repeated(600, 3, 200), _repeated(600, 3, 200) + 100])
    tracker = DistinctTracker(len(X), 2, lambda _: {})
    frame = frame_of(X[[0, 600]])
    for _ in range(2):
        tracker.turn(frame)(X, None, *tracker.memory)
    some = tracker.held[0]
    sure = some.gaps > 0
    assert sure.mean() > 0.9
    # NaN would be near to every centre.
    some.rows[sure] = np.nan
    changes = tracker.turn(frame)(X, None, *tracker.memory)
    assert not changes.counts.any()
    assert not changes.sums.any()
