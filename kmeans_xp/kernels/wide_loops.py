"""The compiled loops of `fast_wide`. Imported only where Numba is."""

from typing import Any

import numpy as np
from numba import types

from kmeans_xp.kernels import fast_pairs
from kmeans_xp.kernels.fast_compile import entry, part
from kmeans_xp.kernels.fast_pairs import move, rounded, shifted
from kmeans_xp.kernels.fast_search import tied
from kmeans_xp.kernels.fast_vector import (
    LANES,
    greater,
    lesser,
    load,
    minus,
    spread,
    store,
    times,
    where_less,
)
from kmeans_xp.kernels.wide_tiles import PANEL, ROWS, tile

__all__ = ["look", "move", "signatures"]

# More than float32 rounds away in a conversion or two.
ROUND = 2.0**-21


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for rows of `dtype`."""
    real = types.float32 if np.dtype(dtype) == np.float32 else types.float64
    rows, numbers = types.Array(real, 2, "C", readonly=True), real[::1]
    memory = types.int32[::1], types.float32[::1]
    centers = types.Tuple((real[:, :, ::1], numbers, numbers, numbers))
    rounding = types.UniTuple(types.f8, 3)
    return {
        "look": (rows, types.intp[::1], centers, types.f8[::1], *memory, rounding),
        "move": fast_pairs.signatures(dtype)["move"],
    }


@entry
def look(
    block: Any, which: Any, centers: Any, limits: Any, labels: Any, gaps: Any, rounding: Any
) -> Any:
    """Write labels and gaps of the rows `which`; return whether each of them is unsure.

    `centers` and `rounding` are as in `fast_wide.Factors`.
    """
    gamma, underflow, limit = rounding
    panels, half, norms, origin = centers
    tie = tied(len(origin)) - 1
    unsure = np.zeros(len(which), np.bool_)
    x, products = np.empty((ROWS, len(origin)), block.dtype), np.empty((ROWS, PANEL), block.dtype)
    squares, bests = np.empty(ROWS), np.empty((ROWS, 3 * LANES), block.dtype)
    for first in range(0, len(which), ROWS):
        for r in range(ROWS):
            # The last again where none is.
            squares[r] = shifted(block, which[min(first + r, len(which) - 1)], origin, x, r)
        _begin(bests)
        for panel in range(len(panels)):
            tile(x, panels, panel, products, 0)
            _improve(products, panel, half, norms, squares, gamma, bests)
        for r in range(min(ROWS, len(which) - first)):
            least, next_least, place = _two_least(bests, r)
            # Lower bounds of scores, as in `Frame`.
            square, length = squares[r], np.float64(norms[place])
            upper = least + 2 * gamma * length * (np.sqrt(square) + length) + underflow
            upper += tie * (square + length * length)
            if not (next_least > upper and square < limit):
                unsure[first + r] = True
                continue
            own = np.sqrt(max(square * (1 + 2 * gamma) + 2 * upper + underflow, 0.0))
            other = max(square * (1 - 2 * gamma) + 2 * next_least - underflow, 0.0)
            gap = np.sqrt(other) - own
            i = which[first + r]
            labels[i] = place
            gaps[i] = rounded((gap + limits[place]) * (1 - ROUND), -np.inf) if gap > 0 else -np.inf
    return unsure


@part
def _begin(bests: Any) -> None:
    for r in range(ROWS):
        bests[r, : 2 * LANES] = np.inf
        # The place is read even where every score overflowed.
        bests[r, 2 * LANES :] = 0


@part
def _improve(
    products: Any, panel: Any, half: Any, norms: Any, squares: Any, gamma: float, bests: Any
) -> None:
    """Take a panel of centres into each row's smallest scores and the place of the first.

    A score is half the square of a centre less its product with the row, less its norm times γ
    times the row's. Sixteen of each are kept, for every sixteenth centre.
    """
    real = half.dtype.type
    for r in range(ROWS):
        norm, state = spread(real(gamma * np.sqrt(squares[r]))), r * 3 * LANES
        best, second = load(bests, state), load(bests, state + LANES)
        place = load(bests, state + 2 * LANES)
        for c in range(0, PANEL, LANES):
            j = panel * PANEL + c
            score = minus(load(half, j), times(norm, load(norms, j)))
            score = minus(score, load(products, r * PANEL + c))
            second = lesser(greater(best, score), second)
            place = where_less(score, best, spread(real(j)), place)
            best = lesser(score, best)
        store(bests, state, best)
        store(bests, state + LANES, second)
        store(bests, state + 2 * LANES, place)


@part
def _two_least(bests: Any, r: int) -> Any:
    """Return a row's two smallest scores, and the place of the first."""
    lane = 0
    least, next_least = np.float64(bests[r, 0]), np.float64(bests[r, LANES])
    for b in range(1, LANES):
        score, other = np.float64(bests[r, b]), np.float64(bests[r, LANES + b])
        if score < least:
            lane, least, next_least = b, score, min(least, next_least, other)
        else:
            next_least = min(next_least, score)
    return least, next_least, np.int32(bests[r, 2 * LANES + lane]) + lane
