"""One race on one data set: everybody runs in every round, then the answers are judged."""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from benchmarks.datasets import DataSet
from benchmarks.neighbours import Neighbours
from benchmarks.problem import Outcome, Problem, pose
from benchmarks.races import BARE, Entry, Race
from benchmarks.timing import Budget, timed, turns

WARM_UP_ROWS = 4_000
# Seconds before each run. Idle threads of some libraries spin for a fifth of a second, and would
# slow down whoever comes next.
REST = 0.3


@dataclass(frozen=True)
class Settings:
    """What holds for every contestant of a contest."""

    rounds: int = 5
    max_seconds: float = 60.0
    seed: int = 0
    # By default each race's own.
    tol: float | None = None
    max_iter: int | None = None


@dataclass
class Score:
    """One contestant's runs: an item a round, or the reason why there are none."""

    name: str
    is_ours: bool
    seconds: list[float] = field(default_factory=list)
    n_iter: list[int] = field(default_factory=list)
    qualities: list[float] = field(default_factory=list)
    mismatches: int | None = None
    failure: str | None = None

    @property
    def median(self) -> float:
        """Seconds of the middle round."""
        return statistics.median(self.seconds)

    @property
    def quality(self) -> float:
        """Mean worth of the answers that were judged, by the race's measure."""
        return statistics.fmean(self.qualities)

    def ratio(self, other: Score) -> float:
        """How many times as long as the other this one took: the median over the rounds."""
        pairs = zip(self.seconds, other.seconds, strict=True)
        return statistics.median(mine / theirs for mine, theirs in pairs)


@dataclass(frozen=True)
class Result:
    """One race on one data set."""

    race: Race
    data: DataSet
    scores: list[Score]
    # The part of the processors' time that went to other processes meanwhile.
    neighbours: float | None = None

    @property
    def ours(self) -> Score:
        """The score that the others are set beside."""
        return self.scores[0]

    @property
    def fastest_ours(self) -> Score:
        """Ours where it is fastest: on the host, or on a device that it was asked to run on too."""
        scores = [s for s in self.scores if s.is_ours and s.name != BARE and s.failure is None]
        return min(scores, key=lambda score: score.median)

    @property
    def bare(self) -> Score | None:
        """Ours without compiled kernels, where that was run too."""
        return next((score for score in self.scores if score.name == BARE), None)

    @property
    def fastest_peer(self) -> Score | None:
        """The other libraries' best, where one of them ran."""
        peers = [s for s in self.scores if not s.is_ours and s.failure is None]
        return min(peers, key=lambda score: score.median, default=None)


def contest(race: Race, data: DataSet, entries: Sequence[Entry], settings: Settings) -> Result:
    """Let the entries run the race, ours first in the first round."""
    tol = race.tol if settings.tol is None else settings.tol
    max_iter = race.max_iter if settings.max_iter is None else settings.max_iter
    entries = [entry for entry in entries if entry.takes(len(data.X))]
    problem = pose(data, seed=settings.seed, tol=tol, max_iter=max_iter)
    scores = [Score(entry.name, entry.is_ours) for entry in entries]
    _warm_up(problem, entries, scores)
    budget, neighbours = Budget(settings.max_seconds), Neighbours()
    for number, order in enumerate(turns(len(entries), settings.rounds)):
        if number and not budget.spend():
            break
        if race.new_seeds:
            problem = replace(problem, seed=settings.seed + number)
        for turn in order:
            outcome = _run(problem, entries[turn], scores[turn])
            if outcome is None:
                continue
            if number == 0 or race.new_seeds:
                _judge(race, problem, outcome, scores[turn])
            if turn == 0:
                problem = replace(problem, iterations=outcome.n_iter)
    return Result(race, data, scores, neighbours.share())


def _warm_up(problem: Problem, entries: Sequence[Entry], scores: Sequence[Score]) -> None:
    """A short run on a few rows, so that no round pays for imports and thread pools."""
    rows = max(WARM_UP_ROWS, 4 * problem.k)
    small = replace(problem, X=problem.X[:rows], max_iter=2, iterations=2)
    for entry, score in zip(entries, scores, strict=True):
        _attempt(small, entry, score)


def _run(problem: Problem, entry: Entry, score: Score) -> Outcome | None:
    if score.failure is not None:
        return None
    time.sleep(REST)
    timing = _attempt(problem, entry, score)
    if timing is None:
        return None
    seconds, outcome = timing
    score.seconds.append(seconds)
    if outcome.n_iter is not None:
        score.n_iter.append(int(outcome.n_iter))
    return outcome


def _attempt(problem: Problem, entry: Entry, score: Score) -> tuple[float, Outcome] | None:
    try:
        with warnings.catch_warnings():
            # A run cut short by --max-iter warns of it, each library in its own words.
            warnings.simplefilter("ignore")
            return timed(entry.prepare(problem))
    except Exception as error:
        # A peer that cannot run is no reason to lose the others' times; ours is, on the host.
        if entry.is_ours and not entry.may_fail:
            raise
        score.failure = f"{type(error).__name__}: {error}".splitlines()[0]
        return None


def _judge(race: Race, problem: Problem, outcome: Outcome, score: Score) -> None:
    verdict = race.measure.judge(problem.X, outcome)
    score.qualities.append(verdict.quality)
    if verdict.mismatches is not None:
        score.mismatches = (score.mismatches or 0) + verdict.mismatches
