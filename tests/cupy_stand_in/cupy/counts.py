"""What work costs on a GPU besides arithmetic: launches, waits, bytes. CuPy has no such module.

    with counted() as counts:
        kmeans(X, 8, rng=0)
    assert counts.synchronizations <= 30, counts.synchronized

`counted(lines=True)` names the line that called and the one that called its function, as in
"get at transfer.py:27 < lloyd.py:80".

- A launch is a call that computes elements of an array. A view, an empty array and the allocation
  of an array are none. `_ndarray.LAUNCHES` has the calls that count as several.
- A synchronisation is a call after which the host has waited for the device: all that reads values
  (`get`, `item`, `int`, `float`, `bool`, ...), what has a shape that depends on values (`nonzero`,
  `unique`, indexing by a mask), and `synchronize` of a device, a stream or an event.
- Bytes to the host are those of `get`, and of the number that tells such a shape. Bytes to the
  device are those of arrays made from host values, for which nobody waits and nothing is launched;
  a number alone is launched, as what a kernel fills an array with.
- Bytes written are those of what launches compute.
- Peak bytes are the most that was allocated at one time, beyond what was at the start, on all
  devices. What a call needs only while it runs is left out.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from traceback import walk_stack

# Modules whose lines say nothing.
INSIDE = ("cupy", "array_api_compat")


@dataclass(eq=False)
class Counts:
    """What was counted so far: by the name of the function or method, and in bytes."""

    lines: bool = False
    launched: Counter[str] = field(default_factory=Counter)
    synchronized: Counter[str] = field(default_factory=Counter)
    bytes_to_device: int = 0
    bytes_to_host: int = 0
    bytes_written: int = 0
    bytes_allocated: int = 0
    peak_bytes: int = 0

    @property
    def launches(self) -> int:
        return self.launched.total()

    @property
    def synchronizations(self) -> int:
        return self.synchronized.total()


_counting: list[Counts] = []
# Reentrant, for an array may be given back in the middle of a change.
lock = RLock()


@contextmanager
def counted(*, lines: bool = False) -> Iterator[Counts]:
    """Count what all threads do until the end of the block; blocks may be nested."""
    counts = Counts(lines)
    with lock:
        _counting.append(counts)
    try:
        yield counts
    finally:
        with lock:
            _counting.remove(counts)


def _named(name: str, counts: Counts) -> str:
    if not counts.lines:
        return name
    frames = [frame for frame, _ in walk_stack(None)]
    outside = [f for f in frames if not f.f_globals["__name__"].startswith(INSIDE)][:2]
    lines = [f"{Path(f.f_code.co_filename).name}:{f.f_lineno}" for f in outside]
    return f"{name} at {' < '.join(lines)}"


def add_launch(name: str, times: int, written: int) -> None:
    with lock:
        for counts in _counting:
            counts.launched[_named(name, counts)] += times
            counts.bytes_written += written


def add_synchronization(name: str, to_host: int = 0) -> None:
    with lock:
        for counts in _counting:
            counts.synchronized[_named(name, counts)] += 1
            counts.bytes_to_host += to_host


def add_to_device(nbytes: int) -> None:
    with lock:
        for counts in _counting:
            counts.bytes_to_device += nbytes


def add_allocated(nbytes: int) -> None:
    """Count bytes that are allocated, or given back where they are negative."""
    with lock:
        for counts in _counting:
            counts.bytes_allocated += nbytes
            counts.peak_bytes = max(counts.peak_bytes, counts.bytes_allocated)
