r"""Centres prepared for certified nearest-centre search through one matrix product.

About an origin o, with x' = x - o and c' = c - o, the nearest centre minimises the score
s_j = ½‖c'_j‖² - x'·c'_j. Rounding moves a computed score by at most
e_j = γ(‖x'‖‖c'_j‖ + ½‖c'_j‖²) + δ, where γ grows with the number of features (Higham,
*Accuracy and Stability of Numerical Algorithms*, 2002, §3.1) and δ covers underflow. The
product of the rows (x', ‖x'‖, 1) with the columns (-c', -γ‖c'‖, ½‖c'‖²(1-γ) - δ) is the lower
bound s_j - e_j at once. A centre whose lower bound is above the upper bound of some other one,
by more than a tie, is not the nearest. Where one candidate remains, it is the nearest; among
several, direct differences in the widest float decide. So the matrix product shortlists and never
decides, whatever the data's location, scale and spread.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self, TypeVar

from kmeans_xp.arrays import Array, namespace_of
from kmeans_xp.arrays.dtypes import widest_float
from kmeans_xp.arrays.fusing import fused
from kmeans_xp.arrays.namespace import device_of
from kmeans_xp.arrays.precision import product_rounding, quiet
from kmeans_xp.kernels.shared.exact_sums import Grids
from kmeans_xp.kernels.shared.ordered_sums import ordered_sum

Made = TypeVar("Made")

# Points are near zero if their squared norms are up to so many times their squared distances from
# their median, by the size of the dtype: so many times more rows may be left undecided.
NEAR_ZERO = {4: 8.0, 8: 256.0}


@dataclass(frozen=True)
class Derivable:
    """Constant for all blocks of a sweep; what engines derive from it is computed once and kept."""

    _derived: dict[Callable[..., Any], Any] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def derive(self, make: Callable[[Self], Made]) -> Made:
        """Return ``make(self)``, computed at the first call."""
        if make not in self._derived:
            self._derived[make] = make(self)
        made: Made = self._derived[make]
        return made


@dataclass(frozen=True)
class Origin:
    """A point amid the rows about which they are summed, where blocks live.

    Attributes
    ----------
    point : array of shape (d,)
        In the dtype of the rows.
    grids : Grids of arrays of shape (d + 1,), optional
        Those of w·(x - point) and, last, of w, in the widest float; by default sums are rounded as
        they come.
    """

    point: Array
    grids: Grids | None = None


@dataclass(frozen=True)
class PreparedCenters(Derivable):
    """Centres, (k, d), about a shared origin, with the bounds of rounding.

    Attributes
    ----------
    centers : array of shape (k, d)
        As given, in the dtype of the rows.
    given_origin : Origin, optional
        By default the origin is found from the centres.
    """

    centers: Array
    given_origin: Origin | None = None

    @cached_property
    def origin(self) -> Array:
        """Return the shared origin, (d,); by default a point amid the centres."""
        return amid(self.centers) if self.given_origin is None else self.given_origin.point

    @property
    def grids(self) -> Grids | None:
        """Return the grids of what is summed, (d + 1,) in the widest float, if there are any."""
        return None if self.given_origin is None else self.given_origin.grids

    @cached_property
    def wide_centers(self) -> Array:
        """Return the centres in the widest float, for direct differences."""
        return self._widened(self.centers)

    @cached_property
    def wide_origin(self) -> Array:
        """Return the origin in the widest float, for sums."""
        return self._widened(self.origin)

    def _widened(self, array: Array) -> Array:
        xp = namespace_of(array)
        return xp.astype(array, widest_float(xp, device_of(array)), copy=False)

    @property
    def gamma(self) -> float:
        """Return γ, the relative rounding error of a product of two rows.

        It is half an ε for each feature, plus what a device with reduced precision takes from the
        factors.
        """
        d = self.centers.shape[1]
        eps = float(namespace_of(self.centers).finfo(self.centers.dtype).eps)
        return (d / 2 + 8) * eps + product_rounding(self.centers)

    @property
    def columns(self) -> Array:
        """Return (-c', -γ‖c'‖, ½‖c'‖²(1-γ) - δ), (k, d + 2)."""
        return self._product[0]

    @property
    def slack(self) -> Array:
        """Return (2γ‖c'‖, (γ + 2τ)‖c'‖² + 2δ), (k, 2).

        The first times ‖x'‖, the second and τ‖x'‖² add up to 2e_j and as much as ties may differ.
        """
        return self._product[1]

    @property
    def tie(self) -> float:
        """Return τ, the relative difference up to which squared distances count as equal."""
        wide = self.wide_centers.dtype
        return tied(self.centers.shape[1], float(namespace_of(self.centers).finfo(wide).eps)) - 1

    @cached_property
    @quiet()
    def _product(self) -> tuple[Array, Array]:
        """The columns and the slack of a matrix product, which some kernels do not need."""
        d, info = self.centers.shape[1], namespace_of(self.centers).finfo(self.centers.dtype)
        delta = (d + 16) * float(info.smallest_normal)
        return _columns_and_slack(self.centers, self.origin, self.gamma, delta, self.tie)


@fused()
def _columns_and_slack(
    centers: Array, origin: Array, gamma: float, delta: float, tie: float
) -> tuple[Array, Array]:
    xp, shifted = namespace_of(centers), centers - origin
    # Not a product, which some accelerators would round to fewer digits.
    squares = xp.sum(shifted * shifted, axis=1)
    # A square that overflowed bounds nothing: NaN sends its rows to direct differences.
    squares = xp.where(xp.isfinite(squares), squares, xp.full_like(squares, xp.nan))
    norms = xp.sqrt(squares)
    last = squares * (0.5 * (1 - gamma)) - delta
    columns = xp.concat([-shifted, (-gamma * norms)[:, None], last[:, None]], axis=1)
    slack = [2 * gamma * norms, (gamma + 2 * tie) * squares + 2 * delta]
    return columns, xp.stack(slack, axis=1)


@quiet()
def amid(points: Array) -> Array:
    """Return a point amid some points, (m, d): zero if they are near it, else their median.

    The median of each feature, unlike the mean, stays with the bulk of them when one is far away.
    From zero nothing is to be taken off, so that rows need no copy.
    """
    xp = namespace_of(points)
    middle = xp.sort(points, axis=0)[points.shape[0] // 2, :]
    if widest_float(xp, device_of(points)) != xp.float64:  # Sums have no digits to spare.
        return middle
    both = xp.stack([points, points - middle])
    squares = ordered_sum(both * both)
    from_zero, spread = (xp.sort(squares, axis=1)[i, points.shape[0] // 2] for i in (0, 1))
    near = from_zero < NEAR_ZERO[xp.finfo(points.dtype).bits // 8] * spread
    return xp.where(near, xp.zeros_like(middle), middle)


def tied(d: int, eps: float = sys.float_info.epsilon) -> float:
    """Return the factor up to which a squared distance counts as equal to the least one.

    Sums of d squares with precision `eps` depend so much on their order, in which kernels differ.
    """
    return 1 + (d + 8) * eps


def prepare(centers: Array, origin: Origin | None = None) -> PreparedCenters:
    """Prepare `centers`, (k, d), for an engine's operations.

    A fit prepares all its centres about one `origin` amid the rows, so that the same labels give
    the same sums to the last bit, and centres that should not move do not. No label depends on it.
    """
    return PreparedCenters(centers, origin)
