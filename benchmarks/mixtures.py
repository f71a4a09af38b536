"""Gaussian mixtures among the contestants: where they start, and how the referee sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets import Matrix
from benchmarks.judge import Host, Verdict, blocks, nearest

# Added to the variances by everybody. With the default, a thousandth of this, scikit-learn's
# covariances in float32 have no Cholesky factor on `flights`.
REG_COVAR = 1e-3


@dataclass(frozen=True)
class Mixture:
    """What a contestant fitted, with covariances in scikit-learn's shape of that type."""

    covariance_type: str
    weights: Any
    means: Any
    covariances: Any

    def matrices(self) -> Host:
        """A covariance matrix for each component."""
        k, d = self.means.shape
        found = np.asarray(self.covariances, dtype=np.float64)
        if self.covariance_type in {"diag", "spherical"}:
            found = found.reshape(k, -1, 1) * np.eye(d)
        return np.broadcast_to(found, (k, d, d))


def start_of(X: Matrix, means: Matrix, covariance_type: str) -> dict[str, Matrix]:
    """Initial parameters by scikit-learn's names: equal weights, the variance about `means`."""
    k, d = means.shape
    squares = np.zeros(d)
    for _, block in blocks(X, k):
        squares += ((block - means[nearest(block, means.astype(np.float64))]) ** 2).sum(axis=0)
    variances = squares / len(X) + REG_COVAR
    precisions = {
        "full": np.tile(np.diag(1 / variances), (k, 1, 1)),
        "tied": np.diag(1 / variances),
        "diag": np.tile(1 / variances, (k, 1)),
        "spherical": np.full(k, 1 / variances.mean()),
    }[covariance_type]
    return {
        "weights_init": np.full(k, 1 / k, dtype=np.float32),
        "means_init": means,
        "precisions_init": precisions.astype(np.float32),
    }


def likelihood(X: Matrix, mixture: Mixture, labels: NDArray[np.integer] | None = None) -> Verdict:
    """Mean log-likelihood of a row, and the labels that are not the likeliest, in float64."""
    total, wrong = 0.0, 0
    for rows, block in blocks(X, len(mixture.means)):
        joint = _joint(block, mixture)
        total += float(np.logaddexp.reduce(joint, axis=1).sum())
        if labels is not None:
            wrong += int(np.count_nonzero(np.asarray(labels[rows]) != joint.argmax(axis=1)))
    return Verdict(total / len(X), None if labels is None else wrong)


def _joint(block: Host, mixture: Mixture) -> Host:
    """Logarithms of the densities of rows under each component, times its weight."""
    columns = []
    for mean, covariance in zip(mixture.means, mixture.matrices(), strict=True):
        factor = np.linalg.cholesky(covariance)
        scaled = np.linalg.solve(factor, (block - mean).T)
        volume = np.log(np.diag(factor)).sum() + len(mean) * np.log(2 * np.pi) / 2
        columns.append(-(scaled**2).sum(axis=0) / 2 - volume)
    with np.errstate(divide="ignore"):  # a component may have weight 0
        return np.stack(columns, axis=1) + np.log(np.asarray(mixture.weights, dtype=np.float64))
