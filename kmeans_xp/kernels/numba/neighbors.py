"""Shortlists of neighbours by products of tiles, with Numba.

The scores of eight rows and thirty-two others stay in the cache next to a core. They are passed by
where none is below the limit of its row: the last on the row's list when that was sorted out last.
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numba import types

from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.simd.float_tiles import PANEL, ROWS, panels_of, product_tile
from kmeans_xp.kernels.numba.simd.vector import LANES, failing_lanes, load, lowest_bit, spread
from kmeans_xp.kernels.numpy.neighbors import own_squares, squares
from kmeans_xp.kernels.portable import neighbors as portable
from kmeans_xp.kernels.portable.neighbors import Method, centered
from kmeans_xp.kernels.shared.others import Others

# How many times as long as asked for, and by how much at least, lists grow before they are sorted
# out.
LONGER, ROOM = 2, 32
# Entries of panels that all rows of a block visit before the next ones, which stay in the cache.
ENTRIES = 1 << 16


class _Lists(NamedTuple):
    """The low scores of each row that were seen, (B, room), how many, (B,), and the limit, (B,)."""

    scores: np.ndarray
    columns: np.ndarray
    counts: np.ndarray
    limits: np.ndarray


def nearby(rows: np.ndarray, others: Others, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what `Method.nearby` does."""
    left, limits_of = centered(rows, others)
    b, room = len(rows), LONGER * size + ROOM
    lists = _Lists(
        np.empty((b, room), left.dtype),
        np.empty((b, room), np.int64),
        np.zeros(b, np.int64),
        np.full(b, np.inf, left.dtype),
    )
    add = compiling.entry_point(_add, left.dtype)
    for first, panels in others.columns(_panels):
        add(compiling.sealed(left), compiling.sealed(panels), first, size, lists)
    compiling.entry_point(_sort_out, left.dtype)(size, lists)
    limits = lists.limits if size < others.rows.shape[0] else np.full_like(lists.limits, np.inf)
    return lists.columns[:, :size], limits_of(limits)


def _panels(columns: np.ndarray) -> np.ndarray:
    """Return columns in panels, of which the last is filled up with infinite scores."""
    panels = panels_of(columns.T)
    panels[-1, -1, columns.shape[1] % PANEL or PANEL :] = np.inf
    return panels


@compiling.entry
def _add(left: Any, panels: Any, first: int, size: int, lists: Any) -> None:
    """Add those scores of rows with panels to the rows' lists that are below the limits."""
    (n, d), count = left.shape, len(panels)
    x, scores = np.empty((ROWS, d), left.dtype), np.empty((ROWS, PANEL), left.dtype)
    together = max(1, ENTRIES // (d * PANEL))
    for begin in range(0, count, together):
        for i in range(0, n, ROWS):
            for r in range(ROWS):
                x[r] = left[min(i + r, n - 1)]
            for panel in range(begin, min(begin + together, count)):
                product_tile(x, panels, panel, scores, 0)
                for r in range(min(ROWS, n - i)):
                    _look(scores, r, first + panel * PANEL, i + r, size, lists)


@compiling.part
def _look(scores: Any, r: int, first: int, i: int, size: int, lists: Any) -> None:
    """Add low scores in line r of a tile to the list of row i."""
    limit = spread(lists.limits[i])
    for begin in range(r * PANEL, (r + 1) * PANEL, LANES):
        lanes = load(scores, begin)
        low = failing_lanes(lanes, limit, lanes, lanes)
        while low:
            c = begin - r * PANEL + lowest_bit(low)
            low &= low - 1
            # The limit may have fallen since.
            if not scores[r, c] < lists.limits[i]:
                continue
            count = lists.counts[i]
            lists.scores[i, count], lists.columns[i, count] = scores[r, c], first + c
            lists.counts[i] = count + 1
            if count + 1 == lists.scores.shape[1]:
                _select(i, size, lists)


@compiling.entry
def _sort_out(size: int, lists: Any) -> None:
    """Keep the least scores of each list."""
    for i in range(len(lists.limits)):
        _select(i, size, lists)


@compiling.part
def _select(i: int, size: int, lists: Any) -> None:
    """Keep the least `size` scores of a list, whose limit is the largest of these.

    Hoare's quickselect (1961).
    """
    scores, columns = lists.scores[i], lists.columns[i]
    low, high = 0, lists.counts[i] - 1
    while low < high:
        pivot, a, b = scores[(low + high) // 2], low, high
        while a <= b:
            while scores[a] < pivot:
                a += 1
            while scores[b] > pivot:
                b -= 1
            if a <= b:
                scores[a], scores[b] = scores[b], scores[a]
                columns[a], columns[b] = columns[b], columns[a]
                a += 1
                b -= 1
        if size - 1 <= b:
            high = b
        elif size - 1 >= a:
            low = a
        else:
            break
    lists.counts[i] = size
    lists.limits[i] = scores[size - 1]


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for scores of `dtype`."""
    real, whole = compiling.real(dtype), types.intp
    lists = compiling.tuple_type(
        _Lists, real[:, ::1], types.int64[:, ::1], types.int64[::1], real[::1]
    )
    left, panels = compiling.sealed_type(real, 2), compiling.sealed_type(real, 3)
    return {"_add": (left, panels, whole, whole, lists), "_sort_out": (whole, lists)}


neighbors = partial(portable.neighbors, method=Method(nearby, squares, own_squares))
