"""scikit-learn-intelex: its own estimator class; scikit-learn itself stays unpatched."""

from __future__ import annotations

from typing import Any

from benchmarks.problem import Outcome, Problem, Run


class FellBackError(RuntimeError):
    """It quietly ran scikit-learn's code, whose time would not be its own."""


def lloyd(problem: Problem) -> Run:
    from sklearnex.cluster import KMeans

    model = KMeans(
        problem.k, init=problem.start, n_init=1, tol=problem.tol, max_iter=problem.max_iter
    )

    def run() -> Outcome:
        model.fit(problem.X)
        return _answer(model)

    return run


def fit(problem: Problem) -> Run:
    from sklearnex.cluster import KMeans

    model = KMeans(problem.k, max_iter=problem.max_iter, random_state=problem.seed)

    def run() -> Outcome:
        model.fit(problem.X)
        return _answer(model)

    return run


def predict(problem: Problem) -> Run:
    from sklearnex.cluster import KMeans

    model = KMeans(problem.k, init=problem.start, n_init=1, max_iter=1).fit(problem.X)
    centers = _answer(model).centers

    def run() -> Outcome:
        return Outcome(centers, model.predict(problem.X))

    return run


def _answer(model: Any) -> Outcome:
    if not hasattr(model, "_onedal_estimator"):
        raise FellBackError("it fell back to scikit-learn for these parameters")
    return Outcome(model.cluster_centers_, model.labels_, model.n_iter_)
