"""A sign of life on long work, on a terminal only, and only after a while."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer
from typing import Any

from kmeans_xp import MedoidIteration, MixtureIteration, SpectralIteration
from kmeans_xp.cli.errors import optional

# Short work would only make the terminal flicker.
PATIENCE = 1.0
# What iterations tell of that is not their inertia.
OBJECTIVES = {
    MixtureIteration: "log_likelihood",
    MedoidIteration: "loss",
    SpectralIteration: "residual",
}

Callback = Callable[[Any], None]


def objective(iteration: Any) -> str:
    """Describe an iteration of a loop."""
    run = f"run {iteration.run}, " if iteration.run > 1 else ""
    name = OBJECTIVES.get(type(iteration), "inertia")
    return f"{run}{name.replace('_', '-')} {getattr(iteration, name):.6g}"


@contextmanager
def progress(
    steps: int, counted: str, *, wanted: bool, describe: Callable[[Any], str] = objective
) -> Iterator[Callback | None]:
    """Yield a callback for the loop that moves a bar on standard error, or None.

    Parameters
    ----------
    steps : int
        Where the bar ends.
    counted : str
        What it counts.
    wanted : bool
        False for no bar at all.
    describe : callable
        Returns what to say of a step; steps have a `number`, from 1.
    """
    if not (wanted and sys.stderr.isatty()):
        yield None
        return
    rich = optional("rich.progress")
    console = optional("rich.console").Console(stderr=True)
    columns = [
        rich.SpinnerColumn(),
        rich.TextColumn("{task.description}"),
        rich.BarColumn(bar_width=30),
        rich.TextColumn(f"{{task.completed:.0f}} of at most {{task.total:.0f}} {counted}"),
        rich.TimeElapsedColumn(),
    ]
    bar = rich.Progress(*columns, console=console, transient=True)
    task = bar.add_task("starting", total=steps)

    def advance(step: Any) -> None:
        bar.update(task, completed=step.number, description=describe(step))

    timer = Timer(PATIENCE, bar.start)
    timer.daemon = True
    timer.start()
    try:
        yield advance
    finally:
        timer.cancel()
        timer.join()  # a bar that is just starting must not outlive its stop
        bar.stop()
