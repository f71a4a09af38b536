"""Sums of rows and of their squares. Imported only where Numba is."""

from typing import Any

import numpy as np

from kmeans_xp.kernels.fast_compile import entry, part

# Features from which four rows at a time take less than half as long; of fewer, longer.
WIDE = 16


@entry
def sums(block: Any, about: Any, first: Any, second: Any) -> None:
    """Add the rows less `about` to `first`, and their squares to `second`, in float64."""
    fours = len(block) // 4 * 4 if len(about) >= WIDE else 0
    for i in range(0, fours, 4):
        _add_four(block, i, about, first, second)
    for i in range(fours, len(block)):
        for f in range(len(about)):
            difference = np.float64(block[i, f]) - about[f]
            first[f] += difference
            second[f] += difference * difference


@part
def _add_four(block: Any, i: Any, about: Any, first: Any, second: Any) -> None:
    for f in range(len(about)):
        a, b = np.float64(block[i, f]) - about[f], np.float64(block[i + 1, f]) - about[f]
        c, d = np.float64(block[i + 2, f]) - about[f], np.float64(block[i + 3, f]) - about[f]
        first[f] += (a + b) + (c + d)
        second[f] += (a * a + b * b) + (c * c + d * d)
