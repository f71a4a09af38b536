"""What an accelerator has, and how results are allocated on it."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import array_api_compat

from kmeans_xp.arrays.namespace import Namespace


def memory_of(xp: Namespace, device: Any) -> int | None:
    """Return how many bytes of memory a device has; None for a CPU, or where nobody says."""
    if array_api_compat.is_cupy_namespace(xp):
        return int(xp.cuda.runtime.getDeviceProperties(device.id)["totalGlobalMem"])
    if array_api_compat.is_torch_namespace(xp) and str(device).startswith("cuda"):
        return int(xp.cuda.get_device_properties(device).total_memory)
    if array_api_compat.is_jax_namespace(xp):
        import jax

        if isinstance(device, jax.Device) and device.platform != "cpu":
            return (device.memory_stats() or {}).get("bytes_limit")
    return None


def current(xp: Namespace, device: Any) -> AbstractContextManager[Any]:
    """Return a context in which results are allocated on a device.

    CuPy allocates them on the thread's current device, whatever device the arguments are on; other
    libraries do so where the arguments are.
    """
    return device if array_api_compat.is_cupy_namespace(xp) else nullcontext()
