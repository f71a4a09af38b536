"""From upper bounds of scores to a row's nearest centre, for many features, with Numba.

The score of a centre c for a row x is x'·c' - ½‖c'‖², both less an origin: the larger, the nearer.
Projected and quantised rows bound all scores of a row from above. The few centres that these bounds
do not exclude are compared by direct differences in float64. Imported only where Numba is.
"""

from typing import Any, NamedTuple

import numpy as np

from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.low_d.search import loose_square, tied
from kmeans_xp.kernels.numba.simd.float_tiles import PANEL
from kmeans_xp.kernels.numba.simd.vector import (
    LANES,
    failing_lanes,
    greater,
    largest,
    load,
    spread,
    where_less,
)
from kmeans_xp.kernels.numba.sums import ordered_square, room_of

# More than float64 rounds away in a squared distance, and float32 in a conversion or two.
EXACT = 1e-10
ROUND = 2.0**-21
# How many times the difference up to which squares are `tied` two must differ to be told apart by
# sums in any order.
DOUBTFUL = 4
# Where more than one in so many centres remains, one product with all is faster than differences.
MANY_REMAIN = 8


class Remaining(NamedTuple):
    """Room for the centres that scores do not exclude, (m,): their indices, and their scores.

    And for the terms of a square.
    """

    centers: np.ndarray
    scores: np.ndarray
    room: np.ndarray


class Nearest(NamedTuple):
    """What direct differences say of a row.

    Attributes
    ----------
    undecided : bool
        Whether too many centres remained; then nothing else holds.
    label : int
    distance : float
        To the nearest centre, rounded up.
    others : float
        A lower bound of the distances to all other centres.
    """

    undecided: bool
    label: int
    distance: float
    others: float


@compiling.making
def room_for(k: int, d: int) -> Remaining:
    """Return room for as many of k centres of d features as are worth comparing one by one."""
    most = k // MANY_REMAIN + 1
    return Remaining(np.empty(most, np.int32), np.empty(most), room_of(d))


@compiling.part
def float32_below(number: float) -> Any:
    """Return a float32 that is less than a number, however small or large that is."""
    return np.nextafter(np.float32(number), np.float32(-np.inf))


@compiling.part
def float32_above(number: float) -> Any:
    """Return a float32 that is more than a number, however small or large that is."""
    return np.nextafter(np.float32(number), np.float32(np.inf))


@compiling.part
def root_below(square: float) -> float:
    """Return a lower bound of the root of a square that rounding may have made negative."""
    return np.sqrt(max(square, 0.0)) * (1 - EXACT)


@compiling.sum_of
def shift_row(rows: Any, i: int, origin: Any, out: Any, r: int) -> Any:
    """Write a row less the origin to a row of `out`; return its square."""
    total = out.dtype.type(0)
    for f in range(len(origin)):
        difference = rows[i, f] - origin[f]
        out[r, f] = difference
        total += difference * difference
    return np.float64(total)


@compiling.part
def largest_score(scores: Any, r: int) -> Any:
    """Return the largest of a row's scores."""
    start = r * scores.shape[1]
    top, other = load(scores, start), load(scores, start + LANES)
    for c in range(PANEL, scores.shape[1], PANEL):
        top = greater(load(scores, start + c), top)
        other = greater(load(scores, start + c + LANES), other)
    return np.float64(largest(greater(top, other)))


@compiling.part
def find_nearest(
    block: Any, i: int, own: int, centers: Any, square: float, scores: Any, r: int, remaining: Any
) -> Nearest:
    """Compare a row with its own centre and with those that may be nearer.

    Parameters
    ----------
    block : array of shape (B, d)
    i : int
        The row.
    own : int
        Its label so far, whose score is -inf; below 0 to begin at the centre of the largest score.
    centers : array of shape (k, d), float64
    square : float
        A lower bound of ‖x'‖².
    scores : array of shape (R, m)
        Upper bounds of scores, of which row `r` is taken; m is a multiple of 32.
    remaining : Remaining
        Memory to work in.
    """
    if own < 0:
        own = _place_of(scores, r, largest_score(scores, r))
        scores[r, own] = -np.inf
    label, nearest, second = own, loose_square(block, i, centers, own), np.inf
    # A centre of a lower score is farther than the nearest one so far.
    least = 0.5 * (square - nearest * (1 + EXACT))
    count, bound = _collect(scores, r, least, remaining)
    for b in range(min(count, len(remaining.centers))):
        if remaining.scores[b] < least:
            bound = max(bound, remaining.scores[b])
            continue
        j = remaining.centers[b]
        found = loose_square(block, i, centers, j)
        if found < nearest:
            second, nearest, label = nearest, found, j
            least = 0.5 * (square - nearest * (1 + EXACT))
        else:
            second = min(second, found)
    undecided = count > len(remaining.centers)
    if second <= nearest * (1 + DOUBTFUL * (tied(centers.shape[1]) - 1)) and not undecided:
        label = _decide(block, i, own, centers, least, count, remaining)
    others = root_below(min(second, square - 2 * bound))
    return Nearest(undecided, label, np.sqrt(nearest) * (1 + EXACT), others)


@compiling.part
def _decide(
    block: Any, i: int, own: int, centers: Any, least: float, count: int, remaining: Any
) -> int:
    """Return the nearest of a row's own centre and those whose score is not below `least`.

    By squares in order: of those that are `prepared_centers.tied`, the first.
    """
    squares, room = remaining.scores, remaining.room
    of_own = ordered_square(block, i, centers, own, room)
    limit = of_own
    for b in range(count):
        if squares[b] < least:
            squares[b] = np.inf
        else:
            squares[b] = ordered_square(block, i, centers, remaining.centers[b], room)
        limit = min(limit, squares[b])
    limit *= tied(centers.shape[1])
    label = own if of_own <= limit else len(centers)
    for b in range(count):
        if squares[b] <= limit:
            label = min(label, remaining.centers[b])
    return label


@compiling.part
def _place_of(scores: Any, r: int, score: float) -> Any:
    """Return the first place of a row's scores where one is not below `score`."""
    width, limit = scores.shape[1], spread(scores.dtype.type(score))
    for c in range(0, width, LANES):
        lanes = load(scores, r * width + c)
        bits = failing_lanes(limit, lanes, lanes, lanes)
        for b in range(LANES if bits else 0):
            if bits >> b & 1:
                return np.int32(c + b)
    return np.int32(0)


@compiling.part
def _collect(scores: Any, r: int, least: float, remaining: Any) -> Any:
    """Write the centres whose score is not below `least`; return how many, and the next score."""
    width, real = scores.shape[1], scores.dtype.type
    # Lower by more than its conversion rounds.
    limit = spread(real(least - abs(least) * ROUND))
    lowest = spread(real(-np.inf))
    count, bounds = 0, lowest
    for c in range(0, width, LANES):
        lanes = load(scores, r * width + c)
        bits = failing_lanes(limit, lanes, lanes, lanes)
        bounds = greater(bounds, where_less(lanes, limit, lanes, lowest))
        for b in range(LANES if bits else 0):
            # What fills up the last panel has no centre.
            if bits >> b & 1 and scores[r, c + b] != -np.inf:
                if count < len(remaining.centers):
                    remaining.centers[count], remaining.scores[count] = c + b, scores[r, c + b]
                count += 1
    return count, np.float64(largest(bounds))
