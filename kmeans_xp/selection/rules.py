"""Where a curve with standard errors has its maximum: the rules of R's `cluster::maxSE`.

All but "tibshirani" go by their names in R, where that one is "Tibs2001SEmax".
"""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Curve = NDArray[np.float64]
Rule = Literal["firstSEmax", "tibshirani", "globalSEmax", "firstmax", "globalmax"]


def index_of_maximum(values: Sequence[float], errors: Sequence[float], rule: Rule) -> int:
    """Return the index at which the curve has its maximum by one of `RULES`.

    Parameters
    ----------
    values : sequence of float
        The gap statistic, in ascending order of k.
    errors : sequence of float
        Its standard errors, none negative.
    rule : str
        A key of `RULES`.
    """
    return RULES[rule](np.asarray(values, dtype=np.float64), np.asarray(errors, dtype=np.float64))


def _first_or_last(holds: NDArray[np.bool_]) -> int:
    """Return the first index at which it holds, or the index after all."""
    return int(holds.argmax()) if holds.any() else len(holds)


def _first_maximum(values: Curve, _errors: Curve) -> int:
    """Return the first that the next one does not exceed."""
    return _first_or_last(np.diff(values) <= 0)


def _global_maximum(values: Curve, _errors: Curve) -> int:
    return int(values.argmax())


def _first_within_error(values: Curve, errors: Curve, maximum: int) -> int:
    """Return the first that is less than a maximum by its standard error at most."""
    return _first_or_last(values[:maximum] >= values[maximum] - errors[maximum])


def _first_within_error_of_first(values: Curve, errors: Curve) -> int:
    """By Maechler (2012), R's default."""
    return _first_within_error(values, errors, _first_maximum(values, errors))


def _first_within_error_of_global(values: Curve, errors: Curve) -> int:
    """By Dudoit & Fridlyand (2002)."""
    return _first_within_error(values, errors, _global_maximum(values, errors))


def _first_not_exceeded(values: Curve, errors: Curve) -> int:
    """Return the first that the next one exceeds by its standard error at most.

    By Tibshirani, Walther & Hastie (2001).
    """
    return _first_or_last(values[:-1] >= values[1:] - errors[1:])


RULES: dict[Rule, Callable[[Curve, Curve], int]] = {
    "firstSEmax": _first_within_error_of_first,
    "tibshirani": _first_not_exceeded,
    "globalSEmax": _first_within_error_of_global,
    "firstmax": _first_maximum,
    "globalmax": _global_maximum,
}
