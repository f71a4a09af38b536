"""Iterations of Lloyd's algorithm in NumPy, of a few features: boxes of rows that lie together.

Rows are sorted once so that each sixteen of them lie in a small box. The gap of a box is that of
its middle less twice its radius: while it is not used up all of its rows keep their label. Of a box
that has no gap, most centres are excluded for all rows at once (Kanungo et al., "An efficient
k-means clustering algorithm", IEEE TPAMI 24, 2002), and direct differences decide among the few
that are left.
"""

import math
from functools import partial
from typing import final

import numpy as np

from kmeans_xp.kernels import host, host_gaps
from kmeans_xp.kernels.frame import Frame, tied
from kmeans_xp.kernels.host_compare import compare
from kmeans_xp.kernels.tracker import Changes, Step, Tracker

# Rows of a box.
SIDE = 16
# Rows of a block at most: threads that share short calls stand in each other's way.
BLOCK_ROWS = 1 << 18
# Centres left to a box above which its rows are searched one by one.
MOST = 4
# More than float64 rounds away in a few operations.
EXACT = 2.0**-46


@final
class BoxTracker(Tracker):
    """Remembers boxes of rows.

    Parameters
    ----------
    n, k : int
        Rows and centres.

    Attributes
    ----------
    memory : tuple
        The labels; and the numbers of the rows.
    boxes : dict of int to Boxes
        Of each block, by the number of its first row.
    """

    def __init__(self, n: int, k: int) -> None:
        super().__init__(k, math.ceil(n / math.ceil(n / BLOCK_ROWS)))
        self.memory = np.full(n, -1, np.int32), range(n)
        self.boxes: dict[int, Boxes] = {}

    def turn(self, frame: Frame) -> Step:
        """Return the step of an iteration."""
        self._drift.follow(frame.wide_centers)
        return partial(advance, boxes=self.boxes, frame=frame, limits=self.limits)


def advance(
    block: np.ndarray,
    weights: np.ndarray | None,
    labels: np.ndarray,
    numbers: range,
    *,
    boxes: dict[int, "Boxes"],
    frame: Frame,
    limits: np.ndarray,
) -> Changes:
    """Search where the gaps of boxes are used up; write the memory; return what changed."""
    if numbers.start not in boxes:
        boxes[numbers.start] = Boxes(block, frame)
    where, new = boxes[numbers.start].follow(frame, limits)
    old = labels.take(where)
    labels[where] = new
    return host_gaps.moved(block, weights, where, old, new, frame)


class Boxes:
    """The rows of a block, (B, d), in m boxes.

    Attributes
    ----------
    order : ndarray of shape (m * SIDE,), int32
        Indices of the rows, box by box; the last of them again until its box is full.
    features : ndarray of shape (d, m, SIDE)
        The rows, feature by feature.
    middles, halves : ndarray of shape (d, m), float64
        Of each box: its rows are no farther than a half from the middle, feature by feature.
    across : ndarray of shape (m,)
        Twice the distance of the farthest of them, rounded up.
    labels : ndarray of shape (m, SIDE), int32
        Of the rows.
    centers : ndarray of shape (m,), int32
        The nearest to the middle, when it was last looked at.
    gaps : ndarray of shape (m,), float32
        As a tracker remembers them of rows; -inf where not all have the label of the middle.
    """

    def __init__(self, block: np.ndarray, frame: Frame) -> None:
        order = together(block)
        self.size = len(order)
        self.order = np.pad(order.astype(np.int32), (0, -len(order) % SIDE), "edge")
        boxes = len(self.order) // SIDE
        self.features = block.T.take(self.order, axis=1).reshape(-1, boxes, SIDE)
        low, high = self.features.min(axis=2), self.features.max(axis=2)
        middles = low / 2 + high / 2
        self.ready = host.augment(middles.T, frame).copy("K")
        self.middles = middles.astype(np.float64)
        self.halves = np.maximum(high - self.middles, self.middles - low) * (1 + EXACT)
        squares = np.square(self.features - self.middles[:, :, None]).sum(axis=0)
        across = np.sqrt(squares.max(axis=1)) * (2 + EXACT)
        self.across = np.nextafter(across.astype(block.dtype), block.dtype.type(np.inf))
        self.labels = np.full((boxes, SIDE), -1, np.int32)
        self.centers = np.zeros(boxes, np.int32)
        self.gaps = np.full(boxes, -np.inf, np.float32)

    def follow(self, frame: Frame, limits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which rows have another label than before, and their labels."""
        active = host_gaps.unsettled(self.centers, self.gaps, limits)
        changed = [np.empty(0, np.intp)]
        for part in host.pieces(active, frame):
            changed += self._search(active[part], frame, limits)
        where = np.concatenate(changed)
        where = where[where < self.size]
        return self.order.take(where), self.labels.reshape(-1).take(where)

    def _search(self, which: np.ndarray, frame: Frame, limits: np.ndarray) -> list[np.ndarray]:
        """Search for boxes; return the places of rows that changed their label."""
        ready, across = self.ready.T.take(which, axis=1).T, self.across.take(which)
        compared = compare(ready, self.centers.take(which), frame)
        _, gap = host_gaps.bounds(ready[:, -2], compared.bound, compared.other, frame)
        gap -= across
        whole = gap > 0
        left = np.flatnonzero(~whole)
        new = which[whole & (self.gaps.take(which) == -np.inf)]
        changed = [self._label(new, self.centers.take(new)[:, None])]
        gap[left] = -np.inf
        host_gaps.remember(self.gaps, which, gap, self.centers, limits)
        if len(left):
            which, lower = which[left], compared.scores(left)
            lower = lower if host.few(frame) else lower.T
            best, i, j = _near(lower, ready[left, -2], across[left], frame)
            self.centers[which] = best
            found = self._among(which, *self._nearer(which, best, i, j, frame), frame)
            changed.append(self._label(which, found))
        return changed

    def _nearer(
        self, which: np.ndarray, best: np.ndarray, i: np.ndarray, j: np.ndarray, frame: Frame
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return those pairs of boxes and centres of which some row may have no nearer `best`.

        How much farther the one centre is than the other is linear in the row.
        """
        excess, scale = np.zeros(len(i)), np.zeros(len(i))
        box = which.take(i)
        for center, middle, half in zip(
            frame.wide_centers.T.copy(), self.middles, self.halves, strict=True
        ):
            at, reach = middle.take(box), half.take(box)
            one, other = center.take(j) - at, center.take(best).take(i) - at
            excess += one * one - other * other - 2 * np.abs(one - other) * reach
            scale += np.square(np.abs(one) + np.abs(other) + reach)
        stays = np.flatnonzero(~(excess > scale * (EXACT * len(self.halves))))
        return i.take(stays), j.take(stays)

    def _among(self, which: np.ndarray, i: np.ndarray, j: np.ndarray, frame: Frame) -> np.ndarray:
        """Return the labels of the rows of m boxes, (m, SIDE), whose near centres are given."""
        counts = np.bincount(i, minlength=len(which))
        first = np.cumsum(counts) - counts
        found = np.repeat(j.take(first)[:, None], SIDE, axis=1)
        for count in range(2, MOST + 1):
            some = np.flatnonzero(counts == count)
            if len(some):
                among = j.take(first.take(some) + np.arange(count)[:, None])
                found[some] = self._direct(which.take(some), among, frame)
        many = np.flatnonzero(counts > MOST)
        if len(many):
            rows = self.features.take(which.take(many), axis=1).reshape(len(self.features), -1).T
            found[many] = host.labels(rows, frame).reshape(-1, SIDE)
        return found

    def _direct(self, which: np.ndarray, among: np.ndarray, frame: Frame) -> np.ndarray:
        """Return the nearest of some centres, (c, m), ascending, to the rows of m boxes."""
        squares = np.zeros((*among.shape, SIDE))
        for feature, center in zip(self.features, frame.wide_centers.T.copy(), strict=True):
            rows = feature.take(which, axis=0).astype(np.float64)
            difference = rows - center.take(among)[:, :, None]
            squares += np.square(difference, out=difference)
        least = squares.min(axis=0) * tied(len(self.features))
        found = np.repeat(among[-1][:, None], SIDE, axis=1)
        for center, square in zip(among[-2::-1], squares[-2::-1], strict=True):
            np.copyto(found, center[:, None], where=square <= least)
        return found

    def _label(self, which: np.ndarray, found: np.ndarray) -> np.ndarray:
        """Write the labels of the rows of boxes; return the places of those that changed."""
        changed = np.flatnonzero(self.labels.take(which, axis=0) != found)
        self.labels[which] = found
        return which.take(changed // SIDE) * SIDE + changed % SIDE


def _near(
    lower: np.ndarray, norms: np.ndarray, across: np.ndarray, frame: Frame
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the nearest centre to the middle of each of m boxes, and (box, centre) of near ones.

    `lower` are scores of k centres, (k, m). Centres are near that may be the nearest to some row.
    """
    least = lower.min(axis=0)
    k, m = lower.shape
    # Many times as fast as `argmin` along the first axis, as is one index beside two.
    place = np.flatnonzero(lower == least)
    best = np.zeros(m, np.int32)
    best[place % m] = place // m
    slack = frame.slack.max(axis=0)
    bound = least + norms * slack[0] + slack[1]
    own, _ = host_gaps.bounds(norms, bound, bound, frame)
    margin = 4 * frame.gamma
    limit = np.square(own + across) * (1 + margin) - np.square(norms) * (1 - margin)
    limit += host_gaps.underflow(frame.centers)
    place = np.flatnonzero(~(lower > limit / 2).T.copy())
    box = place // k
    return best, box, place - k * box


def together(block: np.ndarray) -> np.ndarray:
    """Return the order of rows in which those that follow each other lie together.

    Slices by the first feature, each of them cut by the second, and so on (Leutenegger et al.,
    "STR: a simple and efficient algorithm for R-tree packing", ICDE 1997).
    """
    n, d = block.shape
    parts = max(1, round((n / SIDE) ** (1 / d)))
    order, size = np.argsort(block[:, 0]), n
    for feature in block.T[1:]:
        size = max(SIDE, math.ceil(size / parts / SIDE) * SIDE)
        whole = n // size * size
        slices = order[:whole].reshape(-1, size)
        inner = np.argsort(feature.take(slices), axis=1)
        order[:whole] = np.take_along_axis(slices, inner, axis=1).reshape(-1)
    return order
