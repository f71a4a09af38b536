"""What ``verbose`` shows: the progress of a fit, on standard error."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import numpy as np

from kmeans_xp.algorithms.loop import Callback, Iteration
from kmeans_xp.arrays.checks import check_count


@contextmanager
def progress(verbose: int, callback: Callback | None, max_iter: int) -> Iterator[Callback | None]:
    """Yield a callback that shows each iteration and then calls the user's own.

    Parameters
    ----------
    verbose : int
        0 shows nothing, and yields the user's callback as it is.
    callback : callable or None
        The user's.
    max_iter : int
        The end of the bar.

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
        yield lambda iteration: _line(iteration, callback)
    else:
        with _bar(callback, max_iter) as shown:
            yield shown


def _line(iteration: Iteration, callback: Callback | None) -> object:
    sys.stderr.write(f"{_text(iteration)}\n")
    return callback(iteration) if callback else False


def _text(iteration: Iteration) -> str:
    return (
        f"start {iteration.run}, iteration {iteration.number}: inertia {iteration.inertia:.6g}, "
        f"shift {iteration.shift:.3g}"
    )


@contextmanager
def _bar(callback: Callback | None, max_iter: int) -> Iterator[Callback]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("seeding", total=max_iter)

        def show(iteration: Iteration) -> object:
            bar.update(task, completed=iteration.number, description=_text(iteration))
            return callback(iteration) if callback else False

        yield show
