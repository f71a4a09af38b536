"""Z-scores: measured block by block when a model is fitted, repeated when it predicts."""

from dataclasses import dataclass

import numpy as np

from kmeans_xp.cli.array_files import check_copy
from kmeans_xp.cli.inputs import Array

# Values that are converted at a time, so that float64 scratch stays small.
BLOCK = 1 << 20


@dataclass(frozen=True)
class Scaling:
    """Mean and spread of each feature."""

    mean: Array
    scale: Array

    def apply(self, rows: Array, dtype: np.dtype) -> Array:
        """Return rows as z-scores; a large mapped file is refused instead of copied."""
        check_copy(rows, "--standardize")
        scores = np.empty(rows.shape, dtype)
        for start, stop in blocks(rows):
            scores[start:stop] = (rows[start:stop].astype(np.float64) - self.mean) / self.scale
        return scores

    def undo(self, centers: Array) -> Array:
        """Return centres of z-scores in the features' own units."""
        own = centers.astype(np.float64) * self.scale + self.mean
        return own.astype(centers.dtype)


def measure(rows: Array, weights: Array | None = None) -> Scaling:
    """Measure mean and standard deviation; a constant feature keeps its scale.

    Values are taken about the first row, so that a constant feature gives exactly nothing, and
    the blocks' moments are merged about their own means (Chan, Golub and LeVeque), so that a
    mean that is large beside the spread costs no digits.
    """
    origin = rows[0].astype(np.float64)
    total, mean, squares = 0.0, np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
    for start, stop in blocks(rows):
        block = rows[start:stop].astype(np.float64) - origin
        weight = np.ones(stop - start) if weights is None else weights[start:stop]
        size = float(weight.sum())
        if size == 0:
            continue
        own_mean = weight @ block / size
        own_squares = weight @ (block - own_mean) ** 2
        shift = own_mean - mean
        squares = squares + own_squares + shift**2 * (total * size / (total + size))
        total += size
        mean = mean + shift * (size / total)
    scale = np.sqrt(squares / total) if total > 0 else np.ones_like(mean)
    mean = mean + origin
    noise = 10 * np.finfo(np.float64).eps * np.abs(mean)
    return Scaling(mean, np.where(scale > noise, scale, 1.0))


def blocks(rows: Array) -> list[tuple[int, int]]:
    """Cut rows into pieces of bounded size."""
    step = max(1, BLOCK // rows.shape[1])
    return [(start, min(start + step, len(rows))) for start in range(0, len(rows), step)]
