"""Results that hold arrays, as text and compared."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from kmeans_xp.arrays.namespace import is_array, is_sparse
from kmeans_xp.arrays.sparse import to_host_matrix

# Entries of a tuple that are shown, and characters of anything else.
ENTRIES, CHARACTERS = 4, 70


class Record:
    """Base of the dataclasses that hold arrays; these say ``eq=False, repr=False``.

    As text arrays are told by dtype and shape, so that a result fits on a screen. Two are equal if
    all their fields are, arrays entry by entry, wherever they live; NaN equals NaN.
    """

    def __repr__(self) -> str:
        """Return a line for each field."""
        lines = [f"    {f.name}={_brief(getattr(self, f.name))},\n" for f in fields(self)]  # type: ignore[arg-type]
        return f"{type(self).__name__}(\n{''.join(lines)})"

    def __eq__(self, other: object) -> bool:
        """Return whether all fields are equal."""
        if type(self) is not type(other):
            return NotImplemented
        return _equal(vars(self), vars(other))

    # What holds arrays cannot be a key.
    __hash__ = None  # type: ignore[assignment]


def _brief(value: Any) -> str:
    """Return a value as text of one line."""
    if is_array(value):
        dtype = str(value.dtype).rpartition(".")[2]
        return f"<{dtype} array of shape {tuple(value.shape)}>"
    if isinstance(value, Record):
        return f"{type(value).__name__}(...)"
    if isinstance(value, Mapping):
        return f"{{{_several([f'{key!r}: {_brief(entry)}' for key, entry in value.items()])}}}"
    if isinstance(value, tuple):
        return f"({_several([_brief(entry) for entry in value])})"
    text = " ".join(repr(value).split())
    return text if len(text) <= CHARACTERS else f"{text[:CHARACTERS]}..."


def _several(entries: list[str]) -> str:
    """Return the first and the last of several entries."""
    if len(entries) > ENTRIES:
        entries = [*entries[: ENTRIES - 1], f"... {len(entries)} in all ...", entries[-1]]
    return ", ".join(entries)


def _equal(a: Any, b: Any) -> bool:
    """Return whether two values are equal, whatever arrays they hold."""
    if a is b:
        return True
    if is_array(a) and is_array(b):
        a, b = to_host_matrix(a), to_host_matrix(b)
        if is_sparse(a) or is_sparse(b):  # PyTorch's count as arrays.
            return _equal(a, b)
        return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
    if is_sparse(a) and is_sparse(b):
        a, b = to_host_matrix(a), to_host_matrix(b)
        return a.shape == b.shape and a.dtype == b.dtype and (a != b).nnz == 0
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    if isinstance(a, tuple | list) and isinstance(b, tuple | list):
        return len(a) == len(b) and all(map(_equal, a, b))
    if is_array(a) or is_array(b):
        return False
    return bool(a == b) or (a != a and b != b)
