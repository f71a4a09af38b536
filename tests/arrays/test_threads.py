"""Thread counts, and one BLAS thread while a fold runs."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from kmeans_xp.arrays import threads
from kmeans_xp.arrays.threads import one_blas_thread, thread_count
from kmeans_xp.rows import threads as pool
from kmeans_xp.rows.numpy import NumpyRows


def _blas_threads() -> set[int]:
    return {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"}


def _in_a_thread(call: Callable[[], None]) -> Callable[[], None]:
    def run() -> None:
        thread = threading.Thread(target=call)
        thread.start()
        thread.join()

    return run


def test_thread_count_follows_the_limit_on_blas() -> None:
    with threadpool_limits(1, user_api="blas"):
        assert thread_count() == 1


def test_thread_count_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert thread_count() == 1


@pytest.mark.parametrize("value", ["1", " 1 ", "1,2", "1 , 4,2", "01"])
def test_thread_count_reads_the_environment_as_openmp_does(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert thread_count() == 1


@pytest.mark.parametrize(
    "value", ["0", "many", "²", "-1", "1.5", "1,", ",1", "1,x", "1 2", "0,1", "9" * 5000]
)
def test_thread_count_warns_of_nonsense_once(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    free = thread_count()
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    threads._first_of.cache_clear()
    with pytest.warns(RuntimeWarning, match=f"OMP_NUM_THREADS must be .* got '{value}"):
        assert thread_count() == free
    assert thread_count() == free


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    free = thread_count()
    monkeypatch.setenv("OMP_NUM_THREADS", "")
    assert thread_count() == free


@pytest.mark.parametrize("first_in", ["main", "other"])
def test_any_thread_holds_blas(first_in: str) -> None:
    """threadpoolctl lets only the thread that asked first, and ignores the others."""
    found = []

    def look() -> None:
        with one_blas_thread():
            found.append(_blas_threads())

    with threadpool_limits(2, user_api="blas"):
        first, second = (look, _in_a_thread(look))[:: 1 if first_in == "main" else -1]
        first(), second(), first()
        assert found == [{1}] * 3
        assert _blas_threads() == {2}


def test_a_limit_that_another_thread_sets_around_a_fold_is_kept() -> None:
    found = []

    def limited() -> None:
        with threadpool_limits(2, user_api="blas"):
            with one_blas_thread():
                found.append((_blas_threads(), thread_count()))
            found.append((_blas_threads(), thread_count()))

    before = _blas_threads()
    with one_blas_thread():
        pass
    _in_a_thread(limited)()
    assert found == [({1}, min(2, thread_count())), ({2}, min(2, thread_count()))]
    assert _blas_threads() == before


def test_the_limit_is_kept_until_the_last_fold_ends() -> None:
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with one_blas_thread():
            inside.set()
            leave.wait(10)

    with threadpool_limits(2, user_api="blas"):
        other = threading.Thread(target=hold)
        with one_blas_thread():
            other.start()
            assert inside.wait(10)
        assert _blas_threads() == {1}
        leave.set()
        other.join()
        assert _blas_threads() == {2}


def test_a_library_with_a_limit_for_each_thread_is_held_in_the_pool(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As MKL has, and OpenBLAS where OpenMP is under it."""
    library = _Library()
    limit = threads._limit_of(library)
    assert limit.per_thread
    monkeypatch.setattr(threads, "_libraries", lambda: (limit,))
    monkeypatch.setattr(pool, "_pools", {})
    found = []

    def step(block: np.ndarray) -> tuple[None, tuple[()]]:
        found.append((library.get_num_threads(), threading.current_thread().name[:9]))
        if len({name for _, name in found}) < 2:
            time.sleep(0.01)
        return None, ()

    rows = NumpyRows(np.zeros((640, 2)), threads=2)
    rows.threads._seconds[1] = 1.0  # Known to take long enough to wake others.
    rows.sweep(step, block_rows=1)
    assert {number for number, _ in found} == {1}
    assert {name for _, name in found} == {"MainThrea", "kmeans_xp"}
    assert library.get_num_threads() == 4
    monkeypatch.setattr(library, "internal_api", "openblas")
    assert threads._limit_of(library).per_thread == (sys.platform != "win32")
    monkeypatch.setattr(library, "threading_layer", "pthreads")
    assert not threads._limit_of(library).per_thread


class _Library:
    """A library as threadpoolctl shows it, with a limit for each thread."""

    internal_api, threading_layer = "mkl", "openmp"

    def __init__(self) -> None:
        self._here = threading.local()

    def get_num_threads(self) -> int:
        return getattr(self._here, "number", 4)

    def set_num_threads(self, number: int) -> None:
        self._here.number = number


_LATE = """
import sys
import numpy
from threadpoolctl import threadpool_info
from kmeans_xp.arrays.threads import one_blas_thread

def limits():
    return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]

with one_blas_thread():
    print("scipy.linalg" in sys.modules, {*limits()})
    import scipy.linalg
    before = limits()
    with one_blas_thread():
        print({*limits()}, len(limits()) == len(before))
    print(limits() == before)
"""


def test_scipys_own_blas_is_held_as_soon_as_it_is_loaded() -> None:
    said = subprocess.check_output([sys.executable, "-c", _LATE], text=True).splitlines()
    assert said == ["False {1}", "{1} True", "True"]


def test_folds_that_overlap_leave_the_limit_as_it_was() -> None:
    before = _blas_threads()
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with one_blas_thread():
            inside.set()
            leave.wait(10)

    other = threading.Thread(target=hold)
    with one_blas_thread():
        other.start()
        assert inside.wait(10)
        assert _blas_threads() == {1}
    leave.set()
    other.join()
    assert _blas_threads() == before


def test_an_error_restores_too() -> None:
    before = _blas_threads()
    with pytest.raises(RuntimeError, match="inside"), one_blas_thread():
        raise RuntimeError("inside")
    assert _blas_threads() == before
