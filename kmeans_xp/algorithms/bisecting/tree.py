"""A tree of bisections, and the leaf that each row falls into."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np

from kmeans_xp.arrays import Array, as_array, namespace_of, to_host
from kmeans_xp.arrays.dtypes import working_dtype
from kmeans_xp.arrays.namespace import device_of
from kmeans_xp.arrays.record import Record
from kmeans_xp.arrays.views import OnHost
from kmeans_xp.kernels.choose.engine import find_engine
from kmeans_xp.kernels.interface import Engine, Pair
from kmeans_xp.rows.base import Rows
from kmeans_xp.rows.checks import checked_sweep
from kmeans_xp.rows.open import beside_x

# Blocks of so many usual ones: each pays for a visit to every node of the tree.
BLOCKS = 4


@dataclass(frozen=True, eq=False, repr=False)
class Tree(Record, OnHost):
    """Bisections as host arrays; the first is of all rows.

    Attributes
    ----------
    centers : numpy.ndarray of shape (m, 2, d)
        The two centres of each bisection.
    children : numpy.ndarray of shape (m, 2), integers
        Which bisection divides each half further; -1 - label where it is a leaf.
    """

    __module__ = "kmeans_xp"  # Pickles outlive moves.

    centers: np.ndarray
    children: np.ndarray

    @classmethod
    def grown(cls, centers: np.ndarray, parents: Sequence[tuple[int, int]]) -> Self:
        """Return the tree of bisections, each of which divides half (bisection, side) of another.

        Leaves are numbered from left to right.
        """
        children = np.full((len(parents), 2), -1)
        for node, (parent, side) in enumerate(parents):
            if parent >= 0:
                children[parent, side] = node
        leaves, waiting = 0, [(0, 1), (0, 0)] if parents else []
        while waiting:
            node, side = waiting.pop()
            below = int(children[node, side])
            if below >= 0:
                waiting += [(below, 1), (below, 0)]
            else:
                children[node, side] = -1 - leaves
                leaves += 1
        return cls(centers, children)

    def leaves(self) -> np.ndarray:
        """Return the centres of the leaves by their labels, (m + 1, d); none if there are none."""
        order = np.argsort(-self.children[self.children < 0])
        return self.centers[self.children < 0][order]

    def checked(self, name: str) -> Self:
        """Return itself, of host arrays of the user's.

        Raises
        ------
        TypeError, ValueError
            If they are no tree.
        """
        given, children = as_array(self.centers, name), to_host(as_array(self.children, name))
        working_dtype(given, f"{name}.centers")
        centers = to_host(given)
        m, below = len(children), np.sort(children, axis=None)
        # Every bisection but the first is below one with a smaller number, every leaf is there.
        whole = children.shape == (m, 2) and children.dtype.kind in "iu"
        whole = whole and np.array_equal(below[below < 0], np.arange(-m - 1 if m else 0, 0))
        whole = whole and np.array_equal(below[below >= 0], np.arange(1, m))
        if not (whole and ((children < 0) | (children > np.arange(m)[:, None])).all()):
            raise ValueError(
                f"{name}.children must be a tree of bisections, (m, 2): each but the first below "
                f"one of a smaller number, and leaves -1 to -1 - m; got {children.tolist()}."
            )
        if centers.ndim != 3 or centers.shape[:2] != (m, 2) or not np.isfinite(centers).all():
            raise ValueError(
                f"{name}.centers must be finite and of the shape ({m}, 2, n_features), two for "
                f"each of the children's rows, got the shape {centers.shape}. Check its values."
            )
        return type(self)(centers, children)

    def search(self, rows: Rows, engine: Engine) -> Any:
        """Return the function of a block of `rows` that finds the label of each row."""
        pairs = [engine.pair(rows.small(pair, rows.dtype), None) for pair in self.centers]
        return partial(_descend, pairs=pairs, children=self.children.tolist())


def tree_block_rows(engine: Engine, d: int) -> int:
    """Return how many rows a block should have that goes down a tree."""
    return BLOCKS * engine.block_rows(2, d)


@beside_x
def predict_leaves(rows: Rows, tree: Tree) -> Array:
    """Return the leaf of each row, (n,) int32; checks the rows."""
    engine = find_engine(rows.xp, device=rows.device)
    size = tree_block_rows(engine, rows.shape[1])
    flat = rows.small(tree.centers.reshape(-1, rows.shape[1]), rows.dtype)
    step = partial(_leaf_step, search=tree.search(rows, engine))
    known = flat if flat.shape[0] else None
    return checked_sweep(rows, step, centers=known, block_rows=size)[1][0]


def _leaf_step(block: Array, *, search: Any) -> tuple[None, tuple[Array]]:
    return None, (search(block),)


def _descend(block: Array, *, pairs: list[Pair], children: list[list[int]]) -> Array:
    """Return the leaf of each row of a block: at each bisection, that of the nearer half."""
    xp, device = namespace_of(block), device_of(block)
    if not pairs:
        return xp.zeros(block.shape[0], dtype=xp.int32, device=device)
    found, places = [], []
    waiting = [(0, xp.arange(block.shape[0], device=device))]
    while waiting:
        node, where = waiting.pop()
        if node < 0:
            found.append(xp.full(where.shape[0], -1 - node, dtype=xp.int32, device=device))
            places.append(where)
            continue
        every = where.shape[0] == block.shape[0]
        labels = pairs[node].labels(block if every else xp.take(block, where, axis=0))
        for side, below in enumerate(children[node]):
            (members,) = xp.nonzero(labels == side)
            if members.shape[0]:
                waiting.append((below, xp.take(where, members)))
    # A scatter by gathering: sorting the places brings the leaves into the order of the rows.
    return xp.take(xp.concat(found), xp.argsort(xp.concat(places)))
