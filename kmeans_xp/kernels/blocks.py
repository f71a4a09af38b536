"""How large blocks of rows should be, and what is taken from one at a time."""

import math
from collections.abc import Iterator

import numpy as np


def even_blocks(n: int, most: int) -> int:
    """Return how many of n rows a block should have at most: as many for each of two threads."""
    return math.ceil(n / (2 * math.ceil(n / (2 * most))))


def parts(n: int, size: int) -> Iterator[slice]:
    """Return parts of n rows, `size` of them at a time, or one if that is less."""
    size = max(1, size)
    return (slice(start, start + size) for start in range(0, n, size))


def rows_at(rows: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Return the rows at indices."""
    # `take` is some ten times faster, but copies all rows first unless they lie one after another.
    return rows.take(which, axis=0) if rows.flags.c_contiguous else rows[which]
