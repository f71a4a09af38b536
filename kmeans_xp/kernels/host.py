"""Kernels tuned for NumPy: cache-sized matrix products, SIMD reductions, SciPy's sparse sums."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kmeans_xp.kernels.blocks import parts
from kmeans_xp.kernels.frame import Frame, tied
from kmeans_xp.kernels.scratch import scratch, taken

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


def block_rows(k: int, d: int) -> int:
    """Return how many rows a block should have for k centres and d features."""
    return min(max((BLOCK if k > 1 else SUMMED) // d, 256), BLOCK_ROWS)


def labels(block: np.ndarray, frame: Frame) -> np.ndarray:
    """Return the index of the nearest centre of each row, (B,) int32; the lowest of equals."""
    found = np.empty(len(block), np.int32)
    for part in pieces(block, frame):
        rows = block[part]
        found[part] = search(augment(rows, frame), frame).decided(rows, frame)
    return found


def pieces(block: np.ndarray, frame: Frame) -> Iterator[slice]:
    """Return parts of a block whose scores fit the cache."""
    row = len(frame.centers) * block.itemsize * (1 if few(frame) else 2)
    size = max(256, SCORE_BYTES // row)
    return parts(len(block), size)


def nearest(block: np.ndarray, frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """Return labels, (B,) int32, and squared distances, (B,) float64."""
    found = labels(block, frame)
    return found, own_distances(block, frame, found)


def own_distances(block: np.ndarray, frame: Frame, labels: np.ndarray) -> np.ndarray:
    """Return each row's squared distance to the centre of its label, by direct differences."""
    (n, d), out = block.shape, np.empty(len(block))
    size = DIFFERENCES // d
    if d <= THIN:
        return _own_by_feature(block, frame, labels, size)
    for part in parts(n, size):
        rows, which = block[part], labels[part]
        x = scratch("wide", rows.shape, np.float64)
        # Converted first: else it goes through a buffer.
        x[...] = rows
        x -= taken(frame.wide_centers, which, "own")
        out[part] = np.vecdot(x, x)
    return out


def _own_by_feature(block: np.ndarray, frame: Frame, labels: np.ndarray, size: int) -> np.ndarray:
    out, centers = np.empty(len(block)), frame.wide_centers.T.copy()
    for part in parts(len(block), size):
        x = block[part].T.astype(np.float64, order="C")
        x -= centers.take(labels[part], axis=1)
        np.square(x, out=x).sum(axis=0, out=out[part])
    return out


def distances(block: np.ndarray, frame: Frame, dtype: Any) -> np.ndarray:
    """Return squared distances to every centre, (B, k) in `dtype`.

    By direct differences where the matrix product would lose more to rounding than a few percent
    (in float64 more than a millionth), so that a row at a centre has the distance 0; so also where
    its terms are next to subnormal, which have no digits to lose.
    """
    d = block.shape[1]
    augmented = augment(block, frame)
    norms = np.square(augmented[:, -2], out=augmented[:, -2])
    shifted = frame.columns[:, :d]
    squares = np.vecdot(shifted, shifted)
    columns = np.column_stack([2 * shifted, np.ones_like(squares), squares])
    found = columns @ augmented.T
    margin = 2.0**20 if block.dtype == np.float64 else 2.0**6
    doubt = (norms + squares.max()) * (margin * frame.gamma)
    doubt += margin * d * np.finfo(block.dtype).smallest_normal
    j, i = np.nonzero(~(found > doubt))
    out = found.astype(dtype, copy=False)
    for part in parts(i.size, DIFFERENCES // d):
        out[j[part], i[part]] = _pair_distances(block, frame, i[part], j[part])
    return out.T


def sum_by_label(
    block: np.ndarray, labels: np.ndarray, weights: np.ndarray | None, frame: Frame
) -> tuple[np.ndarray, np.ndarray]:
    """Return weighted sums of x - origin, (k, d), and weights, (k,), by label, in float64."""
    (n, d), k = block.shape, len(frame.centers)
    which = labels.astype(np.intp)
    totals = np.bincount(which, weights, k).astype(np.float64, copy=False)
    if d <= THIN:
        sums = np.empty((k, d))
        for j, x in enumerate(block.T):
            x = x - frame.wide_origin[j]
            sums[:, j] = np.bincount(which, x if weights is None else x * weights, k)
        return sums, totals
    shifted = shift(block, frame.wide_origin)
    # Imported here: SciPy takes longer to import than the rest of the package together.
    from scipy.sparse import csc_array

    weights = np.ones(n) if weights is None else weights
    member = csc_array((weights, labels, np.arange(n + 1, dtype=np.int32)), shape=(k, n))
    return member @ shifted, totals


def count(labels: np.ndarray, k: int) -> np.ndarray:
    """Return how many rows have each label, (k,) int64."""
    return np.bincount(labels, minlength=k)


def augment(rows: np.ndarray, frame: Frame) -> np.ndarray:
    """Return (x', ‖x'‖, 1), (B, d + 2): transposed where that is faster, else in scratch memory."""
    n, d = rows.shape
    if d < NARROW:
        flat = np.empty((d + 2, n), rows.dtype)
        np.subtract(rows.T, frame.origin[:, None], out=flat[:d])
        np.sqrt(np.einsum("ij,ij->j", flat[:d], flat[:d]), out=flat[d])
        flat[d + 1] = 1
        return flat.T
    tall = scratch("rows", (n, d + 2), rows.dtype)
    np.subtract(rows, frame.origin, out=tall[:, :d])
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

    def decided(self, rows: np.ndarray, frame: Frame, which: Any = None) -> np.ndarray:
        """Return the nearest centre of every row; `which` of `rows` were searched, or all."""
        if self.unsure.size:
            unsure = self.unsure if which is None else which[self.unsure]
            self.best[self.unsure] = _decide(rows, frame, unsure, self.near)
        return self.best


def search(augmented: np.ndarray, frame: Frame) -> Found:
    """Find the nearest centres of rows that `augment` prepared."""
    return find(scores(augmented, frame), augmented[:, -2], frame)


def few(frame: Frame) -> bool:
    """Return whether scores lie centre by centre."""
    return len(frame.columns) <= FEW


def scores(augmented: np.ndarray, frame: Frame) -> np.ndarray:
    """Return lower bounds of the scores in scratch memory: (k, B) for few centres, else (B, k)."""
    n, k = len(augmented), len(frame.columns)
    if few(frame):
        lower = scratch("scores", (k, n), augmented.dtype)
        return np.matmul(frame.columns, augmented.T, out=lower)
    lower = scratch("scores", (n, k), augmented.dtype)
    return np.matmul(augmented, frame.columns.T, out=lower)


def find(lower: np.ndarray, norms: np.ndarray, frame: Frame) -> Found:
    """Find the nearest centres from what `scores` returned, to which this writes."""
    return (_find_by_center if few(frame) else _find_by_row)(lower, norms, frame)


def _find_by_center(lower: np.ndarray, norms: np.ndarray, frame: Frame) -> Found:
    """Scores lie centre by centre.

    A NaN makes its row's minimum NaN, to which nothing compares, so that its row counts no near
    centre and is unsure.
    """
    k, n = lower.shape
    slack = frame.slack.max(axis=0)
    bound = lower.min(axis=0)
    bound += norms * (slack[0] + norms * frame.tie)
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


def _find_by_row(lower: np.ndarray, norms: np.ndarray, frame: Frame) -> Found:
    """As `_find_by_center`, for many centres: scores lie row by row.

    The best and the second best are found; ``argmin`` takes a NaN for the least.
    """
    rows = np.arange(len(lower))
    best = lower.argmin(axis=1)
    slack = frame.slack[best]
    bound = lower[rows, best]
    bound += norms * (slack[:, 0] + norms * frame.tie)
    bound += slack[:, 1]
    lower[rows, best] = np.inf
    second = lower[rows, lower.argmin(axis=1)]
    unsure = np.flatnonzero(~(second > bound))
    near = ~(lower[unsure] > bound[unsure, None])
    near[np.arange(len(unsure)), best[unsure]] = True
    return Found(best.astype(np.int32), bound, unsure, near, lambda: second)


def _decide(rows: np.ndarray, frame: Frame, unsure: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Return the nearest of the near centres by direct differences, for the unsure rows."""
    if near.size * rows.shape[1] <= DIFFERENCES:
        # Of few pairs it is sooner done than found out which ones are near.
        every = rows[unsure, None] - frame.wide_centers
        squares = np.vecdot(every, every)
        return (squares <= squares.min(axis=1, keepdims=True) * tied(len(rows.T))).argmax(axis=1)
    best = np.empty(len(unsure), np.int32)
    pairs = np.count_nonzero(near) / len(near)
    for part in parts(len(unsure), int(DIFFERENCES / (rows.shape[1] * pairs))):
        i, j = np.nonzero(near[part])
        distances = _pair_distances(rows, frame, unsure[part][i], j)
        first = np.flatnonzero(np.diff(i, prepend=-1))
        least = np.minimum.reduceat(distances, first)
        (hits,) = np.nonzero(distances <= least[i] * tied(rows.shape[1]))
        # Of equals the lowest index, which is the first hit of its row.
        hits = hits[np.flatnonzero(np.diff(i[hits], prepend=-1))]
        best[part] = j[hits]
    return best


def _pair_distances(rows: np.ndarray, frame: Frame, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    difference = rows[i] - frame.wide_centers[j]
    return np.vecdot(difference, difference)
