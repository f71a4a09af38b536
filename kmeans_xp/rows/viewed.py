"""A call of which X and what goes with it are views: how it goes in, and results come back."""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import wraps
from typing import Any

import numpy as np

from kmeans_xp.arrays import Array, as_array
from kmeans_xp.arrays.checks import check_same_home
from kmeans_xp.arrays.dtypes import working_dtype
from kmeans_xp.arrays.namespace import is_array, is_sparse
from kmeans_xp.arrays.views import OnHost, View, numpy_dtype
from kmeans_xp.rows.memory import ArrayRows, MemoryRows
from kmeans_xp.rows.numpy import NumpyRows

# Arguments that may be functions of the user's. Of what a callback returns only the truth is asked.
CALLBACK = "callback"
FUNCTIONS = ("affinity", "init", "metric", CALLBACK)
# Kinds of arguments that stay what they are: to ask each for more takes long.
PLAIN = frozenset({bool, float, int, str, type(None), np.ndarray, np.random.Generator})
# What a function of the user's returns, as errors call it.
RETURNED = {"init": "the array that init returns"}


class Viewed:
    """A call of which X is seen as another library's array.

    Parameters
    ----------
    X : array or MemoryRows
        As the user passed it, or rows over that.
    view : View
        How X is seen.

    Attributes
    ----------
    seen : array or MemoryRows
        X as what runs gets it.
    """

    def __init__(self, X: Any, view: View) -> None:
        self.X, self.view = X, view
        self.seen = self._rows(X) if isinstance(X, MemoryRows) else self._array()

    def argument(self, value: Any, name: str) -> Any:
        """Return an argument beside X as what runs wants it; refuse an array from elsewhere.

        Arrays of X's library become views, and functions of the user's get arrays of that library.
        NumPy arrays and lists, which are small or live on the same host, stay what they are.
        """
        if type(value) in PLAIN or isinstance(value, np.generic):
            return value
        if name in FUNCTIONS and callable(value):
            return self._function(value, name)
        if is_array(value):
            return self._beside(value, name)
        if isinstance(value, Mapping):
            return {key: self.argument(part, str(key)) for key, part in value.items()}
        return value

    def result(self, value: Any) -> Any:
        """Return what ran as the user gets it: like X, however deep the arrays in it are."""
        if self.view.is_seen(value):
            return self.view.back(value)
        if isinstance(value, tuple):
            return tuple(self.result(part) for part in value)
        if isinstance(value, MemoryRows):
            return self.X if isinstance(self.X, MemoryRows) else ArrayRows(self.view.like)
        if is_dataclass(value) and not isinstance(value, type | OnHost):
            return self._dataclass(value)
        return self.view.back_sparse(value) if is_sparse(value) else value

    def _dataclass(self, value: Any) -> Any:
        parts = {field.name: getattr(value, field.name) for field in fields(value)}
        found = {name: self.result(part) for name, part in parts.items()}
        return replace(value, **{n: part for n, part in found.items() if part is not parts[n]})

    def _beside(self, value: Array, name: str) -> Array:
        if isinstance(value, np.ndarray):
            return value
        array = as_array(value, name)
        check_same_home(array, name, self.view.like)
        return self.view.seen(array)

    def _function(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        # Its signature decides how it is called.
        @wraps(function, updated=())
        def called(*args: Any, **named: Any) -> Any:
            given = (self.X if arg is self.seen else self.result(arg) for arg in args)
            returned = function(*given, **named)
            if name == CALLBACK or not is_array(returned):
                return returned
            return self._beside(returned, RETURNED.get(name, f"what {name} returns"))

        return called

    def _array(self) -> Any:
        """Return X as an array; as rows where that would not tell the dtype it is computed in.

        Integers are computed in the default float of their own library.
        """
        seen = self.view.seen(self.view.like)
        if seen.dtype.kind not in "biu" or seen.ndim != 2 or 0 in seen.shape:
            return seen
        dtype = numpy_dtype(working_dtype(self.view.like, "X"))
        return seen if working_dtype(seen, "X") == dtype else _rows(seen, dtype)

    def _rows(self, rows: MemoryRows) -> MemoryRows:
        members = None if rows.members is None else self.view.seen(rows.members)
        return _rows(self.view.seen(rows.X), numpy_dtype(rows.dtype), members)


def _rows(seen: Array, dtype: np.dtype[Any], members: Array | None = None) -> MemoryRows:
    kind = NumpyRows if isinstance(seen, np.ndarray) else ArrayRows
    return kind(seen, dtype, members)
