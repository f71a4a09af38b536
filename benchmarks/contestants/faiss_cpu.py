"""faiss-cpu, without its subsampling."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.problem import Outcome, Problem, Run


def lloyd(problem: Problem) -> Run:
    """Lloyd for as many iterations as ours took: faiss has no stopping rule like ours."""
    if problem.iterations is None:
        raise ValueError("faiss-cpu needs the iterations that ours took, so ours runs first")
    model = _model(problem, problem.iterations)

    def run() -> Outcome:
        model.train(problem.X, init_centroids=problem.start)
        return Outcome(model.centroids, n_iter=problem.iterations)

    return run


def predict(problem: Problem) -> Run:
    model = _model(problem, 1)
    model.train(problem.X, init_centroids=problem.start)

    def run() -> Outcome:
        _, labels = model.assign(problem.X)
        return Outcome(model.centroids, labels)

    return run


def neighbors(problem: Problem) -> Run:
    """By its flat index, which finds each row itself first, but for copies of it."""
    import faiss

    def run() -> Outcome:
        index = faiss.IndexFlatL2(problem.X.shape[1])
        index.add(problem.X)
        _, indices = index.search(problem.X, problem.k + 1)
        own = indices == np.arange(len(indices))[:, None]
        order = np.argsort(own, axis=1, kind="stable")[:, :-1]
        return Outcome(labels=np.take_along_axis(indices, order, axis=1))

    return run


def _model(problem: Problem, n_iter: int) -> Any:
    import faiss

    n, d = problem.X.shape
    return faiss.Kmeans(
        d,
        problem.k,
        niter=n_iter,
        # By default it clusters a sample of 256 rows a centre, and warns below 39.
        max_points_per_centroid=n,
        min_points_per_centroid=1,
    )
