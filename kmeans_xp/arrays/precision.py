"""Matrix products in the full precision of their dtype, and no warnings of overflow."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import array_api_compat
import numpy as np

from kmeans_xp.arrays.namespace import Array, Namespace, device_of, namespace_of
from kmeans_xp.arrays.setting import Setting
from kmeans_xp.arrays.transfer import to_host, to_like

# Rows of the product that is looked at to find out how products are rounded: enough for the
# kernels of large products to be chosen.
PROBE = 128
# Units in the last place up to which rounding is no news: some accelerators add up several products
# of fewer bits in place of one.
USUAL = 8


@contextmanager
def full_precision(xp: Namespace) -> Iterator[None]:
    """Keep reduced precision (TF32, bfloat16) out of float32 matrix products.

    NumPy has none; JAX has it on for some accelerators; PyTorch and CuPy have switches that the
    environment or any code in the process may have thrown.
    """
    if array_api_compat.is_jax_namespace(xp):
        import jax

        with jax.default_matmul_precision("highest"):
            yield
        return
    switch, holder = _switch(xp), object()
    if switch is None:
        yield
        return
    try:
        switch.hold(holder)
        yield
    finally:
        switch.release(holder)


def product_rounding(like: Array) -> float:
    """Return by how much a product of matrices like this one may round their entries first.

    As found on a product, for there are switches that no program can see or throw
    (``NVIDIA_TF32_OVERRIDE``). It is relative, and 0 in the full precision of the dtype.
    """
    if isinstance(like, np.ndarray):
        return 0.0
    return _rounding(namespace_of(like), device_of(like), like.dtype)


def quiet() -> np.errstate:
    """Let overflow pass without NumPy's warnings, as a context or a decorator.

    Bounds and sums may overflow on extreme data; whoever uses them looks for what is not finite.
    """
    return np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore")


@cache
def _rounding(xp: Namespace, device: Any, dtype: Any) -> float:
    # Entries between 1 and 2, of all bits; a product of exact factors gives twice the entry.
    entries = 1 + np.arange(PROBE * PROBE).reshape(PROBE, PROBE) * 0.6180339887498949 % 1
    entries = to_host(to_like(entries, None, dtype, xp=xp, device=device))
    one = np.eye(PROBE, dtype=entries.dtype)
    left = to_like(np.hstack([entries, one]), None, dtype, xp=xp, device=device)
    right = to_like(np.vstack([one, entries]), None, dtype, xp=xp, device=device)
    with full_precision(xp):
        found = to_host(left @ right)
    rounding = 2 * float(np.max(np.abs(found - 2 * entries) / entries))
    if rounding > USUAL * np.finfo(entries.dtype).eps:
        warnings.warn(
            f"Products of {dtype} on {device} keep about {-np.log2(rounding):.0f} bits. Labels are "
            "exact all the same, but take longer, and mixtures are rougher. Unset "
            "NVIDIA_TF32_OVERRIDE and CUPY_TF32, if they are set.",
            RuntimeWarning,
            stacklevel=2,
        )
    return rounding


def _switch(xp: Namespace) -> Setting | None:
    """Return the switch of the library, if it has one."""
    if array_api_compat.is_torch_namespace(xp):
        return _switch_of_torch()
    if array_api_compat.is_cupy_namespace(xp):
        return _switch_of_cupy()
    return None


@cache
def _switch_of_torch() -> Setting:
    import torch

    products = [torch.backends.cuda.matmul, getattr(torch.backends.mkldnn, "matmul", None)]
    if not all(hasattr(product, "fp32_precision") for product in products):
        # Before PyTorch 2.9 there was one switch. Since then reading that one is an error where
        # these were thrown, so it is left alone; products do not ask it.
        return Setting(
            torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "highest"
        )

    def read() -> tuple[str, ...]:
        return tuple(product.fp32_precision for product in products)

    def write(values: tuple[str, ...]) -> None:
        for product, value in zip(products, values, strict=True):
            now = product.fp32_precision
            if now == value or {now, value} == {"none", "ieee"}:  # Full precision, both.
                continue
            # Without a value of its own it has that of all backends; that may be the one.
            product.fp32_precision = "none"
            if product.fp32_precision != value:
                product.fp32_precision = value

    return Setting(read, write, ("ieee",) * len(products))


@cache
def _switch_of_cupy() -> Setting | None:
    import cupy

    # CuPy reads CUPY_TF32 once, and has no public way to change what it found.
    core: Any = getattr(cupy, "_core", None)
    if not hasattr(core, "set_compute_type"):
        return None
    single = np.dtype(np.float32)
    full = core._routines_linalg.COMPUTE_TYPE_DEFAULT
    return Setting(
        partial(core.get_compute_type, single), partial(core.set_compute_type, single), full
    )
