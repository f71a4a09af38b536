"""The memory beside X that a fit is expected to take, from the shapes of what it allocates."""

from dataclasses import dataclass

import numpy as np

from kmeans_xp.kernels.choose.lloyd import LloydMethod
from kmeans_xp.kernels.choose.seeding import Seeding, SeedingMethod
from kmeans_xp.kernels.choose.workload import SAMPLE
from kmeans_xp.kernels.interface import Engine, Source
from kmeans_xp.kernels.numpy import hamerly as numpy_hamerly
from kmeans_xp.kernels.numpy import nearest as numpy_nearest
from kmeans_xp.kernels.numpy import sums as numpy_sums
from kmeans_xp.kernels.numpy.engine import NUMPY
from kmeans_xp.kernels.portable.lloyd import summed_rows
from kmeans_xp.kernels.portable.seeding import TOGETHER

# Bytes of a label, and of a number in single precision and in the widest float.
LABEL, SINGLE, WIDE = 4, 4, 8
# Bytes of each row of a block while its step lasts: its label before, indices, norms, distances.
STEP = 24


@dataclass(frozen=True)
class Memory:
    """Bytes beside X that are expected.

    Attributes
    ----------
    remembered : int
        What is remembered of all rows between iterations, or returned of them.
    blocks : int
        What the blocks at hand take.
    seeding, choosing : int
        What seeding takes, and a glance at the rows before it; gone before the first iteration.
    """

    remembered: int
    blocks: int
    seeding: int
    choosing: int

    @property
    def most(self) -> int:
        """Return the most at any time."""
        return max(self.remembered + self.blocks, self.seeding, self.choosing)


def lloyd_memory(
    rows: Source, k: int, method: LloydMethod, block_rows: int, threads: int
) -> tuple[int, int]:
    """Return the bytes that are remembered of all rows, or returned, and those of blocks."""
    (n, d), item = rows.shape, _bytes_of(rows)
    bounds, workload, remembered = method.bound_method, method.workload, LABEL
    if bounds is not None and workload is not None:
        remembered = bounds.row_bytes(workload)
    compiled = bounds is not None and bounds.group is not None
    fused, centers = method.fused_block(rows) is not None, 4 * k * d * WIDE
    if fused and not compiled:
        summed = min(n * (d + 1), numpy_sums.SUM_ENTRIES) * (item + 2 * WIDE)
        return n * (LABEL + _one_block_row(d, k)), centers + summed
    if fused:
        # Pieces add up sums of their own, and every centre has the others in order.
        settled = threads * min(n, numpy_nearest.BLOCK_ROWS) * STEP
        return n * remembered, 4 * centers + k * k * (LABEL + item + WIDE) + settled
    size = min(n, block_rows)
    if not method.engine.remembers:
        # Scores and which of them exclude a centre; rows as a product takes them. Then rows about
        # the origin, weighted, and on both grids, side by side too.
        searched = size * (k * (item + 2) + 3 * d * item + STEP)
        summed = min(n, summed_rows(method.engine, k, d)) * 8 * (d + 1) * WIDE
        block = max(searched, summed)
    elif compiled:
        block = size * STEP
    elif bounds is None and method.engine.labels is not NUMPY.labels:
        block = size * STEP + min(size, numpy_sums.SUM_ENTRIES // d) * 2 * d * WIDE
    else:
        block = _searched_by_numpy(size, d, k, item, sums_all=bounds is None)
    if rows.in_memory and rows.uncopied(n) is None:
        block += size * d * item
    return n * remembered, min(threads, -(-n // size)) * (block + centers)


def _one_block_row(d: int, k: int) -> int:
    """Return what NumPy's fused iteration has of each row: it, its scores and their codes."""
    return (d + k) * SINGLE + 3 * k + 2 * STEP


def _searched_by_numpy(size: int, d: int, k: int, item: int, *, sums_all: bool) -> int:
    """Return what a block takes: scores of a piece of it, rows that are summed, and the rest."""
    piece = min(size, max(256, numpy_nearest.PIECE_BYTES // (item * (d + 2 * k))))
    summed = (
        min(size, numpy_sums.SUM_ENTRIES // d)
        if sums_all
        else min(size, numpy_hamerly.GATHERED_ENTRIES // d, numpy_nearest.BLOCK_ROWS)
    )
    scores = piece * (k * (2 * item + 1) + (d + 2) * item)
    return scores + summed * (d * (item + 2 * WIDE) + STEP) + size * STEP


def _bytes_of(rows: Source) -> int:
    """Return how many bytes an entry of the rows takes."""
    return int(rows.xp.finfo(rows.dtype).bits) // 8


def computed_seeding_bytes(rows: Source, trials: int, engine: Engine, threads: int) -> int:
    """Return the bytes of a potential, and of the distances of blocks to candidates."""
    (n, d), item = rows.shape, _bytes_of(rows)
    trials = min(trials, TOGETHER)
    size = min(n, engine.block_rows(trials, d))
    block = size * ((d + 2) * (item + WIDE) + 3 * trials * WIDE)
    return 2 * n * item + min(threads, -(-n // size)) * block


def seeder_bytes(seeding: Seeding, method: SeedingMethod, threads: int) -> int:
    """Return the bytes of a potential, of what else is remembered, and of blocks."""
    n, item = seeding.rows.shape[0], np.dtype(seeding.dtype).itemsize
    return n * (item + method.row_bytes(seeding)) + threads * method.block_bytes(seeding)


def choosing_bytes(rows: Source, method: LloydMethod) -> int:
    """Return the bytes of the rows that are looked at to choose, and of what is tried on them."""
    if method.workload is None or not method.workload.looked_at:
        return 0
    (n, d), item = rows.shape, _bytes_of(rows)
    return min(n, SAMPLE) * d * (item + 2 * WIDE)
