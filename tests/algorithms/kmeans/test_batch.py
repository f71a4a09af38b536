"""Several starts that are made at once are those that are made one after the other."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from kmeans_xp import KMeansResult, kmeans
from tests.backends import Backend
from tests.data import blobs, cloud

COPIES = np.repeat(cloud(6, 2, seed=3), 20, axis=0)
DATA: dict[str, Callable[[], tuple[np.ndarray, dict[str, Any]]]] = {
    "cloud": lambda: (cloud(300, 3, seed=1), {}),
    "blobs": lambda: (blobs(400, 8, 5, seed=2)[0], {}),
    "float32": lambda: (cloud(250, 4, seed=2).astype(np.float32), {}),
    "grid": lambda: (np.round(2 * cloud(300, 2, seed=4)), {}),
    "far": lambda: (cloud(300, 2, seed=5) + 1e6, {}),
    "integers": lambda: (np.arange(60).reshape(30, 2) ** 2 % 37, {}),
    "weights": lambda: (cloud(300, 3, seed=6), {"sample_weight": np.arange(300) % 4}),
    "equal weights": lambda: (cloud(200, 3, seed=6), {"sample_weight": np.full(200, 3.0)}),
    "random rows": lambda: (cloud(300, 3, seed=7), {"init": "random"}),
    "random rows by weight": lambda: (
        cloud(300, 3, seed=7),
        {"init": "random", "sample_weight": np.arange(300) % 3},
    ),
    "few iterations": lambda: (cloud(300, 3, seed=8), {"max_iter": 2}),
    "until nothing moves": lambda: (cloud(300, 3, seed=9), {"tol": 0}),
    "fewer distinct rows": lambda: (COPIES, {}),
    "empty clusters": lambda: (COPIES, {"init": "random"}),
    "empty clusters anywhere": lambda: (COPIES, {"init": "random", "empty_clusters": "random"}),
}


def _one_by_one(X: Any, k: int, **options: Any) -> KMeansResult:
    """Starts that are watched are made one after the other."""
    return kmeans(X, k, callback=lambda _: None, **options)


@pytest.mark.parametrize("case", DATA)
def test_starts_at_once_are_those_one_by_one(case: str, backend: Backend) -> None:
    X, options = DATA[case]()
    if X.dtype == np.float64 and "float64" in backend.lacks:
        X = X.astype(np.float32)
    rows = backend.asarray(X)
    if "sample_weight" in options:
        options["sample_weight"] = backend.asarray(options["sample_weight"])
    one, other = np.random.default_rng(5), np.random.default_rng(5)
    found = kmeans(rows, 7, n_init=6, rng=one, **options)
    expected = _one_by_one(rows, 7, n_init=6, rng=other, **options)
    assert_array_equal(backend.to_numpy(found.labels), backend.to_numpy(expected.labels))
    assert_array_equal(backend.to_numpy(found.sizes), backend.to_numpy(expected.sizes))
    rtol = 1e-5 if str(found.centers.dtype).endswith("float32") else 1e-9
    ours, theirs = backend.to_numpy(found.centers), backend.to_numpy(expected.centers)
    assert_allclose(ours, theirs, rtol=rtol, atol=rtol)
    assert found.centers.dtype == expected.centers.dtype
    assert_allclose(found.inertia, expected.inertia, rtol=rtol, atol=1e-20)
    # Reckoned from the total squares, of which a float32 keeps few digits.
    rtol = 1e-3 if "float64" in backend.lacks else rtol
    assert_allclose(found.history, expected.history, rtol=rtol, atol=1e-9)
    assert (found.n_iter, found.converged) == (expected.n_iter, expected.converged)
    # Whoever draws next draws the same.
    assert one.random() == other.random()


def test_what_is_made_at_once_says_so() -> None:
    X = cloud(300, 3, seed=1)
    assert kmeans(X, 5, n_init=4, rng=0).kernel == "batch"
    others = [
        kmeans(X, 5, rng=0),
        kmeans(X, 1, n_init=4, rng=0),
        _one_by_one(X, 5, n_init=4, rng=0),
        kmeans(X, 5, n_init=4, rng=0, algorithm="portable"),
        kmeans(cloud(40_000, 2, seed=1), 5, n_init=2, rng=0),
        # Fewer distinct rows than clusters, which a start by itself draws again.
        kmeans(COPIES, 7, n_init=4, rng=0),
    ]
    assert "batch" not in {result.kernel for result in others}


def test_many_starts_are_made_in_parts_with_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    X = cloud(300, 3, seed=1)
    whole = kmeans(X, 5, n_init=9, rng=0)
    monkeypatch.setattr("kmeans_xp.kernels.portable.batch.SCORES", 3 * 300 * 5)
    parts = kmeans(X, 5, n_init=9, rng=0)
    assert_array_equal(whole.centers, parts.centers)
    assert_array_equal(whole.labels, parts.labels)
    assert whole.history == parts.history


def test_equally_good_starts_leave_the_first() -> None:
    # Every start ends at the same clusters, in another order.
    X, _ = blobs(200, 2, 3, seed=0)
    first = kmeans(X, 3, rng=4)
    best = kmeans(X, 3, n_init=8, rng=4)
    assert_allclose(best.inertia, first.inertia)
    assert_array_equal(best.labels, first.labels)
