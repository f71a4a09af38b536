"""Reports: tables for people, JSON for programs; a machine is described, never named."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import neighbours

# What the GPU of tests/cupy_stand_in calls itself.
STAND_IN = "stand-in"
DRY_RUN = "DRY RUN, without a GPU: these figures mean nothing."


def is_dry_run(machine: Mapping[str, Any]) -> bool:
    """Whether no GPU was there but the stand-in."""
    return any(STAND_IN in gpu for gpu in machine["gpus"])


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns also line up on a terminal; only the first is text."""
    cells = [list(header), *(list(row) for row in rows)]
    widths = [max(3, *(len(row[i]) for row in cells)) for i in range(len(header))]
    lines = [_line(row, widths) for row in cells]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([lines[0], _line(rule, widths), *lines[1:]])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (
        cell.ljust(width) if i == 0 else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return f"| {' | '.join(cells)} |"


def duration(seconds: float) -> str:
    """Three significant digits, in the unit that reads best."""
    for unit, scale in (("s", 1.0), ("ms", 1e3)):
        if seconds * scale >= 1:
            return f"{_three_digits(seconds * scale)} {unit}"
    return f"{_three_digits(seconds * 1e6)} µs"


def _three_digits(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def times(ratio: float) -> str:
    """A ratio, as in 1.52×."""
    digits = _three_digits(ratio) if ratio >= 0.1 else f"{ratio:.2g}"
    return f"{digits}×"  # noqa: RUF001


def machine_lines(machine: Mapping[str, Any]) -> str:
    """The machine as a Markdown list."""
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    others = neighbours.remark(machine.get("neighbours"))
    memory = "" if machine["memory_gb"] is None else f", {machine['memory_gb']} GB memory"
    threads = f"{_many(machine['cores'], 'core')}, {_many(machine['threads'], 'thread')}"
    lines = [
        f"- {machine['cpu']}, {threads}{memory}{others}",
        *(f"- GPU: {gpu}" for gpu in machine["gpus"]),
        f"- {machine['system']}, Python {machine['python']}, {', '.join(machine['blas'])}",
        f"- {packages}",
    ]
    loudly = f"**{DRY_RUN}**\n\n" if is_dry_run(machine) else ""
    return loudly + "\n".join(lines)


def _many(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def write(folder: Path, name: str, markdown: str, content: Mapping[str, Any]) -> None:
    """Store a report as NAME.md and NAME.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text(markdown.rstrip() + "\n", encoding="utf-8")
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")
