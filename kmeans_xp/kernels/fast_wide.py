"""`host_gaps` with Numba, for many features: a matrix product, and one look at what it says.

Imported only where Numba is.
"""

from dataclasses import dataclass

import numpy as np

from kmeans_xp.kernels import host, host_gaps, wide_loops
from kmeans_xp.kernels.fast_lanes import ready_rows, sealed
from kmeans_xp.kernels.fast_projection import changes
from kmeans_xp.kernels.fast_vector import LANES
from kmeans_xp.kernels.frame import Frame
from kmeans_xp.kernels.tracker import Changes

# Rows are taken as they are, about zero, where that makes no norm of a centre so many times as
# large: copies of them cost more than the digits.
RAW = 2.0


@dataclass(frozen=True)
class Factors:
    """Centres for a product.

    Attributes
    ----------
    origin : ndarray of shape (d,) or None
        What rows are taken about; None for zero.
    centers : ndarray of shape (k + p, d)
        About the origin, with p rows of zeros to fill up a whole vector.
    half : ndarray of shape (k + p,)
        Half of the squares of their norms; infinite for those that fill up.
    rounding : tuple of float
        γ, what underflow may take, the largest norm, and the square of a row's norm from which
        on products may overflow.
    """

    origin: np.ndarray | None
    centers: np.ndarray
    half: np.ndarray
    rounding: tuple[float, float, float, float]


def factors_of(frame: Frame) -> Factors:
    """Return the centres of a frame for a product."""
    k, d = frame.centers.shape
    dtype = frame.centers.dtype
    shifted = frame.wide_centers - frame.wide_origin
    raw = np.vecdot(frame.wide_centers, frame.wide_centers)
    about_zero = raw.max() <= RAW**2 * np.vecdot(shifted, shifted).max()
    centers = np.zeros((-(-k // LANES) * LANES, d), dtype)
    centers[:k] = frame.wide_centers if about_zero else shifted
    half = np.full(len(centers), np.inf, dtype)
    wide = centers[:k].astype(np.float64)
    squares = np.vecdot(wide, wide)
    half[:k] = squares / 2
    info, farthest = np.finfo(dtype), float(np.sqrt(squares.max()))
    # Where the square of a centre itself overflows, nothing is sure.
    limit = float(info.max) / 64 / (1 + farthest) / d if np.isfinite(half[:k]).all() else 0.0
    rounding = frame.gamma, host_gaps.underflow(centers), farthest * (1 + frame.gamma), limit
    return Factors(None if about_zero else frame.origin, centers, half, rounding)


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
    k = len(factors.centers)
    unsure = []
    for part in host.pieces(active, frame):
        which = active[part]
        rows = block[part] if len(active) == len(block) else block.take(which, axis=0)
        rows = rows if factors.origin is None else rows - factors.origin
        products = host.scratch("scores", (len(rows), k), block.dtype)
        np.matmul(rows, factors.centers.T, out=products)
        flat, half, rounding = products.reshape(-1), factors.half, factors.rounding
        left = wide_loops.look(sealed(rows), which, flat, half, limits, labels, gaps, rounding)
        unsure.append(which[left])
    if any(map(len, unsure)):
        _search(block, np.concatenate(unsure), labels, gaps, frame, limits)
    return changes(block, weights, before, labels, frame)


def _search(
    block: np.ndarray,
    which: np.ndarray,
    labels: np.ndarray,
    gaps: np.ndarray,
    frame: Frame,
    limits: np.ndarray,
) -> None:
    rows = host_gaps.gathered(block, which)
    labels[which], gap, _ = host_gaps.search(rows, labels[which], frame, restless=1)
    host_gaps.remember(gaps, which, gap, labels, limits)
