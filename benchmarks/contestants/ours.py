"""kmeans_xp, on any backend and device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from benchmarks.medoids import distances, first_medoids
from benchmarks.mixtures import REG_COVAR, Mixture, start_of
from benchmarks.problem import Outcome, Prepare, Problem, Run
from benchmarks.scores import labels_of


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


def fit(
    problem: Problem,
    *,
    n_init: int | str = "auto",
    backend: str = "numpy",
    device: str | None = None,
) -> Run:
    from kmeans_xp import KMeans

    model = KMeans(problem.k, n_init=n_init, max_iter=problem.max_iter, random_state=problem.seed)
    return _fitting(model, "n_iter_", _place(problem.X, backend, device))


def minibatch(problem: Problem, *, backend: str = "numpy", device: str | None = None) -> Run:
    from kmeans_xp import MiniBatchKMeans

    model = MiniBatchKMeans(problem.k, random_state=problem.seed)
    return _fitting(model, "n_steps_", _place(problem.X, backend, device))


def _fitting(model: Any, iterations: str, X: Any) -> Run:
    from kmeans_xp.arrays import to_host

    def run() -> Outcome:
        model.fit(X)
        centers, labels = to_host(model.cluster_centers_), to_host(model.labels_)
        return Outcome(centers, labels, getattr(model, iterations))

    return run


def bisecting(problem: Problem, *, backend: str = "numpy", device: str | None = None) -> Run:
    """Without labels: they come from the tree, and need not be the nearest centres."""
    from kmeans_xp import BisectingKMeans
    from kmeans_xp.arrays import to_host

    X = _place(problem.X, backend, device)
    model = BisectingKMeans(problem.k, max_iter=problem.max_iter, random_state=problem.seed)

    def run() -> Outcome:
        return Outcome(to_host(model.fit(X).cluster_centers_))

    return run


def soft(problem: Problem, *, backend: str = "numpy", device: str | None = None) -> Run:
    from kmeans_xp import SoftKMeans
    from kmeans_xp.arrays import to_host

    X, start = (_place(array, backend, device) for array in (problem.X, problem.start))
    model = SoftKMeans(
        problem.k, init=start, tol=problem.tol, max_iter=problem.max_iter, reg_covar=REG_COVAR
    )

    def run() -> Outcome:
        labels = to_host(model.fit_predict(X))
        weights, centers = to_host(model.weights_), to_host(model.cluster_centers_)
        variances = np.full(problem.k, 1 / model.stiffness_)
        fitted = Mixture("spherical", weights, centers, variances)
        return Outcome(labels=labels, n_iter=model.n_iter_, mixture=fitted)

    return run


def mixture(
    problem: Problem,
    *,
    covariance_type: str,
    backend: str = "numpy",
    device: str | None = None,
) -> Run:
    from kmeans_xp import GaussianMixture
    from kmeans_xp.arrays import to_host

    X = _place(problem.X, backend, device)
    start = start_of(problem.X, problem.start, covariance_type)
    model = GaussianMixture(
        problem.k,
        covariance_type=covariance_type,
        tol=problem.tol,
        max_iter=problem.max_iter,
        reg_covar=REG_COVAR,
        **{name: _place(array, backend, device) for name, array in start.items()},
    )

    def run() -> Outcome:
        labels = to_host(model.fit_predict(X))
        found = map(to_host, (model.weights_, model.means_, model.covariances_))
        fitted = Mixture(covariance_type, *found)
        return Outcome(labels=labels, n_iter=model.n_iter_, mixture=fitted)

    return run


def medoids(problem: Problem, *, backend: str = "numpy", device: str | None = None) -> Run:
    """Swaps alone, on given distances."""
    from kmeans_xp import kmedoids

    D, start = _place(distances(problem.X), backend, device), first_medoids(problem)

    def run() -> Outcome:
        result = kmedoids(
            D,
            problem.k,
            metric="precomputed",
            method="fasterpam",
            init=start,
            max_iter=problem.max_iter,
        )
        return _around_medoids(problem, result)

    return run


def medoids_of_rows(
    problem: Problem, *, method: str, backend: str = "numpy", device: str | None = None
) -> Run:
    from kmeans_xp import kmedoids

    X = _place(problem.X, backend, device)

    def run() -> Outcome:
        result = kmedoids(X, problem.k, method=method, max_iter=problem.max_iter, rng=problem.seed)
        return _around_medoids(problem, result)

    return run


def _around_medoids(problem: Problem, result: Any) -> Outcome:
    from kmeans_xp.arrays import to_host

    centers = problem.X[to_host(result.medoid_indices)]
    return Outcome(centers, to_host(result.labels), result.n_iter)


def neighbors(problem: Problem, *, backend: str = "numpy", device: str | None = None) -> Run:
    """As many neighbours of each row as k says."""
    from kmeans_xp import nearest_neighbors
    from kmeans_xp.arrays import to_host

    X = _place(problem.X, backend, device)

    def run() -> Outcome:
        indices, _ = nearest_neighbors(X, problem.k)
        return Outcome(labels=to_host(indices))

    return run


def spectral(
    problem: Problem,
    *,
    affinity: str = "nearest_neighbors",
    backend: str = "numpy",
    device: str | None = None,
) -> Run:
    from kmeans_xp import spectral_clustering
    from kmeans_xp.arrays import to_host

    X = _place(problem.X, backend, device)

    def run() -> Outcome:
        result = spectral_clustering(X, problem.k, affinity=affinity, rng=problem.seed)
        return Outcome(labels=to_host(result.labels), n_iter=result.n_iter)

    return run


def score(problem: Problem, *, name: str, backend: str = "numpy", device: str | None = None) -> Run:
    import kmeans_xp

    X, labels = (_place(array, backend, device) for array in (problem.X, labels_of(problem)))
    call = getattr(kmeans_xp, name)
    return lambda: Outcome(score=call(X, labels))


def predict(problem: Problem, *, backend: str = "numpy", device: str | None = None) -> Run:
    from kmeans_xp import KMeans
    from kmeans_xp.arrays import to_host

    X, start = (_place(array, backend, device) for array in (problem.X, problem.start))
    model = KMeans(problem.k, init=start, max_iter=1).fit(X)
    centers = to_host(model.cluster_centers_)

    def run() -> Outcome:
        return Outcome(centers, to_host(model.predict(X)))

    return run


def without_numba(prepare: Prepare, problem: Problem) -> Run:
    """The same, as it runs where Numba is not installed."""
    hidden = {"installed": lambda: False, "ready": lambda *_: False}
    with _replaced(**hidden):
        run = prepare(problem)

    def without() -> Outcome:
        with _replaced(**hidden):
            return run()

    return without


def unreadied(prepare: Prepare, problem: Problem) -> Run:
    """The same, with no kernel loaded but those that the fit itself asks for."""
    with _replaced(compile_all=lambda: False):
        return prepare(problem)


@contextmanager
def _replaced(**functions: Any) -> Iterator[None]:
    """Have these functions in the place of those of `compiling`."""
    from kmeans_xp.kernels.numba import compiling

    held = {name: getattr(compiling, name) for name in functions}
    vars(compiling).update(functions)
    try:
        yield
    finally:
        vars(compiling).update(held)


def _place(array: Any, backend: str, device: str | None) -> Any:
    """Put an array where ours is to run, with all compiled that a first fit would compile."""
    if backend == "numpy":
        from kmeans_xp.kernels.numba import compiling

        compiling.compile_all()
        return array
    from kmeans_xp.arrays.backends import place

    return place(array, backend, device)
