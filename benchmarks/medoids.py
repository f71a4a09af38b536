"""k-medoids among the contestants: the distances and the start that all of them are given."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets import Matrix
from benchmarks.judge import blocks
from benchmarks.problem import Problem


def distances(X: Matrix) -> Matrix:
    """Euclidean distances between all rows, rounded to float32 and symmetric."""
    from scipy.spatial.distance import cdist

    found = np.empty((len(X), len(X)), dtype=np.float32)
    for rows, block in blocks(X, len(X)):
        found[rows] = cdist(block, X)
    return found


def first_medoids(problem: Problem) -> NDArray[np.int64]:
    """Draw the indices of the first medoids. Equal rows may be among them: a swap parts them."""
    rng = np.random.default_rng(problem.seed)
    return rng.choice(len(problem.X), problem.k, replace=False)
