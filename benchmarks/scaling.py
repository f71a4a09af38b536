"""``python -m benchmarks scaling``: time of an iteration over rows, features and clusters."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine, neighbours, report
from benchmarks.datasets import Matrix
from benchmarks.grid import Grid, Point, Target
from benchmarks.plots import draw_scaling
from benchmarks.timing import timed
from kmeans_xp.arrays.threads import thread_count

NOTE = """\
Seconds of one Lloyd iteration on float32 rows, all contestants from the same start: the
shortest time between two calls of the callback, each of which follows the iteration's
one synchronisation with the host. A whole fit adds its checks and the last assignment.
"""

TRANSFER_NOTE = """\
*With transfer*: the rows come from the host's memory, and every iteration of a fit of
{iterations} bears its part of the copy to the GPU.
"""

# Numbers that are drawn together, by one thread.
DRAWN = 2**22


@dataclass(frozen=True)
class Plan:
    """What to measure and where to put the report."""

    grid: Grid
    targets: Sequence[Target]
    command: str
    name: str
    folder: Path


def run(plan: Plan) -> None:
    """Measure the grid; print and store table, JSON and plot of what is found as it is found."""
    points: list[Point] = []
    failures: list[str] = []
    others = neighbours.Neighbours()
    for d, k in plan.grid.sizes:
        found = list(measure(plan.grid, plan.targets, d, k, failures))
        points += found
        print(f"\nd={d}, k={k}: time of an iteration\n\n{rows_table(found)}", flush=True)
        here = {**machine.describe(), "neighbours": others.share()}
        _store(points, plan, here)
    print(f"\n{report.machine_lines(here)}")
    if failures:
        raise RuntimeError("; ".join(failures))


def _store(points: Sequence[Point], plan: Plan, here: dict[str, Any]) -> None:
    content = {
        "command": plan.command,
        "machine": here,
        "grid": asdict(plan.grid),
        "points": [asdict(point) for point in points],
    }
    report.write(plan.folder, plan.name, markdown(points, plan, here), content)
    if points:
        draw_scaling(points, plan.folder / f"{plan.name}.png", here)


def measure(
    grid: Grid, targets: Sequence[Target], d: int, k: int, failures: list[str]
) -> Iterator[Point]:
    """All targets at all numbers of rows for one d and k, smallest first.

    One that fails is left out from there on and added to `failures`: the other measurements
    are kept.
    """
    slow: dict[Target, float] = {}
    for n in grid.rows:
        taking = [target for target in targets if grid.takes(target, n)]
        if n <= k or n * d * 4 > grid.max_bytes or not taking:
            continue
        X, start = rows(n, d, k)
        for target in taking:
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
    X, step = np.empty((n, d), dtype=np.float32), max(1, DRAWN // d)

    def draw(first: int) -> None:
        rng = np.random.default_rng([n, d, first])
        rng.standard_normal(out=X[first : first + step], dtype=np.float32)

    with ThreadPoolExecutor(thread_count()) as pool:
        list(pool.map(draw, range(0, n, step)))
    return X, X[:k].copy()


def measure_one(target: Target, X: Matrix, start: Matrix, iterations: int) -> Point:
    """Time a fit of a fixed number of iterations, after a short one to warm up."""
    from kmeans_xp import kmeans

    (n, d), k = X.shape, len(start)
    placed, init = place(X, target), place(start, target)
    transfer = _seconds_of_transfer(X, target) if target.is_gpu else None
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
        seconds_transfer=transfer,
    )


def _seconds_of_transfer(X: Matrix, target: Target) -> float:
    """Of a copy to the target, to the moment at which its last number can be read there."""
    seconds, _ = timed(lambda: float(place(X, target)[-1, -1]))
    return seconds


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

    placed = copy_to(array, target.backend, target.device)
    if target.backend == "dask":
        placed = placed.rechunk({0: -(-len(array) // thread_count())})
    return placed


def rows_table(points: Sequence[Point]) -> str:
    """One line a target, and one with the transfer to it; one column a number of rows."""
    sizes = sorted({point.n for point in points})
    cells: dict[str, dict[int, str]] = {}
    for p in points:
        cells.setdefault(p.name, {})[p.n] = report.duration(p.seconds_per_iteration)
        if p.seconds_with_transfer is not None:
            line = cells.setdefault(p.name_with_transfer, {})
            line[p.n] = report.duration(p.seconds_with_transfer)
    body = [[name, *(line.get(n, "") for n in sizes)] for name, line in cells.items()]
    return report.table(["n =", *(f"{n:,}" for n in sizes)], body)


def _transfer_note(points: Sequence[Point]) -> list[str]:
    """What the lines with the transfer are, where there are any."""
    fits = {point.iterations for point in points if point.seconds_transfer is not None}
    return [TRANSFER_NOTE.format(iterations=max(fits))] if fits else []


def markdown(points: Sequence[Point], plan: Plan, here: dict[str, Any]) -> str:
    """The report as it is stored."""
    parts = [
        "# Time of an iteration over rows, features and clusters",
        f"```sh\n{plan.command}\n```",
        report.machine_lines(here),
        NOTE,
        *_transfer_note(points),
        f"![time of an iteration, by rows]({plan.name}.png)",
    ]
    for d, k in plan.grid.sizes:
        found = [point for point in points if (point.d, point.k) == (d, k)]
        if found:
            parts.append(f"## d={d}, k={k}\n\n{rows_table(found)}")
    return "\n\n".join(part.strip() for part in parts)
