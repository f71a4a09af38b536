"""scikit-learn."""

from __future__ import annotations

from benchmarks.problem import Outcome, Problem, Run


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


def fit(problem: Problem) -> Run:
    from sklearn.cluster import KMeans

    model = KMeans(problem.k, max_iter=problem.max_iter, random_state=problem.seed)

    def run() -> Outcome:
        model.fit(problem.X)
        return Outcome(model.cluster_centers_, model.labels_, model.n_iter_)

    return run


def predict(problem: Problem) -> Run:
    from sklearn.cluster import KMeans

    model = KMeans(problem.k, init=problem.start, n_init=1, max_iter=1).fit(problem.X)

    def run() -> Outcome:
        return Outcome(model.cluster_centers_, model.predict(problem.X))

    return run
