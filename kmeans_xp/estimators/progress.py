"""What ``verbose`` shows: the progress of a fit, on standard error."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from importlib.util import find_spec
from typing import Any

import numpy as np

from kmeans_xp.arrays.checks import check_count

# Of whatever kind of iteration.
Callback = Callable[[Any], Any]


@contextmanager
def progress(
    verbose: int, callback: Callback | None, max_iter: int | None, *, every: int = 1
) -> Iterator[Callback | None]:
    """Yield a callback that shows each iteration and then calls the user's own.

    Parameters
    ----------
    verbose : int
        0 shows nothing, and yields the user's callback as it is.
    callback : callable or None
        The user's.
    max_iter : int or None
        The end of the bar; None where it is not known beforehand.
    every : int
        Show only iterations of which the number is a multiple of this.

    Raises
    ------
    TypeError, ValueError
        If `verbose` is neither a bool nor an int of at least 0.
    """
    if not isinstance(verbose, bool | np.bool_):
        check_count(verbose, "verbose", low=0)
    if not verbose:
        yield callback
    elif find_spec("rich") is None:
        yield lambda iteration: _line(iteration, callback, every)
    else:
        with _bar(callback, max_iter, every) as shown:
            yield shown


def _line(iteration: Any, callback: Callback | None, every: int) -> object:
    if iteration.number % every == 0:
        sys.stderr.write(f"{_text(iteration)}\n")
    return callback(iteration) if callback else False


def _text(iteration: Any) -> str:
    """Return what an iteration tells of itself in numbers."""
    told = [(f.name.replace("_", "-"), getattr(iteration, f.name)) for f in fields(iteration)]
    shown = [f"{name} {value:.6g}" for name, value in told if isinstance(value, float)]
    return f"start {iteration.run}, iteration {iteration.number}: {', '.join(shown)}"


@contextmanager
def _bar(callback: Callback | None, max_iter: int | None, every: int) -> Iterator[Callback]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    # In a notebook rich would show a widget, or warn that it cannot. As text it leaves one line.
    with Progress(*columns, console=Console(stderr=True, force_jupyter=False)) as bar:
        task = bar.add_task("seeding", total=max_iter)

        def show(iteration: Any) -> object:
            if iteration.number % every == 0:
                bar.update(task, completed=iteration.number, description=_text(iteration))
            return callback(iteration) if callback else False

        yield show
