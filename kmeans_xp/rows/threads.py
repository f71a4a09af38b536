"""The thread pool that blocks of NumPy rows run on, and how many threads are worth waking."""

import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from time import perf_counter
from typing import Any

from kmeans_xp.arrays.precision import quiet
from kmeans_xp.arrays.threads import one_blas_thread_from_now_on, thread_count
from kmeans_xp.rows.base import Made, add

# Blocks are added up in this many runs, whatever the number of threads: each run adds its own
# blocks in order, and the runs are added in order, so that the thread count changes no bit.
RUNS = 64
# Seconds that a sweep must take for other threads to be worth waking.
SHORT = 3e-4
# The same for work in which they are mostly awake.
SOON = 1e-4


class Threads:
    """What the threads of one source of rows have done, by which others are woken or not.

    Parameters
    ----------
    count : int, optional
        How many there are; by default what `thread_count` says.
    """

    def __init__(self, count: int | None = None) -> None:
        self.asked = count
        # How long the last sweep took with blocks of so many rows, on all threads together.
        self._seconds: dict[int, float] = {}
        # The same of the last work of a team, and who helps in that.
        self._team_seconds = SOON
        self._helping: list[Future[Any]] = []

    @cached_property
    def count(self) -> int:
        """Return how many threads run blocks; asked only where there are several blocks."""
        return thread_count() if self.asked is None else self.asked

    def add_up(self, run: "Run", blocks: int, *, block_rows: int, small: bool) -> Any:
        """Return the sum of what blocks come to, in their order.

        Parameters
        ----------
        run : callable
            (first block, last block, stopped) -> their sum; it ends early when `stopped` is set.
        blocks : int
            How many there are.
        block_rows : int
            How many rows each has; by that the time of a sweep is known again.
        small : bool
            Whether one thread finds out how long it takes, where that is not known.
        """
        count = min(RUNS, blocks)
        bounds = [blocks * i // count for i in range(count + 1)]
        runs = _Runs(run, list(itertools.pairwise(bounds)))
        begun, helpers = perf_counter(), self._helpers(runs, block_rows, small)
        total = runs.finish(_pool(self.count), helpers)
        self._seconds[block_rows] = (perf_counter() - begun) * (helpers + 1)
        return total

    def _helpers(self, runs: "_Runs", block_rows: int, small: bool) -> int:
        """Return how many threads to wake; where that is not known, some runs are done first."""
        known = self._seconds.get(block_rows)
        remaining = runs.take_for(SHORT if known is None and small else 0.0)
        short = known is not None and known < SHORT
        return 0 if short else max(0, min(self.count, remaining) - 1)

    def each(self, calls: Sequence[Callable[[], Made]]) -> list[Made]:
        """Return what calls come to, in their order; each is long enough to wake a thread for."""
        if len(calls) == 1:
            return [calls[0]()]

        @quiet()
        def run(first: int, last: int, _: threading.Event) -> list[Made]:
            return [call() for call in calls[first:last]]

        runs = _Runs(run, [(i, i + 1) for i in range(len(calls))])
        found: list[Made] = runs.finish(_pool(self.count), min(self.count, len(calls)) - 1)
        return found

    def team(self, work: Callable[[], bool], help_out: Callable[[], Any]) -> None:
        """Run `work` until it returns true; meanwhile, and for a while after, others help.

        A thread helps until `help_out` returns, which it does when nothing was to be done for a
        while. So one that is awake stays so from one call to the next, if that comes soon.
        """
        helpers = self.count - 1 if self._team_seconds >= SOON else 0
        begun = perf_counter()
        done = False
        while not done:
            for place in range(helpers):
                self._wake(place, help_out)
            done = work()
        self._team_seconds = (perf_counter() - begun) * (1 + helpers)

    def _wake(self, place: int, help_out: Callable[[], Any]) -> None:
        """Have the helper of this number help, if it does not."""
        if place == len(self._helping):
            self._helping.append(_pool(self.count).submit(help_out))
        elif self._helping[place].done():
            self._helping[place].result()
            self._helping[place] = _pool(self.count).submit(help_out)


# (first block, last block, stopped) -> the sum of what they come to.
Run = Callable[[int, int, threading.Event], Any]


class _Runs:
    """Runs of blocks, which the calling thread and its helpers take one after the other."""

    def __init__(
        self,
        run: Run,
        bounds: list[tuple[int, int]],
    ) -> None:
        self._run = run
        self._remaining = deque(enumerate(bounds))
        self._stopped = threading.Event()
        # The sum of the first runs, how many those are, and what later ones came to. It is added up
        # as they end: totals of all runs together may be larger than X.
        self._total: Any = None
        self._added = 0
        self._waiting: dict[int, Any] = {}
        self._lock = threading.Lock()

    def finish(self, pool: ThreadPoolExecutor, helpers: int) -> Any:
        """Return the sum of the runs in their order; on an error or Ctrl-C stop what is left."""
        try:
            futures = [pool.submit(self._take_all) for _ in range(helpers)]
            self._take_all()
            for future in futures:
                # One that has not begun is not waited for: nothing is left for it.
                if not future.cancel():
                    future.result()
        except BaseException:
            self._stopped.set()
            raise
        return self._total

    def take_for(self, seconds: float) -> int:
        """Do runs for so long; return how many are left."""
        end = perf_counter() + seconds
        while self._remaining and perf_counter() < end:
            self.take_one()
        return len(self._remaining)

    def take_one(self) -> bool:
        """Do the next run, if one is left; return whether there was one."""
        try:
            place, bounds = self._remaining.popleft()
        except IndexError:
            return False
        more = self._run(*bounds, self._stopped)
        with self._lock:
            self._waiting[place] = more
            while self._added in self._waiting:
                self._total = add(self._total, self._waiting.pop(self._added))
                self._added += 1
        return True

    def _take_all(self) -> None:
        try:
            while not self._stopped.is_set() and self.take_one():
                pass
        except BaseException:
            self._stopped.set()
            raise


_pools: dict[tuple[int, int], ThreadPoolExecutor] = {}


def _pool(threads: int) -> ThreadPoolExecutor:
    """Return the pool of this many threads. A forked child has none of them, hence the pid."""
    key = os.getpid(), threads
    if key not in _pools:
        _pools[key] = ThreadPoolExecutor(
            threads, thread_name_prefix="kmeans_xp", initializer=one_blas_thread_from_now_on
        )
    return _pools[key]
