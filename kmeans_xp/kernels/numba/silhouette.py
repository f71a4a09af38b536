"""Distances of rows to clusters, with Numba: eight rows and sixteen others at a time.

By direct differences in float64, whatever the rows are. Imported only where Numba is.
"""

from functools import partial
from typing import Any

import numpy as np
from numba import types

from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.simd.distance_tiles import ROWS, distance_tile
from kmeans_xp.kernels.numba.simd.vector import LANES, load, root, spread, store, times_plus
from kmeans_xp.kernels.numpy import silhouette
from kmeans_xp.kernels.numpy.silhouette import BothSums, Others, Strip


class Tiles(Strip):
    """Measures tiles by compiled loops."""

    def __init__(self, rows: np.ndarray, weights: np.ndarray, squared: bool) -> None:
        super().__init__(rows, weights, squared)
        # In whole tiles, of which rows that are not there weigh nothing.
        self._tiles = _filled(rows, ROWS).reshape(-1, ROWS, rows.shape[1])
        self._tile_weights = _filled(weights, ROWS)

    def sums(self, others: Others) -> BothSums:
        """Return weighted sums of distances, on either side."""
        (m, d), sizes = others.rows.shape, np.diff(others.bounds)
        # Each cluster in vectors of its own, of which numbers that are not there weigh nothing.
        vectors = np.concatenate([[0], np.cumsum(-(-sizes // LANES))])
        places = np.arange(m) + np.repeat(LANES * vectors[:-1] - others.bounds[:-1], sizes)
        rows, weights = np.zeros((LANES * vectors[-1], d)), np.zeros(LANES * vectors[-1])
        rows[places], weights[places] = others.rows, others.weights
        columns = rows.reshape(-1, LANES, d).transpose(0, 2, 1).copy()
        across, down = np.empty((len(sizes), len(self._tile_weights))), np.zeros(len(weights))
        given = self._tiles, columns, self._tile_weights, weights, vectors
        _sum(*given, self.squared, across, down)
        return across[:, : len(self.rows)], down[places]


def _filled(rows: np.ndarray, size: int) -> np.ndarray:
    """Return rows and as many zeros after them as make their number a multiple of `size`."""
    whole = np.zeros((-(-len(rows) // size) * size, *rows.shape[1:]))
    whole[: len(rows)] = rows
    return whole


@compiling.entry
def _sum(
    tiles: Any,
    columns: Any,
    row_weights: Any,
    weights: Any,
    vectors: Any,
    squared: bool,
    across: Any,
    down: Any,
) -> None:
    """Write weighted sums of distances to each cluster, and add those for each column.

    The columns of a cluster are from one of the `vectors` up to the next.
    """
    count = len(columns)
    squares, room = np.empty(count * ROWS * LANES), np.empty(LANES)
    for tile in range(len(tiles)):
        for part in range(count):
            distance_tile(tiles[tile], columns, part, squares)
        for r in range(ROWS):
            i = tile * ROWS + r
            weight = spread(row_weights[i])
            for cluster in range(len(across)):
                total = spread(0.0)
                for part in range(vectors[cluster], vectors[cluster + 1]):
                    distances = load(squares, (part * ROWS + r) * LANES)
                    if not squared:
                        distances = root(distances)
                    total = times_plus(distances, load(weights, part * LANES), total)
                    below = times_plus(distances, weight, load(down, part * LANES))
                    store(down, part * LANES, below)
                store(room, 0, total)
                across[cluster, i] = room.sum()


def signatures(_dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of the compiled function, the same for every dtype."""
    cube, line, numbers = types.f8[:, :, ::1], types.f8[::1], types.int64[::1]
    given = cube, cube, line, line, numbers, types.boolean
    return {"_sum": (*given, types.f8[:, ::1], line)}


cluster_distances_all = partial(silhouette.cluster_distances_all, strip=Tiles)
