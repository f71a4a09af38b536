"""Sizes of blocks, and parts of a block."""

import math
from collections.abc import Iterator


def even_blocks(n: int, most: int) -> int:
    """Return the size of at most `most` that makes n rows an even number of blocks of one size."""
    return math.ceil(n / (2 * math.ceil(n / (2 * most))))


def parts(n: int, size: int) -> Iterator[slice]:
    """Return slices of n rows, `size` rows each, but at least one."""
    size = max(1, size)
    return (slice(start, min(start + size, n)) for start in range(0, n, size))
