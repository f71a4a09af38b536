"""One iteration of Lloyd's algorithm from rows that are rounded to bytes, compiled by Numba.

Bounds are those of `seed_bytes`: products of bytes exclude all but a few centres of a row, which
are then looked at one by one. Imported only where Numba is.
"""

from dataclasses import dataclass

import numpy as np

from kmeans_xp.kernels import byte_loops, host_gaps
from kmeans_xp.kernels.byte_sample import BYTES_UP_TO
from kmeans_xp.kernels.byte_tiles import ROWS
from kmeans_xp.kernels.fast_lanes import ready_rows
from kmeans_xp.kernels.fast_projection import changes
from kmeans_xp.kernels.frame import Frame
from kmeans_xp.kernels.seed_bytes import by_lanes, width_of
from kmeans_xp.kernels.tracker import Changes

# Norms below which no bound overflows.
LARGEST = 2.0**60


@dataclass(frozen=True)
class Centers:
    """Centres as bytes.

    Attributes
    ----------
    arrays : tuple of ndarray
        Bytes for tiles; factors of a row's product, of what it lost and of its norm, and what is
        added to them, (4, m) float32; and the centres themselves, (k, d) float64.
    largest : float
        Rows of a larger norm are left to others.
    """

    arrays: tuple[np.ndarray, np.ndarray, np.ndarray]
    largest: float


def memory_of(n: int, d: int) -> tuple[np.ndarray, ...]:
    """Return room for the bytes of the rows, what their products begin with, and their marks."""
    return np.empty((n, width_of(d)), np.int32), np.empty(n, np.int32), np.empty((n, 4), np.float32)


def centers_of(frame: Frame) -> Centers:
    """Return the centres of a frame as bytes."""
    k, d = frame.centers.shape
    size = -(-k // ROWS) * ROWS
    words, marks = np.zeros((size, width_of(d)), np.int32), np.empty((4, k), np.float32)
    byte_loops.shorten(ready_rows(frame.centers), _origin(frame), words[:k], marks)
    by_lanes(words)
    scale, lost, norm, square = marks
    terms = np.zeros((4, size), np.float32)
    terms[0, :k], terms[1, :k], terms[2, :k] = scale, norm + lost, lost
    terms[3] = -np.inf
    terms[3, :k] = host_gaps.underflow(np.empty((0, d), np.float32)) - 0.5 * square
    largest = LARGEST if norm.max() < LARGEST and d <= BYTES_UP_TO else 0.0
    wide = np.require(frame.wide_centers, None, ["C", "A", "W"])
    return Centers((words.reshape(-1), terms, wide), largest)


def advance(
    block: np.ndarray,
    weights: np.ndarray | None,
    labels: np.ndarray,
    gaps: np.ndarray,
    words: np.ndarray,
    starts: np.ndarray,
    marks: np.ndarray,
    *,
    frame: Frame,
    limits: np.ndarray,
    centers: Centers,
) -> Changes:
    """As `host_gaps.advance`."""
    block, before = ready_rows(block), labels.copy()
    if len(labels) and labels[0] < 0:
        columns = np.empty((4, len(block)), np.float32)
        byte_loops.shorten(block, _origin(frame), words, columns)
        marks[:] = columns.T
        starts[:] = -128 * words.view(np.int8).sum(axis=1, dtype=np.int32)
    active = host_gaps.unsettled(labels, gaps, limits)
    left = active[
        byte_loops.look(
            block, active, words, starts, marks, labels, gaps, centers.arrays, limits,
            centers.largest,
        )
    ]  # fmt: skip
    if len(left):
        rows = host_gaps.gathered(block, left)
        labels[left], gap, _ = host_gaps.search(rows, labels[left], frame, restless=1)
        host_gaps.remember(gaps, left, gap, labels, limits)
    return changes(block, weights, before, labels, frame)


def _origin(frame: Frame) -> np.ndarray:
    return np.require(frame.wide_origin, np.float64, ["C", "A", "W"])
