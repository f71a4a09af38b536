"""``python -m benchmarks compare OTHER_CHECKOUT``: this one's times over another checkout's."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from math import comb
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks import machine, neighbours, paired, report
from benchmarks.datasets import DataSet
from benchmarks.peers import RACED, fitting, load_sets, raced
from benchmarks.problem import pose
from benchmarks.races import Race

NOTE = """\
Every time comes from a new process, which loads the Numba kernels that were compiled before, runs
the call once untimed, then several times, and reports the fastest run. Processes come in pairs, one
of each checkout with the same rows, start and seed, and take turns in going first. *Ratio* is the
median over the pairs of this checkout's time over the other's: above 1 this one is slower. The
*interval* holds that median with a probability of at least 95%, whatever the distribution of the
ratios; fewer than six pairs give none. This checkout counts as *slower* where the whole interval
lies above the limit.
"""

OTHER = "OTHER_CHECKOUT"
CONFIDENCE = 0.95
ROUNDS = 15
SEED = 0
ROOT = Path(__file__).resolve().parents[1]
# A ratio above this is worth mending. A call on digits takes a millisecond or two, of which
# some percent depend on where a process's memory happens to lie.
LIMIT = 1.03
LIMITS = {"digits": 1.05}


@dataclass(frozen=True)
class Plan:
    """What to compare and where to put the report."""

    other: Path
    races: Mapping[str, Sequence[Race]]  # of each set, by its spec
    rounds: int
    limit: float | None  # by default each set's own
    without_numba: bool  # as well
    skip_missing: bool
    command: str
    name: str
    folder: Path


@dataclass(frozen=True)
class Comparison:
    """One race on one data set: the seconds of both checkouts, an item a pair."""

    race: Race
    data: DataSet
    numba: bool
    limit: float
    this: Sequence[float]
    other: Sequence[float]

    @property
    def ratios(self) -> list[float]:
        """Of each pair, this checkout's time over the other's."""
        return [mine / theirs for mine, theirs in zip(self.this, self.other, strict=True)]

    @property
    def interval(self) -> tuple[float, float] | None:
        """The ratios between which the median lies; None where there are too few pairs."""
        return median_interval(self.ratios)

    @property
    def slower(self) -> bool:
        """Whether this checkout is slower than the limit allows, beyond doubt."""
        return self.interval is not None and self.interval[0] > self.limit


def run(plan: Plan) -> bool:
    """Compare, print each ratio as it is known, store the report; return whether none is slower."""
    check_checkout(plan.other)
    others = neighbours.Neighbours()
    for checkout in dict.fromkeys((ROOT, plan.other)):
        paired.compile_kernels(checkout)
    found = [
        comparison
        for data in load_sets(plan.races, plan.skip_missing)
        for comparison in compare(data, plan)
    ]
    here = {**machine.describe(), "neighbours": others.share()}
    commits = {"this": commit_of(ROOT), "other": commit_of(plan.other)}
    text = markdown(found, plan.command, here, commits)
    print(f"\n{text}")
    content = {
        "command": plan.command,
        "machine": here,
        **commits,
        "comparisons": [as_json(comparison) for comparison in found],
    }
    report.write(plan.folder, plan.name, text, content)
    return not any(comparison.slower for comparison in found)


def check_checkout(path: Path) -> None:
    """Raise the ``ValueError`` that says so where a folder is no checkout of kmeans_xp."""
    marker = path / "kmeans_xp" / "__init__.py"
    if not marker.is_file():
        raise ValueError(f"{OTHER} must be a checkout of kmeans_xp; there is no {marker}")


def commit_of(checkout: Path) -> str | None:
    """What git calls a checkout's state, where it is a checkout of git's."""
    git = [
        "git",
        "--no-optional-locks",
        f"--git-dir={checkout / '.git'}",
        f"--work-tree={checkout}",
    ]
    try:
        done = subprocess.run(
            [*git, "describe", "--always", "--dirty"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def compare(data: DataSet, plan: Plan) -> list[Comparison]:
    """Every race on one data set, whose rows are stored once for all."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(paired.rows_in(folder), data.X)
        for race in fitting(plan.races[data.name], data):
            problem = pose(data, seed=SEED, tol=race.tol, max_iter=race.max_iter)
            tasks = paired.tasks_of(race, problem, folder, plan.rounds)
            for numba in (True, False) if plan.without_numba else (True,):
                asked = [replace(task, numba=numba) for task in tasks]
                times = paired.paired(asked, (ROOT, plan.other))
                comparison = Comparison(race, data, numba, _limit(data, plan), *times)
                print(_remark(comparison), flush=True)
                found.append(comparison)
    return found


def _limit(data: DataSet, plan: Plan) -> float:
    own = LIMITS.get(data.name.partition("@")[0], LIMIT)
    return own if plan.limit is None else plan.limit


def median_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """The narrowest pair of values, as far from either end, that holds the median of their like.

    The median lies below the r-th smallest of n values with the probability that fewer than r of
    n fair coins show heads, whatever the distribution. None where even the smallest and the
    largest value hold it with a lower probability than `CONFIDENCE`.
    """
    n = len(values)
    fewer = accumulate(comb(n, heads) / 2**n for heads in range(n))
    rank = sum(chance <= (1 - CONFIDENCE) / 2 for chance in fewer)
    ordered = sorted(values)
    return None if rank == 0 else (ordered[rank - 1], ordered[-rank])


def _remark(comparison: Comparison) -> str:
    race, *_, ratio, interval, limit, verdict = _line(comparison)
    return f"{race}: {ratio}, {interval or 'no interval'}, limit {limit} {verdict}".rstrip()


def markdown(
    found: Sequence[Comparison],
    command: str,
    here: Mapping[str, Any],
    commits: Mapping[str, str | None],
) -> str:
    """The report as it is stored."""
    header = (*RACED, "this", "other", "ratio", "interval", "limit", "verdict")
    parts = [
        "# Two checkouts",
        f"```sh\n{command}\n```",
        report.machine_lines(here),
        "\n".join(f"- {which}: {commit or 'not in git'}" for which, commit in commits.items()),
        NOTE,
        report.table(header, [_line(comparison) for comparison in found]),
    ]
    return "\n\n".join(part.strip() for part in parts)


def _line(comparison: Comparison) -> list[str]:
    """One line of the table."""
    interval = comparison.interval
    race, *sizes = raced(comparison.race, comparison.data)
    return [
        race if comparison.numba else f"{race}, without Numba",
        *sizes,
        report.duration(median(comparison.this)),
        report.duration(median(comparison.other)),
        f"{median(comparison.ratios):.3f}",
        "" if interval is None else "{:.3f} to {:.3f}".format(*interval),
        f"{comparison.limit:g}",
        "slower" if comparison.slower else "",
    ]


def as_json(comparison: Comparison) -> dict[str, Any]:
    """One race on one set, with every process's time."""
    n, d = comparison.data.shape
    return {
        "race": comparison.race.name,
        "set": comparison.data.name,
        "rows": n,
        "features": d,
        "k": comparison.data.k,
        "numba": comparison.numba,
        "limit": comparison.limit,
        "ratio": median(comparison.ratios),
        "interval": comparison.interval,
        "slower": comparison.slower,
        "seconds_this": comparison.this,
        "seconds_other": comparison.other,
    }
