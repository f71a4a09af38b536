"""Which seeder NumPy's rows get."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kmeans_xp.kernels import fast_compile
from kmeans_xp.kernels.byte_sample import BYTES_UP_TO, part_left
from kmeans_xp.kernels.fast_compile import BYTE_LOOPS, SEED_LOOPS
from kmeans_xp.kernels.projection import directions_of
from kmeans_xp.kernels.seed_host import HostSeeder
from kmeans_xp.kernels.seeder import TOGETHER, Seeder

# Entries that are remembered of all rows: where there would be more, nothing is.
ENTRIES = 1 << 27
# With fewer features than this, or so few entries of X, all are remembered: unless in bytes.
NARROW = 24
SMALL = 1 << 20
# With fewer centres than this a projection does not pay.
MANY = 16
# Rows that are looked at, to find directions from and to try what bytes exclude.
SEEN = 1024
# The part of the pairs of rows and candidates that bytes may leave.
LEFT = 0.125

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
    single, work = origin.dtype == dtype == np.float32, n * d * k * trials // PASSES
    trials = min(trials, TOGETHER)
    few_features = d <= (LANES_UP_TO if n * d > SMALL else SMALL_UP_TO) and n * d <= ENTRIES
    if single and few_features and fast_compile.worthwhile(work, dtype, SEED_LOOPS):
        # Imported here, since Numba is an extra.
        from kmeans_xp.kernels.seed_lanes import LaneSeeder

        return LaneSeeder(shape, trials)
    basis, large = None, n * d > SMALL
    if d >= NARROW and large and k < MANY:
        return None
    if d >= NARROW and k >= MANY and _by_bytes(shape, k, work, origin.dtype, few):
        from kmeans_xp.kernels.seed_bytes import ByteSeeder

        return ByteSeeder(n, trials, origin, dtype)
    if d >= NARROW and large:
        basis = np.ascontiguousarray(directions_of(few(SEEN)).matrix.T, dtype=origin.dtype)
    if n * (d if basis is None else len(basis)) > ENTRIES:
        return None
    return HostSeeder(n, trials, origin, basis, dtype)


def _by_bytes(
    shape: tuple[int, int], k: int, work: int, dtype: Any, few: Callable[[int], np.ndarray]
) -> bool:
    """Return whether rows in bytes exclude most pairs, and are worth their loops."""
    n, d = shape
    fits = n >= SEEN and d <= BYTES_UP_TO and n * d <= 4 * ENTRIES and fast_compile.installed()
    # A look at some rows takes milliseconds: long where X is small, and nothing to a compiler.
    if n * d <= SMALL:
        fits = fits and fast_compile.worthwhile(work, dtype, BYTE_LOOPS)
    pays = fits and part_left(few(SEEN), k) < LEFT
    return pays and fast_compile.worthwhile(work, dtype, BYTE_LOOPS)
