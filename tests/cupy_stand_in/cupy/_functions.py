"""CuPy's functions, by the names and signatures that were recorded: NumPy's, made stricter."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from cupy import _core
from cupy._ndarray import SCALARS, argsort, check_kind, holds_array, launch, ndarray
from cupy._record import RECORD, acceptor

# Those that read or write files or texts, call back, or (the generic signature) are of the host.
OMITTED = {"apply_along_axis", "apply_over_axes", "array2string", "array_repr", "array_str"}
OMITTED |= {"format_float_positional", "format_float_scientific", "load", "loadtxt", "piecewise"}
OMITTED |= {"save", "savetxt", "savez", "savez_compressed", "show_config"}
GENERIC = "(*args, **kwargs)"
# How CuPy names a first parameter that has to be an array, and parameters of several arrays.
ARRAY = {"a", "a1", "ar", "ar1", "arr", "ary", "array", "condition", "m", "prototype", "v", "x"}
ARRAYS = {"tup", "condlist", "*operands"}


class ufunc:
    """A function of each element. It takes arrays and numbers, and no `where`."""

    def __init__(self, name: str, compute: Callable[..., Any]) -> None:
        self.__name__, self.name = name, f"cupy_{name}"
        self._compute = compute

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs.keys() - {"out", "dtype", "casting"}:
            raise TypeError(f"Wrong arguments {kwargs}")
        for argument in args:
            if not isinstance(argument, (ndarray, *SCALARS)):
                raise TypeError(f"Unsupported type {type(argument)}")
        return launch(self.__name__, self._compute, *args, **kwargs)


def contents(module: str, numpy: ModuleType) -> dict[str, Any]:
    """Return what a module of CuPy shares with NumPy's of the same purpose."""
    record, theirs = RECORD["modules"].get(module, {}), vars(numpy)
    found = {name: theirs[name] for name in record.get("of_numpy", ()) if name in theirs}
    for name in record.get("ufuncs", ()):
        if name in theirs:
            found[name] = ufunc(name, _core.matmul if name == "matmul" else theirs[name])
    for name, signature in record.get("functions", {}).items():
        if name in theirs and name not in OMITTED and signature != GENERIC:
            found[name] = _function(name, ADAPTED.get(name, theirs[name]), signature)
    return found


def _function(name: str, compute: Callable[..., Any], signature: str) -> Callable[..., Any]:
    accept = acceptor(name, signature)
    first = signature.strip("()").partition(",")[0]

    def function(*args: Any, **kwargs: Any) -> Any:
        accept(*args, **kwargs)
        if first in ARRAY and args and not isinstance(args[0], ndarray):
            raise TypeError(f"Unsupported type {type(args[0])}")
        if first == "tup" and args and not all(isinstance(part, ndarray) for part in args[0]):
            raise TypeError("Only cupy arrays can be concatenated")
        if first == "shape" and args and holds_array(args[0]):
            raise TypeError("'ndarray' object cannot be interpreted as an integer")
        nested = (value for value in args if isinstance(value, list | tuple))
        if first not in ARRAYS and any(map(holds_array, nested)):
            raise TypeError(f"{name} takes no arrays in lists")
        return launch(_told_apart(name, args), compute, *args, **kwargs)

    function.__name__ = function.__qualname__ = name
    return function


def _told_apart(name: str, args: tuple[Any, ...]) -> str:
    """Name a call that waits for the device with some arguments only."""
    if name == "where" and len(args) == 1:
        return "nonzero"
    return "repeat_by_array" if name == "repeat" and any(map(holds_array, args[1:])) else name


def _sort(host: np.ndarray, axis: int = -1, kind: str | None = None) -> np.ndarray:
    check_kind(kind)
    return np.sort(host, axis, "stable")


def _where(condition: np.ndarray, x: Any = None, y: Any = None) -> Any:
    if isinstance(x, list | tuple) or isinstance(y, list | tuple):
        raise TypeError("Unsupported type <class 'list'>")
    return condition.nonzero() if x is None and y is None else np.where(condition, x, y)


def _as_array(compute: Callable[..., Any]) -> Callable[..., np.ndarray]:
    """Return a function whose result is an array, where NumPy's is a Python bool or int."""
    return lambda *args, **kwargs: np.asarray(compute(*args, **kwargs))


ADAPTED: dict[str, Callable[..., Any]] = {
    name: _as_array(getattr(np, name))
    for name in ("allclose", "array_equal", "array_equiv", "count_nonzero")
}
ADAPTED |= {"sort": _sort, "argsort": argsort, "where": _where}
