"""Mean and variance of the rows, which show whether the data can be clustered."""

from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from kmeans_xp.arrays import Array, Totals, to_host
from kmeans_xp.arrays.precision import quiet
from kmeans_xp.kernels import Kernel
from kmeans_xp.rows import Rows
from kmeans_xp.rows.checks import check_rows, range_error


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
        way = self.mean - to_host(self.origin).astype(np.float64)
        return self.total + self.weight * float(way @ way)

    @property
    def variance(self) -> float:
        """Return the mean of the features' variances."""
        return float(np.mean(self.squares)) / self.weight


@dataclass(frozen=True)
class _Sums(Totals):
    weight: Array
    first: Array
    second: Array


@quiet()
def moments_of(rows: Rows, weights: Array | None, kernel: Kernel) -> Moments:
    """Return the moments of `rows` in one pass, about a point amid them so that none cancels.

    Raises
    ------
    ValueError
        If X holds NaN or infinity, or values whose squares overflow or vanish in the dtype that
        sums are kept in.
    """
    origin = _middle(rows)
    reference = rows.xp.astype(origin, rows.wide)
    step = partial(_moments_step, reference=reference, kernel=kernel)
    size = kernel.block_rows(1, rows.shape[1])
    sums = rows.fold(step, weights, block_rows=size)
    weight, first, second = (
        to_host(part).astype(np.float64) for part in (sums.weight, sums.first, sums.second)
    )
    if not np.isfinite(first).all():
        check_rows(rows, block_rows=size)
        raise range_error(rows, "its sums overflow", "Divide")
    _check_squares(rows, first, second)
    squares = np.maximum(second - first * first / weight, 0.0)
    mean = to_host(reference).astype(np.float64) + first / weight
    return Moments(float(weight), mean, squares, origin)


def _middle(rows: Rows) -> Array:
    """Return the median of a few rows, feature by feature, which no outlier moves."""
    few = rows.few(63)
    return rows.xp.sort(few, axis=0)[few.shape[0] // 2, :]


def _moments_step(
    block: Array, weights: Array | None, *, reference: Array, kernel: Kernel
) -> _Sums:
    return _Sums(*kernel.sums_about(block, weights, reference))


def _check_squares(rows: Rows, first: np.ndarray, second: np.ndarray) -> None:
    info = rows.xp.finfo(rows.wide)
    if not (second < float(info.max) / 64).all():
        raise range_error(rows, "squares of its differences overflow", "Divide")
    vanishing = float(info.smallest_normal) / float(info.eps)
    if second.max() < vanishing and first.any():
        raise range_error(rows, "squares of its differences vanish", "Multiply")
