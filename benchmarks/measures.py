"""What answers are judged by: a race names one of these."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.datasets import Matrix
from benchmarks.graphs import cut, neighbors
from benchmarks.judge import Verdict, judge
from benchmarks.mixtures import likelihood
from benchmarks.problem import Outcome
from benchmarks.scores import verdict


@dataclass(frozen=True)
class Measure:
    """The worth of an answer, and the words in which tables say it."""

    name: str
    contradicted: str
    judge: Callable[[Matrix, Outcome], Verdict]
    # From the second, which is ours, to the first.
    difference: Callable[[float, float], float]


def _of_centers(X: Matrix, answer: Outcome) -> Verdict:
    return judge(X, answer.centers, answer.labels)


def _of_medoids(X: Matrix, answer: Outcome) -> Verdict:
    return judge(X, answer.centers, answer.labels, squared=False)


def _of_mixture(X: Matrix, answer: Outcome) -> Verdict:
    assert answer.mixture is not None
    return likelihood(X, answer.mixture, answer.labels)


def _relative(theirs: float, ours: float) -> float:
    return theirs / ours - 1


INERTIA = Measure("inertia", "not nearest", _of_centers, _relative)
LOSS = Measure("loss", "not nearest", _of_medoids, _relative)
# Already a logarithm, and possibly 0.
LIKELIHOOD = Measure(
    "log-likelihood", "not likeliest", _of_mixture, lambda theirs, ours: theirs - ours
)
# Of graphs that fall apart it is 0.
CUT = Measure("normalised cut", "", cut, lambda theirs, ours: theirs - ours)
SCORE = Measure("score", "", verdict, _relative)
DISTANCE = Measure("mean distance", "not nearest", neighbors, _relative)
