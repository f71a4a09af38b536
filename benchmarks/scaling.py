"""``python -m benchmarks scaling``: time of an iteration over rows, features and clusters."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine, neighbours, report
from benchmarks.datasets import Matrix
from benchmarks.grid import Grid, Point, Target
from benchmarks.plots import draw_scaling

NOTE = """\
Seconds of one Lloyd iteration on float32 rows, all contestants from the same start: the
shortest time between two calls of the callback, each of which follows the iteration's
one synchronisation with the host. A whole fit adds its checks and the last assignment.
"""


@dataclass(frozen=True)
class Plan:
    """What to measure and where to put the report."""

    grid: Grid
    targets: Sequence[Target]
    command: str
    name: str
    folder: Path


def run(plan: Plan) -> None:
    """Measure the grid, print it, then store table, JSON and plot."""
    points: list[Point] = []
    failures: list[str] = []
    others = neighbours.Neighbours()
    for d, k in plan.grid.sizes:
        found = list(measure(plan.grid, plan.targets, d, k, failures))
        points += found
        print(f"\nd={d}, k={k}: time of an iteration\n\n{rows_table(found)}", flush=True)
    here = {**machine.describe(), "neighbours": others.share()}
    print(f"\n{report.machine_lines(here)}")
    content = {
        "command": plan.command,
        "machine": here,
        "grid": asdict(plan.grid),
        "points": [asdict(point) for point in points],
    }
    report.write(plan.folder, plan.name, markdown(points, plan, here), content)
    if points:
        draw_scaling(points, plan.folder / f"{plan.name}.png", here)
    if failures:
        raise RuntimeError("; ".join(failures))


def measure(
    grid: Grid, targets: Sequence[Target], d: int, k: int, failures: list[str]
) -> Iterator[Point]:
    """All targets at all numbers of rows for one d and k, smallest first.

    One that fails is left out from there on and added to `failures`: the other measurements,
    which may have taken a borrowed GPU's time, are kept.
    """
    slow: dict[Target, float] = {}
    for n in grid.rows:
        if n <= k or n * d * 4 > grid.max_bytes:
            continue
        X, start = rows(n, d, k)
        for target in targets:
            # Times grow at most in proportion to n, so this foresees them from above.
            if slow.get(target, 0.0) * n > grid.max_seconds:
                continue
            try:
                point = measure_one(target, X, start, grid.iterations)
            except Exception as error:
                failures.append(f"{target.name}, n={n}, d={d}, k={k}: {error}")
                slow[target] = math.inf
            else:
                slow[target] = point.seconds_per_iteration / n
                yield point


def rows(n: int, d: int, k: int) -> tuple[Matrix, Matrix]:
    """Normal rows, which converge slowly, so that every iteration is a full one."""
    X = np.random.default_rng([n, d]).standard_normal((n, d), dtype=np.float32)
    return X, X[:k].copy()


def measure_one(target: Target, X: Matrix, start: Matrix, iterations: int) -> Point:
    """Time a fit of a fixed number of iterations, after a short one to warm up."""
    from kmeans_xp import kmeans

    (n, d), k = X.shape, len(start)
    placed, init = place(X, target), place(start, target)
    kmeans(placed, k, init=init, tol=0.0, max_iter=2)
    marks, mark = _stopwatch()
    began = time.perf_counter()
    result = kmeans(placed, k, init=init, tol=0.0, max_iter=iterations + 1, callback=mark)
    total = time.perf_counter() - began
    laps = np.diff(marks)
    lap = min(laps.tolist()) if len(laps) else total / result.n_iter
    return Point(
        backend=target.backend,
        device=target.device,
        kind=target.kind,
        n=n,
        d=d,
        k=k,
        seconds_per_iteration=lap,
        seconds_fit=total,
        iterations=result.n_iter,
        inertia=result.inertia,
        kernel=result.kernel,
    )


def _stopwatch() -> tuple[list[float], Callable[[Any], bool]]:
    """The times at which iterations ended, filled by the callback returned with it."""
    marks: list[float] = []

    def mark(_: Any) -> bool:
        marks.append(time.perf_counter())
        return False

    return marks, mark


def place(array: Matrix, target: Target) -> Any:
    """Copy an array to a target; Dask's rows are cut so that each thread has a chunk."""
    from kmeans_xp.arrays.backends import place as copy_to
    from kmeans_xp.arrays.threads import thread_count

    placed = copy_to(array, target.backend, target.device)
    if target.backend == "dask":
        placed = placed.rechunk({0: -(-len(array) // thread_count())})
    return placed


def rows_table(points: Sequence[Point]) -> str:
    """One line a target, one column a number of rows."""
    sizes = sorted({point.n for point in points})
    names = list(dict.fromkeys(point.name for point in points))
    cell = {(p.name, p.n): report.duration(p.seconds_per_iteration) for p in points}
    body = [[name, *(cell.get((name, n), "") for n in sizes)] for name in names]
    return report.table(["n =", *(f"{n:,}" for n in sizes)], body)


def markdown(points: Sequence[Point], plan: Plan, here: dict[str, Any]) -> str:
    """The report as it is stored."""
    parts = [
        "# Time of an iteration over rows, features and clusters",
        f"```sh\n{plan.command}\n```",
        report.machine_lines(here),
        NOTE,
        f"![time of an iteration, by rows]({plan.name}.png)",
    ]
    for d, k in plan.grid.sizes:
        found = [point for point in points if (point.d, point.k) == (d, k)]
        if found:
            parts.append(f"## d={d}, k={k}\n\n{rows_table(found)}")
    return "\n\n".join(part.strip() for part in parts)
