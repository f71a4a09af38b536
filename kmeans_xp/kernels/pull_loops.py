"""The compiled loops of `pull_host`. Imported only where Numba is."""

from typing import Any

import numpy as np
from numba import types

from kmeans_xp.kernels.fast_compile import entry, making, part, sum_of
from kmeans_xp.kernels.fast_search import loose_square, tied
from kmeans_xp.kernels.fast_vector import LANES, exceptions, lesser, load, lowest, spread
from kmeans_xp.kernels.pull_tiles import ROWS, differ, least
from kmeans_xp.kernels.wide_tiles import fetch


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for rows of `dtype`."""
    real = types.float32 if np.dtype(dtype) == np.float32 else types.float64
    rows, weights = (types.Array(t, n, "C", readonly=True) for t, n in ((real, 2), (types.f8, 1)))
    wide, numbers = types.f8[:, ::1], types.f8[::1]
    return {
        "pull": (rows, types.int32[::1], weights, wide, wide, numbers),
        "learn": (rows, types.int64[::1], weights, wide, numbers, wide, numbers, numbers),
    }


@entry
def pull(block: Any, labels: Any, weights: Any, centers: Any, ways: Any, totals: Any) -> float:
    """Add to the `ways` and `totals` of each label; return the cost."""
    cost = 0.0
    for i in range(len(labels)):
        weight = weights[i] if len(weights) else 1.0
        cost += _pull(block, i, weight, centers, labels[i], ways, totals)
    return cost


@entry
def learn(
    block: Any, drawn: Any, weights: Any, centers: Any, counts: Any, moved: Any, seen: Any,
    facts: Any,
) -> None:  # fmt: skip
    """As `pull_host.learn`: write where centres move to, what they have seen, and the facts."""
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
            fetch(block, drawn[r])
        for panel in range(len(columns)):
            differ(x, columns, panel, squares)
        for r in range(together):
            weight = weights[first + r] if len(weights) else 1.0
            own = _nearest(squares, r, x, nearest)
            cost += _pull(x, r, weight, centers, own, moved, seen)
    shift = 0.0
    for j in range(k):
        seen[j] += counts[j]
        share = 1 / seen[j] if seen[j] > 0 else 0.0
        for f in range(d):
            way = moved[j, f] * share
            shift += way * way
            moved[j, f] = centers[j, f] + way
    facts[0], facts[1] = cost, shift


@making
def _rounded(centers: Any, block: Any) -> Any:
    """Return centres in the dtype of the rows; and those sixteen at a time, (p, d, 16)."""
    k, d = centers.shape
    rounded = np.empty((k, d), block.dtype)
    columns = np.full((-(-k // LANES), d, LANES), np.inf, block.dtype)
    for j in range(k):
        for f in range(d):
            rounded[j, f] = centers[j, f]
            columns[j // LANES, f, j % LANES] = rounded[j, f]
    return rounded, columns


@part
def _nearest(squares: Any, r: int, rows: Any, centers: Any) -> Any:
    """Return the nearest centre of a row, for which float64 decides where several are near."""
    d, real, start, step = centers.shape[1], squares.dtype.type, r * LANES, ROWS * LANES
    best = load(squares, start)
    for place in range(start + step, len(squares), step):
        best = lesser(load(squares, place), best)
    info = np.finfo(squares.dtype)
    # Twice what rounding may do to either of two squares, and what ties allow.
    bound = least(best) * real(1 + 4 * (d + 16) * info.eps) + real(4 * (d + 16) * info.tiny)
    limit, found, near = spread(bound), -1, 0
    for place in range(start, len(squares), step):
        some = load(squares, place)
        bits = exceptions(some, limit, some, some)
        if bits:
            near += 1 if bits & (bits - 1) == 0 else 2
            found = (place - start) // ROWS + lowest(bits)
    return found if near == 1 and bound < np.inf else _decide(squares, r, bound, rows, centers)


@part
def _decide(squares: Any, r: int, bound: Any, rows: Any, centers: Any) -> Any:
    """Return the nearest centre in float64, the first of those that are `frame.tied`."""
    least = np.inf
    for j in range(len(centers)):
        if not squares[_place(r, j)] > bound:
            least = min(least, loose_square(rows, r, centers, j))
    least *= tied(centers.shape[1])
    for j in range(len(centers)):
        if not squares[_place(r, j)] > bound and loose_square(rows, r, centers, j) <= least:
            return j
    return 0


@part
def _place(r: int, j: int) -> int:
    """Return where the square of a row and a centre is."""
    return (j // LANES * ROWS + r) * LANES + j % LANES


@sum_of
def _pull(block: Any, i: int, weight: float, centers: Any, j: int, ways: Any, totals: Any) -> float:
    total = 0.0
    for f in range(block.shape[1]):
        difference = np.float64(block[i, f]) - centers[j, f]
        ways[j, f] += weight * difference
        total += difference * difference
    totals[j] += weight
    return weight * total
