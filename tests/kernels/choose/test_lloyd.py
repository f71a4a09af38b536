"""Which bounds a run keeps: by rows, features, clusters and what sets rows apart."""

import numpy as np
import pytest

from kmeans_xp.kernels.choose import lloyd as choose_lloyd
from kmeans_xp.kernels.choose.lloyd import BOUND_METHODS, find_lloyd
from kmeans_xp.kernels.choose.loading import Loader
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.portable.lloyd import BoundedSearch, DeferredSearch, FullSearch
from kmeans_xp.kernels.shared.prepared_centers import Origin
from kmeans_xp.rows import open_rows
from tests.backends import Backend
from tests.data import cloud
from tests.kernels.problems import correlated, origin_of


def _chosen(X: np.ndarray, k: int, algorithm: str = "auto") -> str:
    return find_lloyd(open_rows(X), k, algorithm).name


def test_names_are_there_once_and_say_what_is_compiled() -> None:
    names = [method.name for method in BOUND_METHODS]
    assert len(set(names)) == len(names)
    for method in BOUND_METHODS:
        assert method.name.startswith("numpy" if method.group is None else "numba")


@pytest.mark.parametrize(
    ("shape", "k", "name"),
    [
        ((4000, 2), 2, "numba hamerly"),
        ((4000, 32), 200, "numba hamerly"),
        # Up to sixteen centres, rows of more features are taken sixteen at a time.
        ((500, 96), 16, "numba hamerly"),
        # Tiles have many centres, which NumPy's iteration of one block can do without.
        ((500, 97), 16, "numpy hamerly"),
        ((50_000, 97), 16, "numba wide"),
        ((4000, 784), 16, "numpy hamerly"),
        ((4000, 33), 17, "numba wide"),
        # More than one centre for sixteen rows.
        ((400, 2), 26, "numba wide"),
        ((4000, 64), 60, "numba wide"),
    ],
)
def test_compiled_bounds_where_they_pay(
    shape: tuple[int, int], k: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Loader, "loads", lambda *_: True)
    monkeypatch.setattr(compiling, "byte_products", lambda: False)
    assert _chosen(cloud(*shape), k) == name


@pytest.mark.parametrize("left", [0.0, 1.0])
def test_bytes_where_they_leave_few_centres(left: float, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    monkeypatch.setattr(Loader, "loads", lambda *_: True)
    monkeypatch.setattr(compiling, "byte_products", lambda: True)
    monkeypatch.setattr(choose_lloyd, "candidate_share", lambda *_: left)
    X = cloud(1000, 64)
    assert _chosen(X, 60) == ("numba wide" if left else "numba bytes")
    # Of so few rows to each centre it is not worth a glance.
    assert _chosen(X, 251) == "numba wide"


@pytest.mark.parametrize("compiled", [False, True])
def test_projections_where_few_directions_hold_most(
    compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Loader, "loads", lambda *_: compiled)
    start = "numba" if compiled else "numpy"
    assert _chosen(correlated(1000, 64), 60) == (
        "numba projection" if compiled else "numpy hamerly"
    )
    assert _chosen(correlated(1000, 256), 96) == f"{start} projection"
    for X, k in ((correlated(1000, 47), 60), (correlated(1000, 64), 47), (cloud(1000, 64), 60)):
        assert not _chosen(X, k).endswith("projection")


def test_what_is_not_compiled_is_numpys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Loader, "loads", lambda *_: False)
    for shape, k in (((400, 2), 5), ((400, 64), 60), ((400, 2), 300)):
        assert _chosen(cloud(*shape), k) == "numpy hamerly"


def test_whoever_asks_for_an_algorithm_gets_the_best_of_those(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for compiled in (False, True):
        start = "numba" if compiled else "numpy"
        monkeypatch.setattr(Loader, "loads", lambda *_, answer=compiled: answer)
        assert _chosen(cloud(400, 2), 5, "hamerly") == f"{start} hamerly"
        assert _chosen(correlated(1000, 64), 60, "hamerly").startswith(start)
        assert _chosen(correlated(1000, 64), 60, "projection") == f"{start} projection"


def test_one_cluster_and_names_of_engines_need_no_bounds() -> None:
    X = cloud(400, 2)
    for k, algorithm in ((1, "auto"), (5, "lloyd"), (5, "numpy"), (5, "portable")):
        method = find_lloyd(open_rows(X), k, algorithm)
        assert method.bound_method is None
        search = DeferredSearch if algorithm == "portable" else FullSearch
        assert isinstance(method.start(open_rows(X), None, k, origin_of(X, X[0])), search)
    with pytest.raises(ValueError, match=r"'hamerly'.*'numpy projection'.*got 'yinyang'"):
        find_lloyd(open_rows(X), 5, "yinyang")


def test_elkan_is_a_name_of_scikit_learns_that_leaves_the_choice() -> None:
    rows = open_rows(cloud(400, 2))
    for k in (1, 5):
        assert find_lloyd(rows, k, "elkan").name == find_lloyd(rows, k, "auto").name


def test_rows_that_nothing_is_remembered_of_are_searched(backend: Backend) -> None:
    X = backend.asarray(cloud(400, 2))
    remembered = find_lloyd(open_rows(X), 5).bound_method is not None
    assert remembered == (backend.name == "numpy")


def test_rows_of_a_block_are_taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Loader, "loads", lambda *_: False)
    for shape, k, fused in (((400, 2), 5, True), ((70_000, 8), 16, False), ((600, 2), 129, False)):
        X = cloud(*shape)
        run = find_lloyd(open_rows(X), k).start(open_rows(X), None, k, origin_of(X, X[0]))
        assert isinstance(run, BoundedSearch) != fused
    # Rows that are converted on the way are not in memory as they are.
    X = cloud(400, 2).astype(np.float16)
    rows = open_rows(X)
    assert isinstance(
        find_lloyd(rows, 5).start(rows, None, 5, Origin(rows.take([0])[0])), BoundedSearch
    )
