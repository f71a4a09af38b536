"""The process that `benchmarks.paired` starts: times one call of a checkout's kmeans_xp.

It is run as a script, with the checkout for its PYTHONPATH. So it imports nothing of `benchmarks`,
of which that checkout has its own, and of kmeans_xp public names alone: what lies behind them
differs between the two checkouts.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# At least so many runs are timed, and as many as it takes to fill so many seconds: other processes
# seldom leave a short call alone for long, and to start a process takes two seconds anyway.
RUNS = 3
SECONDS = 1.0
# Libraries that `kmeans-xp info` would import in order to list their devices.
OTHER_BACKENDS = ("array_api_strict", "cupy", "dask", "jax", "torch")


@dataclass(frozen=True)
class Task:
    """A call of a public function, or of an estimator's method, and where its arrays are."""

    name: str
    method: str | None
    fitted: bool
    k: int
    options: dict[str, Any]
    rows: str
    arrays: str
    numba: bool = True


def main() -> None:
    """Compile the kernels and, if standard input names a task, print its seconds."""
    # A run cut short by its iterations warns of it.
    warnings.simplefilter("ignore")
    given = json.load(sys.stdin)
    task = None if given is None else Task(**given)
    if task is None or task.numba:
        load_kernels()
    else:
        sys.modules["numba"] = None  # type: ignore[assignment]
    check_origin(Path(sys.argv[1]))
    print(json.dumps(None if task is None else fastest(prepare(task))))


def load_kernels() -> None:
    """Import Numba, where it is installed, and every kernel, which is compiled where it must be."""
    if find_spec("numba") is None:
        return
    import numba  # noqa: F401

    from kmeans_xp.cli import main as kmeans_xp

    with hidden(OTHER_BACKENDS), contextlib.redirect_stdout(io.StringIO()):
        status = kmeans_xp(["info", "--compile", "--json"])
    if status:  # It has said why.
        sys.exit(1)


@contextlib.contextmanager
def hidden(modules: tuple[str, ...]) -> Iterator[None]:
    """Have modules that were not imported before look as if they were not installed."""
    absent = [name for name in modules if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


def check_origin(root: Path) -> None:
    """Stop if kmeans_xp is not the checkout's."""
    import kmeans_xp

    found = Path(kmeans_xp.__file__).resolve().parent
    if found != (root / "kmeans_xp").resolve():
        sys.exit(f"it is not its own kmeans_xp that is imported, but {found}")


def prepare(task: Task) -> Callable[[], Any]:
    """Do what is not timed, and return what is."""
    import numpy as np

    import kmeans_xp

    options = {"X": np.load(task.rows), **task.options, **np.load(task.arrays)}
    X, second = options.pop("X"), options.pop("labels", task.k)
    called = getattr(kmeans_xp, task.name)
    if task.method is None:
        return partial(called, X, second, **options)
    model = called(task.k, **options)
    if task.fitted:
        model.fit(X)
    return partial(getattr(model, task.method), X)


def fastest(run: Callable[[], Any]) -> float:
    """Seconds of the fastest of several runs, after one that is not timed."""
    run()
    gc.disable()
    taken: list[float] = []
    while len(taken) < RUNS or sum(taken) < SECONDS:
        began = time.perf_counter()
        run()
        taken.append(time.perf_counter() - began)
    return min(taken)


if __name__ == "__main__":
    main()
