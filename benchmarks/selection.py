"""``python -m benchmarks selection``: how often each criterion finds the number of clusters."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks import machine, report
from benchmarks.scenarios import SCENARIOS, Host, Scenario

NOTE = """\
Percent of the seeds in which a criterion's k is the scenario's, of `choose_k(X, range(1, 11))`.
*Recommended* is `KSelection.k`. An elbow counts as right in one cluster where it finds none; the
silhouette, Calinski-Harabasz and Davies-Bouldin have no value at k = 1, so that they are always
wrong there. The *mean* is over the simulated scenarios; of wine and iris only the criteria's random
draws differ from seed to seed.
"""

KS = range(1, 11)
CRITERIA = (
    "gap",
    "bic",
    "silhouette",
    "calinski_harabasz",
    "davies_bouldin",
    "elbow",
    "prediction_strength",
)
RECOMMENDED = "recommended"
SEEDS, QUICK_SEEDS = 50, 4
# What a mean of rates may lack by rounding.
ROUNDING = 1e-9


class Selection(Protocol):
    """What a choice of k returns, of which this benchmark reads these."""

    k: int | None
    choices: Mapping[str, int | None]


class Choose(Protocol):
    """`kmeans_xp.choose_k`, or what stands for it."""

    def __call__(
        self, X: Host, ks: Iterable[int], *, criteria: Sequence[str], rng: int
    ) -> Selection:
        """Choose among `ks` by `criteria`."""


@dataclass(frozen=True)
class Plan:
    """What to try and where to put the report."""

    scenarios: Sequence[Scenario]
    seeds: int
    workers: int  # processes
    command: str
    name: str
    folder: Path


@dataclass(frozen=True)
class Result:
    """The k of every criterion and the recommended one, for each seed of a scenario."""

    scenario: Scenario
    choices: Sequence[Mapping[str, int | None]]

    def right(self, criterion: str) -> NDArray[np.bool_]:
        """In which seeds a criterion is right."""
        # "No elbow" is what an elbow can say of one cluster.
        wanted = {self.scenario.k}
        if criterion == "elbow" and self.scenario.k == 1:
            wanted.add(None)
        return np.array([choice[criterion] in wanted for choice in self.choices])

    def rate(self, criterion: str) -> float:
        """In which part of the seeds a criterion is right."""
        return float(self.right(criterion).mean())


@dataclass(frozen=True)
class Goal:
    """What the recommendation has to reach: the mean rate over some scenarios."""

    scenarios: tuple[str, ...]
    rate: float

    def verdict(self, results: Mapping[str, Result]) -> tuple[bool, str]:
        """Whether it does, and a line that says so."""
        reached = mean_rate([results[name] for name in self.scenarios], RECOMMENDED)
        over = ", ".join(self.scenarios)
        met = reached >= self.rate - ROUNDING
        return met, f"recommended over {over}: {reached:.1%}, at least {self.rate:.0%}"


GOALS = (
    Goal(("null10", "three2d", "four3d", "four10d", "elongated", "normal5"), 0.95),
    Goal(("discs", "heavy_tails"), 0.90),
    Goal(("wine",), 1.0),
    Goal(("iris",), 1.0),
)
# How many standard errors the recommendation may lie below the best criterion.
ERRORS_ALLOWED = 2


def run(plan: Plan, choose: Choose | None = None) -> bool:
    """Try every scenario, print its rates as they are known, store the report.

    Returns whether all goals are met that the plan's scenarios can show.
    """
    if choose is None:
        from kmeans_xp import choose_k as choose
    results: dict[str, Result] = {}
    with _mapping(plan.workers) as mapping:
        for scenario in plan.scenarios:
            choices = mapping(partial(choices_of, choose, scenario.name), range(plan.seeds))
            result = results[scenario.name] = Result(scenario, list(choices))
            print(_remark(result), flush=True)
    verdicts = list(judge(results))
    here = machine.describe()
    text = markdown(results, verdicts, plan, here)
    print(f"\n{text}")
    content = {
        "command": plan.command,
        "machine": here,
        "seeds": plan.seeds,
        "goals": [{"goal": words, "met": met} for met, words in verdicts],
        "scenarios": [as_json(result) for result in results.values()],
    }
    report.write(plan.folder, plan.name, text, content)
    return all(met for met, _ in verdicts)


def choices_of(choose: Choose, name: str, seed: int) -> dict[str, int | None]:
    """Every criterion's k for a scenario's rows of a seed, and the recommended one."""
    selection = choose(SCENARIOS[name].rows(seed), KS, criteria=CRITERIA, rng=seed)
    return {RECOMMENDED: selection.k, **{c: selection.choices[c] for c in CRITERIA}}


@contextmanager
def _mapping(workers: int) -> Iterator[Callable[..., Iterable[Any]]]:
    """A `map` whose calls run in so many processes of one thread each, or in this one."""
    if workers == 1:
        yield map
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=_one_thread) as pool:
        yield pool.map


def _one_thread() -> None:
    """Hold this process to one thread: there are as many processes as processors."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)


def mean_rate(results: Iterable[Result], criterion: str) -> float:
    """In which part of the seeds a criterion is right, the scenarios alike."""
    return float(np.mean([result.rate(criterion) for result in results]))


def judge(results: Mapping[str, Result]) -> Iterator[tuple[bool, str]]:
    """Whether each goal is met, and a line that says so; less those whose scenarios are absent."""
    for goal in GOALS:
        if results.keys() >= set(goal.scenarios):
            yield goal.verdict(results)
    simulated = [result for result in results.values() if result.scenario.simulated]
    if simulated:
        yield against_the_best(simulated)


def against_the_best(results: Sequence[Result]) -> tuple[bool, str]:
    """Whether the recommendation is not far below the criterion that is right most often."""
    best = max(CRITERIA, key=lambda criterion: mean_rate(results, criterion))
    difference, error = mean_difference(results, RECOMMENDED, best)
    met = difference >= -ERRORS_ALLOWED * error
    least = f"at least -{ERRORS_ALLOWED} standard errors of {error:.1%}"
    return met, f"recommended less {best}, the best criterion: {difference:+.1%}, {least}"


def mean_difference(results: Sequence[Result], one: str, other: str) -> tuple[float, float]:
    """The mean over scenarios of one criterion's rate less another's, and its standard error.

    Both see the same rows, so it is the error of the mean of differences, scenario by scenario.
    """
    pairs = [result.right(one).astype(int) - result.right(other) for result in results]
    variances = [pair.var(ddof=1) / len(pair) for pair in pairs]
    error = math.sqrt(sum(variances)) / len(pairs)
    return float(np.mean([pair.mean() for pair in pairs])), error


def _remark(result: Result) -> str:
    rates = (f"{c} {_percent(result.rate(c))}" for c in (RECOMMENDED, *CRITERIA))
    return f"{result.scenario.name}: {', '.join(rates)}"


def markdown(
    results: Mapping[str, Result],
    verdicts: Sequence[tuple[bool, str]],
    plan: Plan,
    here: Mapping[str, Any],
) -> str:
    """The report as it is stored."""
    header = ["scenario", "k", RECOMMENDED, *(c.replace("_", " ") for c in CRITERIA)]
    simulated = [result for result in results.values() if result.scenario.simulated]
    lines = [_line(result) for result in results.values()]
    if simulated:
        means = (_percent(mean_rate(simulated, c)) for c in (RECOMMENDED, *CRITERIA))
        lines.append(["mean", "", *means])
    parts = [
        "# The number of clusters",
        f"```sh\n{plan.command}\n```",
        report.machine_lines(here),
        f"{NOTE.strip()} There are {plan.seeds} seeds.",
        report.table(header, lines),
        "\n".join(f"- {'met' if met else 'NOT met'}: {words}" for met, words in verdicts),
        "How often each k is recommended:",
        "\n".join(f"- {name}: {_counted(result)}" for name, result in results.items()),
    ]
    return "\n\n".join(part.strip() for part in parts)


def _line(result: Result) -> list[str]:
    """One line of the table."""
    rates = (_percent(result.rate(c)) for c in (RECOMMENDED, *CRITERIA))
    return [result.scenario.name, str(result.scenario.k), *rates]


def _percent(rate: float) -> str:
    return f"{100 * rate:.0f}"


def _counted(result: Result) -> str:
    """The recommended ks, the most frequent one first."""
    counts = Counter(choice[RECOMMENDED] for choice in result.choices)
    return ", ".join(f"{k} ({times})" for k, times in counts.most_common())


def as_json(result: Result) -> dict[str, Any]:
    """One scenario, with every choice of every seed."""
    names = (RECOMMENDED, *CRITERIA)
    return {
        "scenario": result.scenario.name,
        "k": result.scenario.k,
        "rates": {name: result.rate(name) for name in names},
        "choices": {name: [choice[name] for choice in result.choices] for name in names},
    }
