"""What compiled code would have saved this process so far, and what it costs to have it.

To wait for compiled code or to go on without is the question of buying or renting: whoever buys
when the rents so far come to the price never pays twice as much as was necessary. Both are in
seconds, which are reckoned from work and not measured by a clock, so that the same calls in the
same order always choose the same.
"""

from enum import Enum
from threading import Lock
from typing import Any, Self

import numpy as np

from kmeans_xp.kernels.numba.compiling import Group

# Seconds to import Numba; for what it imports and prepares when it first compiles or loads
# something; and to load a group from disk (0.01 to 0.07).
IMPORT, START, LOAD = 0.2, 0.3, 0.04
# Iterations of a fit that bounds leave to be searched, in terms of passes over all rows: of up to
# 60 iterations fits save 35 to 80 times as much as one assignment of the same rows does.
ITERATIONS = 32

Key = tuple[np.dtype[Any], Group]


class Plan(Enum):
    """What is done to have a group that is not loaded."""

    NOTHING, FROM_DISK, COMPILES = range(3)


def passes_of(max_iter: int, starts: int = 1) -> int:
    """Return as how many passes over the rows a fit counts."""
    return starts * min(max_iter, ITERATIONS)


def saving_of(group: Group, work: int, passes: int) -> float:
    """Return the seconds that a group saves passes of so many operations each."""
    return passes * (1e-6 * group.saves_calls + 1e-9 * group.saves * work)


class Ledger:
    """The savings that a process went without, and what it paid for compiled code.

    Calls of several threads may enter theirs.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._saved: dict[Key, float] = {}
        self._total = self._paid = 0.0
        # Of groups that were asked for and not there.
        self._prices: dict[Key, float] = {}
        # Groups that a thread is about to load or compile.
        self._begun: set[Key] = set()

    def copy(self) -> Self:
        """Return a ledger with the same entries."""
        other = type(self)()
        with self._lock:
            other._saved, other._prices = self._saved.copy(), self._prices.copy()
            other._total, other._paid = self._total, self._paid
        return other

    def enter(self, key: Key, saving: float, more: float) -> None:
        """Add what a call would save by a group, and by how much `more` that is than by others."""
        with self._lock:
            self._saved[key] = self._saved.get(key, 0.0) + saving
            self._total += more

    def saved(self, key: Key) -> float:
        """Return what a group would have saved so far."""
        return self._saved[key]

    @property
    def balance(self) -> float:
        """Return what all groups would have saved so far, less what was paid."""
        return self._total - self._paid

    def price(self, key: Key) -> float:
        """Return the seconds that it takes to have a group where Numba has started."""
        return self._prices.get(key, LOAD)

    def plan(self, key: Key, start: float) -> Plan:
        """Return what is repaid, where Numba takes `start` seconds before it does anything.

        All groups together repay that, and each what it takes itself.
        """
        saved, balance = self._saved[key], self._total - self._paid - start
        price = self._prices.get(key, LOAD)
        if saved < price or balance < price:
            return Plan.NOTHING
        compiles = min(saved, balance) >= key[1].compile_seconds
        return Plan.COMPILES if compiles else Plan.FROM_DISK

    def begin(self, key: Key) -> bool:
        """Return whether the caller may have a group loaded now: no other thread does."""
        with self._lock:
            free = key not in self._begun
            self._begun.add(key)
        return free

    def end(self, key: Key) -> None:
        """Say that the group is loaded, or is not for now."""
        with self._lock:
            self._begun.discard(key)

    def pay(self, seconds: float) -> None:
        """Enter what was paid."""
        with self._lock:
            self._paid += seconds

    def set_price(self, key: Key, seconds: float) -> None:
        """Enter what a group costs, since it is not on disk; infinity where it cannot be had."""
        self._prices[key] = seconds


LEDGER = Ledger()
