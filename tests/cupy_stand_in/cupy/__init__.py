"""A stand-in for CuPy where there is no GPU: NumPy computes, and what CuPy refuses is refused.

It has what CuPy and NumPy both have, under the names and with the signatures that were recorded
from a real one. There are two devices, and nothing is computed on an array of the other one.
`cupy.counts` counts launches, synchronisations and bytes. What it cannot show is how fast a GPU
is, in which order one adds up, and what becomes of work that was not waited for.
"""

from typing import Any as _Any

import numpy as _numpy

from cupy import _core, cuda, fft, linalg  # noqa: F401
from cupy._functions import contents as _contents
from cupy._functions import ufunc  # noqa: F401
from cupy._ndarray import array, from_dlpack, ndarray
from cupy._record import RECORD as _RECORD

__version__ = _RECORD["version"]
_memory_pool = cuda.MemoryPool()
globals().update(_contents("cupy", _numpy) | {"array": array, "from_dlpack": from_dlpack})


def asarray(
    a: _Any,
    dtype: _Any = None,
    order: _Any = None,
    *,
    copy: bool | None = None,
    blocking: bool = False,
) -> ndarray:
    return array(a, dtype, copy, order, blocking=blocking)


def asnumpy(
    a: _Any, stream: _Any = None, order: _Any = "C", out: _Any = None, *, blocking: bool = True
) -> _numpy.ndarray:
    if isinstance(a, ndarray):
        return a.get(stream, order, out, blocking)
    return _numpy.asarray(a, order=order)


def get_default_memory_pool() -> cuda.MemoryPool:
    return _memory_pool
