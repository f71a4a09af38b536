"""The nearest neighbours of every row."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Self

from kmeans_xp.algorithms.moments import moments_of
from kmeans_xp.arrays import Array, namespace_of
from kmeans_xp.arrays.checks import check_count
from kmeans_xp.arrays.precision import full_precision, quiet
from kmeans_xp.kernels.choose.engine import engine_for_neighbors, find_engine
from kmeans_xp.kernels.choose.regimes import bounds_in_float32
from kmeans_xp.kernels.interface import Engine
from kmeans_xp.kernels.shared.others import Others
from kmeans_xp.rows.base import Kept, Rows
from kmeans_xp.rows.memory import MemoryRows
from kmeans_xp.rows.open import beside_x, open_rows

# Rows of a block of those that are looked amid, and entries: scores of more rows leave the cache.
OTHERS, ENTRIES = 1 << 13, 1 << 22


@beside_x
def nearest_neighbors(
    X: Array, n_neighbors: int, *, include_self: bool = False, algorithm: str = "auto"
) -> tuple[Array, Array]:
    """Return the nearest other rows of each row, exactly, and their Euclidean distances.

    All distances are looked at, in blocks: the time grows with n², the memory with n.

    Parameters
    ----------
    X : array of shape (n, d)
        The rows: an array in memory, of any namespace; a memory map; a list.
    n_neighbors : int
        How many, from 1 to n - 1.
    include_self : bool
        Whether a row counts as a neighbour of its own, at the distance 0; then there may be n.
    algorithm : str
        "auto" takes the best engine; or an engine by its name, such as "portable".

    Returns
    -------
    indices : array of shape (n, n_neighbors), integers
        Where X lives; the nearest first, and of equals the lowest.
    distances : array of shape (n, n_neighbors)
        Where X lives, in its floating dtype.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind, or X is not in memory.
    ValueError
        If an argument has the wrong value, or X holds NaN or infinity.

    Examples
    --------
    >>> import numpy as np
    >>> from kmeans_xp import nearest_neighbors
    >>> indices, distances = nearest_neighbors(np.array([[0.0], [1.0], [3.0], [7.0]]), 2)
    >>> indices.tolist()
    [[1, 2], [0, 2], [1, 0], [2, 1]]
    >>> distances.tolist()
    [[1.0, 3.0], [1.0, 2.0], [2.0, 3.0], [4.0, 6.0]]
    """
    rows = open_rows(X)
    with rows.together(), full_precision(rows.xp), quiet():
        return neighbors_of(rows, n_neighbors, algorithm, include_self=include_self)


def neighbors_of(
    rows: Rows, n_neighbors: int, algorithm: str, *, include_self: bool
) -> tuple[Array, Array]:
    """Return what `nearest_neighbors` does of rows that were opened; checks them."""
    n = rows.shape[0]
    most = n if include_self else n - 1
    count = check_count(n_neighbors, "n_neighbors")
    if count > most:
        raise ValueError(
            f"n_neighbors must be at most {most}, with n_samples={n} rows of which each "
            f"{'counts' if include_self else 'does not count'} as its own neighbour, got "
            f"n_neighbors={count}. Ask for fewer or pass more rows."
        )
    if not isinstance(rows, MemoryRows):
        raise TypeError(
            f"X must be an array in memory or a memory map, got a {rows.place}. Every row is "
            "compared with all others: compute it first, if it fits in memory."
        )
    search = Search.amid(rows, n, algorithm)
    wanted = count if include_self else count + 1
    step = partial(_step, search=search, count=wanted, dtype=rows.dtype)
    size = search.block_rows(wanted)
    if include_self:
        return rows.map(step, block_rows=size)
    return rows.map(partial(_apart, step=step), rows.numbers(), block_rows=size)


@dataclass(frozen=True)
class Search:
    """Rows amid which the nearest are looked for, and the engine that does it."""

    others: Others
    engine: Engine

    @classmethod
    def amid(cls, rows: MemoryRows, count: int, algorithm: str = "auto") -> Self:
        """Prepare rows for `count` others to be compared with; checks them."""
        (n, d), xp = rows.shape, rows.xp
        engine = find_engine(xp, algorithm, device=rows.device)
        moments = moments_of(rows, None, engine)
        origin = xp.astype(moments.origin.point, rows.wide)
        # No row is farther from the origin than the root of all squares together.
        narrow = bounds_in_float32(d, math.sqrt(moments.about_origin))
        dtype = xp.float32 if narrow else rows.wide
        engine = engine_for_neighbors(xp, algorithm, n * count, d, dtype, device=rows.device)
        return cls(Others(rows, origin, dtype, min(n, OTHERS, max(1, ENTRIES // d))), engine)

    def block_rows(self, count: int) -> int:
        """Return how many rows a block should have, of which `count` neighbours are asked for."""
        d = self.others.rows.shape[1]
        return max(1, self.engine.neighbor_rows(self.others.size, d * count))

    def nearest(self, block: Array, count: int) -> tuple[Array, Array]:
        """Return indices and squared distances of the nearest, as the engine's `neighbors` does."""
        return self.engine.neighbors(block, self.others, count)


def _step(block: Array, *, search: Search, count: int, dtype: object) -> Kept:
    xp = namespace_of(block)
    indices, squares = search.nearest(block, count)
    return indices, xp.astype(xp.sqrt(squares), dtype, copy=False)


def _apart(block: Array, numbers: Array, *, step: partial[Kept]) -> Kept:
    """Return neighbours without the row itself; without the last, where equals took its place."""
    xp = namespace_of(block)
    indices, distances = step(block)
    own = xp.astype(indices == numbers[:, None], xp.int8)
    order = xp.argsort(own, axis=1, stable=True)[:, :-1]
    return xp.take_along_axis(indices, order, axis=1), xp.take_along_axis(distances, order, axis=1)
