"""NumPy rows: threads, errors, and pages of a mapped file."""

import os
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kmeans_xp.rows.numpy import NumpyRows
from tests.rows.test_sweep import _first_and_double, _sum


def test_the_number_of_threads_changes_no_bit() -> None:
    X = np.random.default_rng(0).normal(size=(50_000, 5)).astype(np.float32)
    sums = [NumpyRows(X, threads=t).fold(_sum, block_rows=333).total.tobytes() for t in (1, 2, 5)]
    assert len(set(sums)) == 1


def test_an_error_in_a_step_reaches_the_caller_and_stops_the_rest() -> None:
    seen = []

    def fail(block: np.ndarray) -> Any:
        seen.append(threading.get_ident())
        raise ArithmeticError("in a step")

    with pytest.raises(ArithmeticError, match="in a step"):
        NumpyRows(np.zeros((10_000, 2)), threads=2).fold(fail, block_rows=10)
    assert len(seen) < 1000
    # The pool is whole afterwards.
    assert NumpyRows(np.ones((10_000, 2)), threads=2).fold(_sum, block_rows=10).rows == 10_000


@pytest.mark.parametrize("order", ["C", "F"])
def test_to_take_rows_copies_no_others(order) -> None:
    X = np.asarray(np.arange(400_000.0).reshape(-1, 4), order=order)
    rows = NumpyRows(X)
    some, _ = rows.subset(np.arange(len(X)) % 1000 == 0)
    tracemalloc.start()
    taken, block = rows.take([5, 99_999]), some.block(0, 100)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(taken, X[[5, 99_999]])
    np.testing.assert_array_equal(block, X[::1000])
    assert peak < X.nbytes / 4


def test_a_team_shares_the_work() -> None:
    left, done, seen = list(range(40)), [], set()
    both = threading.Barrier(2)

    def work() -> bool:
        seen.add(threading.get_ident())
        both.wait(10)
        while left:
            done.append(left.pop())
        return len(done) == 40

    NumpyRows(np.zeros((10, 2)), threads=2).team(work, work)
    assert sorted(done) == list(range(40))
    assert len(seen) == 2


def test_what_a_team_leaves_undone_is_waited_for() -> None:
    finished = []

    def help_out() -> None:
        time.sleep(0.05)
        finished.append(True)

    NumpyRows(np.zeros((10, 2)), threads=2).team(lambda: bool(finished), help_out)
    assert finished


def test_a_helper_goes_on_until_it_returns_and_is_woken_again() -> None:
    rows, helpers, leave = NumpyRows(np.zeros((10, 2)), threads=2), [], threading.Event()

    def help_out() -> None:
        helpers.append(threading.get_ident())
        leave.wait(10)

    def until(count: int) -> bool:
        time.sleep(0.002)  # For short work nobody would be woken.
        return len(helpers) == count

    for _ in range(3):
        rows.team(lambda: until(1), help_out)
    leave.set()
    rows.team(lambda: until(2), help_out)
    assert threading.get_ident() not in helpers


def test_an_error_in_a_team_reaches_the_caller() -> None:
    def help_out() -> None:
        raise ArithmeticError("elsewhere")

    with pytest.raises(ArithmeticError, match="elsewhere"):
        NumpyRows(np.zeros((10, 2)), threads=2).team(lambda: False, help_out)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_fork_gets_threads_of_its_own() -> None:
    # In a process of its own: libraries with threads warn of forks in this one.
    script = (
        "import os, numpy\n"
        "from kmeans_xp.rows.numpy import NumpyRows\n"
        "from tests.rows.test_sweep import _sum\n"
        "rows = lambda: NumpyRows(numpy.ones((1000, 2)), threads=2)\n"
        "fold = lambda: rows().fold(_sum, block_rows=10).rows\n"
        "fold()\n"
        "child = os.fork()\n"
        "if child == 0: os._exit(0 if fold() == 1000 else 1)\n"
        "raise SystemExit(os.waitpid(child, 0)[1])\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, timeout=60, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_mapped_file_is_read_right_and_keeps_its_changes(
    tmp_path: Path, mode: Any, order: Any
) -> None:
    data = np.random.default_rng(0).normal(size=(5000, 7)).copy(order=order)
    np.save(tmp_path / "X.npy", data)
    X = np.load(tmp_path / "X.npy", mmap_mode=mode)
    if mode != "r":
        data[3] = X[3] = 1.5
    rows = NumpyRows(X[1:], threads=2)
    for _ in range(2):
        first, double = rows.map(_first_and_double, block_rows=100)
        np.testing.assert_array_equal(first, data[1:, 0])
        np.testing.assert_array_equal(double, 2 * data[1:])
    np.testing.assert_array_equal(X[3], data[3])
