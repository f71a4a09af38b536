"""The scaling plot: a panel for each d and k, time of an iteration against rows, log-log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.grid import Point
from benchmarks.panels import OTHER, caption, count_ticks, lines_shown, log_panels

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


def draw_scaling(points: Sequence[Point], path: Path, machine: Mapping[str, Any]) -> None:
    """Draw the points and save the picture as a PNG."""
    sizes = list(dict.fromkeys((point.d, point.k) for point in points))
    kinds = "GPU against CPU" if any(p.kind == "GPU" for p in points) else "CPU backends"
    with log_panels(len(sizes), path, sharex=True) as (figure, axes):
        for panel, (d, k) in zip(axes.flat, sizes, strict=False):
            _panel(panel, [p for p in points if (p.d, p.k) == (d, k)])
            panel.set_title(f"{d} features, {k:,} clusters", fontsize=10, loc="left")
        for panel in axes[-1]:
            count_ticks(panel, "rows")
        _legend(figure, lines_shown(axes))
        caption(figure, axes, f"One Lloyd iteration, {kinds}", machine)


def _panel(panel: Axes, points: Sequence[Point]) -> None:
    for name in dict.fromkeys(point.name for point in points):
        line = [point for point in points if point.name == name]
        panel.plot(
            [point.n for point in line],
            [point.seconds_per_iteration for point in line],
            label=name,
            **_look(line[0]),
        )
        bearing = [(p.n, p.seconds_with_transfer) for p in line if p.seconds_transfer is not None]
        if bearing:
            color = COLORS.get(line[0].backend, OTHER)
            dotted = {"linestyle": ":", "linewidth": 1.8, "marker": "s", "markersize": 4}
            label = line[0].name_with_transfer
            panel.plot(*zip(*bearing, strict=True), label=label, color=color, **dotted)


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


def _legend(figure: Any, shown: Mapping[str, Any]) -> None:
    """Below the panels, processors in one line and GPUs in the next."""
    from matplotlib.lines import Line2D

    lines = [[name for name in shown if kind in name] for kind in ("CPU", "GPU")]
    lines = [line for line in lines if line]
    # A legend is filled column by column, so the shorter line is padded with nothing.
    nothing = Line2D([], [], linestyle="none")
    names = [name for column in zip_longest(*lines, fillvalue="") for name in column]
    handles = [shown.get(name, nothing) for name in names]
    columns = max(map(len, lines))
    figure.legend(handles, names, loc="outside lower center", ncols=columns, frameon=False)
