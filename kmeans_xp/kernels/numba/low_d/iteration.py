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
from kmeans_xp.kernels.numba.low_d.hamerly import ClusterSums, Rows, advance_piece, no_sums, rows_of
from kmeans_xp.kernels.numba.low_d.neighbours import Neighbors, sort, unordered
from kmeans_xp.kernels.numba.simd.atomics import pause
from kmeans_xp.kernels.numba.simd.vector import LANES
from kmeans_xp.kernels.shared.cluster_totals import ClusterTotals, Move
from kmeans_xp.kernels.shared.hamerly import CANCELLATION_LIMIT, ROUNDING

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
    origin: np.ndarray  # (d,): a point amid the rows, about which they are summed
    neighbors: Neighbors
    drift: CenterDrift
    totals: ClusterSums
    max_weights: np.ndarray  # (k,): the most weight that each cluster had
    changes: ClusterSums  # of each piece of the rows, along a first axis
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
    origin : ndarray of shape (d,)
        A point amid the rows, about which they are summed.
    team : callable
        (work, help) -> None: calls `work` until it returns true, and `help` on other threads.
    """

    def __init__(
        self, block: np.ndarray, weights: np.ndarray | None, k: int, origin: np.ndarray, team: Team
    ) -> None:
        self._state = _new_state(block, weights, k, origin)
        self._compiled = compiling.entry_point(_step, self._state.rows.block.dtype)
        self.row_labels = self._state.rows.labels
        keeps_radii = len(self._state.drift.leads) > 0
        self._kept_up_to = k if keeps_radii else KEPT_UP_TO
        self._iteration, self._next_measured = 0, MEASURED if keeps_radii else 0
        self._team = team if len(self._state.changes.sums) > 1 else _alone

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
        totals = self._state.totals
        filled = totals.counts > 0
        sums = np.where(filled[:, None], totals.sums, 0.0)
        return ClusterTotals(sums, np.where(filled, totals.weights, 0.0))


def _new_state(block: np.ndarray, weights: np.ndarray | None, k: int, origin: np.ndarray) -> State:
    """Return the state before the first iteration; helpers that are awake find no piece to take."""
    (n, d), dtype = block.shape, block.dtype.newbyteorder("=")
    count = max(1, min(PIECES, n // max(PIECE_ROWS, FILL * LANES * k)))
    return State(
        rows_of(block, weights, np.full(n, -1, np.int32), np.full(n, -np.inf, np.float32)),
        origin.astype(np.float64),
        unordered(np.zeros((k, d), dtype), k + 1),
        no_drift(k, d, dtype, keeps_radii=d <= RADII_UP_TO),
        no_sums(d, k),
        np.zeros(k),
        no_sums(d, count, k),
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
    return {"_step": (typeof(_new_state(block, None, 1, block[0])), types.intp, typeof(block))}


@compiling.entry
def _step(state: State, role: int, moved: Any) -> tuple[bool, float, float, int]:
    """Do an iteration, or help with it; return whether it is done, and gain, shift and empty.

    Those are as in `Move`; `moved` is room for the new centres. Any number of threads may help.
    Nobody waits for a thread that has not begun; one that has nothing left to do waits for the next
    iteration, but not for long.
    """
    count, idle = len(state.changes.sums), 0
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
    size = (len(rows.labels) + len(state.changes.sums) - 1) // len(state.changes.sums)
    first, last = piece * size, min((piece + 1) * size, len(rows.labels))
    block, weights = rows.block[first:last], rows.weights[first:last]
    own_rows = Rows(block, weights, rows.labels[first:last], rows.bound_gaps[first:last])
    own.sums[:], own.weights[:], own.counts[:], own.rounding_mass[:], radii[:] = 0, 0, 0, 0, 0
    neighbors, limits, measures_all = state.neighbors, state.drift.limits, state.measures_all[0]
    advance_piece(own_rows, state.origin, neighbors, limits, own, radii, measures_all)


@compiling.making
def _changes_of(state: State, piece: int) -> ClusterSums:
    sums, weights, counts, mass = state.changes
    return ClusterSums(sums[piece], weights[piece], counts[piece], mass[piece])


@compiling.part
def _add_up(state: State) -> None:
    """Add up what pieces changed, in their order; sum all rows afresh where that lost too much."""
    totals, changes, radii = state.totals, state.changes, state.drift.radii
    if state.measures_all[0]:
        radii[:] = 0
    for p in range(len(changes.sums)):
        for j in range(len(totals.sums)):
            for f in range(totals.sums.shape[1]):
                totals.sums[j, f] += changes.sums[p, j, f]
            totals.weights[j] += changes.weights[p, j]
            totals.counts[j] += changes.counts[p, j]
            totals.rounding_mass[j] += changes.rounding_mass[p, j]
        for j in range(state.squared_radii.shape[1]):
            radius = np.sqrt(state.squared_radii[p, j]) * (1 + ROUNDING)
            radii[j] = max(radii[j], radius)
    if _is_doubtful(totals, state.max_weights, len(state.rows.weights) > 0):
        _sum_afresh(state)


@compiling.part
def _is_doubtful(totals: ClusterSums, max_weights: Any, weighted: bool) -> bool:
    """Return whether some cluster's totals are too small beside what passed through it."""
    found = False
    for j in range(len(totals.sums)):
        largest, weight = 0.0, totals.weights[j]
        for f in range(totals.sums.shape[1]):
            largest = max(largest, abs(totals.sums[j, f]))
        max_weights[j] = max(max_weights[j], weight)
        lost = totals.rounding_mass[j] > CANCELLATION_LIMIT * largest
        lost |= weighted and max_weights[j] > CANCELLATION_LIMIT * weight
        found |= lost and totals.counts[j] > 0
    return found


@compiling.part
def _sum_afresh(state: State) -> None:
    """Sum all rows by the labels that they have."""
    rows, origin, totals = state.rows, state.origin, state.totals
    totals.sums[:], totals.weights[:], totals.rounding_mass[:] = 0, 0, 0
    for i in range(len(rows.labels)):
        j, weight = rows.labels[i], rows.weights[i] if len(rows.weights) else 1.0
        totals.weights[j] += weight
        for f in range(len(origin)):
            totals.sums[j, f] += weight * (np.float64(rows.block[i, f]) - origin[f])
    for j in range(len(totals.weights)):
        state.max_weights[j] = totals.weights[j]


@compiling.part
def _move_centers(state: State, moved: Any) -> tuple[float, float, int]:
    """Write the new centres; return gain, shift and empty, as `cluster_totals.move` does."""
    centers, wide, origin = state.neighbors.centers, state.drift.centers, state.origin
    sums, gain, shift, empty = state.totals.sums, 0.0, 0.0, 0
    for j in range(len(sums)):
        weight = state.totals.weights[j] if state.totals.counts[j] > 0 else 0.0
        empty += weight <= 0
        for f in range(len(origin)):
            moved[j, f] = origin[f] + sums[j, f] / weight if weight > 0 else centers[j, f]
            step, c = np.float64(moved[j, f]) - wide[j, f], wide[j, f] - origin[f]
            shift += step * step
            gain += c * (weight * c - 2 * sums[j, f]) if weight > 0 else 0.0
    return gain, shift, empty
