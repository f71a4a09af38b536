"""Greedy k-means++ in NumPy, from a sketch of the rows that lies feature by feature.

About an origin o amid the rows, with x' = x - o, the sketch of a row is (Bx', t, ‖x'‖², 1), where
B has q orthonormal rows and t = ‖x' - BᵀBx'‖ is rounded up. As x'·c' is at most Bx'·Bc' + t·t_c,
its product with (-2Bc', -2t_c, 1, ‖c'‖²) is a lower bound of ‖x - c‖²; a part m of
‖x'‖² + ‖c'‖² less covers rounding. Where the bound is above a row's distance so far, the
candidate is no nearer. Few features need no B: their bound is the distance, up to m.
"""

from functools import partial
from typing import final

import numpy as np

from kmeans_xp.kernels.interface import CandidateGains, Seeder, SeedingStep
from kmeans_xp.kernels.numpy.memory import rows_at
from kmeans_xp.kernels.shared.blocks import parts

# Entries of a block's sketch, and its rows at most: enough to repay the fixed costs of a step.
BLOCK = 1 << 19
BLOCK_ROWS = 1 << 16
# Rows that are scored at a time, whose products stay in the cache.
PIECE = 1 << 14
# Entries of differences that are taken at a time.
DIFFERENCES = 1 << 16
# A distance must be so many times its rounding error to be taken from a product.
CERTAIN = {4: 2.0**5, 8: 2.0**17}
# Of the pairs of rows and candidates, the part beyond which the bound excludes too few.
DENSE = 0.125


@final
class SketchSeeder(Seeder):
    """Remembers the sketch of each row, and which candidates are nearer than its mass.

    Parameters
    ----------
    n, trials : int
        Rows, and candidates for each centre.
    origin : array of shape (d,)
        A point amid the rows.
    basis : array of shape (q, d), or None
        Orthonormal rows; None for all features.
    dtype : dtype
        Of the masses.
    """

    def __init__(
        self, n: int, trials: int, origin: np.ndarray, basis: np.ndarray | None, dtype: type
    ) -> None:
        d = len(origin)
        self.origin = origin
        self.basis = basis
        width = d + 2 if basis is None else len(basis) + 3
        self.memory = (
            np.empty(n, dtype),
            np.empty((n, width), origin.dtype),
            np.empty((n, trials), np.bool_),
        )
        size = max(256, min(BLOCK // width, BLOCK_ROWS))
        # What is left beyond one block would be too little for another.
        self.block_rows = n if n < 2 * size else size
        info = np.finfo(origin.dtype)
        gamma = (d + 8) * float(info.eps)
        self.margin = gamma * (8 if basis is None else 8 + 4 * len(basis) ** 0.5)
        self.underflow = 16 * (d + 16) * float(info.smallest_normal)

    def start(self, center: np.ndarray) -> SeedingStep:
        """Return the step that takes in the first centre, (d,)."""
        return partial(_start_step, seeder=self, center=center)

    def score(self, candidates: np.ndarray) -> SeedingStep:
        """Return the step that scores candidates, (T, d)."""
        return partial(_score_step, scored=Scored(self, candidates))

    def keep(self, candidates: np.ndarray, best: int) -> SeedingStep:
        """Return the step that takes in one of the candidates that were just scored."""
        return partial(_keep_step, candidates=candidates, best=best)

    def draw(self, shifted: np.ndarray, sketch: np.ndarray) -> None:
        """Write the sketch, (width, B), of rows less the origin."""
        sketch[-1] = 1
        np.vecdot(shifted, shifted, out=sketch[-2])
        if self.basis is None:
            sketch[:-2] = shifted.T
            return
        found = np.matmul(self.basis, shifted.T, out=sketch[:-3])
        rest = sketch[-2] * (1 + self.margin) - np.einsum("ij,ij->j", found, found)
        np.sqrt(np.maximum(rest, 0), out=sketch[-3])


class Scored:
    """Candidates, (T, d), and by how much they would lower the masses of some rows.

    Attributes
    ----------
    slack : tuple of float
        The bound on a row's rounding errors is its square times the first plus the second.
    """

    def __init__(self, seeder: SketchSeeder, candidates: np.ndarray) -> None:
        self.candidates = candidates
        self.origin = seeder.origin
        self.exact = seeder.basis is None
        self.shifted = candidates - seeder.origin
        sketch = np.empty((seeder.memory[1].shape[1], len(candidates)), candidates.dtype)
        seeder.draw(self.shifted, sketch)
        self.squares = sketch[-2].copy()
        sketch[:-2] *= -2
        sketch[-2:] = sketch[:-3:-1]
        self.columns = sketch.T
        largest = float(self.squares.max())
        self.slack = seeder.margin, seeder.margin * largest + seeder.underflow
        self.certain = CERTAIN[candidates.dtype.itemsize]

    def gains(
        self,
        rows: np.ndarray,
        weights: np.ndarray | None,
        limit: np.ndarray,
        columns: np.ndarray,
        nearer: np.ndarray,
        found: np.ndarray,
    ) -> np.ndarray:
        """Return the gains, (T,), and write which candidates may be `nearer` than the limit.

        `columns` is the sketch of the rows, and `found`, (T, B), is memory to work in.
        """
        slack = columns[-2] * self.slack[0] + self.slack[1]
        np.matmul(self.columns, columns, out=found)
        np.less(found, limit + slack, out=nearer)
        if not self.exact:
            if np.count_nonzero(nearer) < DENSE * nearer.size:
                return self._few_gains(rows, weights, limit, nearer)
            self._measure(rows, columns[-2], found)
            np.less(found, limit + slack, out=nearer)
        pairs = np.flatnonzero(found < np.minimum(slack * self.certain, limit + slack))
        if pairs.size:
            found[divmod(pairs, len(rows))] = _pair_squares(rows, self.candidates, pairs)
        ones = np.ones_like(slack) if weights is None else weights
        least = np.minimum(found, limit, out=found, casting="same_kind")
        return float(limit @ ones) - (least @ ones).astype(np.float64)

    def _few_gains(
        self,
        rows: np.ndarray,
        weights: np.ndarray | None,
        limit: np.ndarray,
        nearer: np.ndarray,
    ) -> np.ndarray:
        """Return the gains, of which only `nearer` pairs have any."""
        pairs = np.flatnonzero(nearer)
        j, i = np.divmod(pairs, len(rows))
        gain = limit[i] - _pair_squares(rows, self.candidates, pairs)
        far = gain <= 0
        nearer[j[far], i[far]] = False
        gain[far] = 0
        return np.bincount(j, gain if weights is None else gain * weights[i], len(nearer))

    def _measure(self, rows: np.ndarray, squares: np.ndarray, found: np.ndarray) -> None:
        """Write squared distances of all pairs, up to the slack."""
        for part in parts(len(rows), DIFFERENCES // rows.shape[1]):
            np.matmul(self.shifted, (rows[part] - self.origin).T, out=found[:, part])
        found *= -2
        found += squares
        found += self.squares[:, None]


def _start_step(
    block: np.ndarray,
    weights: np.ndarray | None,
    mass: np.ndarray,
    sketch: np.ndarray,
    closer: np.ndarray,
    *,
    seeder: SketchSeeder,
    center: np.ndarray,
) -> CandidateGains:
    columns = by_column(sketch)
    for part in parts(len(block), DIFFERENCES // block.shape[1]):
        seeder.draw(block[part] - seeder.origin, columns[:, part])
        mass[part] = _squares(block[part], center, np.arange(len(block[part])))
    largest = columns[-2].sum(keepdims=True, dtype=np.float64)
    if weights is not None:
        mass *= weights
        columns[:, weights == 0] = 0
    return CandidateGains(largest)


def _score_step(
    block: np.ndarray,
    weights: np.ndarray | None,
    mass: np.ndarray,
    sketch: np.ndarray,
    closer: np.ndarray,
    *,
    scored: Scored,
) -> CandidateGains:
    nearer, columns = by_column(closer)[: len(scored.candidates)], by_column(sketch)
    gains = np.zeros(len(nearer))
    products = np.empty((len(nearer), min(PIECE, len(block))), sketch.dtype)
    for part in parts(len(block), PIECE):
        piece = block[part]
        w = None if weights is None else weights[part]
        limit = mass[part] if w is None else np.where(w > 0, mass[part] / w, 0)
        found = products[:, : len(piece)]
        gains += scored.gains(piece, w, limit, columns[:, part], nearer[:, part], found)
    return CandidateGains(gains)


def _keep_step(
    block: np.ndarray,
    weights: np.ndarray | None,
    mass: np.ndarray,
    sketch: np.ndarray,
    closer: np.ndarray,
    *,
    candidates: np.ndarray,
    best: int,
) -> None:
    rows = np.flatnonzero(by_column(closer)[best])
    new = _squares(block, candidates[best], rows)
    mass[rows] = np.minimum(mass[rows], new if weights is None else new * weights[rows])


def by_column(part: np.ndarray) -> np.ndarray:
    """Return the memory of a block's part of an array as one row for each column."""
    return part.reshape(part.shape[::-1])


def _squares(
    block: np.ndarray, centers: np.ndarray, rows: np.ndarray, dtype: type = np.float64
) -> np.ndarray:
    """Return squared distances of some rows to one centre, or each to its own, in `dtype`."""
    difference: np.ndarray = rows_at(block, rows).astype(dtype)
    difference -= centers
    return np.vecdot(difference, difference)


def _pair_squares(block: np.ndarray, centers: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return squared distances of pairs, that of row i of B and centre j as jB + i."""
    out = np.empty(len(pairs), block.dtype)
    for part in parts(len(pairs), DIFFERENCES // block.shape[1]):
        j, i = np.divmod(pairs[part], len(block))
        out[part] = _squares(block, centers.take(j, axis=0), i, block.dtype.type)
    return out
