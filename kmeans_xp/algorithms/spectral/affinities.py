"""Affinities between rows: of neighbours, by a kernel, by a function of the user's, or given."""

import math
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from kmeans_xp.algorithms.medoids.checks import extent_step
from kmeans_xp.algorithms.neighbors import neighbors_of
from kmeans_xp.algorithms.spectral.graph import DenseGraph, without_own
from kmeans_xp.arrays import Array, device_of, namespace_of, to_host
from kmeans_xp.arrays.sparse import SparseMatrix, mutual
from kmeans_xp.kernels.interface import Engine
from kmeans_xp.kernels.metrics import check_range, said_of
from kmeans_xp.kernels.portable.neighbors import first_least
from kmeans_xp.kernels.shared.blocks import parts
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters, prepare
from kmeans_xp.rows.base import Kept, Rows

# The neighbour whose distance is a row's own scale, as its authors have it.
SCALE = 7
# Affinities that are computed or looked at at a time.
ENTRIES = 1 << 20
# The part of the largest affinity by which those of a pair may differ.
ASYMMETRY = 1e-10

AffinityName = Literal[
    "nearest_neighbors", "rbf", "landmarks", "precomputed", "precomputed_nearest_neighbors"
]
Affinity = AffinityName | Callable[[Array, Array], Array]


def neighbor_graph(rows: Rows, n_neighbors: int, algorithm: str) -> SparseMatrix:
    """Return the graph that links rows to their nearest: by 1 if both ways, else by 1/2.

    A row counts as one of its neighbours, as in scikit-learn.
    """
    indices, _ = neighbors_of(rows, n_neighbors, algorithm, include_self=True)
    return linked(indices, rows.wide)


def linked(indices: Array, dtype: Any) -> SparseMatrix:
    """Return the mean of a graph of neighbours, whose indices are (n, k), and its transpose."""
    xp, device, (n, k) = namespace_of(indices), device_of(indices), indices.shape
    own = xp.arange(n, dtype=indices.dtype, device=device)[:, None]
    own = xp.reshape(xp.broadcast_to(own, (n, k)), (-1,))
    rows, columns, twice = mutual(own, xp.reshape(indices, (-1,)), n)
    return SparseMatrix.of(rows, columns, 0.5 * (1 + xp.astype(twice, dtype)), n)


def kernel_graph(rows: Rows, gamma: float | None, algorithm: str, engine: Engine) -> DenseGraph:
    """Return exp(-γ‖x - y‖²) of all rows; without a γ, with the product of two rows' scales."""
    n = rows.shape[0]
    scales = None
    if gamma is None:
        _, distances = neighbors_of(rows, min(SCALE + 1, n), algorithm, include_self=True)
        scales = rows.xp.astype(distances[:, -1], rows.wide, copy=False)
    others = prepare(rows.xp.astype(rows.block(0, n), rows.wide, copy=False))
    step = partial(_kernel_step, others=others, gamma=gamma, scales=scales, engine=engine)
    (values,) = rows.map(step, rows.numbers(), scales, block_rows=max(1, ENTRIES // n))
    return DenseGraph(values)


def _kernel_step(
    block: Array,
    numbers: Array,
    own: Array | None,
    *,
    others: PreparedCenters,
    gamma: float | None,
    scales: Array | None,
    engine: Engine,
) -> Kept:
    xp = namespace_of(block)
    wide = xp.astype(block, others.centers.dtype, copy=False)
    squares = engine.pairwise(wide, others, "sqeuclidean")
    if gamma is not None:
        return (without_own(xp.exp(-gamma * squares), numbers),)
    assert own is not None
    assert scales is not None
    product = own[:, None] * scales
    # Rows with many copies have the scale 0, and are like these alone.
    share = squares / xp.where(product > 0, product, 1.0)
    found = xp.where(product > 0, xp.exp(-share), xp.astype(squares == 0, wide.dtype))
    return (without_own(found, numbers),)


def function_graph(rows: Rows, function: Callable[[Array, Array], Array]) -> DenseGraph:
    """Return what a function of the user's says of all rows."""
    everyone = rows.block(0, rows.shape[0])
    size = max(1, ENTRIES // rows.shape[0])
    step = partial(_function_step, everyone=everyone, function=function, dtype=rows.wide)
    (values,) = rows.map(step, block_rows=size)
    return dense_graph(values, "what affinity returns")


def _function_step(
    block: Array, *, everyone: Array, function: Callable[[Array, Array], Array], dtype: Any
) -> Kept:
    found = said_of(block, everyone, function, "affinity", "affinity")
    return (namespace_of(block).astype(found, dtype),)


def dense_graph(values: Array, name: str = "X") -> DenseGraph:
    """Return given affinities, (n, n), as a graph; refuse what are none, and warn of asymmetry."""
    xp, n = namespace_of(values), values.shape[0]
    check_square(values.shape, "precomputed")
    low, high = float(xp.min(values)), float(xp.max(values))
    check_affinities(low, high, name)
    size = ENTRIES // n
    off = max(float(xp.max(xp.abs(values[some, :] - values[:, some].T))) for some in parts(n, size))
    if off > ASYMMETRY * high:
        _warn_of_asymmetry(name)
        values = (values + values.T) / 2
    return DenseGraph(without_own(values, xp.arange(n, device=device_of(values))))


def sparse_graph(X: Any) -> SparseMatrix:
    """Return given affinities, a sparse matrix of some library, as `dense_graph` does."""
    given = _opened(X, "precomputed")
    if given.values.shape[0] == 0:
        return given
    xp = namespace_of(given.values)
    low, high = float(xp.min(given.values)), float(xp.max(given.values))
    check_affinities(low, high, "X")
    if given.asymmetry() > ASYMMETRY * high:
        _warn_of_asymmetry("X")
        given = given.mean_with_transpose()
    return given.without_own()


def graph_of_distances(rows: Rows, n_neighbors: int) -> SparseMatrix:
    """Return the graph of neighbours, as `neighbor_graph` does, by given distances, (n, n)."""
    check_square(rows.shape, "precomputed_nearest_neighbors")
    n = rows.shape[0]
    if n_neighbors > n:
        raise ValueError(
            f"n_neighbors must be at most the number of rows, {n}, of which each counts as its own "
            f"neighbour, got n_neighbors={n_neighbors}. Ask for fewer."
        )
    extent = rows.fold(extent_step, block_rows=max(1, ENTRIES // n))
    check_range(float(to_host(extent.low)), float(to_host(extent.high)), "X")
    (indices,) = rows.map(partial(_least_step, count=n_neighbors), block_rows=max(1, ENTRIES // n))
    return linked(indices, rows.wide)


def _least_step(block: Array, *, count: int) -> Kept:
    return (first_least(block, count),)


def graph_of_sparse_distances(X: Any, n_neighbors: int) -> SparseMatrix:
    """Return the same by a sparse matrix of distances, which counts those that it holds."""
    given = _opened(X, "precomputed_nearest_neighbors")
    xp, n = namespace_of(given.values), given.n_rows
    fewest = int(xp.min(given.starts[1:] - given.starts[:-1]))
    if fewest < n_neighbors:
        raise ValueError(
            f"X must hold n_neighbors={n_neighbors} distances in each row, 0 for the row itself "
            f"among them, but a row holds {fewest}. Ask for fewer, or pass more."
        )
    check_range(float(xp.min(given.values)), float(xp.max(given.values)), "X")
    order = xp.argsort(given.values, stable=True)
    order = xp.take(order, xp.argsort(xp.take(given.rows, order), stable=True))
    first = xp.arange(n_neighbors, dtype=order.dtype, device=device_of(order))
    nearest = xp.take(order, xp.reshape(given.starts[:-1, None] + first, (-1,)))
    return linked(xp.reshape(xp.take(given.columns, nearest), (n, n_neighbors)), given.values.dtype)


def _opened(X: Any, affinity: str) -> SparseMatrix:
    """Return a sparse matrix of some library, which must be square and hold real numbers."""
    check_square(X.shape, affinity)
    if X.dtype.kind not in "biuf":
        raise TypeError(f"X must hold real numbers, got dtype {X.dtype}. Convert it to float64.")
    return SparseMatrix.of_library(X)


def check_square(shape: tuple[int, ...], affinity: str) -> None:
    """Require X to relate all rows to all rows."""
    if shape[0] != shape[1]:
        raise ValueError(
            f"X must be square for affinity={affinity!r}, got the shape {tuple(shape)}. Pass the "
            "rows themselves with another affinity."
        )


def check_affinities(low: float, high: float, name: str) -> None:
    """Require affinities between `low` and `high` to be finite and not negative."""
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"{name} must be finite, but it holds NaN or infinity. Mend its values.")
    if low < 0:
        raise ValueError(
            f"{name} must not be negative, but its least value is {low}. Pass affinities, which "
            "are larger for rows that are more alike."
        )


def _warn_of_asymmetry(name: str) -> None:
    warnings.warn(
        f"{name} is not symmetric: the mean of it and its transpose is used. Pass that, if it is "
        "what you mean.",
        UserWarning,
        stacklevel=5,
    )
