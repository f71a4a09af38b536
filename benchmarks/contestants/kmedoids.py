"""kmedoids: FasterPAM in Rust."""

from __future__ import annotations

import numpy as np

from benchmarks.machine import usable_cpus
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
    """As its KMedoids, which would start a thread for every processor, allowed or not."""
    import kmedoids
    from sklearn.metrics import pairwise_distances

    def run() -> Outcome:
        found = kmedoids.fasterpam(
            pairwise_distances(problem.X, metric="euclidean"),
            problem.k,
            max_iter=problem.max_iter,
            random_state=problem.seed,
            n_cpu=len(usable_cpus()),
        )
        return Outcome(problem.X[found.medoids], found.labels, found.n_iter)

    return run
