"""The steps of `pair_tracker`, compiled by Numba: one pass over the rows. Imported only then."""

import math

import numpy as np

from kmeans_xp.kernels import pair_loops
from kmeans_xp.kernels.fast_lanes import ready_rows
from kmeans_xp.kernels.pair import Gains
from kmeans_xp.kernels.pair_host import HostPair
from kmeans_xp.kernels.pair_tracker import Bounds

# Bounds that say nothing.
NONE = 0.0, 0.0, 0.0, math.inf


def measure(
    block: np.ndarray,
    _labels: np.ndarray,
    squares: np.ndarray,
    radii: np.ndarray,
    _scores: np.ndarray,
    *,
    about: np.ndarray,
) -> None:
    """Write how far rows are from a point."""
    pair_loops.measure(ready_rows(block), about, squares, radii)


def advance(
    block: np.ndarray,
    labels: np.ndarray,
    _squares: np.ndarray,
    radii: np.ndarray,
    scores: np.ndarray,
    *,
    pair: HostPair,
    about: np.ndarray,
    bounds: Bounds | None,
) -> Gains:
    """Write the label of each row, and return what the second half gained."""
    if bounds is None:
        block.dot(pair.away, out=scores)
    sums = np.zeros(len(about))
    doubt, known = pair.doubt_of(block), NONE if bounds is None else tuple(bounds)
    of_pair = pair.centers, pair.away, pair.middle - doubt, pair.middle + doubt
    size = pair_loops.advance(ready_rows(block), labels, radii, scores, of_pair, known, about, sums)
    return Gains(np.asarray(size), sums)
