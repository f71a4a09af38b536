"""Centres as running means of batches, and where those go that no row comes to."""

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np

from kmeans_xp.arrays import Array, to_host
from kmeans_xp.arrays.checks import check_nonnegative
from kmeans_xp.arrays.precision import quiet
from kmeans_xp.arrays.record import Record
from kmeans_xp.arrays.views import OnHost
from kmeans_xp.kernels.interface import Batch, Engine
from kmeans_xp.kernels.shared.prepared_centers import Origin, PreparedCenters, prepare
from kmeans_xp.rows.arguments import Weights
from kmeans_xp.rows.base import Rows


def rows_to_wait(reassignment_ratio: Any, k: int, most: float = math.inf) -> float:
    """Return after how many rows, `most` of them at the most, a centre that none came to moves.

    After so many a centre would expect one row if it had this part of an equal share.
    """
    ratio = check_nonnegative(reassignment_ratio, "reassignment_ratio")
    if ratio > 1:
        raise ValueError(
            f"reassignment_ratio must be at most 1, got {ratio}. It is a part of an equal share of "
            "the rows; scikit-learn's default is 0.01."
        )
    return min(k / ratio, most) if ratio else math.inf


@dataclass(frozen=True)
class Rules:
    """How means learn.

    Attributes
    ----------
    k : int
        How many there are.
    engine : Engine
    wait : float
        After so many rows a centre that no row came to is moved.
    generator : numpy.random.Generator
    """

    k: int
    engine: Engine
    wait: float
    generator: np.random.Generator


@dataclass(frozen=True, eq=False, repr=False)
class Means(Record, OnHost):
    """Running means and the weight that each has seen; on the host, once a result holds them.

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
    rows : int
        How many rows of positive weight there were.
    """

    __module__ = "kmeans_xp"  # Pickles outlive moves.

    centers: Array
    counts: Array
    origin: Array
    seen: np.ndarray
    rows: int = 0

    @classmethod
    def at(cls, centers: Array, rows: Rows, *, drawn: bool = False) -> Self:
        """Return means at `centers`, where the blocks of `rows` live.

        They have seen nothing, or where they were `drawn` from the rows, the row that each is:
        else the first row that comes to one would take its place, and undo a careful start. Of
        equal ones only the first has, since no row will come to the others.
        """
        seen = np.zeros(centers.shape[0])
        if drawn:
            seen[first_of_equals(to_host(centers))] = 1.0
        wide = rows.xp.astype(centers, rows.wide)
        return cls(wide, rows.small(seen, rows.wide), prepare(centers).origin, seen)

    def times(self, factor: float) -> Self:
        """Return means that have seen `factor` times as much."""
        return replace(self, counts=self.counts * factor, seen=self.seen * factor)

    def moved_to(self, centers: np.ndarray) -> Self:
        """Return host means at host `centers`; what they have seen stays.

        Means that round to these are kept in full, entry by entry.
        """
        if centers.shape != self.centers.shape:
            return self.unseen(centers)
        with quiet():
            kept = self.centers.astype(centers.dtype) == centers
        if kept.all():
            return self
        moved = np.where(kept, self.centers, centers)
        return replace(self, centers=moved, origin=prepare(centers).origin)

    @classmethod
    def unseen(cls, centers: np.ndarray) -> Self:
        """Return host means at host `centers`, that have seen nothing."""
        seen = np.zeros(len(centers))
        return cls(centers.astype(np.float64), seen, prepare(centers).origin, seen)

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
    weights: Weights,
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
    batch = Batch(rows, drawn, weights.array, means.centers, means.counts, means.origin)
    learned = rules.engine.learn(batch)
    shift, seen = learned.shift, learned.seen
    after = Means(learned.centers, learned.counts, means.origin, seen, means.rows + weights.count)
    if after.rows >= rules.wait and not seen.all():
        own = rows if drawn is None else rows.copied(drawn)
        after = _reassign(own, weights, after, rules)
        shift = float(to_host(rows.xp.sum((after.centers - means.centers) ** 2)))
    return after, learned.cost, shift


def _reassign(rows: Rows, weights: Weights, means: Means, rules: Rules) -> Means:
    """Move centres that no row came to onto rows of the batch, drawn by squared distance.

    No more of them than half the rows. A moved centre has seen the row that it is.
    """
    xp, unseen = rows.xp, np.flatnonzero(means.seen == 0)
    prepared = prepare(means.rounded(rows), Origin(means.origin))
    costs = costs_of(rows, weights.array, prepared, rules.engine)
    uniforms = rules.generator.random(min(len(unseen), max(1, weights.count // 2)))
    drawn = list(dict.fromkeys(rows.sample(costs, uniforms)[0]))
    if not drawn:  # every row is at a centre
        return means
    drawn = [drawn[i] for i in first_of_equals(to_host(rows.take(drawn)))]
    moved = unseen[: len(drawn)]
    seen = means.seen.copy()
    seen[moved] = 1.0 if weights.array is None else rows.pick(weights.array, drawn)
    # A scatter by gathering: the i-th that moves takes the i-th row.
    place = np.full(rules.k, -1)
    place[moved] = np.arange(len(drawn))
    rows_of = xp.take(rows.take(drawn), rows.small(np.maximum(place, 0)), axis=0)
    new = xp.astype(rows_of, rows.wide)
    centers = xp.where(rows.small(place >= 0)[:, None], new, means.centers)
    return replace(means, centers=centers, counts=rows.small(seen, rows.wide), seen=seen)


def first_of_equals(host: np.ndarray) -> list[int]:
    """Return the index of the first of each group of equal rows."""
    found: dict[bytes, int] = {}
    for i, row in enumerate(host + 0.0):  # -0.0 is 0.0
        found.setdefault(row.tobytes(), i)
    return list(found.values())


def costs_of(rows: Rows, weights: Array | None, prepared: PreparedCenters, engine: Engine) -> Array:
    """Return the weighted squared distance of each row to its nearest centre."""
    size = engine.block_rows(*prepared.centers.shape)
    return rows.map(
        partial(_cost_step, engine=engine, prepared=prepared), weights, block_rows=size
    )[0]


def _cost_step(
    block: Array, weights: Array | None, *, engine: Engine, prepared: PreparedCenters
) -> tuple[Array]:
    squares = engine.nearest(block, prepared)[1]
    return (squares if weights is None else squares * weights,)
