"""What a measurement was made on: processor, memory, GPU and versions; no names, no paths."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "kmeans_xp",
    "numpy",
    "scipy",
    "scikit-learn",
    "scikit-learn-intelex",
    "faiss-cpu",
    "superkmeans",
    "kmedoids",
    "onebatch",
    "numba",
    "torch",
    "triton",
    "flash-kmeans",
    "jax",
    "dask",
    "cupy-cuda12x",
    "cupy-cuda13x",
)


def describe() -> dict[str, Any]:
    """The machine and the software, as it goes into a report."""
    return {
        "cpu": _cpu(),
        "cores": _CORES,
        "threads": _threads(),
        "memory_gb": _memory(),
        "gpus": _gpus(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "blas": _blas(),
        "packages": versions(PACKAGES),
    }


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Versions of those packages that are here."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    if "kmeans_xp" not in found:
        # Run from a checkout, the library is not an installed distribution.
        import kmeans_xp

        found = {"kmeans_xp": kmeans_xp.__version__, **found}
    return found


def usable_cpus() -> list[int]:
    """Processors this process may run on, one of each core before their twins."""
    if not hasattr(os, "sched_getaffinity"):
        return list(range(os.cpu_count() or 1))
    return sorted(os.sched_getaffinity(0), key=lambda cpu: (_rank_in_core(cpu), cpu))


def limit_threads(threads: int) -> None:
    """Hold the process to so many threads; call it before NumPy is imported.

    Variables alone would not do: Intel's TBB follows only the processors it may use.
    """
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(threads)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, usable_cpus()[:threads])


def _rank_in_core(cpu: int) -> int:
    path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
    try:
        text = path.read_text()
    except OSError:
        return 0
    twins: list[int] = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        twins.extend(range(int(first), int(last or first) + 1))
    return twins.index(cpu) if cpu in twins else 0


# Counted here and now, before `limit_threads` can take some away.
_CORES = len(usable_cpus())


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _memory() -> float | None:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
    return round(size / 2**30, 1)


def _threads() -> int:
    from kmeans_xp.arrays.threads import thread_count

    return thread_count()


def _blas() -> list[str]:
    from threadpoolctl import threadpool_info

    found = (pool for pool in threadpool_info() if pool["user_api"] == "blas")
    return sorted({f"{pool['internal_api']} {pool['version']}" for pool in found})


def _gpus() -> list[str]:
    """Names of the GPUs, asked of whichever library is here that knows them."""
    for ask in (_gpus_by_cupy, _gpus_by_torch):
        try:
            return ask()
        except (ImportError, RuntimeError):
            continue
    return []


def _gpus_by_cupy() -> list[str]:
    import cupy

    runtime = cupy.cuda.runtime
    count = runtime.getDeviceCount()
    return [runtime.getDeviceProperties(i)["name"].decode() for i in range(count)]


def _gpus_by_torch() -> list[str]:
    import torch

    return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
