"""Distances to clusters: every engine that measures them at once does so as brute force does."""

import threading

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist

from kmeans_xp.kernels.interface import Engine
from kmeans_xp.kernels.numpy import silhouette
from kmeans_xp.rows import open_rows
from tests.data import cloud

CLUSTERS = np.r_[np.zeros(700, int), np.ones(600, int), np.full(5, 2), np.full(495, 3)]
RNG = np.random.default_rng(0)
PROBLEMS = {
    "a cloud": cloud(1800, 4),
    "of one feature": cloud(1800, 1),
    "of many features": cloud(1800, 300),
    "far away": cloud(1800, 5) + 1e6,
    "repeated": np.repeat(cloud(60, 3), 30, axis=0),
    "all equal": np.full((1800, 4), 0.1),
    "one far from the rest": np.concatenate([cloud(1799, 3), [[1e6, 0, 0]]]),
    "float32": cloud(1800, 4).astype(np.float32),
}


def _brute(X, labels, masses, weights, metric):
    D = cdist(X, X, metric)
    np.fill_diagonal(D, 0)
    sums = (D * weights) @ (labels[:, None] == np.arange(len(masses)))
    each = np.arange(len(X))
    own, means = sums[each, labels].copy(), sums / masses
    means[each, labels] = np.inf
    return own, means.min(axis=1)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "cosine"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_they_are_those_of_all_pairs(engine: Engine, name, metric, weighted, monkeypatch) -> None:
    for constant, few in (("STRIP_ROWS", 300), ("CHUNK_ROWS", 70), ("TOGETHER", 64)):
        monkeypatch.setattr(silhouette, constant, few)
    if metric == "cosine" and name == "far away":
        pytest.skip("from there all rows lie in one direction")
    X, labels = PROBLEMS[name], RNG.permutation(CLUSTERS)
    weights = RNG.integers(1, 4, len(X)).astype(float) if weighted else None
    heavy = np.ones(len(X)) if weights is None else weights
    masses = np.bincount(labels, heavy)
    found = engine.cluster_distances_all(open_rows(X), labels, masses, weights, metric)
    if engine.name == "portable":
        assert found is None
        return
    wide = X.astype(np.float64)
    expected = _brute(wide, labels, masses, heavy, metric)
    scale = np.maximum(*expected).max()
    for values, theirs in zip(found, expected, strict=True):
        assert_allclose(values, theirs, rtol=1e-11, atol=1e-11 * scale)
    if name == "all equal":
        assert_array_equal(found[0], 0)


def test_blocks_are_left_to_whoever_asks(engine: Engine, tmp_path) -> None:
    X, few, many = cloud(400, 3), np.arange(400) % 2, np.arange(400) % 40
    ask = engine.cluster_distances_all
    assert ask(open_rows(X), few, np.bincount(few), None, "manhattan") is None
    assert ask(open_rows(X), few, np.bincount(few), None, cdist) is None
    assert ask(open_rows(X), many, np.bincount(many), None, "euclidean") is None
    np.save(tmp_path / "X.npy", X)
    mapped = open_rows(np.load(tmp_path / "X.npy", mmap_mode="r"))
    assert ask(mapped, few, np.bincount(few), None, "euclidean") is None


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_change_no_bit(engine: Engine, threads: int) -> None:
    X, labels = cloud(3000, 3), np.arange(3000) % 3
    given = labels, np.bincount(labels), None, "euclidean"
    found, again = (
        engine.cluster_distances_all(open_rows(X, threads=count), *given) for count in (1, threads)
    )
    if engine.name != "portable":
        assert_array_equal(found, again)


def test_a_thread_that_fails_is_heard_of() -> None:
    """Whoever waits for its piece does not wait forever."""
    here = threading.get_ident()

    def do(piece: int) -> None:
        if threading.get_ident() != here:
            raise MemoryError(f"piece {piece}")
        threading.Event().wait(0.01)

    rows = open_rows(cloud(10, 2), threads=2)
    work = silhouette._Shared(do, 20)
    with pytest.raises(MemoryError, match="piece"):
        rows.team(work, work)
