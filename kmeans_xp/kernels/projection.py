r"""Upper bounds of inner products from a few directions.

Where q directions hold most of what sets rows apart, a product of q features excludes most
centres: with x' and c' about an origin, P the projection, and r what it leaves over,
x'·c' ≤ Px'·Pc' + ‖rx'‖‖rc'‖ (cf. Bottesch, Bühler & Kächele, "Speeding up k-means by approximating
Euclidean distances via block vectors", ICML 2016). The right side less ½‖c'‖² is one product of
short rows (Px', ‖rx'‖, ‖x'‖, 1) and short centres (Pc', ‖rc'‖, γ‖c'‖, -½(1-γ)‖c'‖²). Where they
are made in float64, γ covers what rounding does to the product alone; where rows are shortened
for one use, in their own precision, it covers that too.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kmeans_xp.arrays.precision import quiet
from kmeans_xp.kernels.frame import Frame

# More than float64 rounds away in a sum of squares, and in the directions' being orthonormal.
EXACT = 1e-10
# About so many features make one entry of a short row, whose entries make whole vectors of 16;
# and rounds of the power method that finds the directions.
FEATURES, VECTOR = 8, 16
ROUNDS = 6
# Rows that are tried against others, to see what short products exclude.
TRIED = 256


@dataclass(frozen=True)
class Directions:
    """Orthonormal directions, (d, q), about an origin, (d,), amid the rows; in float64.

    `rounding` is what the making of short rows may add to a product, relative to that of the norms.
    """

    origin: np.ndarray
    matrix: np.ndarray
    rounding: float = 0.0

    @property
    def width(self) -> int:
        """Return how many entries short rows have."""
        return self.matrix.shape[1] + 3

    def rows(self, block: np.ndarray) -> np.ndarray:
        """Return short rows, (B, q + 3), in the dtype of the block."""
        shifted = block.astype(np.float64) - self.origin
        return self._shorten(shifted, 1.0, np.ones(len(shifted)), block.dtype)

    def centers(self, centers: np.ndarray, dtype: Any) -> np.ndarray:
        """Return short centres, (k, q + 3) in `dtype`, of centres in float64."""
        shifted = centers - self.origin
        slack = 4 * (self.width + 8) * float(np.finfo(dtype).eps) + self.rounding
        last = np.vecdot(shifted, shifted) * (slack - 0.5)
        return self._shorten(shifted, slack, last + _underflow(self.width, dtype), dtype)

    def _shorten(
        self, shifted: np.ndarray, slack: float, last: np.ndarray, dtype: Any
    ) -> np.ndarray:
        q, up = self.matrix.shape[1], 1 + 4 * float(np.finfo(dtype).eps)
        short = np.empty((len(shifted), q + 3), dtype)
        held = shifted @ self.matrix
        squares = np.vecdot(shifted, shifted)
        left = squares * (1 + EXACT) - np.vecdot(held, held) + _underflow(q, dtype)
        short[:, :q] = held
        short[:, q] = np.sqrt(np.maximum(left, 0)) * up
        short[:, q + 1] = np.sqrt(squares) * (up * slack)
        short[:, q + 2] = last
        return short


@dataclass(frozen=True)
class Turn:
    """What an iteration with short rows needs.

    Attributes
    ----------
    frame : Frame
        Of the centres.
    limits, ways : ndarray of shape (k,), float64
        As in `Drift`: how far each centre and the fastest other one have come, and it alone.
    directions : Directions
        In which rows are shortened.
    short_centers : ndarray of shape (k, q + 3)
        In the dtype of the rows.
    made : dict
        What kernels have made of them, once for all blocks.
    """

    frame: Frame
    limits: np.ndarray
    ways: np.ndarray
    directions: Directions
    short_centers: np.ndarray
    made: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def margin(self) -> tuple[float, float, float]:
        """Return what squares of norms lose at most, by a factor and at all, and a limit.

        Products of rows whose norm is above the limit may overflow, and bound nothing.
        """
        info, q = np.finfo(self.short_centers.dtype), self.short_centers.shape[1]
        # Nor may the square of the norm itself.
        largest = max(float(np.abs(self.short_centers).max()), float(info.max) ** 0.5)
        lost = 16 * float(info.eps) + self.directions.rounding
        return lost, _underflow(q, info.dtype), float(info.max) / 64 / q / largest


def _underflow(terms: int, dtype: Any) -> float:
    return 16 * (terms + 16) * float(np.finfo(dtype).smallest_normal)


def width_of(d: int) -> int:
    """Return how many entries short rows of d features have, if there are directions enough."""
    return max(1, round(d / FEATURES / VECTOR)) * VECTOR


@quiet()
def directions_of(few: np.ndarray, origin: np.ndarray | None = None) -> Directions:
    """Return the directions that hold most of the squares of a few rows about `origin`.

    By default about their mean. By subspace iteration from a fixed start; how good they are
    decides speed, never a label.
    """
    origin = few.mean(axis=0, dtype=np.float64) if origin is None else origin
    shifted = few - origin
    scale = np.abs(shifted).max()
    shifted /= scale if 0 < scale < np.inf else 1.0
    d = len(origin)
    start = np.random.default_rng(0).standard_normal((d, max(1, min(d, width_of(d) - 3))))
    basis = np.linalg.qr(start)[0]
    for _ in range(ROUNDS):
        basis = np.linalg.qr(shifted.T @ (shifted @ basis))[0]
    return Directions(origin, basis)


@quiet()
def part_left(directions: Directions, few: np.ndarray, k: int) -> float:
    """Return which part of k centres short products leave near a row, tried on a few rows.

    Others of them stand for the centres.
    """
    order = np.random.default_rng(0).permutation(len(few))
    tried = min(TRIED, len(few) // 2)
    rows, centers = few[order[:tried]], few[order[tried : tried + k]].astype(np.float64)
    short = directions.rows(rows)
    lower = np.square(short[:, -2:-1]) - 2 * (short @ directions.centers(centers, few.dtype).T)
    best = rows - centers[lower.argmin(axis=1)]
    return float((lower <= np.vecdot(best, best)[:, None]).mean())
