r"""Upper bounds of inner products from projections onto a few directions.

Where q directions hold most of the variance of rows, a product of q features excludes most centres:
with x' and c' about an origin, P the projection and r the residual,
x'·c' ≤ Px'·Pc' + ‖rx'‖‖rc'‖ (cf. Bottesch, Bühler & Kächele, "Speeding up k-means by approximating
Euclidean distances via block vectors", ICML 2016). The right side less ½‖c'‖² is one product of
projected rows (Px', ‖rx'‖, ‖x'‖, 1) and projected centres (Pc', ‖rc'‖, γ‖c'‖, -½(1-γ)‖c'‖²). Where
they are computed in float64, γ covers the rounding of the product alone; where rows are projected
for a single use, in their own precision, it covers that too.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, final

import numpy as np

from kmeans_xp.arrays.precision import quiet
from kmeans_xp.kernels.shared.hamerly import ROUNDING, Bounds, Step
from kmeans_xp.kernels.shared.prepared_centers import Derivable, PreparedCenters

# A projected row has an entry for about so many features, in whole SIMD vectors of 16. More exclude
# more centres, for a longer product: of the rows of patches, d = 192, 32 entries leave 38% to
# search, 16 leave 45% and 48 leave 31%.
FEATURES_PER_ENTRY, VECTOR_ENTRIES = 8, 16
# Iterations of the power method, each of which costs two products and a QR of the sample.
POWER_ITERATIONS = 6
# Rows of a sample whose products are tried, to see how many centres they exclude.
TRIED_ROWS = 256


@dataclass(frozen=True)
class Directions:
    """Orthonormal directions, (d, q), about an origin, (d,), amid the rows; in float64.

    `rounding` is the error of a product that projecting rows causes, relative to the norms.
    """

    origin: np.ndarray
    matrix: np.ndarray
    rounding: float = 0.0

    @property
    def width(self) -> int:
        """Return how many entries projected rows have."""
        return self.matrix.shape[1] + 3

    def rows(self, block: np.ndarray) -> np.ndarray:
        """Return projected rows, (B, q + 3), in the dtype of the block."""
        shifted = block.astype(np.float64) - self.origin
        return self._project(shifted, 1.0, np.ones(len(shifted)), block.dtype)

    def centers(self, centers: np.ndarray, dtype: Any) -> np.ndarray:
        """Return projected centres, (k, q + 3) in `dtype`, of centres in float64."""
        shifted = centers - self.origin
        slack = 4 * (self.width + 8) * float(np.finfo(dtype).eps) + self.rounding
        last = np.vecdot(shifted, shifted) * (slack - 0.5)
        return self._project(shifted, slack, last + _underflow(self.width, dtype), dtype)

    def _project(
        self, shifted: np.ndarray, slack: float, last: np.ndarray, dtype: Any
    ) -> np.ndarray:
        q, up = self.matrix.shape[1], 1 + 4 * float(np.finfo(dtype).eps)
        projected = np.empty((len(shifted), q + 3), dtype)
        components = shifted @ self.matrix
        squares = np.vecdot(shifted, shifted)
        residuals = squares * (1 + ROUNDING) - np.vecdot(components, components)
        projected[:, :q] = components
        projected[:, q] = np.sqrt(np.maximum(residuals + _underflow(q, dtype), 0)) * up
        projected[:, q + 1] = np.sqrt(squares) * (up * slack)
        projected[:, q + 2] = last
        return projected


class NormMargin(NamedTuple):
    """What squares of norms lose at most, by a factor and at all; and a limit of the norms.

    Products of rows whose norm is not below the limit may overflow, and bound nothing.
    """

    relative: float
    absolute: float
    max_norm: float


@dataclass(frozen=True)
class ProjectedIteration(Derivable):
    """What an iteration with projected rows needs.

    Attributes
    ----------
    prepared : PreparedCenters
        Of the centres.
    drift_limits, center_drift : ndarray of shape (k,), float64
        As in `kmeans_xp.kernels.shared.hamerly.Drift`.
    directions : Directions
        Onto which rows are projected.
    projected_centers : ndarray of shape (k, q + 3)
        In the dtype of the rows.
    """

    prepared: PreparedCenters
    drift_limits: np.ndarray
    center_drift: np.ndarray
    directions: Directions
    projected_centers: np.ndarray

    @property
    def margin(self) -> NormMargin:
        """Return how far the squares of the rows' norms may be from exact."""
        info, q = np.finfo(self.projected_centers.dtype), self.projected_centers.shape[1]
        # Nor may the square of the norm itself overflow.
        largest = max(float(np.abs(self.projected_centers).max()), float(info.max) ** 0.5)
        lost = 16 * float(info.eps) + self.directions.rounding
        return NormMargin(lost, _underflow(q, info.dtype), float(info.max) / 64 / q / largest)


def width_of(d: int) -> int:
    """Return how many entries projected rows of d features have, if there are directions enough."""
    return max(1, round(d / FEATURES_PER_ENTRY / VECTOR_ENTRIES)) * VECTOR_ENTRIES


def directions_up_to(d: int) -> int:
    """Return how many directions are taken of d features."""
    return max(1, min(d, width_of(d) - 3))


@quiet()
def directions_of(sample: np.ndarray, origin: np.ndarray | None = None) -> Directions:
    """Return the directions of most variance of a sample about `origin`, by default its mean.

    Subspace iteration finds them from a fixed start. No label depends on how good they are.
    """
    origin = sample.mean(axis=0, dtype=np.float64) if origin is None else origin
    shifted = sample - origin
    scale = np.abs(shifted).max()
    shifted /= scale if 0 < scale < np.inf else 1.0
    d = len(origin)
    start = np.random.default_rng(0).standard_normal((d, directions_up_to(d)))
    basis = np.linalg.qr(start)[0]
    for _ in range(POWER_ITERATIONS):
        basis = np.linalg.qr(shifted.T @ (shifted @ basis))[0]
    return Directions(origin, basis)


@quiet()
def candidate_share(directions: Directions, sample: np.ndarray, k: int) -> float:
    """Return the share of k centres that the bounds leave as candidates for a row.

    It is estimated from a sample, some rows of which stand for the centres.
    """
    order = np.random.default_rng(0).permutation(len(sample))
    tried = min(TRIED_ROWS, len(sample) // 2)
    rows, centers = sample[order[:tried]], sample[order[tried : tried + k]].astype(np.float64)
    projected = directions.rows(rows)
    lower = np.square(projected[:, -2:-1]) - 2 * (
        projected @ directions.centers(centers, sample.dtype).T
    )
    best = rows - centers[lower.argmin(axis=1)]
    return float((lower <= np.vecdot(best, best)[:, None]).mean())


@final
class ProjectionBounds(Bounds):
    """Bounds of one gap and one distance for each row, and its projection.

    Parameters
    ----------
    advance : callable
        (block, weights, labels, bound_gaps, upper_bounds, projected, *, iteration) -> `Changes`.
        An upper bound is of the distance to the own centre, less that centre's drift at the time.
    n, k : int
        Rows and centres.
    block_rows : int
        How many rows a block should have.
    directions : Directions
        Onto which rows are projected.
    dtype : dtype
        Of the rows.
    """

    def __init__(
        self, advance: Step, n: int, k: int, *, block_rows: int, directions: Directions, dtype: Any
    ) -> None:
        super().__init__(k, block_rows)
        self.memory = (
            np.full(n, -1, np.int32),
            np.full(n, -np.inf, np.float32),
            np.full(n, np.inf, np.float32),
            np.empty((n, directions.width), dtype),
        )
        self._advance = advance
        self._directions = directions

    def next_step(self, prepared: PreparedCenters) -> Step:
        """Return the step of an iteration."""
        self._drift.follow(prepared.wide_centers)
        directions = self._directions
        centers = directions.centers(prepared.wide_centers, prepared.centers.dtype)
        iteration = ProjectedIteration(
            prepared, self.drift_limits, self._drift.center_drift, directions, centers
        )
        return partial(self._advance, iteration=iteration)


def _underflow(terms: int, dtype: Any) -> float:
    """Return more than a sum of so many products may lose to underflow."""
    return 16 * (terms + 16) * float(np.finfo(dtype).smallest_normal)
