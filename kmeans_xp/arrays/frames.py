"""Data frames, series and labelled arrays: the array in one, and what its columns are called.

Nothing here imports the library of a frame, which its user has imported. narwhals, which knows them
all, is imported when a frame arrives of which there is something to say.
"""

import sys
from typing import Any

import numpy as np

# Libraries whose frames and series narwhals knows.
LIBRARIES = frozenset(
    {"cudf", "duckdb", "ibis", "modin", "narwhals", "pandas", "polars", "pyarrow", "pyspark"}
)
# Those of them of which a frame is a query.
QUERIES = frozenset({"duckdb", "ibis", "pyspark"})
# What narwhals calls the types of columns that hold no numbers, and those of text, which may be
# that of numbers.
NOT_NUMBERS = frozenset(
    {"Array", "Binary", "Date", "Datetime", "Duration", "List", "Struct", "Time"}
)
TEXT = frozenset({"Categorical", "Enum", "String"})
# How many columns an error names.
NAMED = 5


def is_frame(value: object) -> bool:
    """Return whether `value` is a data frame or series, in memory or not, or a labelled array."""
    return _is_of(value, LIBRARIES) or _is_labelled(value) or _is_dasks(value)


def frame_array(frame: Any, name: str) -> Any:
    """Return the array in a frame, where it lives: NumPy's, or a lazy one of Dask's.

    What an `xarray.DataArray` holds is returned as it is.

    Parameters
    ----------
    frame : data frame, series or xarray.DataArray
        For which `is_frame` holds.
    name : str
        The argument's name, for the error.

    Raises
    ------
    TypeError, ValueError
        If the frame is lazy and not Dask's, or a column holds no numbers.
    """
    if _is_labelled(frame):
        return frame.data
    if _is_dasks(frame):
        return _dask_array(frame, name)
    if not _is_lazy(frame):
        # Of numbers alone it is an array, often without a copy, and nothing has to be asked.
        array = np.asarray(frame)
        if array.dtype.kind in "biufc":
            return array
    return _by_column(frame, name)


def column_names(frame: Any) -> list[Any] | None:
    """Return what the columns of a frame are called; None where they have no names."""
    if _is_labelled(frame):
        labels = frame.indexes.get(frame.dims[-1])
        return None if labels is None or frame.ndim != 2 else list(labels)
    # pyarrow calls the columns themselves so.
    return list(frame.column_names if _is_of(frame, {"pyarrow"}) else frame.columns)


def with_names(X: Any) -> Any:
    """Return `X`, or what scikit-learn finds the names of its columns in, where it would not."""
    if _is_of(X, {"narwhals"}):
        return X.to_native()
    if not (_is_labelled(X) or _is_dasks(X)):
        return X
    names = column_names(X)
    # Both libraries need pandas.
    return X if names is None else sys.modules["pandas"].DataFrame(columns=names)


def _is_of(value: object, libraries: Any) -> bool:
    """Return whether the type of `value`, or one that it is derived from, is of a library."""
    return any(kind.__module__.partition(".")[0] in libraries for kind in type(value).__mro__)


def _is_labelled(value: object) -> bool:
    xarray = sys.modules.get("xarray")
    return xarray is not None and isinstance(value, xarray.DataArray)


def _is_dasks(value: object) -> bool:
    frames = sys.modules.get("dask.dataframe")
    return frames is not None and isinstance(value, frames.DataFrame | frames.Series)


def _is_lazy(frame: Any) -> bool:
    """Return whether a frame is a query that nobody has run yet."""
    return type(frame).__name__ == "LazyFrame" or _is_of(frame, QUERIES)


def _dask_array(frame: Any, name: str) -> Any:
    """Return a Dask frame or series as a Dask array; the types of its columns are known already."""
    columns = _columns(frame._meta, name) or []
    _refuse([c for c in columns if type(c.dtype).__name__ in NOT_NUMBERS], name)
    dtypes = frame._meta.dtypes
    kinds = [dtypes] if frame.ndim == 1 else list(dtypes)
    if all(isinstance(kind, np.dtype) and kind.kind in "biufc" for kind in kinds):
        return frame.to_dask_array()
    meta = np.empty((0, len(kinds))[: frame.ndim])
    return frame.map_partitions(_by_column, name, meta=meta)


def _by_column(frame: Any, name: str) -> np.ndarray:
    """Return a frame that is not one array of numbers, column by column, missing values as NaN."""
    columns = _columns(frame, name)
    if columns is None:
        return np.asarray(frame)
    numbers = [_numbers(column) for column in columns]
    _refuse([c for c, values in zip(columns, numbers, strict=True) if values is None], name)
    kept = [values for values in numbers if values is not None]
    return np.stack(kept, axis=1) if len(np.shape(frame)) == 2 else kept[0]


def _columns(frame: Any, name: str) -> list[Any] | None:
    """Return the columns of a frame as narwhals' series; None where it cannot tell them apart."""
    import narwhals as nw

    try:
        found = nw.from_native(frame, pass_through=True, allow_series=True)
    except nw.exceptions.DuplicateError:
        return None
    if isinstance(found, nw.LazyFrame):
        itself = _is_of(frame, {"narwhals", "polars"})
        remedy = name if itself else f"narwhals.from_native({name})"
        raise TypeError(
            f"{name} must be in memory, got a {type(frame).__name__}, a query that nobody has run "
            f"yet. Pass {remedy}.collect()."
        )
    if isinstance(found, nw.Series):
        return [found]
    return list(found.iter_columns()) if isinstance(found, nw.DataFrame) else None


def _numbers(column: Any) -> np.ndarray | None:
    """Return a column as numbers, missing values as NaN; None where it holds something else."""
    if type(column.dtype).__name__ in NOT_NUMBERS:
        return None
    values: np.ndarray = column.to_numpy()
    if values.dtype.kind in "biufc":
        return values
    try:
        return np.where(column.is_null().to_numpy(), np.nan, values).astype(np.float64)
    except (TypeError, ValueError):
        return None


def _refuse(columns: list[Any], name: str) -> None:
    """Refuse columns, if there are any, since they do not hold numbers."""
    if not columns:
        return
    kinds = [type(column.dtype).__name__ for column in columns[:NAMED]]
    found = [
        f"{column.name!r} holds {'text' if kind in TEXT else kind.lower()}"
        for column, kind in zip(columns, kinds, strict=False)
    ]
    if len(columns) > NAMED:
        found.append(f"{len(columns) - NAMED} more hold none either")
    raise ValueError(
        f"{name} must hold numbers only, but its column {', '.join(found)}. Drop what is no "
        "feature, and encode the rest, for instance with sklearn.preprocessing.OneHotEncoder."
    )
