"""Mean and variance of the rows, and with them the check that the data can be clustered."""

import math
from dataclasses import dataclass
from functools import partial

import numpy as np

from kmeans_xp.arrays import Array, Totals, namespace_of, to_host
from kmeans_xp.arrays.checks import finite_error
from kmeans_xp.rows import Rows


@dataclass(frozen=True)
class Moments:
    """Mean, (d,), and total squares about it, of weighted rows; on the host in float64."""

    weight: float
    mean: np.ndarray
    squares: np.ndarray

    @property
    def variance(self) -> float:
        """Return the mean of the features' variances."""
        return float(np.mean(self.squares)) / self.weight


@dataclass(frozen=True)
class _Sums(Totals):
    weight: Array
    first: Array
    second: Array


def moments_of(rows: Rows, weights: Array | None, *, block_rows: int) -> Moments:
    """Return the moments of `rows` in one pass, about their first row so that none cancels.

    Raises
    ------
    ValueError
        If X holds NaN or infinity, or values whose squares overflow or vanish in the dtype that
        sums are kept in.
    """
    reference = rows.xp.astype(rows.take([0])[0, :], rows.wide)
    step = partial(_moments_step, reference=reference)
    with np.errstate(over="ignore", invalid="ignore"):
        sums = rows.fold(step, weights, block_rows=block_rows)
        weight = float(to_host(sums.weight))
        first = to_host(sums.first).astype(np.float64)
        second = to_host(sums.second).astype(np.float64)
        if not np.isfinite(first).all():
            _refuse_infinite(rows, float(first.sum()), block_rows)
        squares = second - first * first / weight
    _check_range(rows, first, second)
    mean = to_host(reference).astype(np.float64) + first / weight
    return Moments(weight, mean, np.maximum(squares, 0.0))


def check_finite(rows: Rows, *, block_rows: int, name: str = "X") -> None:
    """Require every entry of the rows to be finite.

    Raises
    ------
    ValueError
        If one is NaN or infinite.
    """
    bad = rows.fold(_not_finite, block_rows=block_rows)
    if not float(to_host(bad.count)) == 0:
        raise finite_error(name, math.nan)


@dataclass(frozen=True)
class _Bad(Totals):
    count: Array


def _not_finite(block: Array) -> _Bad:
    xp = namespace_of(block)
    total = xp.sum(block)
    # A finite sum has finite terms; only where it is not must each be looked at.
    if math.isfinite(float(total)):
        return _Bad(xp.zeros_like(total))
    return _Bad(xp.astype(xp.sum(xp.astype(~xp.isfinite(block), xp.int32)), block.dtype))


def _moments_step(block: Array, weights: Array | None, *, reference: Array) -> _Sums:
    xp = namespace_of(block)
    centred = xp.astype(block, reference.dtype, copy=False) - reference
    if weights is None:
        weight = xp.sum(xp.ones_like(centred[:, 0]))
        return _Sums(weight, xp.sum(centred, axis=0), xp.sum(centred * centred, axis=0))
    weighted = centred * weights[:, None]
    return _Sums(xp.sum(weights), xp.sum(weighted, axis=0), xp.sum(weighted * centred, axis=0))


def _refuse_infinite(rows: Rows, total: float, block_rows: int) -> None:
    check_finite(rows, block_rows=block_rows)
    raise _range_error(rows, f"its sums overflow ({total})", "Divide")


def _check_range(rows: Rows, first: np.ndarray, second: np.ndarray) -> None:
    info = rows.xp.finfo(rows.wide)
    if not (second < float(info.max) / 64).all():
        raise _range_error(rows, "squares of its differences overflow", "Divide")
    vanishing = float(info.smallest_normal) / float(info.eps)
    if second.max() < vanishing and first.any():
        raise _range_error(rows, "squares of its differences vanish", "Multiply")


def _range_error(rows: Rows, found: str, remedy: str) -> ValueError:
    dtype = str(rows.wide).rsplit(".", maxsplit=1)[-1]
    return ValueError(
        f"X must have a range that fits {dtype}, but {found}. {remedy} X by a power of two, "
        "which changes no label."
    )
