"""Streams and events. Work is done when it is asked for, so that there is never any to wait for."""

from time import perf_counter
from typing import ClassVar

from cupy.counts import add_synchronization


class Event:
    """A point in time of a stream."""

    done = True

    def __init__(self) -> None:
        self._time = float("nan")

    def record(self, stream: "Stream | None" = None) -> None:
        self._time = perf_counter()

    def synchronize(self) -> None:
        add_synchronization("Event.synchronize")


class Stream:
    """The stream that all work is done in."""

    null: ClassVar["Stream"]
    done = True
    ptr = 0

    def synchronize(self) -> None:
        add_synchronization("Stream.synchronize")

    def record(self, event: Event | None = None) -> Event:
        event = Event() if event is None else event
        event.record(self)
        return event


Stream.null = Stream()


def get_current_stream() -> Stream:
    return Stream.null


def get_elapsed_time(start_event: Event, end_event: Event) -> float:
    """Return the milliseconds between two events."""
    return 1000 * (end_event._time - start_event._time)
