"""The row that is nearest to each of given centres."""

from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np

from kmeans_xp.arrays import Array, Totals, to_host
from kmeans_xp.kernels.choose.engine import find_engine
from kmeans_xp.kernels.interface import Engine
from kmeans_xp.kernels.shared.prepared_centers import Origin, amid, prepare, tied
from kmeans_xp.rows import open_rows
from kmeans_xp.rows.arguments import open_centers
from kmeans_xp.rows.base import Kept
from kmeans_xp.rows.checks import checked_sweep
from kmeans_xp.rows.open import beside_x

# Rows of a block, at most: of more, the scores of all centres would leave the cache.
BLOCK_ROWS = 1 << 13


@beside_x
def representatives(X: Array, centers: Array) -> Array:
    """Find the row that is nearest to each centre: a real example of what the centre stands for.

    It takes one pass over the rows. Two centres may have the same row.

    Parameters
    ----------
    X : array of shape (n, d)
        The rows: an array of any namespace, a memory map, a Dask array, a list.
    centers : array of shape (k, d)
        The centres: like X, or a list or NumPy array, which moves to where X lives.

    Returns
    -------
    indices : array of shape (k,), integers
        The index of the nearest row; the lowest one among equals. Where X lives.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or the two live in different places.
    ValueError
        If an argument has the wrong shape, or holds NaN or infinity.

    Examples
    --------
    >>> import numpy as np
    >>> from kmeans_xp import kmeans, representatives
    >>> X = np.array([[0.0], [1.0], [2.0], [10.0], [11.0], [12.5]])
    >>> result = kmeans(X, 2, init=[[0.0], [10.0]])
    >>> X[representatives(X, result.centers)].tolist()
    [[1.0], [11.0]]
    """
    rows = open_rows(X)
    places = open_centers(rows, centers, "centers")
    engine = find_engine(rows.xp, device=rows.device)
    step = partial(_step, engine=engine, centers=places, origin=amid(places))
    size = min(engine.block_rows(*places.shape), BLOCK_ROWS)
    found = checked_sweep(rows, step, centers=places, block_rows=size)[0]
    return rows.deliver(rows.small(found.indices))


@dataclass(frozen=True)
class _Nearest(Totals):
    """The nearest to each centre of `count` rows that follow one another, on the host.

    "Adding" appends rows, and keeps the nearer one; the first where both are as near.
    """

    indices: np.ndarray
    squares: np.ndarray
    count: int
    d: int

    def __add__(self, other: Self) -> Self:
        nearer = other.squares * tied(self.d) < self.squares
        indices = np.where(nearer, other.indices + self.count, self.indices)
        squares = np.where(nearer, other.squares, self.squares)
        return type(self)(indices, squares, self.count + other.count, self.d)


def _step(block: Array, *, engine: Engine, centers: Array, origin: Array) -> tuple[_Nearest, Kept]:
    """Look for the row that is nearest to a centre as for the centre that is nearest to a row."""
    indices, squares = (to_host(a) for a in engine.nearest(centers, prepare(block, Origin(origin))))
    return _Nearest(indices.astype(np.int64), squares, *block.shape), ()
