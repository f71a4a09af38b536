"""Information criteria of Gaussian mixtures, as the best of several types of covariance."""

import math
from dataclasses import dataclass, field
from itertools import pairwise

from kmeans_xp.algorithms.mixture.fit import gaussian_mixture
from kmeans_xp.algorithms.mixture.parameters import CollapsedCovariance, parameter_count
from kmeans_xp.arrays import Array

COVARIANCES = ("full", "tied", "diag", "spherical")
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
        self._types = {name: _Type() for name in COVARIANCES}
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

    def _fit(self, covariance_type: str, k: int, seed: int) -> tuple[float, float] | None:
        """Return BIC and AIC; None if a covariance collapses, as of too few rows."""
        n, d = self.X.shape
        try:
            found = gaussian_mixture(
                self.X,
                k,
                covariance_type=covariance_type,
                n_init=STARTS,
                reg_covar=self.reg_covar,
                rng=seed,
            )
        except CollapsedCovariance:
            self.left[covariance_type] = k
            return None
        parameters = parameter_count(covariance_type, k, d)
        deviance = -2 * n * found.log_likelihood
        bic = deviance + parameters * math.log(n)
        self._types[covariance_type].values.append(bic)
        return bic, deviance + 2 * parameters

    def notes(self) -> list[str]:
        """Return which types were left, and when."""
        if not self.left:
            return []
        said = ", ".join(f"{name!r} after k = {k}" for name, k in self.left.items())
        return [f"Mixtures of these covariances fell far behind and were left: {said}."]
