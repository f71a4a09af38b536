"""One iteration of Lloyd's algorithm in NumPy, of the centres that no short product excludes."""

import numpy as np

from kmeans_xp.kernels import host, host_gaps
from kmeans_xp.kernels.blocks import even_blocks, parts
from kmeans_xp.kernels.frame import tied
from kmeans_xp.kernels.projection import Turn
from kmeans_xp.kernels.scratch import scratch, taken
from kmeans_xp.kernels.tracker import Changes

# Centres in a product that cost as much as the differences from one.
PAIR = 64
# Bytes of scores of short rows at a time: they cost little, and calls the more.
SCORE_BYTES = 1 << 22
# Rows at a time at most.
PIECE = 2048
# Entries of a block: each adds up the sums of all clusters, and calls that are turns at the lock.
BLOCK = 1 << 21
# More than float32 rounds away in two operations, and float64 in a few.
ROUND, FINE = 2.0**-21, 2.0**-49


def block_rows(n: int, d: int) -> int:
    """Return how many rows a block should have."""
    return even_blocks(n, max(1, BLOCK // d))


def advance(
    block: np.ndarray,
    weights: np.ndarray | None,
    labels: np.ndarray,
    gaps: np.ndarray,
    reach: np.ndarray,
    short: np.ndarray,
    *,
    turn: Turn,
) -> Changes:
    """Search where no bound holds; write the memory; return what changed.

    `reach` is how far a row is from its centre at most, less the way which that had come by then;
    `short` holds short rows.
    """
    before, left = labels.copy(), np.arange(len(block))
    if len(labels) and labels[0] < 0:
        shorten(block, turn, out=short)
    else:
        active = host_gaps.unsettled(labels, gaps, turn.limits)
        size = min(max(256, SCORE_BYTES // (len(turn.short_centers) * block.itemsize)), PIECE)
        crowded = [
            _settle(block, active[part], labels, gaps, short, turn)
            for part in parts(len(active), size)
        ]
        left = np.concatenate([active[:0], *crowded])
    search(block, left, labels, gaps, reach, turn)
    return host_gaps.changes(block, weights, before, labels, turn.frame)


def search(
    block: np.ndarray,
    which: np.ndarray,
    labels: np.ndarray,
    gaps: np.ndarray,
    reach: np.ndarray,
    turn: Turn,
) -> None:
    """Search all centres for the rows `which`; write the memory."""
    rows = host_gaps.gathered(block, which)
    found, gap, own = host_gaps.search(rows, labels[which], turn.frame, restless=1)
    labels[which] = found
    host_gaps.remember(gaps, which, gap, labels, turn.limits)
    reach[which] = reach_of(own, turn.ways[found])


def reach_of(own: np.ndarray, ways: np.ndarray) -> np.ndarray:
    """Return distances to the own centre less the way that it had come, rounded up to float32."""
    left = own.astype(np.float64) - ways + (own + ways) * ROUND
    return np.nextafter(left.astype(np.float32), np.float32(np.inf))


def shorten(block: np.ndarray, turn: Turn, out: np.ndarray) -> None:
    """Write the short rows of a block, a few at a time."""
    for part in parts(len(block), host.DIFFERENCES // block.shape[1]):
        out[part] = turn.directions.rows(block[part])


def _settle(
    block: np.ndarray,
    which: np.ndarray,
    labels: np.ndarray,
    gaps: np.ndarray,
    short: np.ndarray,
    turn: Turn,
) -> np.ndarray:
    """Label rows by their differences from the centres that may be nearer; write the memory.

    Return the rows for which these are too many.
    """
    x, own = taken(block, which, "rows"), labels.take(which).astype(np.intp)
    near = host.own_distances(x, turn.frame, own)
    squares, scores = _short(taken(short, which, "short"), own, turn)
    # Where the score does not tell that a centre is farther than the own one.
    most = (squares - near * (tied(x.shape[1]) + FINE)) / 2
    below = np.nextafter(most.astype(scores.dtype), -scores.dtype.type(np.inf))
    far = np.less(scores, below[:, None], out=scratch("near", scores.shape, np.bool_))
    flat = np.flatnonzero(np.logical_not(far, out=far))
    i, j = np.divmod(flat, scores.shape[1])
    crowded = np.bincount(i, minlength=len(which)) * PAIR > scores.shape[1]
    scores.reshape(-1)[flat] = -np.inf
    # NumPy finds the place of a largest entry several times as fast as its value.
    top = scores[np.arange(len(which)), scores.argmax(axis=1)].astype(np.float64)
    few = np.flatnonzero(~crowded[i])
    new, nearest, second = _decided(x, own, near, i[few], j[few], turn)
    rest = np.maximum(squares - 2 * top, 0)
    first = np.sqrt(nearest) * (1 + FINE)
    gap = np.sqrt(np.minimum(second, rest)) * (1 - FINE) - first
    easy = np.flatnonzero(~crowded)
    at = which[easy]
    labels[at] = new[easy]
    host_gaps.remember(gaps, at, gap[easy], labels, turn.limits)
    return which[crowded]


def _short(rows: np.ndarray, own: np.ndarray, turn: Turn) -> tuple[np.ndarray, np.ndarray]:
    """Return lower bounds of ‖x'‖², and upper ones of x'·c' - ½‖c'‖², but for the own centre."""
    scores = scratch("scores", (len(rows), len(turn.short_centers)), rows.dtype)
    np.matmul(rows, turn.short_centers.T, out=scores)
    scores[np.arange(len(rows)), own] = -np.inf
    (margin, underflow, limit), norms = turn.margin, rows[:, -2].astype(np.float64)
    squares = np.square(norms) * (1 - margin) - underflow
    return np.where(norms < limit, squares, -np.inf), scores


def _decided(
    x: np.ndarray, own: np.ndarray, near: np.ndarray, i: np.ndarray, j: np.ndarray, turn: Turn
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the nearest of each row's own centre and its rivals, and the least two squares.

    `near` are the squared distances to the own centre; row i[p] of `x` has the rival j[p].
    """
    found = np.empty(len(i))
    for part in parts(len(i), host.BLOCK // x.shape[1]):
        found[part] = host.own_distances(taken(x, i[part], "pairs"), turn.frame, j[part])
    least = near.copy()
    np.minimum.at(least, i, found)
    equal = least * tied(x.shape[1])
    new = np.where(near <= equal, own, len(turn.short_centers))
    hits = np.flatnonzero(found <= equal[i])
    np.minimum.at(new, i[hits], j[hits])
    second = np.where(new == own, np.inf, near)
    others = np.flatnonzero(j != new[i])
    np.minimum.at(second, i[others], found[others])
    return new, least, second
