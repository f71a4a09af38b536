"""One contestant's calls, one after the other, in a process that is there for nothing else.

`benchmarks.fresh` starts it. It imports NumPy and what its contestant imports, and no more.
"""

from __future__ import annotations

import json
import pickle
import sys
import time
import traceback
import warnings

from benchmarks.footprint import Task
from benchmarks.timing import timed

# Calls that are made however long they take.
LEAST = 3


def seconds(task: Task, calls: int, max_seconds: float) -> tuple[list[float], int | None]:
    """Seconds of so many calls, or of as many as fit in; and the iterations of the last."""
    problem, taken, began, n_iter = task.posed(), [], time.perf_counter(), None
    while len(taken) < calls and (len(taken) < LEAST or time.perf_counter() - began < max_seconds):
        # Prepared anew, for some contestants answer only once.
        spent, outcome = timed(task.prepare(problem))
        taken.append(spent)
        n_iter = outcome.n_iter
    return taken, None if n_iter is None else int(n_iter)


def main() -> None:
    """Do the task on standard input; the seconds, or else the error, are the last line."""
    # A run cut short by its iterations warns of it, each library in its own words.
    warnings.simplefilter("ignore")
    try:
        task, numba, calls, max_seconds = pickle.load(sys.stdin.buffer)
        if not numba:
            sys.modules["numba"] = None  # type: ignore[assignment]
        found = seconds(task, calls, max_seconds)
    except Exception as error:
        traceback.print_exc()
        sys.exit(f"{type(error).__name__}: {error}".splitlines()[0])
    print(json.dumps(found))
