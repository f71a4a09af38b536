"""What work on a GPU costs besides arithmetic: launches, waits and bytes. CuPy has no such module.

    from cupy.counts import counted

    with counted() as counts:
        kmeans(X, 8, rng=0)
    assert counts.synchronizations <= 30, counts.synchronized

The numbers are the same in every run:

- A launch is a call that computes an array with elements. A view, an empty array and the allocation
  of an array are none. `functions.LAUNCHES` names the calls that count as more than one.
- A synchronisation is a call after which the host has waited for the device: `get`, `item`, `int`,
  `float`, `bool` and all that reads values, what has a shape that depends on values (`nonzero`,
  `unique`, indexing by a mask), and `synchronize` of a device, a stream or an event.
- Bytes to the host are those of `get`, and of the number that finds such a shape. Bytes to the
  device are those of arrays made from host values; that is no launch, and nobody waits for it.
- Bytes written are those of the results of launches.
- The peak is the most that was allocated at one time, beyond what was at the start, on all devices.
  What a call needs only while it runs is left out.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import RLock


@dataclass
class Counts:
    """What was counted so far; names are those of the functions and methods that were called."""

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
_lock = RLock()


@contextmanager
def counted() -> Iterator[Counts]:
    """Count what all threads do until the end of the block; blocks may be nested."""
    counts = Counts()
    with _lock:
        _counting.append(counts)
    try:
        yield counts
    finally:
        with _lock:
            # By identity: two that hold the same numbers are equal.
            _counting[:] = [other for other in _counting if other is not counts]


def add_launch(name: str, times: int, written: int) -> None:
    with _lock:
        for counts in _counting:
            counts.launched[name] += times
            counts.bytes_written += written


def add_synchronization(name: str, to_host: int = 0) -> None:
    with _lock:
        for counts in _counting:
            counts.synchronized[name] += 1
            counts.bytes_to_host += to_host


def add_to_device(nbytes: int) -> None:
    with _lock:
        for counts in _counting:
            counts.bytes_to_device += nbytes


def add_allocated(nbytes: int) -> None:
    """Count bytes that are allocated, or given back where they are negative."""
    with _lock:
        for counts in _counting:
            counts.bytes_allocated += nbytes
            counts.peak_bytes = max(counts.peak_bytes, counts.bytes_allocated)
