"""What the plots share: log-log panels of times, two in a row, under one title."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import report

INK = "#333333"
GRID = "#E4E4E4"
OTHER = "#777777"
PANEL_INCHES = (3.9, 3.5)
STYLE: dict[Any, Any] = {
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
}


@contextmanager
def log_panels(number: int, path: Path, *, sharex: bool) -> Iterator[tuple[Any, Any]]:
    """A figure and its grid of panels, saved as a PNG in the end."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(number, 2)
    lines = -(-number // columns)
    width, height = PANEL_INCHES
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(columns * width, lines * height + 1.1), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(lines, columns, squeeze=False, sharex=sharex, sharey=True)
        for panel in axes.flat[number:]:
            panel.set_visible(False)
        for panel in axes.flat[:number]:
            _dress(panel)
        yield figure, axes
        figure.savefig(path, dpi=160)


def _dress(panel: Any) -> None:
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.grid(visible=True, color=GRID, linewidth=0.8)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
    panel.tick_params(which="minor", length=0)
    panel.tick_params(colors=INK)


def caption(figure: Any, axes: Any, title: str, machine: Mapping[str, Any]) -> None:
    """Title, the machine below it, and the times' axis."""
    from matplotlib.ticker import FuncFormatter

    for panel in axes[:, 0]:
        panel.set_ylabel("time of an iteration")
        panel.yaxis.set_major_formatter(FuncFormatter(_seconds))
    where = ", ".join([*machine["gpus"][:1], f"{machine['cpu']}, {machine['threads']} threads"])
    title = report.DRY_RUN if report.is_dry_run(machine) else title
    figure.suptitle(f"{title}\n", fontsize=12.5, fontweight="bold", x=0.02, ha="left")
    figure.text(0.02, 0.955, where, fontsize=8.5, color="#666666", ha="left", va="top")


def count_ticks(panel: Any, label: str) -> None:
    """Label an axis of counts, as in 4k and 1M."""
    from matplotlib.ticker import FuncFormatter

    panel.set_xlabel(label)
    panel.xaxis.set_major_formatter(FuncFormatter(_count))


def lines_shown(axes: Any) -> dict[str, Any]:
    """For a legend: every line of every panel, each name once."""
    shown: dict[str, Any] = {}
    for panel in axes.flat:
        handles, labels = panel.get_legend_handles_labels()
        shown.update(zip(labels, handles, strict=True))
    return shown


def _seconds(value: float, _: int) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if value * scale >= 0.999:
            return f"{value * scale:g} {unit}"
    return f"{value * 1e9:g} ns"


def _count(value: float, _: int) -> str:
    for unit, scale in (("M", 1e6), ("k", 1e3)):
        if value >= scale:
            return f"{value / scale:.3g}{unit}"
    return f"{value:g}"
