"""The compiled loops of `fast_wide`. Imported only where Numba is."""

from typing import Any

import numpy as np
from numba import types

from kmeans_xp.kernels import fast_pairs
from kmeans_xp.kernels.fast_compile import entry, part
from kmeans_xp.kernels.fast_pairs import move, sum_of
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

__all__ = ["look", "move", "signatures"]

# More than float32 rounds away in a conversion or two.
ROUND = 2.0**-21


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for rows of `dtype`."""
    real = types.float32 if np.dtype(dtype) == np.float32 else types.float64
    rows, numbers = types.Array(real, 2, "C", readonly=True), real[::1]
    memory = types.int32[::1], types.float32[::1]
    rounding = types.UniTuple(types.f8, 3)
    centers = types.UniTuple(numbers, 2)
    return {
        "look": (rows, types.intp[::1], numbers, centers, types.f8[::1], *memory, rounding),
        "move": fast_pairs.signatures(dtype)["move"],
    }


@entry
def look(
    rows: Any, which: Any, products: Any, squares: Any, limits: Any, labels: Any, gaps: Any,
    rounding: Any,
) -> Any:  # fmt: skip
    """Write labels and gaps of rows by their products with all centres; return who is unsure.

    The products with a row lie together, filled up to whole vectors. `squares` are half the
    square of each centre's norm, infinite where there is none, and its norm. `rounding` is γ,
    what underflow may take, and the square of a row's norm from which on products may overflow.
    """
    gamma, underflow, limit = rounding
    half, norms = squares
    unsure = np.zeros(len(which), np.bool_)
    room = np.empty(3 * LANES, rows.dtype)
    for a in range(len(which)):
        square = np.float64(_square(rows, a))
        # Lower bounds of scores, as in `Frame`.
        norm = gamma * np.sqrt(square)
        least, next_least, place = _two_least(products, a * len(half), half, norms, norm, room)
        length = np.float64(norms[place])
        upper = least + 2 * length * (norm + gamma * length) + underflow
        if not (next_least > upper and square < limit):
            unsure[a] = True
            continue
        own = np.sqrt(max(square * (1 + 2 * gamma) + 2 * upper + underflow, 0.0))
        other = max(square * (1 - 2 * gamma) + 2 * next_least - underflow, 0.0)
        gap = np.sqrt(other) - own
        labels[which[a]] = place
        gaps[which[a]] = (gap + limits[place]) * (1 - ROUND) if gap > 0 else -np.inf
    return unsure


@sum_of
def _square(rows: Any, a: int) -> Any:
    total = rows[a, 0] * rows[a, 0]
    for f in range(1, rows.shape[1]):
        total += rows[a, f] * rows[a, f]
    return total


@part
def _two_least(products: Any, start: int, half: Any, norms: Any, norm: float, room: Any) -> Any:
    """Return the two smallest scores, rounded down, and the place of the first.

    A score is half a square less a product, and less the centre's norm times `norm`.
    """
    real = half.dtype.type
    best = second = spread(real(np.inf))
    place = spread(real(0))
    for c in range(0, len(half), LANES):
        error = times(spread(real(norm)), load(norms, c))
        score = minus(minus(load(half, c), error), load(products, start + c))
        second = lesser(greater(best, score), second)
        place = where_less(score, best, spread(real(c)), place)
        best = lesser(score, best)
    store(room, 0, best)
    store(room, LANES, second)
    store(room, 2 * LANES, place)
    lane = 0
    least, next_least = np.float64(room[0]), np.float64(room[LANES])
    for b in range(1, LANES):
        score, other = np.float64(room[b]), np.float64(room[LANES + b])
        if score < least:
            lane, least, next_least = b, score, min(least, next_least, other)
        else:
            next_least = min(next_least, score)
    return least, next_least, np.int32(room[2 * LANES + lane]) + lane
