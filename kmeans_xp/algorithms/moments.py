"""Mean and variance of the rows, which show whether the data can be clustered."""

from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from kmeans_xp.arrays import Array, Totals, to_host
from kmeans_xp.arrays.precision import quiet
from kmeans_xp.kernels.interface import Engine
from kmeans_xp.kernels.shared.prepared_centers import amid
from kmeans_xp.rows import Rows
from kmeans_xp.rows.checks import check_rows, range_error

# Rows of which the median is amid all rows.
FEW = 31
# An inertia below this part of the total squares, from which it is reckoned, has lost too many
# digits to cancellation, and is taken from direct differences instead.
CANCELLED = 1e-5


@dataclass(frozen=True)
class Moments:
    """Mean, (d,), and total squares about it, of weighted rows; on the host in float64.

    `origin`, (d,), is a point amid the rows, where blocks live and in their dtype: what is
    summed about it loses no digits to the rows' distance from zero.
    """

    weight: float
    mean: np.ndarray
    squares: np.ndarray
    origin: Array

    @cached_property
    def total(self) -> float:
        """Return the total of the squares."""
        return float(self.squares.sum())

    @cached_property
    def about_origin(self) -> float:
        """Return the total of the squares about the origin."""
        difference = self.mean - to_host(self.origin).astype(np.float64)
        return self.total + self.weight * float(difference @ difference)

    @cached_property
    def variance(self) -> float:
        """Return the mean of the features' variances."""
        return float(np.mean(self.squares)) / self.weight


@dataclass(frozen=True)
class _Sums(Totals):
    weight: Array
    first: Array
    second: Array


@quiet()
def moments_of(rows: Rows, weights: Array | None, engine: Engine) -> Moments:
    """Return the moments of `rows` in one pass, about a point amid them so that none cancels.

    Raises
    ------
    ValueError
        If X holds NaN or infinity, or values whose squares overflow or vanish in the dtype that
        sums are kept in.
    """
    origin = middle_of(rows, weights)
    reference = rows.xp.astype(origin, rows.wide)
    step = partial(_moments_step, reference=reference, engine=engine)
    size = engine.block_rows(1, rows.shape[1])
    sums = rows.fold(step, weights, block_rows=size)
    weight, first, second = (
        np.asarray(to_host(part), np.float64) for part in (sums.weight, sums.first, sums.second)
    )
    _check(rows, first, second, block_rows=size)
    squares = np.maximum(second - first * first / weight, 0.0)
    mean = to_host(reference).astype(np.float64) + first / weight
    return Moments(float(weight), mean, squares, origin)


def middle_of(rows: Rows, weights: Array | None) -> Array:
    """Return a point amid the rows, by a few of them.

    They are spread evenly over the weight of the rows: about a point amid rows that weigh next to
    nothing, the squares of all others would cancel.
    """
    if weights is None:
        few = rows.evenly(FEW)
    else:
        few = rows.take(rows.sample(weights, (np.arange(FEW) + 0.5) / FEW)[0])
    return amid(few)


def _moments_step(
    block: Array, weights: Array | None, *, reference: Array, engine: Engine
) -> _Sums:
    return _Sums(*engine.sums_about(block, weights, reference))


def _check(rows: Rows, first: np.ndarray, second: np.ndarray, *, block_rows: int) -> None:
    """Require the rows to be finite, and their sums and sums of squares to fit the dtype."""
    info = rows.xp.finfo(rows.wide)
    most, least = float(info.max) / 64, float(info.smallest_normal) / float(info.eps)
    if least * len(second) < second.sum() < most:
        return
    if not np.isfinite(first).all():
        check_rows(rows, block_rows=block_rows)
        raise range_error(rows, "its sums overflow", "Divide")
    if not (second < most).all():
        raise range_error(rows, "squares of its differences overflow", "Divide")
    if second.max() < least and first.any():
        raise range_error(rows, "squares of its differences vanish", "Multiply")
