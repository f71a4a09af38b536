"""Memory to write to that is not new, since new memory costs page faults; and rows at indices."""

import math
import threading
from typing import Any

import numpy as np

_memory = threading.local()


def scratch(use: str, shape: tuple[int, int], dtype: Any) -> np.ndarray:
    """Return an array to write to, which the thread gives to the next who asks for this use.

    A new one for every piece of a block would cost more page faults than arithmetic.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    held = vars(_memory).get(use)
    if held is None or held.size < size:
        held = vars(_memory)[use] = np.empty(size, np.uint8)
    return held[:size].view(dtype).reshape(shape)


def taken(rows: np.ndarray, which: np.ndarray, use: str) -> np.ndarray:
    """Return the rows at indices, in scratch memory for this use."""
    # This mode alone writes where it is told to, without a buffer.
    out = scratch(use, (len(which), rows.shape[1]), rows.dtype)
    return rows.take(which, axis=0, out=out, mode="clip")


def rows_at(rows: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Return the rows at indices."""
    # `take` is some ten times faster, but copies all rows first unless they lie one after another.
    return rows.take(which, axis=0) if rows.flags.c_contiguous else rows[which]


def gathered(rows: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Return the rows at ascending indices."""
    return rows if len(which) == len(rows) else rows_at(rows, which)
