"""Mean and variance of the rows, which show whether the data can be clustered."""

from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from kmeans_xp.arrays import Array, namespace_of, to_host
from kmeans_xp.arrays.precision import quiet
from kmeans_xp.kernels.interface import Engine, RowSums
from kmeans_xp.kernels.shared.cluster_totals import ClusterTotals
from kmeans_xp.kernels.shared.exact_sums import first_grid, grids_for, placed
from kmeans_xp.kernels.shared.ordered_sums import ordered_sum
from kmeans_xp.kernels.shared.prepared_centers import Origin, amid
from kmeans_xp.rows import Rows
from kmeans_xp.rows.checks import check_rows, range_error

# Rows of which the median is amid all rows.
FEW = 31
# How many times as far as the farthest of these few from their median a row is expected at most. If
# one is farther, all are summed again; each factor of two more takes two digits from the variance.
FARTHER = 64.0
# An inertia below this part of the total squares, from which it is reckoned, has lost too many
# digits to cancellation, and is taken from direct differences instead.
CANCELLED = 1e-5


@dataclass(frozen=True)
class Moments:
    """Mean, (d,), and total squares about it, of weighted rows; on the host in float64.

    `origin` is a point amid the rows: what is summed about it loses no digits to the rows' distance
    from zero. `about_origin` is the total of the squares about it, and `coarse` the same to some
    eight digits, which are the same whatever the order of the rows.
    """

    weight: float
    mean: np.ndarray
    squares: np.ndarray
    origin: Origin
    about_origin: float
    coarse: float

    @cached_property
    def total(self) -> float:
        """Return the total of the squares."""
        return float(self.squares.sum())

    @cached_property
    def variance(self) -> float:
        """Return the mean of the features' variances."""
        return float(np.mean(self.squares)) / self.weight

    def variance_by(self, totals: ClusterTotals) -> float:
        """Return the variance to some digits, the same whatever the order of the rows.

        It follows from the squares about the origin, and from the totals of any clusters that have
        all rows.
        """
        # What all clusters have together is exact on each grid.
        high, low = (
            to_host(part).sum(axis=0, dtype=np.float64) for part in (totals.high, totals.low)
        )
        sums = high + low
        weight = float(sums[-1])
        within = self.coarse - float(ordered_sum(sums[:-1] * sums[:-1])) / weight
        return max(within, 0.0) / (len(sums) - 1) / weight


@quiet()
def moments_of(rows: Rows, weights: Array | None, engine: Engine) -> Moments:
    """Return the moments of `rows` in one pass, about a point amid them so that none cancels.

    Raises
    ------
    ValueError
        If X holds NaN or infinity, or values whose squares overflow or vanish in the dtype that
        sums are kept in.
    """
    few = _few_of(rows, weights)
    point, heaviest = amid(few), _heaviest(weights)
    reference = rows.xp.astype(point, rows.wide)
    difference = rows.xp.astype(few, rows.wide) - reference
    farthest = float(to_host(rows.xp.max(rows.xp.abs(difference))))
    farthest *= FARTHER
    bound = heaviest * (farthest * farthest)
    sums = _sums_within(bound, rows, weights, reference, engine)
    largest = to_host(sums.largest).astype(np.float64)
    if largest.max() > bound:
        sums = _sums_within(float(largest.max()), rows, weights, reference, engine)
    weight, first, coarse, rest = (
        np.asarray(to_host(part), np.float64)
        for part in (sums.weight, sums.first, sums.coarse, sums.rest)
    )
    second = coarse + rest
    _check(rows, first, second, block_rows=engine.block_rows(1, rows.shape[1]))
    squares = np.maximum(second - first * first / weight, 0.0)
    mean = to_host(reference).astype(np.float64) + first / weight
    # w·|x - point| is the root of w by that of w·(x - point)².
    bounds = np.full(len(largest) + 1, heaviest)
    np.sqrt(heaviest * largest, out=bounds[:-1])
    grids = placed(grids_for(bounds, rows.shape[0]), reference, rows.xp)
    totals = ordered_sum(np.stack([second, coarse])).tolist()
    return Moments(float(weight), mean, squares, Origin(point, grids), *totals)


def middle_of(rows: Rows, weights: Array | None) -> Array:
    """Return a point amid the rows, (d,), where blocks live and in their dtype."""
    return amid(_few_of(rows, weights))


def _few_of(rows: Rows, weights: Array | None) -> Array:
    """Return a few rows, spread evenly over the weight of all.

    About a point amid rows that weigh next to nothing, the squares of all others would cancel.
    """
    if weights is None:
        return rows.evenly(FEW)
    return rows.take(rows.sample(weights, (np.arange(FEW) + 0.5) / FEW)[0])


def _heaviest(weights: Array | None) -> float:
    return 1.0 if weights is None else float(to_host(namespace_of(weights).max(weights)))


def _sums_within(
    bound: float, rows: Rows, weights: Array | None, reference: Array, engine: Engine
) -> RowSums:
    """Return the sums over all rows; weighted squares are on a grid for those up to a bound."""
    grid = 0.0
    if rows.wide == rows.xp.float64:
        grid = first_grid(bound, rows.shape[0] * rows.shape[1])
    step = partial(_moments_step, reference=reference, grid=grid, engine=engine)
    sums: RowSums = rows.fold(step, weights, block_rows=engine.block_rows(1, rows.shape[1]))
    return sums


def _moments_step(
    block: Array, weights: Array | None, *, reference: Array, grid: float, engine: Engine
) -> RowSums:
    return engine.sums_about(block, weights, reference, grid)


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
