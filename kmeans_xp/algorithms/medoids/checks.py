"""Checks of rows that are to be measured, and of distances that are given."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from kmeans_xp.arrays import Array, Totals, device_of, namespace_of, to_host
from kmeans_xp.kernels.metrics import DISTANCES, PRECOMPUTED, Metric, check_range
from kmeans_xp.rows.base import Rows
from kmeans_xp.rows.checks import check_rows, range_error

# The part of its number that makes one row's entry of a vector unlike the others'.
GOLDEN = 0.6180339887498949


def check_measurable(rows: Rows, metric: Metric, *, square: bool = True) -> None:
    """Require rows that `metric` can measure.

    Distances that are given must be those between all rows if `square`, else to all of a fit.

    Raises
    ------
    ValueError
        If they hold NaN or infinity, or values out of range; are zero where a direction is wanted;
        or are no distances where these should be given.
    """
    size = max(1, DISTANCES // rows.shape[1])
    if metric == PRECOMPUTED:
        if square:
            _check_square(rows, size)
        else:
            extent = rows.fold(extent_step, block_rows=size)
            check_range(float(to_host(extent.low)), float(to_host(extent.high)), "X")
        return
    check_rows(rows, block_rows=size)
    if metric == "cosine":
        zero = rows.fold(_zero_step, rows.numbers(), block_rows=size).number
        if zero < rows.shape[0]:
            raise ValueError(
                f"X must have no zero rows for metric='cosine', which have no direction, but row "
                f"{zero} is zero. Drop such rows."
            )


def check_kept(rows: Rows, metric: Metric) -> None:
    """Require rows whose distances can be kept in their dtype, where it is not the widest float.

    Raises
    ------
    ValueError
        If distances may overflow, or squares vanish.
    """
    if rows.dtype == rows.wide or callable(metric) or metric in (PRECOMPUTED, "cosine"):
        return
    extent = rows.fold(extent_step, block_rows=max(1, DISTANCES // rows.shape[1]))
    reach, d = float(to_host(extent.high)) - float(to_host(extent.low)), rows.shape[1]
    farthest = {
        "sqeuclidean": reach * reach * d,
        "euclidean": reach * math.sqrt(d),
        "manhattan": reach * d,
        "chebyshev": reach,
    }[metric]
    info = rows.xp.finfo(rows.dtype)
    if farthest > float(info.max):
        raise range_error(rows, "its distances may overflow", "Divide", rows.dtype)
    least = float(info.smallest_normal) / float(info.eps)
    if metric == "sqeuclidean" and 0 < reach * reach < least:
        raise range_error(rows, "its squared distances vanish", "Multiply", rows.dtype)


@dataclass(frozen=True)
class _Zero(Totals):
    """The first row that is zero; one that there is not if none is."""

    number: int

    def __add__(self, other: Self) -> Self:
        return min(self, other, key=lambda zero: zero.number)


def _zero_step(block: Array, numbers: Array) -> _Zero:
    xp = namespace_of(block)
    zero = to_host(xp.max(xp.abs(block), axis=1) == 0)
    return _Zero(int(to_host(numbers)[zero].min(initial=np.iinfo(np.int64).max)))


def _check_square(rows: Rows, size: int) -> None:
    """Require a symmetric matrix of distances, 0 on its diagonal.

    Symmetry is looked at through products with a random vector from either side.
    """
    n, width = rows.shape
    if n != width:
        raise ValueError(
            f"X must be square for metric='precomputed', the distances between all rows, got the "
            f"shape {rows.shape}. Pass the rows themselves with another metric."
        )
    seen, (across,) = rows.sweep(_distances_step, rows.numbers(), block_rows=size)
    low, high = float(to_host(seen.all.low)), float(to_host(seen.all.high))
    check_range(low, high, "X")
    diagonal = float(to_host(seen.diagonal.high))
    rough = float(rows.xp.finfo(rows.dtype).eps) ** 0.5
    if diagonal > rough * high:
        raise ValueError(
            f"X must be 0 on its diagonal for metric='precomputed', but holds {diagonal} there. "
            "Pass distances, not similarities."
        )
    across, along = to_host(across), to_host(seen.along)
    if np.abs(across - along).max() > rough * along.max():
        raise ValueError(
            "X must be symmetric for metric='precomputed', but is not equal to its transpose. Pass "
            "(X + X.T) / 2, if that is what you mean."
        )


@dataclass(frozen=True)
class Extent(Totals):
    """The least and the largest of some numbers; "adding" keeps a NaN."""

    low: Array
    high: Array

    def __add__(self, other: Self) -> Self:
        xp = namespace_of(self.low)
        return type(self)(xp.minimum(self.low, other.low), xp.maximum(self.high, other.high))


def extent_step(block: Array) -> Extent:
    """Return the least and the largest number of a block."""
    xp = namespace_of(block)
    return Extent(xp.min(block), xp.max(block))


@dataclass(frozen=True)
class _Seen(Totals):
    """Of some rows of a matrix: extents of all and of the diagonal; their product, (n,).

    The product is that with a vector from the left.
    """

    all: Extent
    diagonal: Extent
    along: Array


def _distances_step(block: Array, numbers: Array) -> tuple[_Seen, tuple[Array]]:
    """Look at some rows; keep their product with the vector from the right."""
    xp, device = namespace_of(block), device_of(block)
    # Numbers between 1 and 2 that no pattern of the entries is likely to fit, over so many that no
    # product overflows.
    least = 0.5 / block.shape[1]
    left = (1 + xp.astype(numbers, block.dtype) * GOLDEN % 1) * least
    right = (1 + xp.arange(block.shape[1], dtype=block.dtype, device=device) * GOLDEN % 1) * least
    diagonal = xp.take_along_axis(block, numbers[:, None], axis=1)
    seen = _Seen(extent_step(block), extent_step(diagonal), left @ block)
    return seen, (block @ right,)
