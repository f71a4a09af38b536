"""Hamerly bounds from rows that are rounded to bytes, with Numba.

Products of bytes exclude all but a few centres of a row, which are then compared by direct
differences in float64. Imported only where Numba is.
"""

from typing import Any, NamedTuple, Self

import numpy as np
from numba import types

from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.blocks import high_d_block_rows
from kmeans_xp.kernels.numba.high_d.changes import changes
from kmeans_xp.kernels.numba.high_d.quantised_rows import (
    ROUND,
    QuantisedCenters,
    QuantisedRows,
    lay_out_tiles,
    quantise,
    tuple_types,
)
from kmeans_xp.kernels.numba.high_d.search import find_nearest, float32_below, room_for
from kmeans_xp.kernels.numba.simd.byte_tiles import CENTERS, ROWS, byte_tile
from kmeans_xp.kernels.numba.simd.gather import prefetch_row
from kmeans_xp.kernels.numba.simd.vector import LANES, load, spread, store, times, times_plus
from kmeans_xp.kernels.numpy import hamerly as numpy_hamerly
from kmeans_xp.kernels.numpy.memory import gathered
from kmeans_xp.kernels.shared.cluster_totals import ClusterTotals
from kmeans_xp.kernels.shared.hamerly import HamerlyBounds, remember, unsettled
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters
from kmeans_xp.kernels.shared.quantised import BYTES_UP_TO

# Norms below which no bound overflows in single precision.
LARGEST = 2.0**60


class LloydCenters(NamedTuple):
    """The centres of an iteration.

    Attributes
    ----------
    quantised : QuantisedCenters
        With words in the layout of tiles.
    wide : ndarray of shape (k, d), float64
        The centres themselves.
    max_norm : float
        Rows whose norm is not below this have no bound.
    """

    quantised: QuantisedCenters
    wide: np.ndarray
    max_norm: float

    @classmethod
    def of(cls, prepared: PreparedCenters) -> Self:
        """Round prepared centres to bytes."""
        quantised = QuantisedCenters.of(prepared.centers, _origin(prepared), multiple=ROWS)
        lay_out_tiles(quantised.words)
        wide = np.require(prepared.wide_centers, None, ["C", "A", "W"])
        bounded = quantised.of_error.max() < LARGEST and wide.shape[1] <= BYTES_UP_TO
        return cls(quantised, wide, LARGEST if bounded else 0.0)


def bounds_of(n: int, d: int, k: int) -> HamerlyBounds[LloydCenters]:
    """Return the bounds of a run over n rows of d features with k centres."""
    size, rows = high_d_block_rows(k, d), QuantisedRows.empty(n, d)
    return HamerlyBounds(advance, n, k, block_rows=size, derive=LloydCenters.of, beside=rows)


def advance(
    block: np.ndarray,
    weights: np.ndarray | None,
    labels: np.ndarray,
    bound_gaps: np.ndarray,
    *quantised: np.ndarray,
    prepared: PreparedCenters,
    drift_limits: np.ndarray,
    derived: LloydCenters,
) -> ClusterTotals:
    """As `kmeans_xp.kernels.numpy.hamerly.advance`, with the fields of `QuantisedRows` beside."""
    block, before, rows = compiling.ready_rows(block), labels.copy(), QuantisedRows(*quantised)
    if len(labels) and labels[0] < 0:
        quantise(block, _origin(prepared), rows)
    active = unsettled(labels, bound_gaps, drift_limits)
    undecided = active[_search_rows(block, active, rows, labels, bound_gaps, derived, drift_limits)]
    if len(undecided):
        labels[undecided], bound_gap, _ = numpy_hamerly.search(
            gathered(block, undecided), labels[undecided], prepared
        )
        remember(bound_gaps, undecided, bound_gap, labels, drift_limits)
    return changes(block, weights, before, labels, prepared)


def _origin(prepared: PreparedCenters) -> np.ndarray:
    return np.require(prepared.wide_origin, np.float64, ["C", "A", "W"])


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for rows of `dtype`."""
    rows, (quantised, centers) = compiling.sealed_type(compiling.real(dtype), 2), tuple_types()
    memory = quantised, types.int32[::1], types.f4[::1]
    centers = compiling.tuple_type(LloydCenters, centers, types.f8[:, ::1], types.f8)
    return {"_search_rows": (rows, types.intp[::1], *memory, centers, types.f8[::1])}


@compiling.entry
def _search_rows(
    block: Any, which: Any, rows: Any, labels: Any, bound_gaps: Any, centers: Any, drift_limits: Any
) -> Any:
    """Write labels and gaps of the rows `which`; return whether each of them is undecided."""
    quantised, words, wide = centers.quantised, centers.quantised.words.reshape(-1), centers.wide
    undecided, remaining = np.zeros(len(which), np.bool_), room_for(len(wide), wide.shape[1])
    x, products = _room_for_tile(rows), np.empty((ROWS, ROWS), np.float32)
    scores, norms, squares = np.empty((ROWS, len(quantised.offset)), np.float32), x.norm, x.square
    for first in range(0, len(which), ROWS):
        for r in range(ROWS):
            # The last again where there are no more.
            i = which[min(first + r, len(which) - 1)]
            _copy_row(rows, i, x, r)
            prefetch_row(block, i)
        _score_rows(x, words, quantised, products, scores)
        for r in range(min(ROWS, len(which) - first)):
            i = which[first + r]
            if not norms[r] < centers.max_norm:
                undecided[first + r] = True
                continue
            if labels[i] >= 0:
                scores[r, labels[i]] = -np.inf
            square = np.float64(squares[r])
            found = find_nearest(block, i, labels[i], wide, square, scores, r, remaining)
            undecided[first + r] = found.undecided
            if not found.undecided:
                bound_gap = found.others - found.distance + drift_limits[found.label]
                labels[i], bound_gaps[i] = found.label, float32_below(bound_gap * (1 - ROUND))
    return undecided


@compiling.making
def _room_for_tile(rows: Any) -> QuantisedRows:
    """Return room for the rows of a tile, which do not lie beside each other."""
    words, starts = np.empty((ROWS, rows.words.shape[1]), np.int32), np.empty(ROWS, np.int32)
    numbers = np.empty((4, ROWS), np.float32)
    return QuantisedRows(words, starts, numbers[0], numbers[1], numbers[2], numbers[3])


@compiling.part
def _copy_row(rows: Any, i: int, x: Any, r: int) -> None:
    for w in range(rows.words.shape[1]):
        x.words[r, w] = rows.words[i, w]
    x.starts[r], x.scale[r], x.error[r] = rows.starts[i], rows.scale[i], rows.error[i]
    x.norm[r], x.square[r] = rows.norm[i], rows.square[i]


@compiling.part
def _score_rows(x: Any, words: Any, centers: Any, products: Any, scores: Any) -> None:
    """Write upper bounds of the scores of thirty-two rows."""
    width, m = x.words.shape[1], len(centers.offset)
    for c in range(0, m, ROWS):
        for r in range(0, ROWS, CENTERS):
            byte_tile(words, c * width, x.words, r, x.starts, products)
        for r in range(ROWS):
            scale, error, norm = spread(x.scale[r]), spread(x.error[r]), spread(x.norm[r])
            for j in range(c, c + ROWS, LANES):
                score = times_plus(error, load(centers.of_error, j), load(centers.offset, j))
                score = times_plus(norm, load(centers.of_norm, j), score)
                product = times(load(products, r * ROWS + j - c), scale)
                store(scores, r * m + j, times_plus(product, load(centers.of_product, j), score))
