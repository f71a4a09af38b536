"""``python -m benchmarks memory``: the peak memory of a fit, ours and each installed peer's."""

from __future__ import annotations

import json
import pickle
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import footprint, machine, races, report
from benchmarks.contestants import ours
from benchmarks.datasets import DataSet, UnavailableError
from benchmarks.footprint import Reading, Task, task_of
from benchmarks.peers import RACED, entries_of, load_sets, raced
from benchmarks.problem import Problem, pose
from benchmarks.processes import ProcessError, answer
from benchmarks.races import BARE, OURS, Entry, Race

NOTE = """\
Every figure comes from a new process that does one contestant's fit, on float32 rows in memory;
1 MB is a million bytes. *Growth* is the resident memory at the fit's peak less that before it,
when the library is imported and its kernels loaded, a few hundred rows have been fitted and X has
been read: what a fit takes besides X, its answer included, give or take half a megabyte; the
median over {rounds}. *Whole process* is the peak of another process, which imports the
contestant's library, reads X and fits: what a program takes that does only this. There ours
imports Numba only for a fit that repays it, with its kernels compiled before, and scikit-learn
only for its estimator, which is *fit*. In *lloyd* all start from the same rows and stop by the
same rule, after {iterations} iterations at the latest, but faiss and superkmeans, which have no
such rule and give no labels, do as many as ours.
"""

RATIOS = """\
Ours over scikit-learn's ({peers}): below 1 ours takes less.
"""

# Few iterations, for it is the peak that counts, and to converge takes minutes.
RACES = {
    "lloyd": replace(
        races.RACES["lloyd"], title="Lloyd's iterations, all from the same rows", max_iter=12
    ),
    "fit": races.RACES["fit"],
}
ROUNDS = 3
SEED = 0
CHILD = "from benchmarks.footprint import main; main()"


@dataclass(frozen=True)
class Plan:
    """What to measure and where to put the report."""

    races: Mapping[str, Sequence[Race]]  # of each set, by its spec
    rounds: int
    max_iter: int | None
    only: Sequence[str]
    skip_missing: bool
    command: str
    name: str
    folder: Path


@dataclass(frozen=True)
class Usage:
    """One contestant's peaks in bytes, or the reason why there are none."""

    name: str
    growths: Sequence[int] = ()
    whole: int | None = None
    n_iter: int | None = None
    failure: str | None = None

    @property
    def growth(self) -> float | None:
        """The middle one of its processes."""
        return median(self.growths) if self.growths else None


@dataclass(frozen=True)
class Result:
    """One race on one data set."""

    race: Race
    data: DataSet
    usages: Sequence[Usage]

    def of(self, name: str) -> Usage:
        """A contestant's usage, empty where it did not take part."""
        return next((usage for usage in self.usages if usage.name == name), Usage(name))


def run(plan: Plan) -> None:
    """Measure, print everybody's usage as it is known, then store the report."""
    if not footprint.CLEAR_REFS.exists():
        raise UnavailableError(f"it needs Linux, whose {footprint.CLEAR_REFS} is not here")
    results = [
        measure(race, data, plan)
        for data in load_sets(plan.races, plan.skip_missing)
        for race in plan.races[data.name]
    ]
    here = machine.describe()
    text = markdown(results, plan, here)
    print(f"\n{text}")
    content = {
        "command": plan.command,
        "machine": here,
        "results": [as_json(result) for result in results],
    }
    report.write(plan.folder, plan.name, text, content)


def measure(race: Race, data: DataSet, plan: Plan) -> Result:
    """Everybody on one data set, ours first, whose iterations some of the others copy."""
    problem = pose(data, seed=SEED, tol=race.tol, max_iter=plan.max_iter or race.max_iter)
    usages: list[Usage] = []
    with tempfile.TemporaryDirectory() as folder:
        for entry in entries_of(race, (), plan.only):
            usage = usage_of(entry, problem, Path(folder), plan.rounds)
            figures = usage.failure or f"{_size(usage.growth)}, {_size(usage.whole)} in all"
            print(f"{race.name}, {data.name}, {usage.name}: {figures}", flush=True)
            problem = replace(problem, iterations=problem.iterations or usage.n_iter)
            usages.append(usage)
    return Result(race, data, usages)


def usage_of(entry: Entry, problem: Problem, folder: Path, rounds: int) -> Usage:
    """One contestant's processes, one after the other."""
    task = task_of(entry.prepare, problem, folder)
    # Ours readies every kernel that there is, which a user's program would not.
    script = replace(task, prepare=partial(ours.unreadied, task.prepare)) if entry.is_ours else task
    try:
        growths = [read("growth", task) for _ in range(rounds)]
        whole = read("whole", script)
    except ProcessError as error:
        # A peer that cannot run is no reason to lose the others; ours is.
        if entry.is_ours:
            raise
        return Usage(entry.name, failure=str(error))
    return Usage(entry.name, [g.size for g in growths], whole.size, growths[0].n_iter)


def read(measure: str, task: Task) -> Reading:
    """Have a new process, which finds the modules that this one finds, measure a task."""
    line = answer(["-c", CHILD, measure], pickle.dumps(task), sys.path)
    return Reading(**json.loads(line))


def markdown(results: Sequence[Result], plan: Plan, here: Mapping[str, Any]) -> str:
    """The report as it is stored: the ratios, then two tables a race."""
    found = {result.race.name: result.race for result in results}
    iterations = plan.max_iter or RACES["lloyd"].max_iter
    processes = "one process" if plan.rounds == 1 else f"{plan.rounds} processes"
    peers = ", ".join(f"{_peer(race)} in {name}" for name, race in found.items())
    parts = [
        "# The memory of a fit",
        f"```sh\n{plan.command}\n```",
        report.machine_lines(here),
        NOTE.format(rounds=processes, iterations=iterations),
        RATIOS.format(peers=peers),
        summary(results),
        *(section([r for r in results if r.race.name == name]) for name in found),
        *(
            f"Left out: {usage.name}, {result.race.name}, {result.data.name}: {usage.failure}"
            for result in results
            for usage in result.usages
            if usage.failure
        ),
    ]
    return "\n\n".join(part.strip() for part in parts)


def summary(results: Sequence[Result]) -> str:
    """One line for each race and set: ours over scikit-learn's."""
    header = ("growth", "without Numba", "whole process", "without Numba")
    return report.table((*RACED, *header), [_line(result) for result in results])


def _line(result: Result) -> list[str]:
    mine, bare, peer = (result.of(name) for name in (OURS, BARE, _peer(result.race)))
    return [
        *raced(result.race, result.data),
        _ratio(mine.growth, peer.growth),
        _ratio(bare.growth, peer.growth),
        _ratio(mine.whole, peer.whole),
        _ratio(bare.whole, peer.whole),
    ]


def _peer(race: Race) -> str:
    """Whom ours is set beside: scikit-learn's first entry, which is always installed."""
    return next(entry.name for entry in race.entries if not entry.is_ours)


def section(results: Sequence[Result]) -> str:
    """One race: a table of growths, another of whole processes."""
    growths = _table(results, lambda usage: usage.growth)
    wholes = _table(results, lambda usage: usage.whole)
    title = f"## {results[0].race.name}: {results[0].race.title}"
    return f"{title}\n\nGrowth:\n\n{growths}\n\nWhole process:\n\n{wholes}"


def _table(results: Sequence[Result], peak: Callable[[Usage], float | None]) -> str:
    """One line a contestant, one column a set."""
    header = ["contestant", *(result.data.name for result in results)]
    names = dict.fromkeys(usage.name for result in results for usage in result.usages)
    rows = [[name, *(_size(peak(result.of(name))) for result in results)] for name in names]
    return report.table(header, [["X", *(_size(r.data.X.nbytes) for r in results)], *rows])


def _size(peak: float | None) -> str:
    return "" if peak is None else f"{peak / 1e6:,.1f} MB"


def _ratio(mine: float | None, theirs: float | None) -> str:
    return report.times(mine / theirs) if mine is not None and theirs else ""


def as_json(result: Result) -> dict[str, Any]:
    """One race on one set, in bytes, with every process's growth."""
    n, d = result.data.shape
    return {
        "race": result.race.name,
        "set": result.data.name,
        "rows": n,
        "features": d,
        "k": result.data.k,
        "bytes_of_X": result.data.X.nbytes,
        "contestants": [{**asdict(usage), "growth": usage.growth} for usage in result.usages],
    }
