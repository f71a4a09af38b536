"""The spectral embedding of a graph: its connected components first, then eigenvectors.

Row i has the coordinates u_i / sqrt(d_i), where u are the leading eigenvectors of D^-1/2 A D^-1/2
and d the degrees: the leading eigenvectors of a random walk on the graph (Shi & Malik, *Normalized
cuts and image segmentation*, 2000). Those of the eigenvalue 1 are the same for all rows of a
component.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from kmeans_xp.algorithms.loop import Report
from kmeans_xp.algorithms.spectral.eigenvectors import (
    Eigenvectors,
    Matrix,
    block_size,
    by_dense,
    by_filter,
    scattered,
)
from kmeans_xp.algorithms.spectral.graph import Graph, Shifted
from kmeans_xp.arrays import Array, device_of, namespace_of, to_like

# Rows up to which all eigenvectors of a graph are found at once, if the solver is not named, and
# the part of them from which a block of vectors would be as much work.
DENSE, MANY = 1500, 1 / 4
# (which rows are kept, (n,) of bool) -> of each other row the place of the nearest that is kept,
# and how far it is, both (m,).
Nearest = Callable[[Array], tuple[Array, Array]]


@dataclass(frozen=True)
class Solver:
    """How eigenvectors are found.

    Attributes
    ----------
    name : str
        "auto", "dense" or "chebyshev".
    tol : float
        The angle by which the span of the eigenvectors may be off.
    max_iter : int
    seed : int
        Of the vectors that a filter starts from.
    tell : callable
        As `by_filter` wants it.
    """

    name: str
    tol: float
    max_iter: int
    seed: int
    tell: Callable[[int, Any, Report], Any]


@dataclass(frozen=True)
class Embedding:
    """Coordinates of rows, where the graph lives, and how they were found.

    Attributes
    ----------
    coordinates : array of shape (n, k)
    eigenvalues : ndarray of shape (k,), float64
        Of the normalised Laplacian, ascending.
    residual : float
        The largest norm of Laplacian times eigenvector less eigenvalue times eigenvector.
    n_iter : int
        Iterations of the solver; 0 where the components are eigenvectors enough.
    converged : bool
    n_connected, n_alone : int
        How many connected components the graph has, and how many of them are rows without any
        affinity.
    """

    coordinates: Array
    eigenvalues: np.ndarray
    residual: float
    n_iter: int
    converged: bool
    n_connected: int
    n_alone: int


def embed(graph: Graph, count: int, solver: Solver, nearest: Nearest | None) -> Embedding:
    """Return the embedding of a graph in `count` dimensions, k.

    The indicators of connected components are eigenvectors of the largest eigenvalue. Where there
    are more of them than k, the largest are kept; but rows without any affinity, which are
    components of their own, are the first to go. Rows that are not kept get the coordinates of
    others: each component those of the kept row that is nearest to it, or, if nothing is known of
    distances, those of a row of the largest component.

    Raises
    ------
    ValueError
        If no row has an affinity to another, and there are more than k.
    """
    degrees = graph.row_sums()
    xp = namespace_of(degrees)
    alone = degrees == 0
    parts = _Components.of(graph.connected(), degrees, alone, count)
    degrees = xp.where(alone, 1.0, degrees)
    inside = xp.astype(parts.of_rows[:, None] == parts.kept, degrees.dtype)
    weights = inside * degrees[:, None]
    roots = xp.sqrt(degrees)
    vectors = xp.sqrt(weights / xp.sum(weights, axis=0))
    cut = parts.kept.shape[0] < parts.count
    scaled = graph.scaled(1 / roots)
    matrix: Matrix = Shifted(scaled, xp.astype(alone, degrees.dtype)) if cut else scaled
    values, n_iter, converged = np.ones(vectors.shape[1]), 0, True
    if vectors.shape[1] < count:
        found = _leading(matrix, vectors, count - vectors.shape[1], solver)
        vectors = xp.concat([vectors, with_signs(found.vectors)], axis=1)
        values = np.concatenate([values, found.values])
        n_iter, converged = found.n_iter, found.converged
    off = matrix @ vectors - vectors * to_like(values, vectors, vectors.dtype)
    residual = float(xp.max(xp.sqrt(xp.sum(off * off, axis=0))))
    coordinates = vectors / roots[:, None]
    if cut:
        coordinates = _joined(coordinates, parts, weights, nearest)
    n_alone = int(xp.count_nonzero(alone))
    return Embedding(coordinates, 1 - values, residual, n_iter, converged, parts.count, n_alone)


def _leading(matrix: Matrix, known: Array, count: int, solver: Solver) -> Eigenvectors:
    """Return eigenvectors beside those that are known."""
    xp, n = namespace_of(known), known.shape[0]
    size = block_size(count, n - known.shape[1])
    small = n <= DENSE or size > MANY * n
    if solver.name == "dense" or (solver.name == "auto" and small) or size == count:
        return by_dense(matrix.dense(), known, count)
    numbers = xp.arange(n, dtype=xp.int32, device=device_of(known))
    return by_filter(
        matrix,
        known,
        count,
        scattered(numbers, size, solver.seed, known.dtype),
        tol=solver.tol,
        max_iter=solver.max_iter,
        tell=solver.tell,
    )


def with_signs(vectors: Array) -> Array:
    """Return vectors, (n, q), with signs that make the largest entry of each positive."""
    xp = namespace_of(vectors)
    where = xp.argmax(xp.abs(vectors), axis=0)[None, :]
    return vectors * xp.sign(xp.take_along_axis(vectors, where, axis=0))


@dataclass(frozen=True)
class _Components:
    """Connected components.

    Attributes
    ----------
    of_rows : array of shape (n,), integers
        Which one each row is in.
    count : int
    kept : array of shape (m,), integers
        Those that are kept, ascending.
    """

    of_rows: Array
    count: int
    kept: Array

    @classmethod
    def of(cls, of_rows: Array, degrees: Array, alone: Array, most: int) -> Self:
        """Return components of which at most so many are kept."""
        xp, device = namespace_of(of_rows), device_of(of_rows)
        count = int(xp.max(of_rows)) + 1
        numbers = xp.arange(count, dtype=of_rows.dtype, device=device)
        if count <= most:
            return cls(of_rows, count, numbers)
        linked = count - int(xp.count_nonzero(alone))
        if linked == 0:
            raise ValueError(
                f"affinity must link some rows where there are more than n_clusters={most}, but no "
                "row has an affinity to another. Check its scale, such as gamma."
            )
        order = xp.argsort(of_rows, stable=True)
        ends = xp.searchsorted(xp.take(of_rows, order), numbers, side="right")
        sums = xp.take(xp.cumulative_sum(xp.take(degrees, order)), ends - 1)
        volumes = sums - xp.concat([xp.zeros_like(sums[:1]), sums[:-1]])
        volumes = xp.where(xp.take(alone, xp.take(order, ends - 1)), -1.0, volumes)
        largest = xp.argsort(-volumes, stable=True)[: min(most, linked)]
        return cls(of_rows, count, xp.astype(xp.sort(largest), of_rows.dtype))


def _joined(
    coordinates: Array, parts: _Components, weights: Array, nearest: Nearest | None
) -> Array:
    """Return coordinates in which rows that are not kept have those of others."""
    xp = namespace_of(coordinates)
    largest = xp.argmax(xp.sum(weights, axis=0))
    kept = xp.any(weights > 0, axis=1)
    (rest,) = xp.nonzero(~kept)
    if nearest is None:
        donors = xp.zeros_like(rest) + xp.argmax(xp.take(weights, largest, axis=1))
    else:
        which, distances = nearest(kept)
        component = xp.take(parts.of_rows, rest)
        # The nearest of each component: the first in an order by both.
        order = xp.argsort(distances, stable=True)
        order = xp.take(order, xp.argsort(xp.take(component, order), stable=True))
        first = xp.searchsorted(xp.take(component, order), component)
        (places,) = xp.nonzero(kept)
        donors = xp.take(places, xp.take(which, xp.take(order, first)))
    given = xp.take(coordinates, donors, axis=0)
    place = xp.cumulative_sum(xp.astype(~kept, xp.int32), dtype=xp.int32) - 1
    given = xp.take(given, xp.maximum(place, xp.zeros_like(place)), axis=0)
    return xp.where(kept[:, None], coordinates, given)
