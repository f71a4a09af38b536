"""The scaling plot: a panel for each d and k, time of an iteration against rows, log-log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.scaling import Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# One colour a library, from the Okabe-Ito palette, which colour-blind readers can tell apart.
COLORS = {
    "numpy": "#0072B2",
    "torch": "#D55E00",
    "jax": "#009E73",
    "dask": "#E69F00",
    "cupy": "#CC79A7",
}
OTHER = "#777777"
INK = "#333333"
GRID = "#E4E4E4"
PANEL_INCHES = (3.9, 3.5)


def draw_scaling(points: Sequence[Point], path: Path, machine: Mapping[str, Any]) -> None:
    """Draw the points and save the picture as a PNG."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    sizes = list(dict.fromkeys((point.d, point.k) for point in points))
    columns = min(len(sizes), 2)
    lines = -(-len(sizes) // columns)
    style: dict[Any, Any] = {
        "font.size": 9.5,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": INK,
    }
    with mpl.rc_context(style):
        width, height = PANEL_INCHES
        figure = Figure(figsize=(columns * width, lines * height + 1.1), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
        for panel in axes.flat[len(sizes) :]:
            panel.set_visible(False)
        for panel, (d, k) in zip(axes.flat, sizes, strict=False):
            _panel(panel, [p for p in points if (p.d, p.k) == (d, k)])
            panel.set_title(f"{d} features, {k:,} clusters", fontsize=10, loc="left")
        _frame(figure, axes, points, machine)
        figure.savefig(path, dpi=160)


def _panel(panel: Axes, points: Sequence[Point]) -> None:
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.grid(visible=True, color=GRID, linewidth=0.8)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
    panel.tick_params(which="minor", length=0)
    panel.tick_params(colors=INK)
    for name in dict.fromkeys(point.name for point in points):
        line = [point for point in points if point.name == name]
        panel.plot(
            [point.n for point in line],
            [point.seconds_per_iteration for point in line],
            label=name,
            **_look(line[0]),
        )


def _look(point: Point) -> dict[str, Any]:
    """Filled circles on a processor; open squares and a dashed line on a GPU."""
    color = COLORS.get(point.backend, OTHER)
    if point.kind == "GPU":
        return {
            "color": color,
            "linestyle": (0, (4, 1.5)),
            "linewidth": 2,
            "marker": "s",
            "markersize": 5.5,
            "markerfacecolor": "white",
            "markeredgewidth": 1.5,
        }
    return {"color": color, "linewidth": 1.8, "marker": "o", "markersize": 4.5}


def _frame(figure: Any, axes: Any, points: Sequence[Point], machine: Mapping[str, Any]) -> None:
    from matplotlib.ticker import FuncFormatter

    for panel in axes[:, 0]:
        panel.set_ylabel("time of an iteration")
        panel.yaxis.set_major_formatter(FuncFormatter(_seconds))
    for panel in axes[-1]:
        panel.set_xlabel("rows")
        panel.xaxis.set_major_formatter(FuncFormatter(_count))
    _legend(figure, axes)
    kinds = "GPU against CPU" if any(p.kind == "GPU" for p in points) else "CPU backends"
    where = ", ".join([*machine["gpus"][:1], f"{machine['cpu']}, {machine['threads']} threads"])
    figure.suptitle(
        f"One Lloyd iteration, {kinds}\n", fontsize=12.5, fontweight="bold", x=0.02, ha="left"
    )
    figure.text(0.02, 0.955, where, fontsize=8.5, color="#666666", ha="left", va="top")


def _legend(figure: Any, axes: Any) -> None:
    """Below the panels, processors in one line and GPUs in the next."""
    from matplotlib.lines import Line2D

    shown: dict[str, Any] = {}
    for panel in axes.flat:
        handles, labels = panel.get_legend_handles_labels()
        shown.update(zip(labels, handles, strict=True))
    lines = [[name for name in shown if name.endswith(kind)] for kind in ("CPU", "GPU")]
    lines = [line for line in lines if line]
    # A legend is filled column by column, so the shorter line is padded with nothing.
    nothing = Line2D([], [], linestyle="none")
    names = [name for column in zip_longest(*lines, fillvalue="") for name in column]
    handles = [shown.get(name, nothing) for name in names]
    columns = max(map(len, lines))
    figure.legend(handles, names, loc="outside lower center", ncols=columns, frameon=False)


def _seconds(value: float, _: int) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if value * scale >= 0.999:
            return f"{value * scale:g} {unit}"
    return f"{value * 1e9:g} ns"


def _count(value: float, _: int) -> str:
    for unit, scale in (("M", 1e6), ("k", 1e3)):
        if value >= scale:
            return f"{value / scale:g}{unit}"
    return f"{value:g}"
