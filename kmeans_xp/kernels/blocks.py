"""How many rows a block should have, so that threads get equal parts of the work."""

import math


def even_blocks(n: int, most: int) -> int:
    """Return how many of n rows a block should have at most: as many for each of two threads."""
    return math.ceil(n / (2 * math.ceil(n / (2 * most))))
