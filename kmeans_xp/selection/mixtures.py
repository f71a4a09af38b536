"""Information criteria of Gaussian mixtures, as the best of several types of covariance.

A Gaussian that has no width but what regularization adds, around a few rows that happen to have the
same value somewhere, is as likely as one wants, and no cluster (G. McLachlan and D. Peel, *Finite
Mixture Models*, 2000, on spurious maxima). Such mixtures count for nothing, unless the rows
themselves have no width along some direction.
"""

import math
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np

from kmeans_xp.algorithms.mixture.fit import COVARIANCE_TYPES, CovarianceType, gaussian_mixture
from kmeans_xp.algorithms.mixture.parameters import CollapsedCovariance, parameter_count
from kmeans_xp.arrays import Array, to_host

# Starts of each mixture. With one, four clusters of 25 or 50 rows in three dimensions are found in
# 10 of 12 draws, with three in all.
STARTS = 3
# Added to variances, as a part of the rows'.
REGULARIZATION = 1e-6
# Numbers of clusters by which it is judged whether a type falls behind: a curve that does not fall
# at first may fall at the right k.
AFTER = 4


@dataclass
class _Type:
    """The values of one type of covariance, for the numbers of clusters so far."""

    values: list[float] = field(default_factory=list)

    def is_behind(self, best: float, remaining: int) -> bool:
        """Return whether it would not reach the best value, if it fell as it did lately."""
        if len(self.values) < AFTER or remaining == 0:
            return False
        lately = self.values[-AFTER:]
        drop = max(0.0, *(before - after for before, after in pairwise(lately)))
        return min(self.values) - remaining * drop > best


class Mixtures:
    """Mixtures of growing numbers of Gaussians, of every type of covariance that keeps up.

    Parameters
    ----------
    X : array of shape (n, d)
    variance : float
        The mean variance of its features.
    count : int
        How many numbers of Gaussians there will be, in ascending order.
    """

    def __init__(self, X: Array, variance: float, count: int) -> None:
        self.X = X
        self.reg_covar = REGULARIZATION * (variance or 1.0)
        self.remaining = count
        self.left: dict[str, int] = {}
        self._types: dict[CovarianceType, _Type] = {name: _Type() for name in COVARIANCE_TYPES}
        self._best = math.inf
        self._found: dict[int, tuple[float, float]] = {}

    def of(self, k: int, seed: int) -> tuple[float, float]:
        """Return the least BIC and AIC of mixtures of k Gaussians; NaN if there are none."""
        if k not in self._found:
            self._found[k] = self._add(k, seed)
        return self._found[k]

    def _add(self, k: int, seed: int) -> tuple[float, float]:
        self.remaining -= 1
        fits = [self._fit(name, k, seed) for name in self._types if name not in self.left]
        found = [values for values in fits if values is not None]
        if not found:
            return math.nan, math.nan
        bic, aic = (min(values) for values in zip(*found, strict=True))
        self._best = min(self._best, bic)
        for name, of_type in self._types.items():
            if name not in self.left and of_type.is_behind(self._best, self.remaining):
                self.left[name] = k
        return bic, aic

    def _fit(
        self, covariance_type: CovarianceType, k: int, seed: int
    ) -> tuple[float, float] | None:
        """Return BIC and AIC of the best start; None if all starts collapse."""
        generator = np.random.default_rng(seed)
        starts = [self._start(covariance_type, k, generator) for _ in range(STARTS)]
        likely = [log_likelihood for log_likelihood in starts if log_likelihood is not None]
        if not likely:
            self.left[covariance_type] = k
            return None
        n, d = self.X.shape
        parameters = parameter_count(covariance_type, k, d)
        deviance = -2 * n * max(likely)
        bic = deviance + parameters * math.log(n)
        self._types[covariance_type].values.append(bic)
        return bic, deviance + 2 * parameters

    def _start(
        self, covariance_type: CovarianceType, k: int, generator: np.random.Generator
    ) -> float | None:
        """Return the mean log-likelihood of a mixture; None if one of its Gaussians collapses."""
        try:
            found = gaussian_mixture(
                self.X,
                k,
                covariance_type=covariance_type,
                reg_covar=self.reg_covar,
                rng=generator,
            )
        except CollapsedCovariance:
            return None
        flat = least_variance(to_host(found.covariances), covariance_type) <= 2 * self.reg_covar
        return None if flat and not self._is_flat else found.log_likelihood

    @cached_property
    def _is_flat(self) -> bool:
        """Return whether the rows themselves have no width along some direction."""
        whole = gaussian_mixture(self.X, 1, reg_covar=self.reg_covar, rng=0)
        return least_variance(to_host(whole.covariances), "full") <= 2 * self.reg_covar

    def notes(self) -> list[str]:
        """Return which types were left, and when."""
        if not self.left:
            return []
        said = ", ".join(f"{name!r} after k = {k}" for name, k in self.left.items())
        return [f"Mixtures of these covariances fell far behind, or collapsed: {said}."]


def least_variance(covariances: np.ndarray, covariance_type: str) -> float:
    """Return the least variance that Gaussians have along any direction."""
    if covariance_type in ("full", "tied"):
        covariances = np.linalg.eigvalsh(covariances)
    return float(covariances.min())
