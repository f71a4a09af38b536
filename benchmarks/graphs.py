"""Neighbours and clusterings of their graph: what they are worth, by one float64 function each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets import Matrix
from benchmarks.judge import Verdict
from benchmarks.problem import Outcome

# Rows whose neighbours brute force looks for, and neighbours of a row in the graph that is cut,
# itself among them.
ASKED, NEIGHBORS = 500, 10


def neighbors(X: Matrix, answer: Outcome) -> Verdict:
    """The mean distance to the neighbours; how many of some rows have others that are nearer."""
    from scipy.spatial.distance import cdist

    indices = answer.labels
    rng = np.random.default_rng(0)
    asked = rng.choice(len(X), min(ASKED, len(X)), replace=False)
    every = cdist(X[asked].astype(np.float64), X.astype(np.float64))
    every[np.arange(len(asked)), asked] = np.inf
    best = np.sort(every, axis=1)[:, : indices.shape[1]]
    theirs = np.sort(np.take_along_axis(every, indices[asked], axis=1), axis=1)
    wrong = (theirs > best * (1 + 1e-9)).any(axis=1)
    return Verdict(_mean_distance(X, indices), int(wrong.sum()))


def _mean_distance(X: Matrix, indices: NDArray[np.integer]) -> float:
    total = 0.0
    for column in indices.T:
        difference = X.astype(np.float64) - X[column]
        total += float(np.sqrt((difference**2).sum(axis=1)).sum())
    return total / indices.size


def cut(X: Matrix, answer: Outcome) -> Verdict:
    """The normalised cut of the graph of neighbours (Shi & Malik 2000): the less, the better."""
    from sklearn.neighbors import kneighbors_graph

    one_way = kneighbors_graph(X, NEIGHBORS, include_self=True)
    graph = (one_way + one_way.T).tocsr() / 2
    graph.setdiag(0)
    k = int(answer.labels.max()) + 1
    members = np.eye(k)[answer.labels]
    inside = np.einsum("ij,ij->j", members, graph @ members)
    volumes = np.asarray(graph.sum(axis=1)).ravel() @ members
    return Verdict(float((1 - inside / np.maximum(volumes, 1e-300)).sum()), None)
