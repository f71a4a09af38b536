"""Bisections: which cluster is divided next, and how."""

import heapq
import itertools
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from kmeans_xp.algorithms.bisecting.tree import Tree
from kmeans_xp.algorithms.bisecting.two_means import Divided, Division
from kmeans_xp.algorithms.kmeans.fit import TIE, Problem
from kmeans_xp.algorithms.loop import Report
from kmeans_xp.algorithms.moments import Moments, moments_of
from kmeans_xp.algorithms.seeding.fit import Init
from kmeans_xp.arrays import Array, namespace_of, to_host
from kmeans_xp.kernels.choose.lloyd import LloydMethod
from kmeans_xp.kernels.interface import Engine
from kmeans_xp.rows.base import Rows

# Rows of a cluster that a callable start is shown at most.
SHOWN = 1 << 14


@dataclass(frozen=True)
class Leaf:
    """A cluster that may be divided: its rows, and which half (bisection, side) it is."""

    rows: Rows
    weights: Array | None
    center: Array
    inertia: float
    score: float
    place: tuple[int, int]
    moments: Moments | None = None


class Grown:
    """The leaves, and of each bisection the two centres and which half it divides.

    It grows in place: to copy k leaves for each of k bisections would take longer than these.

    Attributes
    ----------
    leaves : dict of (int, int) to Leaf
        By their places.
    pairs : list of numpy.ndarray of shape (2, d)
        The centres of each bisection.
    parents : list of (int, int)
        Which half each bisection divides.
    converged : bool
        Whether the k-means of each bisection converged.
    """

    def __init__(self, root: Leaf) -> None:
        self.leaves = {root.place: root}
        self.pairs: list[np.ndarray] = []
        self.parents: list[tuple[int, int]] = []
        self.converged = True
        # Exact, since what is taken away again must leave nothing behind.
        self._inertia = Fraction(root.inertia)
        # Of equal scores, that of the older leaf is higher.
        self._ages = itertools.count()
        self._waiting: list[tuple[float, int, Leaf]] = []
        self._wait(root)

    @property
    def inertia(self) -> float:
        """Return the inertia of the clusters so far."""
        return float(self._inertia)

    @property
    def tree(self) -> Tree:
        """Return the bisections so far."""
        (d,) = next(iter(self.leaves.values())).center.shape
        pairs = np.stack(self.pairs) if self.pairs else np.empty((0, 2, d))
        return Tree.grown(pairs, self.parents)

    def in_order(self, tree: Tree) -> list[Leaf]:
        """Return the leaves by their labels in the `tree`, which is that of all bisections."""
        if not self.pairs:
            return list(self.leaves.values())
        return sorted(self.leaves.values(), key=lambda leaf: -tree.children[leaf.place])

    def centers(self, rows: Rows, tree: Tree) -> Array:
        """Return the centres of the clusters, by their labels in the `tree`."""
        leaves = tree.leaves()
        if len(leaves):
            return rows.small(leaves, rows.dtype)
        return next(iter(self.leaves.values())).center[None, :]

    def next(self) -> Leaf | None:
        """Return the leaf of the highest score, for the last time; None if none has any."""
        return heapq.heappop(self._waiting)[-1] if self._waiting else None

    def divide(self, leaf: Leaf, halves: list[Leaf], pair: np.ndarray) -> None:
        """Put two halves in the place of a leaf."""
        del self.leaves[leaf.place]
        self._inertia -= Fraction(leaf.inertia)
        self.pairs.append(pair)
        self.parents.append(leaf.place)
        for half in halves:
            self.leaves[half.place] = half
            self._inertia += Fraction(half.inertia)
            self._wait(half)

    def _wait(self, leaf: Leaf) -> None:
        if leaf.score > 0:
            heapq.heappush(self._waiting, (-leaf.score, next(self._ages), leaf))


@dataclass(frozen=True)
class Bisections:
    """What stays the same from bisection to bisection."""

    engine: Engine
    init: Init
    n_init: int
    max_iter: int
    tol: float
    by_inertia: bool
    generator: np.random.Generator
    common: float = 1.0

    def root(self, rows: Rows, weights: Array | None) -> Grown:
        """Return the one cluster of all rows."""
        moments = self._moments(rows, weights)
        inertia = float(moments.squares.sum())
        center = rows.small(moments.mean, rows.dtype)
        return Grown(Leaf(rows, weights, center, inertia, inertia, (-1, 0), moments))

    def step(self, state: Grown) -> tuple[Grown, Report]:
        """Divide the leaf of the highest score that can be divided."""
        inertia = self.common * state.inertia
        while leaf := state.next():
            divided = self._divide(leaf, len(state.pairs))
            if divided is None:
                continue
            halves, found = divided
            pair = to_host(found.centers)
            state.divide(leaf, halves, pair)
            state.converged = state.converged and found.converged
            moved = pair.astype(np.float64) - to_host(leaf.center)
            return state, Report(inertia, float(np.sum(moved * moved)), False)
        return state, Report(inertia, 0.0, True)

    def _divide(self, leaf: Leaf, node: int) -> tuple[list[Leaf], Divided] | None:
        """Return the halves of a leaf and their k-means; None if its rows coincide."""
        if leaf.rows.shape[0] == 1:  # Its centre may be elsewhere, if iterations ended early.
            return None
        few, (weights,) = leaf.rows.compact(leaf.weights)
        moments = leaf.moments or self._moments(few, weights)
        if not moments.squares.any():
            return None
        division = Division.of(
            Problem(
                few,
                weights,
                2,
                LloydMethod(self.engine),
                moments,
                self.tol,
                "farthest",
                self.generator,
            )
        )
        shown = (self._shown(few) for _ in range(self.n_init))
        tries = [division.run(some, self.init, self.max_iter) for some in shown]
        costs = np.array([found.inertia.sum() for found in tries])
        found = tries[int(np.argmax(costs <= costs.min() + TIE * moments.total))]
        if not found.sizes.all():
            return None
        halves = []
        for side in (0, 1):
            rows, (w,) = leaf.rows.subset(found.labels == side, leaf.weights)
            inertia, center = float(found.inertia[side]), found.centers[side, :]
            score = inertia
            if inertia and not self.by_inertia:
                score = float(found.sizes[side] if w is None else to_host(namespace_of(w).sum(w)))
            halves.append(Leaf(rows, w, center, inertia, score, (node, side), found.moments[side]))
        return halves, found

    def _shown(self, rows: Rows) -> Array | None:
        """Return what a callable start is shown."""
        if not callable(self.init):
            return None
        n = rows.shape[0]
        indices = self.generator.choice(n, SHOWN, replace=False) if n > SHOWN else np.arange(n)
        return rows.deliver(rows.take(indices))

    def _moments(self, rows: Rows, weights: Array | None) -> Moments:
        return moments_of(rows, weights, self.engine)
