"""One iteration of Lloyd's algorithm in NumPy, of those rows alone whose label may change."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from kmeans_xp.kernels import host
from kmeans_xp.kernels.blocks import even_blocks, parts, rows_at
from kmeans_xp.kernels.frame import Frame
from kmeans_xp.kernels.host_compare import compare
from kmeans_xp.kernels.tracker import ROUNDING, Changes

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


def block_rows(n: int, k: int, d: int) -> int:
    """Return how many rows a block should have: few large ones, as many for each of two threads.

    All that is done with the active rows alone is short, and each call a turn at the lock.
    """
    size = host.block_rows(k, d)
    return size if n <= size else even_blocks(n, size * (FEWER if d < LONG else 2))


def advance(
    block: np.ndarray,
    weights: np.ndarray | None,
    labels: np.ndarray,
    gaps: np.ndarray,
    tall: np.ndarray | None = None,
    *,
    frame: Frame,
    limits: np.ndarray,
    spaces: np.ndarray | None = None,
) -> Changes:
    """Search where the gap is used up; write `labels` and `gaps`; return what changed.

    `tall`, (B, d + 2), has room for the rows ready for a product, of which the first step is made.
    `spaces`, (k,), is how far each centre is from the next, rounded down: a row less than half as
    far from its own keeps it.
    """
    if tall is not None and labels[0] < 0:
        tall[...] = host.augment(block, frame)
    before = labels.copy()
    _renew(block, labels, gaps, tall, frame, limits, spaces)
    return changes(block, weights, before, labels, frame)


def _renew(
    block: np.ndarray,
    labels: np.ndarray,
    gaps: np.ndarray,
    tall: np.ndarray | None,
    frame: Frame,
    limits: np.ndarray,
    spaces: np.ndarray | None,
) -> None:
    """Search where the gap is used up; write `labels` and `gaps`."""
    active = unsettled(labels, gaps, limits)
    if len(active) * (1 + GATHERING / len(limits)) > len(block):
        labels[:], gap, _ = search(block, labels, frame, tall, restless=RESTLESS)
        remember(gaps, slice(None), gap, labels, limits)
        return
    for part in _portions(len(active), block.shape[1]):
        which = active[part]
        rows = gathered(block, which)
        if spaces is not None:
            gap = _gaps_by_space(rows, labels.take(which), frame, spaces)
            stays, leaves = np.flatnonzero(gap > 0), np.flatnonzero(~(gap > 0))
            remember(gaps, which.take(stays), gap.take(stays), labels, limits)
            which, rows = which.take(leaves), gathered(rows, leaves)
        ready = None if tall is None else gathered(tall, which)
        labels[which], gap, _ = search(rows, labels.take(which), frame, ready, restless=RESTLESS)
        remember(gaps, which, gap, labels, limits)


def spaces_of(centers: np.ndarray) -> np.ndarray:
    """Return how far each centre, (k, d) float64, is from the next, rounded down."""
    squares = np.zeros((len(centers), len(centers)))
    for feature in centers.T:
        squares += np.square(feature[:, None] - feature)
    np.fill_diagonal(squares, np.inf)
    return np.sqrt(squares.min(axis=1)) * (1 - ROUNDING)


def unsettled(labels: np.ndarray, gaps: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Return the rows whose gap is used up; a row without a label has none."""
    above = np.nextafter(limits.astype(np.float32), np.float32(np.inf))
    return np.flatnonzero(~(gaps > above.take(labels, mode="wrap")))


def gathered(rows: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Return the rows at ascending indices."""
    return rows if len(which) == len(rows) else rows_at(rows, which)


def remember(
    gaps: np.ndarray,
    which: np.ndarray | slice,
    gap: np.ndarray,
    labels: np.ndarray,
    limits: np.ndarray,
) -> None:
    """Write new gaps, not above those given, beside the limits from which they count."""
    if gap.max(initial=-np.inf) == -np.inf:
        gaps[which] = -np.inf
        return
    gap += np.nextafter(limits.astype(gap.dtype), gap.dtype.type(-np.inf)).take(labels[which])
    # More than the sum and the conversion round up, however small the number.
    gap *= 1 - 2.0**-21
    gap -= np.finfo(np.float32).smallest_normal
    gaps[which] = gap


def search(
    rows: np.ndarray,
    before: np.ndarray,
    frame: Frame,
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
    gaps, own = np.full(len(rows), -np.inf, rows.dtype), np.full(len(rows), np.inf, rows.dtype)
    for part in host.pieces(rows, frame):
        piece, old = rows[part], labels[part]
        augmented = host.augment(piece, frame) if ready is None else ready[part]
        if old[0] < 0:
            found = host.search(augmented, frame)
            old[:] = found.decided(piece, frame)
            if restless >= 1:
                own[part], gaps[part] = bounds(augmented[:, -2], *_sure(found), frame)
            continue
        compared = compare(augmented, old, frame)
        left = np.flatnonzero(~(compared.other > compared.bound))
        calm = len(left) <= restless * len(piece)
        if len(left) > PICKED * len(piece):
            left = np.arange(len(piece))
        found = compared.find(left)
        old[left] = found.decided(piece, frame, left)
        if calm:
            compared.bound[left], compared.other[left] = _sure(found)
            own[part], gaps[part] = bounds(augmented[:, -2], compared.bound, compared.other, frame)
    return labels, gaps, own


def _sure(found: host.Found) -> tuple[np.ndarray, np.ndarray]:
    """Return bounds of the best score and of the others, -inf where only differences decide."""
    other = found.second()
    other[found.unsure] = -np.inf
    return found.bound, other


def bounds(
    norms: np.ndarray, bound: np.ndarray, other: np.ndarray, frame: Frame
) -> tuple[np.ndarray, np.ndarray]:
    """Return distances to the own centre, rounded up, and gaps, rounded down."""
    margin, squares = 4 * frame.gamma, np.square(norms)
    lost = underflow(frame.centers)
    nearest = squares * (1 + margin) + 2 * bound + lost
    others = squares * (1 - margin) + 2 * other - lost
    own = np.sqrt(np.maximum(nearest, 0)) * (1 + margin)
    gaps = np.sqrt(np.maximum(others, 0)) * (1 - margin) - own
    # What overflowed bounds nothing.
    finite = np.isfinite(nearest)
    own[~finite] = np.inf
    gaps[~(finite & np.isfinite(others))] = -np.inf
    return own, gaps


def _gaps_by_space(
    rows: np.ndarray, labels: np.ndarray, frame: Frame, spaces: np.ndarray
) -> np.ndarray:
    """Return a bound on the gap that takes the distance to the own centre alone."""
    squares = np.full(len(rows), underflow(rows), rows.dtype)
    for feature, center in zip(rows.T, frame.centers.T.copy(), strict=True):
        squares += np.square(feature - center.take(labels))
    own = np.sqrt(squares) * (2 * (1 + 4 * frame.gamma))
    return spaces.astype(rows.dtype).take(labels) * (1 - frame.gamma) - own


def underflow(rows: np.ndarray) -> float:
    """Return more than squares of a row may lose by being too small."""
    return 16 * rows.shape[1] * float(np.finfo(rows.dtype).smallest_normal)


def changes(
    block: np.ndarray,
    weights: np.ndarray | None,
    before: np.ndarray,
    labels: np.ndarray,
    frame: Frame,
) -> Changes:
    """Return what clusters gain and lose by going from the labels `before` to `labels`."""
    where = np.flatnonzero(labels != before)
    return moved(block, weights, where, before.take(where), labels.take(where), frame)


def moved(
    block: np.ndarray,
    weights: np.ndarray | None,
    where: np.ndarray,
    old: np.ndarray,
    new: np.ndarray,
    frame: Frame,
) -> Changes:
    """Return the same as the rows at indices go from the labels `old` to `new`."""
    found = Changes.none(*frame.centers.shape)
    for part in _portions(len(where), block.shape[1]):
        rows = rows_at(block, where[part])
        some = None if weights is None else weights.take(where[part])
        if old[part.start] < 0:
            found += _all_new(rows, some, new[part], frame)
        else:
            found += _moved(rows, some, old[part], new[part], frame)
    return found


def _portions(count: int, d: int) -> Iterator[slice]:
    return parts(count, min(host.BLOCK_ROWS, GATHERED // d))


def _all_new(
    rows: np.ndarray, weights: np.ndarray | None, labels: np.ndarray, frame: Frame
) -> Changes:
    """Return the sums of rows that had no label before."""
    k = len(frame.centers)
    sums, totals = host.sum_by_label(rows, labels, weights, frame)
    counts = host.count(labels if weights is None else labels[weights > 0], k)
    return Changes(sums, totals, counts, np.zeros(k))


def _moved(
    rows: np.ndarray,
    weights: np.ndarray | None,
    old: np.ndarray,
    new: np.ndarray,
    frame: Frame,
) -> Changes:
    """Return what rows take from their old cluster and bring to their new one."""
    if rows.shape[1] <= host.THIN:
        gained, lost = (_all_new(rows, weights, labels, frame) for labels in (new, old))
        most = np.abs(rows.T - frame.wide_origin[:, None]).max(initial=0)
        return Changes(
            gained.sums - lost.sums,
            gained.weights - lost.weights,
            gained.counts - lost.counts,
            (gained.weights + lost.weights) * most,
        )
    k, moved = len(frame.centers), len(rows)
    shifted = host.shift(rows, frame.wide_origin)
    both, signed = np.empty(2 * moved, new.dtype), np.empty(2 * moved)
    both[::2], both[1::2] = new, old
    signed[::2], signed[1::2] = (1, -1) if weights is None else (weights, -weights)
    totals = np.bincount(both, signed, k)
    counts = totals if weights is None else np.bincount(both, np.sign(signed), k)
    stirred = np.bincount(both, np.abs(signed), k) * max(shifted.max(), -shifted.min())
    sums = _product(signed, both, k, rows.shape[1]) @ shifted
    return Changes(sums, totals, counts.astype(np.int64), stirred)


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
