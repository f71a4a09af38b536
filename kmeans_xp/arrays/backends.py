"""The array libraries that are installed, and how an array gets onto one of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec
from typing import Any

import numpy as np

from kmeans_xp.arrays.namespace import Array, Namespace

# Name -> (module that is imported, module that is its array-API namespace).
_MODULES = {
    "numpy": ("numpy", "array_api_compat.numpy"),
    "cupy": ("cupy", "array_api_compat.cupy"),
    "torch": ("torch", "array_api_compat.torch"),
    "jax": ("jax", "jax.numpy"),
    "dask": ("dask.array", "array_api_compat.dask.array"),
    "array-api-strict": ("array_api_strict", "array_api_strict"),
}
NAMES = tuple(_MODULES)


@dataclass(frozen=True)
class Backend:
    """An installed array library: its name, version and the devices that it finds."""

    name: str
    version: str
    devices: tuple[str, ...]


def installed(names: Sequence[str] = NAMES) -> list[Backend]:
    """Return those of the named backends that are installed and can be imported, NumPy first.

    The others are not imported: that may take seconds, and much of a GPU's memory.
    """
    found = []
    for name in NAMES:
        if name not in names:
            continue
        try:
            xp = load(name)
        except ImportError:
            continue
        found.append(Backend(name, _version(name), tuple(_handles(name, xp))))
    return found


def load(name: str) -> Namespace:
    """Import the array-API namespace of backend `name`.

    Raises
    ------
    ValueError
        If there is no such backend.
    ImportError
        If it is not installed.
    """
    if name not in _MODULES:
        raise ValueError(f"backend must be one of {', '.join(NAMES)}, got {name!r}.")
    module, namespace = _MODULES[name]
    if find_spec(module.split(".", maxsplit=1)[0]) is None:
        raise ImportError(f"backend {name!r} is not installed. Install it, or use numpy.")
    return import_module(namespace)


def place(array: np.ndarray, backend: str = "numpy", device: str | None = None) -> Array:
    """Copy a host array to `backend`, on `device` (by its name; None for the default).

    Raises
    ------
    ValueError
        If the backend has no such device.
    """
    xp = load(backend)
    if device is None:
        return xp.asarray(array)
    handles = _handles(backend, xp)
    if device not in handles:
        raise ValueError(
            f"device of {backend} must be one of {', '.join(handles)}, got {device!r}."
        )
    return xp.asarray(array, device=handles[device])


def _handles(name: str, xp: Namespace) -> dict[str, Any]:
    """Return what the namespace wants as ``device=``, by the name that a user knows it by."""
    if name == "jax":
        devices = import_module("jax").devices()
        return {devices[0].platform: devices[0]} | {f"{d.platform}:{d.id}": d for d in devices}
    if name == "cupy":
        runtime = xp.cuda.runtime
        try:
            count = runtime.getDeviceCount()
        except runtime.CUDARuntimeError:  # the library is here, a GPU is not
            count = 0
        found = {f"cuda:{i}": xp.cuda.Device(i) for i in range(count)}
        return {"cuda": found["cuda:0"]} | found if found else {}
    if name == "torch":
        count = xp.cuda.device_count()
        names = ["cpu", *["cuda"][:count], *(f"cuda:{i}" for i in range(count))]
        return {device: device for device in names}
    if name == "array-api-strict":
        # Its devices print as Device('name'), and have no other public name.
        devices = xp.__array_namespace_info__().devices()
        return {str(d).split("'")[1]: d for d in devices}
    return {"cpu": "cpu"}


def _version(name: str) -> str:
    package = _MODULES[name][0].split(".", maxsplit=1)[0]
    if name == "numpy":
        return np.__version__
    for distribution in packages_distributions().get(package, [package]):
        try:
            return version(distribution)
        except PackageNotFoundError:
            continue
    return "unknown"
