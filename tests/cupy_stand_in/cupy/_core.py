"""In which precision matrix products are computed, which CuPy has no public name for."""

from types import SimpleNamespace
from typing import Any

import numpy as np

_routines_linalg = SimpleNamespace(COMPUTE_TYPE_DEFAULT=1, COMPUTE_TYPE_TF32=7)
_compute_types = dict.fromkeys(map(np.dtype, "efdFD"), _routines_linalg.COMPUTE_TYPE_DEFAULT)


def get_compute_type(dtype: Any) -> int:
    return _compute_types[np.dtype(dtype)]


def set_compute_type(dtype: Any, compute_type: int) -> None:
    _compute_types[np.dtype(dtype)] = compute_type


def matmul(x: np.ndarray, y: np.ndarray, **kwargs: Any) -> Any:
    """Multiply matrices, of factors with ten bits where TF32 is switched on."""
    single = np.dtype(np.float32)
    if get_compute_type(single) == _routines_linalg.COMPUTE_TYPE_TF32:
        x, y = (_ten_bits(a) if a.dtype == single else a for a in (x, y))
    return np.matmul(x, y, **kwargs)


def _ten_bits(x: np.ndarray) -> np.ndarray:
    return ((np.ascontiguousarray(x).view(np.uint32) + 0x1000) & 0xFFFFE000).view(np.float32)
