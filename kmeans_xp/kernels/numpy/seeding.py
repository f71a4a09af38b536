"""Greedy k-means++ in NumPy, from a sketch of the rows that lies feature by feature.

About an origin o amid the rows, with x' = x - o, the sketch of a row is (Bx', t, ‖x'‖², 1), where
B has q orthonormal rows and t = ‖x' - BᵀBx'‖ is rounded up. As x'·c' is at most Bx'·Bc' + t·t_c,
its product with (-2Bc', -2t_c, 1, ‖c'‖²) is a lower bound of ‖x - c‖², once the share m of
‖x'‖² + ‖c'‖² is taken off for rounding. Where the bound is above a row's distance so far, the
candidate is no nearer. Few features need no B: the bound is the distance itself, up to rounding.
"""

from functools import partial
from typing import final

import numpy as np

from kmeans_xp.kernels.interface import CandidateGains, Potential, Seeder, SeedingStep, Source
from kmeans_xp.kernels.numpy.memory import rows_at
from kmeans_xp.kernels.shared.blocks import parts

# Entries of a block's sketch, and its rows at most: enough to repay the fixed costs of a step.
BLOCK_ENTRIES, BLOCK_ROWS = 1 << 19, 1 << 16
# Rows that are scored at a time, whose products stay in the cache.
PIECE_ROWS = 1 << 14
# Entries of differences that are taken at a time, which stay in the cache.
DIFFERENCE_ENTRIES = 1 << 16
# A squared distance is taken from a product if it is so many times its rounding error, by the size
# of the dtype: 3% and a hundred-thousandth.
MIN_PRECISION = {4: 2.0**5, 8: 2.0**17}
# Where the bound leaves a larger share of the pairs of rows and candidates, one product with all
# features is faster than the differences of each pair.
MAX_PAIRS = 0.125


@final
class ProductPotential(Potential):
    """The potential of few rows, whose distances to candidates are one product in float64.

    To skip rows that no candidate can lower, as seeders do, takes more calls than it saves.

    Parameters
    ----------
    rows : Source
        In memory.
    weights : ndarray of shape (n,) or None
    origin : ndarray of shape (d,)
        A point amid the rows.
    first : int
        The row that is the first centre.
    """

    def __init__(
        self, rows: Source, weights: np.ndarray | None, origin: np.ndarray, first: int
    ) -> None:
        (n, d), self._weights = rows.shape, weights
        # (x', 1, ‖x'‖²)
        self._rows = np.ones((n, d + 2))
        self._rows[:, :d] = rows.take(np.arange(n))
        shifted = np.subtract(self._rows[:, :d], origin, out=self._rows[:, :d])
        np.vecdot(shifted, shifted, out=self._rows[:, -1])
        # So much less of both squares that a row at a centre has no potential.
        self._kept = 1 - 2 * (d + 8) * float(np.finfo(np.float64).eps)
        self.potential = np.full(n, np.inf)
        self.gains([first])
        self.keep([first], 0)

    def gains(self, drawn: list[int]) -> np.ndarray:
        """Return by how much some rows, as centres, would lower the sum of the potential."""
        self._lowered = np.minimum(self._potentials(drawn), self.potential)
        return -np.add.reduce(self._lowered, axis=1)

    def keep(self, drawn: list[int], best: int) -> None:
        """Take in one of the candidates that `gains` was just asked about."""
        before, self.potential = self.potential, self._lowered[best]
        # Where a product says nothing, since rows are as near as rounding, differences do.
        (near,) = ((self.potential <= 0) & (before > 0)).nonzero()
        if len(near) > 1:
            differences = self._rows[near, :-2] - self._rows[drawn[best], :-2]
            squares = np.vecdot(differences, differences)
            potential = squares if self._weights is None else squares * self._weights[near]
            self.potential[near] = np.minimum(potential, before[near])

    def _potentials(self, drawn: list[int]) -> np.ndarray:
        """Return the potential of all rows with each of some rows for their only centre, (T, n)."""
        factors = self._rows.take(drawn, axis=0)
        factors[:, :-2] *= -2
        factors[:, -2] = factors[:, -1] * self._kept
        factors[:, -1] = self._kept
        found = factors @ self._rows.T
        np.maximum(found, 0.0, out=found)
        return found if self._weights is None else np.multiply(found, self._weights, out=found)


@final
class SketchSeeder(Seeder):
    """Keeps the potential and the sketch of each row, and which candidates may lower the former.

    Parameters
    ----------
    n, trials : int
        Rows, and candidates for each centre.
    origin : array of shape (d,)
        A point amid the rows.
    basis : array of shape (q, d), or None
        Orthonormal rows; None for all features.
    dtype : dtype
        Of the potential.
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
        size = max(256, min(BLOCK_ENTRIES // width, BLOCK_ROWS))
        # A second block of fewer rows would not repay its fixed costs.
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
        return partial(_score_step, candidates=Candidates(self, candidates))

    def keep(self, candidates: np.ndarray, best: int) -> SeedingStep:
        """Return the step that takes in one of the candidates that were just scored."""
        return partial(_keep_step, candidates=candidates, best=best)

    def sketch(self, shifted: np.ndarray, out: np.ndarray) -> None:
        """Write the sketch, (width, B), of rows less the origin."""
        out[-1] = 1
        np.vecdot(shifted, shifted, out=out[-2])
        if self.basis is None:
            out[:-2] = shifted.T
            return
        projected = np.matmul(self.basis, shifted.T, out=out[:-3])
        residuals = out[-2] * (1 + self.margin) - np.einsum("ij,ij->j", projected, projected)
        np.sqrt(np.maximum(residuals, 0), out=out[-3])


class Candidates:
    """Candidates, (T, d), prepared for scoring.

    Attributes
    ----------
    columns : ndarray of shape (T, width)
        Their products with sketches are bounds of squared distances.
    slack : tuple of float
        Rounding moves the bound of a row by at most its square times the first plus the second.
    """

    def __init__(self, seeder: SketchSeeder, candidates: np.ndarray) -> None:
        self.centers = candidates
        self.origin = seeder.origin
        self.has_all_features = seeder.basis is None
        self.shifted = candidates - seeder.origin
        sketch = np.empty((seeder.memory[1].shape[1], len(candidates)), candidates.dtype)
        seeder.sketch(self.shifted, sketch)
        self.squares = sketch[-2].copy()
        sketch[:-2] *= -2
        sketch[-2:] = sketch[:-3:-1]
        self.columns = sketch.T
        largest = float(self.squares.max())
        self.slack = seeder.margin, seeder.margin * largest + seeder.underflow
        self.min_precision = MIN_PRECISION[candidates.dtype.itemsize]

    def gains(
        self,
        rows: np.ndarray,
        weights: np.ndarray | None,
        least: np.ndarray,
        sketch: np.ndarray,
        nearer: np.ndarray,
        squares: np.ndarray,
    ) -> np.ndarray:
        """Return by how much each candidate would lower the potential of rows, (T,).

        `least`, (B,), are the squared distances so far, and `sketch` is that of the rows. Written
        are `nearer`, (T, B), whether a candidate may be nearer than that, and `squares`, (T, B).
        """
        slack = sketch[-2] * self.slack[0] + self.slack[1]
        np.matmul(self.columns, sketch, out=squares)
        np.less(squares, least + slack, out=nearer)
        if not self.has_all_features:
            if np.count_nonzero(nearer) < MAX_PAIRS * nearer.size:
                return self._pair_gains(rows, weights, least, nearer)
            self._measure(rows, sketch[-2], squares)
            np.less(squares, least + slack, out=nearer)
        pairs = np.flatnonzero(squares < np.minimum(slack * self.min_precision, least + slack))
        if pairs.size:
            squares[divmod(pairs, len(rows))] = _pair_squares(rows, self.centers, pairs)
        ones = np.ones_like(slack) if weights is None else weights
        lowered = np.minimum(squares, least, out=squares, casting="same_kind")
        return float(least @ ones) - (lowered @ ones).astype(np.float64)

    def _pair_gains(
        self, rows: np.ndarray, weights: np.ndarray | None, least: np.ndarray, nearer: np.ndarray
    ) -> np.ndarray:
        """Return the gains by the differences of the pairs that are `nearer`."""
        pairs = np.flatnonzero(nearer)
        j, i = np.divmod(pairs, len(rows))
        gain = least[i] - _pair_squares(rows, self.centers, pairs)
        far = gain <= 0
        nearer[j[far], i[far]] = False
        gain[far] = 0
        return np.bincount(j, gain if weights is None else gain * weights[i], len(nearer))

    def _measure(self, rows: np.ndarray, row_squares: np.ndarray, squares: np.ndarray) -> None:
        """Write the squared distances of all pairs, up to the slack, by products."""
        for part in parts(len(rows), DIFFERENCE_ENTRIES // rows.shape[1]):
            np.matmul(self.shifted, (rows[part] - self.origin).T, out=squares[:, part])
        squares *= -2
        squares += row_squares
        squares += self.squares[:, None]


def by_column(memory: np.ndarray) -> np.ndarray:
    """Return a block's part of an aligned array as one contiguous row for each column."""
    return memory.reshape(memory.shape[::-1])


def _start_step(
    block: np.ndarray,
    weights: np.ndarray | None,
    potential: np.ndarray,
    sketch: np.ndarray,
    closer: np.ndarray,
    *,
    seeder: SketchSeeder,
    center: np.ndarray,
) -> CandidateGains:
    columns = by_column(sketch)
    for part in parts(len(block), DIFFERENCE_ENTRIES // block.shape[1]):
        seeder.sketch(block[part] - seeder.origin, columns[:, part])
        potential[part] = _squares(block[part], center, np.arange(len(block[part])))
    squares = columns[-2].sum(keepdims=True, dtype=np.float64)
    if weights is not None:
        potential *= weights
        columns[:, weights == 0] = 0
    return CandidateGains(squares)


def _score_step(
    block: np.ndarray,
    weights: np.ndarray | None,
    potential: np.ndarray,
    sketch: np.ndarray,
    closer: np.ndarray,
    *,
    candidates: Candidates,
) -> CandidateGains:
    nearer, columns = by_column(closer)[: len(candidates.centers)], by_column(sketch)
    gains = np.zeros(len(nearer))
    products = np.empty((len(nearer), min(PIECE_ROWS, len(block))), sketch.dtype)
    for part in parts(len(block), PIECE_ROWS):
        piece = block[part]
        w = None if weights is None else weights[part]
        least = potential[part] if w is None else np.where(w > 0, potential[part] / w, 0)
        squares = products[:, : len(piece)]
        gains += candidates.gains(piece, w, least, columns[:, part], nearer[:, part], squares)
    return CandidateGains(gains)


def _keep_step(
    block: np.ndarray,
    weights: np.ndarray | None,
    potential: np.ndarray,
    sketch: np.ndarray,
    closer: np.ndarray,
    *,
    candidates: np.ndarray,
    best: int,
) -> None:
    rows = np.flatnonzero(by_column(closer)[best])
    new = _squares(block, candidates[best], rows)
    new = new if weights is None else new * weights[rows]
    potential[rows] = np.minimum(potential[rows], new)


def _squares(
    block: np.ndarray, centers: np.ndarray, rows: np.ndarray, dtype: type = np.float64
) -> np.ndarray:
    """Return squared distances of rows at indices to one centre, or each to its own."""
    difference: np.ndarray = rows_at(block, rows).astype(dtype)
    difference -= centers
    return np.vecdot(difference, difference)


def _pair_squares(block: np.ndarray, centers: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return squared distances of pairs; jB + i is the pair of row i of B and centre j."""
    out = np.empty(len(pairs), block.dtype)
    for part in parts(len(pairs), DIFFERENCE_ENTRIES // block.shape[1]):
        j, i = np.divmod(pairs[part], len(block))
        out[part] = _squares(block, centers.take(j, axis=0), i, block.dtype.type)
    return out
