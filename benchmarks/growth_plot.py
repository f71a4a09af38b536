"""The growth plot: a panel for each quantity, time of an iteration against it, log-log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from benchmarks.panels import INK, caption, count_ticks, lines_shown, log_panels
from benchmarks.sweeps import Growth, Sweep

# Ours first; from the Okabe-Ito palette, which colour-blind readers can tell apart.
COLORS = ("#0072B2", "#E69F00", "#D55E00", "#CC79A7", "#009E73", "#56B4E9", "#F0E442")


def draw_growth(
    growth: Growth, sweeps: Sequence[Sweep], path: Path, machine: Mapping[str, Any]
) -> None:
    """Draw the sweeps and save the picture as a PNG."""
    with log_panels(len(sweeps), path, sharex=False) as (figure, axes):
        for panel, sweep in zip(axes.flat, sweeps, strict=False):
            _panel(panel, growth, sweep)
        shown = lines_shown(axes)
        figure.legend(
            shown.values(), shown.keys(), loc="outside lower center", ncols=3, frameon=False
        )
        caption(figure, axes, "How a Lloyd iteration grows", machine)


def _panel(panel: Any, growth: Growth, sweep: Sweep) -> None:
    for name, color in zip(growth.names, cycle(COLORS), strict=False):
        values, seconds = growth.line(name, sweep)
        ours = name == growth.names[0]
        # Ours lies over the others.
        look = {"linewidth": 2.4, "zorder": 3} if ours else {"linewidth": 1.4}
        panel.plot(values, seconds, label=name, color=color, marker="o", markersize=4.5, **look)
    roof = growth.roofline(sweep)
    panel.plot(sweep.values, roof, label="roofline", color=INK, linestyle=(0, (4, 2)))
    panel.set_xticks(sweep.values)
    panel.minorticks_off()
    count_ticks(panel, sweep.quantity)
    panel.set_title(sweep.held, fontsize=8.5, loc="left")
