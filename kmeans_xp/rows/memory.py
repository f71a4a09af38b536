"""Rows in an array in memory, of any namespace, on any device."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, final

import array_api_compat
import numpy as np

from kmeans_xp.arrays import Array, device_of, namespace_of, to_host
from kmeans_xp.arrays.checks import check_same_home
from kmeans_xp.arrays.dtypes import working_dtype
from kmeans_xp.arrays.precision import full_precision, quiet
from kmeans_xp.arrays.threads import one_blas_thread
from kmeans_xp.rows.base import COMPACT, Indices, Kept, Rows, Step, add, draw_from

# Entries of mass that one cumulative sum spans while sampling.
SPAN = 1 << 13


class MemoryRows(Rows):
    """Rows that can be sliced: what arrays in memory and memory maps have in common.

    Parameters
    ----------
    X : array of shape (n, d)
        All the rows.
    dtype : dtype, optional
        The working dtype; by default what `X` asks for.
    members : array of shape (m,), integers, optional
        Ascending indices of the rows of `X` that these rows are; by default all.
    """

    in_memory = True

    def __init__(self, X: Array, dtype: Any = None, members: Array | None = None) -> None:
        self.X = X
        self.members = members
        self.shape = (int((X if members is None else members).shape[0]), int(X.shape[1]))
        self.xp = namespace_of(X)
        self.device = device_of(X)
        self.dtype = working_dtype(X, "X") if dtype is None else dtype

    def block(self, start: int, stop: int) -> Array:
        """Return rows `start` to `stop` in the working dtype."""
        some = slice(start, stop)
        rows = self.X[some, :] if self.members is None else self._at(self.members[some])
        return self.xp.astype(rows, self.dtype, copy=False)

    def take(self, indices: Indices) -> Array:
        """Return the rows at host `indices`."""
        return self.gather(self._where(indices))

    def gather(self, where: Array) -> Array:
        """Return the rows at indices that live where X does, in the working dtype."""
        where = where if self.members is None else self.xp.take(self.members, where)
        return self.xp.astype(self._at(where), self.dtype, copy=False)

    def _at(self, where: Array) -> Array:
        """Return the rows of X at indices beside it."""
        return self.xp.take(self.X, where, axis=0)

    def subset(self, mask: Array, *aligned: Array | None) -> tuple[Rows, Kept]:
        """Return the rows where `mask` holds, and the same rows of `aligned`."""
        xp = self.xp
        (where,) = xp.nonzero(mask)
        kept = tuple(None if a is None else xp.take(a, where, axis=0) for a in aligned)
        if self.members is not None:
            where = xp.take(self.members, where)
        elif self.X.shape[0] < 2**31:  # half the memory
            where = xp.astype(where, xp.int32)
        rows = self._view(self.X, where)
        rows.columns, rows.taken = self.columns, self.taken
        return rows, kept

    def numbers_in_x(self, indices: Indices) -> np.ndarray:
        """Return which rows of the user's X the rows at host `indices` are."""
        if self.members is not None:
            indices = to_host(self.xp.take(self.members, self._where(indices)))
        return super().numbers_in_x(indices)

    def compact(self, *aligned: Array | None) -> tuple[Rows, Kept]:
        """Return a view's rows, copied to a place of their own if they fit a block."""
        if self.members is None or self.shape[0] * self.shape[1] > COMPACT:
            return self, aligned
        return self._view(self.block(0, self.shape[0]), None), aligned

    def whole(self, block_rows: int) -> Array | None:
        """Return all rows, if they are in memory and not more than a block."""
        n = self.shape[0]
        return self.block(0, n) if n <= block_rows and self.in_memory else None

    def uncopied(self, most: int) -> Array | None:
        """Return all rows, as `whole` does, where their dtype is the working one already."""
        ready = self.members is None and self.X.dtype == self.dtype
        return self.whole(most) if ready else None

    def shares(self, parts: Sequence[Rows]) -> Array | None:
        """Return which of the `parts`, views that share all rows, each is in, (n,) int32."""
        xp, members = self.xp, [part.members for part in parts if isinstance(part, MemoryRows)]
        if len(members) == 1:  # No view, but all rows.
            return xp.zeros(self.shape[0], dtype=xp.int32, device=self.device)
        sizes = [part.shape[0] for part in parts]
        which = self.small(np.repeat(np.arange(len(parts), dtype=np.int32), sizes))
        return xp.take(which, xp.argsort(xp.concat(members)))

    def _opened(self, block: Array) -> Rows:
        return self._view(block, None)

    def _view(self, X: Array, members: Array | None) -> "MemoryRows":
        return type(self)(X, self.dtype, members)

    def _where(self, indices: Indices) -> Array:
        return self.xp.asarray(np.asarray(indices, dtype=np.int64), device=self.device)

    def sample(self, mass: Array, uniforms: np.ndarray) -> tuple[list[int], float]:
        """Draw rows with probability proportional to `mass`."""
        single = self.shape[0] <= SPAN
        sums = to_host(mass if single else self._span_sums(mass))
        cumulative = np.cumsum(sums, dtype=np.float64)
        total = float(cumulative[-1])
        if not total > 0:
            return [], total
        targets = np.asarray(uniforms) * total
        which = draw_from(cumulative, targets)
        if single:
            return which.tolist(), total
        left = targets - np.concatenate([[0.0], cumulative])[which]
        indices = np.empty(len(targets), np.int64)
        spans = np.unique(which)
        places = np.minimum(spans[:, None] * SPAN + np.arange(SPAN), self.shape[0] - 1)
        # One transfer for all spans. What is beyond the last row repeats it, and is not looked at.
        masses = self.pick(mass, places.reshape(-1)).reshape(places.shape)
        for span, span_mass in zip(spans.tolist(), masses, strict=True):
            drawn, first = which == span, span * SPAN
            within = np.cumsum(span_mass[: self.shape[0] - first], dtype=np.float64)
            indices[drawn] = first + draw_from(within, left[drawn])
        return indices.tolist(), total

    def _span_sums(self, mass: Array) -> Array:
        """Return the mass of each span of rows."""
        xp = self.xp
        whole = mass.shape[0] // SPAN * SPAN
        parts = []
        if whole:
            spans = xp.reshape(mass[:whole], (-1, SPAN))
            parts.append(xp.sum(spans, axis=1, dtype=self.wide))
        if whole < mass.shape[0]:
            parts.append(xp.sum(xp.reshape(mass[whole:], (1, -1)), axis=1, dtype=self.wide))
        return parts[0] if len(parts) == 1 else xp.concat(parts)

    def largest(self, values: Array, count: int) -> list[int]:
        """Return the indices of the largest values, the lowest index first among equals."""
        order = self.xp.argsort(-values, stable=True)
        return [int(i) for i in to_host(order[:count])]

    def pick(self, aligned: Array, indices: Indices) -> np.ndarray:
        """Return the entries of an aligned array at `indices`, on the host."""
        return to_host(self.xp.take(aligned, self._where(indices), axis=0))

    def align(self, values: Array, name: str) -> Array:
        """Return a row-aligned array of the user's."""
        check_same_home(values, name, self.X)
        return values

    def spread(self, values: np.ndarray) -> Array:
        """Copy a host array of one entry a row to the device of X."""
        return self.small(values)

    def deliver(self, small: Array) -> Array:
        """Return a small array in the namespace of X, in which it is already."""
        return small

    def admit(self, small: Array, name: str) -> Array:
        """Return a small array of the user's where blocks live."""
        check_same_home(small, name, self.X)
        return self.xp.astype(small, self.dtype, copy=False)


@final
class ArrayRows(MemoryRows):
    """Rows in an array whose library brings its own parallelism: blocks run one by one."""

    def align(self, values: Array, name: str) -> Array:
        """Return a row-aligned array of the user's; a host array goes to the device of X."""
        if not isinstance(values, np.ndarray):
            return super().align(values, name)
        working_dtype(values, name)
        if values.dtype.kind == "f":
            return self.spread(self.host_floats(values, self.wide))
        return self.spread(np.array(values, values.dtype.newbyteorder("="), order="C"))

    def admit(self, small: Array, name: str) -> Array:
        """Return a small array of the user's where blocks live; a host array goes there."""
        if not isinstance(small, np.ndarray):
            return super().admit(small, name)
        return self.small(self.host_floats(small, self.dtype))

    @property
    def place(self) -> str:
        """Return where the rows live, in words."""
        library = self.xp.__name__.removeprefix("array_api_compat.")
        return f"{library} array on {self.device}"

    def sweep(
        self, step: Step, *aligned: Array | None, block_rows: int, spare: Array | None = None
    ) -> tuple[Any, Kept]:
        """Run `step` on every block, in order."""
        total, pieces = None, []
        with self.together(), full_precision(self.xp), quiet():
            for start in range(0, self.shape[0], block_rows):
                stop = min(start + block_rows, self.shape[0])
                parts = (None if a is None else a[start:stop, ...] for a in aligned)
                more, kept = step(self.block(start, stop), *parts)
                total = add(total, more)
                pieces.append(kept)
        if len(pieces) == 1:
            return total, pieces[0]
        return total, tuple(self.xp.concat(column) for column in zip(*pieces, strict=True))

    def together(self) -> AbstractContextManager[None]:
        """Hold BLAS to one thread for the one library that computes with NumPy's."""
        numpys = array_api_compat.is_array_api_strict_namespace(self.xp)
        return one_blas_thread() if numpys else nullcontext()
