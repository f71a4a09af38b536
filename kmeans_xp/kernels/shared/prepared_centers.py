r"""Centres prepared for certified nearest-centre search through one matrix product.

About an origin o, with x' = x - o and c' = c - o, the nearest centre minimises the score
s_j = ½‖c'_j‖² - x'·c'_j. Rounding moves a computed score by at most
e_j = γ(‖x'‖‖c'_j‖ + ½‖c'_j‖²) + δ, where γ grows with the number of features (Higham,
*Accuracy and Stability of Numerical Algorithms*, 2002, §3.1) and δ covers underflow. The
product of the rows (x', ‖x'‖, 1) with the columns (-c', -γ‖c'‖, ½‖c'‖²(1-γ) - δ) is the lower
bound s_j - e_j at once. A centre whose lower bound is above the upper bound of some other one,
by more than a tie, is not the nearest. Where a single centre is left, it is the nearest for
certain; where several are, direct differences in the widest float decide. So the matrix product
shortlists and never decides, whatever the data's place, scale and spread.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self, TypeVar

from kmeans_xp.arrays import Array, namespace_of
from kmeans_xp.arrays.dtypes import widest_float
from kmeans_xp.arrays.namespace import device_of
from kmeans_xp.arrays.precision import product_rounding, quiet

Made = TypeVar("Made")


@dataclass(frozen=True)
class Derivable:
    """What stays the same for all blocks, so that engines derive from it once what they need."""

    _derived: dict[Callable[..., Any], Any] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def derive(self, make: Callable[[Self], Made]) -> Made:
        """Return what `make` makes of this, and keep it."""
        if make not in self._derived:
            self._derived[make] = make(self)
        made: Made = self._derived[make]
        return made


@dataclass(frozen=True)
class PreparedCenters(Derivable):
    """Centres, (k, d), about a shared origin, with the bounds of rounding.

    Attributes
    ----------
    centers : array of shape (k, d)
        As given, in the dtype of the rows.
    given : array of shape (d,), optional
        The origin, if it is not to be found.
    """

    centers: Array
    given: Array | None = None

    @cached_property
    def origin(self) -> Array:
        """Return the shared origin, (d,).

        By default the median of the centres, feature by feature: unlike the mean it stays with the
        bulk of them when one is far away.
        """
        if self.given is not None:
            return self.given
        return namespace_of(self.centers).sort(self.centers, axis=0)[self.centers.shape[0] // 2, :]

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
        """Return γ, the relative error of a product of two rows: half an ε for each feature.

        And what factors lose before they are multiplied, where a device has reduced precision on.
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

        2e_j is ‖x'‖ times the first plus the second, and with τ‖x'‖² more, enough for ties.
        """
        return self._product[1]

    @property
    def tie(self) -> float:
        """Return τ, the part of a squared distance by which one that is equal may be above it."""
        wide = self.wide_centers.dtype
        return tied(self.centers.shape[1], float(namespace_of(self.centers).finfo(wide).eps)) - 1

    @cached_property
    @quiet()
    def _product(self) -> tuple[Array, Array]:
        """What a matrix product needs; made when one is wanted, for some kernels need none."""
        xp, gamma = namespace_of(self.centers), self.gamma
        d = self.centers.shape[1]
        delta = (d + 16) * float(xp.finfo(self.centers.dtype).smallest_normal)
        shifted = self.centers - self.origin
        # Not a product, which some accelerators would round to fewer digits.
        squares = xp.sum(shifted * shifted, axis=1)
        # A square that overflowed bounds nothing: NaN sends its rows to direct differences.
        squares = xp.where(xp.isfinite(squares), squares, xp.full_like(squares, xp.nan))
        norms = xp.sqrt(squares)
        last = squares * (0.5 * (1 - gamma)) - delta
        columns = xp.concat([-shifted, (-gamma * norms)[:, None], last[:, None]], axis=1)
        return columns, xp.stack(
            [2 * gamma * norms, (gamma + 2 * self.tie) * squares + 2 * delta], axis=1
        )


def tied(d: int, eps: float = sys.float_info.epsilon) -> float:
    """Return up to how many times the least squared distance another one counts as equal to it.

    Sums of d squares, of precision `eps`, depend so much on their order, in which kernels differ.
    """
    return 1 + (d + 8) * eps


def prepare(centers: Array, origin: Array | None = None) -> PreparedCenters:
    """Prepare `centers`, (k, d), for `nearest` and its relatives.

    A fit prepares all its centres about one `origin` amid the rows, so that the same labels give
    the same sums to the last bit, and centres that should stand still do. No label depends on it.
    """
    return PreparedCenters(centers, origin)
