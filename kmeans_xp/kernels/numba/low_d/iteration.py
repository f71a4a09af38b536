"""A whole iteration of Lloyd's algorithm in one compiled call, for rows of few features.

Imported only where Numba is. The calls that an iteration is made of elsewhere take longer than the
work itself where the rows are few.

A row whose gap was g keeps its label j until c_j and some centre that matters to it have moved g
together. Only centres nearer to c_j than twice its reach matter, the distance of its farthest row:
of its rows, none is nearer to any other. So the limit of j rises by how far c_j moved and the
farthest of the centres that matter; for one that did not matter before, by how much it is ahead:
has moved more than the limit rose for others.
"""

from collections.abc import Callable
from functools import partial
from itertools import chain, repeat
from typing import Any

import numpy as np
from numba import types

from kmeans_xp.kernels.interface import FusedIteration, Team
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.low_d import hamerly as low_d_hamerly
from kmeans_xp.kernels.numba.low_d.neighbours import (
    COUNT,
    EACH,
    HEAVIEST,
    LIMIT,
    REACH,
    SLACK,
    STIR,
    WAY,
    WEIGHT,
    _reorder,
    sort,
    unordered,
)
from kmeans_xp.kernels.numba.low_d.search import rounded_down, rounded_up
from kmeans_xp.kernels.numba.simd.atomics import count_up, pause, read_counter, set_counter
from kmeans_xp.kernels.numba.simd.vector import LANES
from kmeans_xp.kernels.shared.cluster_totals import ClusterTotals, Move
from kmeans_xp.kernels.shared.hamerly import CANCELLATION_LIMIT, ROUNDING

# Pieces at most that threads share; rows that each has at least, and vectors that the rows of a
# label should fill in one.
PIECES, PIECE_ROWS, FILL = 16, 1024, 4
# With more features, reaches are so long that all centres matter.
REACHING = 8
# Centres up to which it is no trouble to put all of them in order again.
SORTED = 64
# What a thread does in `step`: begin an iteration, with neighbours in order or not; go on with it;
# or help with any.
BEGINS, BEGINS_SORTED, GOES_ON, HELPS = range(4)
# How often it asks whether there is something to do before it goes back to the interpreter.
PATIENCE = 1 << 13
# What `turns` count.
TAKEN, DONE, NUMBER, AGAIN, TURNS = range(5)
# What a piece brings of each cluster, by its place in `parts`.
MORE_WEIGHT, MORE_ROWS, MORE_STIR, FARTHEST, PIECE_PARTS = range(5)


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
        (n, d), reaching = block.shape, block.shape[1] <= REACHING
        pieces = max(1, min(PIECES, n // max(PIECE_ROWS, FILL * LANES * k)))
        weights = compiling.ready_weights(weights)
        self.row_labels = np.full(n, -1, np.int32)
        self._near = unordered(np.zeros((k, d), block.dtype), k + 1)
        self._before = np.zeros((k, d))
        self._held, self._each = np.zeros((k, d)), np.zeros((EACH, k))
        self._each[REACH] = 0 if reaching else np.inf
        above, below = np.zeros(k + 1, np.float32), np.zeros(k + 1, block.dtype)
        above[0] = np.inf
        self._ordered = k if reaching else SORTED
        self._turns = np.zeros(TURNS, np.int64)
        self._turns[TAKEN], self._turns[AGAIN] = pieces, 3 * reaching
        self._work = partial(
            _step,
            compiling.ready_rows(block), weights, self.row_labels,
            np.full(n, -np.inf, np.float32),
            self._near.centers, origin.astype(np.float64), self._before,
            self._near.order, self._near.spans, np.zeros((k * reaching, k)), self._each, above,
            below, self._held, np.empty((pieces, k, d)), np.empty((pieces, PIECE_PARTS, k)),
            self._turns, -(-n // pieces),
        )  # fmt: skip
        self._team = team if pieces > 1 else _alone
        self._help = partial(self._work, HELPS, np.empty((0, d), block.dtype), np.empty(0))

    def step(self, centers: np.ndarray) -> Move:
        """Search the rows whose label may change, and move each centre to the mean of its rows."""
        k = len(centers)
        self._near.centers[:k] = centers
        role = BEGINS
        if not self._turns[NUMBER]:
            self._before[:] = centers
        if k > self._ordered or not self._turns[NUMBER]:
            sort(self._near)
            role = BEGINS_SORTED
        moved, facts = np.empty_like(centers, order="C"), np.empty(3)
        roles = chain([role], repeat(GOES_ON))
        self._team(lambda: self._work(next(roles), moved, facts), self._help)
        gain, shift, empty = facts.tolist()
        return Move(moved, gain, shift, int(empty))

    @property
    def totals(self) -> ClusterTotals:
        """Return the totals of the clusters after the last step."""
        weights, counts = self._each[[WEIGHT, COUNT]]
        some = counts > 0
        return ClusterTotals(np.where(some[:, None], self._held, 0.0), np.where(some, weights, 0.0))


def _alone(work: Callable[[], bool], _help: Callable[[], Any]) -> None:
    while not work():
        pass


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for rows of `dtype`."""
    real = compiling.real(dtype)
    rows, weights = compiling.sealed_type(real, 2), compiling.sealed_type(types.f8, 1)
    centers, near = real[:, ::1], types.int32[:, ::1]
    wide, numbers = types.f8[:, ::1], types.f8[::1]
    labels, gaps, counts = types.int32[::1], types.float32[::1], types.int64[::1]
    pieces = types.f8[:, :, ::1]
    return {
        "_step": (
            rows, weights, labels, gaps, centers, numbers, wide, near, centers,
            wide, wide, gaps, real[::1], wide, pieces, pieces, counts, types.intp, types.intp,
            centers, numbers,
        ),
    }  # fmt: skip


@compiling.entry
def _step(
    block: Any, weights: Any, labels: Any, gaps: Any, centers: Any, origin: Any, before: Any,
    near: Any, spans: Any, ahead: Any, each: Any, above: Any, below: Any, held: Any, sums: Any,
    parts: Any, turns: Any, size: Any, role: Any, moved: Any, facts: Any,
) -> Any:  # fmt: skip
    """Do an iteration, or help with it; return whether it is done. As `fast_step` has it.

    Any number of threads may help. Of `turns` the first counts the pieces that were taken, the
    second those that are done, and the third the iterations. Nobody waits for a thread that has
    not begun; one that has nothing left to do waits for the next iteration, but not for long.
    """
    pieces, idle = len(sums), 0
    if role <= BEGINS_SORTED:
        _begin_iteration(role == BEGINS, centers, before, near, spans, ahead, each, above, below)
        turns[NUMBER] += 1
        set_counter(turns, DONE, 0)
        set_counter(turns, TAKEN, 0)
        if pieces > 1:
            return False
    while idle < PATIENCE:
        piece = count_up(turns, TAKEN) if read_counter(turns, TAKEN) < pieces else pieces
        measured = turns[NUMBER] == turns[AGAIN]
        if piece < pieces:
            first, last, brings = piece * size, min((piece + 1) * size, len(labels)), parts[piece]
            sums[piece], brings[:] = 0, 0
            low_d_hamerly.advance_piece(
                block[first:last], weights[first:last], labels[first:last], gaps[first:last],
                centers, origin, above, below, near, spans, each[SLACK], sums[piece],
                brings[MORE_WEIGHT], brings[MORE_ROWS], brings[MORE_STIR],
                brings[FARTHEST, : len(ahead)], measured,
            )  # fmt: skip
            count_up(turns, DONE)
            idle = 0
        elif role != HELPS and read_counter(turns, DONE) >= pieces:
            _add_up(block, weights, labels, origin, sums, parts, measured, held, each)
            turns[AGAIN] *= 3 if measured else 1
            facts[0], facts[1], facts[2] = _move_centers(centers, before, origin, held, each, moved)
            return True
        else:
            idle += 1
            pause()
    return False


@compiling.making
def _begin_iteration(
    unsorted: Any, centers: Any, before: Any, near: Any, spans: Any, ahead: Any, each: Any,
    above: Any, below: Any,
) -> None:  # fmt: skip
    """Take the centres of the next iteration; write neighbours, if `unsorted`, and limits."""
    _follow(centers, before, each)
    if unsorted:
        _reorder(before, each, near, spans)
    _raise_limits(near, spans, ahead, each, above, below)


@compiling.part
def _follow(centers: Any, before: Any, each: Any) -> None:
    """Take the centres of the next iteration; write how far they moved, in `before` where to."""
    k, d = before.shape
    for j in range(k):
        moved = 0.0
        for f in range(d):
            step = np.float64(centers[j, f]) - before[j, f]
            moved += step * step
            before[j, f] = centers[j, f]
        each[WAY, j] = np.sqrt(moved) * (1 + ROUNDING)
        each[REACH, j] = (each[REACH, j] + each[WAY, j]) * (1 + ROUNDING)


@compiling.part
def _raise_limits(near: Any, spans: Any, ahead: Any, each: Any, above: Any, below: Any) -> None:
    """Raise the limits, and write them rounded up and down."""
    for j in range(each.shape[1]):
        most = _farthest_near(j, near, spans, ahead, each)
        each[LIMIT, j] = (each[LIMIT, j] + each[WAY, j] + most) * (1 + ROUNDING)
        above[j + 1], below[j + 1] = rounded_up(each[LIMIT, j]), rounded_down(each[LIMIT, j])


@compiling.part
def _farthest_near(j: Any, near: Any, spans: Any, ahead: Any, each: Any) -> Any:
    """Return how far the limit of j is to rise for other centres."""
    most, k = 0.0, each.shape[1]
    if not len(ahead):
        for i in range(k):
            most = max(most, each[WAY, i] if i != j else 0.0)
        return most
    within = 2 * each[REACH, j] * (1 + ROUNDING) + each[SLACK, j]
    for i in range(k):
        ahead[j, i] += each[WAY, i]
    for place in range(1, k):
        if spans[j, place] > within:
            break
        most = max(most, ahead[j, near[j, place]])
    for i in range(k):
        ahead[j, i] = max(ahead[j, i] - most, 0.0)
    return most


@compiling.part
def _add_up(
    block: Any, weights: Any, labels: Any, origin: Any, sums: Any, parts: Any, measured: Any,
    held: Any, each: Any,
) -> None:  # fmt: skip
    """Add what pieces bring, in their order; sum all rows afresh where that lost too much."""
    if measured:
        each[REACH] = 0
    for p in range(len(sums)):
        for j in range(len(held)):
            for f in range(held.shape[1]):
                held[j, f] += sums[p, j, f]
            each[WEIGHT, j] += parts[p, MORE_WEIGHT, j]
            each[COUNT, j] += parts[p, MORE_ROWS, j]
            each[STIR, j] += parts[p, MORE_STIR, j]
            reach = np.sqrt(parts[p, FARTHEST, j]) * (1 + ROUNDING)
            each[REACH, j] = max(each[REACH, j], reach)
    if _doubtful(held, each, len(weights) > 0):
        _sum_afresh(block, weights, labels, origin, held, each)


@compiling.part
def _doubtful(held: Any, each: Any, weighted: Any) -> Any:
    """Return whether some cluster's totals are too small beside what passed through it."""
    found = False
    for j in range(len(held)):
        left = 0.0
        for f in range(held.shape[1]):
            left = max(left, abs(held[j, f]))
        each[HEAVIEST, j] = max(each[HEAVIEST, j], each[WEIGHT, j])
        lost = each[STIR, j] > CANCELLATION_LIMIT * left
        lost |= weighted and each[HEAVIEST, j] > CANCELLATION_LIMIT * each[WEIGHT, j]
        found |= lost and each[COUNT, j] > 0
    return found


@compiling.part
def _sum_afresh(block: Any, weights: Any, labels: Any, origin: Any, held: Any, each: Any) -> None:
    """Sum all rows by the labels that they have."""
    held[:], each[WEIGHT], each[STIR] = 0, 0, 0
    for i in range(len(labels)):
        j, weight = labels[i], weights[i] if len(weights) else 1.0
        each[WEIGHT, j] += weight
        for f in range(len(origin)):
            held[j, f] += weight * (np.float64(block[i, f]) - origin[f])
    for j in range(len(held)):
        each[HEAVIEST, j] = each[WEIGHT, j]


@compiling.part
def _move_centers(centers: Any, wide: Any, origin: Any, held: Any, each: Any, moved: Any) -> Any:
    """Write the new centres; return what `kernels.move.move` does of them."""
    gain = shift = 0.0
    empty = 0
    for j in range(len(held)):
        weight = each[WEIGHT, j] if each[COUNT, j] > 0 else 0.0
        empty += weight <= 0
        for f in range(len(origin)):
            moved[j, f] = origin[f] + held[j, f] / weight if weight > 0 else centers[j, f]
            step, c = np.float64(moved[j, f]) - wide[j, f], wide[j, f] - origin[f]
            shift += step * step
            gain += c * (weight * c - 2 * held[j, f]) if weight > 0 else 0.0
    return gain, shift, empty
