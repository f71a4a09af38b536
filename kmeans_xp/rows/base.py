"""What every source of rows offers."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import numpy as np

from kmeans_xp.arrays import Array, Namespace, Totals, to_host, to_like
from kmeans_xp.arrays.draws import uniforms
from kmeans_xp.arrays.dtypes import widest_float

# Entries of rows that a view copies to a place of their own.
COMPACT = 1 << 24

Kept = tuple[Array, ...]
Indices = Sequence[int] | np.ndarray
Step = Callable[..., tuple[Any, Kept]]
Made = TypeVar("Made")


class Rows(ABC):
    """The rows of a matrix, wherever they live.

    A step is a function of a block of rows, and of the same rows of any aligned arrays. It
    returns what adds up over blocks (`Totals`) and what is kept for each row. Blocks arrive in
    the working dtype, whatever X holds.

    Attributes
    ----------
    shape : tuple of int
        Rows and features.
    dtype : dtype
        The working dtype: float32 or float64.
    xp, device : namespace, device
        Where blocks live, and the small arrays that steps need.
    wide : dtype
        The widest float of the device, in which totals are kept.
    in_memory : bool
        Whether X is an array in memory, whose rows may be taken here and there, and all at once.
    columns : list, optional
        What the features are called, for errors.
    taken : numpy.ndarray of shape (n,), optional
        Which rows of the user's X these are copies of, for errors; None if they are all.
    """

    shape: tuple[int, int]
    dtype: Any
    xp: Namespace
    device: Any
    in_memory = False
    columns: list[Any] | None = None
    taken: np.ndarray | None = None

    @property
    def wide(self) -> Any:
        """Return the widest float of the device."""
        return widest_float(self.xp, self.device)

    @property
    @abstractmethod
    def place(self) -> str:
        """Return where the rows live, in words."""

    @property
    def concurrency(self) -> int | None:
        """Return how many blocks run at once; None where X's library or scheduler decides."""
        return None

    @abstractmethod
    def sweep(
        self, step: Step, *aligned: Array | None, block_rows: int, spare: Array | None = None
    ) -> tuple[Any, Kept]:
        """Run `step` on every block; return the sum of the totals, and what was kept.

        `spare` is an aligned array that nobody needs afterwards: where arrays are writable, the
        first array kept may take its memory.
        """

    @abstractmethod
    def take(self, indices: Indices) -> Array:
        """Return the rows at host `indices`, (m, d), in the working dtype."""

    def block(self, start: int, stop: int) -> Array:
        """Return rows `start` to `stop` in the working dtype."""
        return self.take(np.arange(start, stop))

    def gather(self, where: Array) -> Array:
        """Return the rows at indices that are an array of the blocks' kind, (m, d)."""
        return self.take(to_host(where))

    def copied(self, indices: Indices) -> "Rows":
        """Return the rows at host `indices` as rows of their own."""
        rows = self._opened(self.take(indices))
        rows.columns, rows.taken = self.columns, self.numbers_in_x(indices)
        return rows

    def numbers_in_x(self, indices: Indices) -> np.ndarray:
        """Return which rows of the user's X the rows at host `indices` are, for errors."""
        where = np.asarray(indices, dtype=np.int64)
        return where if self.taken is None else self.taken[where]

    @abstractmethod
    def _opened(self, block: Array) -> "Rows":
        """Return rows in memory of blocks' kind."""

    def together(self) -> AbstractContextManager[None]:
        """Return a context for many sweeps, and what is done between them."""
        return nullcontext()

    def team(self, work: Callable[[], bool], help_out: Callable[[], Any]) -> None:
        """Run `work` until it returns true, and where there are threads to do so, `help_out`."""
        while not work():
            pass

    def each(self, calls: Sequence[Callable[[], Made]]) -> list[Made]:
        """Return what calls come to, in their order; threads, where there are some, share them."""
        return [call() for call in calls]

    def evenly(self, count: int) -> Array:
        """Return at most `count` rows, spread evenly over all."""
        n = self.shape[0]
        count = min(n, count)
        return self.take([n * i // count for i in range(count)])

    @abstractmethod
    def sample(self, mass: Array, uniforms: np.ndarray) -> tuple[list[int], float]:
        """Draw rows with probability proportional to `mass`, (n,), one per uniform in [0, 1).

        In two steps, a block by its total and then a row in the block, each the inverse of one
        cumulative distribution: the outcome depends on the uniforms, not on the blocks.

        Returns
        -------
        indices : list of int
            Rows of positive mass; empty if no row has any.
        total : float
            The sum of the mass.
        """

    @abstractmethod
    def largest(self, values: Array, count: int) -> list[int]:
        """Return the indices of the `count` largest of `values`, (n,), largest first."""

    @abstractmethod
    def subset(self, mask: Array, *aligned: Array | None) -> "tuple[Rows, Kept]":
        """Return the rows where `mask`, (n,) of bool, holds, and the same rows of `aligned`.

        A view: it gathers a block from X when a step wants it. The mask may be aligned with
        what `compact` returns instead.
        """

    @abstractmethod
    def compact(self, *aligned: Array | None) -> "tuple[Rows, Kept]":
        """Return a view's rows, copied to a place of their own if they fit a block, and `aligned`.

        Whoever passes over the rows often gathers them once; where they are too many, or no
        view, they come back as they are.
        """

    def whole(self, block_rows: int) -> Array | None:
        """Return all rows, if they are in memory and not more than a block."""
        return None

    def uncopied(self, most: int) -> Array | None:
        """Return all rows, as `whole` does, where their dtype is the working one already."""
        return None

    def shares(self, parts: "Sequence[Rows]") -> Array | None:
        """Return which of the `parts`, views that share all rows, each is in, or None."""
        return None

    @abstractmethod
    def pick(self, aligned: Array, indices: Indices) -> np.ndarray:
        """Return the entries of an aligned array at `indices`, on the host."""

    @abstractmethod
    def align(self, values: Array, name: str) -> Array:
        """Return a row-aligned array of the user's in the way that sweeps want it.

        A host array goes to where the rows live; one from elsewhere is refused.
        """

    @abstractmethod
    def spread(self, values: np.ndarray) -> Array:
        """Copy a host array of one entry a row to where the rows live, aligned with them."""

    def uniforms(self, seed: int) -> Array:
        """Return a draw from [0, 1) for each row, (n,) in the widest float, where the rows live.

        It depends on the seed and the row's number alone.
        """
        return self.small(uniforms(seed, 0, self.shape[0]), self.wide)

    def numbers(self) -> Array:
        """Return the number of each row, (n,) integers, aligned with the rows."""
        return self.spread(np.arange(self.shape[0]))

    @abstractmethod
    def deliver(self, small: Array) -> Array:
        """Return a small array of the blocks' namespace in the namespace of X."""

    @abstractmethod
    def admit(self, small: Array, name: str) -> Array:
        """Return a small array of the user's where blocks live, in their dtype.

        A host array goes there; one from elsewhere is refused.
        """

    def fold(self, step: Callable[..., Any], *aligned: Array | None, block_rows: int) -> Any:
        """Add up what `step` returns for each block."""
        return self.sweep(_Folded(step), *aligned, block_rows=block_rows)[0]

    def map(
        self,
        step: Callable[..., Kept],
        *aligned: Array | None,
        block_rows: int,
        spare: Array | None = None,
    ) -> Kept:
        """Keep what `step` returns for each row, where the rows live."""
        return self.sweep(_Mapped(step), *aligned, block_rows=block_rows, spare=spare)[1]

    def small(self, values: Any, dtype: Any = None) -> Array:
        """Copy small host values to where blocks live."""
        return to_like(values, None, dtype, xp=self.xp, device=self.device)

    def host_floats(self, values: np.ndarray, dtype: Any) -> np.ndarray:
        """Return a copy of a host array in the host's dtype for `dtype`, a float of the blocks'.

        As every library takes it: native, row by row, and writable.
        """
        return np.array(values, np.float64 if dtype == self.xp.float64 else np.float32, order="C")


class _Folded:
    """A step that keeps nothing. A class, not a closure, so that it can be pickled."""

    def __init__(self, step: Callable[..., Any]) -> None:
        self.step = step

    def __call__(self, *blocks: Array) -> tuple[Any, Kept]:
        return self.step(*blocks), ()


class _Mapped:
    """A step that adds up nothing."""

    def __init__(self, step: Callable[..., Kept]) -> None:
        self.step = step

    def __call__(self, *blocks: Array) -> tuple[None, Kept]:
        return None, self.step(*blocks)


def add(total: Totals | None, more: Totals | None) -> Totals | None:
    """Add totals, where None stands for nothing yet."""
    if total is None or more is None:
        return more if total is None else total
    return total + more


def draw_from(cumulative: np.ndarray, targets: Any) -> Any:
    """Return the indices at which `cumulative` passes `targets`; never one without mass."""
    last = np.searchsorted(cumulative, cumulative[-1], side="left")
    return np.minimum(np.searchsorted(cumulative, targets, side="right"), last)


def host_float(value: Array) -> float:
    """Return a 0-d array as a Python float."""
    return float(to_host(value))
