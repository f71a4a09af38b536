"""``python -m benchmarks growth``: Lloyd's time over rows, features, clusters and iterations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from benchmarks import machine, neighbours, report, roofline
from benchmarks.contest import Score, Settings, contest
from benchmarks.datasets import load
from benchmarks.growth_plot import draw_growth
from benchmarks.peers import entries_of
from benchmarks.races import RACES
from benchmarks.sweeps import Growth, Size, Sweep, sweeps

NOTE = """\
Seconds of a Lloyd fit over its iterations, everybody from the same float32 rows with tol=0:
the shortest of the rounds. *Grows as* is the exponent p of x^p that the last three sizes
suggest. The *roofline* is the least that an iteration takes which computes every product of
rows and centres, by rates measured in the same run:
"""

SWEEPS = sweeps(Size(64_000, 32, 128, 8), (1 / 16, 1 / 4, 1, 4, 16))
QUICK = sweeps(Size(2_000, 8, 8, 4), (1 / 4, 1, 4))


@dataclass(frozen=True)
class Plan:
    """What to measure and where to put the report."""

    sweeps: Sequence[Sweep]
    rows_of: str  # the generated data set that they are drawn from
    settings: Settings
    only: Sequence[str]
    command: str
    name: str
    folder: Path


def run(plan: Plan) -> None:
    """Measure, print every table as it is ready, then store tables, JSON and plot."""
    others = neighbours.Neighbours()
    growth = Growth(roofline.measure())
    for sweep in plan.sweeps:
        measure(plan, sweep, growth)
        print(f"\n{section(growth, sweep)}", flush=True)
    here = {**machine.describe(), "neighbours": others.share()}
    print(f"\n{report.machine_lines(here)}")
    content = {
        "command": plan.command,
        "machine": here,
        "roof": asdict(growth.roof),
        "failures": growth.failures,
        "points": [
            {"contestant": name, **asdict(size), "seconds_per_iteration": seconds}
            for (name, size), seconds in growth.seconds.items()
        ],
    }
    report.write(plan.folder, plan.name, markdown(growth, plan, here), content)
    draw_growth(growth, plan.sweeps, plan.folder / f"{plan.name}.png", here)


def measure(plan: Plan, sweep: Sweep, growth: Growth) -> None:
    """Everybody at every size of a sweep that no other sweep has measured."""
    for size in sweep.sizes:
        if size in {measured for _, measured in growth.seconds}:
            continue
        for score in _scores(plan, size):
            if score.failure is None:
                growth.seconds[score.name, size] = min(score.seconds) / fmean(score.n_iter)
            else:
                growth.failures.append(f"{score.name}, {size}: {score.failure}")


def _scores(plan: Plan, size: Size) -> list[Score]:
    n, d, k, iterations = astuple(size)
    race = RACES["lloyd"]
    data = load(f"{plan.rows_of}:{n}x{d}@{k}")
    settings = replace(plan.settings, tol=0.0, max_iter=iterations)
    return contest(race, data, entries_of(race, (), plan.only), settings).scores


def exponent(values: Sequence[int], seconds: Sequence[float]) -> float:
    """The p of x^p that fits the last three points best."""
    return float(np.polyfit(np.log(values[-3:]), np.log(seconds[-3:]), 1)[0])


def section(growth: Growth, sweep: Sweep) -> str:
    """One line a contestant, one column a size, and what it grows as."""
    header = [f"{sweep.quantity} =", *(f"{value:,}" for value in sweep.values), "grows as"]
    table = report.table(header, list(_lines(growth, sweep)))
    return f"## Over {sweep.quantity}: {sweep.held}\n\n{table}"


def _lines(growth: Growth, sweep: Sweep) -> Iterator[list[str]]:
    for name in growth.names:
        values, seconds = growth.line(name, sweep)
        cells = dict(zip(values, map(report.duration, seconds), strict=True))
        power = f"{exponent(values, seconds):.2f}" if len(values) > 1 else ""
        yield [name, *(cells.get(value, "") for value in sweep.values), power]
    yield ["roofline", *map(report.duration, growth.roofline(sweep)), ""]


def markdown(growth: Growth, plan: Plan, here: Mapping[str, Any]) -> str:
    """The report as it is stored."""
    rates = (
        f"{growth.roof.flops / 1e9:.0f} GFLOP/s in SGEMM, "
        f"{growth.roof.bandwidth / 1e9:.1f} GB/s read from memory."
    )
    parts = [
        "# How the time of an iteration grows",
        f"```sh\n{plan.command}\n```",
        report.machine_lines(here),
        f"{NOTE.strip()} {rates} The rows are drawn from {plan.rows_of!r}.",
        f"![time of an iteration over rows, features, clusters, iterations]({plan.name}.png)",
    ]
    parts += [section(growth, sweep) for sweep in plan.sweeps]
    parts += [f"Left out: {failure}" for failure in growth.failures]
    return "\n\n".join(part.strip() for part in parts)
