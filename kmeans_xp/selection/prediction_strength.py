"""Prediction strength: whether clusters of one half of the rows are found in the other half."""

import numpy as np

from kmeans_xp.algorithms.assign import assign
from kmeans_xp.algorithms.kmeans.fit import kmeans
from kmeans_xp.arrays import to_host
from kmeans_xp.rows.base import Rows

# As R. Tibshirani and G. Walther, "Cluster validation by prediction strength", JCGS 14, 2005, have
# it: the largest k is chosen whose strength and standard error reach this, over so many divisions.
ENOUGH, DIVISIONS = 0.8, 5


def prediction_strength(rows: Rows, k: int, n_init: int, seed: int) -> tuple[float, float]:
    """Return the mean strength of k clusters of k-means over divisions in halves, and its error.

    The rows of one half are also given to the centres of the other. The strength is the share of
    the pairs of rows of a cluster that these leave together, of the cluster where it is least.
    """
    generator, n = np.random.default_rng(seed), rows.shape[0]
    if k == 1:
        return 1.0, 0.0
    if n < 2 * k:
        return np.nan, 0.0
    found = []
    for _ in range(DIVISIONS):
        order = generator.permutation(n)
        train, test = (rows.take(np.sort(half)) for half in (order[: n // 2], order[n // 2 :]))
        taught, own = (kmeans(half, k, n_init=n_init, rng=generator) for half in (train, test))
        predicted = to_host(assign(test, taught.centers)[0])
        found.append(_strength(to_host(own.labels), predicted, k))
    return float(np.mean(found)), float(np.std(found) / np.sqrt(DIVISIONS))


def _strength(labels: np.ndarray, predicted: np.ndarray, k: int) -> float:
    """Return the least share, over clusters, of pairs of rows that are predicted together."""
    both = np.bincount(labels * k + predicted, minlength=k * k).reshape(k, k).astype(np.float64)
    sizes = both.sum(axis=1)
    pairs, together = sizes * (sizes - 1), np.sum(both * (both - 1), axis=1)
    # A row by itself has no pair that could be parted.
    return float(np.min(np.divide(together, pairs, out=np.ones(k), where=pairs > 0)))
