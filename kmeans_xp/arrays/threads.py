"""How many threads to use, and one BLAS thread in each of them."""

import os
import re
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from kmeans_xp.arrays.setting import Setting


def thread_count() -> int:
    """Return the number of threads that a fold over NumPy rows uses.

    It is the least of: the processors that this process may run on, ``OMP_NUM_THREADS`` (of a
    list the first number), and the limit on BLAS threads (``threadpoolctl.threadpool_limits``).
    """
    try:
        processors = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        processors = os.cpu_count() or 1
    blas = [library.value() for library in _libraries()]
    asked = _first_of(os.environ.get("OMP_NUM_THREADS", ""))
    return max(1, min([processors, *blas, asked or processors]))


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold BLAS to one thread, since the fold brings its own.

    Inside another one of its own thread it changes nothing, unless a library was loaded since.
    """
    libraries, outer, holder = _libraries(), _here.held, object()
    if outer is libraries:
        yield
        return
    try:
        for library in libraries:
            library.hold(holder)
        _here.held = libraries
        yield
    finally:
        _here.held = outer
        for library in libraries:
            library.release(holder)


def one_blas_thread_from_now_on() -> None:
    """Hold BLAS to one thread for as long as this thread lives, where each has a limit of its own.

    For threads of ours; where the limit is one for the process, who gives them work holds it.
    """
    for library in _libraries():
        if library.per_thread:
            library.hold(_here)


class _Here(threading.local):
    """The libraries that the thread holds to one thread."""

    held: tuple[Setting, ...] | None = None


_here = _Here()
_known: dict[str, Setting] = {}


def _libraries() -> tuple[Setting, ...]:
    """Return the thread limits of the BLAS libraries that are loaded: NumPy's, and SciPy's."""
    return _found("scipy.linalg" in sys.modules)


@cache
def _found(scipy: bool) -> tuple[Setting, ...]:
    """Look again where SciPy, which may bring a BLAS of its own, has been loaded."""
    from threadpoolctl import ThreadpoolController

    for library in ThreadpoolController().select(user_api="blas").lib_controllers:
        if library.get_num_threads() is not None:
            _known.setdefault(library.filepath, _limit_of(library))
    return tuple(_known.values())


def _limit_of(library: Any) -> Setting:
    """Return the thread limit of a library, as threadpoolctl finds it."""
    # OpenBLAS with threads of its own has one limit for the process. There threadpoolctl lets only
    # the thread that asked first change it, and ignores all others without a word, hence the
    # private name. MKL has a limit for each thread, and OpenMP's too, except Microsoft's.
    write = getattr(library, "_real_set_num_threads", library.set_num_threads)
    openmp = library.internal_api == "openblas" and library.threading_layer == "openmp"
    per_thread = library.internal_api == "mkl" or (openmp and sys.platform != "win32")
    return Setting(library.get_num_threads, write, 1, per_thread=per_thread)


@cache
def _first_of(asked: str) -> int:
    """Return the first number of ``OMP_NUM_THREADS``, as OpenMP reads it; 0 if there is none."""
    found = re.fullmatch(r"\s*([0-9]{1,9})\s*(,\s*[0-9]{1,9}\s*)*", asked)
    count = int(found[1]) if found else 0
    if asked and not count:
        warnings.warn(
            "OMP_NUM_THREADS must be a positive integer, or several with commas in between, got "
            f"{asked!r}, which is ignored, as OpenMP ignores it. Set it to a number, or unset it.",
            RuntimeWarning,
            stacklevel=2,
        )
    return count
