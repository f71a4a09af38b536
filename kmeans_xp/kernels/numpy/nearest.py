"""Kernels tuned for NumPy: cache-sized matrix products, SIMD reductions, SciPy's sparse sums."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kmeans_xp.kernels.numpy.memory import scratch, taken
from kmeans_xp.kernels.shared.blocks import parts
from kmeans_xp.kernels.shared.cluster_totals import ClusterTotals
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters, tied

# Bytes of scores that are made and searched at a time: few enough to stay in the last cache, and
# enough for a thread to work a while between two turns at the interpreter's lock.
SCORE_BYTES = 1 << 21
# Entries and rows of a block at most: enough to repay the fixed costs of a step, few enough to be
# in the last cache still when its sums are taken.
BLOCK = 1 << 19
BLOCK_ROWS = 1 << 15
# Entries of a block that is only summed, about some one point.
SUMMED = 1 << 18
# With so few centres at most, scores lie centre by centre, so that SIMD lanes run over rows.
FEW = 128
# With fewer features than this, rows are transposed for the same reason.
NARROW = 24
# With so few features at most, sums are taken feature by feature.
THIN = 3
# Entries of rows of which that gains nothing.
SHORT = 1 << 12
# Entries of the direct differences that are taken at a time.
DIFFERENCES = 1 << 15
# Entries of several short rows that NumPy takes as one, since loops over few never get up to speed.
TOGETHER = 256
# Entries that are centred at a time.
CENTRED = 1 << 16


def block_rows(k: int, d: int) -> int:
    """Return how many rows a block should have for k centres and d features."""
    return min(max((BLOCK if k > 1 else SUMMED) // d, 256), BLOCK_ROWS)


def labels(block: np.ndarray, prepared: PreparedCenters) -> np.ndarray:
    """Return the index of the nearest centre of each row, (B,) int32; the lowest of equals."""
    found = np.empty(len(block), np.int32)
    for part in pieces(block, prepared):
        rows = block[part]
        found[part] = search(augment(rows, prepared), prepared).decided(rows, prepared)
    return found


def pieces(block: np.ndarray, prepared: PreparedCenters) -> Iterator[slice]:
    """Return parts of a block whose scores fit the cache."""
    row = len(prepared.centers) * block.itemsize * (1 if few(prepared) else 2)
    size = max(256, SCORE_BYTES // row)
    return parts(len(block), size)


def nearest(block: np.ndarray, prepared: PreparedCenters) -> tuple[np.ndarray, np.ndarray]:
    """Return labels, (B,) int32, and squared distances, (B,) float64."""
    found = labels(block, prepared)
    return found, own_distances(block, prepared, found)


def own_distances(block: np.ndarray, prepared: PreparedCenters, labels: np.ndarray) -> np.ndarray:
    """Return each row's squared distance to the centre of its label, by direct differences."""
    (n, d), out = block.shape, np.empty(len(block))
    size = DIFFERENCES // d
    if d <= THIN:
        return _own_by_feature(block, prepared, labels, size)
    for part in parts(n, size):
        rows, which = block[part], labels[part]
        x = scratch("wide", rows.shape, np.float64)
        # Converted first: else it goes through a buffer.
        x[...] = rows
        x -= taken(prepared.wide_centers, which, "own")
        out[part] = np.vecdot(x, x)
    return out


def _own_by_feature(
    block: np.ndarray, prepared: PreparedCenters, labels: np.ndarray, size: int
) -> np.ndarray:
    out, centers = np.empty(len(block)), prepared.wide_centers.T.copy()
    for part in parts(len(block), size):
        x = block[part].T.astype(np.float64, order="C")
        x -= centers.take(labels[part], axis=1)
        np.square(x, out=x).sum(axis=0, out=out[part])
    return out


def distances(block: np.ndarray, prepared: PreparedCenters, dtype: Any) -> np.ndarray:
    """Return squared distances to every centre, (B, k) in `dtype`.

    By direct differences where the matrix product would lose more to rounding than a few percent
    (in float64 more than a millionth), so that a row at a centre has the distance 0; so also where
    its terms are next to subnormal, which have no digits to lose.
    """
    d = block.shape[1]
    augmented = augment(block, prepared)
    norms = np.square(augmented[:, -2], out=augmented[:, -2])
    shifted = prepared.columns[:, :d]
    squares = np.vecdot(shifted, shifted)
    columns = np.column_stack([2 * shifted, np.ones_like(squares), squares])
    found = columns @ augmented.T
    margin = 2.0**20 if block.dtype == np.float64 else 2.0**6
    doubt = (norms + squares.max()) * (margin * prepared.gamma)
    doubt += margin * d * np.finfo(block.dtype).smallest_normal
    j, i = np.nonzero(~(found > doubt))
    out = found.astype(dtype, copy=False)
    for part in parts(i.size, DIFFERENCES // d):
        out[j[part], i[part]] = _pair_distances(block, prepared, i[part], j[part])
    return out.T


def sum_by_label(
    block: np.ndarray, labels: np.ndarray, weights: np.ndarray | None, prepared: PreparedCenters
) -> tuple[np.ndarray, np.ndarray]:
    """Return weighted sums of x - origin, (k, d), and weights, (k,), by label, in float64."""
    (n, d), k = block.shape, len(prepared.centers)
    which = labels.astype(np.intp)
    totals = np.bincount(which, weights, k).astype(np.float64, copy=False)
    if d <= THIN:
        sums = np.empty((k, d))
        for j, x in enumerate(block.T):
            x = x - prepared.wide_origin[j]
            sums[:, j] = np.bincount(which, x if weights is None else x * weights, k)
        return sums, totals
    shifted = shift(block, prepared.wide_origin)
    # Imported here: SciPy takes longer to import than the rest of the package together.
    from scipy.sparse import csc_array

    weights = np.ones(n) if weights is None else weights
    member = csc_array((weights, labels, np.arange(n + 1, dtype=np.int32)), shape=(k, n))
    return member @ shifted, totals


def assign_and_sum(
    block: np.ndarray, weights: np.ndarray | None, *, prepared: PreparedCenters
) -> ClusterTotals:
    """Return the totals of the rows that are nearest to each centre."""
    found = labels(block, prepared)
    return ClusterTotals(*sum_by_label(block, found, weights, prepared))


def count(labels: np.ndarray, k: int) -> np.ndarray:
    """Return how many rows have each label, (k,) int64."""
    return np.bincount(labels, minlength=k)


def augment(rows: np.ndarray, prepared: PreparedCenters) -> np.ndarray:
    """Return (x', ‖x'‖, 1), (B, d + 2): transposed where that is faster, else in scratch memory."""
    n, d = rows.shape
    if d < NARROW:
        flat = np.empty((d + 2, n), rows.dtype)
        np.subtract(rows.T, prepared.origin[:, None], out=flat[:d])
        np.sqrt(np.einsum("ij,ij->j", flat[:d], flat[:d]), out=flat[d])
        flat[d + 1] = 1
        return flat.T
    tall = scratch("rows", (n, d + 2), rows.dtype)
    np.subtract(rows, prepared.origin, out=tall[:, :d])
    np.sqrt(np.vecdot(tall[:, :d], tall[:, :d]), out=tall[:, d])
    tall[:, d + 1] = 1
    return tall


def shift(block: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """Return the rows less `origin`, (B, d) float64.

    Converted first, since a subtraction that converts on the way takes three times as long; and
    several rows at a time, since a loop over a few features never gets up to speed.
    """
    wide = block.astype(np.float64, order="C")
    n, d = wide.shape
    if wide.size <= SHORT:
        wide -= origin
        return wide
    together = max(1, 512 // d)
    whole = n // together * together
    long_rows = wide[:whole].reshape(-1, together * d)
    long_rows -= np.tile(origin, together)
    wide[whole:] -= origin
    return wide


@dataclass(frozen=True)
class Found:
    """What one matrix product says of the nearest centres of B rows.

    Attributes
    ----------
    best : ndarray of shape (B,), int32
        The nearest centre of each row that is not unsure.
    bound : ndarray of shape (B,)
        Of its score, an upper bound.
    unsure : ndarray of int
        Rows that have several centres near, among which direct differences decide.
    near : ndarray of shape (len(unsure), k), bool
        Their near centres.
    second : callable
        () -> (B,) lower bounds of the other centres' scores, where the row is not unsure.
    """

    best: np.ndarray
    bound: np.ndarray
    unsure: np.ndarray
    near: np.ndarray
    second: Callable[[], np.ndarray]

    def decided(self, rows: np.ndarray, prepared: PreparedCenters, which: Any = None) -> np.ndarray:
        """Return the nearest centre of every row; `which` of `rows` were searched, or all."""
        if self.unsure.size:
            unsure = self.unsure if which is None else which[self.unsure]
            self.best[self.unsure] = _decide(rows, prepared, unsure, self.near)
        return self.best


def search(augmented: np.ndarray, prepared: PreparedCenters) -> Found:
    """Find the nearest centres of rows that `augment` prepared."""
    return find(scores(augmented, prepared), augmented[:, -2], prepared)


def few(prepared: PreparedCenters) -> bool:
    """Return whether scores lie centre by centre."""
    return len(prepared.columns) <= FEW


def scores(augmented: np.ndarray, prepared: PreparedCenters) -> np.ndarray:
    """Return lower bounds of the scores in scratch memory: (k, B) for few centres, else (B, k)."""
    n, k = len(augmented), len(prepared.columns)
    if few(prepared):
        lower = scratch("scores", (k, n), augmented.dtype)
        return np.matmul(prepared.columns, augmented.T, out=lower)
    lower = scratch("scores", (n, k), augmented.dtype)
    return np.matmul(augmented, prepared.columns.T, out=lower)


def find(lower: np.ndarray, norms: np.ndarray, prepared: PreparedCenters) -> Found:
    """Find the nearest centres from what `scores` returned, to which this writes."""
    return (_find_by_center if few(prepared) else _find_by_row)(lower, norms, prepared)


def _find_by_center(lower: np.ndarray, norms: np.ndarray, prepared: PreparedCenters) -> Found:
    """Scores lie centre by centre.

    A NaN makes its row's minimum NaN, to which nothing compares, so that its row counts no near
    centre and is unsure.
    """
    k, n = lower.shape
    slack = prepared.slack.max(axis=0)
    bound = lower.min(axis=0)
    bound += norms * (slack[0] + norms * prepared.tie)
    bound += slack[1]
    near = np.less_equal(lower, bound, out=scratch("near", (k, n), np.bool_))
    # Counting and ranking bytes, which SIMD does 64 at a time, is faster than to search.
    bits = near.view(np.uint8)
    unsure = np.flatnonzero(np.add.reduce(bits, axis=0, dtype=np.uint8) != 1)
    close = near[:, unsure].T
    bits *= np.arange(k, 0, -1, dtype=np.uint8)[:, None]
    best = k - bits.max(axis=0).astype(np.int32)

    def second() -> np.ndarray:
        lower[best % k, np.arange(n)] = np.inf
        return lower.min(axis=0)

    return Found(best, bound, unsure, close | ~close.any(axis=1, keepdims=True), second)


def _find_by_row(lower: np.ndarray, norms: np.ndarray, prepared: PreparedCenters) -> Found:
    """As `_find_by_center`, for many centres: scores lie row by row.

    The best and the second best are found; ``argmin`` takes a NaN for the least.
    """
    rows = np.arange(len(lower))
    best = lower.argmin(axis=1)
    slack = prepared.slack[best]
    bound = lower[rows, best]
    bound += norms * (slack[:, 0] + norms * prepared.tie)
    bound += slack[:, 1]
    lower[rows, best] = np.inf
    second = lower[rows, lower.argmin(axis=1)]
    unsure = np.flatnonzero(~(second > bound))
    near = ~(lower[unsure] > bound[unsure, None])
    near[np.arange(len(unsure)), best[unsure]] = True
    return Found(best.astype(np.int32), bound, unsure, near, lambda: second)


def _decide(
    rows: np.ndarray, prepared: PreparedCenters, unsure: np.ndarray, near: np.ndarray
) -> np.ndarray:
    """Return the nearest of the near centres by direct differences, for the unsure rows."""
    if near.size * rows.shape[1] <= DIFFERENCES:
        # Of few pairs it is sooner done than found out which ones are near.
        every = rows[unsure, None] - prepared.wide_centers
        squares = np.vecdot(every, every)
        return (squares <= squares.min(axis=1, keepdims=True) * tied(len(rows.T))).argmax(axis=1)
    best = np.empty(len(unsure), np.int32)
    pairs = np.count_nonzero(near) / len(near)
    for part in parts(len(unsure), int(DIFFERENCES / (rows.shape[1] * pairs))):
        i, j = np.nonzero(near[part])
        distances = _pair_distances(rows, prepared, unsure[part][i], j)
        first = np.flatnonzero(np.diff(i, prepend=-1))
        least = np.minimum.reduceat(distances, first)
        (hits,) = np.nonzero(distances <= least[i] * tied(rows.shape[1]))
        # Of equals the lowest index, which is the first hit of its row.
        hits = hits[np.flatnonzero(np.diff(i[hits], prepend=-1))]
        best[part] = j[hits]
    return best


def _pair_distances(
    rows: np.ndarray, prepared: PreparedCenters, i: np.ndarray, j: np.ndarray
) -> np.ndarray:
    difference = rows[i] - prepared.wide_centers[j]
    return np.vecdot(difference, difference)


def sums_about(
    block: np.ndarray, weights: np.ndarray | None, about: np.ndarray
) -> tuple[np.floating, np.ndarray, np.ndarray]:
    """As `sums_about`, in memory that is not new: page faults would take longer than the sums."""
    n, d = block.shape
    total = np.float64(n)
    first, second = np.zeros(d), np.zeros(d)
    if weights is not None:
        weights = weights.astype(about.dtype, copy=False)
        total = weights.sum()
    for part in parts(n, CENTRED // d):
        more = _sums_of_piece(block[part], None if weights is None else weights[part], about)
        first += more[0]
        second += more[1]
    return total, first, second


def _sums_of_piece(
    rows: np.ndarray, weights: np.ndarray | None, about: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    n, d = rows.shape
    centred = scratch("wide", (n, d), about.dtype)
    # Converted first: a subtraction that converts on the way takes three times as long.
    centred[...] = rows
    together = max(1, TOGETHER // d) if weights is None else 1
    whole = n // together * together
    long = centred[:whole].reshape(-1, together * d)
    long -= np.tile(about, together)
    centred[whole:] -= about
    w = np.ones(len(long)) if weights is None else weights
    rest = np.ones(n - whole)

    def total() -> np.ndarray:
        return (w @ long).reshape(together, d).sum(axis=0) + rest @ centred[whole:]

    first = total()
    np.square(centred, out=centred)
    return first, total()
