"""What every picture needs: matplotlib, and centres of the right shape."""

from typing import Any

import numpy as np

from kmeans_xp.arrays import Array, as_array, to_host


def pyplot() -> Any:
    """Import pyplot, or name the extra that brings it."""
    try:
        from matplotlib import pyplot
    except ModuleNotFoundError as error:
        raise ImportError(
            f"plotting needs {error.name}, which is not installed: pip install 'kmeans_xp[plot]'"
        ) from error
    return pyplot


def host_centers(centers: Array, d: int) -> np.ndarray:
    """Fetch centres and check that they have `d` features."""
    values = to_host(as_array(centers, "centers")).astype(np.float64)
    if values.ndim != 2 or values.shape[1] != d:
        raise ValueError(f"centers must have shape (k, {d}), as X has, got {values.shape}.")
    return values
