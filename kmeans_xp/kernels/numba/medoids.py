"""Distances between rows, and the swaps of k-medoids, with Numba.

Distances are direct differences in the dtype of the rows, four rows and sixteen others at a time.
Candidates are tried one by one.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numba import typeof, types

from kmeans_xp.kernels.interface import MedoidSwaps, Team
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.low_d import pieces
from kmeans_xp.kernels.numba.simd.vector import (
    LANES,
    failing_lanes,
    greater,
    load,
    lowest_bit,
    minus,
    plus,
    root,
    spread,
    store,
    times_plus,
)
from kmeans_xp.kernels.portable.medoids import widened
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters

# Distances of a block, beside which a call from Python takes no time.
ENTRIES = 1 << 20
# Rows whose distances are measured together, so that the others are loaded once for all.
TOGETHER = 4
# Rows of a piece that a thread takes at a time.
PIECE = 32
# Largest values of rows between which squares of differences that count neither overflow nor vanish
# in single precision.
LEAST, MOST = 2.0**-40, 2.0**50
SQEUCLIDEAN, EUCLIDEAN, MANHATTAN, CHEBYSHEV = range(4)
METRICS = {
    "sqeuclidean": SQEUCLIDEAN,
    "euclidean": EUCLIDEAN,
    "manhattan": MANHATTAN,
    "chebyshev": CHEBYSHEV,
}


class _Columns(NamedTuple):
    """Rows feature by feature, in whole vectors, (d, w), and their largest absolute value."""

    columns: np.ndarray
    largest: float


def pairwise(
    block: np.ndarray, others: PreparedCenters, metric: str, team: Team | None
) -> np.ndarray | None:
    """Return the distances of a block to other rows, (B, m); None if they are out of range."""
    same = block.dtype == others.centers.dtype
    prepared = (others if same else others.derive(widened)).derive(_columns)
    largest = max(prepared.largest, float(np.abs(block).max()))
    if block.dtype == np.float32 and not LEAST < largest < MOST:
        return None
    rows, m = compiling.ready_rows(block), len(others.centers)
    found = np.empty((len(rows), m), rows.dtype)
    work = partial(
        compiling.entry_point(_pairs, rows.dtype),
        rows,
        prepared.columns,
        METRICS[metric],
        found.reshape(-1),
        pieces.no_progress(),
    )
    pieces.share(work, team, found.size * block.shape[1])
    return found


def _columns(others: PreparedCenters) -> _Columns:
    m, d = others.centers.shape
    columns = np.zeros((d, -(-m // LANES) * LANES), others.centers.dtype)
    columns[:, :m] = others.centers.T
    return _Columns(columns, float(np.abs(columns).max()))


class _Judged(NamedTuple):
    """What the judges think of the medoids, as compiled functions take it.

    Of each judge, (m,), its weight, its two nearest medoids and how far they are; its distances to
    all medoids, (m, k); and what removing each of these costs, (k,) float64.
    """

    weights: np.ndarray
    own: np.ndarray
    next: np.ndarray
    near: np.ndarray
    second: np.ndarray
    distances: np.ndarray
    removal: np.ndarray


class NumbaSwaps(MedoidSwaps):
    """Tries candidates in order, each by a pass over the judges.

    Few judges are nearer to a candidate than to their second nearest medoid, and the others are
    passed by sixteen at a time.
    """

    def __init__(self, medoids: Sequence[int], distances: np.ndarray, weights: np.ndarray) -> None:
        super().__init__(medoids, distances, weights)
        (m, k), dtype = distances.shape, distances.dtype
        self._judged = _Judged(
            compiling.sealed(np.require(weights, np.float64, ["C", "A"])),
            np.zeros(m, np.int32),
            np.zeros(m, np.int32),
            np.empty(m, dtype),
            np.empty(m, dtype),
            np.array(distances, order="C"),
            np.empty(k),
        )
        self._least_gain = self.LEAST_GAIN[self._judged.weights.dtype.itemsize]
        _settle_all(self._judged)

    @property
    def loss(self) -> float:
        """Return the weighted sum of the judges' distances to their nearest medoids."""
        return float(self._judged.near.astype(np.float64) @ self._judged.weights)

    @property
    def block_rows(self) -> int:
        """Return how many candidates a block should have."""
        return max(LANES, ENTRIES // len(self._judged.near))

    def swap_eagerly(self, block: np.ndarray, first: int, closed: np.ndarray) -> int | None:
        """Swap in each candidate in turn, if that lowers the loss; return the last one's number."""
        medoids = np.array(self.medoids, np.int64)
        closed = closed | self.is_medoid(first, len(closed))
        candidates = compiling.ready_rows(block)
        last, swaps = _swap_eagerly(
            candidates, first, closed, medoids, self._judged, self._least_gain, self.TIE
        )
        self.medoids = medoids.tolist()
        self.n_swaps += swaps
        return last if swaps else None

    def changes(self, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return by how much swapping in each candidate changes the loss, and which medoid goes."""
        changes, places = np.empty(len(block)), np.empty(len(block), np.int64)
        _changes(compiling.ready_rows(block), self._judged, self.TIE, changes, places)
        return changes, places

    def swap(self, candidate: np.ndarray, number: int, place: int) -> None:
        """Put a candidate in a medoid's place."""
        _swap(compiling.ready_rows(candidate[None, :]), 0, place, self._judged)
        self.medoids[place] = number
        self.n_swaps += 1

    def gains_enough(self, change: float, place: int) -> bool:
        """Return whether a change of the loss is more than rounding."""
        return bool(change < -self._least_gain * self._judged.removal[place])


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for distances of `dtype`."""
    real = compiling.real(dtype)
    block, numbers, wide = compiling.sealed_type(real, 2), types.int64[::1], types.f8[::1]
    judged = compiling.tuple_type(
        _Judged,
        compiling.sealed_type(types.f8, 1),
        types.int32[::1],
        types.int32[::1],
        real[::1],
        real[::1],
        real[:, ::1],
        wide,
    )
    closed = types.boolean[::1]
    return {
        "_pairs": (block, real[:, ::1], types.int64, real[::1], typeof(pieces.no_progress())),
        "_settle_all": (judged,),
        "_swap_eagerly": (block, types.int64, closed, numbers, judged, types.f8, types.f8),
        "_changes": (block, judged, types.f8, wide, numbers),
        "_swap": (block, types.int64, types.int64, judged),
    }


@compiling.entry
def _pairs(block: Any, columns: Any, metric: int, out: Any, progress: pieces.Progress) -> bool:
    """Write all distances, piece by piece; return whether all are done."""
    k, count = len(out) // len(block), -(-len(block) // PIECE)
    piece = pieces.take(progress, count)
    while piece < count:
        first = piece * PIECE
        last = min(first + PIECE, len(block))
        _measure_rows(block, first, last, columns, metric, out[first * k : last * k])
        pieces.finish(progress)
        piece = pieces.take(progress, count)
    return pieces.wait(progress, count)


@compiling.making
def _measure_rows(block: Any, first: int, last: int, columns: Any, metric: int, out: Any) -> None:
    """Write the distances of rows `first` to `last`."""
    k, d = len(out) // (last - first), len(columns)
    x, room = np.zeros((TOGETHER, d), block.dtype), np.empty(LANES, block.dtype)
    for i in range(first, last, TOGETHER):
        count = min(TOGETHER, last - i)
        for r in range(count):
            for f in range(d):
                x[r, f] = block[i + r, f]
        _measure(x, columns, metric, count, out[(i - first) * k : (i - first + count) * k], room)


@compiling.part
def _measure(x: Any, columns: Any, metric: int, count: int, out: Any, room: Any) -> None:
    """Write the distances of the first `count` rows of `x`."""
    d, width = columns.shape
    flat, k = columns.reshape(-1), len(out) // count
    for j in range(0, k, LANES):
        zero = spread(columns.dtype.type(0))
        s0 = s1 = s2 = s3 = zero
        for f in range(d):
            y = load(flat, f * width + j)
            e0, e1 = minus(y, spread(x[0, f])), minus(y, spread(x[1, f]))
            e2, e3 = minus(y, spread(x[2, f])), minus(y, spread(x[3, f]))
            if metric <= EUCLIDEAN:
                s0, s1 = times_plus(e0, e0, s0), times_plus(e1, e1, s1)
                s2, s3 = times_plus(e2, e2, s2), times_plus(e3, e3, s3)
                continue
            e0, e1 = greater(e0, minus(zero, e0)), greater(e1, minus(zero, e1))
            e2, e3 = greater(e2, minus(zero, e2)), greater(e3, minus(zero, e3))
            if metric == MANHATTAN:
                s0, s1, s2, s3 = plus(s0, e0), plus(s1, e1), plus(s2, e2), plus(s3, e3)
            else:
                s0, s1, s2, s3 = greater(s0, e0), greater(s1, e1), greater(s2, e2), greater(s3, e3)
        if metric == EUCLIDEAN:
            s0, s1, s2, s3 = root(s0), root(s1), root(s2), root(s3)
        _write(s0, out, j, k - j, room)
        if count > 1:
            _write(s1, out, k + j, k - j, room)
        if count > 2:
            _write(s2, out, 2 * k + j, k - j, room)
        if count > 3:
            _write(s3, out, 3 * k + j, k - j, room)


@compiling.part
def _write(lanes: Any, out: Any, start: int, count: int, room: Any) -> None:
    """Write a vector, of which `count` numbers have a place."""
    if count >= LANES:
        store(out, start, lanes)
        return
    store(room, 0, lanes)
    for j in range(count):
        out[start + j] = room[j]


@compiling.entry
def _settle_all(judged: _Judged) -> None:
    """Find every judge's two nearest medoids, and what removing each medoid costs."""
    for o in range(len(judged.near)):
        _settle(judged, o)
    _sum_removal(judged)


@compiling.entry
def _swap_eagerly(
    block: Any,
    first: int,
    closed: Any,
    medoids: Any,
    judged: _Judged,
    least_gain: float,
    tie: float,
) -> tuple[int, int]:
    """Swap in each candidate that lowers the loss; return the last one's number, and how many."""
    last, swaps = -1, 0
    costs = np.empty(len(medoids))
    for i in range(len(block)):
        if closed[i]:
            continue
        change, place = _best_swap(block, i, judged, tie, costs)
        if not change < -least_gain * judged.removal[place]:
            continue
        gone = medoids[place] - first
        if 0 <= gone < len(block):
            closed[gone] = False
        closed[i] = True
        medoids[place] = last = first + i
        swaps += 1
        _put(block, i, place, judged)
    return last, swaps


@compiling.entry
def _changes(block: Any, judged: _Judged, tie: float, changes: Any, places: Any) -> None:
    """Write how the best swap of each candidate changes the loss, and whose place it is."""
    costs = np.empty(len(judged.removal))
    for i in range(len(block)):
        changes[i], places[i] = _best_swap(block, i, judged, tie, costs)


@compiling.entry
def _swap(block: Any, i: int, place: int, judged: _Judged) -> None:
    """Put a candidate in a medoid's place."""
    _put(block, i, place, judged)


@compiling.part
def _best_swap(block: Any, i: int, judged: _Judged, tie: float, costs: Any) -> tuple[float, int]:
    """Return how a candidate's best swap changes the loss, and whose place it is."""
    m, k = len(judged.near), len(costs)
    flat, second, start = block.reshape(-1), judged.second, i * block.shape[1]
    for j in range(k):
        costs[j] = judged.removal[j]
    saved = 0.0
    whole = m // LANES * LANES
    for o in range(0, whole, LANES):
        distances, limits = load(flat, start + o), load(second, o)
        bits = failing_lanes(distances, limits, distances, distances)
        while bits:
            saved += _weigh(block, i, o + lowest_bit(bits), judged, costs)
            bits &= bits - 1
    for o in range(whole, m):
        if block[i, o] < second[o]:
            saved += _weigh(block, i, o, judged, costs)
    least = costs[0]
    for j in range(1, k):
        least = min(least, costs[j])
    place = 0
    while costs[place] > least + tie * judged.removal[place]:
        place += 1
    return least + saved, place


@compiling.part
def _weigh(block: Any, i: int, o: int, judged: _Judged, costs: Any) -> float:
    """Take from the cost of a judge's medoid what it keeps; return what the judge saves."""
    x, near = np.float64(block[i, o]), np.float64(judged.near[o])
    weight = judged.weights[o]
    costs[judged.own[o]] += weight * (max(x, near) - judged.second[o])
    return weight * min(x - near, 0.0)


@compiling.part
def _put(block: Any, i: int, place: int, judged: _Judged) -> None:
    """Put a candidate in a medoid's place, for every judge."""
    for o in range(len(judged.near)):
        x = block[i, o]
        judged.distances[o, place] = x
        if x < judged.second[o] or judged.own[o] == place or judged.next[o] == place:
            _settle(judged, o)
    _sum_removal(judged)


@compiling.part
def _settle(judged: _Judged, o: int) -> None:
    """Find a judge's two nearest medoids."""
    distances, own, after = judged.distances, 0, 1
    if distances[o, 1] < distances[o, 0]:
        own, after = 1, 0
    for j in range(2, distances.shape[1]):
        x = distances[o, j]
        if x < distances[o, own]:
            own, after = j, own
        elif x < distances[o, after]:
            after = j
    judged.own[o], judged.next[o] = own, after
    judged.near[o], judged.second[o] = distances[o, own], distances[o, after]


@compiling.part
def _sum_removal(judged: _Judged) -> None:
    for j in range(len(judged.removal)):
        judged.removal[j] = 0.0
    for o in range(len(judged.near)):
        spare = np.float64(judged.second[o]) - judged.near[o]
        judged.removal[judged.own[o]] += judged.weights[o] * spare
