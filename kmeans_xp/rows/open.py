"""The one type ladder: which source of rows stands behind an X."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from typing import Any, TypeVar, cast

import array_api_compat
import numpy as np

from kmeans_xp.arrays import Array, as_array, device_of, namespace_of
from kmeans_xp.arrays.checks import check_matrix
from kmeans_xp.arrays.device import current
from kmeans_xp.rows.base import Rows
from kmeans_xp.rows.memory import ArrayRows
from kmeans_xp.rows.numpy import NumpyRows

Call = TypeVar("Call", bound=Callable[..., Any])


def open_rows(X: object, name: str = "X", *, threads: int | None = None) -> Rows:
    """Return the rows of `X`, (n, d), wherever they live.

    Parameters
    ----------
    X : array, memory map, Dask array, nested list or data frame
        The data. It is not copied as a whole, and never modified.
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
    array: Array = as_array(X, name)
    check_matrix(array, name)
    if isinstance(array, np.ndarray):
        return NumpyRows(array, threads=threads)
    if array_api_compat.is_dask_array(array):
        # Imported here, since Dask is an extra.
        from kmeans_xp.rows.dask import DaskRows

        return DaskRows(array)
    return ArrayRows(array)


def beside_x(call: Call) -> Call:
    """Let a function, whose first argument is X or its rows, allocate on the device of X."""

    @wraps(call)
    def on_device(*args: Any, **kwargs: Any) -> Any:
        X = args[0] if args else kwargs.get("X")
        if isinstance(X, Rows):
            context = current(X.xp, X.device)
        elif array_api_compat.is_array_api_obj(X):
            context = current(namespace_of(X), device_of(X))
        else:
            context = nullcontext()
        with context:
            return call(*args, **kwargs)

    return cast(Call, on_device)
