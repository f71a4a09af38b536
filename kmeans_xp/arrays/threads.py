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
    with _holders.lock:
        libraries = _controller().lib_controllers
        blas = _holders.before if _holders.count else [lib.num_threads for lib in libraries]
    try:
        processors = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        processors = os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "")
    limit = int(asked) if asked.isdigit() else 0
    return max(1, min([processors, *blas, limit or processors]))


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold BLAS to one thread, since the fold brings its own.

    The setting belongs to the process, and threadpoolctl lets only one thread at a time change
    OpenBLAS's. So where folds overlap, each of them puts back what was there before the first.
    Inside another one of its own thread it changes nothing.
    """
    if _here.held:
        yield
        return
    libraries = _controller().lib_controllers
    with _holders.lock:
        if not _holders.count:
            _holders.before = [library.num_threads for library in libraries]
        _holders.count += 1
        for library in libraries:
            library.set_num_threads(1)
    _here.held = True
    try:
        yield
    finally:
        _here.held = False
        with _holders.lock:
            _holders.count -= 1
            for library, threads in zip(libraries, _holders.before, strict=True):
                library.set_num_threads(threads)


class _Here(threading.local):
    """Whether the thread holds BLAS to one thread."""

    held = False


class _Holders:
    """How many folds hold BLAS to one thread, and how many threads it had before them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.count = 0
        self.before: list[int] = []


_holders = _Holders()
_here = _Here()


def _alone() -> None:
    """Forget, in a forked child, the folds of threads that it does not have."""
    _holders.lock = threading.Lock()
    if _holders.count and not _here.held:
        for library, threads in zip(_controller().lib_controllers, _holders.before, strict=True):
            library.set_num_threads(threads)
    _holders.count = int(_here.held)


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_alone)


@cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")
