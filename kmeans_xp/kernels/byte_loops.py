"""The compiled loops of `seed_bytes` and `fast_bytes`. Imported only where Numba is."""

from typing import Any

import numpy as np
from numba import types

from kmeans_xp.kernels.byte_sample import TOP
from kmeans_xp.kernels.byte_tiles import CENTERS, ROWS, byte_tile
from kmeans_xp.kernels.fast_compile import entry, part, sum_of
from kmeans_xp.kernels.fast_pairs import nearest_of, rounded
from kmeans_xp.kernels.fast_vector import (
    LANES,
    exceptions,
    load,
    lowest,
    minus,
    spread,
    store,
    times,
    times_plus,
)
from kmeans_xp.kernels.wide_tiles import fetch

# More than single precision rounds away in a bound, of the squares of both norms.
ROUND = 2.0**-17
# Where more than one in so many centres is near a row, a whole product is faster.
CROWD = 8
# How many rows ahead of use they are fetched.
AHEAD = 4


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for rows of `dtype`."""
    real = types.float32 if np.dtype(dtype) == np.float32 else types.float64
    rows, single, words = types.Array(real, 2, "C", readonly=True), types.f4, types.int32
    center, weights = (types.Array(t, 1, "C", readonly=True) for t in (real, types.f8))
    nearer, places, numbers = types.boolean[:, ::1], types.intp[::1], types.f8[::1]
    short = types.Tuple((words[:, ::1], words[::1], single[:, ::1]))
    turned = types.Tuple((words[::1], single[:, ::1], types.f8[:, ::1]))
    memory = words[:, ::1], words[::1], single[:, ::1], words[::1], single[::1]
    return {
        "look": (rows, places, *memory, turned, numbers, types.f8),
        "shorten": (rows, numbers, words[:, ::1], single[:, ::1]),
        "squares": (rows, places, center, numbers),
        "bound": (words[::1], single[:, ::1], single[::1], short, nearer),
        "measure": (rows, places, places, rows, real[::1], weights, nearer, numbers),
    }


@sum_of
def _largest_and_square(rows: Any, i: int, origin: Any) -> Any:
    """Return the largest entry of a row less the origin, and its square."""
    most = total = 0.0
    for f in range(len(origin)):
        difference = np.float64(rows[i, f]) - origin[f]
        most = max(most, abs(difference))
        total += difference * difference
    return most, total


@sum_of
def _rounded_row(rows: Any, i: int, origin: Any, scale: float, out: Any) -> float:
    """Write a row less the origin, by its scale, as bytes; return the square of what is lost."""
    total, times = 0.0, 1 / scale if scale > 0 else 0.0
    for f in range(len(origin)):
        difference = np.float64(rows[i, f]) - origin[f]
        number = min(max(np.rint(difference * times), -TOP), TOP)
        out[f] = np.int8(number)
        lost = difference - scale * number
        total += lost * lost
    return total


@entry
def shorten(rows: Any, origin: Any, words: Any, marks: Any) -> None:
    """Write rows less the origin as signed bytes, and their marks as in `seed_bytes`."""
    row = np.zeros(4 * words.shape[1], np.int8)
    for i in range(len(rows)):
        most, square = _largest_and_square(rows, i, origin)
        scale = np.float32(most / TOP)
        lost = _rounded_row(rows, i, origin, np.float64(scale), row)
        words[i] = row.view(np.int32)
        marks[0, i] = scale
        marks[1, i] = rounded(np.sqrt(lost) * (1 + ROUND), np.inf)
        marks[2, i] = rounded(np.sqrt(square) * (1 + ROUND), np.inf)
        marks[3, i] = rounded(square * (1 - ROUND), -np.inf)


@sum_of
def _wide_square(rows: Any, i: int, center: Any) -> float:
    total = 0.0
    for f in range(len(center)):
        difference = np.float64(rows[i, f]) - np.float64(center[f])
        total += difference * difference
    return total


@entry
def squares(rows: Any, places: Any, center: Any, out: Any) -> None:
    """Write the squared distances of the rows at some places to a centre, in double precision."""
    for r in range(len(places)):
        fetch(rows, places[min(r + AHEAD, len(places) - 1)])
        out[r] = _wide_square(rows, places[r], center)


@sum_of
def _square(rows: Any, i: int, centers: Any, j: int) -> Any:
    """Return the squared distance of a row to a centre, in their precision."""
    total = rows.dtype.type(0)
    for f in range(rows.shape[1]):
        difference = rows[i, f] - centers[j, f]
        total += difference * difference
    return total


@entry
def bound(words: Any, marks: Any, limits: Any, short: Any, nearer: Any) -> Any:
    """Write which centres may be `nearer` than the limit; return the rows that have any.

    `short` is what `seed_bytes.short_centers` returns.
    """
    centers, starts, terms = short
    count, which = 0, np.empty(len(limits), np.intp)
    whole, width = len(limits) // ROWS * ROWS, centers.shape[1]
    products = np.empty((len(centers), ROWS), np.float32)
    nearer[:] = False
    for first in range(0, whole, ROWS):
        for t in range(0, len(centers), CENTERS):
            byte_tile(words, first * width, centers, t, starts, products)
        for half in range(0, ROWS, LANES):
            rest = _mark(marks, limits, first + half, products, half, terms, nearer)
            while rest:
                which[count] = first + half + lowest(rest)
                count, rest = count + 1, rest & (rest - 1)
    for i in range(whole, len(limits)):
        nearer[:, i] = True
        which[count], count = i, count + 1
    return which[:count]


@part
def _mark(
    marks: Any, limits: Any, i: int, products: Any, half: int, terms: Any, nearer: Any
) -> Any:
    """Write which centres may be nearer to sixteen rows; return a bit for each that has any."""
    n = len(limits)
    scale, lost, norm = load(marks, i), load(marks, n + i), load(marks, 2 * n + i)
    more = minus(load(marks, 3 * n + i), load(limits, i))
    every = 0
    for t in range(len(nearer)):
        left = times_plus(lost, spread(terms[1, t]), more)
        left = times_plus(norm, spread(terms[2, t]), left)
        product = times(load(products, t * ROWS + half), scale)
        left = times_plus(product, spread(terms[0, t]), left)
        bits = exceptions(left, spread(terms[3, t]), left, left)
        every |= bits
        while bits:
            nearer[t, i + lowest(bits)] = True
            bits &= bits - 1
    return every


@entry
def measure(
    rows: Any,
    places: Any,
    which: Any,
    candidates: Any,
    limits: Any,
    weights: Any,
    nearer: Any,
    gains: Any,
) -> None:
    """Add up what the limits of the rows `which`, at `places`, lose to candidates that are nearer.

    On return those that only might have been are `nearer` no more.
    """
    for r in range(len(which)):
        fetch(rows, places[min(r + AHEAD, len(which) - 1)])
        i = which[r]
        for t in range(len(gains)):
            if nearer[t, i]:
                gain = limits[i] - _square(rows, places[r], candidates, t)
                if gain > 0:
                    gains[t] += gain * (weights[i] if len(weights) else 1.0)
                else:
                    nearer[t, i] = False


@entry
def look(
    block: Any,
    which: Any,
    words: Any,
    starts: Any,
    marks: Any,
    labels: Any,
    gaps: Any,
    centers: Any,
    limits: Any,
    largest: float,
) -> Any:
    """Settle the rows `which` of a norm below `largest`; return whether each of them is left.

    `centers` are as in `fast_bytes.Centers`.
    """
    panels, terms, wide = centers
    left, most = np.zeros(len(which), np.bool_), len(wide) // CROWD + 1
    x, begin = np.empty((ROWS, words.shape[1]), np.int32), np.empty(ROWS, np.int32)
    products = np.empty((ROWS, ROWS), np.float32)
    scores = np.empty((ROWS, terms.shape[1]), np.float32)
    rivals, rivals_scores = np.empty(most, np.int32), np.empty(most)
    for first in range(0, len(which), ROWS):
        for r in range(ROWS):
            # The last again where there are no more.
            i = which[min(first + r, len(which) - 1)]
            x[r], begin[r] = words[i], starts[i]
            fetch(block, i)
        _score(which, first, panels, x, begin, marks, terms, products, scores)
        for r in range(min(ROWS, len(which) - first)):
            i = which[first + r]
            if not marks[i, 2] < largest:
                left[first + r] = True
                continue
            if labels[i] >= 0:
                scores[r, labels[i]] = -np.inf
            left[first + r], best, own, other = nearest_of(
                block, i, labels[i], wide, np.float64(marks[i, 3]), scores, r, rivals, rivals_scores
            )
            if not left[first + r]:
                labels[i] = best
                gaps[i] = rounded((other - own + limits[best]) * (1 - ROUND), -np.inf)
    return left


@part
def _score(
    which: Any,
    first: int,
    panels: Any,
    x: Any,
    begin: Any,
    marks: Any,
    terms: Any,
    products: Any,
    scores: Any,
) -> None:
    """Write upper bounds of x'·c' - ½‖c'‖² of thirty-two rows."""
    width, k = x.shape[1], terms.shape[1]
    for c in range(0, k, ROWS):
        for r in range(0, ROWS, CENTERS):
            byte_tile(panels, c * width, x, r, begin, products)
        for r in range(ROWS):
            i = which[min(first + r, len(which) - 1)]
            scale, lost, norm = spread(marks[i, 0]), spread(marks[i, 1]), spread(marks[i, 2])
            for j in range(c, c + ROWS, LANES):
                score = times_plus(lost, load(terms, k + j), load(terms, 3 * k + j))
                score = times_plus(norm, load(terms, 2 * k + j), score)
                product = times(load(products, r * ROWS + j - c), scale)
                store(scores, r * k + j, times_plus(product, load(terms, j), score))
