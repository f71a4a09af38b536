"""Information criteria of k-means, taken for spherical Gaussians of one variance.

Every row is a draw from its own cluster's Gaussian, as in X-means (Pelleg & Moore 2000). Their
variance and their likelihood lack the number of features; here they are as corrected by Foglia &
Hancock (2012, Notes on Bayesian Information Criterion Calculation for X-Means Clustering)::

    variance       = inertia / (d * (n - k))
    log_likelihood = sum(n_j * log(n_j / n)) - n * d / 2 * log(2 * pi * variance) - d * (n - k) / 2
    parameters     = (k - 1) + k * d + 1
    bic            = parameters * log(n) - 2 * log_likelihood
    aic            = parameters * 2      - 2 * log_likelihood

So less is better, as for mixtures. Where the variance is 0 or unknown (the rows are their centres,
n = k), the likelihood has no bound, and the criteria are NaN: they say nothing of such a k.
"""

import math
from collections.abc import Sequence


def kmeans_bic(inertia: float, sizes: Sequence[float], n_features: int) -> float:
    """Return the Bayesian information criterion; less is better."""
    deviance = -2 * kmeans_log_likelihood(inertia, sizes, n_features)
    return deviance + parameter_count(len(sizes), n_features) * math.log(sum(sizes))


def kmeans_aic(inertia: float, sizes: Sequence[float], n_features: int) -> float:
    """Return Akaike's information criterion; less is better."""
    deviance = -2 * kmeans_log_likelihood(inertia, sizes, n_features)
    return deviance + parameter_count(len(sizes), n_features) * 2


def parameter_count(n_clusters: int, n_features: int) -> int:
    """Return how many there are: all shares but one, the centres and the variance."""
    return (n_clusters - 1) + n_clusters * n_features + 1


def kmeans_log_likelihood(inertia: float, sizes: Sequence[float], n_features: int) -> float:
    """Return the log-likelihood of all rows, each in its own cluster.

    Parameters
    ----------
    inertia : float
        Sum of the rows' squared distances to their centres.
    sizes : sequence of float
        How many rows each cluster has.
    n_features : int
        How many features the rows have.
    """
    n = sum(sizes)
    freedom = n_features * (n - len(sizes))
    if inertia <= 0 or freedom <= 0:
        return math.nan
    of_shares = math.fsum(size * math.log(size / n) for size in sizes if size > 0)
    return of_shares - (n * n_features * math.log(2 * math.pi * inertia / freedom) + freedom) / 2
