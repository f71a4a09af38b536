"""The centres nearest to each centre, kept while they move little.

A row at most u from its own centre need not be compared with centres that are more than 2u from
that one (Newling & Fleuret, "Fast k-means with accurate bounds", ICML 2016).
"""

from dataclasses import dataclass

import numpy as np

# So many neighbours are listed at most; a row that needs more is better off in a whole product.
COUNT = 64
# Lists are made again when distances in them are uncertain by this part of the typical one.
STALE = 0.12
# Distances between centres that are held at a time.
ENTRIES = 1 << 20
# More than float64 rounds away in a squared distance, relative to the squared norms.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Neighbours:
    """The nearest of the other centres, nearest first.

    Attributes
    ----------
    which : ndarray of shape (k, m), int32
    distances : ndarray of shape (k, m), float64
        Rounded down.
    slack : ndarray of shape (k,), float64
        By how much each centre and the fastest other may have come nearer since.
    """

    which: np.ndarray
    distances: np.ndarray
    slack: np.ndarray


class Neighbourhood:
    """Lists of neighbours, made again when centres have moved too far since."""

    def __init__(self) -> None:
        self._lists: tuple[np.ndarray, np.ndarray] | None = None
        self._ways: np.ndarray | None = None

    def of(self, centers: np.ndarray, origin: np.ndarray, ways: np.ndarray) -> Neighbours:
        """Return the neighbours of `centers`, (k, d) float64, that have come so far, (k,)."""
        if self._lists is not None:
            since = (ways - self._ways) * (1 + ROUNDING)
            slack = since + since.max()
            if np.median(slack) <= STALE * np.median(self._lists[1][:, -1]):
                return Neighbours(*self._lists, slack)
        self._lists, self._ways = _lists(centers - origin), ways
        return Neighbours(*self._lists, np.zeros(len(ways)))


def _lists(centers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    k, squares = len(centers), np.vecdot(centers, centers)
    count = max(1, min(COUNT, k - 1))
    which, distances = np.empty((k, count), np.int32), np.empty((k, count))
    for first in range(0, k, size := max(1, ENTRIES // k)):
        part = slice(first, first + size)
        sums = squares[part, None] + squares
        apart = sums * (1 - ROUNDING) - 2 * (centers[part] @ centers.T)
        own = np.arange(len(apart))
        apart[own, first + own] = np.inf
        near = np.argpartition(apart, count - 1, axis=1)[:, :count]
        found = np.take_along_axis(apart, near, axis=1)
        order = np.argsort(found, axis=1)
        which[part] = np.take_along_axis(near, order, axis=1)
        distances[part] = np.sqrt(np.maximum(np.take_along_axis(found, order, axis=1), 0))
    return which, distances * (1 - ROUNDING)
