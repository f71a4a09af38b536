"""Which engine runs: by name, by the namespace, and by what is worth loading."""

import numpy as np
import pytest

from kmeans_xp import kmeans
from kmeans_xp.kernels.choose import loading
from kmeans_xp.kernels.choose.engine import (
    ENGINES,
    engine_for_batches,
    engine_for_distances,
    engine_for_halves,
    engine_for_labels,
    engine_for_medoids,
    engine_for_neighbors,
    engine_for_silhouette,
    find_engine,
)
from kmeans_xp.kernels.choose.ledger import Ledger
from kmeans_xp.kernels.numba import compiling
from tests.backends import Backend
from tests.data import cloud


def test_the_table_has_a_portable_engine_and_no_name_twice(backend: Backend) -> None:
    names = [engine.name for engine in ENGINES]
    assert len(names) == len(set(names))
    assert "portable" in [engine.name for engine in ENGINES if engine.runs_on(backend.xp)]


@pytest.mark.parametrize("name", [engine.name for engine in ENGINES])
def test_an_engine_asked_for_by_name_runs_or_raises(backend: Backend, name: str) -> None:
    X = backend.asarray(cloud(300, 3))
    (asked,) = (e for e in ENGINES if e.name == name)
    if asked.runs_on(backend.blocks):
        assert kmeans(X, 4, rng=0, algorithm=name).kernel == name
    else:
        with pytest.raises(ValueError, match=rf"algorithm.*{name}"):
            kmeans(X, 4, rng=0, algorithm=name)


def test_without_anything_loaded_numpy_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "_ready", set())
    assert find_engine(np).name == "numpy"
    monkeypatch.setattr(compiling, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"algorithm must be one of .* got 'numba'"):
        find_engine(np, "numba")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The groups that were asked for, with Numba as if it were installed and nothing ready."""
    names: list[str] = []

    def prepare(dtype: object, group: compiling.Group, *, compile: bool = True) -> bool:  # noqa: A002
        names.extend([group.name] * (not compile))
        return False

    monkeypatch.setattr(loading, "LEDGER", Ledger())
    monkeypatch.setattr(compiling, "_ready", set())
    monkeypatch.setattr(compiling, "installed", lambda: True)
    monkeypatch.setattr(compiling, "prepare", prepare)
    return names


def test_rows_ask_for_what_labels_them(asked: list[str]) -> None:
    n = 1 << 32
    for d, k in ((3, 50), (64, 16), (192, 256), (200, 20)):
        engine_for_labels(np, (n, d), k, np.float32)
    engine_for_distances(np, (n, 200), 20, np.float64)
    assert asked == ["low_d", "low_d", "projection", "product", "product", "low_d"]


def test_many_iterations_ask_for_what_they_repay(asked: list[str]) -> None:
    large, small = (1 << 30, 3), (10, 3)
    assert engine_for_batches(np, "auto", large, 8, np.float32).name == "numpy"
    engine_for_halves(np, "lloyd", large, np.float32, passes=2)
    assert asked == ["mini-batches", "two-means"]
    for algorithm, shape in (("auto", small), ("numpy", large), ("portable", large)):
        engine_for_batches(np, algorithm, shape, 8, np.float64)
        engine_for_halves(np, algorithm, shape, np.float64, passes=2)
    assert asked == ["mini-batches", "two-means"]


def test_distances_ask_for_what_they_repay(asked: list[str]) -> None:
    n, where = 1 << 17, {"in_memory": True}
    engine_for_medoids(np, "lloyd", (n, 3), n, np.float32)
    engine_for_neighbors(np, "auto", n * n, 16, np.float32)
    engine_for_neighbors(np, "auto", n * n, 2, np.float64)  # By a tree.
    engine_for_silhouette(np, (n, 3), 8, "euclidean", np.float64, **where)
    engine_for_silhouette(np, (n, 3), 8, "manhattan", np.float64, **where)
    assert asked == ["medoids", "neighbors", "silhouette", "medoids"]
