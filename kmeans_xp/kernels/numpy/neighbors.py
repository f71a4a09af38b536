"""The nearest of many rows, with few passes over the scores of a product.

Scores come in groups, of which the least of each is found in one pass. The least of these, as many
as a shortlist should have, give a limit that falls from block to block. Only groups with a score
below it are looked at, which are few.
"""

from functools import partial
from typing import Any

import numpy as np

from kmeans_xp.kernels.choose import regimes
from kmeans_xp.kernels.portable import neighbors as portable
from kmeans_xp.kernels.portable.neighbors import Method, Pieces, by_product
from kmeans_xp.kernels.shared.others import Others
from kmeans_xp.kernels.shared.prepared_centers import tied

# Rows of a block: of fewer, products make little use of the caches; of more, scores leave them.
# Entries of the other rows on their lists, at most.
BLOCK_ROWS, ENTRIES = 256, 1 << 22
# Scores of a group: of more a group is looked at in vain, of fewer there are more groups.
GROUP = 16


def block_rows(_m: int, d: int) -> int:
    """Return how many rows a block should have, with lists of d entries in all for each."""
    return max(1, min(BLOCK_ROWS, ENTRIES // d))


def shortlist(pieces: Pieces, size: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return columns of low scores, (B, c), filled up by n, and the limits that they are below.

    There are at least `size` of each row, and fewer only among equals.
    """
    least: np.ndarray | None = None
    found = []
    for first, piece in pieces:
        step, minima = _minima(piece)
        least = minima if least is None else np.concatenate([least, minima], axis=1)
        if least.shape[1] > size:
            least = np.partition(least, size, axis=1)[:, : size + 1]
            limits = least[:, size]
        else:
            limits = np.full(len(piece), np.inf, piece.dtype)
        row, group = np.nonzero(minima < limits[:, None])
        m = piece.shape[1]
        columns = group[:, None] + np.arange(0, m, step)
        scores = piece.ravel().take(row[:, None] * m + np.minimum(columns, m - 1))
        low = (scores < limits[row, None]) & (columns < m)
        which = np.nonzero(low)[0]
        found.append((row[which], first + columns[low], scores[low]))
    row, column, score = (np.concatenate(parts) for parts in zip(*found, strict=True))
    low = score < limits[row]
    return _side_by_side(row[low], column[low], (len(limits), size), n), limits


def _minima(piece: np.ndarray) -> tuple[int, np.ndarray]:
    """Return how far apart the columns of a group are, and the least score of each group, (B, g).

    Groups, of which there are as many, begin at the first columns: so minima are taken of many at
    once.
    """
    n, m = piece.shape
    if m < GROUP * GROUP:
        return m, piece
    step = -(-m // GROUP)
    whole = m // step * step
    minima = piece[:, :whole].reshape(n, -1, step).min(axis=1)
    rest = minima[:, : m - whole]
    np.minimum(rest, piece[:, whole:], out=rest)
    return step, minima


def _side_by_side(
    row: np.ndarray, values: np.ndarray, least: tuple[int, int], fill: int
) -> np.ndarray:
    """Return the values of each row side by side, of the shape `least` or wider, filled up."""
    order = np.argsort(row, kind="stable")
    counts = np.bincount(row, minlength=least[0])
    ends = np.cumsum(counts)
    table = np.full((least[0], max(least[1], int(counts.max()))), fill)
    row = row[order]
    table[row, np.arange(len(row)) - (ends - counts)[row]] = values[order]
    return table


def squares(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return squared distances of rows, (u, d), to others, (m, d), by direct differences."""
    from scipy.spatial.distance import cdist

    return cdist(rows, others, "sqeuclidean")


def own_squares(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return squared distances of rows, (B, d), to others of each, (B, c, d)."""
    others = others - rows[:, None, :]
    return np.einsum("rcd,rcd->rc", others, others)


def by_tree(rows: np.ndarray, others: Others, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what `Method.nearby` does, by a tree of boxes."""
    distances, where = others.derive(_tree).query(rows, k=np.arange(1, size + 1))
    if size == others.rows.shape[0]:
        return where, np.full(len(rows), np.inf)
    return where, distances[:, -1] ** 2 / tied(rows.shape[1])


def _tree(others: Others) -> Any:
    from scipy.spatial import KDTree

    n = others.rows.shape[0]
    return KDTree(others.rows.block(0, n).astype(np.float64, copy=False), balanced_tree=False)


PRODUCT = Method(partial(by_product, shortlist=shortlist), squares, own_squares)
TREE = Method(by_tree, squares, own_squares)


def neighbors(block: np.ndarray, others: Others, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest of other rows to each row of a block, the nearest first."""
    method = TREE if regimes.has_tree(block.shape[1]) else PRODUCT
    return portable.neighbors(block, others, count, method=method)
