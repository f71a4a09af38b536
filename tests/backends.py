"""The backends and devices that the suite runs on, and what each of them lacks.

A test takes the fixture ``backend`` (conftest.py) and gets one `Backend` per installed
library and device. Everything that a library cannot do is written down once, in `LACKS`;
a test that needs it says ``backend.need("float64")``.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from array_api_compat import array_namespace
from array_api_compat import device as device_of

from kmeans_xp.arrays.views import view_beside

# The target of a library whose arrays are not seen as another's, so that what is portable computes.
PORTABLE = "portable"

# Every target, by library. A device that is absent on this machine is skipped by name.
# array-api-strict's no_x64 is left out: there its own argmin and cumulative_sum raise. JAX
# without 64 bits stands for it, in test_import.py.
DEVICES: dict[str, tuple[str, ...]] = {
    "numpy": ("cpu",),
    "array-api-strict": ("CPU_DEVICE", "device1", "no_float64"),
    "torch": ("cpu", "cuda", PORTABLE),
    "jax": ("default", PORTABLE),
    "dask": ("cpu",),
    "cupy": ("cuda", "stand-in"),
}

# What a target cannot do. The only place where the suite says so.
LACKS: dict[tuple[str, str], frozenset[str]] = {
    ("array-api-strict", "CPU_DEVICE"): frozenset({"float16"}),
    ("array-api-strict", "device1"): frozenset({"float16"}),
    ("array-api-strict", "no_float64"): frozenset({"float16", "float64"}),
    ("dask", "cpu"): frozenset({"eager"}),
    # Compiled, a product and a sum are one operation, which rounds once. By default its arrays are
    # seen as NumPy's, but for tests that hand them to a kernel.
    ("jax", "default"): frozenset({"kernels that round products"}),
    ("jax", PORTABLE): frozenset({"kernels that round products", "products that round"}),
}


@dataclass(frozen=True)
class Backend:
    """One library on one device; `views` says whether its arrays may be seen as another's."""

    name: str
    xp: Any
    device: Any
    lacks: frozenset[str]
    _make: Callable[[np.ndarray, str], Any]
    _read: Callable[[Any], np.ndarray]
    views: bool = True

    @property
    def float64(self) -> bool:
        return "float64" not in self.lacks

    @property
    def tolerance(self) -> float:
        """The relative error that sums in the widest float of this device may show."""
        return 1e-9 if self.float64 else 2e-5

    @property
    def default_float(self) -> str:
        info = self.xp.__array_namespace_info__()
        return self.dtype(info.default_dtypes(device=self.device)["real floating"])

    @property
    def blocks(self) -> Any:
        """The library whose arrays kernels get."""
        if self.name == "dask":
            return np
        array = self.asarray([[0.0]])
        view = view_beside(array) if self.views else None
        return self.xp if view is None else array_namespace(view.seen(array))

    def need(self, capability: str) -> None:
        if capability in self.lacks:
            pytest.skip(f"{self.name} on {self.device} lacks {capability}")

    def asarray(self, array: Any, dtype: str | None = None) -> Any:
        """A copy of a host array here; a dtype that is not asked for may be narrowed."""
        host = np.asarray(array)
        name = dtype or str(host.dtype)
        if dtype is None and name == "float64" and not self.float64:
            name = "float32"
        return self._make(np.array(host, dtype=name, order="C"), name)

    def to_numpy(self, x: Any) -> np.ndarray:
        return np.array(self._read(x))

    def owns(self, x: Any) -> bool:
        """Whether x is an array of this library on this device."""
        return array_namespace(x) is self.xp and device_of(x) == self.device

    @staticmethod
    def dtype(x: Any) -> str:
        """The name of an array's dtype, or of a dtype."""
        return str(getattr(x, "dtype", x)).rpartition(".")[2]


def _numpy(_: str) -> tuple[Any, Callable[..., Any], Callable[..., Any]]:
    return np.float64(0), lambda a, _: a, lambda x: x


def _strict(name: str) -> Any:
    strict = import_module("array_api_strict")
    devices = {str(d).split("'")[1]: d for d in strict.__array_namespace_info__().devices()}
    if name not in devices:
        raise LookupError(f"this array-api-strict has no {name}")
    host, device = devices["CPU_DEVICE"], devices[name]
    return (
        device,
        lambda a, t: strict.asarray(a, dtype=getattr(strict, t), device=device),
        lambda x: np.asarray(x.to_device(host)),
    )


def _torch(name: str) -> Any:
    torch = import_module("torch")
    if name == "cuda" and not torch.cuda.is_available():
        raise LookupError("torch finds no CUDA device")
    device = torch.empty(0, device="cpu" if name == PORTABLE else name).device
    return (
        device,
        lambda a, t: torch.asarray(a).to(device),
        lambda x: x.detach().cpu().numpy(),
    )


def _jax(_: str) -> Any:
    jax = import_module("jax")
    # Without this JAX turns every float64 into a float32; test_import.py has the other half.
    jax.config.update("jax_enable_x64", True)
    return jax.devices()[0], lambda a, _: jax.numpy.asarray(a), np.asarray


def _dask(_: str) -> Any:
    dask_array = import_module("dask.array")

    def make(a: np.ndarray, _: str) -> Any:
        n = a.shape[0]
        first = max(1, n // 2)
        rows = tuple(c for c in (first, (n - first) // 3, n - first - (n - first) // 3) if c)
        return dask_array.from_array(a, chunks=(rows, *((s,) for s in a.shape[1:])))

    return "cpu", make, lambda x: x.compute()


def use_stand_in_without_gpu() -> None:
    """Let ``import cupy`` find tests/cupy_stand_in, unless there is a CuPy that finds a GPU.

    In this process alone: the programs that a test starts see what is installed.
    """
    if find_spec("cupy"):
        if import_module("cupy").cuda.is_available():
            return
        for name in [n for n in sys.modules if n.startswith("cupy")]:  # cupyx and all
            del sys.modules[name]
    sys.path.insert(0, str(Path(__file__).with_name("cupy_stand_in")))


def _cupy(name: str) -> Any:
    cupy = import_module("cupy")
    if (name == "stand-in") != bool(find_spec("cupy.counts")):
        raise LookupError("CuPy finds a GPU" if name == "stand-in" else "CuPy finds no GPU")
    return cupy.cuda.Device(), lambda a, _: cupy.asarray(a), cupy.asnumpy


_LOADERS = {
    "numpy": _numpy,
    "array-api-strict": _strict,
    "torch": _torch,
    "jax": _jax,
    "dask": _dask,
    "cupy": _cupy,
}


def load(name: str, device: str) -> Backend:
    """Import a library; ImportError or LookupError says in words why it cannot be used."""
    _, make, read = _LOADERS[name](device)
    probe = make(np.zeros((2, 1), dtype="float32"), "float32")
    lacks = LACKS.get((name, device), frozenset())
    xp, views = array_namespace(probe), device != PORTABLE
    return Backend(name, xp, device_of(probe), lacks, make, read, views)


@cache
def find(name: str, device: str) -> Backend | str:
    """The backend, or why there is none."""
    try:
        return load(name, device)
    except (ImportError, LookupError) as error:
        return f"{name} on {device}: {error}"
