"""`host_projection` with Numba: centres that a short product leaves are looked at one by one."""

import numpy as np

from kmeans_xp.kernels import fast_pairs, host, host_gaps, host_projection
from kmeans_xp.kernels.fast_lanes import ready_rows, sealed
from kmeans_xp.kernels.frame import Frame
from kmeans_xp.kernels.projection import Turn
from kmeans_xp.kernels.tracker import Changes


def block_rows(k: int, d: int) -> int:
    """Return how many rows a block should have: enough for its sums to be a small part."""
    return max(host.block_rows(k, d), min(32 * k, 1 << 14))


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
    """As `host_projection.advance`."""
    block, before = ready_rows(block), labels.copy()
    if len(labels) and labels[0] < 0:
        host_projection.shorten(block, turn, out=short)
    active = host_gaps.unsettled(labels, gaps, turn.limits)
    memory, centers = (labels, gaps, reach), turn.short_centers
    moving = turn.frame.wide_centers, turn.limits, turn.ways
    near = turn.neighbours
    if near and len(labels) and before[0] >= 0:
        lists = near.which, near.distances, near.slack
        left = fast_pairs.look_near(
            block, active, short, memory, moving, centers, lists, turn.margin
        )
        active = active[left]
    crowded = []
    for part in host.pieces(active, turn.frame):
        which = active[part]
        rows = short.take(which, axis=0)
        scores = host_projection.scores_of(rows, labels[which], turn)
        left = fast_pairs.look_far(
            block, which, rows[:, -2], scores, scores.argmax(axis=1), memory, moving, turn.margin
        )
        crowded.append(which[left])
    if any(map(len, crowded)):
        host_projection.search(block, np.concatenate(crowded), *memory, turn, restless=1)
    return changes(block, weights, before, labels, turn.frame)


def changes(
    block: np.ndarray,
    weights: np.ndarray | None,
    before: np.ndarray,
    labels: np.ndarray,
    frame: Frame,
) -> Changes:
    """Return what clusters gain and lose by going from the labels `before` to `labels`."""
    k, d = frame.centers.shape
    weights = np.empty(0) if weights is None else np.require(weights, np.float64, ["C", "A"])
    found = Changes(np.zeros((k, d)), np.zeros(k), np.zeros(k, np.int64), np.zeros(k))
    fast_pairs.move(
        block, sealed(weights), before, labels, frame.wide_origin,
        found.sums, found.weights, found.counts, found.stirred,
    )  # fmt: skip
    return found
