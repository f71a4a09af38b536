"""Arguments that go with rows: sample weights, and small arrays such as centres."""

import numbers
from dataclasses import dataclass
from typing import Any

import numpy as np

from kmeans_xp.arrays import Array, as_array, namespace_of, to_host
from kmeans_xp.arrays.checks import finite_error, not_finite
from kmeans_xp.arrays.dtypes import working_dtype
from kmeans_xp.arrays.precision import quiet
from kmeans_xp.rows.base import Rows


@dataclass(frozen=True)
class Weights:
    """What rows weigh.

    Attributes
    ----------
    array : array of shape (n,) or None
        The weight of each row, in the widest float, aligned with the rows. None where all rows
        weigh the same, so that weights of one change no bit and no draw.
    common : float
        What each row weighs where there is no array; else 1. Whoever sums over rows without
        weights multiplies by it.
    count : int
        How many rows have a positive weight.
    """

    array: Array | None
    common: float
    count: int

    def check_clusters(self, n_clusters: int, name: str = "n_clusters") -> None:
        """Require a row of positive weight for each cluster: the others count for nothing."""
        if n_clusters > self.count:
            raise ValueError(
                f"{name} must be at most the number of rows of positive sample_weight, got "
                f"{name}={n_clusters} with {self.count} such rows. Ask for fewer clusters or pass "
                "more rows."
            )


def open_weights(rows: Rows, sample_weight: object) -> Weights:
    """Return what `rows` weigh by the argument `sample_weight`.

    None stands for 1 each, and a number for that weight of every row.

    Raises
    ------
    TypeError, ValueError
        If it is not one finite, non-negative number for each row, with a positive sum.
    """
    name = "sample_weight"
    if sample_weight is None:
        return Weights(None, 1.0, rows.shape[0])
    if isinstance(sample_weight, numbers.Real):
        weight = float(sample_weight)
        if not np.isfinite(weight):
            raise ValueError(f"{name} must be finite, got {weight}. Pass None for equal weights.")
        _check_weights(rows, weight, weight * rows.shape[0], name)
        return Weights(None, weight, rows.shape[0])
    weights = aligned_argument(rows, sample_weight, name)
    working_dtype(weights, name)
    xp = namespace_of(weights)
    weights = xp.astype(weights, rows.wide)
    with quiet():
        facts = xp.stack([xp.min(weights), xp.max(weights), xp.sum(weights)])
        low, high, total = (float(fact) for fact in to_host(facts))
    if not np.isfinite(total):
        _require_finite(weights, name)
    _check_weights(rows, low, total, name)
    if low == high:
        return Weights(None, low, rows.shape[0])
    return Weights(weights, 1.0, int(to_host(xp.sum(xp.astype(weights > 0, xp.int32)))))


def _check_weights(rows: Rows, low: float, total: float, name: str) -> None:
    """Require weights, of which the least and the sum are given, to be possible ones."""
    if low < 0:
        raise ValueError(
            f"{name} must not be negative, but its least value is {low}. Drop those rows, or "
            "give them the weight 0."
        )
    if total == 0:
        raise ValueError(f"{name} must have a positive sum, got zeros only. Pass None for equal.")
    most = float(rows.xp.finfo(rows.wide).max) ** 0.5
    if not 1 / most < total < most:
        raise ValueError(
            f"{name} must have a sum between {1 / most:.3g} and {most:.3g}, got {total}. Divide "
            "them by their mean, which changes no label."
        )


def _require_finite(values: Array, name: str) -> None:
    """Refuse NaN and infinity, (n,); finite values may still have no finite sum."""
    xp = namespace_of(values)
    missing, infinite = xp.isnan(values), xp.isinf(values)
    bad = xp.astype(missing | infinite, xp.int32)
    counts = (xp.sum(xp.astype(part, xp.int32)) for part in (missing, infinite))
    found = [int(to_host(fact)) for fact in (*counts, xp.argmax(bad))]
    if any(found[:2]):
        raise finite_error(name, [not_finite("it", *found)])


def aligned_argument(rows: Rows, values: object, name: str) -> Array:
    """Return an array of one entry a row, (n,), in the way that sweeps of `rows` want it."""
    array = rows.align(as_array(values, name), name)
    if array.ndim != 1 or array.shape[0] != rows.shape[0]:
        raise ValueError(
            f"{name} must have the shape (n_samples,) = ({rows.shape[0]},), got "
            f"{tuple(array.shape)}. Pass one entry for each row of X."
        )
    return array


def open_centers(rows: Rows, centers: object, name: str, n_clusters: int | None = None) -> Array:
    """Return `centers`, (k, d), where the blocks of `rows` live, in their dtype.

    Raises
    ------
    TypeError, ValueError
        If they live elsewhere, have another width or number, or are not finite.
    """
    array: Any = as_array(centers, name)
    working_dtype(array, name)
    with quiet():
        array = rows.admit(array, name)
    d = rows.shape[1]
    wanted = ("n_clusters" if n_clusters is None else n_clusters, d)
    if array.ndim != 2 or array.shape[1] != d or array.shape[0] != (n_clusters or array.shape[0]):
        raise ValueError(
            f"{name} must have the shape (n_clusters, n_features) = ({wanted[0]}, {wanted[1]}), "
            f"got {tuple(array.shape)}."
        )
    if array.shape[0] == 0:
        raise ValueError(f"{name} must hold one centre at least, got the shape {array.shape}.")
    largest = float(to_host(rows.xp.max(rows.xp.abs(array))))
    if not np.isfinite(largest):
        raise ValueError(
            f"{name} must be finite in X's dtype {rows.dtype}, but holds NaN, infinity or a value "
            "that is too large for it. Check its values, or pass both as float64."
        )
    return array
