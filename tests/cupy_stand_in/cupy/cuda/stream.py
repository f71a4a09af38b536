"""Events of the one stream. Its work is done as soon as it is asked for."""

import threading
import warnings
from time import perf_counter
from typing import Self

from cupy.counts import add_synchronization


class Event:
    """A point in time."""

    def __init__(self) -> None:
        self._time = float("nan")

    def record(self) -> None:
        self._time = perf_counter()

    def synchronize(self) -> None:
        add_synchronization("Event.synchronize")


class _Current(threading.local):
    def __init__(self) -> None:
        self.streams: list[Stream] = []


_current = _Current()


class Stream:
    """The stream that all work is done in, `Stream.null`, or another name of it."""

    null: "Stream"

    def __init__(self, null: bool = False) -> None:
        self.ptr, self.device_id = 0, -1

    def __enter__(self) -> Self:
        _current.streams.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _current.streams.pop()

    def synchronize(self) -> None:
        add_synchronization("Stream.synchronize")


class ExternalStream(Stream):
    """A stream that another library made, which CuPy 14 would rather not be told of so."""

    def __init__(self, ptr: int, device_id: int = -1) -> None:
        warnings.warn("ExternalStream is deprecated.", DeprecationWarning, stacklevel=2)
        self.ptr, self.device_id = ptr, device_id


Stream.null = Stream()


def get_current_stream(device_id: int = -1) -> Stream:
    return _current.streams[-1] if _current.streams else Stream.null


def get_elapsed_time(start_event: Event, end_event: Event) -> float:
    """Return the milliseconds between two events."""
    return 1000 * (end_event._time - start_event._time)
