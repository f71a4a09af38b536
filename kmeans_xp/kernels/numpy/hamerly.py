"""Hamerly bounds in NumPy: rows whose bound gap is used up are compared by one matrix product."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from kmeans_xp.kernels.numpy import nearest as numpy_nearest
from kmeans_xp.kernels.numpy.memory import gathered, rows_at
from kmeans_xp.kernels.numpy.nearest import BLOCK_ROWS, Operands, Shortlist
from kmeans_xp.kernels.numpy.sums import add_rows
from kmeans_xp.kernels.shared.blocks import even_blocks, parts
from kmeans_xp.kernels.shared.cluster_totals import ClusterTotals
from kmeans_xp.kernels.shared.hamerly import ROUNDING, HamerlyBounds, remember, underflow, unsettled
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters

# No gaps are taken where a larger share of the rows may change their label: they would not last.
MAX_CHANGING = 0.15
# Where a larger share of the rows of a product is undecided, all are searched in place.
SEARCH_ALL_ABOVE = 0.3
# To gather a row costs as much as to compare it with so many centres.
GATHER_COST = 16
# Blocks are so many times larger than for one search, for fewer turns at the interpreter's lock.
# Long rows keep a thread busy anyhow, if they stay in the cache: with 200 features 8 is 13% slower.
BLOCK_FACTOR, LONG_BLOCK_FACTOR, LONG_FROM = 8, 2, 48
# Entries of rows that are gathered at a time, which bounds memory.
GATHERED_ENTRIES = 1 << 18
# With more features few rows are nearer to their centre than half its distance to the next one.
SEPARATION_UP_TO = 8


class Search(NamedTuple):
    """Nearest centres, lower bounds of gaps and upper bounds of own distances; (B,) each.

    Gaps are -inf and distances inf where nothing is known.
    """

    labels: np.ndarray
    gaps: np.ndarray
    own_distances: np.ndarray


def bounds_of(n: int, d: int, k: int) -> HamerlyBounds[np.ndarray | None]:
    """Return the bounds of a run over n rows of d features with k centres."""
    separated = d <= SEPARATION_UP_TO and k <= numpy_nearest.CENTER_MAJOR_UP_TO
    return HamerlyBounds(
        advance,
        n,
        k,
        block_rows=block_rows(n, k, d),
        derive=half_separations_of if separated else no_half_separations,
    )


def block_rows(n: int, k: int, d: int) -> int:
    """Return how many rows a block should have, so that two threads get as many rows."""
    size = numpy_nearest.block_rows(k, d)
    factor = BLOCK_FACTOR if d < LONG_FROM else LONG_BLOCK_FACTOR
    return size if n <= size else even_blocks(n, size * factor)


def advance(
    block: np.ndarray,
    weights: np.ndarray | None,
    labels: np.ndarray,
    bound_gaps: np.ndarray,
    *,
    prepared: PreparedCenters,
    drift_limits: np.ndarray,
    derived: np.ndarray | None,
) -> ClusterTotals:
    """Search the rows whose gap is used up; write `labels` and `bound_gaps`; return the changes.

    `derived`, (k,), are half separations: a row that is nearer to its centre than that keeps its
    label.
    """
    before = labels.copy()
    _search_unsettled(block, labels, bound_gaps, prepared, drift_limits, derived)
    return changes(block, weights, before, labels, prepared)


def half_separations_of(prepared: PreparedCenters) -> np.ndarray:
    """Return half of each centre's distance to the next one, (k,), rounded down."""
    centers = prepared.wide_centers
    squares = np.zeros((len(centers), len(centers)))
    for feature in centers.T:
        squares += np.square(feature[:, None] - feature)
    np.fill_diagonal(squares, np.inf)
    return np.sqrt(squares.min(axis=1)) * ((1 - ROUNDING) / 2)


def no_half_separations(prepared: PreparedCenters) -> None:
    """Return None, for runs in which half separations decide about few rows."""


def search(
    rows: np.ndarray,
    before: np.ndarray,
    prepared: PreparedCenters,
    *,
    max_changing: float = 1.0,
) -> Search:
    """Search rows whose labels were `before`, or -1.

    Bounds remain unknown where a larger share of the rows than `max_changing` may change its label.
    """
    labels, dtype = before.copy(), rows.dtype
    gaps, own = np.full(len(rows), -np.inf, dtype), np.full(len(rows), np.inf, dtype)
    for part in numpy_nearest.pieces(rows, prepared):
        piece = rows[part]
        x = numpy_nearest.operands(piece, prepared)
        scores = _search_piece(piece, x, labels[part], prepared, max_changing)
        if scores is not None:
            own[part], gaps[part] = _distance_bounds(x.norms, scores, prepared)
    return Search(labels, gaps, own)


def changes(
    block: np.ndarray,
    weights: np.ndarray | None,
    before: np.ndarray,
    labels: np.ndarray,
    prepared: PreparedCenters,
) -> ClusterTotals:
    """Return what clusters gain and lose where `labels` differ from those `before`."""
    total = ClusterTotals.none(*prepared.centers.shape)
    where = np.flatnonzero(labels != before)
    for part in _portions(len(where), block.shape[1]):
        which = where[part]
        row_weights = None if weights is None else weights.take(which)
        old = None if before[where[part.start]] < 0 else before.take(which)
        add_rows(total, rows_at(block, which), row_weights, prepared, labels.take(which), old)
    return total


class _ScoreBounds(NamedTuple):
    """Upper bounds of the own centres' scores, and lower bounds of all others'; (B,) each."""

    own: np.ndarray
    others: np.ndarray


def _search_unsettled(
    block: np.ndarray,
    labels: np.ndarray,
    bound_gaps: np.ndarray,
    prepared: PreparedCenters,
    drift_limits: np.ndarray,
    half_separations: np.ndarray | None,
) -> None:
    """Search the rows whose gap is used up; write `labels` and `bound_gaps`."""
    active = unsettled(labels, bound_gaps, drift_limits)
    if len(active) * (1 + GATHER_COST / len(drift_limits)) > len(block):
        found = search(block, labels, prepared, max_changing=MAX_CHANGING)
        labels[:] = found.labels
        remember(bound_gaps, slice(None), found.gaps, labels, drift_limits)
        return
    for part in _portions(len(active), block.shape[1]):
        which = active[part]
        rows = gathered(block, which)
        if half_separations is not None:
            gaps = _gaps_by_separation(rows, labels.take(which), prepared, half_separations)
            stays, leaves = np.flatnonzero(gaps > 0), np.flatnonzero(~(gaps > 0))
            remember(bound_gaps, which.take(stays), gaps.take(stays), labels, drift_limits)
            which, rows = which.take(leaves), gathered(rows, leaves)
        found = search(rows, labels.take(which), prepared, max_changing=MAX_CHANGING)
        labels[which] = found.labels
        remember(bound_gaps, which, found.gaps, labels, drift_limits)


def _gaps_by_separation(
    rows: np.ndarray, labels: np.ndarray, prepared: PreparedCenters, half_separations: np.ndarray
) -> np.ndarray:
    """Return lower bounds of the gaps that need the distances to the own centres alone."""
    squares = np.full(len(rows), underflow(rows), rows.dtype)
    for feature, center in zip(rows.T, prepared.centers.T.copy(), strict=True):
        squares += np.square(feature - center.take(labels))
    own = np.sqrt(squares) * (1 + 4 * prepared.gamma)
    half = half_separations.astype(rows.dtype).take(labels) * (1 - prepared.gamma)
    return 2 * (half - own)


def _search_piece(
    rows: np.ndarray,
    x: Operands,
    labels: np.ndarray,
    prepared: PreparedCenters,
    max_changing: float,
) -> _ScoreBounds | None:
    """Write the nearest centres to `labels`; return bounds of scores, None where many change."""
    if labels[0] < 0:
        shortlist = numpy_nearest.search(x, prepared)
        labels[:] = shortlist.labels(rows, prepared)
        return _bounds_of_shortlist(shortlist) if max_changing >= 1 else None
    bounds, shortlist_of = _compare(x, labels, prepared)
    which = np.flatnonzero(~(bounds.others > bounds.own))
    bounded = len(which) <= max_changing * len(rows)
    if len(which) > SEARCH_ALL_ABOVE * len(rows):
        which = np.arange(len(rows))
    shortlist = shortlist_of(which)
    labels[which] = shortlist.labels(rows, prepared, which)
    if not bounded:
        return None
    bounds.own[which], bounds.others[which] = _bounds_of_shortlist(shortlist)
    return bounds


def _compare(
    x: Operands, labels: np.ndarray, prepared: PreparedCenters
) -> tuple[_ScoreBounds, Callable[[np.ndarray], Shortlist]]:
    """Compare the scores of the labels' centres with all others, which is cheaper than a search.

    The function returned makes a shortlist for the rows at indices, from the same product.
    """
    lower = numpy_nearest.scores(x, prepared)
    n, k = len(x.rows), len(prepared.centers)
    center_major = numpy_nearest.is_center_major(prepared)
    start = np.arange(n) if center_major else np.arange(0, n * k, k)
    at = start + (labels * np.intp(n) if center_major else labels)
    flat = lower.reshape(-1)
    own_lower = flat.take(at)
    flat[at] = np.inf
    others = lower.min(axis=0) if center_major else flat.take(start + lower.argmin(axis=1))
    slack = numpy_nearest.slack_of(x.norms, labels, prepared)
    own = own_lower + slack
    if center_major:
        others -= 0.5 * slack

    def shortlist_of(which: np.ndarray) -> Shortlist:
        flat[at[which]] = own_lower[which]
        scores = lower if len(which) == n else lower.take(which, axis=int(center_major))
        return numpy_nearest.shortlist(scores, x.norms[which], prepared)

    return _ScoreBounds(own, others), shortlist_of


def _bounds_of_shortlist(shortlist: Shortlist) -> _ScoreBounds:
    """Return bounds of scores; those of undecided rows say nothing."""
    others = shortlist.others()
    others[shortlist.undecided] = -np.inf
    return _ScoreBounds(shortlist.upper, others)


def _distance_bounds(
    norms: np.ndarray, scores: _ScoreBounds, prepared: PreparedCenters
) -> tuple[np.ndarray, np.ndarray]:
    """Return distances to the own centres, rounded up, and gaps, rounded down."""
    margin, squares = 4 * prepared.gamma, np.square(norms)
    lost = underflow(prepared.centers)
    nearest = squares * (1 + margin) + 2 * scores.own + lost
    others = squares * (1 - margin) + 2 * scores.others - lost
    own = np.sqrt(np.maximum(nearest, 0)) * (1 + margin)
    gaps = np.sqrt(np.maximum(others, 0)) * (1 - margin) - own
    # What overflowed bounds nothing.
    finite = np.isfinite(nearest)
    own[~finite] = np.inf
    gaps[~(finite & np.isfinite(others))] = -np.inf
    return own, gaps


def _portions(count: int, d: int) -> Iterator[slice]:
    """Return parts of rows that are to be gathered."""
    return parts(count, min(BLOCK_ROWS, GATHERED_ENTRIES // d))
