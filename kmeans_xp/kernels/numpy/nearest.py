"""Nearest centres in NumPy: cache-sized matrix products, SIMD reductions and sparse sums.

One matrix product gives all scores to within a bound, as described in
`kmeans_xp.kernels.shared.prepared_centers`. It leaves one candidate for most rows and a few for the
others, among which direct differences in float64 decide.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from kmeans_xp.arrays.checks import largest_value
from kmeans_xp.arrays.precision import quiet
from kmeans_xp.arrays.threads import one_blas_thread
from kmeans_xp.kernels.choose import regimes
from kmeans_xp.kernels.interface import Team
from kmeans_xp.kernels.numpy import direct, sums
from kmeans_xp.kernels.numpy.memory import in_float64, rows_in_scratch, scratch
from kmeans_xp.kernels.numpy.sums import FEATURES, sum_of_squares, sums_of_squares
from kmeans_xp.kernels.shared.blocks import parts
from kmeans_xp.kernels.shared.cluster_totals import ClusterTotals
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters, tied

# Limits on a block: it should repay the fixed costs of a step, and still be in the last-level
# cache when its rows are summed.
BLOCK_ENTRIES, BLOCK_ROWS = 1 << 19, 1 << 15
# Bytes of rows that are labelled at once, in pieces: two, four and eight blocks were slower, from
# 1,797 x 64 to 50,000 x 16. Of 20 MB two threads take less.
AT_ONCE = 1 << 23
# The same for blocks that are only summed about one point.
SUM_BLOCK_ENTRIES = 1 << 18
# Up to this many centres scores are laid out (k, B), so that SIMD lanes run over rows.
CENTER_MAJOR_UP_TO = 128
# Features from which norms take no longer to find than the largest value.
NORMS_FROM = 48
# Bytes of rows and their scores that are looked at at a time: of half as many, calls and what BLAS
# does before it starts take up to a tenth longer.
PIECE_BYTES = 1 << 22
# Entries of direct differences at a time, which stay in the cache next to a core.
DIFFERENCE_ENTRIES = 1 << 16
# Several short rows are centred as one of about so many entries, since NumPy's loops over a few
# entries are slow.
TILE_ENTRIES = 512


def block_rows(k: int, d: int) -> int:
    """Return how many rows a block should have for k centres and d features."""
    entries = BLOCK_ENTRIES if k > 1 else SUM_BLOCK_ENTRIES
    return min(max(entries // d, 256), BLOCK_ROWS)


def label_all(
    whole: Callable[[int], np.ndarray | None],
    _team: Team,
    prepared: PreparedCenters,
    *,
    squared: bool,
) -> tuple[np.ndarray, np.ndarray, float] | None:
    """Label all rows at once, if they are so few that threads would wait for each other's calls.

    As `kmeans_xp.kernels.interface.Engine` specifies.
    """
    rows, nothing = whole(AT_ONCE // prepared.centers[0].nbytes), np.empty(0)
    if rows is None:
        return None
    largest = float(largest_value(rows))
    if not math.isfinite(largest):
        return np.empty(0, np.int32), nothing, math.nan
    with one_blas_thread(), quiet():
        if squared:
            return *nearest(rows, prepared), largest
        return labels(rows, prepared, largest), nothing, largest


def labels(
    block: np.ndarray, prepared: PreparedCenters, largest: float | None = None
) -> np.ndarray:
    """Return the index of the nearest centre of each row, (B,) int32; the lowest of equals.

    `largest` is the largest absolute value of the block, if it is known.
    """
    if regimes.is_direct(block.size, len(prepared.centers)):
        return direct.nearest(block, prepared)[0]
    labels = np.empty(len(block), np.int32)
    for part in pieces(block, prepared):
        rows = block[part]
        found = search(_bounded_operands(rows, prepared, largest), prepared)
        labels[part] = found.labels(rows, prepared)
    return labels


def nearest(block: np.ndarray, prepared: PreparedCenters) -> tuple[np.ndarray, np.ndarray]:
    """Return labels, (B,) int32, and squared distances, (B,) float64."""
    if regimes.is_direct(block.size, len(prepared.centers)):
        return direct.nearest(block, prepared)
    found = labels(block, prepared)
    return found, own_distances(block, prepared, found)


def own_distances(block: np.ndarray, prepared: PreparedCenters, labels: np.ndarray) -> np.ndarray:
    """Return each row's squared distance to the centre of its label, by direct differences."""
    (n, d), squares = block.shape, np.empty(len(block))
    by_feature = d <= FEATURES
    centers = prepared.wide_centers.T.copy() if by_feature else prepared.wide_centers
    for part in parts(n, DIFFERENCE_ENTRIES // d):
        if by_feature:
            x = block[part].T.astype(np.float64, order="C")
            x -= centers.take(labels[part], axis=1)
            squares[part] = sum_of_squares(x)
        else:
            x = in_float64(block[part])
            x -= rows_in_scratch(centers, labels[part], "own")
            squares[part] = sums_of_squares(x)
    return squares


def distances(block: np.ndarray, prepared: PreparedCenters, dtype: Any) -> np.ndarray:
    """Return squared distances to every centre, (B, k) in `dtype`.

    They come from a matrix product where this loses at most a few percent to rounding (in float64
    a millionth), and else from direct differences, so that a row at a centre has the distance 0.
    Differences also serve where terms are next to subnormal, which have no digits to lose.
    """
    d = block.shape[1]
    x, norms = operands(block, prepared)
    norms = np.square(norms)
    columns = factors_of(prepared).columns
    squares = np.vecdot(columns, columns)
    products = (2 * columns) @ x.T
    products += squares[:, None]
    products += norms
    margin = 2.0**20 if block.dtype == np.float64 else 2.0**6
    doubtful = (norms + squares.max()) * (margin * prepared.gamma)
    doubtful += margin * d * np.finfo(block.dtype).smallest_normal
    j, i = np.nonzero(~(products > doubtful))
    out = products.astype(dtype, copy=False)
    for part in parts(i.size, DIFFERENCE_ENTRIES // d):
        out[j[part], i[part]] = _pair_distances(block, prepared, i[part], j[part])
    return out.T


def assign_and_sum(
    block: np.ndarray, weights: np.ndarray | None, *, prepared: PreparedCenters
) -> ClusterTotals:
    """Return the totals of the rows that are nearest to each centre."""
    return sums.sum_by_label(block, labels(block, prepared), weights, prepared)


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


class Factors(NamedTuple):
    """Centres as a product takes them, and the bounds of its rounding.

    They are those of `kmeans_xp.kernels.shared.prepared_centers`, in few calls.

    Attributes
    ----------
    columns : ndarray of shape (k, d)
        Less the centres about their origin.
    last : ndarray of shape (k,)
        Half their squared norms, rounded down.
    slack_of_norms, slack : ndarray of shape (k,)
        The first times a row's norm, the second and `tie` times its square add up to how far the
        scores of two candidates may differ.
    tie : float
    """

    columns: np.ndarray
    last: np.ndarray
    slack_of_norms: np.ndarray
    slack: np.ndarray
    tie: float


class Operands(NamedTuple):
    """Rows as a product takes them.

    Attributes
    ----------
    rows : ndarray of shape (B, d)
        About the origin of the centres: as they lie where that is zero, else in scratch memory.
    norms : ndarray of shape (B,), or float
        Their norms, or at least the largest of these.
    """

    rows: np.ndarray
    norms: Any


def pieces(block: np.ndarray, prepared: PreparedCenters) -> Iterator[slice]:
    """Return parts of a block whose rows and scores are looked at several times."""
    d, k = block.shape[1], len(prepared.centers)
    return parts(len(block), max(256, PIECE_BYTES // (block.itemsize * (d + 2 * k))))


def factors_of(prepared: PreparedCenters) -> Factors:
    """Return centres as a product takes them."""
    return prepared.derive(_factors)


@quiet()
def _factors(prepared: PreparedCenters) -> Factors:
    centers, gamma, tie = prepared.centers, prepared.gamma, prepared.tie
    delta = (centers.shape[1] + 16) * float(np.finfo(centers.dtype).smallest_normal)
    columns = np.subtract(prepared.origin, centers)
    squares = np.vecdot(columns, columns)
    # A square that overflowed bounds nothing: NaN sends its rows to direct differences.
    squares[~np.isfinite(squares)] = np.nan
    last = squares * (0.5 * (1 - gamma)) - delta
    slack = squares * (gamma + 2 * tie) + 2 * delta
    return Factors(columns, last, np.sqrt(squares) * (2 * gamma), slack, tie)


def operands(rows: np.ndarray, prepared: PreparedCenters) -> Operands:
    """Return rows as a product takes them."""
    x = _about_origin(rows, prepared)
    return Operands(x, np.sqrt(np.vecdot(x, x)))


def _bounded_operands(
    rows: np.ndarray, prepared: PreparedCenters, largest: float | None
) -> Operands:
    """Return the same with a single bound of the norms, if that takes less time to find."""
    d = rows.shape[1]
    if d >= NORMS_FROM or not is_center_major(prepared):
        return operands(rows, prepared)
    x = _about_origin(rows, prepared)
    if largest is None or x is not rows:
        largest = max(float(x.max()), -float(x.min()))
    return Operands(x, largest * math.sqrt(d))


def _about_origin(rows: np.ndarray, prepared: PreparedCenters) -> np.ndarray:
    if prepared.derive(_has_no_origin):
        return rows
    x = scratch("rows", rows.shape, rows.dtype)
    x[...] = rows
    _subtract_tiled(x, prepared.origin, max(1, TILE_ENTRIES // rows.shape[1]))
    return x


def _has_no_origin(prepared: PreparedCenters) -> bool:
    return not prepared.origin.any()


def search(x: Operands, prepared: PreparedCenters) -> Shortlist:
    """Return the candidates of rows."""
    return shortlist(scores(x, prepared), x.norms, prepared)


def is_center_major(prepared: PreparedCenters) -> bool:
    """Return whether scores are laid out (k, B) rather than (B, k)."""
    return len(prepared.centers) <= CENTER_MAJOR_UP_TO


def scores(x: Operands, prepared: PreparedCenters) -> np.ndarray:
    """Return scores, (k, B), or lower bounds of them, (B, k), in scratch memory.

    Of many centres one may be far from all others, so that each has a bound of its own.
    """
    n, factors = len(x.rows), factors_of(prepared)
    k = len(factors.columns)
    if is_center_major(prepared):
        found = scratch("scores", (k, n), x.rows.dtype)
        np.matmul(factors.columns, x.rows.T, out=found)
        found += factors.last[:, None]
        return found
    found = scratch("scores", (n, k), x.rows.dtype)
    np.matmul(x.rows, factors.columns.T, out=found)
    found += factors.last
    found -= np.multiply.outer(x.norms, 0.5 * factors.slack_of_norms)
    return found


def shortlist(scores: np.ndarray, norms: Any, prepared: PreparedCenters) -> Shortlist:
    """Return the candidates by what `scores` returned, which is overwritten."""
    if is_center_major(prepared):
        return _shortlist_by_center(scores, slack_of(norms, None, prepared))
    return _shortlist_by_row(scores, lambda best: slack_of(norms, best, prepared))


def slack_of(norms: Any, labels: np.ndarray | None, prepared: PreparedCenters) -> Any:
    """Return how far above the score of a row's own centre that of a candidate may be.

    The own centre is that of the `labels`; where there are none, or scores are (k, B), any.
    """
    factors = factors_of(prepared)
    of_norms, beside = factors.slack_of_norms, factors.slack
    if labels is None or is_center_major(prepared):
        of_norms, beside = np.maximum.reduce(of_norms), np.maximum.reduce(beside)
    else:
        of_norms, beside = of_norms.take(labels), beside.take(labels)
    return norms * (of_norms + norms * factors.tie) + beside


def _shortlist_by_center(scores: np.ndarray, slack: Any) -> Shortlist:
    """Return the candidates by scores that are laid out (k, B): all up to `slack` above the least.

    The slack is that of two scores, so that one by itself is off by half as much. Where a score is
    NaN, so is the row's minimum, to which nothing compares: the row counts no candidate and is
    undecided among all centres.
    """
    k, n = scores.shape
    upper = np.minimum.reduce(scores, axis=0)
    upper += slack
    near = np.less_equal(scores, upper, out=scratch("near", (k, n), np.bool_))
    # To count and to rank bytes, 64 of them in a SIMD instruction, is faster than to search.
    bits = near.view(np.uint8)
    undecided = np.flatnonzero(np.add.reduce(bits, axis=0, dtype=np.uint8) != 1)
    candidates = near[:, undecided].T
    candidates = candidates | ~candidates.any(axis=1, keepdims=True)
    bits *= np.arange(k, 0, -1, dtype=np.uint8)[:, None]
    best = k - np.maximum.reduce(bits, axis=0).astype(np.int32)

    def others() -> np.ndarray:
        scores[best % k, np.arange(n)] = np.inf
        return np.minimum.reduce(scores, axis=0) - 0.5 * slack

    return Shortlist(best, upper, undecided, candidates, others)


def _shortlist_by_row(
    lower: np.ndarray, slack_of: Callable[[np.ndarray], np.ndarray | float]
) -> Shortlist:
    """Return the candidates by scores that are laid out (B, k), by way of the two least ones.

    They are up to the slack of the least above it. ``argmin`` takes a NaN for the least.
    """
    rows = np.arange(len(lower))
    best = lower.argmin(axis=1)
    upper = lower[rows, best]
    upper += slack_of(best)
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
        squares = sum_of_squares(np.moveaxis(differences, 2, 0))
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
    return sums_of_squares(rows[i] - prepared.wide_centers[j])


def _subtract_tiled(
    rows: np.ndarray, origin: np.ndarray, together: int
) -> tuple[np.ndarray, np.ndarray]:
    """Subtract `origin` in place; return a view of the rows `together` at a time, and the rest."""
    whole = len(rows) // together * together
    tiles, rest = rows[:whole].reshape(-1, together * len(origin)), rows[whole:]
    if origin.any():
        tiles -= np.tile(origin, together)
        rest -= origin
    return tiles, rest
