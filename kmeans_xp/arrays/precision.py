"""Matrix products in the full precision of their dtype, and no warnings of overflow."""

from collections.abc import Iterator
from contextlib import contextmanager

import array_api_compat
import numpy as np

from kmeans_xp.arrays.namespace import Namespace


@contextmanager
def full_precision(xp: Namespace) -> Iterator[None]:
    """Keep reduced precision (TF32, bfloat16) out of float32 matrix products.

    NumPy and CuPy have it off unless the environment asks for it; JAX has it on for some
    accelerators; PyTorch has a switch that any code in the process may have thrown.
    """
    if array_api_compat.is_jax_namespace(xp):
        import jax

        with jax.default_matmul_precision("highest"):
            yield
    elif array_api_compat.is_torch_namespace(xp):
        import torch

        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before)
    else:
        yield


def quiet() -> np.errstate:
    """Let overflow pass without NumPy's warnings, as a context or a decorator.

    Bounds and sums may overflow on extreme data; whoever uses them looks for what is not finite.
    """
    return np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore")
