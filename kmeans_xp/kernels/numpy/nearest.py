"""Nearest centres in NumPy: cache-sized matrix products, SIMD reductions and sparse sums.

One matrix product gives lower bounds of all scores, as described in
`kmeans_xp.kernels.shared.prepared_centers`. They leave one candidate for most rows and a few for
the others, among which direct differences in float64 decide.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kmeans_xp.kernels.numpy.memory import in_float64, rows_in_scratch, scratch
from kmeans_xp.kernels.shared.blocks import parts
from kmeans_xp.kernels.shared.cluster_totals import ClusterTotals
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters, tied

# Bytes of scores that one product makes: they must stay in the last-level cache, but each call of
# NumPy waits for the interpreter's lock. Half as many are a third slower on color.
SCORE_BYTES = 1 << 21
# Limits on a block: it should repay the fixed costs of a step, and still be in the last-level
# cache when its rows are summed.
BLOCK_ENTRIES, BLOCK_ROWS = 1 << 19, 1 << 15
# The same for blocks that are only summed about one point.
SUM_BLOCK_ENTRIES = 1 << 18
# Up to this many centres scores are laid out (k, B), so that SIMD lanes run over rows.
CENTER_MAJOR_UP_TO = 128
# With fewer features rows are laid out (d, B) for the same reason.
FEATURE_MAJOR_BELOW = 24
# Up to this many features `bincount` of each is faster than a sparse product: 9.8 → 2.6 ms.
BINCOUNT_UP_TO = 3
# Entries of direct differences at a time, which stay in the cache next to a core.
DIFFERENCE_ENTRIES = 1 << 15
# Several short rows are centred as one of about so many entries, since NumPy's loops over a few
# entries are slow; in arrays of fewer entries in all this gains nothing.
TILE_ENTRIES, SUM_TILE_ENTRIES, TILED_FROM = 512, 256, 1 << 12
# Entries that are centred and summed at a time, in scratch memory.
SUM_ENTRIES = 1 << 16


def block_rows(k: int, d: int) -> int:
    """Return how many rows a block should have for k centres and d features."""
    entries = BLOCK_ENTRIES if k > 1 else SUM_BLOCK_ENTRIES
    return min(max(entries // d, 256), BLOCK_ROWS)


def labels(block: np.ndarray, prepared: PreparedCenters) -> np.ndarray:
    """Return the index of the nearest centre of each row, (B,) int32; the lowest of equals."""
    labels = np.empty(len(block), np.int32)
    for part in pieces(block, prepared):
        rows = block[part]
        labels[part] = search(augment(rows, prepared), prepared).labels(rows, prepared)
    return labels


def nearest(block: np.ndarray, prepared: PreparedCenters) -> tuple[np.ndarray, np.ndarray]:
    """Return labels, (B,) int32, and squared distances, (B,) float64."""
    found = labels(block, prepared)
    return found, own_distances(block, prepared, found)


def own_distances(block: np.ndarray, prepared: PreparedCenters, labels: np.ndarray) -> np.ndarray:
    """Return each row's squared distance to the centre of its label, by direct differences."""
    (n, d), squares = block.shape, np.empty(len(block))
    by_feature = d <= BINCOUNT_UP_TO
    centers = prepared.wide_centers.T.copy() if by_feature else prepared.wide_centers
    for part in parts(n, DIFFERENCE_ENTRIES // d):
        if by_feature:
            x = block[part].T.astype(np.float64, order="C")
            x -= centers.take(labels[part], axis=1)
            np.square(x, out=x).sum(axis=0, out=squares[part])
        else:
            x = in_float64(block[part])
            x -= rows_in_scratch(centers, labels[part], "own")
            squares[part] = np.vecdot(x, x)
    return squares


def distances(block: np.ndarray, prepared: PreparedCenters, dtype: Any) -> np.ndarray:
    """Return squared distances to every centre, (B, k) in `dtype`.

    They come from a matrix product where this loses at most a few percent to rounding (in float64
    a millionth), and else from direct differences, so that a row at a centre has the distance 0.
    Differences also serve where terms are next to subnormal, which have no digits to lose.
    """
    d = block.shape[1]
    augmented = augment(block, prepared)
    norms = np.square(augmented[:, -2], out=augmented[:, -2])
    shifted = prepared.columns[:, :d]
    squares = np.vecdot(shifted, shifted)
    columns = np.column_stack([2 * shifted, np.ones_like(squares), squares])
    products = columns @ augmented.T
    margin = 2.0**20 if block.dtype == np.float64 else 2.0**6
    doubtful = (norms + squares.max()) * (margin * prepared.gamma)
    doubtful += margin * d * np.finfo(block.dtype).smallest_normal
    j, i = np.nonzero(~(products > doubtful))
    out = products.astype(dtype, copy=False)
    for part in parts(i.size, DIFFERENCE_ENTRIES // d):
        out[j[part], i[part]] = _pair_distances(block, prepared, i[part], j[part])
    return out.T


def sum_by_label(
    block: np.ndarray, labels: np.ndarray, weights: np.ndarray | None, prepared: PreparedCenters
) -> tuple[np.ndarray, np.ndarray]:
    """Return weighted sums of x - origin, (k, d), and weights, (k,), by label, in float64."""
    d, k = block.shape[1], len(prepared.centers)
    which = labels.astype(np.intp)
    totals = np.bincount(which, weights, k).astype(np.float64, copy=False)
    if d <= BINCOUNT_UP_TO:
        sums = np.empty((k, d))
        for j, x in enumerate(block.T):
            x = x - prepared.wide_origin[j]
            sums[:, j] = np.bincount(which, x if weights is None else x * weights, k)
        return sums, totals
    return members(labels, weights, k) @ shift(block, prepared.wide_origin), totals


def assign_and_sum(
    block: np.ndarray, weights: np.ndarray | None, *, prepared: PreparedCenters
) -> ClusterTotals:
    """Return the totals of the rows that are nearest to each centre."""
    found = labels(block, prepared)
    return ClusterTotals(*sum_by_label(block, found, weights, prepared))


def count(labels: np.ndarray, k: int) -> np.ndarray:
    """Return how many rows have each label, (k,) int64."""
    return np.bincount(labels, minlength=k)


def sums_about(
    block: np.ndarray, weights: np.ndarray | None, about: np.ndarray
) -> tuple[np.floating, np.ndarray, np.ndarray]:
    """Return Σw, Σw(x - about) and Σw(x - about)², (d,), in float64."""
    n, d = block.shape
    total = np.float64(n)
    first, second = np.zeros(d), np.zeros(d)
    if weights is not None:
        weights = weights.astype(np.float64, copy=False)
        total = weights.sum()
    for part in parts(n, SUM_ENTRIES // d):
        sums = _sums_of_piece(block[part], None if weights is None else weights[part], about)
        first += sums[0]
        second += sums[1]
    return total, first, second


def members(labels: np.ndarray, weights: np.ndarray | None, k: int) -> Any:
    """Return the sparse matrix, (k, B), of each row's weight in its cluster."""
    # Imported here: SciPy takes longer to import than the rest of the package together.
    from scipy.sparse import csc_array

    n = len(labels)
    weights = np.ones(n) if weights is None else weights
    return csc_array((weights, labels, np.arange(n + 1, dtype=np.int32)), shape=(k, n))


def shift(block: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """Return the rows less `origin`, (B, d) float64."""
    # Converted first, since a subtraction that converts takes three times as long.
    wide = block.astype(np.float64, order="C")
    if wide.size < TILED_FROM:
        wide -= origin
    else:
        _subtract_tiled(wide, origin, max(1, TILE_ENTRIES // len(origin)))
    return wide


@dataclass(frozen=True)
class Shortlist:
    """The candidates for the nearest centre that one matrix product leaves to B rows.

    Attributes
    ----------
    best : ndarray of shape (B,), int32
        The nearest centre of each row that has a single candidate.
    upper : ndarray of shape (B,)
        Upper bounds of its score.
    undecided : ndarray of int
        Rows that have several candidates.
    candidates : ndarray of shape (len(undecided), k), bool
        Which centres these are.
    others : callable
        () -> (B,) lower bounds of the other centres' scores, where the row has one candidate.
    """

    best: np.ndarray
    upper: np.ndarray
    undecided: np.ndarray
    candidates: np.ndarray
    others: Callable[[], np.ndarray]

    def labels(self, rows: np.ndarray, prepared: PreparedCenters, which: Any = None) -> np.ndarray:
        """Return the nearest centre of every row, by direct differences for the undecided ones.

        The B rows are those at the indices `which` of `rows`, by default all.
        """
        if self.undecided.size:
            undecided = self.undecided if which is None else which[self.undecided]
            best = _nearest_candidates(rows, prepared, undecided, self.candidates)
            self.best[self.undecided] = best
        return self.best


def pieces(block: np.ndarray, prepared: PreparedCenters) -> Iterator[slice]:
    """Return parts of a block whose scores fit the cache."""
    row_bytes = len(prepared.centers) * block.itemsize * (1 if is_center_major(prepared) else 2)
    return parts(len(block), max(256, SCORE_BYTES // row_bytes))


def augment(rows: np.ndarray, prepared: PreparedCenters) -> np.ndarray:
    """Return (x', ‖x'‖, 1), (B, d + 2): a transposed view of few features, else scratch memory."""
    n, d = rows.shape
    if d < FEATURE_MAJOR_BELOW:
        columns = np.empty((d + 2, n), rows.dtype)
        np.subtract(rows.T, prepared.origin[:, None], out=columns[:d])
        np.sqrt(np.einsum("ij,ij->j", columns[:d], columns[:d]), out=columns[d])
        columns[d + 1] = 1
        return columns.T
    augmented = scratch("rows", (n, d + 2), rows.dtype)
    np.subtract(rows, prepared.origin, out=augmented[:, :d])
    np.sqrt(np.vecdot(augmented[:, :d], augmented[:, :d]), out=augmented[:, d])
    augmented[:, d + 1] = 1
    return augmented


def search(augmented: np.ndarray, prepared: PreparedCenters) -> Shortlist:
    """Return the candidates of rows that `augment` prepared."""
    return shortlist(scores(augmented, prepared), augmented[:, -2], prepared)


def is_center_major(prepared: PreparedCenters) -> bool:
    """Return whether scores are laid out (k, B) rather than (B, k)."""
    return len(prepared.columns) <= CENTER_MAJOR_UP_TO


def scores(augmented: np.ndarray, prepared: PreparedCenters) -> np.ndarray:
    """Return lower bounds of the scores, (k, B) or (B, k), in scratch memory."""
    n, k = len(augmented), len(prepared.columns)
    if is_center_major(prepared):
        lower = scratch("scores", (k, n), augmented.dtype)
        return np.matmul(prepared.columns, augmented.T, out=lower)
    lower = scratch("scores", (n, k), augmented.dtype)
    return np.matmul(augmented, prepared.columns.T, out=lower)


def shortlist(lower: np.ndarray, norms: np.ndarray, prepared: PreparedCenters) -> Shortlist:
    """Return the candidates by what `scores` returned, which is overwritten."""
    find = _shortlist_by_center if is_center_major(prepared) else _shortlist_by_row
    return find(lower, norms, prepared)


def _shortlist_by_center(
    lower: np.ndarray, norms: np.ndarray, prepared: PreparedCenters
) -> Shortlist:
    """Return the candidates by scores that are laid out (k, B).

    Where a score is NaN, so is the row's minimum, to which nothing compares: the row counts no
    candidate and is undecided among all centres.
    """
    k, n = lower.shape
    slack = prepared.slack.max(axis=0)
    upper = lower.min(axis=0)
    upper += norms * (slack[0] + norms * prepared.tie)
    upper += slack[1]
    near = np.less_equal(lower, upper, out=scratch("near", (k, n), np.bool_))
    # To count and to rank bytes, 64 of them in a SIMD instruction, is faster than to search.
    bits = near.view(np.uint8)
    undecided = np.flatnonzero(np.add.reduce(bits, axis=0, dtype=np.uint8) != 1)
    candidates = near[:, undecided].T
    candidates = candidates | ~candidates.any(axis=1, keepdims=True)
    bits *= np.arange(k, 0, -1, dtype=np.uint8)[:, None]
    best = k - bits.max(axis=0).astype(np.int32)

    def others() -> np.ndarray:
        lower[best % k, np.arange(n)] = np.inf
        return lower.min(axis=0)

    return Shortlist(best, upper, undecided, candidates, others)


def _shortlist_by_row(lower: np.ndarray, norms: np.ndarray, prepared: PreparedCenters) -> Shortlist:
    """Return the candidates by scores that are laid out (B, k), by way of the two least ones.

    ``argmin`` takes a NaN for the least.
    """
    rows = np.arange(len(lower))
    best = lower.argmin(axis=1)
    slack = prepared.slack[best]
    upper = lower[rows, best]
    upper += norms * (slack[:, 0] + norms * prepared.tie)
    upper += slack[:, 1]
    lower[rows, best] = np.inf
    second = lower[rows, lower.argmin(axis=1)]
    undecided = np.flatnonzero(~(second > upper))
    candidates = ~(lower[undecided] > upper[undecided, None])
    candidates[np.arange(len(undecided)), best[undecided]] = True
    return Shortlist(best.astype(np.int32), upper, undecided, candidates, lambda: second)


def _nearest_candidates(
    rows: np.ndarray, prepared: PreparedCenters, which: np.ndarray, candidates: np.ndarray
) -> np.ndarray:
    """Return the nearest candidates of the rows at indices, by direct differences in float64."""
    tie = tied(rows.shape[1])
    if candidates.size * rows.shape[1] <= DIFFERENCE_ENTRIES:
        # Few differences are taken from all centres sooner than candidates are looked up.
        differences = rows[which, None] - prepared.wide_centers
        squares = np.vecdot(differences, differences)
        return (squares <= squares.min(axis=1, keepdims=True) * tie).argmax(axis=1)
    best = np.empty(len(which), np.int32)
    row_entries = rows.shape[1] * (np.count_nonzero(candidates) / len(candidates))
    for part in parts(len(which), int(DIFFERENCE_ENTRIES / row_entries)):
        i, j = np.nonzero(candidates[part])
        squares = _pair_distances(rows, prepared, which[part][i], j)
        first = np.flatnonzero(np.diff(i, prepend=-1))
        least = np.minimum.reduceat(squares, first)
        (hits,) = np.nonzero(squares <= least[i] * tie)
        # The lowest index of equals is the first hit of its row.
        hits = hits[np.flatnonzero(np.diff(i[hits], prepend=-1))]
        best[part] = j[hits]
    return best


def _pair_distances(
    rows: np.ndarray, prepared: PreparedCenters, i: np.ndarray, j: np.ndarray
) -> np.ndarray:
    difference = rows[i] - prepared.wide_centers[j]
    return np.vecdot(difference, difference)


def _sums_of_piece(
    rows: np.ndarray, weights: np.ndarray | None, about: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return weighted sums of x - about and of its squares, each (d,)."""
    d = rows.shape[1]
    centered = in_float64(rows)
    together = max(1, SUM_TILE_ENTRIES // d) if weights is None else 1
    tiles, rest = _subtract_tiled(centered, about, together)
    tile_weights = np.ones(len(tiles)) if weights is None else weights
    ones = np.ones(len(rest))

    def total() -> np.ndarray:
        return (tile_weights @ tiles).reshape(together, d).sum(axis=0) + ones @ rest

    first = total()
    np.square(centered, out=centered)
    return first, total()


def _subtract_tiled(
    rows: np.ndarray, origin: np.ndarray, together: int
) -> tuple[np.ndarray, np.ndarray]:
    """Subtract `origin` in place; return a view of the rows `together` at a time, and the rest."""
    whole = len(rows) // together * together
    tiles, rest = rows[:whole].reshape(-1, together * len(origin)), rows[whole:]
    tiles -= np.tile(origin, together)
    rest -= origin
    return tiles, rest
