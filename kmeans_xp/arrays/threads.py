"""How many threads to use, and one BLAS thread in each of them."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any


def thread_count() -> int:
    """Return the number of threads that a fold over NumPy rows uses.

    It is the least of: the processors that this process may run on, ``OMP_NUM_THREADS``,
    and the limit on BLAS threads (``threadpoolctl.threadpool_limits``).
    """
    with _limiter.lock:
        blas = _limiter.limit_before if _limiter.holders else _blas_limit()
    try:
        processors = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        processors = os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "")
    limits = [processors, blas, int(asked) if asked.isdigit() and asked != "0" else None]
    return max(1, min(limit for limit in limits if limit is not None))


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold BLAS to one thread, since the fold brings its own.

    The setting belongs to the process, not to the thread, and folds may overlap (Dask runs
    several in one process): the first to enter sets it, the last to leave restores it.
    """
    _limiter.enter()
    try:
        yield
    finally:
        _limiter.leave()


@cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


def _blas_limit() -> int | None:
    limits = [library.num_threads for library in _controller().lib_controllers]
    return min(limits, default=None)


class _Limiter:
    """Counts who needs one BLAS thread."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.holders = 0
        self.limit_before: int | None = None
        self._restore: Any = None

    def enter(self) -> None:
        with self.lock:
            if self.holders == 0:
                self.limit_before = _blas_limit()
                self._restore = _controller().limit(limits=1, user_api="blas")
                self._restore.__enter__()
            self.holders += 1

    def leave(self) -> None:
        with self.lock:
            self.holders -= 1
            if self.holders == 0:
                self._restore.__exit__(None, None, None)


_limiter = _Limiter()
