r"""Centres prepared for certified nearest-centre search through one matrix product.

About an origin o, with x' = x - o and c' = c - o, the nearest centre minimises the score
s_j = ½‖c'_j‖² - x'·c'_j. Rounding moves a computed score by at most
e_j = γ(‖x'‖‖c'_j‖ + ½‖c'_j‖²) + δ, where γ grows with the number of features (Higham,
*Accuracy and Stability of Numerical Algorithms*, 2002, §3.1) and δ covers underflow. The
product of the rows (x', ‖x'‖, 1) with the columns (-c', -γ‖c'‖, ½‖c'‖²(1-γ) - δ) is the lower
bound s_j - e_j at once. A centre whose lower bound is above the upper bound of some other one
is not the nearest. Where a single centre is left, it is the nearest for certain; where several
are, direct differences in the widest float decide. So the matrix product shortlists and never
decides, whatever the data's place, scale and spread.
"""

from dataclasses import dataclass

from kmeans_xp.arrays import Array, namespace_of
from kmeans_xp.arrays.dtypes import widest_float
from kmeans_xp.arrays.namespace import device_of
from kmeans_xp.arrays.precision import quiet


@dataclass(frozen=True)
class Frame:
    """Centres, (k, d), about a shared origin, with the bounds of rounding.

    Attributes
    ----------
    centers : array of shape (k, d)
        As given, in the dtype of the rows.
    origin : array of shape (d,)
        By default the median of the centres, feature by feature: unlike the mean it stays with
        the bulk of them when one is far away.
    columns : array of shape (k, d + 2)
        (-c', -γ‖c'‖, ½‖c'‖²(1-γ) - δ).
    slack : array of shape (k, 2)
        (2γ‖c'‖, γ‖c'‖² + 2δ): a row's 2e_j is its ‖x'‖ times the first plus the second.
    wide_centers, wide_origin : array of shape (k, d), (d,)
        In the widest float, for direct differences and for sums.
    gamma : float
        γ: the relative error of a product of two rows.
    """

    centers: Array
    origin: Array
    columns: Array
    slack: Array
    wide_centers: Array
    wide_origin: Array
    gamma: float


@quiet()
def frame_of(centers: Array, origin: Array | None = None) -> Frame:
    """Prepare `centers`, (k, d), for `nearest` and its relatives.

    A fit gives all its frames one `origin` amid the rows, so that the same labels give the same
    sums to the last bit, and centres that should stand still do. No label depends on it.
    """
    xp = namespace_of(centers)
    k, d = centers.shape
    info = xp.finfo(centers.dtype)
    gamma = (d + 8) * float(info.eps)
    delta = (d + 16) * float(info.smallest_normal)
    if origin is None:
        origin = xp.sort(centers, axis=0)[k // 2, :]
    shifted = centers - origin
    squares = xp.sum(shifted * shifted, axis=1)
    # A square that overflowed bounds nothing: NaN sends its rows to direct differences.
    squares = xp.where(xp.isfinite(squares), squares, xp.full_like(squares, xp.nan))
    norms = xp.sqrt(squares)
    last = squares * (0.5 * (1 - gamma)) - delta
    columns = xp.concat([-shifted, xp.stack([-gamma * norms, last], axis=1)], axis=1)
    slack = xp.stack([2 * gamma * norms, gamma * squares + 2 * delta], axis=1)
    wide = widest_float(xp, device_of(centers))
    return Frame(
        centers,
        origin,
        columns,
        slack,
        xp.astype(centers, wide, copy=False),
        xp.astype(origin, wide, copy=False),
        gamma,
    )
