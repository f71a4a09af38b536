"""SuperKMeans, all rows at full precision, without its sampling and its early end."""

from __future__ import annotations

from typing import Any

from benchmarks.problem import Outcome, Problem, Run


def lloyd(problem: Problem) -> Run:
    """As many iterations as ours took, from rows of its own choice: it takes no start."""
    if problem.iterations is None:
        raise ValueError("superkmeans needs the iterations that ours took, so ours runs first")
    model = _model(problem, problem.iterations)

    def run() -> Outcome:
        return Outcome(model.train(problem.X), n_iter=problem.iterations)

    return run


def predict(problem: Problem) -> Run:
    """From the centres that scikit-learn predicts from."""
    from sklearn.cluster import KMeans

    fitted = KMeans(problem.k, init=problem.start, n_init=1, max_iter=1).fit(problem.X)
    model, centers = _model(problem, 1), fitted.cluster_centers_

    def run() -> Outcome:
        return Outcome(centers, model.assign(problem.X, centers))

    return run


def _model(problem: Problem, iterations: int) -> Any:
    """One that can be trained once."""
    from superkmeans import SuperKMeans

    n, d = problem.X.shape
    return SuperKMeans(
        problem.k,
        d,
        # From 100,000 rows on it would cluster clusters.
        hierarchical=False,
        iters=iterations,
        sampling_fraction=1.0,
        max_points_per_cluster=n,
        early_termination=False,
        seed=problem.seed,
    )
