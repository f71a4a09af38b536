"""What a contestant is given and what it hands back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from benchmarks.datasets import DataSet, Matrix
from benchmarks.mixtures import Mixture


@dataclass(frozen=True)
class Problem:
    """One data set with everything that has to be the same for every contestant."""

    X: Matrix
    k: int
    start: Matrix
    seed: int
    tol: float
    max_iter: int
    # What ours took: a peer without a stopping rule is given as many.
    iterations: int | None = None


@dataclass(frozen=True)
class Outcome:
    """An answer, on the host. What a race does not ask for stays None."""

    centers: Any = None
    labels: Any = None
    n_iter: int | None = None
    mixture: Mixture | None = None
    score: float | None = None


# Timed: does the work and nothing else.
Run: TypeAlias = Callable[[], Outcome]
# Not timed: imports, builds and places whatever the run starts from.
Prepare: TypeAlias = Callable[..., Run]


def pose(data: DataSet, *, seed: int, tol: float, max_iter: int) -> Problem:
    """The problem of a data set, with a start drawn by the seed."""
    start = distinct_rows(data, np.random.default_rng(seed))
    return Problem(data.X, data.k, start, seed, tol, max_iter)


def distinct_rows(data: DataSet, rng: np.random.Generator) -> Matrix:
    """Draw k different rows of a data set.

    Photographs repeat many a row. A start with equal rows has empty clusters, which each
    library fills in its own way: no longer one race.
    """
    n, _ = data.shape
    order = rng.permutation(n)
    tried = data.k
    while True:
        _, first = np.unique(data.X[order[:tried]], axis=0, return_index=True)
        if len(first) >= data.k:
            return data.X[order[np.sort(first)[: data.k]]]
        if tried >= n:
            raise ValueError(
                f"data set {data.name!r} has {len(first)} different rows, fewer than its k={data.k}"
            )
        tried *= 2
