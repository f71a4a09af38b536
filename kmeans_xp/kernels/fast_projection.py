"""`host_projection` with Numba: centres that a short product leaves are looked at one by one."""

from dataclasses import replace

import numpy as np

from kmeans_xp.kernels import fast_pairs, host, host_gaps, host_projection
from kmeans_xp.kernels.fast_lanes import ready_rows, sealed
from kmeans_xp.kernels.frame import Frame
from kmeans_xp.kernels.projection import Turn, directions_of
from kmeans_xp.kernels.tracker import Changes
from kmeans_xp.kernels.wide_tiles import PANEL, panels_of

# Part of the rows of a block that short products may leave for them to be made of the next.
LEFT = 1 / 8
# Rows of a block that repay directions.
LEAST = 2048


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
    memory = labels, gaps, reach
    left = active[_look(block, active, short, memory, turn)]
    if len(left):
        host_projection.search(block, left, *memory, turn)
    return changes(block, weights, before, labels, turn.frame)


def undecided(block: np.ndarray, frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels of rows that are seen once, and the rows that have none yet."""
    n, every = len(block), np.arange(len(block))
    labels = np.full(n, -1, np.int32)
    if "turn" not in frame.made:
        frame.made["turn"] = _only_turn(frame) if n >= LEAST else None
    turn = frame.made["turn"]
    if turn is None:
        return labels, every
    block, directions = ready_rows(block), turn.directions
    short = np.empty((n, directions.width), block.dtype)
    fast_pairs.shorten(block, frame.origin, turn.made["directions"], directions.rounding, short)
    memory = labels, np.empty(n, np.float32), np.empty(n, np.float32)
    left = every[_look(block, every, short, memory, turn)]
    if len(left) > LEFT * n:
        frame.made["turn"] = None
    return labels, left


def _only_turn(frame: Frame) -> Turn:
    """Return the turn of centres that do not move, with directions for rows as they come."""
    k, dtype = len(frame.centers), frame.centers.dtype
    directions = directions_of(frame.wide_centers, frame.wide_origin)
    # Of q products with unit vectors, and the norms of what they leave.
    rounding = 4 * directions.matrix.shape[1] ** 0.5 * frame.gamma
    directions = replace(directions, rounding=rounding)
    still, short = np.zeros(k), directions.centers(frame.wide_centers, dtype)
    turn = Turn(frame, still, still, directions, short)
    turn.made["directions"] = panels_of(directions.matrix.T.astype(dtype))
    return turn


def _look(
    block: np.ndarray,
    which: np.ndarray,
    short: np.ndarray,
    memory: tuple[np.ndarray, np.ndarray, np.ndarray],
    turn: Turn,
) -> np.ndarray:
    """Settle the rows `which`; return whether each of them is left."""
    if "centers" not in turn.made:
        panels = panels_of(turn.short_centers)
        # What fills up the last panel is nobody's rival.
        panels[-1, -1, PANEL - -len(turn.short_centers) % PANEL :] = -np.inf
        turn.made["centers"] = panels, np.require(turn.frame.wide_centers, None, ["C", "A", "W"])
    panels, centers = turn.made["centers"]
    moving = centers, turn.limits, turn.ways
    return fast_pairs.look(block, which, short, panels, memory, moving, turn.margin)


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
    found = Changes.none(k, d)
    fast_pairs.move(
        block, sealed(weights), before, labels, frame.wide_origin,
        found.sums, found.weights, found.counts, found.stirred,
    )  # fmt: skip
    return found
