"""One fit's peak memory, measured in a process that is there for nothing else.

`benchmarks.memory` starts it. It imports NumPy and what its contestant imports, and no more.
"""

from __future__ import annotations

import ctypes
import gc
import json
import pickle
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.problem import Prepare, Problem

# Linux alone has it: 5, written to it, sets VmHWM (the peak) back to VmRSS (what is held now).
CLEAR_REFS = Path("/proc/self/clear_refs")
STATUS = Path("/proc/self/status")
WARM_UP_ROWS = 500
REST = 0.2  # seconds, for threads that give back what they held


@dataclass(frozen=True)
class Task:
    """A contestant and its problem, whose arrays are X.npy and start.npy in a folder."""

    prepare: Prepare
    problem: Problem
    folder: Path

    def posed(self) -> Problem:
        """The problem with its arrays, which takes no more memory than they do."""
        arrays = {name: np.load(self.folder / f"{name}.npy") for name in ("X", "start")}
        return replace(self.problem, **arrays)


@dataclass(frozen=True)
class Reading:
    """A peak in bytes, and the iterations that led to it."""

    size: int
    n_iter: int | None


def task_of(prepare: Prepare, problem: Problem, folder: Path) -> Task:
    """Store a problem's arrays and leave the rest of it to be pickled."""
    for name in ("X", "start"):
        np.save(folder / f"{name}.npy", getattr(problem, name))
    return Task(prepare, replace(problem, X=problem.X[:0], start=problem.start[:0]), folder)


def growth(task: Task) -> Reading:
    """What a fit adds at its peak to a process that holds the rows and has fitted before."""
    problem = task.posed()
    task.prepare(_small(problem))()
    run = task.prepare(problem)
    _give_back()
    CLEAR_REFS.write_text("5")
    before = _read("VmRSS")
    outcome = run()
    return Reading(_read("VmHWM") - before, outcome.n_iter)


def whole(task: Task) -> Reading:
    """The peak of a process that loads the rows and fits them, as a program of a user's would."""
    outcome = task.prepare(task.posed())()
    return Reading(_read("VmHWM"), outcome.n_iter)


MEASURES: dict[str, Callable[[Task], Reading]] = {"growth": growth, "whole": whole}


def _small(problem: Problem) -> Problem:
    """A few rows from everywhere: too few for the memory they leave behind to matter."""
    step = max(1, len(problem.X) // max(WARM_UP_ROWS, 2 * problem.k))
    return replace(problem, X=problem.X[::step].copy(), max_iter=2, iterations=2)


def _give_back() -> None:
    """Return free memory to the system, lest a fit use what loading its library left."""
    gc.collect()
    time.sleep(REST)
    # glibc's own; without it a fit that follows a great deal of loading looks leaner.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _read(field: str) -> int:
    lines = STATUS.read_text().splitlines()
    kibibytes = next(line.split()[1] for line in lines if line.startswith(f"{field}:"))
    return int(kibibytes) * 1024


def main() -> None:
    """Do the task on standard input; the reading, or else the error, is the last line."""
    # A run cut short by its iterations warns of it, each library in its own words.
    warnings.simplefilter("ignore")
    try:
        reading = MEASURES[sys.argv[1]](pickle.load(sys.stdin.buffer))
    except Exception as error:
        traceback.print_exc()
        sys.exit(f"{type(error).__name__}: {error}".splitlines()[0])
    print(json.dumps(asdict(reading)))
