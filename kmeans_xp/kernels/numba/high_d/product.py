"""Hamerly bounds from products of tiles, with Numba, for many features.

Imported only where Numba is.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import types

from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.high_d.changes import changes
from kmeans_xp.kernels.numba.high_d.projection import block_rows, rounded, shifted
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
from kmeans_xp.kernels.shared.cluster_totals import Changes
from kmeans_xp.kernels.shared.hamerly import HamerlyBounds, remember, underflow, unsettled
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters

# More than float32 rounds away in a conversion or two.
ROUND = 2.0**-21


@dataclass(frozen=True)
class Factors:
    """Centres for products of tiles.

    Attributes
    ----------
    centers : tuple of ndarray
        Panels of centres about the origin, (p, d, 32), filled up with zeros; half of the squares
        of their norms, (32p,), rounded down and infinite for those that fill up; their norms; and
        the origin, (d,).
    rounding : tuple of float
        γ, what underflow may take, and the square of a row's norm from which on products may
        overflow.
    """

    centers: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
    rounding: tuple[float, float, float]


def bounds_of(n: int, d: int, k: int) -> HamerlyBounds[Factors]:
    """Return the bounds of a run over n rows of d features with k centres."""
    return HamerlyBounds(advance, n, k, block_rows=block_rows(k, d), derive=factors_of)


def factors_of(prepared: PreparedCenters) -> Factors:
    """Return the centres of a frame for products of tiles."""
    (k, d), dtype, gamma = prepared.centers.shape, prepared.centers.dtype, prepared.gamma
    centers = (prepared.wide_centers - prepared.wide_origin).astype(dtype)
    panels = panels_of(centers)
    size = len(panels) * PANEL
    half, norms = np.full(size, np.inf, dtype), np.zeros(size, dtype)
    wide = centers.astype(np.float64)
    squares = np.vecdot(wide, wide)
    lost = underflow(centers)
    half[:k] = squares * (0.5 * (1 - gamma)) - lost
    norms[:k] = np.sqrt(squares) * (1 + gamma)
    # Where the square of a centre itself overflows, nothing is sure.
    top = float(np.finfo(dtype).max) / 64 / d / (1 + float(norms.max()))
    limit = top if np.isfinite(half[:k]).all() else 0.0
    return Factors((panels, half, norms, prepared.origin), (gamma, 4 * lost, limit))


def advance(
    block: np.ndarray,
    weights: np.ndarray | None,
    labels: np.ndarray,
    bound_gaps: np.ndarray,
    *,
    prepared: PreparedCenters,
    drift_limits: np.ndarray,
    derived: Factors,
) -> Changes:
    """As `host_gaps.advance`."""
    block, before = compiling.ready_rows(block), labels.copy()
    active = unsettled(labels, bound_gaps, drift_limits)
    unsure = active[
        _look(block, active, derived.centers, drift_limits, labels, bound_gaps, derived.rounding)
    ]
    if len(unsure):
        rows = gathered(block, unsure)
        labels[unsure], bound_gap, _ = numpy_hamerly.search(rows, labels[unsure], prepared)
        remember(bound_gaps, unsure, bound_gap, labels, drift_limits)
    return changes(block, weights, before, labels, prepared)


def labels(block: np.ndarray, prepared: PreparedCenters) -> np.ndarray:
    """Return the index of the nearest centre of each row, (B,) int32; the lowest of equals."""
    n, block = len(block), compiling.ready_rows(block)
    found, bound_gaps, drift_limits = (
        np.empty(n, np.int32),
        np.empty(n, np.float32),
        np.zeros(len(prepared.centers)),
    )
    factors, rows = prepared.derive(factors_of), np.arange(n)
    unsure = rows[
        _look(block, rows, factors.centers, drift_limits, found, bound_gaps, factors.rounding)
    ]
    found[unsure] = numpy_nearest.labels(gathered(block, unsure), prepared)
    return found


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for rows of `dtype`."""
    real = compiling.real(dtype)
    rows, numbers = compiling.sealed_type(real, 2), real[::1]
    memory = types.int32[::1], types.float32[::1]
    centers = types.Tuple((real[:, :, ::1], numbers, numbers, numbers))
    rounding = types.UniTuple(types.f8, 3)
    return {
        "_look": (rows, types.intp[::1], centers, types.f8[::1], *memory, rounding),
    }


@compiling.entry
def _look(
    block: Any,
    which: Any,
    centers: Any,
    drift_limits: Any,
    labels: Any,
    bound_gaps: Any,
    rounding: Any,
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
            product_tile(x, panels, panel, products, 0)
            _improve(products, panel, half, norms, squares, gamma, bests)
        for r in range(min(ROWS, len(which) - first)):
            least, next_least, place = _two_least(bests, r)
            # Lower bounds of scores, as in `PreparedCenters`.
            square, length = squares[r], np.float64(norms[place])
            upper = least + 2 * gamma * length * (np.sqrt(square) + length) + underflow
            upper += tie * (square + length * length)
            if not (next_least > upper and square < limit):
                unsure[first + r] = True
                continue
            own = np.sqrt(max(square * (1 + 2 * gamma) + 2 * upper + underflow, 0.0))
            other = max(square * (1 - 2 * gamma) + 2 * next_least - underflow, 0.0)
            bound_gap = np.sqrt(other) - own
            i = which[first + r]
            labels[i] = place
            bound_gaps[i] = (
                rounded((bound_gap + drift_limits[place]) * (1 - ROUND), -np.inf)
                if bound_gap > 0
                else -np.inf
            )
    return unsure


@compiling.part
def _begin(bests: Any) -> None:
    for r in range(ROWS):
        bests[r, : 2 * LANES] = np.inf
        # The place is read even where every score overflowed.
        bests[r, 2 * LANES :] = 0


@compiling.part
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


@compiling.part
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
