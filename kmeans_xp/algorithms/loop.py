"""The loop, written once: iterate, test convergence, keep the history, call the callback."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from kmeans_xp.arrays import Array
from kmeans_xp.arrays.record import Record
from kmeans_xp.rows import Rows

State = TypeVar("State")


@dataclass(frozen=True, eq=False, repr=False)
class Iteration(Record):
    """What a callback is told after each iteration.

    Attributes
    ----------
    run : int
        Which start this is, from 1 to ``n_init``.
    number : int
        Which iteration of the run, from 1.
    inertia : float
        Of the centres that the iteration started from.
    shift : float
        Sum of the squared distances that the centres moved.
    centers : array of shape (k, d)
        A copy of the new centres, where X lives.
    """

    __module__ = "kmeans_xp"  # Pickles outlive moves.

    run: int
    number: int
    inertia: float
    shift: float
    centers: Array


Callback = Callable[[Iteration], Any]


@dataclass(frozen=True)
class Report:
    """What one step says of itself: the objective it started from, and how far it moved."""

    objective: float
    shift: float
    converged: bool


@dataclass(frozen=True)
class Run(Generic[State]):
    """Where a loop ended."""

    state: State
    n_iter: int
    converged: bool
    stopped: bool
    history: tuple[float, ...]


def iterate(
    step: Callable[[State], tuple[State, Report]],
    state: State,
    *,
    max_iter: int,
    tell: Callable[[int, State, Report], Any],
) -> Run[State]:
    """Apply `step` until it converges, `max_iter` is reached, or `tell` returns true.

    Parameters
    ----------
    step : callable
        State -> new state, and a `Report` on the step.
    state : object
        The start.
    max_iter : int
        The most steps to take.
    tell : callable
        (number, new state, report) -> true to stop.

    Returns
    -------
    Run
    """
    history: list[float] = []
    converged = stopped = False
    while len(history) < max_iter and not (converged or stopped):
        state, report = step(state)
        history.append(report.objective)
        converged = report.converged
        stopped = bool(tell(len(history), state, report))
    return Run(state, len(history), converged, stopped, tuple(history))


def teller(
    callback: Callback | None, run: int, rows: Rows, centers_of: Callable[[Any], Array]
) -> Callable[[int, Any, Report], Any]:
    """Return the `tell` of `iterate` that builds an `Iteration` for the user's callback.

    It shows a copy of the centres, (k, d) where blocks live, lest what the user writes to them
    changes the fit.
    """

    def tell(number: int, state: Any, report: Report) -> Any:
        if callback is None:
            return False
        centers = rows.deliver(rows.xp.asarray(centers_of(state), copy=True))
        return callback(Iteration(run, number, report.objective, report.shift, centers))

    return tell
