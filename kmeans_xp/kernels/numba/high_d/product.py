"""Hamerly bounds from products of tiles, with Numba, for many features.

Imported only where Numba is.
"""

from typing import Any, NamedTuple, Self

import numpy as np
from numba import types

from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.blocks import high_d_block_rows
from kmeans_xp.kernels.numba.high_d.changes import changes
from kmeans_xp.kernels.numba.high_d.search import ROUND, float32_below, shift_row
from kmeans_xp.kernels.numba.low_d.search import tied
from kmeans_xp.kernels.numba.simd.float_tiles import PANEL, ROWS, panels_of, product_tile
from kmeans_xp.kernels.numba.simd.vector import (
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
from kmeans_xp.kernels.numpy import hamerly as numpy_hamerly
from kmeans_xp.kernels.numpy import nearest as numpy_nearest
from kmeans_xp.kernels.numpy.memory import gathered
from kmeans_xp.kernels.shared.cluster_totals import ClusterTotals
from kmeans_xp.kernels.shared.hamerly import HamerlyBounds, remember, underflow, unsettled
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters


class CenterPanels(NamedTuple):
    """Centres for products of tiles, and what rounding does to these.

    Attributes
    ----------
    panels : ndarray of shape (p, d, 32)
        Centres less the origin, filled up with zeros.
    half_squares : ndarray of shape (32p,)
        Rounded down, and infinite for those that fill up.
    norms : ndarray of shape (32p,)
    origin : ndarray of shape (d,)
    gamma, underflow : float
        What a product loses at most: relative to the product of the norms, and at all.
    max_square : float
        Products of rows whose square is not below this may overflow.
    """

    panels: np.ndarray
    half_squares: np.ndarray
    norms: np.ndarray
    origin: np.ndarray
    gamma: float
    underflow: float
    max_square: float

    @classmethod
    def of(cls, prepared: PreparedCenters) -> Self:
        """Lay out prepared centres for products of tiles."""
        (k, d), dtype, gamma = prepared.centers.shape, prepared.centers.dtype, prepared.gamma
        centers = (prepared.wide_centers - prepared.wide_origin).astype(dtype)
        panels, lost = panels_of(centers), underflow(centers)
        size = len(panels) * PANEL
        half_squares, norms = np.full(size, np.inf, dtype), np.zeros(size, dtype)
        wide = centers.astype(np.float64)
        squares = np.vecdot(wide, wide)
        half_squares[:k] = squares * (0.5 * (1 - gamma)) - lost
        norms[:k] = np.sqrt(squares) * (1 + gamma)
        # Where the square of a centre itself overflows, nothing is sure.
        top = float(np.finfo(dtype).max) / 64 / d / (1 + float(norms.max()))
        max_square = top if np.isfinite(half_squares[:k]).all() else 0.0
        return cls(panels, half_squares, norms, prepared.origin, gamma, 4 * lost, max_square)


class _LeastScores(NamedTuple):
    """The least two scores of each row, and the centre of the first, for every sixteenth centre.

    Each of shape (8, 16): rows of a tile, and lanes.
    """

    least: np.ndarray
    second: np.ndarray
    center: np.ndarray


def bounds_of(n: int, d: int, k: int) -> HamerlyBounds[CenterPanels]:
    """Return the bounds of a run over n rows of d features with k centres."""
    return HamerlyBounds(advance, n, k, block_rows=high_d_block_rows(k, d), derive=CenterPanels.of)


def advance(
    block: np.ndarray,
    weights: np.ndarray | None,
    labels: np.ndarray,
    bound_gaps: np.ndarray,
    *,
    prepared: PreparedCenters,
    drift_limits: np.ndarray,
    derived: CenterPanels,
) -> ClusterTotals:
    """As `kmeans_xp.kernels.numpy.hamerly.advance`."""
    block, before = compiling.ready_rows(block), labels.copy()
    active = unsettled(labels, bound_gaps, drift_limits)
    unsure = active[_search_rows(block, active, derived, drift_limits, labels, bound_gaps)]
    if len(unsure):
        rows = gathered(block, unsure)
        labels[unsure], bound_gap, _ = numpy_hamerly.search(rows, labels[unsure], prepared)
        remember(bound_gaps, unsure, bound_gap, labels, drift_limits)
    return changes(block, weights, before, labels, prepared)


def labels(block: np.ndarray, prepared: PreparedCenters) -> np.ndarray:
    """Return the index of the nearest centre of each row, (B,) int32; the lowest of equals."""
    block, every = compiling.ready_rows(block), np.arange(len(block))
    found, bound_gaps = np.empty(len(block), np.int32), np.empty(len(block), np.float32)
    centers, still = prepared.derive(CenterPanels.of), np.zeros(len(prepared.centers))
    unsure = every[_search_rows(block, every, centers, still, found, bound_gaps)]
    found[unsure] = numpy_nearest.labels(gathered(block, unsure), prepared)
    return found


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for rows of `dtype`."""
    real, wide = compiling.real(dtype), types.f8
    rows, numbers = compiling.sealed_type(real, 2), real[::1]
    centers = compiling.tuple_type(
        CenterPanels, real[:, :, ::1], numbers, numbers, numbers, wide, wide, wide
    )
    memory = types.int32[::1], types.float32[::1]
    return {"_search_rows": (rows, types.intp[::1], centers, wide[::1], *memory)}


@compiling.entry
def _search_rows(
    block: Any, which: Any, centers: Any, drift_limits: Any, labels: Any, bound_gaps: Any
) -> Any:
    """Write labels and gaps of the rows `which`; return whether each of them is unsure."""
    panels, origin, tie = centers.panels, centers.origin, tied(len(centers.origin)) - 1
    unsure, squares = np.zeros(len(which), np.bool_), np.empty(ROWS)
    x, products = np.empty((ROWS, len(origin)), block.dtype), np.empty((ROWS, PANEL), block.dtype)
    room = np.empty((3, ROWS, LANES), block.dtype)
    scores = _LeastScores(room[0], room[1], room[2])
    for first in range(0, len(which), ROWS):
        for r in range(ROWS):
            # The last again where none is.
            squares[r] = shift_row(block, which[min(first + r, len(which) - 1)], origin, x, r)
        # A centre is read even where every score overflowed.
        room[:2], room[2] = np.inf, 0
        for panel in range(len(panels)):
            product_tile(x, panels, panel, products, 0)
            _add_panel(products, panel, centers, squares, scores)
        for r in range(min(ROWS, len(which) - first)):
            label, bound_gap = _decide(scores, r, squares[r], centers, tie)
            if label < 0:
                unsure[first + r] = True
                continue
            i = which[first + r]
            labels[i], bound_gaps[i] = label, -np.inf
            if bound_gap > 0:
                bound_gaps[i] = float32_below((bound_gap + drift_limits[label]) * (1 - ROUND))
    return unsure


@compiling.part
def _add_panel(products: Any, panel: Any, centers: Any, squares: Any, scores: Any) -> None:
    """Take the products with a panel of centres into each row's least scores.

    A score is half the square of a centre less its product with the row, less its norm times γ
    times the row's.
    """
    real = products.dtype.type
    for r in range(ROWS):
        norm, state = spread(real(centers.gamma * np.sqrt(squares[r]))), r * LANES
        least, second = load(scores.least, state), load(scores.second, state)
        center = load(scores.center, state)
        for c in range(0, PANEL, LANES):
            j = panel * PANEL + c
            score = minus(load(centers.half_squares, j), times(norm, load(centers.norms, j)))
            score = minus(score, load(products, r * PANEL + c))
            second = lesser(greater(least, score), second)
            center = where_less(score, least, spread(real(j)), center)
            least = lesser(score, least)
        store(scores.least, state, least)
        store(scores.second, state, second)
        store(scores.center, state, center)


@compiling.part
def _decide(scores: Any, r: int, square: float, centers: Any, tie: float) -> Any:
    """Return a row's label, below 0 if that is unsure, and a lower bound of its gap."""
    least, second, label = _two_least(scores, r)
    # Scores are lower bounds, as in `PreparedCenters`.
    norm, gamma = np.float64(centers.norms[label]), centers.gamma
    upper = least + 2 * gamma * norm * (np.sqrt(square) + norm) + centers.underflow
    upper += tie * (square + norm * norm)
    if not (second > upper and square < centers.max_square):
        return np.int32(-1), 0.0
    own = np.sqrt(max(square * (1 + 2 * gamma) + 2 * upper + centers.underflow, 0.0))
    other = max(square * (1 - 2 * gamma) + 2 * second - centers.underflow, 0.0)
    return label, np.sqrt(other) - own


@compiling.part
def _two_least(scores: Any, r: int) -> Any:
    """Return a row's two least scores, and the centre of the first."""
    lane = 0
    least, second = np.float64(scores.least[r, 0]), np.float64(scores.second[r, 0])
    for b in range(1, LANES):
        score, other = np.float64(scores.least[r, b]), np.float64(scores.second[r, b])
        if score < least:
            lane, least, second = b, score, min(least, second, other)
        else:
            second = min(second, score)
    return least, second, np.int32(scores.center[r, lane]) + lane
