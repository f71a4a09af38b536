"""Centres as running means of batches, and where those go that see too few rows."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np

from kmeans_xp.algorithms.seeding import random_rows
from kmeans_xp.arrays import Array, to_host
from kmeans_xp.arrays.checks import check_nonnegative
from kmeans_xp.arrays.precision import quiet
from kmeans_xp.kernels import Frame, Kernel, Learned, Pull, Puller, frame_of
from kmeans_xp.rows import Rows, open_rows

# Starved centres are looked for each time that so many rows a centre have been seen.
ROWS_PER_CENTER = 10


def check_ratio(reassignment_ratio: Any) -> float:
    """Return `reassignment_ratio` as a float from 0 to 1."""
    ratio = check_nonnegative(reassignment_ratio, "reassignment_ratio")
    if ratio > 1:
        raise ValueError(
            f"reassignment_ratio must be at most 1, got {ratio}. It is a part of what the busiest "
            "centre has seen; scikit-learn's default is 0.01."
        )
    return ratio


@dataclass(frozen=True)
class Rules:
    """How means learn: how many, by which kernel, and when one is starved."""

    k: int
    kernel: Kernel
    reassignment_ratio: float
    generator: np.random.Generator


@dataclass(frozen=True)
class Means:
    """Running means and the weight that each has seen.

    Attributes
    ----------
    centers : array of shape (k, d)
        In the widest float, so that a long stream does not stall.
    counts : array of shape (k,)
        The weight that each has seen, in the widest float.
    origin : array of shape (d,)
        What sums are taken about.
    seen : numpy.ndarray of shape (k,)
        The counts again, on the host.
    waiting : int
        Rows since starved centres were last looked for.
    """

    centers: Array
    counts: Array
    origin: Array
    seen: np.ndarray
    waiting: int = 0

    @classmethod
    def at(cls, centers: Array, rows: Rows) -> Self:
        """Return means that have seen nothing, at `centers` where the blocks of `rows` live."""
        seen = np.zeros(centers.shape[0])
        wide = rows.xp.astype(centers, rows.wide)
        return cls(wide, rows.small(seen, rows.wide), frame_of(centers).origin, seen)

    def times(self, factor: float) -> Self:
        """Return means that have seen `factor` times as much."""
        return replace(self, counts=self.counts * factor, seen=self.seen * factor)

    def rounded(self, rows: Rows) -> Array:
        """Return the centres in the dtype of `rows`."""
        return rows.xp.astype(self.centers, rows.dtype)

    def on_host(self) -> Self:
        """Return the same means as host arrays."""
        centers, counts, origin = map(to_host, (self.centers, self.counts, self.origin))
        return replace(self, centers=centers, counts=counts, origin=origin)

    def beside(self, rows: Rows) -> Self:
        """Return means on the host where the blocks of `rows` live."""
        centers, counts = (rows.small(a, rows.wide) for a in (self.centers, self.counts))
        return replace(
            self, centers=centers, counts=counts, origin=rows.small(self.origin, rows.dtype)
        )


@quiet()
def learn(
    rows: Rows,
    weights: Array | None,
    means: Means,
    rules: Rules,
    drawn: np.ndarray | None = None,
) -> tuple[Means, float, float]:
    """Let the means learn from a batch: `rows`, or those of them that are `drawn`.

    Returns
    -------
    means : Means
        After the batch.
    cost : float
        The inertia of the batch before.
    shift : float
        Sum of the squared distances that the centres moved.
    """
    size = rows.shape[0] if drawn is None else len(drawn)
    block_rows = rules.kernel.block_rows(rules.k, rows.shape[1])
    learned = _at_once(rows, weights, means, rules, drawn) if size <= block_rows else None
    if learned is None and drawn is not None:
        return learn(open_rows(rows.take(drawn)), weights, means, rules)
    learned = learned or _by_block(rows, weights, means, rules, block_rows)
    centers, counts, seen, cost, shift = learned
    waiting = means.waiting + size
    hungry = waiting >= ROWS_PER_CENTER * rules.k or not means.seen.all()
    after = Means(centers, counts, means.origin, seen, 0 if hungry else waiting)
    if hungry and (count := _starved(after, rules, size)):
        batch = rows if drawn is None else open_rows(rows.take(drawn))
        after = _feed(batch, weights, after, rules, count)
        shift = float(to_host(rows.xp.sum((after.centers - means.centers) ** 2)))
    return after, cost, shift


def _at_once(
    rows: Rows, weights: Array | None, means: Means, rules: Rules, drawn: np.ndarray | None
) -> Learned | None:
    """Return what a batch teaches, where the kernel does all of it at once."""
    block = None if rules.kernel.learn is None else rows.uncopied(rows.shape[0])
    if rules.kernel.learn is None or block is None:
        return None
    return rules.kernel.learn(block, drawn, weights, means.centers, means.counts)


def _by_block(
    rows: Rows, weights: Array | None, means: Means, rules: Rules, block_rows: int
) -> Learned:
    """Return what a batch teaches, of any namespace and size."""
    xp = rows.xp
    frame = frame_of(means.rounded(rows), means.origin)
    work = rows.shape[0] * rows.shape[1] * rules.k
    puller = rules.kernel.puller(work, rows.dtype)
    step = partial(
        _pull_step, kernel=rules.kernel, puller=puller, frame=frame, centers=means.centers
    )
    pull = rows.fold(step, weights, block_rows=block_rows)
    counts = means.counts + pull.weights
    moved = pull.ways / xp.where(counts > 0, counts, 1.0)[:, None]
    told = (xp.reshape(value, (1,)) for value in (pull.cost, xp.sum(moved * moved)))
    facts = to_host(xp.concat([*told, counts]))
    return means.centers + moved, counts, facts[2:], float(facts[0]), float(facts[1])


def _starved(means: Means, rules: Rules, size: int) -> int:
    """Return how many centres have seen too little, and find a row in a batch of this size."""
    starved = np.count_nonzero(means.seen < rules.reassignment_ratio * means.seen.max())
    return min(int(starved), size // 2)


def _feed(rows: Rows, weights: Array | None, means: Means, rules: Rules, count: int) -> Means:
    """Move the `count` centres that have seen least to random rows of the batch."""
    xp, seen = rows.xp, means.seen
    drawn = rows.take(random_rows(rows, count, weights, rules.generator))
    order = np.argsort(seen, kind="stable")
    # They count as the least of the others does, lest they starve again at once.
    seen = np.where(np.isin(np.arange(rules.k), order[:count]), seen[order[count]], seen)
    # A scatter by gathering: the i-th of the starved takes the i-th row.
    place = np.full(rules.k, -1)
    place[order[:count]] = np.arange(count)
    new = xp.take(xp.astype(drawn, rows.wide), rows.small(np.maximum(place, 0)), axis=0)
    centers = xp.where(rows.small(place >= 0)[:, None], new, means.centers)
    return replace(means, centers=centers, counts=rows.small(seen, rows.wide), seen=seen)


def _pull_step(
    block: Array,
    weights: Array | None,
    *,
    kernel: Kernel,
    puller: Puller,
    frame: Frame,
    centers: Array,
) -> Pull:
    """Rows pull at centres that were not rounded, as those were that they are searched among."""
    return puller(block, kernel.labels(block, frame), weights, centers)
