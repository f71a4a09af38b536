"""What is compiled also runs as the Python that it is written in, for whoever debugs it."""

import json
import os
import subprocess
import sys

import pytest

DTYPES = ["float32", "float64"]


def _printed(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("dtype", DTYPES)
def test_interpreted_fits_are_the_plain_ones(dtype):
    pytest.importorskip("numba")
    program = "-m", "tests.kernels.numba.interpreted_fits", dtype
    differences, never_ran = json.loads(_printed(*program, KMEANS_XP_INTERPRETED="1"))
    assert not [name for name, count in differences.items() if count]
    assert not never_ran


@pytest.mark.parametrize(("setting", "interpreted"), [("1", True), ("0", False), ("", False)])
def test_code_is_interpreted_only_where_that_is_asked_for(setting, interpreted):
    pytest.importorskip("numba")
    program = """
import inspect
from kmeans_xp.kernels.numba.low_d import search
from kmeans_xp.kernels.numba.simd import vector
print(inspect.isfunction(search.decide), inspect.isfunction(vector.load))
"""
    said = _printed("-c", program, KMEANS_XP_INTERPRETED=setting)
    assert said.split() == [str(interpreted)] * 2


def test_numbas_own_setting_changes_nothing_where_code_is_interpreted():
    pytest.importorskip("numba")
    program = "from kmeans_xp.kernels.numba import compiling; print(compiling.prepare('float32'))"
    both = {"NUMBA_DISABLE_JIT": "1", "KMEANS_XP_INTERPRETED": "1"}
    assert _printed("-c", program, **both) == "True\n"
