"""Rows in NumPy arrays, whose blocks run on a thread pool, or are streamed from a memory map."""

import mmap
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from threading import Event, Lock
from typing import Any, final

import numpy as np

from kmeans_xp.arrays import Array
from kmeans_xp.arrays.precision import quiet
from kmeans_xp.arrays.threads import one_blas_thread
from kmeans_xp.arrays.views import empty_for_jax
from kmeans_xp.rows.base import Indices, Kept, Made, Rows, Step, add
from kmeans_xp.rows.memory import MemoryRows
from kmeans_xp.rows.threads import Threads

# Entries of X below which one thread finds out how long a sweep takes, where that is not known.
SMALL = 1 << 18
# Bytes of the largest pages of a mapped file, and how many of those are held at a time where rows
# are taken here and there: each brings in the whole page that it is in.
PAGE = 1 << 21
PAGES = 8
# Bytes from one such row to the next, on average, from which nothing is read ahead: as many as
# systems mostly do.
SPARSE = 1 << 17
# Modes of a `numpy.memmap` whose pages are the file's own.
SHARED = ("r", "r+", "w+")


@final
class NumpyRows(MemoryRows):
    """Rows in a NumPy array, in memory or mapped from a file.

    Parameters
    ----------
    X : numpy.ndarray
        Two-dimensional. A `numpy.memmap` is read block by block, and the pages of a block are
        given back when its step is done.
    threads : int, optional
        How many; by default what `thread_count` says.
    """

    def __init__(
        self,
        X: np.ndarray,
        dtype: Any = None,
        members: np.ndarray | None = None,
        *,
        threads: int | None = None,
    ) -> None:
        super().__init__(X, dtype, members)
        self.threads = Threads(threads)
        self._mapping = _shared_mapping(X)
        self.in_memory = not isinstance(X, np.memmap)

    @property
    def place(self) -> str:
        """Return where the rows live, in words."""
        return "NumPy array in memory" if self.in_memory else "memory map, read block by block"

    @property
    def concurrency(self) -> int:
        """Return how many blocks run at once."""
        return self.threads.count

    def sweep(
        self, step: Step, *aligned: Array | None, block_rows: int, spare: Array | None = None
    ) -> tuple[Any, Kept]:
        """Run `step` on every block, on the thread pool where there are several."""
        # One BLAS thread for a single block too: threads could round a product differently.
        with one_blas_thread(), quiet():
            if self.shape[0] > block_rows:
                return self._sweep(step, aligned, block_rows, spare)
            kept = step(self.block(0, self.shape[0]), *aligned)
            self._release(0, self.shape[0])
            return kept

    def _sweep(
        self, step: Step, aligned: Kept, block_rows: int, spare: Array | None
    ) -> tuple[Any, Kept]:
        n, d = self.shape
        starts = range(0, n, block_rows)
        keeper = _Keeper(n, spare)

        @quiet()
        def run(first: int, last: int, stopped: Event) -> Any:
            total = None
            for start in starts[first:last]:
                if stopped.is_set():
                    break
                stop = min(start + block_rows, n)
                parts = (None if a is None else a[start:stop] for a in aligned)
                more, kept = step(self.block(start, stop), *parts)
                self._release(start, stop)
                keeper.keep(start, stop, kept)
                total = add(total, more)
            return total

        small = n * d < SMALL
        total = self.threads.add_up(run, len(starts), block_rows=block_rows, small=small)
        return total, keeper.arrays

    def team(self, work: Callable[[], bool], help_out: Callable[[], Any]) -> None:
        """Run `work` until it returns true; meanwhile, and for a while after, others help."""
        self.threads.team(work, help_out)

    def each(self, calls: Sequence[Callable[[], Made]]) -> list[Made]:
        """Return what calls come to, in their order; threads share them."""
        with one_blas_thread():
            return self.threads.each(calls)

    def together(self) -> AbstractContextManager[None]:
        """Hold BLAS to one thread: idle ones would go on spinning in the way of the sweeps."""
        return one_blas_thread()

    def take(self, indices: Indices) -> Array:
        """Return the rows at host `indices`."""
        where = np.asarray(indices, dtype=np.int64)
        where = where if self.members is None else self.members[where]
        return self._at(where).astype(self.dtype, copy=False)

    def _at(self, where: np.ndarray) -> np.ndarray:
        return gather(self.X, where)

    def admit(self, small: Array, name: str) -> Array:
        """Return a small array of the user's, row by row as kernels want it."""
        return np.asarray(super().admit(small, name), order="C")

    def small(self, values: Any, dtype: Any = None) -> Array:
        """Return small host values, which are where blocks live."""
        return np.asarray(values, dtype)

    def compact(self, *aligned: Array | None) -> tuple[Rows, Kept]:
        """Return a view's rows, copied to a place of their own if they fit a block."""
        compact = super().compact(*aligned)
        if compact[0] is not self:
            self._release(0, self.shape[0])
        return compact

    def _view(self, X: np.ndarray, members: np.ndarray | None) -> MemoryRows:
        return NumpyRows(X, self.dtype, members, threads=self.threads.asked)

    def _release(self, start: int, stop: int) -> None:
        """Give the pages of a mapped block back, so that the file never fills the memory."""
        if self._mapping is None:
            return
        if self.members is not None:
            start, stop = int(self.members[start]), int(self.members[stop - 1]) + 1
        self._mapping.give_back(self.X[start:stop])


def gather(X: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Return the rows at indices; of a mapped file little is held in memory at any time."""
    mapping = _shared_mapping(X)
    X = np.asarray(X)
    if mapping is None or not len(where):
        # `take` is faster, but makes a copy of all rows first if they lie column by column.
        return X.take(where, axis=0) if X.flags.c_contiguous else X[where]
    out = np.empty((len(where), X.shape[1]), X.dtype)
    step, across = (abs(stride) for stride in X.strides)
    order = np.argsort(where, kind="stable")
    pages = np.cumsum(np.diff(where[order] * step // PAGE, prepend=0) != 0)
    batches = np.split(order, np.flatnonzero(np.diff(pages // PAGES)) + 1)
    columns = range(X.shape[1]) if step < across else [slice(None)]
    with mapping.scattered(len(where) * SPARSE < len(X) * step):
        for some in columns:
            for batch in batches:
                out[batch, some] = X[where[batch], some]
                mapping.give_back(X[where[batch[0]] : where[batch[-1]] + 1, some], PAGE)
    return out


class _Keeper:
    """Row-aligned output, allocated when the first block shows what it looks like."""

    def __init__(self, n: int, spare: np.ndarray | None) -> None:
        self.n = n
        self.spare = spare
        self.arrays: tuple[np.ndarray, ...] = ()
        self._lock = Lock()

    def keep(self, start: int, stop: int, kept: Kept) -> None:
        if not kept:
            return
        with self._lock:
            if not self.arrays:
                arrays = [empty_for_jax((self.n, *a.shape[1:]), a.dtype) for a in kept]
                if self.spare is not None and arrays[0].dtype == self.spare.dtype:
                    arrays[0] = self.spare
                self.arrays = tuple(arrays)
        for whole, part in zip(self.arrays, kept, strict=True):
            whole[start:stop] = part


@dataclass(frozen=True)
class _Mapping:
    """A mapped file, and its address."""

    file: mmap.mmap
    address: int

    def give_back(self, part: np.ndarray, page: int = mmap.PAGESIZE) -> None:
        """Give back the pages under a part of the array; they are read again when used again."""
        low, high = np.lib.array_utils.byte_bounds(part)
        first = (low - self.address) // page * page
        last = min(-(-(high - self.address) // page) * page, len(self.file))
        self.file.madvise(mmap.MADV_DONTNEED, first, last - first)

    @contextmanager
    def scattered(self, sparse: bool) -> Iterator[None]:
        """Have nothing read ahead meanwhile, if what is read is `sparse`."""
        if not sparse:
            yield
            return
        self.file.madvise(mmap.MADV_RANDOM)
        try:
            yield
        finally:
            self.file.madvise(mmap.MADV_NORMAL)


def _shared_mapping(X: np.ndarray) -> _Mapping | None:
    """Return the file mapping under `X`, where its pages may be given back.

    Not for a copy-on-write map (mode "c"), whose private pages exist nowhere else, nor for a view
    that does not know its mode.
    """
    if getattr(X, "mode", None) not in SHARED or not hasattr(mmap, "MADV_DONTNEED"):
        return None
    base: Any = X
    while isinstance(base, np.ndarray):
        base = base.base
    if not isinstance(base, mmap.mmap):
        return None
    return _Mapping(base, np.frombuffer(base, np.uint8).__array_interface__["data"][0])
