"""The compiled loop of `pull_host`. Imported only where Numba is."""

from typing import Any

import numpy as np
from numba import types

from kmeans_xp.kernels.fast_compile import entry
from kmeans_xp.kernels.fast_pairs import sum_of


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of the compiled function, for rows of `dtype`."""
    real = types.float32 if np.dtype(dtype) == np.float32 else types.float64
    rows, weights = (types.Array(t, n, "C", readonly=True) for t, n in ((real, 2), (types.f8, 1)))
    wide, numbers = types.f8[:, ::1], types.f8[::1]
    return {"pull": (rows, types.int32[::1], weights, wide, wide, numbers)}


@entry
def pull(block: Any, labels: Any, weights: Any, centers: Any, ways: Any, totals: Any) -> float:
    """Add to the `ways` and `totals` of each label; return the cost."""
    cost = 0.0
    for i in range(len(labels)):
        own = labels[i]
        weight = weights[i] if len(weights) else 1.0
        cost += weight * _square(block, i, centers, own)
        totals[own] += weight
        for f in range(block.shape[1]):
            ways[own, f] += weight * (np.float64(block[i, f]) - centers[own, f])
    return cost


@sum_of
def _square(block: Any, i: int, centers: Any, j: int) -> float:
    total = 0.0
    for f in range(block.shape[1]):
        difference = np.float64(block[i, f]) - centers[j, f]
        total += difference * difference
    return total
