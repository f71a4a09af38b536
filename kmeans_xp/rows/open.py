"""The one type ladder: which source of rows stands behind an X."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from inspect import signature
from itertools import zip_longest
from typing import Any, TypeVar, cast

import array_api_compat
import numpy as np

from kmeans_xp.arrays import Array, as_array, device_of, namespace_of
from kmeans_xp.arrays.checks import check_matrix
from kmeans_xp.arrays.device import current
from kmeans_xp.arrays.frames import column_names, is_frame
from kmeans_xp.arrays.views import View, view_beside, without_views
from kmeans_xp.rows.base import Rows
from kmeans_xp.rows.memory import ArrayRows, MemoryRows
from kmeans_xp.rows.numpy import NumpyRows
from kmeans_xp.rows.viewed import Viewed

# The engine that computes in X's own library; `kmeans_xp.kernels` calls it so.
PORTABLE = "portable"

Call = TypeVar("Call", bound=Callable[..., Any])


def open_rows(X: object, name: str = "X", *, threads: int | None = None) -> Rows:
    """Return the rows of `X`, (n, d), wherever they live.

    Parameters
    ----------
    X : array, memory map, Dask array, nested list, data frame or xarray.DataArray
        The data. It is not copied as a whole, and never modified. Rows come back as they are.
    name : str
        The argument's name, for errors.
    threads : int, optional
        For NumPy rows: how many threads run blocks.

    Returns
    -------
    Rows

    Raises
    ------
    TypeError, ValueError
        If `X` is not a two-dimensional array of real numbers with a row and a feature.
    """
    if type(X) is not np.ndarray and isinstance(X, Rows):
        return X
    array: Array = as_array(X, name)
    check_matrix(array, name)
    if isinstance(array, np.ndarray):
        rows: Rows = NumpyRows(array, threads=threads)
    elif array_api_compat.is_dask_array(array):
        # Imported here, since Dask is an extra.
        from kmeans_xp.rows.dask import DaskRows

        rows = DaskRows(array)
    else:
        rows = ArrayRows(array)
    if array is not X and is_frame(X):
        rows.columns = column_names(X)
    return rows


def beside_x(call: Call) -> Call:
    """Let a function, whose first argument is X or its rows, compute where X lives.

    It is the door of every public function. Where the device of X has a library that is faster than
    that of X, the function gets X and the arrays beside it as that library's, and what it returns
    becomes what X is (`kmeans_xp.arrays.views`). What it allocates is on the device of X.
    """
    names = tuple(signature(call).parameters)

    @wraps(call)
    def door(*args: Any, **kwargs: Any) -> Any:
        X = args[0] if args else kwargs.get(names[0])
        # The usual kinds first: to rule out all others takes a tenth of a small prediction.
        if type(X) is np.ndarray or type(X) is NumpyRows:
            return call(*args, **kwargs)
        portable = _asks_for_portable(kwargs)
        view = None if portable else _view(X, names[0])
        if view is None:
            with _beside(X), without_views() if portable else nullcontext():
                return call(*args, **kwargs)
        with view.context():
            viewed = Viewed(X, view)
            # Arguments beyond the last are for Python to refuse.
            pairs = zip_longest(args[1:], names[1 : len(args)], fillvalue="")
            given = [viewed.argument(value, name) for value, name in pairs]
            named = {n: viewed.argument(a, n) for n, a in kwargs.items() if n != names[0]}
            return viewed.result(call(viewed.seen, *given, **named))

    return cast(Call, door)


def _asks_for_portable(arguments: Mapping[str, Any]) -> bool:
    """Return whether a call asks for what computes in X's own library."""
    options = arguments.get("options")
    inner = options.get("algorithm") if isinstance(options, Mapping) else None
    return PORTABLE in (arguments.get("algorithm"), inner)


def _view(X: Any, name: str) -> View | None:
    """Return how X, or what its rows are of, is seen; None where it stays what it is."""
    if isinstance(X, MemoryRows):
        return view_beside(X.X)
    if array_api_compat.is_torch_array(X) or array_api_compat.is_jax_array(X):
        return view_beside(as_array(X, name))
    return None


def _beside(X: Any) -> AbstractContextManager[Any]:
    """Return a context in which arrays are allocated on the device of X."""
    if isinstance(X, Rows):
        return current(X.xp, X.device)
    if array_api_compat.is_array_api_obj(X):
        return current(namespace_of(X), device_of(X))
    return nullcontext()
