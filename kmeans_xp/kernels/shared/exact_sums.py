"""Sums whose order changes nothing: each addend is rounded to two grids on which sums are exact.

A float64 sum depends on its order, and so on the engine, the blocks and the threads, because each
addition rounds. Multiples of q do not round while their sums stay up to 2⁵³q. So let n addends be
at most 2ᵉ, and n < 2ᵇ. The first grid has q = 2ᵉ⁺ᵇ⁻⁵²: no sum of any of the addends, each rounded
to a multiple of q, is more than n(2ᵉ + q/2) < 2⁵³q. Adding 1.5·2⁵²q and taking it away again rounds
to that grid, since between 2⁵²q and 2⁵³q neighbouring numbers are q apart. What is left of an
addend is exact, at most q/2 = 2ᵉ⁺ᵇ⁻⁵³, and goes to a second grid in the same way. The rest, less
than 2ᵉ⁺²ᵇ⁻¹⁰⁵ of each addend, is dropped. So a sum of a million addends is off by 2⁻⁴⁵ of the
largest at most, where each addition as they come may lose 2⁻³³ of it; of an addend that is 2ᵗ times
smaller than the largest, 65 - t bits count. What is taken away again leaves nothing behind.
(Rump, Ogita & Oishi, "Accurate floating-point summation", 2008; Demmel & Nguyen, "Fast reproducible
floating-point summation", 2013.)

Nothing may reorder or contract these operations: no fast-math, no fused multiply-adds.
"""

import math
from typing import NamedTuple

import numpy as np

from kmeans_xp.arrays import Array, Namespace
from kmeans_xp.arrays.transfer import to_like

# Exponents of the largest addend: below the first the second grid would be subnormal, above the
# last one constants would overflow. Rows with such squares are refused.
LOWEST, HIGHEST = -969, 960


class Grids(NamedTuple):
    """What rounds addends to the first and the second grid."""

    first: Array
    second: Array


def grids_for(largest: np.ndarray, count: int) -> Grids:
    """Return the grids of `count` addends that are at most `largest`, an array of any shape."""
    bits = int(count).bit_length()
    exponents = np.minimum(np.maximum(np.frexp(largest)[1], LOWEST), HIGHEST) + bits
    return Grids(np.ldexp(1.5, exponents), np.ldexp(1.5, exponents + bits - 53))


def first_grid(largest: float, count: int) -> float:
    """Return the first grid of `count` addends that are at most `largest`."""
    bits, exponent = count.bit_length(), math.frexp(largest)[1]
    return math.ldexp(1.5, min(max(exponent, LOWEST), HIGHEST) + bits)


def placed(grids: Grids, like: Array, xp: Namespace) -> Grids | None:
    """Return host grids where `like` lives; None if it is not float64: its digits do not suffice.

    Addends without grids are rounded as they come.
    """
    if like.dtype != xp.float64:
        return None
    return Grids(*(to_like(constants, like, like.dtype) for constants in grids))


def split(addends: Array, grids: Grids) -> tuple[Array, Array]:
    """Return addends on the first grid, and what is left of them on the second."""
    high = (addends + grids.first) - grids.first
    low = addends - high
    return high, (low + grids.second) - grids.second
