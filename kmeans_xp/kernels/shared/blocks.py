"""How large blocks of rows should be, and how a block is divided."""

import math
from collections.abc import Iterator


def even_blocks(n: int, most: int) -> int:
    """Return how many of n rows a block should have at most: as many for each of two threads."""
    return math.ceil(n / (2 * math.ceil(n / (2 * most))))


def parts(n: int, size: int) -> Iterator[slice]:
    """Return parts of n rows, `size` of them at a time, or one if that is less."""
    size = max(1, size)
    return (slice(start, start + size) for start in range(0, n, size))
