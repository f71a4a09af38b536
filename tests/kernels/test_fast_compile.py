"""Kernels compile once, and nobody waits for a compiler who need not."""

import os
import subprocess
import sys
from collections import Counter

import array_api_compat
import numpy as np
import pytest

from kmeans_xp.kernels import fast_compile, find_labeller

SCRIPT = """
import sys
from kmeans_xp.kernels import fast_compile
said = [fast_compile.installed(), fast_compile.ready("float32"), "numba" in sys.modules]
said += [fast_compile.prepare("float32", compile=False), fast_compile.ready("float32")]
print(*said)
"""


def _said(script: str = SCRIPT, **environment: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_without_numba_nothing_is_ready(monkeypatch):
    monkeypatch.setattr(fast_compile, "find_spec", lambda name: None)
    assert not fast_compile.installed()
    assert not fast_compile.prepare(np.float32)
    assert not fast_compile.compile_all()


def test_what_is_not_on_disk_is_not_compiled_unasked(tmp_path):
    pytest.importorskip("numba")
    said = _said(NUMBA_CACHE_DIR=str(tmp_path))
    assert said == ["True", "False", "False", "False", "False"]


def test_what_is_on_disk_is_loaded():
    pytest.importorskip("numba")
    assert fast_compile.compile_all()
    assert all(fast_compile.ready(dtype) for dtype in fast_compile.DTYPES)
    assert _said() == ["True", "False", "False", "True", "True"]


def test_without_a_place_on_disk_kernels_compile_all_the_same(monkeypatch):
    numba = pytest.importorskip("numba")
    options = []
    real = numba.njit

    def njit(**given):
        options.append(given)
        if "cache" in given:
            raise RuntimeError("no locator available")
        return real(**given)

    monkeypatch.setattr(numba, "njit", njit)
    assert fast_compile.entry(lambda x: x + 1)(1) == 2
    assert [option.get("cache") for option in options] == [True, None]


def test_little_work_waits_for_no_compiler(monkeypatch):
    asked = []

    def prepare(dtype, name, *, compile):  # noqa: A002
        asked.append(compile)
        return compile

    monkeypatch.setattr(fast_compile, "ready", lambda *names: False)
    monkeypatch.setattr(fast_compile, "prepare", prepare)
    monkeypatch.setitem(sys.modules, "numba", None)
    works = [1 << 20, fast_compile.LOADED, fast_compile.COMPILED]
    name = fast_compile.LOOPS
    assert [fast_compile.worthwhile(w, np.float32, name) for w in works] == [False, False, True]
    assert asked == [False, True]
    monkeypatch.delitem(sys.modules, "numba")
    assert not fast_compile.worthwhile(fast_compile.LOADED, np.float32, name)
    assert asked == [False, True]


@pytest.fixture
def compiler(monkeypatch):
    """Numba as if it had been imported; what is asked of it, and that nothing is on disk."""
    asked = []

    def prepare(dtype, name, *, compile):  # noqa: A002
        asked.append((name.rpartition(".")[2], compile))
        return False

    monkeypatch.setattr(fast_compile, "_done", Counter())
    monkeypatch.setattr(fast_compile, "_ready", set())
    monkeypatch.setattr(fast_compile, "prepare", prepare)
    monkeypatch.setitem(sys.modules, "numba", None)
    return asked


def test_one_pass_repays_less_than_a_fit(compiler, monkeypatch):
    once, name = fast_compile.PASSES, fast_compile.LOOPS
    least = once * fast_compile.LOADED
    for work in (least - 1, least, once * fast_compile.COMPILED):
        fast_compile._done.clear()
        fast_compile.repaid(work, np.float32, name)
    assert compiler == [("fast_loops", False), ("fast_loops", True)]
    monkeypatch.delitem(sys.modules, "numba")
    fast_compile.repaid(least, np.float64, name)
    assert len(compiler) == 2


def test_many_small_passes_load_but_never_compile(compiler):
    step = fast_compile.PASSES * fast_compile.LOADED // 4
    for _ in range(11):
        fast_compile.repaid(step, np.float32, fast_compile.LOOPS)
    # Asked again only when as much has been done again.
    assert compiler == [("fast_loops", False)] * 2
    fast_compile._done[np.dtype(np.float32), fast_compile.LOOPS] = 1 << 60
    fast_compile.repaid(step, np.float32, fast_compile.LOOPS)
    assert compiler == [("fast_loops", False)] * 3


def test_rows_ask_for_the_loops_that_label_them(compiler):
    n = 1 << 30
    for shape, k in (((n, 3), 50), ((n, 192), 256), ((n, 200), 20)):
        find_labeller(array_api_compat.array_namespace(np.empty(0)), shape, k, np.float32)
    names = [name for name, _ in compiler]
    assert names == ["fast_loops", "fast_pairs", "wide_loops", "wide_loops"]


PREDICT = """
import sys
import numpy as np
from kmeans_xp import assign, inertia
from kmeans_xp.kernels import fast_compile
X = np.random.default_rng(0).random((5000, 3), np.float32)
assign(X, X[:20]), inertia(X, X[:20])
print("numba" in sys.modules)
fast_compile.IMPORTED = 1
assign(X, X[:20])
print("numba" in sys.modules, fast_compile.ready(X.dtype))
"""


def test_only_a_large_prediction_imports_numba():
    pytest.importorskip("numba")
    assert fast_compile.prepare(np.float32)
    assert _said(PREDICT) == ["False", "True", "True"]


def test_a_numba_that_refuses_to_be_imported_is_as_good_as_none(monkeypatch):
    monkeypatch.setattr(fast_compile, "find_spec", lambda name: object())
    monkeypatch.setattr(fast_compile, "_ready", set())
    for name in fast_compile.ALL:
        monkeypatch.setitem(sys.modules, name, None)
    assert not fast_compile.compile_all()
    assert not fast_compile.worthwhile(fast_compile.COMPILED, np.float32, fast_compile.LOOPS)
