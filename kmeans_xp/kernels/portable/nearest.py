"""Nearest centres and distances of blocks of rows, in the array-API standard alone.

Only `labels`, `nearest`, `decide` and `distances` wait for a device: they ask it once a block how
many rows or distances a product leaves in doubt, and, where that leaves too many candidates, once
more. How many operations are started depends neither on the number of rows nor on that of centres,
but for direct differences from all centres, which are taken in parts.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from kmeans_xp.arrays import Array, namespace_of
from kmeans_xp.arrays.fusing import fused
from kmeans_xp.arrays.namespace import device_of
from kmeans_xp.kernels.shared.blocks import parts
from kmeans_xp.kernels.shared.ordered_sums import ordered_sum
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters, tied

# Candidates among which a row is decided at once. A bound that leaves two to a hundredth of the
# rows leaves five to hardly any.
FEW = 4
# One row in so many is expected to be undecided where nothing is known yet. There is room for twice
# as many as were seen last, and for a few at least, since to wait takes longer than to decide them.
UNDECIDED, LEAST_ROOM = 256, 256
# A distance is taken from a product if it is so many times its rounding error: a few percent where
# the device has a wider float, which is used where digits count; else a millionth.
MARGIN, WIDE_MARGIN = 2.0**6, 2.0**20
# Differences up to which they take no longer than the operations that a product needs.
SMALL = 1 << 16


def labels(block: Array, prepared: PreparedCenters) -> Array:
    """Return the index of the nearest centre of each row, (B,) int32; the lowest of equals."""
    return decide(shortlist(block, prepared), block, prepared)


def nearest(block: Array, prepared: PreparedCenters) -> tuple[Array, Array]:
    """Return labels, (B,) int32, and squared distances, (B,) in the widest float."""
    found = labels(block, prepared)
    return found, own_distances(block, prepared, found)


def own_distances(block: Array, prepared: PreparedCenters, labels: Array) -> Array:
    """Return each row's squared distance to the centre of its label, by direct differences."""
    return _own_distances(block, prepared.wide_centers, labels)


@fused()
def _own_distances(block: Array, centers: Array, labels: Array) -> Array:
    xp = namespace_of(block)
    own = xp.take(centers, labels, axis=0)
    difference = xp.astype(block, own.dtype, copy=False) - own
    return ordered_sum(difference * difference)


def distances(block: Array, prepared: PreparedCenters, dtype: Any) -> Array:
    """Return squared distances to every centre, (B, k) in `dtype`.

    They come from a matrix product where this loses at most a few percent to rounding (in the
    widest float a millionth), and else from direct differences, so that a row at a centre has the
    distance 0. Differences also serve where terms are next to subnormal, which have no digits to
    lose; for a single centre, where they take no longer; and for few entries.
    """
    xp, (n, d), k = namespace_of(block), block.shape, prepared.centers.shape[0]
    if k == 1 or n * k * d <= SMALL:
        return _differences(block, prepared.centers, dtype=dtype)
    info = xp.finfo(block.dtype)
    margin = WIDE_MARGIN if block.dtype == prepared.wide_centers.dtype else MARGIN
    floor = margin * d * float(info.smallest_normal)
    columns = prepared.derive(_distance_columns)
    products, doubtful = _products(
        block, prepared.origin, *columns, margin * prepared.gamma, floor, dtype=dtype
    )
    count = int(xp.count_nonzero(doubtful))
    if count == 0:
        return products
    marked, place, which = _first_marked(doubtful, room=rounded_up(count, n * k))
    # As many differences at a time as the block has scores, or entries.
    pieces = [
        _pair_distances(block, prepared.wide_centers, which[part], dtype=dtype)
        for part in parts(which.shape[0], n * max(k, d) // d)
    ]
    flat = filled(xp.reshape(products, (-1,)), marked, place, xp.concat(pieces))
    return xp.reshape(flat, (n, k))


@fused("dtype")
def _differences(block: Array, centers: Array, *, dtype: Any) -> Array:
    """Return squared distances to every centre, (B, k), by direct differences."""
    xp = namespace_of(block)
    centers = xp.astype(centers, xp.result_type(block.dtype, dtype), copy=False)
    return xp.astype(_squares(block, centers[None, :, :]), dtype, copy=False)


@fused("dtype")
def _products(
    block: Array,
    origin: Array,
    columns: Array,
    centers: Array,
    margin: float,
    floor: float,
    *,
    dtype: Any,
) -> tuple[Array, Array]:
    """Return squared distances by a product, (B, k), and which are in doubt, (B * k,) of bool."""
    xp, shifted = namespace_of(block), block - origin
    squares = xp.sum(shifted * shifted, axis=1, keepdims=True)
    products = xp.concat([shifted, squares, xp.ones_like(squares)], axis=1) @ columns.T
    least = (squares + xp.max(centers)) * margin + floor
    # Where a product is NaN it is in doubt.
    doubtful = xp.reshape(xp.logical_not(products > least), (-1,))
    return xp.astype(products, dtype, copy=False), doubtful


def shortlist(block: Array, prepared: PreparedCenters) -> Array:
    """Return the label of each row where a product leaves one candidate, else -1, (B,) int32."""
    return _shortlist(block, prepared.derive(_columns))


@fused()
def _shortlist(block: Array, columns: "_Columns") -> Array:
    xp, k = namespace_of(block), columns.columns.shape[0]
    lower, upper, best = _bounds(block, columns)
    # Where a bound is NaN, the centre is a candidate.
    others = xp.sum(xp.astype(lower > upper, xp.int8), axis=1, dtype=xp.int32)
    return xp.where(others == k - 1, best, -1)


def decide(labels: Array, block: Array, prepared: PreparedCenters) -> Array:
    """Return the labels of a block, (B,), of which those that are -1 are decided by differences."""
    xp, n = namespace_of(block), block.shape[0]
    count = int(count_undecided(labels))
    if count == 0:
        return labels
    gather = partial(xp.take, block, axis=0)
    labels = decide_unseen(labels, prepared, gather, [slice(0, rounded_up(count, n))])
    undecided = labels < 0
    (left,) = xp.nonzero(undecided)
    if left.shape[0] == 0:
        return labels
    # As many differences at a time as the block has scores.
    size = n // min(prepared.centers.shape)
    found = _decide_among_all(xp.take(block, left, axis=0), prepared, size)
    return filled(labels, undecided, counted(undecided), found)


def count_undecided(labels: Array) -> Array:
    """Return how many labels are -1, of shape ()."""
    return namespace_of(labels).count_nonzero(labels < 0)


def labels_unseen(block: Array, prepared: PreparedCenters) -> Array:
    """Return labels, or -1 for a few rows, where `labels` would have to ask the device."""
    found, n = shortlist(block, prepared), block.shape[0]
    gather = partial(namespace_of(block).take, block, axis=0)
    return decide_unseen(found, prepared, gather, [slice(0, first_room(n))])


def first_room(n: int) -> int:
    """Return for how many undecided rows of n there should be room where nothing is known yet."""
    return room_for(n // UNDECIDED, n)


def room_for(count: int, n: int) -> int:
    """Return for how many undecided rows of n there should be room, if there were `count`."""
    return min(n, max(LEAST_ROOM, rounded_up(2 * count, n)))


def decide_unseen(
    labels: Array,
    prepared: PreparedCenters,
    gather: Callable[[Array], Array],
    parts: Sequence[slice],
) -> Array:
    """Return labels, (n,), with the first that are -1 decided, without asking the device for them.

    Parameters
    ----------
    gather : callable
        Indices -> rows.
    parts : sequence of slice
        The first of them, the next and so on: so many are decided at a time, be they as many or
        not. Those of more than `FEW` candidates stay -1.
    """
    undecided, place, which = _first_marked(labels < 0, room=parts[-1].stop)
    pieces = [decide_among_few(gather(which[part]), prepared) for part in parts]
    return filled(labels, undecided, place, namespace_of(labels).concat(pieces))


@fused("room")
def _first_marked(where: Array, *, room: int) -> tuple[Array, Array, Array]:
    """Return the first `room` places that `where` marks: as a mask, numbered from 1, and which."""
    xp, place = namespace_of(where), counted(where)
    numbers = xp.arange(1, room + 1, dtype=place.dtype, device=device_of(where))
    # Where there are fewer, some place or other.
    which = xp.searchsorted(place, numbers) % where.shape[0]
    within = place <= room
    return where & within, xp.where(within, place, room), which


def decide_among_few(block: Array, prepared: PreparedCenters) -> Array:
    """Return labels by direct differences; -1 for rows of more than `FEW` candidates."""
    return _decide_among_few(block, prepared.derive(_columns), prepared.wide_centers)


@fused()
def _decide_among_few(block: Array, columns: "_Columns", wide_centers: Array) -> Array:
    xp = namespace_of(block)
    (n, d), k = block.shape, wide_centers.shape[0]
    lower, upper, best = _bounds(block, columns)
    numbers = xp.arange(k, dtype=xp.int32, device=device_of(block))
    candidates = []
    for left in reversed(range(min(FEW, k))):
        candidates.append(best)
        lower = xp.where(best[:, None] == numbers, xp.inf, lower)
        best = xp.astype(xp.argmin(lower, axis=1), xp.int32) if left else best
    few = xp.stack(candidates, axis=1)
    centers = xp.take(wide_centers, xp.reshape(few, (-1,)), axis=0)
    found = least(few, _squares(block, xp.reshape(centers, (n, -1, d))), d)
    certain = xp.all(lower > upper, axis=1)
    return xp.where(certain, found, -1)


@fused()
def filled(values: Array, where: Array, place: Array, by: Array) -> Array:
    """Return `values`, (m,), with the i-th place that `where` marks filled by the i-th entry.

    The standard has no scatter: every place gathers what it would get, the entry of which `place`
    has the number, from 1; before the first one it is 0.
    """
    xp = namespace_of(values)
    return xp.where(where, xp.take(xp.concat([by[:1], by]), place), values)


def rounded_up(count: int, most: int) -> int:
    """Return the next power of two, since some libraries compile for each shape; `most` at most."""
    return min(most, 1 << (count - 1).bit_length())


def counted(where: Array) -> Array:
    """Return how many places up to each one `where` marks, (m,) int32."""
    xp = namespace_of(where)
    return xp.cumulative_sum(xp.astype(where, xp.int32), dtype=xp.int32)


def blocks_are_faster(*_: object, **__: object) -> None:
    """Return None, where an engine could do all rows at once."""


class _Columns(NamedTuple):
    """What a product needs of the centres, as `PreparedCenters` describes it."""

    origin: Array
    columns: Array
    slack: Array
    tie: float


def _columns(prepared: PreparedCenters) -> _Columns:
    return _Columns(prepared.origin, prepared.columns, prepared.slack, prepared.tie)


def _bounds(block: Array, columns: _Columns) -> tuple[Array, Array, Array]:
    """Return lower bounds of the scores, (B, k); an upper bound of the least; whose that is, (B,).

    The upper bound, (B, 1), is that of the score whose lower bound is the least.
    """
    xp = namespace_of(block)
    shifted = block - columns.origin
    norms = xp.sqrt(xp.sum(shifted * shifted, axis=1, keepdims=True))
    lower = xp.concat([shifted, norms, xp.ones_like(norms)], axis=1) @ columns.columns.T
    best = xp.argmin(lower, axis=1, keepdims=True)
    slack = xp.take(columns.slack, best[:, 0], axis=0)
    upper = xp.take_along_axis(lower, best, axis=1)
    upper = upper + norms * (slack[:, :1] + norms * columns.tie) + slack[:, 1:]
    return lower, upper, xp.astype(best[:, 0], xp.int32)


def _decide_among_all(block: Array, prepared: PreparedCenters, size: int) -> Array:
    """Return labels by direct differences from every centre, of so many rows at a time."""
    xp, (k, d) = namespace_of(block), prepared.centers.shape
    numbers = xp.arange(k, dtype=xp.int32, device=device_of(block))[None, :]
    centers = prepared.wide_centers[None, :, :]
    pieces = [
        least(numbers, _squares(block[part, :], centers), d) for part in parts(block.shape[0], size)
    ]
    return xp.concat(pieces)


def _squares(block: Array, centers: Array) -> Array:
    """Return the squared distances of rows, (B, m), to centres of shape (B or 1, m, d)."""
    xp = namespace_of(block)
    difference = xp.astype(block, centers.dtype, copy=False)[:, None, :] - centers
    return ordered_sum(difference * difference)


def least(numbers: Array, squares: Array, d: int) -> Array:
    """Return the lowest of the centres' `numbers` that are at the least distance, (B,)."""
    xp = namespace_of(squares)
    tie = tied(d, float(xp.finfo(squares.dtype).eps))
    equal = squares <= xp.min(squares, axis=1, keepdims=True) * tie
    return xp.min(xp.where(equal, numbers, xp.iinfo(numbers.dtype).max), axis=1)


def _distance_columns(prepared: PreparedCenters) -> tuple[Array, Array]:
    """Return (-2c', 1, ‖c'‖²), (k, d + 2), and the ‖c'‖², (k,)."""
    xp, d = namespace_of(prepared.centers), prepared.centers.shape[1]
    shifted = prepared.columns[:, :d]  # -c'
    squares = xp.sum(shifted * shifted, axis=1, keepdims=True)
    return xp.concat([2 * shifted, xp.ones_like(squares), squares], axis=1), squares


@fused("dtype")
def _pair_distances(block: Array, centers: Array, pairs: Array, *, dtype: Any) -> Array:
    """Return squared distances by direct differences of pairs, numbered row by row."""
    xp, k = namespace_of(block), centers.shape[0]
    own = xp.take(centers, pairs % k, axis=0)
    difference = xp.astype(xp.take(block, pairs // k, axis=0), own.dtype, copy=False) - own
    return xp.astype(xp.sum(difference * difference, axis=1), dtype, copy=False)
