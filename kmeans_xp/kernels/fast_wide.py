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
    squares : tuple of ndarray of shape (k + p,)
        Half of the squares of their norms, rounded down and infinite for those that fill up; and
        their norms.
    rounding : tuple of float
        γ, what underflow may take, and the square of a row's norm from which on products may
        overflow.
    """

    origin: np.ndarray | None
    centers: np.ndarray
    squares: tuple[np.ndarray, np.ndarray]
    rounding: tuple[float, float, float]


def factors_of(frame: Frame) -> Factors:
    """Return the centres of a frame for a product."""
    k, d = frame.centers.shape
    dtype = frame.centers.dtype
    shifted = frame.wide_centers - frame.wide_origin
    raw = np.vecdot(frame.wide_centers, frame.wide_centers)
    about_zero = raw.max() <= RAW**2 * np.vecdot(shifted, shifted).max()
    centers = np.zeros((-(-k // LANES) * LANES, d), dtype)
    centers[:k] = frame.wide_centers if about_zero else shifted
    half, norms = np.full(len(centers), np.inf, dtype), np.zeros(len(centers), dtype)
    wide, gamma = centers[:k].astype(np.float64), frame.gamma
    squares = np.vecdot(wide, wide)
    underflow = host_gaps.underflow(centers)
    half[:k] = squares * (0.5 * (1 - gamma)) - underflow
    norms[:k] = np.sqrt(squares) * (1 + gamma)
    # Where the square of a centre itself overflows, nothing is sure.
    top = float(np.finfo(dtype).max) / 64 / d / (1 + float(norms.max()))
    limit = top if np.isfinite(half[:k]).all() else 0.0
    about = None if about_zero else frame.origin
    return Factors(about, centers, (half, norms), (gamma, 4 * underflow, limit))


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
    unsure = _look(block, active, labels, gaps, frame, limits, factors)
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
    unsure = _look(block, np.arange(n), found, gaps, frame, limits, factors_of(frame))
    found[unsure] = host.labels(host_gaps.gathered(block, unsure), frame)
    return found


def _look(
    block: np.ndarray,
    active: np.ndarray,
    labels: np.ndarray,
    gaps: np.ndarray,
    frame: Frame,
    limits: np.ndarray,
    factors: Factors,
) -> np.ndarray:
    """Write labels and gaps of the rows `active`; return those that are unsure."""
    k = len(factors.centers)
    unsure = [np.empty(0, np.intp)]
    for part in host.pieces(active, frame):
        which = active[part]
        rows = block[part] if len(active) == len(block) else block.take(which, axis=0)
        rows = rows if factors.origin is None else rows - factors.origin
        products = host.scratch("scores", (len(rows), k), block.dtype)
        np.matmul(rows, factors.centers.T, out=products)
        left = wide_loops.look(
            sealed(rows), which, products.reshape(-1), factors.squares, limits, labels, gaps,
            factors.rounding,
        )  # fmt: skip
        unsure.append(which[left])
    return np.concatenate(unsure)
