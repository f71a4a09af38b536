r"""What is remembered of rows that are divided in two, so that few have to be looked at.

With u from the first centre to the second and t the product of u and the point between them, a
row x is nearer to the second if its score x·u is above t. Scores for one pair bound those for a
later one: with u' = αu + e and any point m,

    x·u' = α x·u + m·e + (x - m)·e,

where the last term is at most ‖x - m‖‖e‖, and α makes e as short as it can be. A row for which
that is on one side of t' needs no product. Where many are not, all scores are taken afresh.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Self, final

import numpy as np

from kmeans_xp.kernels import fast_compile
from kmeans_xp.kernels.blocks import parts
from kmeans_xp.kernels.pair import Gains
from kmeans_xp.kernels.pair_host import WIDE, HostPair, gained
from kmeans_xp.kernels.tracker import ROUNDING

# With fewer features, or fewer entries of rows, a product takes no longer than bounds do.
NARROW, SMALL = 8, 1 << 17
# Part of the rows that bounds may leave, and of how many rows it is found out beforehand.
LEFT, SAMPLE = 0.25, 1 << 10

Step = Callable[..., Any]


class Bounds(NamedTuple):
    """What earlier scores say: they are factor·score - shift ± (slope·radius + slack) above t."""

    factor: float
    shift: float
    slope: float
    slack: float

    @classmethod
    def of(cls, known: HostPair, pair: HostPair, about: np.ndarray) -> Self:
        """Return what scores for the pair `known` say of those for `pair`."""
        assert known.doubt is not None
        assert pair.doubt is not None
        factor = pair.line @ known.line / (known.line @ known.line)
        rest = pair.line - factor * known.line
        # Of either doubt, more than half is left over for the rounding of the bounds themselves.
        slack = abs(factor) * known.doubt + pair.doubt
        return cls(factor, pair.middle - about @ rest, np.sqrt(rest @ rest), slack)

    def sides(self, scores: np.ndarray, radii: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which rows are nearer to the second centre for certain, and to the first."""
        above = scores * self.factor
        above -= self.shift
        reach = radii * self.slope
        reach += self.slack
        second = above > reach
        return second, above < np.negative(reach, out=reach)


@final
class PairTracker:
    """The memory of rows that are divided, and the step that each iteration takes with it.

    Parameters
    ----------
    shape : tuple of int
        Rows and features.
    dtype : dtype
        Of the rows.
    about : ndarray of shape (d,), float64
        A point amid them, about which they are summed.
    measure, advance : callable
        As those of this module.

    Attributes
    ----------
    memory : tuple of ndarray
        Row-aligned: the labels, (n,) int8; the squared distances from `about`, (n,) float64; the
        distances, rounded up, (n,), but (0,) where bounds do not pay; the last scores, (n,).
    """

    def __init__(
        self,
        shape: tuple[int, int],
        dtype: Any,
        about: np.ndarray,
        measure: Step,
        advance: Step,
    ) -> None:
        n, d = shape
        radii = np.empty(n if d >= NARROW and n * d >= SMALL else 0, dtype)
        self.memory = np.zeros(n, np.int8), np.empty(n), radii, np.empty(n, dtype)
        self._measure, self._advance = measure, advance
        self._about = about
        self._reach = 0.0
        self._known: HostPair | None = None

    def measure(self) -> Step:
        """Return the step that takes in the rows' distances."""
        return partial(self._measure, about=self._about)

    def start(self, centers: np.ndarray) -> None:
        """Begin a run from two centres: all rows are with the first one."""
        labels, squares, radii, scores = self.memory
        self.memory = np.zeros_like(labels), squares, radii, scores
        about, wide = self._about, centers.astype(np.float64)
        # The means of rows are no farther than rows.
        farthest = np.sqrt(about @ about) + np.sqrt(squares.max())
        start = np.sqrt(np.vecdot(wide, wide).max())
        self._reach = float(max(farthest, start)) * (1 + ROUNDING)

    def turn(self, centers: np.ndarray) -> Step:
        """Return the step of an iteration: (block, *memory) -> `Gains` since the last one."""
        pair = HostPair.of(centers, self._reach)
        bounds = self._bounds(pair)
        if bounds is None:
            self._known = pair
        return partial(self._advance, pair=pair, about=self._about, bounds=bounds)

    def squares(self) -> np.ndarray:
        """Return the sum of the squared distances of each half, (2,)."""
        labels, squares, _, _ = self.memory
        return np.bincount(labels, squares, 2)

    def _bounds(self, pair: HostPair) -> Bounds | None:
        """Return what the last scores say, if that leaves few rows."""
        _, _, radii, scores = self.memory
        if self._known is None or not len(radii):
            return None
        bounds = Bounds.of(self._known, pair, self._about)
        step = max(1, len(scores) // SAMPLE)
        second, first = bounds.sides(scores[::step], radii[::step])
        left = len(first) - np.count_nonzero(first) - np.count_nonzero(second)
        return bounds if left < LEFT * len(first) else None


def find_pair_tracker(shape: tuple[int, int], dtype: Any, about: np.ndarray) -> PairTracker:
    """Return the tracker of rows of this `shape` and `dtype`, about a point amid them."""
    n, d = shape
    if not fast_compile.worthwhile(2 * n * (d + 8), dtype, fast_compile.HALF_LOOPS):
        return PairTracker(shape, dtype, about, measure, advance)
    # Imported here, since Numba is an extra.
    from kmeans_xp.kernels import pair_fast

    return PairTracker(shape, dtype, about, pair_fast.measure, pair_fast.advance)


def measure(
    block: np.ndarray,
    _labels: np.ndarray,
    squares: np.ndarray,
    radii: np.ndarray,
    _scores: np.ndarray,
    *,
    about: np.ndarray,
) -> None:
    """Write how far rows are from a point."""
    for part in parts(len(block), WIDE // block.shape[1]):
        away = block[part].astype(np.float64)
        away -= about
        np.vecdot(away, away, out=squares[part])
    if len(radii):
        # A step up is more than the conversion rounds down.
        np.multiply(np.sqrt(squares), 1 + ROUNDING, out=radii, casting="same_kind")
        np.nextafter(radii, radii.dtype.type(np.inf), out=radii)


def advance(
    block: np.ndarray,
    labels: np.ndarray,
    _squares: np.ndarray,
    radii: np.ndarray,
    scores: np.ndarray,
    *,
    pair: HostPair,
    about: np.ndarray,
    bounds: Bounds | None,
) -> Gains:
    """Write the label of each row, and return what the second half gained."""
    if bounds is None:
        found = pair.decided(block, np.matmul(block, pair.away, out=scores))
    else:
        second, first = bounds.sides(scores, radii)
        left = np.flatnonzero(second == first)
        found = second.view(np.int8)
        found[left] = pair.labels(block.take(left, axis=0))
    gains = gained(block, found, labels, about)
    labels[:] = found
    return gains
