"""Distances, sums and counts of rows of few features. Imported only where Numba is."""

from functools import partial
from typing import Any

import numpy as np
from numba import typeof, types

from kmeans_xp.arrays.views import empty_for_jax
from kmeans_xp.kernels.interface import Team
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.low_d import pieces
from kmeans_xp.kernels.numba.low_d.search import LARGEST, SMALLEST, loose_square
from kmeans_xp.kernels.numba.low_d.unsettled_rows import PARTS
from kmeans_xp.kernels.numba.simd.vector import (
    LANES,
    all_greater,
    load,
    minus,
    root,
    rounded,
    spread,
    store,
    times_plus,
)
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters

# Rows whose distances are measured together, so that centres are loaded once for all; and rows of a
# piece, of which more would be shared less evenly by threads.
TOGETHER, PIECE = 4, 1 << 10
# Features from which four rows at a time are summed in less than half the time (8.5 instead of
# 22 µs on digits, which have 64); with 13 it takes longer.
SUMMED_TOGETHER_FROM = 16


def distances_all(
    block: np.ndarray, prepared: PreparedCenters, team: Team | None
) -> tuple[np.ndarray, float]:
    """Return distances, not squared, to every centre, (B, k), and the largest absolute value.

    By direct differences in float64, rounded to the dtype of the rows. The largest value is not
    finite if a row is not.
    """
    rows, (k, d) = compiling.ready_rows(block), prepared.centers.shape
    columns = np.zeros((d, -(-k // LANES) * LANES))
    columns[:, :k] = prepared.wide_centers.T
    found = empty_for_jax((len(rows), k), rows.dtype)
    largest = np.empty(-(-len(rows) // PIECE), np.int64)
    compiled = compiling.entry_point(_distances, rows.dtype)
    work = partial(compiled, rows, columns, found.reshape(-1), largest, pieces.no_progress())
    pieces.share(work, team, found.size * d)
    return found, float(largest.max().view(np.float64))


def sums_about(block: np.ndarray, about: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return sums of x - about and of (x - about)², (d,) float64."""
    first, second = np.zeros(len(about)), np.zeros(len(about))
    _sums(compiling.ready_rows(block), np.require(about, np.float64, ["C", "W"]), first, second)
    return first, second


def own_distances(block: np.ndarray, prepared: PreparedCenters, labels: np.ndarray) -> np.ndarray:
    """Return squared distances to the centres of `labels`, (B,) float64."""
    squares = np.empty(len(block))
    labels = np.require(labels, np.int32, ["C", "A", "W"])
    _own(compiling.ready_rows(block), prepared.wide_centers, labels, squares)
    return squares


def count(labels: np.ndarray, k: int) -> np.ndarray:
    """Return how many rows have each label, (k,) int64."""
    counts = np.zeros(k, np.int64)
    _count(np.require(labels, np.int32, ["C", "A", "W"]), counts)
    return counts


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for rows of `dtype`."""
    real = compiling.real(dtype)
    rows, wide, numbers = compiling.sealed_type(real, 2), types.f8[:, ::1], types.f8[::1]
    labels, counts = types.int32[::1], types.int64[::1]
    return {
        "_distances": (rows, wide, real[::1], counts, typeof(pieces.no_progress())),
        "_sums": (rows, numbers, numbers, numbers),
        "_own": (rows, wide, labels, numbers),
        "_count": (labels, counts),
    }


@compiling.entry
def _distances(block: Any, columns: Any, out: Any, largest: Any, progress: pieces.Progress) -> bool:
    """As `distances_all`, piece by piece; return whether all are done.

    `columns` are the centres feature by feature, in whole vectors. Of each piece `largest` gets the
    bits of the largest absolute value.
    """
    k, count = len(out) // len(block), len(largest)
    piece = pieces.take(progress, count)
    while piece < count:
        first = piece * PIECE
        last = min(first + PIECE, len(block))
        largest[piece] = _distances_of(block[first:last], columns, out[first * k : last * k])
        pieces.finish(progress)
        piece = pieces.take(progress, count)
    return pieces.wait(progress, count)


@compiling.making
def _distances_of(block: Any, columns: Any, out: Any) -> Any:
    """Do one piece; return the bits of its largest absolute value, or of a NaN, which are more."""
    n, d = block.shape
    k, most = len(out) // n, np.int64(0)
    x, room = np.zeros((TOGETHER, d)), np.empty(LANES, block.dtype)
    bits = x.reshape(-1).view(np.int64)
    first = 0
    while first < n:
        count = TOGETHER if first + TOGETHER <= n else 1
        for i in range(count):
            for f in range(d):
                x[i, f] = block[first + i, f]
        for place in range(len(bits)):
            most = max(most, bits[place] & np.int64(0x7FFFFFFFFFFFFFFF))
        _measure(x, columns, count, out[first * k : (first + count) * k], room)
        first += count
    return most


@compiling.part
def _measure(x: Any, columns: Any, count: int, out: Any, room: Any) -> None:
    """Write the distances of the first `count` rows of `x` to all centres."""
    d, width = columns.shape
    flat, k = columns.reshape(-1), len(out) // count
    for j in range(0, k, LANES):
        s0 = s1 = s2 = s3 = spread(0.0)
        for f in range(d):
            center = load(flat, f * width + j)
            e0, e1 = minus(center, spread(x[0, f])), minus(center, spread(x[1, f]))
            e2, e3 = minus(center, spread(x[2, f])), minus(center, spread(x[3, f]))
            s0, s1 = times_plus(e0, e0, s0), times_plus(e1, e1, s1)
            s2, s3 = times_plus(e2, e2, s2), times_plus(e3, e3, s3)
        _write_roots(s0, out, j, k - j, room)
        if count == TOGETHER:
            _write_roots(s1, out, k + j, k - j, room)
            _write_roots(s2, out, 2 * k + j, k - j, room)
            _write_roots(s3, out, 3 * k + j, k - j, room)


@compiling.part
def _write_roots(squares: Any, out: Any, start: int, count: int, room: Any) -> None:
    """Write the roots of squares, of which `count` have a place, rounded to the dtype of `out`."""
    # Rounded first they take a third of the time, where single precision has the range.
    if all_greater(squares, spread(SMALLEST)) and all_greater(spread(LARGEST), squares):
        distances = root(rounded(squares, out))
    else:
        distances = rounded(root(squares), out)
    if count >= LANES:
        store(out, start, distances)
        return
    store(room, 0, distances)
    for j in range(count):
        out[start + j] = room[j]


@compiling.entry
def _sums(block: Any, about: Any, first: Any, second: Any) -> None:
    """Add the rows less `about` to `first`, and their squares to `second`, in float64."""
    fours = len(block) // 4 * 4 if len(about) >= SUMMED_TOGETHER_FROM else 0
    for i in range(0, fours, 4):
        _add_four(block, i, about, first, second)
    for i in range(fours, len(block)):
        for f in range(len(about)):
            difference = np.float64(block[i, f]) - about[f]
            first[f] += difference
            second[f] += difference * difference


@compiling.part
def _add_four(block: Any, i: Any, about: Any, first: Any, second: Any) -> None:
    for f in range(len(about)):
        a, b = np.float64(block[i, f]) - about[f], np.float64(block[i + 1, f]) - about[f]
        c, d = np.float64(block[i + 2, f]) - about[f], np.float64(block[i + 3, f]) - about[f]
        first[f] += (a + b) + (c + d)
        second[f] += (a * a + b * b) + (c * c + d * d)


@compiling.entry
def _own(block: Any, centers: Any, labels: Any, squares: Any) -> None:
    """Write the squared distances of rows to the centres of their labels, in float64."""
    for i in range(len(labels)):
        squares[i] = loose_square(block, i, centers, labels[i])


@compiling.entry
def _count(labels: Any, counts: Any) -> None:
    """Add how many rows have each label."""
    # In parts side by side: a count that was written just now is slow to read.
    parts, size = np.zeros((PARTS, len(counts)), np.int64), len(labels) // PARTS
    for i in range(size):
        for p in range(PARTS):
            parts[p, labels[p * size + i]] += 1
    for i in range(PARTS * size, len(labels)):
        counts[labels[i]] += 1
    for p in range(PARTS):
        counts += parts[p]
