"""What a GPU could do at best: its rates of copies and of matrix products, measured by CuPy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from operator import matmul
from statistics import median
from typing import Any

import numpy as np

from benchmarks.datasets import UnavailableError
from benchmarks.roofline import Roof

REPEATS = 7
DTYPES = ("float32", "float64", "float16")


@dataclass(frozen=True)
class Sizes:
    """Of what is copied and multiplied: a GPU's caches must be small beside both."""

    copied_bytes: int
    side: int  # of square matrices


FULL = Sizes(2**31, 8_192)
QUICK = Sizes(2**20, 128)


@dataclass(frozen=True)
class Ceilings:
    """Rates that nothing on the GPU can exceed."""

    bandwidth: float  # bytes read and written a second
    flops: dict[str, float]  # a second, by dtype

    @property
    def roof(self) -> Roof:
        """The least time of an iteration in float32."""
        return Roof(self.flops["float32"], self.bandwidth)


def measure(sizes: Sizes) -> Ceilings:
    """The medians of several runs each."""
    work = 2 * sizes.side**3
    flops = {dtype: work / seconds for dtype, seconds in _products(sizes.side).items()}
    return Ceilings(2 * sizes.copied_bytes / _copy(sizes.copied_bytes), flops)


def load_cupy() -> Any:
    """CuPy, where it finds a GPU."""
    try:
        import cupy
    except ImportError as error:
        raise UnavailableError(f"it needs CuPy: {error}") from error
    if not cupy.cuda.is_available():
        raise UnavailableError("it needs a GPU that CuPy finds")
    return cupy


def device_seconds(run: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median seconds between two events of the GPU about a call, after a call to warm up."""
    cuda = load_cupy().cuda
    run()
    found: list[float] = []
    for _ in range(repeats):
        began, ended = cuda.Event(), cuda.Event()
        began.record()
        run()
        ended.record()
        ended.synchronize()
        found.append(cuda.get_elapsed_time(began, ended) / 1e3)
    return median(found)


def _products(side: int) -> dict[str, float]:
    """Seconds of products of square matrices of random numbers, which are slower than of zeros."""
    host = np.random.default_rng(0).standard_normal((2, side, side), dtype=np.float32)
    drawn, found = load_cupy().asarray(host), {}
    for dtype in DTYPES:
        a, b = drawn.astype(dtype)
        found[dtype] = device_seconds(partial(matmul, a, b))
    return found


def _copy(size: int) -> float:
    """Seconds of a copy within the GPU's memory."""
    cupy, rng = load_cupy(), np.random.default_rng(0)
    source = cupy.asarray(rng.random(size // 4, dtype=np.float32))
    target = cupy.empty_like(source)
    return device_seconds(lambda: cupy.copyto(target, source))
