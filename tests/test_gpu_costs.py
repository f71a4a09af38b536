"""What the portable engine costs on a GPU besides arithmetic, as CuPy's stand-in counts it."""

from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from kmeans_xp import (
    bisecting_kmeans,
    gaussian_mixture,
    kmeans,
    kmeans_plusplus,
    kmedoids,
    minibatch_kmeans,
)
from tests.data import cloud

ITERATIONS = 4


@pytest.fixture
def gpu_of(stand_in: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that lets a GPU have so many bytes of memory; the least are few blocks."""
    import cupy

    return lambda size: monkeypatch.setattr(cupy.cuda.runtime, "TOTAL", size)


def _more(stand_in: ModuleType, work: Any) -> tuple[float, float]:
    """Return the launches and synchronizations of one more iteration, by `work` of so many."""
    work(1)  # What is found out once.
    counts = []
    for iterations in (ITERATIONS, 2 * ITERATIONS):
        with stand_in.counted() as found:
            work(iterations)
        counts.append(found)
    few, many = counts
    return (
        (many.launches - few.launches) / ITERATIONS,
        (many.synchronizations - few.synchronizations) / ITERATIONS,
    )


def _lloyd(stand_in: ModuleType, n: int, k: int, d: int = 8) -> tuple[float, float]:
    import cupy

    X = cupy.asarray(cloud(n, d))
    start = X[:k].copy()
    return _more(stand_in, lambda i: kmeans(X, k, init=start, max_iter=i, tol=0))


# Bytes of memory for which a block has 8,192 entries of scores.
SMALL = 8192 * 40 * 8


def test_an_iteration_waits_once_whatever_the_blocks_and_clusters(stand_in, gpu_of) -> None:
    for memory in (1 << 34, SMALL):
        gpu_of(memory)
        for n, k in ((3000, 8), (3000, 32), (3000, 100), (2000, 200)):
            assert _lloyd(stand_in, n, k)[1] == 1


def test_launches_of_an_iteration_hardly_grow_with_clusters(stand_in) -> None:
    some, more = (_lloyd(stand_in, 8000, k)[0] for k in (50, 400))
    # One for each halving of the centres' entries, which are added up in order.
    assert more == some + 3
    assert more <= 210


def test_a_block_takes_few_launches(stand_in, gpu_of) -> None:
    gpu_of(SMALL)
    k, rows = 32, 8192 // 32
    few, many = (_lloyd(stand_in, blocks * rows, k)[0] for blocks in (8, 24))
    assert (many - few) / 16 <= 60


def test_a_batch_waits_once(stand_in) -> None:
    import cupy

    X = cupy.asarray(cloud(1024, 8))
    for k in (8, 100):
        start = X[:k].copy()

        def fit(epochs: int, k: int = k, start: Any = start) -> None:
            minibatch_kmeans(
                X, k, init=start, max_iter=epochs, rng=0, max_no_improvement=None, tol=0
            )

        assert _more(stand_in, fit)[1] == 1


def test_mixtures_cost_the_same_for_many_components(stand_in) -> None:
    import cupy

    X = cupy.asarray(cloud(2000, 4).astype(np.float32))
    for kind in ("full", "tied", "diag", "spherical"):
        costs = []
        for k in (3, 40):
            fit = partial(gaussian_mixture, X, k, covariance_type=kind, init="random", tol=0, rng=0)
            costs.append(_more(stand_in, lambda i, fit=fit: fit(max_iter=i)))
        assert costs[0] == costs[1]
        assert min(costs[0]) > 0


def test_dividing_and_seeding_cost_the_same_for_many_rows(stand_in) -> None:
    import cupy

    costs = []
    for n in (3000, 9000):
        X = cupy.asarray(cloud(n, 8))
        with stand_in.counted() as seeded:
            kmeans_plusplus(X, 12, n_local_trials=4, rng=0)
        with stand_in.counted() as divided:
            bisecting_kmeans(X, 4, rng=0, max_iter=3, tol=0)
        costs.append((seeded, divided))
    for one, more in zip(*costs, strict=True):
        assert more.synchronizations <= 1.5 * one.synchronizations
        assert more.launches <= 1.5 * one.launches


def test_memory_is_bounded_by_a_block(stand_in, gpu_of) -> None:
    import cupy

    memory = 1 << 22
    gpu_of(memory)
    for n, d, k in ((20_000, 4, 64), (5_000, 64, 8)):
        X = cupy.asarray(cloud(n, d))
        start = X[:k].copy()
        with stand_in.counted() as found:
            kmeans(X, k, init=start, max_iter=3)
        # A few integers of each row, and a block's share.
        assert found.peak_bytes <= memory / 4 + 64 * n


def test_few_features_take_no_more_memory(stand_in, gpu_of) -> None:
    import cupy

    n, memory = 100_000, 1 << 25
    gpu_of(memory)
    X = cupy.asarray(cloud(n, 1))
    start = X[:16].copy()
    with stand_in.counted() as found:
        kmeans(X, 16, init=start, max_iter=3)
    assert found.peak_bytes <= memory / 8 + 32 * n


def _vain_pass(stand_in: ModuleType, n: int, k: int) -> tuple[int, int]:
    """Launches and synchronizations of k-medoids from medoids that no swap makes better."""
    import cupy
    from scipy.spatial.distance import cdist

    rows = cloud(n, 3).astype("float32")
    D = cupy.asarray(cdist(rows, rows).astype("float32"))
    best = kmedoids(D, k, metric="precomputed", init="random", n_init=1, rng=0).medoid_indices
    with stand_in.counted() as found:
        result = kmedoids(D, k, metric="precomputed", init=best)
    assert (result.n_iter, result.n_swaps) == (1, 0)
    return found.launches, found.synchronizations


def test_swaps_of_medoids_cost_the_same_whatever_the_clusters(stand_in) -> None:
    assert _vain_pass(stand_in, 300, 3) == _vain_pass(stand_in, 300, 30)


def test_a_block_of_candidates_waits_once(stand_in, gpu_of) -> None:
    launches, waits = _vain_pass(stand_in, 300, 5)
    gpu_of(64 * 300 * 40 * 8)  # Five blocks instead of one.
    more_launches, more_waits = _vain_pass(stand_in, 300, 5)
    assert more_waits - waits == 4
    assert (more_launches - launches) / 4 <= 40
