"""Spectral clustering by way of landmarks, in time and memory that grow with n.

Rows are averages of the nearest few of p landmarks. So two rows are linked as far as they share
landmarks, and the eigenvectors of that graph follow from those of a graph of the landmarks, p by p,
in which these are linked as far as they share rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Self, cast

import numpy as np

from kmeans_xp.algorithms.kmeans.fit import kmeans
from kmeans_xp.algorithms.moments import moments_of
from kmeans_xp.algorithms.neighbors import Search
from kmeans_xp.algorithms.spectral.embedding import Embedding
from kmeans_xp.arrays import Array, Totals, namespace_of, to_like
from kmeans_xp.arrays.precision import full_precision, quiet
from kmeans_xp.arrays.sparse import co_occurrence
from kmeans_xp.kernels.choose.engine import find_engine
from kmeans_xp.kernels.shared.blocks import parts
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters, prepare
from kmeans_xp.rows.base import Kept, Rows
from kmeans_xp.rows.memory import MemoryRows
from kmeans_xp.rows.open import beside_x, open_rows

# Rows that landmarks are found among, for each of them, and iterations: better centres make no
# better landmarks.
SAMPLE_EACH, ITERATIONS = 10, 5
# How fast weights fall with the squared distance from a row, beside that to its last landmark: to
# exp(-3), 5%.
DECAY = 3.0
# How many times as many rows are linked at a time as their neighbours are looked for: what they
# share is p by p, which is added up block by block.
LINKED = 16
# Eigenvalues of less are rounding.
LEAST = 1e-10


@dataclass(frozen=True)
class Landmarks:
    """Landmarks, and of how many of them a row is an average, r."""

    search: Search
    count: int

    @classmethod
    def of(cls, points: Array, n: int, count: int, algorithm: str = "auto") -> Self:
        """Prepare landmarks, (p, d), for n rows."""
        rows = cast(MemoryRows, open_rows(points))
        return cls(Search.amid(rows, n, algorithm), min(count, rows.shape[0]))

    @property
    def rows(self) -> MemoryRows:
        """Return the landmarks as rows."""
        return cast(MemoryRows, self.search.others.rows)

    @property
    def block_rows(self) -> int:
        """Return how many rows a block should have."""
        return self.search.block_rows(self.count)

    def links(self, block: Array) -> tuple[Array, Array]:
        """Return the landmarks of each row, and how it is an average of them; both (B, r)."""
        xp, pieces = namespace_of(block), parts(block.shape[0], self.block_rows)
        found = [self.search.nearest(block[piece, :], self.count) for piece in pieces]
        which, squares = (xp.concat(column) for column in zip(*found, strict=True))
        scales = squares[:, -1:]
        weights = xp.exp(-DECAY * squares / xp.where(scales > 0, scales, 1.0))
        return which, weights / xp.sum(weights, axis=1, keepdims=True)


def find_landmarks(rows: Rows, count: int, algorithm: str, generator: np.random.Generator) -> Array:
    """Return about `count` landmarks, (p, d), by a few iterations of k-means on a sample."""
    n = rows.shape[0]
    if count >= n:
        return rows.take(np.arange(n))
    size = min(n, SAMPLE_EACH * count)
    sample = rows.take(np.sort(generator.choice(n, size, replace=False)))
    found = kmeans(
        sample, count, init="random", max_iter=ITERATIONS, algorithm=algorithm, rng=generator
    )
    return found.centers


def links_of(rows: Rows, landmarks: Landmarks) -> tuple[Array, Kept]:
    """Return how far landmarks share rows, (p, p), and each row's landmarks and weights, (n, r)."""
    step = partial(_link_step, landmarks=landmarks)
    shared, kept = rows.sweep(step, block_rows=LINKED * landmarks.block_rows)
    return shared.values, kept


@dataclass(frozen=True)
class _Shared(Totals):
    values: Array


def _link_step(block: Array, *, landmarks: Landmarks) -> tuple[_Shared, Kept]:
    which, weights = landmarks.links(block)
    return _Shared(co_occurrence(which, weights, landmarks.rows.shape[0])), (which, weights)


def _average(which: Array, weights: Array, coordinates: Array) -> Array:
    """Return averages of landmarks' coordinates, of length one.

    One landmark after the other, so that the same row gets the same bits in any block.
    """
    xp = namespace_of(weights)
    found = xp.zeros_like(weights[:, :1])
    for i in range(which.shape[1]):
        found = found + weights[:, i : i + 1] * xp.take(coordinates, which[:, i], axis=0)
    lengths = xp.sqrt(xp.sum(found * found, axis=1, keepdims=True))
    return found / xp.where(lengths > 0, lengths, 1.0)


def average_step(_block: Array, which: Array, weights: Array, *, coordinates: Array) -> Kept:
    """Keep the directions of rows in the embedding, (B, k)."""
    return (_average(which, weights, coordinates),)


def lifted(found: Embedding) -> Array:
    """Return the coordinates of landmarks, (p, k), of which averages are those of rows.

    Up to a factor that all have in common.
    """
    xp, coordinates = namespace_of(found.coordinates), found.coordinates
    values = to_like(np.maximum(1 - found.eigenvalues, LEAST), coordinates, coordinates.dtype)
    return coordinates / xp.sqrt(values)


@beside_x
def predict_by_landmarks(
    rows: Rows,
    landmarks: np.ndarray,
    coordinates: np.ndarray,
    centers: np.ndarray,
    n_neighbors: int,
) -> Array:
    """Return the cluster of each row, (n,) int32; checks the rows.

    Parameters
    ----------
    rows : Rows
    landmarks : ndarray of shape (p, d)
    coordinates : ndarray of shape (p, k)
        Of the landmarks.
    centers : ndarray of shape (k, k)
        Of the clusters in the embedding.
    n_neighbors : int
        How many landmarks a row is an average of.
    """
    prepared = prepare(rows.small(centers, rows.wide))
    return _map(rows, landmarks, coordinates, n_neighbors, partial(_label_step, centers=prepared))


@beside_x
def embedded_by_landmarks(
    rows: Rows, landmarks: np.ndarray, coordinates: np.ndarray, n_neighbors: int
) -> Array:
    """Return the embedding of rows, (n, k) in the widest float, as `predict_by_landmarks`."""
    return _map(rows, landmarks, coordinates, n_neighbors, _direction_step)


def _map(
    rows: Rows,
    landmarks: np.ndarray,
    coordinates: np.ndarray,
    n_neighbors: int,
    step: Callable[..., Kept],
) -> Array:
    """Return what a step keeps of each row, given landmarks and their coordinates."""
    with rows.together(), full_precision(rows.xp), quiet():
        moments_of(rows, None, find_engine(rows.xp, device=rows.device))
        points = rows.small(landmarks, rows.dtype)
        prepared = Landmarks.of(points, rows.shape[0], n_neighbors)
        step = partial(step, landmarks=prepared, coordinates=rows.small(coordinates, rows.wide))
        return rows.map(step, block_rows=prepared.block_rows)[0]


def _direction_step(block: Array, *, landmarks: Landmarks, coordinates: Array) -> Kept:
    return (_average(*landmarks.links(block), coordinates),)


def _label_step(
    block: Array, *, landmarks: Landmarks, coordinates: Array, centers: PreparedCenters
) -> Kept:
    (directions,) = _direction_step(block, landmarks=landmarks, coordinates=coordinates)
    return (landmarks.search.engine.labels(directions, centers),)
