"""How many threads to use, and one BLAS thread in each of them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any


def thread_count() -> int:
    """Return the number of threads that a fold over NumPy rows uses.

    It is the least of: the processors that this process may run on, ``OMP_NUM_THREADS``,
    and the limit on BLAS threads (``threadpoolctl.threadpool_limits``).
    """
    blas = [library.num_threads for library in _controller().lib_controllers]
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

    The setting belongs to the process. Where several threads want it, threadpoolctl lets the
    first of them decide as long as it lives, so that nobody restores what another has set.
    """
    with _controller().limit(limits=1, user_api="blas"):
        yield


@cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")
