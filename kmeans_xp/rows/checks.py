"""Checks of the rows themselves, which take a pass over them."""

import math
from dataclasses import dataclass
from typing import Self

from kmeans_xp.arrays import Array, Totals, namespace_of, to_host
from kmeans_xp.arrays.checks import finite_error
from kmeans_xp.rows.base import Rows


def check_rows(rows: Rows, centers: Array | None = None, *, block_rows: int) -> None:
    """Require the rows to be finite, and squared distances to `centers` to be representable.

    Raises
    ------
    ValueError
        If X holds NaN or infinity, or squared distances would overflow or vanish in the widest
        float.
    """
    largest = float(to_host(rows.fold(_extent_step, block_rows=block_rows).largest))
    if not math.isfinite(largest):
        raise finite_error("X", largest)
    if centers is not None:
        largest = max(largest, float(to_host(rows.xp.max(rows.xp.abs(centers)))))
    info = rows.xp.finfo(rows.wide)
    if largest > math.sqrt(float(info.max) / (64 * rows.shape[1])):
        raise range_error(rows, "squared distances to its centers may overflow", "Divide")
    if 0 < largest < math.sqrt(float(info.smallest_normal) / float(info.eps)):
        raise range_error(rows, "squared distances to its centers vanish", "Multiply")


def range_error(rows: Rows, found: str, remedy: str) -> ValueError:
    """Return the error for rows whose squares do not fit the widest float."""
    dtype = str(rows.wide).rsplit(".", maxsplit=1)[-1]
    return ValueError(
        f"X must have a range that fits {dtype}, but {found}. {remedy} X, and any centers, by a "
        "power of two, which changes no label."
    )


@dataclass(frozen=True)
class _Extent(Totals):
    """The largest absolute value of some rows; "adding" takes the larger, and keeps a NaN."""

    largest: Array

    def __add__(self, other: Self) -> Self:
        xp = namespace_of(self.largest)
        return type(self)(xp.maximum(self.largest, other.largest))


def _extent_step(block: Array) -> _Extent:
    xp = namespace_of(block)
    return _Extent(xp.maximum(xp.max(block), -xp.min(block)))
