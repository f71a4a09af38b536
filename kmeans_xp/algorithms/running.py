"""Centres as running means of batches, and where those go that see too few rows."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np

from kmeans_xp.algorithms.seeding import random_rows
from kmeans_xp.arrays import Array, Totals, namespace_of, to_host
from kmeans_xp.arrays.checks import check_nonnegative
from kmeans_xp.arrays.precision import quiet
from kmeans_xp.kernels import Frame, Kernel, frame_of
from kmeans_xp.rows import Rows

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


@dataclass(frozen=True)
class _BatchTotals(Totals):
    sums: Array
    weights: Array
    cost: Array


@quiet()
def learn(
    rows: Rows, weights: Array | None, means: Means, rules: Rules
) -> tuple[Means, float, float]:
    """Let the means learn from a batch.

    Returns
    -------
    means : Means
        After the batch.
    cost : float
        The inertia of the batch before.
    shift : float
        Sum of the squared distances that the centres moved.
    """
    xp, k = rows.xp, rules.k
    frame = frame_of(means.rounded(rows), means.origin)
    step = partial(_batch_step, kernel=rules.kernel, frame=frame)
    size = rules.kernel.block_rows(k, rows.shape[1])
    totals = rows.fold(step, weights, block_rows=size)
    counts = means.counts + totals.weights
    origin = xp.astype(frame.origin, rows.wide, copy=False)
    news = totals.sums - totals.weights[:, None] * (means.centers - origin)
    moved = news / xp.where(counts > 0, counts, 1.0)[:, None]
    facts = to_host(xp.concat([xp.stack([totals.cost, xp.sum(moved * moved)]), counts]))
    waiting = means.waiting + rows.shape[0]
    after = Means(means.centers + moved, counts, means.origin, facts[2:], waiting)
    shift = float(facts[1])
    if waiting >= ROWS_PER_CENTER * k or not means.seen.all():
        fed = _feed(rows, weights, replace(after, waiting=0), rules)
        if fed.centers is not after.centers:
            shift = float(to_host(xp.sum((fed.centers - means.centers) ** 2)))
        after = fed
    return after, float(facts[0]), shift


def _feed(rows: Rows, weights: Array | None, means: Means, rules: Rules) -> Means:
    """Move centres that have seen too little to random rows of the batch."""
    xp, seen = rows.xp, means.seen
    starved = np.count_nonzero(seen < rules.reassignment_ratio * seen.max())
    count = min(int(starved), rows.shape[0] // 2)
    if not count:
        return means
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


def _batch_step(
    block: Array, weights: Array | None, *, kernel: Kernel, frame: Frame
) -> _BatchTotals:
    labels, distances = kernel.nearest(block, frame)
    costs = distances if weights is None else distances * weights
    sums, held = kernel.sum_by_label(block, labels, weights, frame)
    return _BatchTotals(sums, held, namespace_of(block).sum(costs))
