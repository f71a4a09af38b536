"""What is said of a fit before it runs is what it then does."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from kmeans_xp import explain, kmeans
from kmeans_xp.algorithms.kmeans.explain import explained
from kmeans_xp.kernels.choose import loading
from kmeans_xp.kernels.choose.ledger import Ledger
from kmeans_xp.kernels.choose.lloyd import BOUND_METHODS
from kmeans_xp.kernels.choose.workload import Workload
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.rows import open_rows
from tests.data import cloud

# Rows, features and clusters of every regime that a small fit can have.
SHAPES = [(60, 1, 1), (300, 2, 5), (300, 2, 30), (400, 60, 50), (900, 130, 8), (5000, 40, 130)]
ALGORITHMS = ["auto", "lloyd", "hamerly", "projection", "numpy", "portable"]
WITH_NUMBA = ["numba", "numba hamerly", "numba wide", "numba projection"]


def _directions(n: int, d: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    return rng.normal(size=(n, d)) * 0.5 ** np.arange(d)


def _agrees(X: np.ndarray, k: int, algorithm: str) -> None:
    said = explained(X, k, algorithm=algorithm)
    ran = kmeans(X, k, init=X[:k], max_iter=1, algorithm=algorithm)
    assert ran.kernel in [outcome.name for outcome in said.kernel]
    if not said.kernel[0].conditions:
        assert ran.kernel == said.kernel[0].name
        assert len(said.kernel) == 1


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(("n", "d", "k"), SHAPES)
def test_without_numba(monkeypatch, n, d, k, algorithm):
    monkeypatch.setattr(compiling, "installed", lambda: False)
    monkeypatch.setattr(compiling, "_ready", set())
    X = cloud(n, d)
    _agrees(X, k, algorithm)
    assert "numba" not in explained(X, k, algorithm=algorithm).kernel[0].name


@pytest.mark.parametrize("algorithm", [*ALGORITHMS, *WITH_NUMBA])
@pytest.mark.parametrize(("n", "d", "k"), SHAPES)
def test_with_numba_loaded(n, d, k, algorithm):
    pytest.importorskip("numba")
    for group in (compiling.LOW_D, compiling.PRODUCT, compiling.PROJECTION, compiling.QUANTISED):
        assert compiling.prepare(np.float64, group)
    _agrees(cloud(n, d), k, algorithm)
    _agrees(_directions(n, d), k, algorithm)


def test_other_sources_of_rows(tmp_path):
    X = cloud(200, 3)
    np.save(tmp_path / "rows.npy", X)
    for rows in (np.load(tmp_path / "rows.npy", mmap_mode="r"), X.astype(int), X.tolist()):
        _agrees(np.asarray(rows) if isinstance(rows, list) else rows, 4, "auto")
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    assert "memory map" in explain(mapped, 4)
    assert "every row is searched" in explain(mapped, 4)


def test_dask():
    da = pytest.importorskip("dask.array")
    said = explain(da.from_array(cloud(60, 3), chunks=(20, 3)), 4)
    assert "Dask array of 3 chunks" in said
    assert "as X's library decides" in said


def test_reasons():
    text = explain(cloud(300, 2), 5, algorithm="numpy hamerly")
    assert "not numba projection: algorithm asks for numpy hamerly" in text
    said = explained(cloud(300, 2), 5)
    reasons = dict(said.passed_over)
    assert reasons["numba projection"] == "2 features are fewer than 48"
    assert said.fused
    assert said.block_rows == 300


@pytest.fixture
def fresh(monkeypatch):
    """A process that has imported and saved nothing; its ledger."""
    ledger = Ledger()
    monkeypatch.setattr(loading, "LEDGER", ledger)
    monkeypatch.setattr(compiling, "installed", lambda: True)
    monkeypatch.setattr(compiling, "imported", lambda: False)
    monkeypatch.setattr(compiling, "started", lambda: False)
    monkeypatch.setattr(compiling, "_ready", set())
    monkeypatch.setattr(compiling, "_errors", {})
    monkeypatch.setattr(compiling, "surely_not_on_disk", lambda _: False)
    monkeypatch.setattr(compiling, "prepare", None)  # Nothing may be loaded.
    return ledger


def _rows(n):
    return np.broadcast_to(np.float32([1, 2]), (n, 2))


def test_large_work_would_be_compiled_and_middling_depends_on_the_disk(fresh):
    large = explained(_rows(20_000_000), 60)
    assert [o.name for o in large.kernel] == ["numba hamerly"]
    assert not large.kernel[0].conditions
    assert "it would save about 42 s and repays compiling it (22 s)" in large.why
    middling = explained(_rows(500_000), 60)
    first, *others, last = middling.kernel
    assert (first.name, last.name) == ("numba hamerly", "numpy hamerly")
    assert first.conditions == ("its compiled code (low_d) is on disk",)
    assert last.conditions == ()
    assert [o.name for o in others] == ["numba wide"]


def test_what_is_known_to_be_absent_is_no_doubt(fresh, monkeypatch):
    monkeypatch.setattr(compiling, "surely_not_on_disk", lambda _: True)
    said = explained(_rows(500_000), 60)
    assert [(o.name, o.conditions) for o in said.kernel] == [("numpy hamerly", ())]
    reason = dict(said.passed_over)["numba hamerly"]
    assert reason.startswith("its code is not compiled, and it would save about 1.1 s")
    assert [o.name for o in explained(_rows(20_000_000), 60).kernel] == ["numba hamerly"]


def test_what_was_saved_so_far_counts_and_explaining_adds_nothing(fresh):
    key = np.dtype(np.float32), compiling.LOW_D
    for _ in range(3):
        said = explained(_rows(200_000), 60)
        assert said.kernel[0].name == "numpy hamerly"
        reason = dict(said.passed_over)["numba hamerly"]
        assert reason == "it would save about 0.42 s and does not repay importing Numba (0.54 s)"
    fresh.enter(key, 0.4, 0.4)
    said = explained(_rows(200_000), 60)
    assert said.kernel[0].name == "numba hamerly"
    so_far = "which with 0.4 s so far repays importing Numba (0.54 s)"
    assert f"it would save about 0.42 s, {so_far}" in said.why
    assert fresh.saved(key) == fresh.balance == 0.4


@pytest.mark.parametrize("method", BOUND_METHODS, ids=lambda method: method.name)
@pytest.mark.parametrize(("n", "d", "k"), [(500, 60, 50), (70_000, 60, 300), (70_000, 2, 600)])
def test_bounds_have_the_memory_and_the_blocks_that_the_table_says(method, n, d, k):
    if method.group is not None:
        pytest.importorskip("numba")
    X = np.zeros((n, d), np.float32)
    workload = Workload.of(open_rows(X), k)
    assert method.prepare(workload)
    bounds = method.bounds(workload)
    assert sum(a.nbytes for a in bounds.memory) == n * method.row_bytes(workload)
    assert bounds.block_rows == method.block_rows(workload)


NOTHING_LOADED = """
import sys
import numpy as np
from kmeans_xp import explain
for n, d, k in [(300, 2, 5), (20_000, 300, 100), (400_000, 60, 100), (3_000_000, 2, 60)]:
    explain(np.ones((n, d), np.float32), k)
print(*sys.modules)
"""


def test_nothing_is_imported_for_it():
    done = subprocess.run(
        [sys.executable, "-c", NOTHING_LOADED], check=True, capture_output=True, text=True
    )
    names = {name.partition(".")[0] for name in done.stdout.split()}
    assert not names & {"numba", "llvmlite", "scipy", "dask", "sklearn"}


TRACED = """
import json, tracemalloc
import numpy as np
import scipy.sparse
from kmeans_xp import kmeans
from kmeans_xp.algorithms.kmeans.explain import explained
from kmeans_xp.kernels.numba import compiling
compiling.installed = lambda: False
X = np.random.default_rng(0).normal(size=({n}, {d})).astype(np.float32)
said = explained(X, {k}, algorithm={algorithm!r})
tracemalloc.start()
kmeans(X, {k}, rng=0, max_iter=2, algorithm={algorithm!r})
print(json.dumps([said.memory.most, tracemalloc.get_traced_memory()[1]]))
"""


@pytest.mark.parametrize(
    ("n", "d", "k", "algorithm"),
    [
        (5000, 60, 60, "auto"),
        (140_000, 2, 50, "auto"),
        (20_000, 100, 30, "auto"),
        (100_000, 8, 16, "lloyd"),
        (20_000, 8, 100, "portable"),
    ],
)
def test_the_memory_expected_is_about_what_is_taken(n, d, k, algorithm):
    program = TRACED.format(n=n, d=d, k=k, algorithm=algorithm)
    # Of several threads it is up to chance how many hold a block when most is taken.
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=env)
    expected, taken = json.loads(done.stdout)
    assert taken / 2 < expected < taken * 2
