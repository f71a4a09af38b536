"""What this machine could do at best: its SGEMM rate and its memory bandwidth, measured here."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.timing import timed
from kmeans_xp.arrays.threads import thread_count

REPEATS = 5
SIDE = 3_072  # of square matrices: 58 GFLOP for their product
STREAM_BYTES = 2**29  # far more than any cache


@dataclass(frozen=True)
class Roof:
    """Rates that no iteration of plain Lloyd can exceed."""

    flops: float  # in float32, a second
    bandwidth: float  # bytes read a second

    def seconds(self, n: int, d: int, k: int) -> float:
        """The least time of an iteration that takes every product and reads every row once."""
        return max(2 * n * d * k / self.flops, 4 * n * d / self.bandwidth)


def measure() -> Roof:
    """The best of several runs on all threads."""
    return Roof(2 * SIDE**3 / _product(), STREAM_BYTES / _stream())


def _product() -> float:
    """Seconds of a product of square matrices."""
    a, b = np.random.default_rng(0).standard_normal((2, SIDE, SIDE), dtype=np.float32)
    out = np.empty_like(a)
    return _best(lambda: np.matmul(a, b, out=out))


def _stream() -> float:
    """Seconds of reading the stream once, each thread its own part."""
    threads = thread_count()
    parts = np.array_split(np.ones(STREAM_BYTES // 4, dtype=np.float32), threads)
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        return _best(lambda: list(pool.map(lambda part: np.dot(part, part), parts)))


def _best(run: Callable[[], object]) -> float:
    return min(timed(run)[0] for _ in range(REPEATS))
