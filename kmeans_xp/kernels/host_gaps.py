"""One iteration of Lloyd's algorithm in NumPy, of those rows alone whose label may change."""

from typing import Any

import numpy as np

from kmeans_xp.kernels import host
from kmeans_xp.kernels.frame import Frame
from kmeans_xp.kernels.tracker import ROUNDING, Changes

# Part of the rows that change their label while bounds are not worth their price.
RESTLESS = 0.02
# Entries of a matrix below which a sparse one takes longer to make.
DENSE = 1 << 13


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
    active = unsettled(labels, gaps, limits)
    rows = gathered(block, active)
    if tall is not None and labels[0] < 0:
        tall[...] = host.augment(block, frame)
    if spaces is not None and len(active) < len(block):
        gap = _gaps_by_space(rows, labels[active], frame, spaces)
        stays = gap > 0
        remember(gaps, active[stays], gap[stays], labels, limits)
        leaves = np.flatnonzero(~stays)
        active, rows = active[leaves], gathered(rows, leaves)
    before = labels.copy()
    ready = None if tall is None else gathered(tall, active)
    labels[active], gap, _ = search(rows, before[active], frame, ready, restless=RESTLESS)
    remember(gaps, active, gap, labels, limits)
    return changes(block, weights, before, labels, frame)


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
    return rows if len(which) == len(rows) else rows.take(which, axis=0)


def remember(
    gaps: np.ndarray, which: np.ndarray, gap: np.ndarray, labels: np.ndarray, limits: np.ndarray
) -> None:
    """Write new gaps, not above those given, beside the limits from which they count."""
    if gap.max(initial=-np.inf) == -np.inf:
        gaps[which] = -np.inf
        return
    gap += np.nextafter(limits.astype(gap.dtype), gap.dtype.type(-np.inf))[labels[which]]
    # A step down is more than the sum and the conversion round up, however small the number.
    gaps[which] = np.nextafter(gap.astype(np.float32, copy=False), np.float32(-np.inf))


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
    the part `restless` of the rows changes from the labels `before`: it would not last.
    """
    labels = np.empty(len(rows), np.int32)
    gaps, own = np.full(len(rows), -np.inf, rows.dtype), np.full(len(rows), np.inf, rows.dtype)
    for part in host.pieces(rows, frame):
        piece = rows[part]
        augmented = host.augment(piece, frame) if ready is None else ready[part]
        found = host.search(augmented, frame)
        labels[part] = found.decided(piece, frame)
        if np.count_nonzero(labels[part] != before[part]) <= restless * len(piece):
            own[part], gaps[part] = _bounds(augmented, found, frame)
    return labels, gaps, own


def _bounds(
    augmented: np.ndarray, found: host.Found, frame: Frame
) -> tuple[np.ndarray, np.ndarray]:
    """Return distances to the own centre, rounded up, and gaps, rounded down."""
    margin, squares = 4 * frame.gamma, np.square(augmented[:, -2])
    nearest = squares * (1 + margin) + 2 * found.bound + underflow(augmented)
    other = squares * (1 - margin) + 2 * found.second() - underflow(augmented)
    own = np.sqrt(np.maximum(nearest, 0)) * (1 + margin)
    gaps = np.sqrt(np.maximum(other, 0)) * (1 - margin) - own
    gaps[found.unsure] = -np.inf
    # What overflowed bounds nothing.
    lost = ~(np.isfinite(nearest) & np.isfinite(other))
    own[lost], gaps[lost] = np.inf, -np.inf
    return own, gaps


def _gaps_by_space(
    rows: np.ndarray, labels: np.ndarray, frame: Frame, spaces: np.ndarray
) -> np.ndarray:
    """Return a bound on the gap that takes the distance to the own centre alone."""
    difference = rows - frame.centers.take(labels, axis=0)
    squares = np.vecdot(difference, difference)
    own = np.sqrt(squares + underflow(rows)) * (2 * (1 + 4 * frame.gamma))
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
    if not len(where):
        return Changes.none(*frame.centers.shape)
    old, new = before[where], labels[where]
    weights = None if weights is None else weights[where]
    rows = gathered(block, where)
    if old[0] < 0:
        return _all_new(rows, weights, new, frame)
    return _moved(rows, weights, old, new, frame)


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
    k, moved = len(frame.centers), len(rows)
    shifted = host.shift(rows, frame.wide_origin)
    both, signed = np.empty(2 * moved, new.dtype), np.empty(2 * moved)
    both[::2], both[1::2] = new, old
    signed[::2], signed[1::2] = (1, -1) if weights is None else (weights, -weights)
    totals = np.bincount(both, signed, k)
    counts = totals if weights is None else np.bincount(both, np.sign(signed), k)
    stirred = np.bincount(both, np.abs(signed), k) * np.abs(shifted).max(initial=0)
    sums = _product(signed, both, k) @ shifted
    return Changes(sums, totals, counts.astype(np.int64), stirred)


def _product(signed: np.ndarray, both: np.ndarray, k: int) -> Any:
    """Return the matrix, (k, m), that has two of `signed` in each column, in the rows `both`."""
    moved = len(both) // 2
    if k * moved <= DENSE:
        member = np.zeros((k, moved))
        member[both, np.arange(2 * moved) // 2] = signed
        return member
    # Imported here: SciPy takes longer to import than the rest of the package together.
    from scipy.sparse import csc_array

    return csc_array((signed, both, np.arange(0, 2 * moved + 1, 2)), shape=(k, moved))
