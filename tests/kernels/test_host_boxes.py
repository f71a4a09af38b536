"""Rows in boxes: nothing is looked at that is certain, and every row is in a small one."""

import numpy as np
import pytest

from kmeans_xp.kernels import Frame, frame_of
from kmeans_xp.kernels.host_boxes import SIDE, Boxes, BoxTracker, together
from kmeans_xp.kernels.tracking import Task, find_lloyd
from tests.data import cloud, some_rows


@pytest.mark.parametrize("n", [1, SIDE, 5003])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_every_row_has_a_place(n: int, d: int) -> None:
    np.testing.assert_array_equal(np.sort(together(cloud(n, d))), np.arange(n))


@pytest.mark.parametrize("d", [1, 2, 3])
def test_rows_that_follow_each_other_lie_together(d: int) -> None:
    X = np.random.default_rng(0).random((5000, d))
    boxes = X[together(X)[: 5000 // SIDE * SIDE]].reshape(-1, SIDE, d)
    # Of boxes that share the cube evenly.
    side = (SIDE / 5000) ** (1 / d)
    assert np.median(np.ptp(boxes, axis=1), axis=0).max() < 2 * side


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_box_holds_its_rows(dtype: type) -> None:
    X = (1e3 + cloud(500, 2)).astype(dtype)
    boxes = Boxes(X, frame_of(X[:3]))
    features, wide = boxes.features, boxes.features.astype(np.longdouble)
    np.testing.assert_array_equal(features.reshape(2, -1)[:, :500], X[boxes.order[:500]].T)
    away = np.abs(wide - boxes.middles[:, :, None])
    assert (away <= boxes.halves[:, :, None]).all()
    assert (2 * np.sqrt((away**2).sum(axis=0)) <= boxes.across[:, None]).all()


def test_boxes_that_keep_their_label_are_not_looked_at() -> None:
    X = np.concatenate([cloud(400, 2), cloud(400, 2) + 100])
    tracker = BoxTracker(len(X), 2)
    frame = frame_of(X[[0, 400]])
    for _ in range(2):
        tracker.turn(frame)(X, None, *tracker.memory)
    boxes = tracker.boxes[0]
    sure = boxes.gaps > 0
    assert sure.mean() > 0.9
    # NaN would be near to every centre, and change its label.
    boxes.ready[sure] = np.nan
    boxes.features[:, sure] = np.nan
    changes = tracker.turn(frame)(X, None, *tracker.memory)
    assert not changes.counts.any()
    assert not changes.sums.any()


def test_few_centres_are_left_to_a_box(monkeypatch: pytest.MonkeyPatch) -> None:
    X = np.random.default_rng(3).random((1 << 14, 2)).astype(np.float32)
    found: list[int] = []
    direct = Boxes._direct

    def noted(self: Boxes, which: np.ndarray, among: np.ndarray, frame: Frame) -> np.ndarray:
        found.append(among.size)
        return direct(self, which, among, frame)

    monkeypatch.setattr(Boxes, "_direct", noted)
    tracker = BoxTracker(len(X), 20)
    tracker.turn(frame_of(some_rows(X, 20)))(X, None, *tracker.memory)
    assert 0 < sum(found) < len(X) / SIDE


@pytest.mark.parametrize(
    ("n", "d", "k", "boxes"),
    [(1 << 16, 2, 50, True), (1 << 16, 3, 50, False), (1 << 12, 2, 50, False)],
)
def test_they_are_chosen_for_many_rows_of_few_features(
    n: int, d: int, k: int, boxes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kmeans_xp.kernels.fast_compile.worthwhile", lambda *_: False)
    X = np.zeros((8, d), np.float32)
    task = Task(n, d, k, X.dtype, lambda count: X[:count])
    _, tracking = find_lloyd(np, "auto", task)
    assert tracking is not None
    assert (tracking.name == "numpy boxes") == boxes
