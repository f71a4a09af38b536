"""One matrix product of rows that have a label: whether their own centre is the nearest still."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kmeans_xp.kernels.numpy import nearest as numpy_nearest
from kmeans_xp.kernels.numpy.memory import gathered, rows_at
from kmeans_xp.kernels.numpy.nearest import BLOCK_ROWS, THIN, Found
from kmeans_xp.kernels.shared.blocks import even_blocks, parts
from kmeans_xp.kernels.shared.cluster_totals import Changes
from kmeans_xp.kernels.shared.hamerly import ROUNDING, HamerlyBounds, remember, underflow, unsettled
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters

# Part of the rows that may change their label while bounds are not worth their price.
RESTLESS = 0.15
# Part of a product's rows above which all are searched, sooner than some are picked.
PICKED = 0.3
# To gather a row costs as much as to compare it with so many centres.
GATHERING = 16
# So many times larger are blocks than for searches alone, of rows with fewer features than this:
# longer ones keep a thread busy as it is, if they are in the cache.
FEWER, LONG = 8, 48
# Entries that are gathered at a time.
GATHERED = 1 << 18
# Operations of a product with a matrix up to which a sparse one takes longer to make.
DENSE = 1 << 18
# With more features, few rows are so near to their centre that its distance to others decides.
SEPARATED_UP_TO = 8
# Entries of a matrix that may be kept twice.
SMALL = 1 << 18


@dataclass(frozen=True)
class Compared:
    """What one matrix product says of rows that have a label.

    Attributes
    ----------
    bound : ndarray of shape (B,)
        Upper bounds of the scores of their own centres.
    other : ndarray of shape (B,)
        Lower bounds of those of all others.
    scores : callable
        Indices of rows -> lower bounds of the scores of all centres, from the same product.
    find : callable
        Indices of rows -> their nearest centres, from the same product.
    """

    bound: np.ndarray
    other: np.ndarray
    scores: Callable[[np.ndarray], np.ndarray]
    find: Callable[[np.ndarray], Found]


def compare(augmented: np.ndarray, labels: np.ndarray, prepared: PreparedCenters) -> Compared:
    """Set the centres of `labels` beside the others: less work than to find the nearest."""
    lower = numpy_nearest.scores(augmented, prepared)
    (n, k), norms = (len(augmented), len(prepared.columns)), augmented[:, -2]
    by_center = numpy_nearest.few(prepared)
    start = np.arange(n) if by_center else np.arange(0, n * k, k)
    at = start + (labels * np.intp(n) if by_center else labels)
    flat = lower.reshape(-1)
    own = flat.take(at)
    flat[at] = np.inf
    other = lower.min(axis=0) if by_center else flat.take(start + lower.argmin(axis=1))
    slack = prepared.slack.max(axis=0) if by_center else prepared.slack.take(labels, axis=0).T
    bound = norms * (slack[0] + norms * prepared.tie)
    bound += slack[1]
    bound += own

    def scores(which: np.ndarray) -> np.ndarray:
        flat[at[which]] = own[which]
        return lower if len(which) == n else lower.take(which, axis=int(by_center))

    def find(which: np.ndarray) -> Found:
        return numpy_nearest.find(scores(which), norms[which], prepared)

    return Compared(bound, other, scores, find)


def bounds_of(n: int, d: int, k: int, dtype: Any) -> HamerlyBounds[np.ndarray | None]:
    """Return the bounds of a run over n rows of d features with k centres."""
    separated = d <= SEPARATED_UP_TO and k <= numpy_nearest.FEW
    # Rows that make a small matrix are kept as products take them: a third of an iteration.
    beside = (np.empty((n, d + 2), dtype),) if n * d <= SMALL else ()
    return HamerlyBounds(
        advance,
        n,
        k,
        block_rows=block_rows(n, k, d),
        derive=half_separations_of if separated else no_half_separations,
        beside=beside,
    )


def block_rows(n: int, k: int, d: int) -> int:
    """Return how many rows a block should have: few large ones, as many for each of two threads.

    All that is done with the active rows alone is short, and each call a turn at the lock.
    """
    size = numpy_nearest.block_rows(k, d)
    return size if n <= size else even_blocks(n, size * (FEWER if d < LONG else 2))


def advance(
    block: np.ndarray,
    weights: np.ndarray | None,
    labels: np.ndarray,
    bound_gaps: np.ndarray,
    tall: np.ndarray | None = None,
    *,
    prepared: PreparedCenters,
    drift_limits: np.ndarray,
    derived: np.ndarray | None,
) -> Changes:
    """Search where the gap is used up; write `labels` and `bound_gaps`; return what changed.

    `tall`, (B, d + 2), has room for the rows ready for a product, of which the first step is made.
    `derived`, (k,), is half of how far each centre is from the next, rounded down, if that is
    asked: a row that is less far from its own keeps it.
    """
    if tall is not None and labels[0] < 0:
        tall[...] = numpy_nearest.augment(block, prepared)
    before = labels.copy()
    _renew(block, labels, bound_gaps, tall, prepared, drift_limits, derived)
    return changes(block, weights, before, labels, prepared)


def _renew(
    block: np.ndarray,
    labels: np.ndarray,
    bound_gaps: np.ndarray,
    tall: np.ndarray | None,
    prepared: PreparedCenters,
    drift_limits: np.ndarray,
    half_separations: np.ndarray | None,
) -> None:
    """Search where the gap is used up; write `labels` and `bound_gaps`."""
    active = unsettled(labels, bound_gaps, drift_limits)
    if len(active) * (1 + GATHERING / len(drift_limits)) > len(block):
        labels[:], bound_gap, _ = search(block, labels, prepared, tall, restless=RESTLESS)
        remember(bound_gaps, slice(None), bound_gap, labels, drift_limits)
        return
    for part in _portions(len(active), block.shape[1]):
        which = active[part]
        rows = gathered(block, which)
        if half_separations is not None:
            bound_gap = _gaps_by_separation(rows, labels.take(which), prepared, half_separations)
            stays, leaves = np.flatnonzero(bound_gap > 0), np.flatnonzero(~(bound_gap > 0))
            remember(bound_gaps, which.take(stays), bound_gap.take(stays), labels, drift_limits)
            which, rows = which.take(leaves), gathered(rows, leaves)
        ready = None if tall is None else gathered(tall, which)
        labels[which], bound_gap, _ = search(
            rows, labels.take(which), prepared, ready, restless=RESTLESS
        )
        remember(bound_gaps, which, bound_gap, labels, drift_limits)


def half_separations_of(prepared: PreparedCenters) -> np.ndarray:
    """Return half of how far each centre is from the next, (k,), rounded down."""
    centers = prepared.wide_centers
    squares = np.zeros((len(centers), len(centers)))
    for feature in centers.T:
        squares += np.square(feature[:, None] - feature)
    np.fill_diagonal(squares, np.inf)
    return np.sqrt(squares.min(axis=1)) * ((1 - ROUNDING) / 2)


def no_half_separations(prepared: PreparedCenters) -> None:
    """Return nothing: few rows are so near to their centre that its distance to others decides."""


def search(
    rows: np.ndarray,
    before: np.ndarray,
    prepared: PreparedCenters,
    ready: np.ndarray | None = None,
    *,
    restless: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels, (B,) int32; gaps, (B,); and distances to the own centre, rounded up.

    `ready` are the rows as `host.augment` makes them, where that was done before.
    A gap is -inf where only differences decide, and, like the distance, unknown where more than
    the part `restless` of the rows may change from the labels `before`: it would not last.
    """
    labels = before.copy()
    bound_gaps, own = (
        np.full(len(rows), -np.inf, rows.dtype),
        np.full(len(rows), np.inf, rows.dtype),
    )
    for part in numpy_nearest.pieces(rows, prepared):
        piece, old = rows[part], labels[part]
        augmented = numpy_nearest.augment(piece, prepared) if ready is None else ready[part]
        if old[0] < 0:
            found = numpy_nearest.search(augmented, prepared)
            old[:] = found.decided(piece, prepared)
            if restless >= 1:
                own[part], bound_gaps[part] = bounds(augmented[:, -2], *_sure(found), prepared)
            continue
        compared = compare(augmented, old, prepared)
        left = np.flatnonzero(~(compared.other > compared.bound))
        calm = len(left) <= restless * len(piece)
        if len(left) > PICKED * len(piece):
            left = np.arange(len(piece))
        found = compared.find(left)
        old[left] = found.decided(piece, prepared, left)
        if calm:
            compared.bound[left], compared.other[left] = _sure(found)
            own[part], bound_gaps[part] = bounds(
                augmented[:, -2], compared.bound, compared.other, prepared
            )
    return labels, bound_gaps, own


def _sure(found: Found) -> tuple[np.ndarray, np.ndarray]:
    """Return bounds of the best score and of the others, -inf where only differences decide."""
    other = found.second()
    other[found.unsure] = -np.inf
    return found.bound, other


def bounds(
    norms: np.ndarray, bound: np.ndarray, other: np.ndarray, prepared: PreparedCenters
) -> tuple[np.ndarray, np.ndarray]:
    """Return distances to the own centre, rounded up, and gaps, rounded down."""
    margin, squares = 4 * prepared.gamma, np.square(norms)
    lost = underflow(prepared.centers)
    nearest = squares * (1 + margin) + 2 * bound + lost
    others = squares * (1 - margin) + 2 * other - lost
    own = np.sqrt(np.maximum(nearest, 0)) * (1 + margin)
    bound_gaps = np.sqrt(np.maximum(others, 0)) * (1 - margin) - own
    # What overflowed bounds nothing.
    finite = np.isfinite(nearest)
    own[~finite] = np.inf
    bound_gaps[~(finite & np.isfinite(others))] = -np.inf
    return own, bound_gaps


def _gaps_by_separation(
    rows: np.ndarray, labels: np.ndarray, prepared: PreparedCenters, half_separations: np.ndarray
) -> np.ndarray:
    """Return a bound on the gap that takes the distance to the own centre alone."""
    squares = np.full(len(rows), underflow(rows), rows.dtype)
    for feature, center in zip(rows.T, prepared.centers.T.copy(), strict=True):
        squares += np.square(feature - center.take(labels))
    own = np.sqrt(squares) * (1 + 4 * prepared.gamma)
    half = half_separations.astype(rows.dtype).take(labels) * (1 - prepared.gamma)
    return 2 * (half - own)


def changes(
    block: np.ndarray,
    weights: np.ndarray | None,
    before: np.ndarray,
    labels: np.ndarray,
    prepared: PreparedCenters,
) -> Changes:
    """Return what clusters gain and lose by going from the labels `before` to `labels`."""
    where = np.flatnonzero(labels != before)
    return moved(block, weights, where, before.take(where), labels.take(where), prepared)


def moved(
    block: np.ndarray,
    weights: np.ndarray | None,
    where: np.ndarray,
    old: np.ndarray,
    new: np.ndarray,
    prepared: PreparedCenters,
) -> Changes:
    """Return the same as the rows at indices go from the labels `old` to `new`."""
    found = Changes.none(*prepared.centers.shape)
    for part in _portions(len(where), block.shape[1]):
        rows = rows_at(block, where[part])
        some = None if weights is None else weights.take(where[part])
        if old[part.start] < 0:
            found += _all_new(rows, some, new[part], prepared)
        else:
            found += _moved(rows, some, old[part], new[part], prepared)
    return found


def _portions(count: int, d: int) -> Iterator[slice]:
    return parts(count, min(BLOCK_ROWS, GATHERED // d))


def _all_new(
    rows: np.ndarray, weights: np.ndarray | None, labels: np.ndarray, prepared: PreparedCenters
) -> Changes:
    """Return the sums of rows that had no label before."""
    k = len(prepared.centers)
    sums, totals = numpy_nearest.sum_by_label(rows, labels, weights, prepared)
    counts = numpy_nearest.count(labels if weights is None else labels[weights > 0], k)
    return Changes(sums, totals, counts, np.zeros(k))


def _moved(
    rows: np.ndarray,
    weights: np.ndarray | None,
    old: np.ndarray,
    new: np.ndarray,
    prepared: PreparedCenters,
) -> Changes:
    """Return what rows take from their old cluster and bring to their new one."""
    if rows.shape[1] <= THIN:
        gained, lost = (_all_new(rows, weights, labels, prepared) for labels in (new, old))
        most = np.abs(rows.T - prepared.wide_origin[:, None]).max(initial=0)
        return Changes(
            gained.sums - lost.sums,
            gained.weights - lost.weights,
            gained.counts - lost.counts,
            (gained.weights + lost.weights) * most,
        )
    k, moved = len(prepared.centers), len(rows)
    shifted = numpy_nearest.shift(rows, prepared.wide_origin)
    both, signed = np.empty(2 * moved, new.dtype), np.empty(2 * moved)
    both[::2], both[1::2] = new, old
    signed[::2], signed[1::2] = (1, -1) if weights is None else (weights, -weights)
    totals = np.bincount(both, signed, k)
    counts = totals if weights is None else np.bincount(both, np.sign(signed), k)
    rounding_mass = np.bincount(both, np.abs(signed), k) * max(shifted.max(), -shifted.min())
    sums = _product(signed, both, k, rows.shape[1]) @ shifted
    return Changes(sums, totals, counts.astype(np.int64), rounding_mass)


def _product(signed: np.ndarray, both: np.ndarray, k: int, d: int) -> Any:
    """Return the matrix, (k, m), that has two of `signed` in each column, in the rows `both`."""
    moved = len(both) // 2
    if k * moved * d <= DENSE:
        member = np.zeros((k, moved))
        member[both, np.arange(2 * moved) // 2] = signed
        return member
    # Imported here: SciPy takes longer to import than the rest of the package together.
    from scipy.sparse import csc_array

    return csc_array((signed, both, np.arange(0, 2 * moved + 1, 2)), shape=(k, moved))
