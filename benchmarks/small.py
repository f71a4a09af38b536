"""``python -m benchmarks small``: small and wide data beside scikit-learn, in fresh processes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import geometric_mean
from typing import Any

from benchmarks import machine, report
from benchmarks.processes import answer

NOTE = """\
Times are medians of {rounds} calls, from call number {first} of a new process on; *ratio* is
scikit-learn's time over ours, above 1 ours being faster. Both take turns in the process, on the
same arrays, from the same seed or start. With `[fast]`, compiled before, ours loads Numba when it
has repaid itself, which most of these data do not; *without* it there is none. scikit-learn's time
is the geometric mean of the two processes.
"""

# Calls before those that are timed.
WARM_UP = 9
ROUNDS = 15
CHECKOUT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Case:
    """A call on one set: what a process is told."""

    call: str
    rows: str
    k: int


@dataclass(frozen=True)
class Goal:
    """What a call must hold over all its sets, with Numba installed and without.

    Attributes
    ----------
    means : tuple of float
        The least geometric mean of the ratios.
    least : tuple of float
        The least ratio of one set.
    """

    means: tuple[float, float]
    least: tuple[float, float]


SMALL = (
    ("iris", 3),
    ("wine", 3),
    ("cancer", 2),
    ("digits", 10),
    ("1000x2", 5),
    ("5000x3", 15),
    ("10000x8", 8),
    ("10000x20", 20),
    ("50000x16", 16),
)
WIDE = (("2000x784f", 10), ("20000x784f", 10), ("500x5000", 5))
SETS: dict[str, tuple[tuple[str, int], ...]] = {
    "fit": (*SMALL, *WIDE),
    "fit from a start": (*SMALL, ("digits", 64), *WIDE),
    "predict": (*SMALL, *WIDE),
    "seeding": (("600x2", 30), ("3100x2", 100), ("1024x10", 100)),
    "minibatch": (("3000x10", 8),),
    "bisecting": (("3000x10", 8),),
}
GOALS = {
    "fit": Goal((1.2, 1.0), (1.0, 0.75)),
    "fit from a start": Goal((1.2, 0.95), (1.0, 0.75)),
    "predict": Goal((1.2, 0.9), (1.0, 0.75)),
    "seeding": Goal((1.0, 1.0), (1.0, 0.75)),
    "minibatch": Goal((1.0, 1.0), (1.0, 1.0)),
    "bisecting": Goal((1.0, 1.0), (1.0, 1.0)),
}
QUICK = (("iris", 3), ("1000x2", 5))


@dataclass(frozen=True)
class Plan:
    """What to run and where to put the report."""

    calls: Sequence[str]
    quick: bool
    rounds: int
    command: str
    name: str
    folder: Path

    @property
    def cases(self) -> Iterator[Case]:
        """Every call on its sets."""
        for call in self.calls:
            for rows, k in SETS[call]:
                if not self.quick or (rows, k) in QUICK:
                    yield Case(call, rows, k)


@dataclass(frozen=True)
class Result:
    """The medians of one case, in seconds; the peer's as measured beside ours."""

    case: Case
    numba: bool
    ours: float
    peer: float
    kernel: str

    @property
    def ratio(self) -> float:
        """The peer's time over ours."""
        return self.peer / self.ours


def run(plan: Plan) -> bool:
    """Run the plan, print and store the report; return whether every goal is met."""
    results = []
    for case in plan.cases:
        for numba in (True, False):
            results.append(measure(case, numba, plan.rounds))
            print(_remark(results[-1]), flush=True)
    verdicts = list(judge(results))
    here = machine.describe()
    text = markdown(results, verdicts, plan, here)
    print(f"\n{text}")
    content = {
        "command": plan.command,
        "machine": here,
        "results": [asdict(result) | {"ratio": result.ratio} for result in results],
    }
    report.write(plan.folder, plan.name, text, content)
    return all(met for met, _ in verdicts)


def measure(case: Case, numba: bool, rounds: int) -> Result:
    """Time a case in a new process."""
    task = {**asdict(case), "numba": numba, "warm_up": WARM_UP, "rounds": rounds}
    arguments = ["-m", "benchmarks.small_process"]
    found = json.loads(answer(arguments, json.dumps(task).encode(), [str(CHECKOUT)]))
    return Result(case, numba, found["ours"], found["peer"], found["kernel"])


def judge(results: Sequence[Result]) -> Iterator[tuple[bool, str]]:
    """Whether each goal is met, and a line that says so."""
    for call, goal in GOALS.items():
        for which, numba in enumerate((True, False)):
            ratios = [r.ratio for r in results if r.case.call == call and r.numba == numba]
            if not ratios:
                continue
            mean, least = geometric_mean(ratios), min(ratios)
            met = mean >= goal.means[which] and least >= goal.least[which]
            with_or_without = "with [fast]" if numba else "without"
            yield (
                met,
                (
                    f"{call}, {with_or_without}: mean {mean:.2f} (goal {goal.means[which]}), "
                    f"least {least:.2f} (goal {goal.least[which]})"
                ),
            )


def _remark(result: Result) -> str:
    case = result.case
    times = f"{report.duration(result.ours)} to {report.duration(result.peer)}"
    extra = "with [fast]" if result.numba else "without"
    return f"{case.call}, {case.rows}@{case.k}, {extra}: {result.ratio:.2f} ({times})"


def markdown(
    results: Sequence[Result],
    verdicts: Sequence[tuple[bool, str]],
    plan: Plan,
    here: Mapping[str, Any],
) -> str:
    """The report as it is stored."""
    header = ("call, set", "scikit-learn", "ours", "ratio", "ours without", "ratio without")
    pairs = zip(results[::2], results[1::2], strict=True)
    lines = [_line(fast, bare) for fast, bare in pairs]
    parts = [
        "# Small and wide data",
        f"```sh\n{plan.command}\n```",
        report.machine_lines(here),
        NOTE.format(rounds=plan.rounds, first=WARM_UP + 1),
        report.table(header, lines),
        "\n".join(f"- {'met' if met else 'NOT met'}: {words}" for met, words in verdicts),
    ]
    return "\n\n".join(part.strip() for part in parts)


def _line(fast: Result, bare: Result) -> list[str]:
    case = fast.case
    return [
        f"{case.call}, {case.rows}, k={case.k}",
        report.duration(geometric_mean([fast.peer, bare.peer])),
        report.duration(fast.ours),
        f"{fast.ratio:.2f}",
        report.duration(bare.ours),
        f"{bare.ratio:.2f}",
    ]
