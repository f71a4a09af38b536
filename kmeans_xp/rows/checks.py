"""Checks of the rows themselves, which take a pass over them."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np

from kmeans_xp.arrays import Array, Totals, namespace_of, to_host
from kmeans_xp.arrays.checks import finite_error, largest_value, not_finite
from kmeans_xp.rows.base import Kept, Rows, Step, add


def check_rows(rows: Rows, centers: Array | None = None, *, block_rows: int) -> None:
    """Require the rows to be finite, and squared distances to `centers` to be representable.

    Raises
    ------
    ValueError
        If X holds NaN or infinity, or squared distances would overflow or vanish in the widest
        float.
    """
    seen = rows.fold(_Extent.of, block_rows=block_rows)
    _require(rows, centers, float(to_host(seen.largest)), block_rows)


def checked_sweep(
    rows: Rows, step: Step, *aligned: Array | None, centers: Array | None, block_rows: int
) -> tuple[Any, Kept]:
    """Sweep, and check the rows in the same pass, as `check_rows` does.

    What will be refused is not shown to `step`, which gets zeros in its place.

    Raises
    ------
    ValueError
        As `check_rows`.
    """
    checked = partial(_checked_step, step=step, most=_most(rows))
    seen, kept = rows.sweep(checked, *aligned, block_rows=block_rows)
    _require(rows, centers, float(to_host(seen.largest)), block_rows)
    return seen.totals, kept


def checked_whole(
    rows: Rows, work: Callable[..., Any] | None, *args: Any, centers: Array, **options: Any
) -> Kept | None:
    """Return what `work` keeps of all rows at once, and check them; None where it does not.

    Parameters
    ----------
    work : callable, optional
        (rows.uncopied, rows.team, *args, **options) -> what is kept, and last the largest absolute
        value, NaN if the rows are not finite; or None.

    Raises
    ------
    ValueError
        As `check_rows`.
    """
    found = None if work is None else work(rows.uncopied, rows.team, *args, **options)
    if found is None:
        return None
    *kept, largest = found
    _require(rows, centers, largest, rows.shape[0])
    return tuple(kept)


def _require(rows: Rows, centers: Array | None, largest: float, block_rows: int) -> None:
    if not math.isfinite(largest):
        raise _not_finite_error(rows, block_rows)
    if rows.dtype != rows.wide:
        return  # Squares of a narrower float fit.
    if centers is not None:
        largest = max(largest, float(to_host(rows.xp.max(rows.xp.abs(centers)))))
    info = rows.xp.finfo(rows.wide)
    if largest > _most(rows):
        raise range_error(rows, "squared distances to its centers may overflow", "Divide")
    if 0 < largest < math.sqrt(float(info.smallest_normal) / float(info.eps)):
        raise range_error(rows, "squared distances to its centers vanish", "Multiply")


def _not_finite_error(rows: Rows, block_rows: int) -> ValueError:
    """Return the error for rows that are not finite, found in a pass that only they pay for."""
    step = partial(_spoiled_step, none=rows.shape[0])
    found = rows.fold(step, rows.numbers(), block_rows=block_rows)
    missing, infinite, first = (
        to_host(part) for part in (found.missing, found.infinite, found.first)
    )
    said = []
    for i in np.flatnonzero(missing + infinite).tolist():
        place = f"feature {i}" if rows.columns is None else f"column {rows.columns[i]!r}"
        (row,) = rows.numbers_in_x([int(first[i])]).tolist()
        said.append(not_finite(place, int(missing[i]), int(infinite[i]), row))
    return finite_error("X", said)


def _most(rows: Rows) -> float:
    """Return the largest value of which squared distances do not overflow."""
    return math.sqrt(float(rows.xp.finfo(rows.wide).max) / (64 * rows.shape[1]))


def range_error(rows: Rows, found: str, remedy: str, dtype: Any = None) -> ValueError:
    """Return the error for rows of which something does not fit `dtype`, the widest by default."""
    name = str(dtype or rows.wide).rsplit(".", maxsplit=1)[-1].rstrip("'>")
    wider = dtype is not None and dtype != rows.wide
    return ValueError(
        f"X must have a range that fits {name}, but {found}. {remedy} X, and any centers, by a "
        "power of two, which changes no label" + (", or pass X as float64." if wider else ".")
    )


@dataclass(frozen=True)
class _Extent(Totals):
    """The largest absolute value of some rows, beside the totals of another step.

    "Adding" takes the larger, and keeps a NaN.
    """

    largest: Array
    totals: Totals | None = None

    @classmethod
    def of(cls, block: Array) -> Self:
        if isinstance(block, np.ndarray):
            return cls(largest_value(block))
        xp = namespace_of(block)
        return cls(xp.maximum(xp.max(block), -xp.min(block)))

    def __add__(self, other: Self) -> Self:
        xp = namespace_of(self.largest)
        largest = xp.maximum(self.largest, other.largest)
        return type(self)(largest, add(self.totals, other.totals))


@dataclass(frozen=True)
class _Spoiled(Totals):
    """How much of each feature is not finite.

    Attributes
    ----------
    missing, infinite : array of shape (d,), integers
        How many NaN, and how many infinities.
    first : array of shape (d,), integers
        The number of the first row that has one.
    """

    missing: Array
    infinite: Array
    first: Array

    def __add__(self, other: Self) -> Self:
        first = namespace_of(self.first).minimum(self.first, other.first)
        return type(self)(self.missing + other.missing, self.infinite + other.infinite, first)


def _spoiled_step(block: Array, numbers: Array, *, none: int) -> _Spoiled:
    xp = namespace_of(block)
    missing, infinite = xp.isnan(block), xp.isinf(block)
    first = xp.min(xp.where(missing | infinite, numbers[:, None], none), axis=0)
    kinds = (xp.astype(part, numbers.dtype) for part in (missing, infinite))
    counts = [xp.sum(kind, axis=0) for kind in kinds]
    return _Spoiled(counts[0], counts[1], first)


def _checked_step(
    block: Array, *parts: Array | None, step: Step, most: float
) -> tuple[_Extent, Kept]:
    seen = _Extent.of(block)
    if not float(to_host(seen.largest)) <= most:
        block = namespace_of(block).zeros_like(block)
    totals, kept = step(block, *parts)
    return replace(seen, totals=totals), kept
