"""``python -m benchmarks gpu``: a GPU's ceilings, and what an iteration of Lloyd takes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import ceilings, machine, report
from benchmarks.ceilings import Ceilings, device_seconds
from benchmarks.grid import Target
from benchmarks.scaling import measure_one, place, rows

NOTE = """\
One Lloyd iteration on float32 rows on the GPU, beside what it is made of: *labels* is the search
for the nearest centres, *sums* the sums of rows by label, each over all blocks of rows, by events
of the GPU; the *bare product* is cuBLAS's of the same blocks with the centres, and nothing else.
The *floor* is what the ceilings allow an iteration that takes every product and reads every row
once. Medians after a warm-up; the iteration itself is the shortest of several.
"""

ITERATIONS = 6


@dataclass(frozen=True)
class Shape:
    """Rows, features and clusters of an iteration."""

    n: int
    d: int
    k: int


SHAPES = (Shape(1_000_000, 128, 1_000), Shape(1_000_000, 16, 64), Shape(200_000, 256, 256))
QUICK_SHAPES = (Shape(2_000, 8, 70),)


@dataclass(frozen=True)
class Split:
    """Where an iteration's seconds go."""

    block_rows: int
    iteration: float
    labels: float
    sums: float
    product: float


@dataclass
class Findings:
    """What was measured so far."""

    ceilings: Ceilings
    splits: dict[Shape, Split] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """What to measure and where to put the report."""

    sizes: ceilings.Sizes
    shapes: Sequence[Shape]
    command: str
    name: str
    folder: Path


def run(plan: Plan) -> None:
    """Measure, print and store what is found as it is found; what fails costs the rest nothing."""
    ceilings.load_cupy()
    here = machine.describe()
    print(report.machine_lines(here), flush=True)
    found = Findings(ceilings.measure(plan.sizes))
    print(f"\n{_ceilings_table(found.ceilings)}", flush=True)
    _store(plan, found, here)
    for shape in plan.shapes:
        try:
            found.splits[shape] = split(shape)
        except Exception as error:
            found.failures.append(f"{shape}: {type(error).__name__}: {error}")
        _store(plan, found, here)
    print(f"\n{_splits_table(found)}", flush=True)
    if found.failures:
        raise RuntimeError("; ".join(found.failures))


def split(shape: Shape) -> Split:
    """Time an iteration and its parts."""
    from kmeans_xp.arrays import device_of
    from kmeans_xp.arrays.backends import load
    from kmeans_xp.arrays.precision import full_precision
    from kmeans_xp.kernels.choose.engine import find_engine
    from kmeans_xp.kernels.shared.prepared_centers import prepare

    target, (n, d, k) = Target("cupy", "cuda"), astuple(shape)
    X, start = rows(n, d, k)
    iteration = measure_one(target, X, start, ITERATIONS).seconds_per_iteration
    xp = load(target.backend)
    placed, centers = place(X, target), place(start, target)
    engine = find_engine(xp, device=device_of(placed))
    size = engine.block_rows(k, d)
    blocks = [placed[first : first + size, :] for first in range(0, n, size)]
    with full_precision(xp):
        prepared = prepare(centers)
        labels = [engine.labels(block, prepared) for block in blocks]
        pairs = list(zip(blocks, labels, strict=True))
        return Split(
            block_rows=min(size, n),
            iteration=iteration,
            labels=device_seconds(lambda: [engine.labels(block, prepared) for block in blocks]),
            sums=device_seconds(
                lambda: [engine.sum_by_label(block, own, None, prepared) for block, own in pairs]
            ),
            product=device_seconds(lambda: [block @ centers.T for block in blocks]),
        )


def _store(plan: Plan, found: Findings, here: Mapping[str, Any]) -> None:
    content = {
        "command": plan.command,
        "machine": here,
        "ceilings": asdict(found.ceilings),
        "splits": [asdict(shape) | asdict(split) for shape, split in found.splits.items()],
        "failures": found.failures,
    }
    report.write(plan.folder, plan.name, markdown(found, plan.command, here), content)


def _ceilings_table(found: Ceilings) -> str:
    rates = {"copy": f"{found.bandwidth / 1e12:.3g} TB/s"}
    rates |= {f"{dtype} product": f"{r / 1e12:.3g} TFLOP/s" for dtype, r in found.flops.items()}
    return report.table(["ceiling", "rate"], [list(pair) for pair in rates.items()])


def _splits_table(found: Findings) -> str:
    header = (
        "rows × features, k", "rows a block", "iteration", "labels", "sums",  # noqa: RUF001
        "bare product", "floor", "iteration / floor",
    )  # fmt: skip
    lines = [_line(found, shape, split) for shape, split in found.splits.items()]
    return report.table(header, lines)


def _line(found: Findings, shape: Shape, split: Split) -> list[str]:
    floor = found.ceilings.roof.seconds(*astuple(shape))
    seconds = (split.iteration, split.labels, split.sums, split.product, floor)
    return [
        f"{shape.n:,} × {shape.d}, k={shape.k:,}",  # noqa: RUF001
        f"{split.block_rows:,}",
        *map(report.duration, seconds),
        report.times(split.iteration / floor),
    ]


def markdown(found: Findings, command: str, here: Mapping[str, Any]) -> str:
    """The report as it is stored."""
    parts = [
        "# A GPU's ceilings and an iteration's parts",
        f"```sh\n{command}\n```",
        report.machine_lines(here),
        _ceilings_table(found.ceilings),
        NOTE,
        _splits_table(found),
        *(f"Left out: {failure}" for failure in found.failures),
    ]
    return "\n\n".join(part.strip() for part in parts)
