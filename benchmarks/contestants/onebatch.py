"""onebatch: OneBatchPAM by its authors."""

from __future__ import annotations

from benchmarks.problem import Outcome, Problem, Run


def fit(problem: Problem) -> Run:
    """Its medoids alone: of labels and loss it has but those of the rows that judge."""
    from onebatch import OneBatchPAM

    model = OneBatchPAM(problem.k, distance="euclidean", random_state=problem.seed)

    def run() -> Outcome:
        return Outcome(problem.X[model.fit(problem.X).medoid_indices_])

    return run
