"""A product with the centres that moved alone, where the others stand still."""

from typing import Any

import numpy as np
import pytest

from kmeans_xp import kmeans
from kmeans_xp.kernels import Task, frame_of, host, host_moved
from kmeans_xp.kernels.host_moved import MovedTracker
from kmeans_xp.kernels.tracking import find_lloyd
from tests.data import cloud, some_rows


def test_centres_that_stand_still_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    X = cloud(2000, 60).astype(np.float32)
    C, origin = some_rows(X, 130), np.median(X, axis=0)
    tracker = MovedTracker(len(X), 130, block_rows=len(X))
    for _ in range(2):
        tracker.turn(frame_of(C, origin))(X, None, *tracker.memory)
    searched: list[int] = []
    settle = host_moved._settle

    def noted(block: Any, active: np.ndarray, memory: Any, columns: Any, turn: Any) -> np.ndarray:
        if columns is turn.every:
            searched.append(len(active))
        return settle(block, active, memory, columns, turn)

    monkeypatch.setattr(host_moved, "_settle", noted)
    C[[3, 70]] += np.float32(0.1)
    step = tracker.turn(frame_of(C, origin))
    numbers = step.keywords["turn"].moved.numbers.tolist()
    assert {3, 70} < set(numbers)
    assert len(numbers) == host_moved.AT_A_TIME
    step(X, None, *tracker.memory)
    # Those that left the two, or went to them.
    assert sum(searched) < len(X) / 20
    np.testing.assert_array_equal(tracker.memory[0], host.labels(X, frame_of(C)))


@pytest.mark.parametrize(("d", "k", "chosen"), [(64, 200, True), (16, 200, False), (64, 20, False)])
def test_it_is_chosen_for_many_features_and_centres(
    d: int, k: int, chosen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kmeans_xp.kernels.fast_compile.worthwhile", lambda *_: False)
    X = cloud(512, d).astype(np.float32)
    task = Task(1 << 14, d, k, X.dtype, lambda count: X[:count])
    _, tracking = find_lloyd(np, "auto", task)
    assert tracking is not None
    assert tracking.name == "numpy hamerly"
    assert isinstance(tracking.start(task), MovedTracker) == chosen


def test_a_gap_that_overflowed_tells_nothing_of_the_others() -> None:
    rng = np.random.default_rng(0)
    X = 1e38 * rng.normal(size=(1000, 64))[rng.integers(0, 1000, 3000)]
    for steps in (3, 5, 8):
        options = {"init": X[:150], "tol": 0, "max_iter": steps}
        full = kmeans(X, 150, algorithm="lloyd", **options)
        found = kmeans(X, 150, algorithm="numpy hamerly", **options)
        np.testing.assert_array_equal(found.labels, full.labels)
