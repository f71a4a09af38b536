"""Rows in a Dask array: each chunk is a task, and the results meet in a tree."""

import math
from collections.abc import Callable
from copy import copy
from functools import partial
from typing import Any, final

import array_api_compat
import dask
import dask.array as da
import numpy as np

from kmeans_xp.arrays import Array, as_array, device_of, namespace_of, to_host, to_like
from kmeans_xp.arrays.checks import check_matrix
from kmeans_xp.arrays.draws import uniforms
from kmeans_xp.arrays.dtypes import working_dtype
from kmeans_xp.arrays.threads import one_blas_thread
from kmeans_xp.rows.base import COMPACT, Indices, Kept, Rows, Step, add, draw_from
from kmeans_xp.rows.memory import ArrayRows, MemoryRows
from kmeans_xp.rows.numpy import NumpyRows

# How many totals one task of the tree adds up.
FAN_IN = 8


class _Declared:
    """What an array declares of one of its chunks, to which Dask does not hold them.

    Not a dataclass: Dask would look for tasks in its fields, each time that it is passed to one.

    Parameters
    ----------
    name : str
        Of the argument that the array is.
    number : int
        Of the chunk.
    kind : type
        Of the chunk.
    shape : tuple of int
    dtype : dtype, optional
        What the chunk is computed in.
    """

    def __init__(
        self, name: str, number: int, kind: type, shape: tuple[int, ...], dtype: Any = None
    ) -> None:
        self.name = name
        self.number = number
        self.kind = kind
        self.shape = shape
        self.dtype = dtype

    def require(self, chunk: Any) -> None:
        """Require a chunk to be what was declared.

        Raises
        ------
        TypeError, ValueError
            If it is of another type, or has another shape, or a dtype that holds more.
        """
        name, place = self.name, f"but chunk {self.number}"
        array = as_array(chunk, name)
        if not isinstance(chunk, self.kind):
            raise TypeError(
                f"{name} must have chunks of the type {self.kind.__name__}, as it declares, "
                f"{place} is of type {type(chunk).__name__}. Convert it, for instance with "
                f"{name}.map_blocks(numpy.asarray)."
            )
        if array.shape != self.shape:
            raise ValueError(
                f"{name} must have chunks of the shapes that it declares, {place} has the shape "
                f"{array.shape} where it declares {self.shape}. Find the true ones with "
                f"{name}.compute_chunk_sizes()."
            )
        if self.dtype is None or array.dtype == self.dtype:
            return
        if namespace_of(array).result_type(working_dtype(array, name), self.dtype) != self.dtype:
            raise ValueError(
                f"{name} must have chunks of the dtype that it declares, {place} holds "
                f"{array.dtype}, which does not fit {self.dtype}. Convert it, for instance with "
                f"{name}.map_blocks(numpy.asarray, dtype={str(self.dtype)!r})."
            )


@final
class DaskRows(Rows):
    """Rows in a Dask array, on whichever scheduler is current.

    Chunks may be uneven or empty, and their lengths unknown (those are computed once). Chunks
    along features are joined. Nothing is persisted that is as long as X, except what a sweep
    keeps.

    Parameters
    ----------
    X : dask.array.Array
        Two-dimensional.
    """

    def __init__(self, X: da.Array) -> None:
        if len(X.chunks[1]) > 1:
            X = X.rechunk({1: -1})
        meta = _checked_meta(X)
        self.xp = namespace_of(meta)
        self.device = device_of(meta)
        self.dtype = working_dtype(meta, "X")
        self._whole = self._chunks = list(X.to_delayed(optimize_graph=True)[:, 0])
        self._members: list[Any] | None = None
        self.lengths = _lengths(X, self._chunks)
        self.shape = (sum(self.lengths), int(X.shape[1]))
        self._declared = [
            _Declared("X", i, type(meta), (length, self.shape[1]), self.dtype)
            for i, length in enumerate(self.lengths)
        ]
        check_matrix(np.broadcast_to(0.0, self.shape), "X")

    @property
    def place(self) -> str:
        """Return where the rows live, in words."""
        library = self.xp.__name__.removeprefix("array_api_compat.")
        return f"Dask array of {len(self._chunks)} chunks of {library}"

    def sweep(
        self, step: Step, *aligned: Array | None, block_rows: int, spare: Array | None = None
    ) -> tuple[Any, Kept]:
        """Run `step` on every chunk that is not empty, block by block."""
        columns = [self._pieces(a) for a in aligned]
        task = dask.delayed(_sweep_chunk, nout=2, pure=False)
        tasks = []
        for i, (chunk, declared) in enumerate(zip(self._chunks, self._declared, strict=True)):
            parts = [None if c is None else c[i] for c in columns]
            tasks.append(task(step, block_rows, declared, chunk, *parts))
        total = _tree([t[0] for t in tasks])
        likes = self._kept_like(step, aligned, block_rows)
        kept = tuple(self._join(tasks, j, like) for j, like in enumerate(likes))
        # Held here for the scheduler's threads in this process; other processes hold their own.
        # The chunks' graph is optimised already. Optimised again beside what is kept, other tasks
        # would get the same keys, of which the distributed scheduler warns.
        with one_blas_thread():
            total, *kept = dask.persist(total, *kept, optimize_graph=False)
            return dask.compute(total)[0], tuple(kept)

    def take(self, indices: Indices) -> Array:
        """Return the rows at host `indices`."""
        which, within = _places(self.lengths, indices)
        found = _by_piece(_entries, self._chunks, which, within, self._declared)
        return self.xp.astype(found, self.dtype, copy=False)

    def subset(self, mask: Array, *aligned: Array | None) -> tuple[Rows, Kept]:
        """Return the rows where `mask` holds, and the same rows of `aligned`."""
        if not isinstance(mask, da.Array):
            mask = self.spread(to_host(mask))
        held = [dask.delayed(_held)(piece) for piece in self._pieces(mask) or []]
        held = list(dask.persist(*held))
        few = copy(self)
        # From the chunks of X itself at every depth, so that a view of views gathers once.
        few._members = held
        if self._members is not None:
            few._members = list(dask.persist(*_entries_of(self._members, held)))
        few._chunks = _entries_of(self._whole, few._members)
        few.lengths = list(dask.compute(*[dask.delayed(len)(h) for h in held]))
        few.shape = (sum(few.lengths), self.shape[1])
        few._declared = [
            _Declared("X", i, declared.kind, (length, self.shape[1]), self.dtype)
            for i, (declared, length) in enumerate(zip(self._declared, few.lengths, strict=True))
        ]
        columns = [self._pieces(a) for a in aligned]
        kept = [
            None if c is None else few._column(_entries_of(c, held), a)
            for c, a in zip(columns, aligned, strict=True)
        ]
        return few, tuple(kept)

    def compact(self, *aligned: Array | None) -> tuple[Rows, Kept]:
        """Return a view's rows, copied to a place of their own if they fit a block."""
        if self._members is None or self.shape[0] * self.shape[1] > COMPACT:
            return self, aligned
        chunks, *columns = dask.compute(self._chunks, *aligned)
        rows = self.xp.astype(self.xp.concat(chunks), self.dtype, copy=False)
        return self._opened(rows), tuple(columns)

    def _opened(self, block: Array) -> Rows:
        return (NumpyRows if isinstance(block, np.ndarray) else ArrayRows)(block)

    def sample(self, mass: Array, uniforms: np.ndarray) -> tuple[list[int], float]:
        """Draw rows with probability proportional to `mass`."""
        pieces = self._pieces(mass) or []
        sums = dask.compute(*[dask.delayed(_host_sum)(p) for p in pieces])
        cumulative = np.cumsum(sums)
        total = float(cumulative[-1])
        if not total > 0:
            return [], total
        targets = np.asarray(uniforms) * total
        which = draw_from(cumulative, targets)
        left = targets - np.concatenate([[0.0], cumulative])[which]
        found = _by_piece(_rows_within, pieces, which, left)
        offsets = np.cumsum([0, *self.lengths])
        return (offsets[which] + found).tolist(), total

    def largest(self, values: Array, count: int) -> list[int]:
        """Return the indices of the largest values, the lowest index first among equals."""
        tops = dask.compute(
            *[dask.delayed(_largest_within)(p, count) for p in self._pieces(values) or []]
        )
        offsets = np.cumsum([0, *self.lengths])
        found = np.concatenate([top for top, _ in tops])
        index = np.concatenate([i + o for (_, i), o in zip(tops, offsets, strict=False)])
        return [int(i) for i in index[np.lexsort((index, -found))[:count]]]

    def pick(self, aligned: Array, indices: Indices) -> np.ndarray:
        """Return the entries of an aligned array at `indices`, on the host."""
        return to_host(_by_piece(_entries, self._pieces(aligned), *_places(self.lengths, indices)))

    def align(self, values: Array, name: str) -> Array:
        """Return a row-aligned Dask array, chunked along the rows of X."""
        if isinstance(values, np.ndarray):
            working_dtype(values, name)
            return self.spread(values) if values.shape[:1] == self.shape[:1] else values
        if not isinstance(values, da.Array):
            raise TypeError(
                f"{name} must be a list, or an array of Dask, which X is, or of NumPy, got "
                f"{type(values).__name__}. Pass dask.array.from_array({name}, chunks=X.chunks[0])."
            )
        if values.ndim != 1:
            return values
        if any(math.isnan(c) for c in values.chunks[0]):
            values = values.copy()
            values.compute_chunk_sizes()
        if values.shape[0] != self.shape[0]:
            return values
        kind = self._declared[0].kind
        values = values.map_blocks(
            _aligned_block, name, kind, dtype=values.dtype, meta=values._meta
        )
        return values.rechunk({0: tuple(self.lengths)})

    def spread(self, values: np.ndarray) -> Array:
        """Return a host array of one entry a row as a Dask array, chunked along the rows of X."""
        array = da.from_array(values, chunks=-1).rechunk({0: tuple(self.lengths)})
        if array_api_compat.is_numpy_namespace(self.xp):
            return array
        like = self.small(values[:0])
        return array.map_blocks(to_like, like=like, dtype=values.dtype, meta=like)

    def uniforms(self, seed: int) -> Array:
        """Return a draw from [0, 1) for each row, made where its chunk is."""
        return self._made(partial(_uniforms_like, seed=seed), self.wide)

    def numbers(self) -> Array:
        """Return the number of each row, made where its chunk is."""
        return self._made(_numbers_like, self.xp.int64)

    def _made(self, make: Callable[..., Array], dtype: Any) -> da.Array:
        """Return what `make` returns for each row, like an array of `dtype`, as a Dask array."""
        like = self.xp.zeros(0, dtype=dtype, device=self.device)
        ends, piece = np.cumsum(self.lengths), dask.delayed(make)
        pieces = [
            piece(like, int(end) - length, int(end))
            for end, length in zip(ends, self.lengths, strict=True)
        ]
        return self._column(pieces, like)

    def deliver(self, small: Array) -> Array:
        """Return a small array as a Dask array of one chunk."""
        return da.from_array(small, chunks=-1)

    def admit(self, small: Array, name: str) -> Array:
        """Return a small array of the user's: Dask's, of the chunks' own kind, or a host array."""
        if isinstance(small, da.Array):
            small = as_array(small.compute(), name)
        if namespace_of(small) is not self.xp:
            if isinstance(small, np.ndarray):
                return self.small(self.host_floats(small, self.dtype))
            raise TypeError(
                f"{name} must be a list, or an array of Dask, of NumPy or like the chunks of X "
                f"({self.xp.__name__}), got {type(small).__name__}. Convert it."
            )
        return self.xp.astype(small, self.dtype, copy=False)

    def _pieces(self, aligned: Array | None) -> list[Any] | None:
        """Return an aligned array's chunks, one for each chunk of X."""
        if aligned is None:
            return None
        return list(aligned.to_delayed(optimize_graph=True).reshape(-1))

    def _kept_like(self, step: Step, aligned: tuple[Any, ...], block_rows: int) -> Kept:
        """Return what `step` keeps for one row of zeros, to learn the dtypes and widths."""
        one = self.xp.zeros((1, self.shape[1]), dtype=self.dtype, device=self.device)
        parts = [
            None if a is None else self.xp.zeros((1, *a.shape[1:]), dtype=a.dtype) for a in aligned
        ]
        return _in_memory(one).sweep(step, *parts, block_rows=block_rows)[1]

    def _join(self, tasks: list[Any], j: int, like: Array) -> da.Array:
        """Return the `j`-th kept array as a Dask array, chunked as X is."""
        return self._column([task[1][j] for task in tasks], like)

    def _column(self, pieces: list[Any], like: Array) -> da.Array:
        """Return delayed pieces as an array chunked as the rows are; empty ones are not asked."""
        meta = like._meta if isinstance(like, da.Array) else like[:0]
        columns = []
        for piece, length in zip(pieces, self.lengths, strict=True):
            shape = (length, *like.shape[1:])
            if length:
                columns.append(da.from_delayed(piece, shape, meta=meta))
            else:
                columns.append(da.from_array(self.xp.zeros(shape, dtype=like.dtype), chunks=shape))
        # Empty chunks are lost on the way, and put back here.
        return da.concatenate(columns).rechunk({0: tuple(self.lengths)})


def _checked_meta(X: da.Array) -> Array:
    """Return an empty array of the kind of the chunks; refuse what cannot be swept."""
    meta = as_array(X._meta, "X")
    if not (array_api_compat.is_numpy_array(meta) or array_api_compat.is_cupy_array(meta)):
        raise TypeError(
            f"X must have chunks of NumPy or CuPy arrays where it is a Dask array, got chunks of "
            f"type {type(X._meta).__name__}. Convert them, for instance with "
            "X.map_blocks(numpy.asarray)."
        )
    if math.isnan(X.shape[1]):
        raise ValueError(
            f"X must have a known number of features, got the shape {X.shape}. Call "
            "X.compute_chunk_sizes() first."
        )
    return meta


def _lengths(X: da.Array, chunks: list[Any]) -> list[int]:
    if any(math.isnan(c) for c in X.chunks[0]):
        return list(dask.compute(*[dask.delayed(_length)(c) for c in chunks]))
    return [int(c) for c in X.chunks[0]]


def _length(chunk: Any) -> int:
    return len(as_array(chunk, "X"))


def _in_memory(chunk: Array) -> MemoryRows:
    """Open a chunk. The scheduler brings the threads, so a chunk takes one."""
    return NumpyRows(chunk, threads=1) if isinstance(chunk, np.ndarray) else ArrayRows(chunk)


def _sweep_chunk(
    step: Step, block_rows: int, declared: _Declared, chunk: Array, *parts: Array | None
) -> tuple[Any, Kept]:
    declared.require(chunk)
    if not len(chunk):
        return None, ()
    rows = _in_memory(chunk)
    rows.dtype = declared.dtype
    return rows.sweep(step, *parts, block_rows=block_rows)


def _tree(totals: list[Any]) -> Any:
    """Add up delayed totals in order, a few to a task, so that none must hold them all."""
    while len(totals) > 1:
        groups = [totals[i : i + FAN_IN] for i in range(0, len(totals), FAN_IN)]
        totals = [dask.delayed(_add_all)(group) for group in groups]
    return totals[0]


def _add_all(totals: list[Any]) -> Any:
    result = None
    for total in totals:
        result = add(result, total)
    return result


def _places(lengths: list[int], indices: Indices) -> tuple[np.ndarray, np.ndarray]:
    """Return which chunk each row is in, and where in it."""
    ends = np.cumsum(lengths)
    where = np.asarray(indices, dtype=np.int64)
    which = np.searchsorted(ends, where, side="right")
    return which, where - (ends - lengths)[which]


def _by_piece(
    function: Any, pieces: Any, which: np.ndarray, asked: np.ndarray, *beside: list[Any]
) -> Array:
    """Ask each piece for all that it holds in one task; return the answers as they were asked."""
    used = np.unique(which)
    tasks = [
        dask.delayed(function)(pieces[w], asked[which == w], *(known[w] for known in beside))
        for w in used
    ]
    answers = dask.compute(*tasks)
    xp = namespace_of(answers[0])
    order = np.argsort(np.argsort(which, kind="stable"))
    return xp.take(xp.concat(answers), xp.asarray(order, device=device_of(answers[0])), axis=0)


def _entries_of(pieces: list[Any], indices: list[Any]) -> list[Any]:
    return [dask.delayed(_entries)(p, i) for p, i in zip(pieces, indices, strict=True)]


def _entries(piece: Array, indices: Array, declared: _Declared | None = None) -> Array:
    if declared is not None:
        declared.require(piece)
    xp = namespace_of(piece)
    return xp.take(piece, xp.asarray(indices, device=device_of(piece)), axis=0)


def _aligned_block(block: Array, name: str, kind: type, *, block_info: Any) -> Array:
    """Return a chunk of an aligned array; require it to be what was declared."""
    (number,), shape = block_info[None]["chunk-location"], block_info[None]["chunk-shape"]
    _Declared(name, number, kind, shape).require(block)
    return block


def _uniforms_like(like: Array, start: int, stop: int, *, seed: int) -> Array:
    return to_like(uniforms(seed, start, stop), like, like.dtype)


def _numbers_like(like: Array, start: int, stop: int) -> Array:
    return to_like(np.arange(start, stop), like, like.dtype)


def _held(mask: Array) -> Array:
    return namespace_of(mask).nonzero(mask)[0]


def _host_sum(mass: Array) -> float:
    return float(np.sum(to_host(mass), dtype=np.float64))


def _rows_within(mass: Array, targets: np.ndarray) -> np.ndarray:
    return np.asarray(draw_from(np.cumsum(to_host(mass), dtype=np.float64), targets))


def _largest_within(values: Array, count: int) -> tuple[np.ndarray, np.ndarray]:
    host = to_host(values)
    order = np.argsort(-host, kind="stable")[:count]
    return host[order], order
