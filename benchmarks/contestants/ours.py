"""kmeans_xp, on any backend and device."""

from __future__ import annotations

from typing import Any

from benchmarks.problem import Outcome, Problem, Run


def lloyd(problem: Problem, *, backend: str = "numpy", device: str | None = None) -> Run:
    from kmeans_xp import kmeans
    from kmeans_xp.arrays import to_host

    X, start = (_place(array, backend, device) for array in (problem.X, problem.start))

    def run() -> Outcome:
        result = kmeans(
            X,
            problem.k,
            init=start,
            tol=problem.tol,
            max_iter=problem.max_iter,
            rng=problem.seed,
        )
        return Outcome(to_host(result.centers), to_host(result.labels), result.n_iter)

    return run


def seeding(problem: Problem, *, backend: str = "numpy", device: str | None = None) -> Run:
    from kmeans_xp import kmeans_plusplus
    from kmeans_xp.arrays import to_host

    X = _place(problem.X, backend, device)

    def run() -> Outcome:
        centers, _ = kmeans_plusplus(X, problem.k, rng=problem.seed)
        return Outcome(to_host(centers))

    return run


def fit(problem: Problem, *, backend: str = "numpy", device: str | None = None) -> Run:
    from kmeans_xp import KMeans
    from kmeans_xp.arrays import to_host

    X = _place(problem.X, backend, device)
    model = KMeans(problem.k, max_iter=problem.max_iter, random_state=problem.seed)

    def run() -> Outcome:
        model.fit(X)
        centers, labels = to_host(model.cluster_centers_), to_host(model.labels_)
        return Outcome(centers, labels, model.n_iter_)

    return run


def predict(problem: Problem, *, backend: str = "numpy", device: str | None = None) -> Run:
    from kmeans_xp import KMeans
    from kmeans_xp.arrays import to_host

    X, start = (_place(array, backend, device) for array in (problem.X, problem.start))
    model = KMeans(problem.k, init=start, max_iter=1).fit(X)
    centers = to_host(model.cluster_centers_)

    def run() -> Outcome:
        return Outcome(centers, to_host(model.predict(X)))

    return run


def _place(array: Any, backend: str, device: str | None) -> Any:
    if backend == "numpy":
        return array
    from kmeans_xp.arrays.backends import place

    return place(array, backend, device)
