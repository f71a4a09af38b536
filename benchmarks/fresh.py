"""``python -m benchmarks fresh``: what a new process gets, from its first call on."""

from __future__ import annotations

import json
import pickle
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import machine, report
from benchmarks.contestants import ours
from benchmarks.datasets import DataSet
from benchmarks.footprint import task_of
from benchmarks.peers import RACED, entries_of, load_sets, raced
from benchmarks.problem import Problem, pose
from benchmarks.processes import ProcessError, answer
from benchmarks.races import BARE, OURS, RACES, Entry, Race

NOTE = """\
Every contestant has a process of its own, which imports its library and then makes the same call
{calls} times, or as often as {seconds:g} seconds allow, three times at least. *First* is the first
call: nothing but the library is imported, and nothing is loaded. *Later* is the median of the
second half of the calls. Ours has the extra `fast` installed and everything compiled before; it
imports Numba and loads what was compiled when that is repaid, which a call then waits for; *without
Numba* it is not installed. *Speed-up* is the fastest peer's time over ours, of first and of later
calls: above 1 ours is faster.
"""

CALLS, MAX_SECONDS = 12, 10.0
SEED = 0
FRESH = {name: RACES[name] for name in ("lloyd", "seeding", "fit", "predict")}
CHILD = "from benchmarks.calls import main; main()"


@dataclass(frozen=True)
class Plan:
    """What to run and where to put the report."""

    races: Mapping[str, Sequence[Race]]  # of each set, by its spec
    calls: int
    max_seconds: float
    max_iter: int | None
    only: Sequence[str]
    skip_missing: bool
    command: str
    name: str
    folder: Path


@dataclass(frozen=True)
class Times:
    """The seconds of one contestant's calls, or the reason why there are none."""

    name: str
    seconds: Sequence[float] = ()
    n_iter: int | None = None
    failure: str | None = None

    @property
    def first(self) -> float:
        """Of the first call."""
        return self.seconds[0]

    @property
    def later(self) -> float:
        """Of the second half of the calls, the median."""
        return median(self.seconds[len(self.seconds) // 2 :])


@dataclass(frozen=True)
class Result:
    """One race on one data set."""

    race: Race
    data: DataSet
    times: Sequence[Times]

    def of(self, name: str) -> Times | None:
        """A contestant's times, where it has any."""
        return next((t for t in self.times if t.name == name and t.seconds), None)

    @property
    def peers(self) -> list[Times]:
        """The others' times."""
        return [t for t in self.times if t.seconds and not t.name.startswith(OURS)]


def run(plan: Plan) -> None:
    """Time everybody, print the times as they are known, then store the report."""
    results = []
    for data in load_sets(plan.races, plan.skip_missing):
        for race in plan.races[data.name]:
            results.append(measure(race, data, plan))
            here = machine.describe()
            content = {
                "command": plan.command,
                "machine": here,
                "results": [as_json(result) for result in results],
            }
            report.write(plan.folder, plan.name, markdown(results, plan, here), content)
    print(f"\n{summary(results)}")


def measure(race: Race, data: DataSet, plan: Plan) -> Result:
    """Everybody on one data set, ours first, whose iterations some of the others copy."""
    problem = pose(data, seed=SEED, tol=race.tol, max_iter=plan.max_iter or race.max_iter)
    times: list[Times] = []
    with tempfile.TemporaryDirectory() as folder:
        for entry in entries_of(race, (), plan.only):
            found = times_of(entry, problem, Path(folder), plan)
            figures = found.failure or ", ".join(map(report.duration, found.seconds[:3]))
            print(f"{race.name}, {data.name}, {found.name}: {figures}, ...", flush=True)
            problem = replace(problem, iterations=problem.iterations or found.n_iter)
            times.append(found)
    return Result(race, data, times)


def times_of(entry: Entry, problem: Problem, folder: Path, plan: Plan) -> Times:
    """One contestant's calls in a new process, which finds the modules that this one finds."""
    prepare, bare = entry.prepare, entry.name == BARE
    if entry.is_ours:
        # Elsewhere ours readies every kernel that there is, which a user's program would not.
        prepare = partial(ours.unreadied, prepare)
    task = task_of(prepare, problem, folder)
    given = pickle.dumps((task, not bare, plan.calls, plan.max_seconds))
    try:
        seconds, n_iter = json.loads(answer(["-c", CHILD], given, sys.path))
    except ProcessError as error:
        # A peer that cannot run is no reason to lose the others; ours is.
        if entry.is_ours:
            raise
        return Times(entry.name, failure=str(error))
    return Times(entry.name, seconds, n_iter)


def markdown(results: Sequence[Result], plan: Plan, here: Mapping[str, Any]) -> str:
    """The report as it is stored."""
    parts = [
        "# What a new process gets",
        f"```sh\n{plan.command}\n```",
        report.machine_lines(here),
        NOTE.format(calls=plan.calls, seconds=plan.max_seconds),
        summary(results),
        *(f"## {r.race.name}, {r.data.name}: {r.race.title}\n\n{details(r)}" for r in results),
    ]
    return "\n\n".join(part.strip() for part in parts)


def summary(results: Sequence[Result]) -> str:
    """One line for each race and set: ours beside the fastest peer."""
    header = (
        "ours, first",
        "ours, later",
        "fastest peer",
        "its later",
        "speed-up, first",
        "later",
        "without Numba",
    )
    return report.table((*RACED, *header), [_line(result) for result in results])


def _line(result: Result) -> list[str]:
    mine, bare = result.of(OURS), result.of(BARE)
    assert mine is not None
    cells = [*raced(result.race, result.data), *map(report.duration, (mine.first, mine.later))]
    if not result.peers:
        return [*cells, *[""] * 5]
    fastest = min(result.peers, key=lambda times: times.later)
    first = min(times.first for times in result.peers)
    return [
        *cells,
        fastest.name,
        report.duration(fastest.later),
        report.times(first / mine.first),
        report.times(fastest.later / mine.later),
        "" if bare is None else report.times(fastest.later / bare.later),
    ]


def details(result: Result) -> str:
    """Everybody's first calls, and later ones."""
    rows = []
    for times in result.times:
        if times.failure is not None:
            rows.append([f"{times.name}: {times.failure}", *[""] * 5])
            continue
        early = [report.duration(seconds) for seconds in times.seconds[:3]]
        rows.append([times.name, *early, report.duration(times.later), str(len(times.seconds))])
    return report.table(("contestant", "first", "second", "third", "later", "calls"), rows)


def as_json(result: Result) -> dict[str, Any]:
    """One race on one set, with every call's seconds."""
    n, d = result.data.shape
    return {
        "race": result.race.name,
        "set": result.data.name,
        "rows": n,
        "features": d,
        "k": result.data.k,
        "contestants": [asdict(times) for times in result.times],
    }
