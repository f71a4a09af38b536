"""Assigning rows to given centres."""

from functools import partial
from typing import Any

import numpy as np

from kmeans_xp.arrays import Array, namespace_of, to_host
from kmeans_xp.arrays.precision import quiet
from kmeans_xp.kernels.choose.engine import engine_for_distances, engine_for_labels
from kmeans_xp.kernels.interface import Engine
from kmeans_xp.kernels.shared.blocks import even_blocks
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters, prepare
from kmeans_xp.rows import Rows, open_rows
from kmeans_xp.rows.arguments import open_centers
from kmeans_xp.rows.base import Step
from kmeans_xp.rows.checks import checked_sweep, checked_whole
from kmeans_xp.rows.open import beside_x

# Distances that are taken at a time, which bound the memory that a block takes.
DISTANCES = 1 << 21


@beside_x
def assign(X: Array, centers: Array) -> tuple[Array, Array]:
    """Find the nearest centre of each row.

    Parameters
    ----------
    X : array of shape (n, d)
        The rows: an array of any namespace, a memory map, a Dask array, a list.
    centers : array of shape (k, d)
        The centres: like X, or a list or NumPy array, which moves to where X lives.

    Returns
    -------
    labels : array of shape (n,), int32
        The index of the nearest centre; the lowest one among equals.
    squared_distances : array of shape (n,)
        To that centre, in X's floating dtype.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or the two live in different places.
    ValueError
        If an argument has the wrong shape, holds NaN or infinity, or a squared distance does
        not fit X's dtype.

    Examples
    --------
    >>> import numpy as np
    >>> from kmeans_xp import assign
    >>> X = np.array([[0.0, 0.0], [1.0, 0.0], [9.0, 0.0]])
    >>> labels, squared_distances = assign(X, np.array([[0.0, 0.0], [10.0, 0.0]]))
    >>> labels
    array([0, 0, 1], dtype=int32)
    >>> squared_distances
    array([0., 1., 1.])
    """
    rows = open_rows(X)
    places = open_centers(rows, centers, "centers")
    engine = engine_for_labels(rows.xp, rows.shape, places.shape[0], rows.dtype, device=rows.device)
    prepared = prepare(places)
    found = checked_whole(rows, engine.label_all, prepared, centers=places, squared=True)
    if found is None:
        step = partial(_assign_step, engine=engine, prepared=prepared, dtype=rows.dtype)
        size = even_rows(engine, rows.shape[0], *places.shape)
        found = checked_sweep(rows, step, centers=places, block_rows=size)[1]
    labels, distances = found
    with quiet():
        distances = namespace_of(distances).astype(distances, rows.dtype, copy=False)
    if not bool(to_host(namespace_of(distances).all(namespace_of(distances).isfinite(distances)))):
        raise ValueError(
            f"squared distances between X and centers overflow {rows.dtype}. Pass both as "
            "float64, or divide both by a power of two."
        )
    return labels, distances


def _assign_step(
    block: Array, *, engine: Engine, prepared: PreparedCenters, dtype: Any
) -> tuple[None, tuple[Array, Array]]:
    labels, distances = engine.nearest(block, prepared)
    return None, (labels, namespace_of(block).astype(distances, dtype, copy=False))


@beside_x
def predict_labels(rows: Rows, centers: np.ndarray) -> Array:
    """Return the nearest of the host `centers` for each row, (n,) int32; checks the rows."""
    engine = engine_for_labels(rows.xp, rows.shape, len(centers), rows.dtype, device=rows.device)
    places = rows.small(centers, rows.dtype)
    prepared = prepare(places)
    found = checked_whole(rows, engine.label_all, prepared, centers=places, squared=False)
    if found is not None:
        return found[0]
    return _each(rows, partial(_label_step, engine=engine, prepared=prepared), places, engine)


@beside_x
def transform_distances(rows: Rows, centers: np.ndarray) -> Array:
    """Return the distances, not squared, to the host `centers`, (n, k); checks the rows."""
    k = len(centers)
    engine = engine_for_distances(rows.xp, rows.shape, k, rows.dtype, device=rows.device)
    places = rows.small(centers, rows.dtype)
    found = checked_whole(rows, engine.distances_all, prepare(places), centers=places)
    if found is not None:
        return found[0]
    # Wide throughout: a distance is wanted to many digits, where a label needs only the least.
    places = rows.xp.astype(places, rows.wide, copy=False)
    step = partial(_distance_step, engine=engine, prepared=prepare(places), dtype=rows.dtype)
    return _each(rows, step, places, engine, max(1, DISTANCES // places.shape[0]))


def _each(rows: Rows, step: Step, places: Array, engine: Engine, most: int | None = None) -> Array:
    """Return what `step` keeps for each row, of at most so many at a time; checks the rows."""
    size = even_rows(engine, rows.shape[0], *places.shape)
    size = size if most is None else min(size, most)
    return checked_sweep(rows, step, centers=places, block_rows=size)[1][0]


def _label_step(
    block: Array, *, engine: Engine, prepared: PreparedCenters
) -> tuple[None, tuple[Array]]:
    return None, (engine.labels(block, prepared),)


def _distance_step(
    block: Array, *, engine: Engine, prepared: PreparedCenters, dtype: Any
) -> tuple[None, tuple[Array]]:
    xp, wide = namespace_of(block), prepared.centers.dtype
    squared = engine.distances(xp.astype(block, wide, copy=False), prepared, wide)
    return None, (xp.astype(xp.sqrt(squared), dtype, copy=False),)


def even_rows(engine: Engine, n: int, k: int, d: int) -> int:
    """Return how many of n rows a block should have, where they are passed over once."""
    most = engine.block_rows(k, d)
    return most if n <= most else even_blocks(n, most)
