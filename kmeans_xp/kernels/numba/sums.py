"""Sums of rows by label on two grids, and squares in order. Imported only where Numba is.

As `kmeans_xp.kernels.shared.exact_sums` and `ordered_sums` specify. Nothing here may be compiled
with fast-math, which would undo the rounding.
"""

from typing import Any, NamedTuple, Self

import numpy as np
from numba import types

from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.simd.vector import (
    LANES,
    halved_sum,
    load,
    minus,
    plus,
    store,
    times,
    widened,
)
from kmeans_xp.kernels.shared.exact_sums import Grids
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters


class SumsAbout(NamedTuple):
    """What rows are summed about, and the grids of w·(x - origin) and, last, of w.

    Attributes
    ----------
    origin : ndarray of shape (d,)
    first, second : ndarray of shape (d + 1,)
    """

    origin: np.ndarray
    first: np.ndarray
    second: np.ndarray

    @classmethod
    def of(cls, origin: np.ndarray, grids: Grids | None) -> Self:
        """Return them as compiled functions take them; zeros keep addends as they are."""
        if grids is None:
            grids = Grids(*np.zeros((2, len(origin) + 1)))
        return cls(*(np.require(part, np.float64, ["C", "A", "W"]) for part in (origin, *grids)))


class ClusterSums(NamedTuple):
    """What clusters have, or gained less what they lost; the fields of `ClusterTotals`."""

    high: np.ndarray  # (k, d + 1)
    low: np.ndarray  # (k, d + 1)


def about_of(prepared: PreparedCenters) -> SumsAbout:
    """Return what rows are summed about in a fit with these centres."""
    return prepared.derive(_about)


def _about(prepared: PreparedCenters) -> SumsAbout:
    return SumsAbout.of(prepared.wide_origin, prepared.grids)


def no_sums(d: int, *shape: int) -> ClusterSums:
    """Return the sums of clusters without rows, whose number ends `shape`."""
    return ClusterSums(np.zeros((*shape, d + 1)), np.zeros((*shape, d + 1)))


def about_type() -> Any:
    """Return Numba's type of `SumsAbout`."""
    return compiling.tuple_type(SumsAbout, *[types.f8[::1]] * 3)


def sums_type() -> Any:
    """Return Numba's type of `ClusterSums`, (k, d + 1)."""
    return compiling.tuple_type(ClusterSums, *[types.f8[:, ::1]] * 2)


@compiling.part
def move_row(
    block: Any, i: int, weights: Any, about: SumsAbout, sums: ClusterSums, old: int, new: int
) -> None:
    """Add a row to its new cluster, and take it from its old one, if that is not below 0."""
    d, weight = len(about.origin), weights[i] if len(weights) else 1.0
    for f in range(d):
        _move(weight * (np.float64(block[i, f]) - about.origin[f]), f, about, sums, old, new)
    _move(weight, d, about, sums, old, new)


@compiling.part
def _move(addend: float, f: int, about: SumsAbout, sums: ClusterSums, old: int, new: int) -> None:
    high, low = split(addend, about.first[f], about.second[f])
    sums.high[new, f] += high
    sums.low[new, f] += low
    if old >= 0:
        sums.high[old, f] -= high
        sums.low[old, f] -= low


@compiling.part
def split(addend: float, first: float, second: float) -> tuple[float, float]:
    """Return an addend on the first grid, and what is left of it on the second."""
    high = (addend + first) - first
    return high, ((addend - high) + second) - second


@compiling.part
def ordered_square(block: Any, i: int, centers: Any, j: int, room: Any) -> float:
    """Return the squared distance of a row to a centre; `room` is memory of `room_of` numbers."""
    m, half = centers.shape[1], half_of(centers.shape[1])
    if half < LANES:
        for f in range(m):
            room[f] = _square(block, i, centers, j, f)
        return sum_in_order(room, m)
    for f in range(0, half, LANES):
        store(room, f, _squares(block, i, centers, j, f))
    # The last ones are added to the first, vector by vector and then one by one.
    whole = (m - half) // LANES * LANES
    for f in range(0, whole, LANES):
        store(room, f, plus(load(room, f), _squares(block, i, centers, j, half + f)))
    for f in range(whole, m - half):
        room[f] += _square(block, i, centers, j, half + f)
    while half > LANES:
        half //= 2
        for f in range(0, half, LANES):
            store(room, f, plus(load(room, f), load(room, half + f)))
    return halved_sum(load(room, 0))


@compiling.making
def room_of(d: int) -> Any:
    """Return memory for the squares of d differences."""
    return np.empty(max(d, LANES))


@compiling.part
def _square(block: Any, i: int, centers: Any, j: int, f: int) -> float:
    difference = np.float64(block[i, f]) - np.float64(centers[j, f])
    return difference * difference


@compiling.part
def _squares(block: Any, i: int, centers: Any, j: int, f: int) -> Any:
    """Return the squared differences of sixteen features, from `f` on."""
    d = centers.shape[1]
    x, c = widened(load(block, i * d + f)), widened(load(centers, j * d + f))
    return times(minus(x, c), minus(x, c))


@compiling.part
def sum_in_order(numbers: Any, m: int) -> float:
    """Return the sum of the first m numbers, which are overwritten."""
    half = half_of(m)
    while m > 1:
        for f in range(m - half):
            numbers[f] += numbers[half + f]
        m, half = half, half // 2
    return numbers[0]


@compiling.part
def half_of(m: int) -> int:
    """Return the largest power of two below m, or 1."""
    half = 1
    while 2 * half < m:
        half *= 2
    return half
