"""Z-scores: measured block by block when a model is fitted, repeated when it predicts."""

from dataclasses import dataclass

import numpy as np

from kmeans_xp.cli.array_files import check_copy, give_back
from kmeans_xp.cli.errors import CliError
from kmeans_xp.cli.inputs import Array

# Values that are converted at a time, so that float64 scratch stays small.
BLOCK = 1 << 20
# Runs of rows in a sample of so many values.
RUNS = 64


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
    """Measure mean and standard deviation; a constant feature keeps its scale."""
    with np.errstate(over="ignore", invalid="ignore"):
        mean, spread = _moments(rows, weights)
    if not np.isfinite(spread).all():
        raise CliError("--standardize: the squares of a feature exceed float64; rescale it")
    return Scaling(mean, np.where(spread > 0, spread, 1.0))


def estimate_spreads(rows: Array, weights: Array | None = None) -> Array:
    """Estimate the features' standard deviations from a sample of rows; 0 for a constant one.

    The rows are in a few runs, so that little of a mapped file is read.
    """
    length = max(1, BLOCK // RUNS // rows.shape[1])
    starts = np.unique(np.linspace(0, max(0, len(rows) - length), RUNS).astype(int))
    runs = [slice(start, start + length) for start in starts]
    if len(rows) <= RUNS * length:
        runs = [slice(None)]
    sample = np.concatenate([rows[run] for run in runs])
    give_back(rows)
    own = None if weights is None else np.concatenate([weights[run] for run in runs])
    with np.errstate(over="ignore", invalid="ignore"):
        return np.nan_to_num(_moments(sample, own)[1], nan=np.inf, posinf=np.inf)


def _moments(rows: Array, weights: Array | None) -> tuple[Array, Array]:
    """Measure mean and standard deviation; that of a constant feature is 0.

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
        squares = squares + own_squares
        if total:
            squares = squares + shift**2 * (total * size / (total + size))
        total += size
        mean = mean + shift * (size / total)
    spread = np.sqrt(squares / total) if total > 0 else np.zeros_like(mean)
    mean = mean + origin
    noise = 10 * np.finfo(np.float64).eps * np.abs(mean)
    return mean, np.where(spread <= noise, 0.0, spread)


def blocks(rows: Array) -> list[tuple[int, int]]:
    """Cut rows into pieces of bounded size."""
    step = max(1, BLOCK // rows.shape[1])
    return [(start, min(start + step, len(rows))) for start in range(0, len(rows), step)]
