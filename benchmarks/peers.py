"""``python -m benchmarks peers``: ours beside each peer that is installed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import machine, neighbours, report
from benchmarks.contest import Result, Score, Settings, contest
from benchmarks.datasets import DataSet, UnavailableError, load
from benchmarks.grid import Target
from benchmarks.measures import Measure
from benchmarks.races import OURS, Entry, Race, on_device

# How the line of a race and set begins in a summary; `raced` has its cells.
RACED = ("race, set", "rows", "features", "k")

NOTE = """\
Times are medians over interleaved rounds in one process; *time / ours* is the median of the
rounds' ratios. *Inertia* is computed for everybody by one float64 function from the centres
they returned (the mean, where each round has a new seed), *against ours* its relative
difference, and *not nearest* counts the labels that a float64 brute force contradicts. For
mixtures it is the same with the mean *log-likelihood* of a row, more being better, and its
difference. For k-medoids it is the *loss*, the sum of the rows' distances to their medoids; where
the difference is 0, the medoids are the same. For neighbours it is their *mean distance*, and *not
nearest* counts those of 500 rows that have nearer ones; for spectral clustering it is the
*normalised cut* of the graph of neighbours, less being better, and its difference. Of a clustering
that is given it is its *score*, as each library computes it. Ours loads its Numba kernels before
the clock starts, as a first fit would.
"""

SPEED_UP = """\
*Speed-up* is the fastest peer's time over ours, on the device where ours is fastest: above 1
ours is faster. *Without Numba* is the same of ours in NumPy alone.
"""


@dataclass(frozen=True)
class Plan:
    """What to run and where to put the report."""

    races: Mapping[str, Sequence[Race]]  # of each set, by its spec
    settings: Settings
    targets: Sequence[Target]
    only: Sequence[str]
    skip_missing: bool
    command: str
    name: str
    folder: Path


def run(plan: Plan) -> None:
    """Run the plan; print every table, and store the report so far, as it is ready."""
    results: list[Result] = []
    for data in load_sets(plan.races, plan.skip_missing):
        races = fitting(plan.races[data.name], data)
        for race in races:
            # The budget is a set's; each of its races gets an equal part.
            seconds = plan.settings.max_seconds / len(races)
            settings = replace(plan.settings, max_seconds=seconds)
            result = contest(race, data, entries_of(race, plan.targets, plan.only), settings)
            print(f"\n{_caption(result)}\n\n{details(result)}", flush=True)
            results.append(result)
            _store(results, plan)
    print(f"\n{summary(results)}\n\n{report.machine_lines(machine.describe())}")
    failures = [
        f"{score.name}, {_caption(result)}: {score.failure}"
        for result in results
        for score in result.scores
        if score.is_ours and score.failure
    ]
    if failures:
        raise RuntimeError("; ".join(failures))


def _store(results: Sequence[Result], plan: Plan) -> None:
    here = machine.describe()
    report.write(
        plan.folder,
        plan.name,
        markdown(results, plan.command, here),
        {
            "command": plan.command,
            "machine": here,
            "settings": vars(plan.settings),
            "results": [as_json(result) for result in results],
        },
    )


def entries_of(race: Race, targets: Sequence[Target], only: Sequence[str]) -> list[Entry]:
    """Those of a race's entries that are installed and asked for, ours first."""
    first, *peers = race.entries
    if any(target.is_gpu for target in targets):
        peers += race.gpu_entries
    chosen = [p for p in peers if not only or any(word in p.name for word in only)]
    further = [on_device(race, target) for target in targets]
    return [first, *further, *(peer for peer in chosen if peer.installed)]


def load_sets(specs: Iterable[str], skip_missing: bool) -> Iterator[DataSet]:
    """Each set in its turn; one whose package is not installed is left out, or an error."""
    for spec in specs:
        try:
            data = load(spec)
        except UnavailableError as reason:
            if not skip_missing:
                raise
            print(f"\n{spec}: left out; {reason}", flush=True)
            continue
        yield data


def fitting(races: Sequence[Race], data: DataSet) -> list[Race]:
    """Those of the races in which ours takes so many rows; the others are left out by name."""
    fit = []
    for race in races:
        if race.entries[0].takes(len(data.X)):
            fit.append(race)
        else:
            print(f"\n{race.name}, {data.name}: left out; it has too many rows", flush=True)
    return fit


def details(result: Result) -> str:
    """Everybody's time and result in one race on one set."""
    measure = result.race.measure
    header = (
        "contestant", "time", "time / ours", "iterations", "per iteration",
        measure.name, "against ours", measure.contradicted,
    )  # fmt: skip
    return report.table(header, [_row(score, result.ours, measure) for score in result.scores])


def _row(score: Score, ours: Score, measure: Measure) -> list[str]:
    if score.failure is not None:
        return [f"{score.name}: {score.failure}", *[""] * 7]
    iterations = _mean(score.n_iter)
    return [
        score.name,
        report.duration(score.median),
        report.times(score.ratio(ours)),
        "" if iterations is None else f"{iterations:.4g}",
        "" if not iterations else report.duration(score.median / iterations),
        f"{score.quality:.8g}",
        "" if score is ours else f"{measure.difference(score.quality, ours.quality):+.1e}",
        "" if score.mismatches is None else f"{score.mismatches:,}",
    ]


def _mean(values: Sequence[int]) -> float | None:
    return sum(values) / len(values) if values else None


def summary(results: Sequence[Result]) -> str:
    """One line for each race and set: ours against the fastest peer."""
    header = ("ours", "fastest peer", "its time", "speed-up", "without Numba")
    return report.table((*RACED, *header), [_line(result) for result in results])


def raced(race: Race, data: DataSet) -> list[str]:
    """The cells of a summary's line under `RACED`."""
    return [f"{race.name}, {data.name}", *(f"{number:,}" for number in (*data.shape, data.k))]


def _line(result: Result) -> list[str]:
    fastest = result.fastest_ours
    where = fastest.name.removeprefix(OURS)
    ours = [*raced(result.race, result.data), f"{report.duration(fastest.median)}{where}"]
    peer = result.fastest_peer
    if peer is None:
        return [*ours, *[""] * 4]
    bare = "" if result.bare is None else report.times(peer.ratio(result.bare))
    speed_up = report.times(peer.ratio(fastest))
    return [*ours, peer.name, report.duration(peer.median), speed_up, bare]


def _caption(result: Result) -> str:
    n, d = result.data.shape
    rounds = len(result.ours.seconds)
    others = neighbours.remark(result.neighbours)
    return (
        f"{result.race.title}: {result.data.name} ({n:,} × {d:,}, k={result.data.k:,}, "  # noqa: RUF001
        f"{rounds} round{'s' if rounds > 1 else ''}{others})"
    )


def markdown(results: Sequence[Result], command: str, here: dict[str, Any]) -> str:
    """The report as it is stored."""
    parts = [
        "# kmeans_xp and its peers",
        f"```sh\n{command}\n```",
        report.machine_lines(here),
        NOTE,
        SPEED_UP,
        summary(results),
        *(f"## {_caption(result)}\n\n{details(result)}" for result in results),
    ]
    return "\n\n".join(part.strip() for part in parts)


def as_json(result: Result) -> dict[str, Any]:
    """One race on one set, with every round's time."""
    n, d = result.data.shape
    peer = result.fastest_peer
    return {
        "race": result.race.name,
        "set": result.data.name,
        "rows": n,
        "features": d,
        "k": result.data.k,
        "measure": result.race.measure.name,
        "neighbours": result.neighbours,
        "fastest_peer": None if peer is None else peer.name,
        "speed_up": None if peer is None else peer.ratio(result.fastest_ours),
        "contestants": [
            vars(s) if s.failure else {**vars(s), "median": s.median, "quality": s.quality}
            for s in result.scores
        ],
    }
