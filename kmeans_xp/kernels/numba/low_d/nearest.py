"""Nearest centres of rows of few features that are seen once, sixteen rows at a time.

Imported only where Numba is. Rows have no label to be grouped by, and are taken as they lie.
"""

from functools import partial
from typing import Any

import numpy as np
from numba import typeof, types

from kmeans_xp.kernels.interface import Team
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.low_d import pieces, search
from kmeans_xp.kernels.numba.low_d.neighbours import Neighbors, neighbors_of, unordered
from kmeans_xp.kernels.numba.simd.gather import column
from kmeans_xp.kernels.numba.simd.vector import (
    LANES,
    all_greater,
    greater,
    largest,
    lesser,
    load,
    minus,
    spread,
    store,
    times_plus,
)
from kmeans_xp.kernels.numba.sums import ordered_square, room_of
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters

# Use neighbour lists for 16 < k <= 2048, and from so many rows of a block to each centre: lists
# take k² distances and a sort, and spare each row most of the centres.
MORE_THAN, UP_TO, ROWS_OF_EACH = 16, 2048, 64
# Rows of a piece, few enough that what was found for them stays in the cache.
PIECE = 1 << 12


def nearest(block: np.ndarray, prepared: PreparedCenters) -> tuple[np.ndarray, np.ndarray]:
    """Return labels, (B,) int32, and squared distances, (B,) float64."""
    return label_all(block, prepared, squared=True)[:2]


def labels(block: np.ndarray, prepared: PreparedCenters) -> np.ndarray:
    """Return the index of the nearest centre of each row, (B,) int32; the lowest of equals."""
    return label_all(block, prepared, squared=False)[0]


def label_all(
    block: np.ndarray, prepared: PreparedCenters, *, squared: bool, team: Team | None = None
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return labels, squared distances if they are asked for, and the largest absolute value.

    That is NaN if a row is not finite, whose label means nothing then.
    """
    n, (k, d) = len(block), prepared.centers.shape
    if not MORE_THAN < k <= UP_TO or n < ROWS_OF_EACH * k:
        neighbors = unordered(prepared.centers, 1)
    else:
        neighbors = prepared.derive(neighbors_of)
    rows = compiling.ready_rows(block if n >= LANES else np.resize(block, (LANES, d)))
    found, squares = np.empty(len(rows), np.int32), np.empty(len(rows) if squared else 0)
    extents = np.empty(max(1, len(rows) // PIECE), rows.dtype)
    compiled = compiling.entry_point(_label_pieces, rows.dtype)
    pieces.share(
        partial(compiled, rows, neighbors, found, squares, extents, pieces.no_progress()),
        team,
        n * k * d,
    )
    return found[:n], squares[:n], float(extents.max())


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for rows of `dtype`."""
    real, labels, squares = compiling.real(dtype), types.int32[::1], types.f8[::1]
    rows, neighbors = compiling.sealed_type(real, 2), typeof(unordered(np.zeros((1, 1), dtype), 1))
    return {
        "_label_pieces": (rows, neighbors, labels, squares, real[::1], typeof(pieces.no_progress()))
    }


@compiling.entry
def _label_pieces(
    block: Any,
    neighbors: Neighbors,
    labels: Any,
    squares: Any,
    extents: Any,
    progress: pieces.Progress,
) -> bool:
    """As `label_all`, piece by piece; return whether all are done.

    Of each piece `extents` gets the largest absolute value, NaN if it is not finite. Where there
    is no place for `squares`, none are written.
    """
    count, room = len(extents), room_of(block.shape[1])
    piece = pieces.take(progress, count)
    while piece < count:
        first = piece * PIECE
        # The last piece has all remaining rows, so that none has fewer than a vector.
        last = first + PIECE if piece < count - 1 else len(labels)
        extents[piece] = _label_piece(block[first:last], neighbors, labels[first:last])
        if len(squares):
            for i in range(first, last):
                squares[i] = ordered_square(block, i, neighbors.centers, labels[i], room)
        pieces.finish(progress)
        piece = pieces.take(progress, count)
    return pieces.wait(progress, count)


@compiling.making
def _label_piece(block: Any, neighbors: Neighbors, labels: Any) -> Any:
    """Write the labels of one piece; return its largest absolute value, NaN if it is not finite."""
    real = block.dtype.type
    n, d = block.shape
    x, indices = search.aligned_vectors(d, block), np.empty(LANES, np.int32)
    found, gaps, room = np.empty(n, block.dtype), np.empty(n, block.dtype), room_of(d)
    low = high = odd = none = spread(real(0))
    for start in range(0, n, LANES):
        first = min(start, n - LANES)
        _take_in_order(block, first, indices, x)
        for f in range(d):
            features = load(x, f * LANES)
            low, high = lesser(features, low), greater(features, high)
            odd = times_plus(features, none, odd)
        unknown = len(neighbors.order) - 1
        # Of a row that is not finite, what was found may be no label.
        around = min(search.guess(found, first, unknown), unknown)
        nearest, gap = search.find_nearest(x, neighbors, around, False)
        store(found, first, nearest)
        store(gaps, first, gap)
    for i in range(n):
        labels[i] = found[i] if gaps[i] > 0 else search.decide(block, i, neighbors.centers, room)
    # Anything finite times 0 is 0.
    finite = all_greater(spread(real(1)), odd)
    return largest(greater(high, minus(none, low))) if finite else real(np.nan)


@compiling.part
def _take_in_order(block: Any, first: int, indices: Any, x: Any) -> None:
    """Write sixteen rows, from `first` on, feature by feature; `indices` is to be written to."""
    for lane in range(LANES):
        indices[lane] = first + lane
    if block.shape[1] >= LANES:
        search.take_rows(block, indices, 0, x)
    else:
        for f in range(block.shape[1]):
            store(x, f * LANES, column(block, first, f))
