"""Events of the one stream. Its work is done as soon as it is asked for."""

from time import perf_counter

from cupy.counts import add_synchronization


class Event:
    """A point in time."""

    def __init__(self) -> None:
        self._time = float("nan")

    def record(self) -> None:
        self._time = perf_counter()

    def synchronize(self) -> None:
        add_synchronization("Event.synchronize")


class Stream:
    """The stream that all work is done in: `Stream.null`."""

    null: "Stream"

    def synchronize(self) -> None:
        add_synchronization("Stream.synchronize")


Stream.null = Stream()


def get_elapsed_time(start_event: Event, end_event: Event) -> float:
    """Return the milliseconds between two events."""
    return 1000 * (end_event._time - start_event._time)
