"""Thread counts, and one BLAS thread while a fold runs."""

import threading

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from kmeans_xp.arrays.threads import one_blas_thread, thread_count


def _blas_threads() -> set[int]:
    return {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"}


def test_thread_count_follows_the_limit_on_blas() -> None:
    with threadpool_limits(1, user_api="blas"):
        assert thread_count() == 1


def test_thread_count_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert thread_count() == 1


@pytest.mark.parametrize("value", ["", "0", "many"])
def test_thread_count_takes_no_notice_of_nonsense(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    free = thread_count()
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert thread_count() == free


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
