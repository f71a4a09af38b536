"""Sums of rows and of their squares. Imported only where Numba is."""

from typing import Any

import numpy as np

from kmeans_xp.kernels.fast_compile import entry


@entry
def sums(block: Any, about: Any, first: Any, second: Any) -> None:
    """Add the rows less `about` to `first`, and their squares to `second`, in float64."""
    for i in range(len(block)):
        for f in range(len(about)):
            difference = np.float64(block[i, f]) - about[f]
            first[f] += difference
            second[f] += difference * difference
