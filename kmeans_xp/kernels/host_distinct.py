"""Iterations of Lloyd's algorithm in NumPy, of rows of which many are equal: of each one once.

Such are the pixels of a picture, whose colours are few. Equal rows have one label, and count as one
row that has the weight of all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, final

import numpy as np

from kmeans_xp.kernels import host_gaps
from kmeans_xp.kernels.blocks import even_blocks, parts, rows_at
from kmeans_xp.kernels.frame import Frame
from kmeans_xp.kernels.tracker import Changes, Step, Tracker

# Rows of a block at most: the more, the more of them are equal.
BLOCK_ROWS = 1 << 19
# Pairs of equal rows among those that stand for all that are no chance.
PAIRS = 16
# Rows that are looked at in one go.
AT_A_TIME = 1 << 14
# An odd number without a pattern, by which every bit changes higher ones (Steele et al., "Fast
# splittable pseudorandom number generators", OOPSLA 2014).
MIXER = 0x9E3779B97F4A7C15


@final
class DistinctTracker(Tracker):
    """Remembers the gaps of distinct rows.

    Parameters
    ----------
    n, k : int
        Rows and centres.
    about : callable
        (frame) -> what else than the frame and the limits `host_gaps.advance` is told, by name.

    Attributes
    ----------
    memory : tuple
        The labels; and the numbers of the rows.
    held : dict of int to Distinct
        Of each block, by the number of its first row.
    """

    def __init__(self, n: int, k: int, about: Callable[[Frame], dict[str, Any]]) -> None:
        super().__init__(k, even_blocks(n, BLOCK_ROWS))
        self.memory = np.full(n, -1, np.int32), range(n)
        self.held: dict[int, Distinct] = {}
        self._about = about

    def turn(self, frame: Frame) -> Step:
        """Return the step of an iteration."""
        self._drift.follow(frame.wide_centers)
        about = self._about(frame)
        return partial(advance, held=self.held, frame=frame, limits=self.limits, **about)


def advance(
    block: np.ndarray,
    weights: np.ndarray | None,
    labels: np.ndarray,
    numbers: range,
    *,
    held: dict[int, "Distinct"],
    **about: Any,
) -> Changes:
    """Search distinct rows whose gaps are used up; write the memory; return what changed."""
    if numbers.start not in held:
        held[numbers.start] = Distinct.of(block, weights)
    some = held[numbers.start]
    before = some.labels.copy()
    found = host_gaps.advance(some.rows, some.weights, some.labels, some.gaps, **about)
    some.spread(np.flatnonzero(some.labels != before), labels)
    return found


@dataclass(frozen=True)
class Distinct:
    """Each of the m rows, (m, d), of which a block of B rows has one or several.

    Attributes
    ----------
    rows : ndarray of shape (m, d)
    weights : ndarray of shape (m,), float64
        Of the equal ones together.
    order : ndarray of shape (B,), int32
        Indices of those that are equal to the first row, then of those equal to the next, ...
    first, counts : ndarray of shape (m,), int32
        Where in the order they begin, and how many they are.
    labels, gaps : ndarray of shape (m,), int32 and float32
        As a tracker remembers them.
    """

    rows: np.ndarray
    weights: np.ndarray
    order: np.ndarray
    first: np.ndarray
    counts: np.ndarray
    labels: np.ndarray
    gaps: np.ndarray

    @classmethod
    def of(cls, block: np.ndarray, weights: np.ndarray | None) -> Self:
        """Find the distinct rows of a block."""
        order = together(block)
        new = np.ones(len(order), np.bool_)
        for start in range(0, len(order), AT_A_TIME):
            features = rows_at(block, order[start : start + AT_A_TIME + 1]).T
            changed = (features[:, 1:] != features[:, :-1]).any(axis=0)
            new[start + 1 : start + AT_A_TIME + 1] = changed
        first = np.flatnonzero(new).astype(np.int32)
        counts = np.diff(first, append=np.int32(len(order)))
        masses = counts if weights is None else np.add.reduceat(weights.take(order), first)
        rows = rows_at(block, order.take(first))
        labels, gaps = np.full(len(rows), -1, np.int32), np.full(len(rows), -np.inf, np.float32)
        return cls(rows, masses.astype(np.float64), order, first, counts, labels, gaps)

    def spread(self, which: np.ndarray, labels: np.ndarray) -> None:
        """Write the labels of these distinct rows to the `labels` of all that are equal to them."""
        for part in parts(len(which), AT_A_TIME):
            some = which[part]
            counts = self.counts.take(some)
            stops = np.cumsum(counts)
            places = np.repeat(self.first.take(some) + counts - stops, counts)
            places += np.arange(len(places))
            labels[self.order.take(places)] = np.repeat(self.labels.take(some), counts)


def repeated(some: np.ndarray, n: int) -> bool:
    """Return whether at most half of n rows are distinct, by rows that stand for them.

    By those of which there are two: one row that is everywhere tells nothing of the others.
    """
    pairs = np.count_nonzero(Distinct.of(some, None).counts == 2)
    return bool(pairs >= max(PAIRS, len(some) ** 2 / (2 * n)))


def together(block: np.ndarray) -> np.ndarray:
    """Return an order, (B,) int32, of rows in which those that are equal follow each other.

    They are sorted by mixed bits, which leave room in a word for their places: several times as
    fast as to sort them themselves. If others have the same bits, equal ones may lie apart.
    """
    n, d = block.shape
    words = np.zeros(n, np.uint64)
    place = np.uint64((1 << n.bit_length()) - 1)
    for part in parts(n, AT_A_TIME):
        features, mixed = block[part].T.copy(), words[part]
        bits = features.view(np.uint32).reshape(d, len(mixed), -1)
        for word in bits.transpose(0, 2, 1).reshape(-1, len(mixed)):
            mixed ^= mixed >> np.uint64(32)
            mixed += word
            mixed *= np.uint64(MIXER)
        mixed &= ~place
        mixed |= np.arange(part.start, part.start + len(mixed), dtype=np.uint64)
    words.sort()
    words &= place
    return words.astype(np.int32)
