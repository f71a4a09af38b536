"""kmedoids: FasterPAM in Rust."""

from __future__ import annotations

import numpy as np

from benchmarks.medoids import distances, first_medoids
from benchmarks.problem import Outcome, Problem, Run


def swaps(problem: Problem) -> Run:
    """In one thread: more of them look at the rows in another order, and swap others."""
    import kmedoids

    D, start = distances(problem.X), first_medoids(problem).astype(np.uint64)

    def run() -> Outcome:
        found = kmedoids.fasterpam(D, start, max_iter=problem.max_iter, n_cpu=1)
        return Outcome(problem.X[found.medoids], found.labels, found.n_iter)

    return run


def fit(problem: Problem) -> Run:
    from kmedoids import KMedoids

    model = KMedoids(
        problem.k,
        metric="euclidean",
        method="fasterpam",
        max_iter=problem.max_iter,
        random_state=problem.seed,
    )

    def run() -> Outcome:
        model.fit(problem.X)
        return Outcome(model.cluster_centers_, model.labels_)

    return run
