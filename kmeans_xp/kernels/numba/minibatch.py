"""Mini-batches with Numba: running means learn from a whole batch in one compiled call."""

from typing import Any

import numpy as np
from numba import types

from kmeans_xp.kernels.interface import Batch, BatchSums, Learned
from kmeans_xp.kernels.numba import compiling, nearest
from kmeans_xp.kernels.numba.low_d.search import loose_square, tied
from kmeans_xp.kernels.numba.simd.distance_tiles import ROWS, distance_tile, smallest
from kmeans_xp.kernels.numba.simd.gather import prefetch_row
from kmeans_xp.kernels.numba.simd.vector import (
    LANES,
    failing_lanes,
    lesser,
    load,
    lowest_bit,
    spread,
)
from kmeans_xp.kernels.numpy import nearest as numpy_nearest
from kmeans_xp.kernels.portable.minibatch import learn_by_block


def learn(batch: Batch) -> Learned:
    """Let running means learn from a batch: in one compiled call where it is one block."""
    rows, block_rows = batch.rows, numpy_nearest.block_rows(*batch.centers.shape)
    size = rows.shape[0] if batch.drawn is None else len(batch.drawn)
    block = rows.uncopied(rows.shape[0]) if size <= block_rows else None
    if block is None or not compiling.is_ready_rows(block):
        return learn_by_block(batch, nearest.labels, sum_batch, numpy_nearest.block_rows)
    return learn_at_once(block, batch)


def learn_at_once(block: np.ndarray, batch: Batch) -> Learned:
    """Let running means learn from a batch in one compiled call.

    Parameters
    ----------
    block : ndarray of shape (n, d)
        All rows of `batch.rows`, as `compiling.ready_rows` returns them.
    batch : Batch
    """
    drawn = np.arange(len(block)) if batch.drawn is None else batch.drawn
    # The one kind of array that it is compiled for.
    centers, counts = (
        np.require(a, np.float64, ["C", "A", "W", "E"]) for a in (batch.centers, batch.counts)
    )
    moved, seen = np.empty(centers.shape), np.empty(len(centers))
    rows, weights = compiling.sealed(block), compiling.ready_weights(batch.weights)
    cost, shift = _learn_rows(rows, drawn, weights, centers, counts, moved, seen)
    return Learned(moved, seen, seen.copy(), cost, shift)


def sum_batch(
    block: np.ndarray, labels: np.ndarray, weights: np.ndarray | None, centers: np.ndarray
) -> BatchSums:
    """Return what the rows of each label add up to about its centre."""
    centers = np.require(centers, requirements=["C", "A", "W"])
    differences, totals = np.zeros(centers.shape), np.zeros(len(centers))
    rows, weights = compiling.ready_rows(block), compiling.ready_weights(weights)
    cost = _sum_rows(rows, labels, weights, centers, differences, totals)
    return BatchSums(differences, totals, np.asarray(cost))


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for rows of `dtype`."""
    real = compiling.real(dtype)
    rows, weights = compiling.sealed_type(real, 2), compiling.sealed_type(types.f8, 1)
    wide, numbers = types.f8[:, ::1], types.f8[::1]
    return {
        "_sum_rows": (rows, types.int32[::1], weights, wide, wide, numbers),
        "_learn_rows": (rows, types.int64[::1], weights, wide, numbers, wide, numbers),
    }


@compiling.entry
def _sum_rows(
    block: Any, labels: Any, weights: Any, centers: Any, differences: Any, totals: Any
) -> float:
    """Add to the `differences` and `totals` of each label; return the cost."""
    cost = 0.0
    for i in range(len(labels)):
        weight = weights[i] if len(weights) else 1.0
        cost += _add_row(block, i, weight, centers, labels[i], differences, totals)
    return cost


@compiling.entry
def _learn_rows(
    block: Any, drawn: Any, weights: Any, centers: Any, counts: Any, moved: Any, seen: Any
) -> Any:
    """Write where centres move to, and the weight that they have seen; return cost and shift."""
    k, d = centers.shape
    nearest, columns = _rounded(centers, block)
    x = np.zeros((ROWS, d), block.dtype)
    squares = np.empty(len(columns) * ROWS * LANES, block.dtype)
    cost, count = 0.0, len(drawn)
    moved[:], seen[:] = 0, 0
    for first in range(0, count, ROWS):
        together = min(ROWS, count - first)
        for r in range(together):
            i = drawn[first + r]
            for f in range(d):
                x[r, f] = block[i, f]
        for r in range(first + ROWS, min(first + 2 * ROWS, count)):
            prefetch_row(block, drawn[r])
        for panel in range(len(columns)):
            distance_tile(x, columns, panel, squares)
        for r in range(together):
            weight = weights[first + r] if len(weights) else 1.0
            own = _nearest(squares, r, x, nearest)
            cost += _add_row(x, r, weight, centers, own, moved, seen)
    shift = 0.0
    for j in range(k):
        seen[j] += counts[j]
        share = 1 / seen[j] if seen[j] > 0 else 0.0
        for f in range(d):
            step = moved[j, f] * share
            shift += step * step
            moved[j, f] = centers[j, f] + step
    return cost, shift


@compiling.making
def _rounded(centers: Any, block: Any) -> Any:
    """Return centres in the dtype of the rows; and the same sixteen at a time, (p, d, 16)."""
    k, d = centers.shape
    rounded = np.empty((k, d), block.dtype)
    columns = np.full((-(-k // LANES), d, LANES), np.inf, block.dtype)
    for j in range(k):
        for f in range(d):
            rounded[j, f] = centers[j, f]
            columns[j // LANES, f, j % LANES] = rounded[j, f]
    return rounded, columns


@compiling.part
def _nearest(squares: Any, r: int, rows: Any, centers: Any) -> Any:
    """Return the nearest centre of a row; where several are near, float64 decides."""
    d, real, start, step = centers.shape[1], squares.dtype.type, r * LANES, ROWS * LANES
    best = load(squares, start)
    for place in range(start + step, len(squares), step):
        best = lesser(load(squares, place), best)
    info = np.finfo(squares.dtype)
    # Twice what rounding may do to either of two squares, and what ties allow.
    bound = smallest(best) * real(1 + 4 * (d + 16) * info.eps) + real(4 * (d + 16) * info.tiny)
    limit, found, near = spread(bound), -1, 0
    for place in range(start, len(squares), step):
        lanes = load(squares, place)
        bits = failing_lanes(lanes, limit, lanes, lanes)
        if bits:
            near += 1 if bits & (bits - 1) == 0 else 2
            found = (place - start) // ROWS + lowest_bit(bits)
    return found if near == 1 and bound < np.inf else _decide(squares, r, bound, rows, centers)


@compiling.part
def _decide(squares: Any, r: int, bound: Any, rows: Any, centers: Any) -> Any:
    """Return the nearest centre in float64, the first of those that are `prepared_centers.tied`."""
    least = np.inf
    for j in range(len(centers)):
        if not squares[_place(r, j)] > bound:
            least = min(least, loose_square(rows, r, centers, j))
    least *= tied(centers.shape[1])
    for j in range(len(centers)):
        if not squares[_place(r, j)] > bound and loose_square(rows, r, centers, j) <= least:
            return j
    return 0


@compiling.part
def _place(r: int, j: int) -> int:
    """Return where the square of a row and a centre is."""
    return (j // LANES * ROWS + r) * LANES + j % LANES


@compiling.sum_of
def _add_row(
    block: Any, i: int, weight: float, centers: Any, j: int, differences: Any, totals: Any
) -> float:
    total = 0.0
    for f in range(block.shape[1]):
        difference = np.float64(block[i, f]) - centers[j, f]
        differences[j, f] += weight * difference
        total += difference * difference
    totals[j] += weight
    return weight * total
