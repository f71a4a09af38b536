"""The stopwatch, and the order in which contestants take their turns."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

REST = 0.02


def timed(run: Callable[[], T]) -> tuple[float, T]:
    """Seconds that a call took, and what it returned."""
    gc.collect()
    # Another library's threads go on spinning for some milliseconds after their last work.
    time.sleep(REST)
    gc.disable()
    try:
        began = time.perf_counter()
        value = run()
        return time.perf_counter() - began, value
    finally:
        gc.enable()


def turns(count: int, rounds: int) -> Iterator[list[int]]:
    """For each round the order of the contestants, another one starting every time.

    A machine's speed drifts within seconds; rounds that interleave, each with another
    contestant in front, spread the drift evenly.
    """
    for number in range(rounds):
        first = number % count
        yield [*range(first, count), *range(first)]


class Budget:
    """Seconds to spend: a step begins only if one like the last still fits in."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._mark = clock()
        self._left = seconds
        self._last = 0.0

    def spend(self) -> bool:
        """Whether one more step fits. The first one always does."""
        now = self._clock()
        self._last, self._mark = now - self._mark, now
        self._left -= self._last
        return self._left >= self._last
