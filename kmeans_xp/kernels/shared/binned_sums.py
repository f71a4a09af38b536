"""Sums whose order changes nothing, of addends that nobody knows the largest of before.

As `exact_sums` rounds addends to two grids, these round them to three of a ladder of grids that
covers all numbers: the finest that holds the largest addend of a block, and the next two. Bins keep
what is on each rung, so that they add over blocks. In the end the rungs below the third from the
top of all blocks are dropped, which no block with larger addends had. So each addend counts to
2⁻⁶² of the largest or finer, whatever the blocks.
(Demmel & Nguyen, "Parallel reproducible summation", 2015, whose indexed sums these are.)
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np

from kmeans_xp.arrays import Array, Totals, namespace_of, to_host, to_like
from kmeans_xp.arrays.namespace import device_of

# How many rungs count, from the top.
RUNGS = 3
# Exponents of two: of the unit of the lowest rung, well above those that some devices take for
# zero, and of units at most, so that what rounds to them does not overflow. Addends are multiplied
# by the scale, so that the highest rung holds the largest; squares of 1e-285 lose digits by that.
LOWEST, HIGHEST, SCALE = -1000, 970, 2.0**-53


@dataclass(frozen=True)
class BinnedSum(Totals):
    """A sum of scaled addends, in bins.

    Attributes
    ----------
    bins : array of shape (B,)
        What addends come to on each rung; one bin of plain sums where there is no float64.
    top : array of shape (), integer
        The highest rung that any addend is on.
    """

    bins: Array
    top: Array

    def __add__(self, other: Self) -> Self:
        """Add bins; the higher top remains."""
        top = namespace_of(self.bins).maximum(self.top, other.top)
        return type(self)(self.bins + other.bins, top)

    def total(self) -> float:
        """Return the sum, rounded once; infinity if an addend overflowed."""
        bins = to_host(self.bins).astype(np.float64)
        if not np.isfinite(bins).all():
            return math.inf
        if len(bins) == 1:
            return float(bins[0])
        top = int(to_host(self.top))
        return math.fsum(bins[max(0, top + 1 - RUNGS) : top + 1].tolist()) / SCALE


def binned_sum(addends: Array, count: int) -> BinnedSum:
    """Return the sum of addends of 0 or more, (m,), which are some of `count`."""
    xp, device = namespace_of(addends), device_of(addends)
    if addends.dtype != xp.float64:
        none = xp.zeros((), dtype=xp.int64, device=device)
        return BinnedSum(xp.reshape(xp.sum(addends), (1,)), none)
    units = to_like(units_for(count), addends, addends.dtype)
    rest = addends * SCALE
    numbers = xp.arange(units.shape[0], dtype=xp.int64, device=device)
    top = xp.sum(xp.astype(units <= xp.max(rest), xp.int64)) - 1
    top = xp.maximum(top, xp.zeros_like(top))
    bins = xp.zeros_like(units)
    for below in range(RUNGS):
        mine = numbers == top - below
        rounder = xp.sum(xp.where(mine, units, 0.0)) * (1.5 * 2.0**52)
        part = (rest + rounder) - rounder
        rest = rest - part
        bins = xp.where(mine, xp.sum(part), bins)
    return BinnedSum(bins, top)


@cache
def units_for(count: int) -> np.ndarray:
    """Return the units of all rungs for so many addends, (B,), from the lowest.

    A rung holds addends of less than the unit of the next one: as many as there are come to less
    than 2⁵¹ units.
    """
    return np.ldexp(1.0, np.arange(LOWEST, HIGHEST + 1, rung_bits(count)))


def top_rung(largest: float, count: int) -> int:
    """Return the highest rung whose unit is not above the largest addend, or the lowest."""
    # Zero is on any rung, and what overflowed on none.
    exponent = math.frexp(largest)[1] - 1 if 0 < largest < math.inf else LOWEST
    return max(0, (exponent - LOWEST) // rung_bits(count))


def rung_bits(count: int) -> int:
    """Return by how many bits the units of two rungs differ for so many addends."""
    return 51 - int(count).bit_length()
