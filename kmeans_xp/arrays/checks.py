"""Checks of what a user passes. An error names the argument, the rule, the value, the remedy."""

import math
import numbers
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from kmeans_xp.arrays.namespace import Array, device_of, namespace_of

Choice = TypeVar("Choice", bound=str)
# Entries that are looked at twice at a time.
PIECE_ENTRIES = 1 << 16
# How many features that are not finite an error names.
NAMED = 3


def check_count(value: object, name: str, *, low: int = 1) -> int:
    """Return `value` as an int of at least `low`."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be an int, got {value!r} of type {type(value).__name__}.")
    if value < low:
        raise ValueError(f"{name} must be at least {low}, got {name}={value}.")
    return int(value)


def check_clusters(n_clusters: object, n_rows: int, name: str = "n_clusters") -> int:
    """Return `n_clusters` as an int between 1 and the number of rows."""
    count = check_count(n_clusters, name)
    if count > n_rows:
        raise ValueError(
            f"{name} must be at most the number of rows, got {name}={count} with "
            f"n_samples={n_rows}. Ask for fewer clusters or pass more rows."
        )
    return count


def check_nonnegative(value: Any, name: str) -> float:
    """Return `value` as a finite float that is not negative."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, got {value!r} of type {type(value).__name__}.")
    number = float(value)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f"{name} must be finite and not negative, got {name}={value}.")
    return number


def check_choice(value: object, name: str, choices: tuple[Choice, ...]) -> Choice:
    """Return `value` if it is one of `choices`."""
    for choice in choices:
        if isinstance(value, str) and value == choice:
            return choice
    raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}.")


def check_flag(value: object, name: str) -> bool:
    """Return `value` if it is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {value!r}.")
    return bool(value)


def check_callback(value: object) -> None:
    """Require `callback` to be None or a callable."""
    if not (value is None or callable(value)):
        raise TypeError(
            f"callback must be None or a callable, got {value!r}. Pass a function of an Iteration."
        )


def check_matrix(array: Array, name: str) -> None:
    """Require `array` to be two-dimensional, with a row and a feature at least."""
    if array.ndim != 2:
        raise ValueError(
            f"{name} must be a 2-d array (rows, features), got {array.ndim}-d with shape "
            f"{tuple(array.shape)}. Reshape your data: {name}.reshape(-1, 1) if it has one "
            f"feature, {name}.reshape(1, -1) if it is one row."
        )
    n, d = array.shape
    if d == 0:
        raise ValueError(
            f"{name} must have a feature: found 0 feature(s) (shape=({n}, 0)) while a minimum "
            "of 1 is required."
        )
    if n == 0:
        raise ValueError(
            f"{name} must have a row: found 0 sample(s) (shape=(0, {d})) while a minimum of 1 "
            "is required."
        )


def check_same_home(array: Array, name: str, like: Array, like_name: str = "X") -> None:
    """Require `array` to live in `like`'s namespace and on its device."""
    ours, theirs = namespace_of(array), namespace_of(like)
    if ours is not theirs:
        raise TypeError(
            f"{name} must come from the namespace of {like_name}, got {ours.__name__} beside "
            f"{theirs.__name__}. Convert one of the two."
        )
    if device_of(array) != device_of(like):
        raise ValueError(
            f"{name} must be on the device of {like_name}, got {device_of(array)} beside "
            f"{device_of(like)}. Move one of the two."
        )


def largest_value(rows: np.ndarray) -> np.floating:
    """Return the largest absolute value of a matrix; NaN where it holds one."""
    # By pieces, which are still in the cache when their least value is looked for.
    size, found = max(1, PIECE_ENTRIES // rows.shape[1]), []
    for start in range(0, len(rows), size):
        piece = rows[start : start + size]
        found += [piece.max(), -piece.min()]
    largest: np.floating = np.maximum.reduce(found)
    return largest


def finite_error(name: str, found: Sequence[str]) -> ValueError:
    """Return the error for an array that is not finite; of what was `found`, a part is said."""
    more = [f"{len(found) - NAMED} more such features"] if len(found) > NAMED else []
    said = "; ".join([*found[:NAMED], *more]) or "it holds NaN or infinity"
    return ValueError(
        f"{name} must be finite, but {said}. Rows are counted from 0. Remove or impute those rows, "
        "for instance with sklearn.impute.SimpleImputer."
    )


def not_finite(place: str, missing: int, infinite: int, row: int) -> str:
    """Return in words how much of what is not finite a place has, and in which row first."""
    kinds = ["NaN (a missing value)"] * bool(missing) + ["infinity"] * bool(infinite)
    count = missing + infinite
    times = f"once, in row {row}" if count == 1 else f"{count} times, first in row {row}"
    return f"{place} holds {' or '.join(kinds)} {times}"
