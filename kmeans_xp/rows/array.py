"""Rows in an array in memory, of any namespace, on any device."""

from collections.abc import Sequence
from typing import Any, final

import numpy as np

from kmeans_xp.arrays import Array, device_of, namespace_of, to_host
from kmeans_xp.arrays.checks import check_same_home
from kmeans_xp.arrays.dtypes import working_dtype
from kmeans_xp.arrays.precision import full_precision, quiet
from kmeans_xp.rows.base import Kept, Rows, Step, add, draw_from

# Entries of mass that one cumulative sum spans while sampling.
SAMPLE_BLOCK = 1 << 16


class MemoryRows(Rows):
    """Rows that can be sliced: what arrays in memory and memory maps have in common."""

    def __init__(self, X: Array, dtype: Any = None) -> None:
        self.X = X
        self.shape = (int(X.shape[0]), int(X.shape[1]))
        self.xp = namespace_of(X)
        self.device = device_of(X)
        self.dtype = working_dtype(X, "X") if dtype is None else dtype

    def block(self, start: int, stop: int) -> Array:
        """Return rows `start` to `stop` in the working dtype."""
        return self.xp.astype(self.X[start:stop, :], self.dtype, copy=False)

    def take(self, indices: Sequence[int]) -> Array:
        """Return the rows at host `indices`."""
        xp = self.xp
        rows = xp.take(self.X, xp.asarray(list(indices), device=self.device), axis=0)
        return xp.astype(rows, self.dtype, copy=False)

    def sample(self, mass: Array, uniforms: np.ndarray) -> tuple[list[int], float]:
        """Draw rows with probability proportional to `mass`."""
        xp, n = self.xp, self.shape[0]
        spans = [(a, min(a + SAMPLE_BLOCK, n)) for a in range(0, n, SAMPLE_BLOCK)]
        sums = to_host(xp.stack([xp.sum(mass[a:b], dtype=self.wide) for a, b in spans]))
        cumulative = np.cumsum(sums.astype(np.float64))
        total = float(cumulative[-1])
        if not total > 0:
            return [], total
        indices = []
        for u in uniforms:
            which = draw_from(cumulative, u * total)
            left = u * total - (cumulative[which - 1] if which else 0.0)
            a, b = spans[which]
            indices.append(a + self._row_within(mass[a:b], float(left)))
        return indices, total

    def _row_within(self, mass: Array, target: float) -> int:
        """Return the row at which the cumulative mass of one block passes `target`."""
        xp = self.xp
        cumulative = xp.cumulative_sum(mass, dtype=self.wide)
        # Rows before the target, and rows before the block's total is reached: the second is
        # the last row with any mass, which rounding must not let the first pass.
        passed = xp.sum(xp.astype(cumulative <= target, xp.int32), dtype=xp.int32)
        last = xp.sum(xp.astype(cumulative < cumulative[-1], xp.int32), dtype=xp.int32)
        return min(int(passed), int(last))

    def largest(self, values: Array, count: int) -> list[int]:
        """Return the indices of the largest values, the lowest index first among equals."""
        order = self.xp.argsort(values, descending=True, stable=True)
        return [int(i) for i in to_host(order[:count])]

    def pick(self, aligned: Array, indices: Sequence[int]) -> np.ndarray:
        """Return the entries of an aligned array at `indices`, on the host."""
        xp = self.xp
        where = xp.asarray(list(indices), device=self.device)
        return to_host(xp.take(aligned, where, axis=0))

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

    def sweep(
        self, step: Step, *aligned: Array | None, block_rows: int, spare: Array | None = None
    ) -> tuple[Any, Kept]:
        """Run `step` on every block, in order."""
        total, pieces = None, []
        with full_precision(self.xp), quiet():
            for start in range(0, self.shape[0], block_rows):
                stop = min(start + block_rows, self.shape[0])
                parts = (None if a is None else a[start:stop, ...] for a in aligned)
                more, kept = step(self.block(start, stop), *parts)
                total = add(total, more)
                pieces.append(kept)
        if len(pieces) == 1:
            return total, pieces[0]
        return total, tuple(self.xp.concat(column) for column in zip(*pieces, strict=True))
