"""Scratch memory that each thread writes to again and again, and rows at indices."""

import math
import threading
from typing import Any

import numpy as np

_memory = threading.local()


def scratch(use: str, shape: tuple[int, int], dtype: Any) -> np.ndarray:
    """Return an uninitialised array, which lasts until the thread asks for the same use again.

    A new array for every piece of a block costs more page faults than arithmetic.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = vars(_memory).get(use)
    if memory is None or memory.size < size:
        memory = vars(_memory)[use] = np.empty(size, np.uint8)
    return memory[:size].view(dtype).reshape(shape)


def rows_in_scratch(rows: np.ndarray, which: np.ndarray, use: str) -> np.ndarray:
    """Return the rows at indices, in scratch memory for this use."""
    # With any other mode `take` writes to a buffer first. The indices are never out of range.
    out = scratch(use, (len(which), rows.shape[1]), rows.dtype)
    return rows.take(which, axis=0, out=out, mode="clip")


def in_float64(rows: np.ndarray) -> np.ndarray:
    """Return a copy of rows in scratch memory: to subtract and convert at once is much slower."""
    wide = scratch("wide", rows.shape, np.float64)
    wide[...] = rows
    return wide


def rows_at(rows: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Return the rows at indices."""
    # `take` is some ten times faster, but copies all rows first unless they are contiguous.
    return rows.take(which, axis=0) if rows.flags.c_contiguous else rows[which]


def gathered(rows: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Return the rows at ascending indices; without a copy if these are all rows."""
    return rows if len(which) == len(rows) else rows_at(rows, which)
