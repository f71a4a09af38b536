"""A whole iteration of Lloyd's algorithm in one compiled call, for rows of few features.

Imported only where Numba is. Where the rows are few, the calls that an iteration is made of
elsewhere take longer than the work itself.
"""

from collections.abc import Callable
from functools import partial
from itertools import chain, repeat
from typing import Any, NamedTuple

import numpy as np
from numba import typeof, types

from kmeans_xp.kernels.interface import FusedIteration, Team
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.low_d import pieces
from kmeans_xp.kernels.numba.low_d.drift import CenterDrift, follow, no_drift
from kmeans_xp.kernels.numba.low_d.hamerly import Rows, advance_piece, rows_of
from kmeans_xp.kernels.numba.low_d.neighbours import Neighbors, sort, unordered
from kmeans_xp.kernels.numba.simd.atomics import pause
from kmeans_xp.kernels.numba.simd.vector import LANES
from kmeans_xp.kernels.numba.sums import ClusterSums, SumsAbout, no_sums, sum_in_order
from kmeans_xp.kernels.shared.cluster_totals import ClusterTotals, Move
from kmeans_xp.kernels.shared.hamerly import ROUNDING
from kmeans_xp.kernels.shared.prepared_centers import Origin

# Pieces of the rows at most that threads share: more would be shared more evenly, but each adds up
# the changes of all clusters. A piece has rows enough to be worth taking, and to fill vectors with
# rows of one label.
PIECES, PIECE_ROWS, FILL = 16, 1024, 4
# Features up to which radii are kept: with more, they are so long that all centres matter. After
# the fifth iteration 18% instead of 33% of the rows of geo (d = 2) were looked at, 23 instead of
# 28% of color (3), and 42 instead of 44% of flights (4).
RADII_UP_TO = 8
# Iterations in which all rows are measured for the radii: the third, and each that is so many times
# later. Measured in every one, 17% of the rows of geo were looked at; after the first only, 22%.
MEASURED = 3
# Centres up to which neighbours are kept from one iteration to the next where all centres matter;
# of more, all are found again in each.
KEPT_UP_TO = 64
# What a thread does in a call: begin an iteration, whose neighbours are in order or not; go on with
# it; or help with any.
BEGINS, BEGINS_SORTED, GOES_ON, HELPS = range(4)
# How often a thread asks for a piece before it goes back to the interpreter. To be woken takes as
# long as a short iteration: with helpers that stay awake flights took 172 instead of 255 ms.
PATIENCE = 1 << 13


class State(NamedTuple):
    """All that is kept from one iteration to the next, and shared by threads."""

    rows: Rows
    about: SumsAbout
    neighbors: Neighbors
    drift: CenterDrift
    totals: ClusterSums
    changes: ClusterSums  # of each piece of the rows, along a first axis
    terms: np.ndarray  # (2, k * d): room for what gain and shift are added up from
    squared_radii: np.ndarray  # (p, k), of each piece; (p, 0) where radii are not kept
    measures_all: np.ndarray  # (1,) bool: whether radii are measured of all rows
    progress: pieces.Progress


class LowDIteration(FusedIteration):
    """The memory of one run, and its iterations.

    Parameters
    ----------
    block : ndarray of shape (n, d)
        All rows.
    weights : ndarray of shape (n,) or None
    k : int
        How many clusters.
    origin : Origin
        Amid the rows, about which they are summed.
    team : callable
        (work, help) -> None: calls `work` until it returns true, and `help` on other threads.
    """

    def __init__(
        self, block: np.ndarray, weights: np.ndarray | None, k: int, origin: Origin, team: Team
    ) -> None:
        self._state = _new_state(block, weights, k, origin)
        self._compiled = compiling.entry_point(_step, self._state.rows.block.dtype)
        self.row_labels = self._state.rows.labels
        keeps_radii = len(self._state.drift.leads) > 0
        self._kept_up_to = k if keeps_radii else KEPT_UP_TO
        self._iteration, self._next_measured = 0, MEASURED if keeps_radii else 0
        self._team = team if len(self._state.changes.high) > 1 else _alone

    def step(self, centers: np.ndarray) -> Move:
        """Search the rows whose label may change, and move each centre to the mean of its rows."""
        k, state, is_first = len(centers), self._state, self._iteration == 0
        state.neighbors.centers[:k] = centers
        if is_first:
            state.drift.centers[:] = centers
        is_sorted = is_first or k > self._kept_up_to
        if is_sorted:
            sort(state.neighbors)
        self._iteration += 1
        state.measures_all[0] = measures_all = self._iteration == self._next_measured
        self._next_measured *= MEASURED if measures_all else 1
        moved = np.empty(centers.shape, state.neighbors.centers.dtype)
        outcome = (False, 0.0, 0.0, 0)
        roles = chain([BEGINS_SORTED if is_sorted else BEGINS], repeat(GOES_ON))

        def work() -> bool:
            nonlocal outcome
            outcome = self._compiled(state, next(roles), moved)
            return outcome[0]

        self._team(work, partial(self._compiled, state, HELPS, moved))
        return Move(moved, *outcome[1:])

    @property
    def totals(self) -> ClusterTotals:
        """Return the totals of the clusters after the last step."""
        return ClusterTotals(*self._state.totals)


def _new_state(block: np.ndarray, weights: np.ndarray | None, k: int, origin: Origin) -> State:
    """Return the state before the first iteration; helpers that are awake find no piece to take."""
    (n, d), dtype = block.shape, block.dtype.newbyteorder("=")
    count = max(1, min(PIECES, n // max(PIECE_ROWS, FILL * LANES * k)))
    return State(
        rows_of(block, weights, np.full(n, -1, np.int32), np.full(n, -np.inf, np.float32)),
        SumsAbout.of(origin.point.astype(np.float64), origin.grids),
        unordered(np.zeros((k, d), dtype), k + 1),
        no_drift(k, d, dtype, keeps_radii=d <= RADII_UP_TO),
        no_sums(d, k),
        no_sums(d, count, k),
        np.zeros((2, k * d)),
        np.zeros((count, k * (d <= RADII_UP_TO))),
        np.zeros(1, np.bool_),
        pieces.no_progress(count),
    )


def _alone(work: Callable[[], bool], _help: Callable[[], Any]) -> None:
    while not work():
        pass


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for rows of `dtype`."""
    block = np.zeros((1, 1), dtype)
    return {
        "_step": (typeof(_new_state(block, None, 1, Origin(block[0]))), types.intp, typeof(block))
    }


@compiling.entry
def _step(state: State, role: int, moved: Any) -> tuple[bool, float, float, int]:
    """Do an iteration, or help with it; return whether it is done, and gain, shift and empty.

    Those are as in `Move`; `moved` is room for the new centres. Any number of threads may help.
    Nobody waits for a thread that has not begun; one that has nothing left to do waits for the next
    iteration, but not for long.
    """
    count, idle = len(state.changes.high), 0
    if role <= BEGINS_SORTED:
        follow(state.neighbors, state.drift, role == BEGINS_SORTED)
        pieces.restart(state.progress)
        if count > 1:
            return False, 0.0, 0.0, 0
    while idle < PATIENCE:
        piece = pieces.take(state.progress, count)
        if piece < count:
            _advance_of_state(state, piece)
            pieces.finish(state.progress)
            idle = 0
        elif role != HELPS and pieces.are_done(state.progress, count):
            _add_up(state)
            gain, shift, empty = _move_centers(state, moved)
            return True, gain, shift, empty
        else:
            idle += 1
            pause()
    return False, 0.0, 0.0, 0


@compiling.making
def _advance_of_state(state: State, piece: int) -> None:
    """Search the rows of a piece, and write what that changes."""
    rows, radii, own = state.rows, state.squared_radii[piece], _changes_of(state, piece)
    size = (len(rows.labels) + len(state.changes.high) - 1) // len(state.changes.high)
    first, last = piece * size, min((piece + 1) * size, len(rows.labels))
    block, weights = rows.block[first:last], rows.weights[first:last]
    own_rows = Rows(block, weights, rows.labels[first:last], rows.bound_gaps[first:last])
    own.high[:], own.low[:], radii[:] = 0, 0, 0
    neighbors, limits, measures_all = state.neighbors, state.drift.limits, state.measures_all[0]
    advance_piece(own_rows, state.about, neighbors, limits, own, radii, measures_all)


@compiling.making
def _changes_of(state: State, piece: int) -> ClusterSums:
    return ClusterSums(state.changes.high[piece], state.changes.low[piece])


@compiling.part
def _add_up(state: State) -> None:
    """Add up what pieces changed."""
    high, low, radii = state.totals.high, state.totals.low, state.drift.radii
    if state.measures_all[0]:
        radii[:] = 0
    for p in range(len(state.changes.high)):
        for j in range(len(high)):
            for f in range(high.shape[1]):
                high[j, f] += state.changes.high[p, j, f]
                low[j, f] += state.changes.low[p, j, f]
        for j in range(state.squared_radii.shape[1]):
            radius = np.sqrt(state.squared_radii[p, j]) * (1 + ROUNDING)
            radii[j] = max(radii[j], radius)


@compiling.part
def _move_centers(state: State, moved: Any) -> tuple[float, float, int]:
    """Write the new centres; return gain, shift and empty, as `cluster_totals.move` does."""
    centers, wide, origin = state.neighbors.centers, state.drift.centers, state.about.origin
    high, low, terms, empty = state.totals.high, state.totals.low, state.terms, 0
    (k, d), place = moved.shape, 0
    for j in range(k):
        weight = high[j, d] + low[j, d]
        empty += weight <= 0
        for f in range(d):
            if weight > 0:
                # As `cluster_totals.means_of`.
                moved[j, f] = origin[f] + (high[j, f] / weight + low[j, f] / weight)
            else:
                moved[j, f] = centers[j, f]
            step, c = np.float64(moved[j, f]) - wide[j, f], wide[j, f] - origin[f]
            terms[0, place] = c * (weight * c - 2 * (high[j, f] + low[j, f]))
            terms[1, place] = step * step
            place += 1
    return sum_in_order(terms[0], k * d), sum_in_order(terms[1], k * d), empty
