"""Rows without clusters, which those of a user are compared with."""

from dataclasses import dataclass
from functools import partial
from typing import Literal, Self, get_args

import numpy as np

from kmeans_xp.algorithms.kmeans.sets import inertias_of_sets
from kmeans_xp.algorithms.moments import Moments, moments_of
from kmeans_xp.algorithms.spectral.embedding import with_signs
from kmeans_xp.arrays import Array, Totals, namespace_of, to_like
from kmeans_xp.kernels.choose.engine import find_engine
from kmeans_xp.rows.base import Rows

Reference = Literal["pca", "uniform"]
REFERENCES = get_args(Reference)
# Entries of all references up to which they are kept from one k to the next.
KEPT = 1 << 23


@dataclass(frozen=True)
class Box:
    """A box around all rows, whose sides lie along some axes.

    Attributes
    ----------
    center : array of shape (d,)
        The mean of the rows, in the widest float.
    axes : array of shape (d, d)
        Orthonormal, a column each.
    low, high : array of shape (d,)
        The range of the rows along each axis, about the mean.
    """

    center: Array
    axes: Array
    low: Array
    high: Array

    @classmethod
    def around(cls, rows: Rows, reference: str) -> Self:
        """Return the box along the features, or the principal components, of rows."""
        engine = find_engine(rows.xp, device=rows.device)
        moments = moments_of(rows, None, engine)
        xp, size = rows.xp, engine.block_rows(1, rows.shape[1])
        center = rows.small(moments.mean, rows.wide)
        if reference == "pca":
            axes = _principal_axes(rows, moments, size)
        else:
            axes = xp.eye(rows.shape[1], dtype=rows.wide, device=rows.device)
        found = rows.fold(partial(_range_step, center=center, axes=axes), block_rows=size)
        return cls(center, axes, found.low, found.high)

    def draw(self, n: int, generator: np.random.Generator) -> Array:
        """Return n rows drawn evenly from the box."""
        d = self.center.shape[0]
        uniforms = to_like(generator.random((n, d)), self.center, self.center.dtype)
        along = self.low + uniforms * (self.high - self.low)
        return along @ namespace_of(self.axes).matrix_transpose(self.axes) + self.center


@dataclass(frozen=True)
class _Squares(Totals):
    products: Array


@dataclass(frozen=True)
class _Range(Totals):
    low: Array
    high: Array

    def __add__(self, other: Self) -> Self:
        xp = namespace_of(self.low)
        return type(self)(xp.minimum(self.low, other.low), xp.maximum(self.high, other.high))


def _principal_axes(rows: Rows, moments: Moments, block_rows: int) -> Array:
    """Return the principal components of rows, (d, d), a column each, with fixed signs."""
    step = partial(_products_step, center=rows.small(moments.mean, rows.wide))
    products = rows.fold(step, block_rows=block_rows).products
    return with_signs(rows.xp.linalg.eigh(products)[1])


def _products_step(block: Array, *, center: Array) -> _Squares:
    xp = namespace_of(block)
    centred = xp.astype(block, center.dtype, copy=False) - center
    return _Squares(xp.matrix_transpose(centred) @ centred)


def _range_step(block: Array, *, center: Array, axes: Array) -> _Range:
    xp = namespace_of(block)
    along = (xp.astype(block, center.dtype, copy=False) - center) @ axes
    return _Range(xp.min(along, axis=0), xp.max(along, axis=0))


class References:
    """Data sets drawn evenly from a box around the rows.

    Parameters
    ----------
    rows : Rows
        In memory.
    reference : {"pca", "uniform"}
        Whether the box lies along the principal components, or along the features.
    seeds : sequence of int
        Of each data set.
    """

    def __init__(self, rows: Rows, reference: str, seeds: list[int]) -> None:
        self.box = Box.around(rows, reference)
        self.n, self.dtype, self.seeds = rows.shape[0], rows.dtype, seeds
        kept = len(seeds) * rows.shape[0] * rows.shape[1] <= KEPT
        self._sets = self._drawn(seeds) if kept else None

    def _drawn(self, seeds: list[int]) -> Array:
        """Return data sets, (p, n, d), in the dtype of the rows."""
        drawn = [self.box.draw(self.n, np.random.default_rng(seed)) for seed in seeds]
        xp = namespace_of(drawn[0])
        return xp.astype(xp.stack(drawn), self.dtype, copy=False)

    def inertias(self, k: int, n_init: int, seeds: list[int]) -> np.ndarray:
        """Return the inertia of k clusters of each data set, of the best of `n_init` starts."""
        if self._sets is not None:
            return inertias_of_sets(self._sets, k, seeds, n_init)
        one_by_one = [
            inertias_of_sets(self._drawn([of_set]), k, [of_fit], n_init)
            for of_set, of_fit in zip(self.seeds, seeds, strict=True)
        ]
        return np.concatenate(one_by_one)
