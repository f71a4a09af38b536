"""Kernels compile once, and nobody waits for a compiler who need not."""

import os
import subprocess
import sys

import numpy as np
import pytest

from kmeans_xp.kernels.choose.ledger import Ledger
from kmeans_xp.kernels.choose.loading import Loader
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.compiling import ALL, DTYPES, LOW_D

SCRIPT = """
import sys
from kmeans_xp.kernels.numba import compiling
said = [compiling.installed(), compiling.ready("float32"), "numba" in sys.modules]
said += [compiling.prepare("float32", compile=False), compiling.ready("float32")]
print(*said)
"""


def _said(script: str = SCRIPT, **environment: str) -> list[str]:
    return _run(script, **environment).split()


def _lines(script: str, **environment: str) -> list[str]:
    return _run(script, **environment).splitlines()


def _run(script: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_without_numba_nothing_is_ready(monkeypatch):
    monkeypatch.setattr(compiling, "find_spec", lambda name: None)
    assert not compiling.installed()
    assert not compiling.prepare(np.float32)
    assert not compiling.compile_all()


def test_what_is_not_on_disk_is_not_compiled_unasked(tmp_path):
    pytest.importorskip("numba")
    said = _said(NUMBA_CACHE_DIR=str(tmp_path))
    assert said == ["True", "False", "False", "False", "False"]


def test_what_is_on_disk_is_loaded():
    pytest.importorskip("numba")
    assert compiling.compile_all()
    assert all(compiling.ready(dtype) for dtype in DTYPES)
    assert _said() == ["True", "False", "False", "True", "True"]


def test_a_numba_that_refuses_to_be_imported_is_as_good_as_none(monkeypatch):
    monkeypatch.setattr(compiling, "find_spec", lambda name: object())
    monkeypatch.setattr(compiling, "_ready", set())
    monkeypatch.setattr(compiling, "_errors", {})
    monkeypatch.setattr(compiling, "_warned", False)
    for name in {name for group in ALL for name in group.modules}:
        monkeypatch.setitem(sys.modules, name, None)
    assert not compiling.compile_all()
    with pytest.warns(RuntimeWarning, match="Numba is installed, but cannot be used"):
        assert not Loader(Ledger()).loads(1 << 50, np.float32, LOW_D)
    # Once is enough.
    assert not Loader(Ledger()).loads(1 << 50, np.float64, LOW_D)


FITS = """
import sys, warnings
{first}
import numpy as np
from kmeans_xp import KMeans, GaussianMixture, kmeans
from kmeans_xp.kernels.choose import loading
loading.saving_of = lambda *_: 1e3
X = np.random.default_rng(0).random((3000, 16), np.float32)
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always", RuntimeWarning)
    warnings.simplefilter("ignore", UserWarning)
    for k in (3, 60):
        model = KMeans(k, n_init=1, max_iter=2, random_state=0).fit(X)
        model.predict(X)
    GaussianMixture(3, max_iter=1, random_state=0).fit(X)
for warning in told:
    print(warning.message)
for name in ("numba", "numba hamerly"):
    try:
        kmeans(X, 3, rng=0, algorithm=name)
    except ValueError as error:
        print(error)
"""
USELESS = {
    "no compilation": ({"NUMBA_DISABLE_JIT": "1"}, "", "NUMBA_DISABLE_JIT is set"),
    "no threads": ({"NUMBA_NUM_THREADS": "0"}, "", "Number of threads specified must be > 0"),
    "no llvmlite": ({}, "sys.modules['llvmlite'] = None", "llvmlite"),
}


@pytest.mark.parametrize("kind", USELESS)
def test_where_numba_cannot_be_used_numpy_is_with_one_warning(kind):
    pytest.importorskip("numba")
    environment, first, cause = USELESS[kind]
    warned, *refused = _lines(FITS.format(first=first), **environment)
    assert warned.startswith("Numba is installed, but cannot be used (")
    assert cause in warned
    # Whoever asks for it by name is not given something else.
    for name, message in zip(("numba", "numba hamerly"), refused, strict=True):
        assert message.startswith("algorithm must be one of 'auto', ")
        assert f"got {name!r}. Numba cannot be used here: " in message
        assert cause in message
