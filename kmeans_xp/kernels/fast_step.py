"""A whole iteration of Lloyd's algorithm in one compiled call, for rows of few features.

Imported only where Numba is. The calls that an iteration is made of elsewhere take longer than the
work itself where the rows are few.
"""

from collections.abc import Callable
from functools import partial
from itertools import chain, repeat
from typing import Any

import numpy as np

from kmeans_xp.kernels import fast_loops, fast_turn
from kmeans_xp.kernels.fast_lanes import ready_rows, sealed, sort, unordered
from kmeans_xp.kernels.fast_vector import LANES
from kmeans_xp.kernels.move import ClusterTotals, Move
from kmeans_xp.kernels.stepper import Stepper, Team

# Pieces at most that threads share; rows that each has at least, and vectors that the rows of a
# label should fill in one.
PIECES, PIECE_ROWS, FILL = 16, 1024, 4
# With more features, reaches are so long that all centres matter.
REACHING = 8
# Centres up to which it is no trouble to put all of them in order again.
SORTED = 64


class FastStepper(Stepper):
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
        weights = np.empty(0) if weights is None else np.require(weights, np.float64, ["C", "A"])
        self.labels = np.full(n, -1, np.int32)
        self._near = unordered(np.zeros((k, d), block.dtype), k + 1)
        self._before = np.zeros((k, d))
        self._held, self._each = np.zeros((k, d)), np.zeros((fast_turn.EACH, k))
        self._each[fast_turn.REACH] = 0 if reaching else np.inf
        above, below = np.zeros(k + 1, np.float32), np.zeros(k + 1, block.dtype)
        above[0] = np.inf
        self._ordered = k if reaching else SORTED
        self._turns = np.zeros(fast_loops.TURNS, np.int64)
        self._turns[fast_loops.TAKEN], self._turns[fast_loops.AGAIN] = pieces, 3 * reaching
        self._work = partial(
            fast_loops.step,
            ready_rows(block), sealed(weights), self.labels, np.full(n, -np.inf, np.float32),
            self._near.centers, origin.astype(np.float64), self._before,
            self._near.order, self._near.spans, np.zeros((k * reaching, k)), self._each, above,
            below, self._held, np.empty((pieces, k, d)), np.empty((pieces, fast_turn.PARTS, k)),
            self._turns, -(-n // pieces),
        )  # fmt: skip
        self._team = team if pieces > 1 else _alone
        self._help = partial(
            self._work, fast_loops.HELPS, np.empty((0, d), block.dtype), np.empty(0)
        )

    def step(self, centers: np.ndarray) -> Move:
        """Search the rows whose label may change, and move each centre to the mean of its rows."""
        k = len(centers)
        self._near.centers[:k] = centers
        role = fast_loops.BEGINS
        if not self._turns[fast_loops.NUMBER]:
            self._before[:] = centers
        if k > self._ordered or not self._turns[fast_loops.NUMBER]:
            sort(self._near)
            role = fast_loops.BEGINS_SORTED
        moved, facts = np.empty_like(centers, order="C"), np.empty(3)
        roles = chain([role], repeat(fast_loops.GOES_ON))
        self._team(lambda: self._work(next(roles), moved, facts), self._help)
        gain, shift, empty = facts.tolist()
        return Move(moved, gain, shift, int(empty))

    @property
    def totals(self) -> ClusterTotals:
        """Return the totals of the clusters after the last step."""
        weights, counts = self._each[[fast_turn.WEIGHT, fast_turn.COUNT]]
        some = counts > 0
        return ClusterTotals(np.where(some[:, None], self._held, 0.0), np.where(some, weights, 0.0))


def _alone(work: Callable[[], bool], _help: Callable[[], Any]) -> None:
    while not work():
        pass
