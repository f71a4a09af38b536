"""`host_gaps` with Numba, for many features: products of tiles, and at once what they say.

Imported only where Numba is.
"""

from dataclasses import dataclass

import numpy as np

from kmeans_xp.kernels import host, host_gaps, wide_loops
from kmeans_xp.kernels.fast_lanes import ready_rows
from kmeans_xp.kernels.fast_projection import changes
from kmeans_xp.kernels.frame import Frame
from kmeans_xp.kernels.tracker import Changes
from kmeans_xp.kernels.wide_tiles import PANEL, panels_of


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


def factors_of(frame: Frame) -> Factors:
    """Return the centres of a frame for products of tiles."""
    (k, d), dtype, gamma = frame.centers.shape, frame.centers.dtype, frame.gamma
    centers = (frame.wide_centers - frame.wide_origin).astype(dtype)
    panels = panels_of(centers)
    size = len(panels) * PANEL
    half, norms = np.full(size, np.inf, dtype), np.zeros(size, dtype)
    wide = centers.astype(np.float64)
    squares = np.vecdot(wide, wide)
    underflow = host_gaps.underflow(centers)
    half[:k] = squares * (0.5 * (1 - gamma)) - underflow
    norms[:k] = np.sqrt(squares) * (1 + gamma)
    # Where the square of a centre itself overflows, nothing is sure.
    top = float(np.finfo(dtype).max) / 64 / d / (1 + float(norms.max()))
    limit = top if np.isfinite(half[:k]).all() else 0.0
    return Factors((panels, half, norms, frame.origin), (gamma, 4 * underflow, limit))


def advance(
    block: np.ndarray,
    weights: np.ndarray | None,
    labels: np.ndarray,
    gaps: np.ndarray,
    *,
    frame: Frame,
    limits: np.ndarray,
    factors: Factors,
) -> Changes:
    """As `host_gaps.advance`."""
    block, before = ready_rows(block), labels.copy()
    active = host_gaps.unsettled(labels, gaps, limits)
    unsure = active[
        wide_loops.look(block, active, factors.centers, limits, labels, gaps, factors.rounding)
    ]
    if len(unsure):
        rows = host_gaps.gathered(block, unsure)
        labels[unsure], gap, _ = host_gaps.search(rows, labels[unsure], frame, restless=1)
        host_gaps.remember(gaps, unsure, gap, labels, limits)
    return changes(block, weights, before, labels, frame)


def labels(block: np.ndarray, frame: Frame) -> np.ndarray:
    """Return the index of the nearest centre of each row, (B,) int32; the lowest of equals."""
    n, block = len(block), ready_rows(block)
    found, gaps, limits = (
        np.empty(n, np.int32),
        np.empty(n, np.float32),
        np.zeros(len(frame.centers)),
    )
    if "factors" not in frame.made:
        frame.made["factors"] = factors_of(frame)
    factors, rows = frame.made["factors"], np.arange(n)
    unsure = rows[
        wide_loops.look(block, rows, factors.centers, limits, found, gaps, factors.rounding)
    ]
    found[unsure] = host.labels(host_gaps.gathered(block, unsure), frame)
    return found
