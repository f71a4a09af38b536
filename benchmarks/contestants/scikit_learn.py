"""scikit-learn."""

from __future__ import annotations

import warnings

from benchmarks.mixtures import REG_COVAR, Mixture, start_of
from benchmarks.problem import Outcome, Problem, Run
from benchmarks.scores import labels_of


def lloyd(problem: Problem, *, algorithm: str = "lloyd") -> Run:
    from sklearn.cluster import KMeans

    model = KMeans(
        problem.k,
        init=problem.start,
        n_init=1,
        algorithm=algorithm,
        tol=problem.tol,
        max_iter=problem.max_iter,
    )

    def run() -> Outcome:
        model.fit(problem.X)
        return Outcome(model.cluster_centers_, model.labels_, model.n_iter_)

    return run


def seeding(problem: Problem) -> Run:
    from sklearn.cluster import kmeans_plusplus

    def run() -> Outcome:
        centers, _ = kmeans_plusplus(problem.X, problem.k, random_state=problem.seed)
        return Outcome(centers)

    return run


def fit(problem: Problem, *, n_init: int | str = "auto") -> Run:
    from sklearn.cluster import KMeans

    model = KMeans(problem.k, n_init=n_init, max_iter=problem.max_iter, random_state=problem.seed)

    def run() -> Outcome:
        model.fit(problem.X)
        return Outcome(model.cluster_centers_, model.labels_, model.n_iter_)

    return run


def minibatch(problem: Problem) -> Run:
    from sklearn.cluster import MiniBatchKMeans

    model = MiniBatchKMeans(problem.k, random_state=problem.seed)

    def run() -> Outcome:
        model.fit(problem.X)
        return Outcome(model.cluster_centers_, model.labels_, model.n_steps_)

    return run


def bisecting(problem: Problem) -> Run:
    """Without labels: they come from the tree, and need not be the nearest centres."""
    from sklearn.cluster import BisectingKMeans

    model = BisectingKMeans(problem.k, max_iter=problem.max_iter, random_state=problem.seed)

    def run() -> Outcome:
        return Outcome(model.fit(problem.X).cluster_centers_)

    return run


def mixture(problem: Problem, *, covariance_type: str) -> Run:
    from sklearn.mixture import GaussianMixture

    model = GaussianMixture(
        problem.k,
        covariance_type=covariance_type,
        tol=problem.tol,
        max_iter=problem.max_iter,
        reg_covar=REG_COVAR,
        **start_of(problem.X, problem.start, covariance_type),
    )

    def run() -> Outcome:
        labels = model.fit_predict(problem.X)
        fitted = Mixture(covariance_type, model.weights_, model.means_, model.covariances_)
        return Outcome(labels=labels, n_iter=model.n_iter_, mixture=fitted)

    return run


def predict(problem: Problem) -> Run:
    from sklearn.cluster import KMeans

    model = KMeans(problem.k, init=problem.start, n_init=1, max_iter=1).fit(problem.X)

    def run() -> Outcome:
        return Outcome(model.cluster_centers_, model.predict(problem.X))

    return run


def score(problem: Problem, *, name: str) -> Run:
    from sklearn import metrics

    labels, call = labels_of(problem), getattr(metrics, name)
    return lambda: Outcome(score=float(call(problem.X, labels)))


def neighbors(problem: Problem) -> Run:
    """By brute force, which it takes itself from 16 features on."""
    from sklearn.neighbors import NearestNeighbors

    model = NearestNeighbors(n_neighbors=problem.k, algorithm="brute")

    def run() -> Outcome:
        return Outcome(labels=model.fit(problem.X).kneighbors(return_distance=False))

    return run


def spectral(problem: Problem, *, eigen_solver: str | None = None) -> Run:
    from sklearn.cluster import SpectralClustering

    model = SpectralClustering(
        problem.k,
        affinity="nearest_neighbors",
        eigen_solver=eigen_solver,
        random_state=problem.seed,
    )

    def run() -> Outcome:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of graphs that fall apart.
            return Outcome(labels=model.fit(problem.X).labels_)

    return run
