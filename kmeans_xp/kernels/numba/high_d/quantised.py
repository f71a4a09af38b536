"""One iteration of Lloyd's algorithm from rows that are rounded to bytes, compiled by Numba.

Bounds are those of `seed_bytes`: products of bytes exclude all but a few centres of a row, which
are then looked at one by one. Imported only where Numba is.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import types

from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.high_d.byte_rows import ROUND, by_lanes, quantise, width_of
from kmeans_xp.kernels.numba.high_d.changes import changes
from kmeans_xp.kernels.numba.high_d.projection import block_rows, nearest_of, rounded
from kmeans_xp.kernels.numba.simd.byte_tiles import CENTERS, ROWS, byte_tile
from kmeans_xp.kernels.numba.simd.gather import prefetch_row
from kmeans_xp.kernels.numba.simd.vector import LANES, load, spread, store, times, times_plus
from kmeans_xp.kernels.numpy import hamerly as numpy_hamerly
from kmeans_xp.kernels.numpy.memory import gathered
from kmeans_xp.kernels.shared.cluster_totals import Changes
from kmeans_xp.kernels.shared.hamerly import HamerlyBounds, remember, underflow, unsettled
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters
from kmeans_xp.kernels.shared.quantised import BYTES_UP_TO

# Norms below which no bound overflows.
LARGEST = 2.0**60
# Where more than one in so many centres is near a row, a whole product is faster.
CROWD = 8


@dataclass(frozen=True)
class QuantisedCenters:
    """Centres as bytes.

    Attributes
    ----------
    arrays : tuple of ndarray
        Bytes for tiles; factors of a row's product, of what it lost and of its norm, and what is
        added to them, (4, m) float32; and the centres themselves, (k, d) float64.
    largest : float
        Rows of a larger norm are left to others.
    """

    arrays: tuple[np.ndarray, np.ndarray, np.ndarray]
    largest: float


def bounds_of(n: int, d: int, k: int) -> HamerlyBounds[QuantisedCenters]:
    """Return the bounds of a run over n rows of d features with k centres."""
    size, beside = block_rows(k, d), memory_of(n, d)
    return HamerlyBounds(advance, n, k, block_rows=size, derive=centers_of, beside=beside)


def memory_of(n: int, d: int) -> tuple[np.ndarray, ...]:
    """Return room for the bytes of the rows, what their products begin with, and their marks."""
    return np.empty((n, width_of(d)), np.int32), np.empty(n, np.int32), np.empty((n, 4), np.float32)


def centers_of(prepared: PreparedCenters) -> QuantisedCenters:
    """Return the centres of a frame as bytes."""
    k, d = prepared.centers.shape
    size = -(-k // ROWS) * ROWS
    words, marks = np.zeros((size, width_of(d)), np.int32), np.empty((4, k), np.float32)
    quantise(compiling.ready_rows(prepared.centers), _origin(prepared), words[:k], marks)
    by_lanes(words)
    scale, lost, norm, square = marks
    terms = np.zeros((4, size), np.float32)
    terms[0, :k], terms[1, :k], terms[2, :k] = scale, norm + lost, lost
    terms[3] = -np.inf
    terms[3, :k] = underflow(np.empty((0, d), np.float32)) - 0.5 * square
    largest = LARGEST if norm.max() < LARGEST and d <= BYTES_UP_TO else 0.0
    wide = np.require(prepared.wide_centers, None, ["C", "A", "W"])
    return QuantisedCenters((words.reshape(-1), terms, wide), largest)


def advance(
    block: np.ndarray,
    weights: np.ndarray | None,
    labels: np.ndarray,
    bound_gaps: np.ndarray,
    words: np.ndarray,
    starts: np.ndarray,
    marks: np.ndarray,
    *,
    prepared: PreparedCenters,
    drift_limits: np.ndarray,
    derived: QuantisedCenters,
) -> Changes:
    """As `host_gaps.advance`."""
    block, before = compiling.ready_rows(block), labels.copy()
    if len(labels) and labels[0] < 0:
        columns = np.empty((4, len(block)), np.float32)
        quantise(block, _origin(prepared), words, columns)
        marks[:] = columns.T
        starts[:] = -128 * words.view(np.int8).sum(axis=1, dtype=np.int32)
    active = unsettled(labels, bound_gaps, drift_limits)
    left = active[
        _look(
            block, active, words, starts, marks, labels, bound_gaps, derived.arrays, drift_limits,
            derived.largest,
        )
    ]  # fmt: skip
    if len(left):
        rows = gathered(block, left)
        labels[left], bound_gap, _ = numpy_hamerly.search(rows, labels[left], prepared)
        remember(bound_gaps, left, bound_gap, labels, drift_limits)
    return changes(block, weights, before, labels, prepared)


def _origin(prepared: PreparedCenters) -> np.ndarray:
    return np.require(prepared.wide_origin, np.float64, ["C", "A", "W"])


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for rows of `dtype`."""
    rows, single, words = compiling.sealed_type(compiling.real(dtype), 2), types.f4, types.int32
    centers = types.Tuple((words[::1], single[:, ::1], types.f8[:, ::1]))
    memory = words[:, ::1], words[::1], single[:, ::1], words[::1], single[::1]
    return {"_look": (rows, types.intp[::1], *memory, centers, types.f8[::1], types.f8)}


@compiling.entry
def _look(
    block: Any,
    which: Any,
    words: Any,
    starts: Any,
    marks: Any,
    labels: Any,
    bound_gaps: Any,
    centers: Any,
    drift_limits: Any,
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
            prefetch_row(block, i)
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
                bound_gaps[i] = rounded((other - own + drift_limits[best]) * (1 - ROUND), -np.inf)
    return left


@compiling.part
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
