"""Which seeder NumPy's rows get."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kmeans_xp.kernels import fast_compile
from kmeans_xp.kernels.fast_compile import SEED_LOOPS
from kmeans_xp.kernels.projection import directions_of
from kmeans_xp.kernels.seed_host import HostSeeder
from kmeans_xp.kernels.seeder import Seeder

# Entries that are remembered of all rows: where there would be more, nothing is.
ENTRIES = 1 << 27
# With fewer features than this, or so few entries of X, all are remembered.
NARROW = 24
SMALL = 1 << 20
# With fewer centres than this a projection does not pay.
MANY = 16
# Rows that the directions are found from.
SEEN = 1024

# Features up to which sixteen rows at a time are faster than a projection, and than products with
# all features where those are remembered.
LANES_UP_TO, SMALL_UP_TO = 32, 96
# Iterations of a fit that take as long as seeding by as many products.
PASSES = 32


def find_seeder(
    shape: tuple[int, int],
    k: int,
    trials: int,
    origin: np.ndarray,
    dtype: Any,
    few: Callable[[int], np.ndarray],
) -> Seeder | None:
    """Return the seeder of rows of this `shape`, or None where it would not pay.

    Parameters
    ----------
    shape : tuple of int
        Rows and features.
    k, trials : int
        Centres, and candidates for each.
    origin : array of shape (d,)
        A point amid the rows, in their dtype.
    dtype : dtype
        Of the masses.
    few : callable
        (count) -> so many rows, spread over all.
    """
    n, d = shape
    single = origin.dtype == dtype == np.float32
    fits = d <= (LANES_UP_TO if n * d > SMALL else SMALL_UP_TO) and n * d <= ENTRIES
    if single and fits and fast_compile.worthwhile(n * d * k * trials // PASSES, dtype, SEED_LOOPS):
        # Imported here, since Numba is an extra.
        from kmeans_xp.kernels.seed_lanes import LaneSeeder

        return LaneSeeder(shape, trials)
    basis = None
    if d >= NARROW and n * d > SMALL:
        if k < MANY:
            return None
        basis = np.ascontiguousarray(directions_of(few(SEEN)).matrix.T, dtype=origin.dtype)
    if n * (d if basis is None else len(basis)) > ENTRIES:
        return None
    return HostSeeder(n, trials, origin, basis, dtype)
