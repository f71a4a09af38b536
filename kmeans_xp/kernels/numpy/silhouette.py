"""Distances of rows to their own and to other clusters, each pair of rows measured once.

Rows are taken cluster by cluster. Those of a strip are measured to all rows that come after them,
a chunk at a time, and each distance is added up for both of its rows. So half of the pairs suffice,
memory grows with the rows and not with rows times clusters, and no sum depends on which thread
computed what.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from threading import Event, Lock

import numpy as np

from kmeans_xp.arrays.precision import quiet
from kmeans_xp.kernels.choose import regimes
from kmeans_xp.kernels.interface import Source
from kmeans_xp.kernels.metrics import directions
from kmeans_xp.kernels.numpy.memory import scratch
from kmeans_xp.kernels.shared.blocks import parts
from kmeans_xp.kernels.shared.prepared_centers import prepare

# Rows of a strip and of a chunk at most, and their entries: with fewer rows threads wait for the
# interpreter's lock, with more their distances leave the cache.
STRIP_ROWS, CHUNK_ROWS, ENTRIES = 2048, 512, 1 << 20
# Rows of a strip whose distances to a chunk are computed at a time.
TOGETHER = 256
# Rows of which the median is a point amid those of a strip.
FEW = 31
# A distance is taken from a product if it is so many times its rounding error.
MARGIN = 2.0**20
# The part of the pairs from which a loop over all of them is faster than over those in doubt.
MANY = 1 / 16
# Seconds after which a thread that waits for others looks whether these have failed.
PATIENCE = 0.05

# Of the rows of a strip sums over the others of each cluster, (c, r); and of the others over the
# strip, (m,).
BothSums = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Others:
    """Rows in the order of their clusters, to which a strip is measured.

    Attributes
    ----------
    rows : ndarray of shape (m, d), float64
    weights : ndarray of shape (m,)
    bounds : ndarray of shape (c + 1,)
        Where the rows of each of c clusters begin, and the end.
    """

    rows: np.ndarray
    weights: np.ndarray
    bounds: np.ndarray


class Strip(ABC):
    """Rows of one cluster, (r, d) float64, and what each weighs, (r,)."""

    def __init__(self, rows: np.ndarray, weights: np.ndarray, squared: bool) -> None:
        self.rows = rows
        self.weights = weights
        self.squared = squared

    @abstractmethod
    def sums(self, others: Others) -> BothSums:
        """Return weighted sums of distances, on either side."""


class Products(Strip):
    """Measures by products about a point amid the strip, and by differences where digits cancel."""

    def __init__(self, rows: np.ndarray, weights: np.ndarray, squared: bool) -> None:
        super().__init__(rows, weights, squared)
        self._origin = np.median(rows[:: -(-len(rows) // FEW)], axis=0)
        shifted = rows - self._origin
        self._norms = np.vecdot(shifted, shifted)
        self._left = np.column_stack([-2 * shifted, np.ones(len(rows)), self._norms])
        # Differences lose digits to rounding by as much as `PreparedCenters` says.
        self._rounding = MARGIN * prepare(rows).gamma
        self._floor = MARGIN * rows.shape[1] * float(np.finfo(np.float64).smallest_normal)

    def sums(self, others: Others) -> BothSums:
        """Return weighted sums of distances, on either side."""
        m, d = others.rows.shape
        right = scratch("others", (m, d + 2), np.float64)
        shifted = np.subtract(others.rows, self._origin, out=right[:, :d])
        norms = np.vecdot(shifted, shifted, out=right[:, d])
        right[:, d + 1] = 1
        sizes = np.diff(others.bounds)
        members = np.zeros((m, len(sizes)))
        members[np.arange(m), np.repeat(np.arange(len(sizes)), sizes)] = others.weights
        across, down = np.empty((len(sizes), len(self.rows))), np.zeros(m)
        for part in parts(len(self.rows), TOGETHER):
            found = scratch("distances", (len(self.rows[part]), m), np.float64)
            np.matmul(self._left[part], right.T, out=found)
            least = (self._norms[part] + norms.max()) * self._rounding + self._floor
            if not found.min() > least.max():
                _mend(found, least, self.rows[part], others.rows)
            if not self.squared:
                np.sqrt(found, out=found)
            across[:, part] = (found @ members).T
            down += self.weights[part] @ found
        return across, down


def _mend(found: np.ndarray, least: np.ndarray, rows: np.ndarray, others: np.ndarray) -> None:
    """Take squared distances from differences where they are not above the least of their row."""
    i, j = np.nonzero(~(found > least[:, None]))
    if len(i) > MANY * found.size:
        from scipy.spatial.distance import cdist

        cdist(rows, others, "sqeuclidean", out=found)
    else:
        difference = rows[i] - others[j]
        found[i, j] = np.vecdot(difference, difference)


@dataclass(frozen=True)
class _Ordered:
    """Rows in the order of their clusters.

    Attributes
    ----------
    order : ndarray of shape (n,)
        Which rows they are.
    ends : ndarray of shape (k + 1,)
        Where each cluster begins, and the end.
    rows : callable
        Indices of rows -> the rows, in float64.
    weights : ndarray of shape (n,)
        In this order.
    """

    order: np.ndarray
    ends: np.ndarray
    rows: Callable[[np.ndarray], np.ndarray]
    weights: np.ndarray

    def others(self, start: int, stop: int) -> tuple[int, Others]:
        """Return some of the rows, and the first of their clusters."""
        first, last = np.searchsorted(self.ends, [start, stop - 1], side="right") - 1
        bounds = np.clip(self.ends[first : last + 2], start, stop) - start
        rows = self.rows(self.order[start:stop])
        return int(first), Others(rows, self.weights[start:stop], bounds)


@quiet()
def cluster_distances_all(
    source: Source,
    labels: np.ndarray,
    masses: np.ndarray,
    weights: np.ndarray | None,
    metric: object,
    *,
    strip: type[Strip] = Products,
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return sums of distances to the own cluster and least means of those to another one.

    Parameters
    ----------
    source : Source
        Checked rows, of which distances neither overflow nor vanish.
    labels : ndarray of shape (n,), integers
        From 0 to k - 1.
    masses : ndarray of shape (k,), float64
        What each cluster weighs.
    weights : ndarray of shape (n,), float64, or None
        What each row weighs; by default 1.
    metric : str or callable
    strip : type
        How a strip is measured.

    Returns
    -------
    tuple or None
        Two arrays of shape (n,), float64. None where blocks of rows are faster, or the rows are not
        in memory.
    """
    n, k = source.shape[0], len(masses)
    if not (source.in_memory and regimes.measures_by_cluster(n, k, metric)):
        return None
    order = np.argsort(labels, kind="stable")
    ends = np.searchsorted(labels[order], np.arange(k + 1))
    heavy = np.ones(n) if weights is None else weights[order]
    ordered = _Ordered(order, ends, partial(_rows_of, source, metric), heavy)
    own, other = _all_strips(ordered, masses, partial(strip, squared=metric != "euclidean"), source)
    scale = 0.5 if metric == "cosine" else 1.0
    found = np.empty((2, n))
    found[:, order] = scale * own, scale * other
    return found[0], found[1]


def _rows_of(source: Source, metric: object, which: np.ndarray) -> np.ndarray:
    rows: np.ndarray = source.take(which).astype(np.float64, copy=False)
    return directions(rows) if metric == "cosine" else rows


def _all_strips(
    ordered: _Ordered, masses: np.ndarray, strip: Callable[..., Strip], source: Source
) -> tuple[np.ndarray, np.ndarray]:
    """Return what `cluster_distances_all` does, in the order of the clusters."""
    (n, d), k = source.shape, len(masses)
    size = max(1, min(STRIP_ROWS, ENTRIES // max(d, k)))
    own, other = np.zeros(n), np.full(n, np.inf)
    for label in range(k):
        first, end = int(ordered.ends[label]), int(ordered.ends[label + 1])
        # What rows of later clusters are from all of this one.
        toward = np.zeros(n - end)
        for part in parts(end - first, size) if end > first else ():
            start, stop = first + part.start, first + part.stop
            across, down = _measured(ordered, label, start, stop, strip, source)
            own[start:stop] += across[0]
            means = across[1:] / masses[label + 1 :, None]
            other[start:stop] = np.minimum(other[start:stop], means.min(axis=0, initial=np.inf))
            own[stop:end] += down[: end - stop]
            toward += down[end - stop :]
        other[end:] = np.minimum(other[end:], toward / masses[label])
    return own, other


def _measured(
    ordered: _Ordered,
    label: int,
    start: int,
    stop: int,
    strip: Callable[..., Strip],
    source: Source,
) -> BothSums:
    """Measure a strip of the cluster `label` to its own rows and all that come after them.

    Returns
    -------
    across : ndarray of shape (k - label, stop - start)
        Sums of distances of the strip's rows to those rows of each cluster.
    down : ndarray of shape (n - stop,)
        Sums of distances to the strip, of the rows after it.
    """
    n, d = source.shape
    measured = strip(ordered.rows(ordered.order[start:stop]), ordered.weights[start:stop])
    chunks = list(parts(n - start, min(CHUNK_ROWS, ENTRIES // d)))
    pieces: dict[int, tuple[int, np.ndarray]] = {}
    down = np.empty(n - start)

    def measure(piece: int) -> None:
        some = chunks[piece]
        first, others = ordered.others(start + some.start, start + some.stop)
        sums, down[some] = measured.sums(others)
        pieces[piece] = first, sums

    work = _Shared(measure, len(chunks))
    if len(chunks) == 1:  # Which takes no longer than to wake another thread.
        work()
    else:
        source.team(work, work)
    across = np.zeros((len(ordered.ends) - 1 - label, stop - start))
    for piece in range(len(chunks)):
        first, sums = pieces[piece]
        across[first - label : first - label + len(sums)] += sums
    return across, down[stop - start :]


class _Shared:
    """Pieces of work, which threads take one after the other."""

    def __init__(self, do: Callable[[int], None], pieces: int) -> None:
        self._do = do
        self._pieces = pieces
        self._numbers = count()
        self._remaining = pieces
        self._lock = Lock()
        self._done = Event()

    @quiet()
    def __call__(self) -> bool:
        """Do pieces until none is left; return whether all are done, after a while of waiting."""
        while True:
            with self._lock:
                piece = next(self._numbers)
            if piece >= self._pieces:
                return self._done.wait(PATIENCE)
            self._do(piece)
            with self._lock:
                self._remaining -= 1
                if not self._remaining:
                    self._done.set()
