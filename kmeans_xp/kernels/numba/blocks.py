"""How many rows the blocks of compiled bounds have; imported without Numba."""

from kmeans_xp.kernels.numpy import nearest as numpy_nearest

# Rows of a block of few features, and to each centre: as many as fill sixteen vectors of one label,
# if all are looked at.
LOW_D_ROWS, LOW_D_ROWS_OF_EACH = 1 << 17, 256


def low_d_block_rows(k: int) -> int:
    """Return how many rows of few features a block should have with k centres."""
    return max(LOW_D_ROWS, LOW_D_ROWS_OF_EACH * k)


def high_d_block_rows(k: int, d: int) -> int:
    """Return how many rows a block should have: so many that its sums of k clusters cost little."""
    return max(numpy_nearest.block_rows(k, d), min(32 * k, 1 << 14))
