"""How compact clusters are, and how far apart, by their means alone: one number for a clustering.

Sums are taken about a point amid the rows, so that they lose no digits to the rows' distance from
zero, and distances to the means by direct differences.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from kmeans_xp.algorithms.moments import middle_of
from kmeans_xp.arrays import Array, namespace_of, to_host
from kmeans_xp.arrays.precision import quiet
from kmeans_xp.kernels.choose.engine import engine_for_labels
from kmeans_xp.kernels.interface import Engine
from kmeans_xp.kernels.metrics import DISTANCES
from kmeans_xp.kernels.shared.blocks import parts
from kmeans_xp.kernels.shared.cluster_totals import ClusterTotals
from kmeans_xp.kernels.shared.prepared_centers import Origin, PreparedCenters, prepare
from kmeans_xp.metrics.clusters import Clusters, open_labels
from kmeans_xp.rows.arguments import Weights, open_weights
from kmeans_xp.rows.base import Rows
from kmeans_xp.rows.checks import checked_sweep, range_error
from kmeans_xp.rows.open import beside_x, open_rows


@beside_x
def calinski_harabasz_score(
    X: Array, labels: Array, *, sample_weight: Array | None = None
) -> float:
    """Return how far apart clusters are, beside how wide they are; more is better.

    It is B / (k - 1) over W / (n - k), where W are the squared distances of rows to the means of
    their clusters, B those of the means to the mean of all, each as often as its cluster has rows.
    It is 1 where W is 0.

    Parameters
    ----------
    X : array of shape (n, d)
        The rows: an array of any namespace, a memory map, a Dask array, a list.
    labels : array of shape (n,), integers
        Which cluster each row belongs to, where X lives: any integers. From 2 to n - 1 clusters.
    sample_weight : array of shape (n,) or float, optional
        How many copies of each row there are, by default one each; n is their sum.

    Returns
    -------
    float

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or they live in different places.
    ValueError
        If an argument has the wrong shape or value, or X holds NaN or infinity, or squares of its
        differences overflow.

    References
    ----------
    T. Calinski and J. Harabasz, "A dendrite method for cluster analysis", Comm. Stat. 3, 1974.

    Examples
    --------
    >>> import numpy as np
    >>> from kmeans_xp import calinski_harabasz_score
    >>> X = np.array([[0.0], [1.0], [4.0], [5.0]])
    >>> calinski_harabasz_score(X, np.array([0, 0, 1, 1]))
    32.0
    """
    found = _dispersion(X, labels, sample_weight, squared=True)
    n, k = found.masses.sum(), len(found.masses)
    if n <= k:
        raise ValueError(
            f"sample_weight must add up to more than the {k} clusters, since it says how many "
            f"copies of each row there are, got the sum {n}. Divide them by the least one."
        )
    within = found.spreads.sum()
    mean = found.masses @ found.means / n
    between = found.masses @ ((found.means - mean) ** 2).sum(axis=1)
    if not np.isfinite(within + between):
        raise found.overflow()
    # No more than rounding of the means leaves of rows that are all at them.
    if within <= (8 * found.eps) ** 2 * between:
        return 1.0
    return float(between / (k - 1) / (within / (n - k)))


@beside_x
def davies_bouldin_score(X: Array, labels: Array, *, sample_weight: Array | None = None) -> float:
    """Return how wide clusters are, beside how far apart; less is better, and 0 the least.

    It is the mean over the clusters of the largest (s + t) / d, where s and t are the mean
    distances of the rows of the cluster and of another one to their means, and d the distance of
    these. Clusters whose means are at the distance 0 do not count for each other.

    Parameters
    ----------
    X : array of shape (n, d)
        The rows: an array of any namespace, a memory map, a Dask array, a list.
    labels : array of shape (n,), integers
        Which cluster each row belongs to, where X lives: any integers. From 2 to n - 1 clusters.
    sample_weight : array of shape (n,) or float, optional
        How many copies of each row there are; by default one each.

    Returns
    -------
    float

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or they live in different places.
    ValueError
        If an argument has the wrong shape or value, or X holds NaN or infinity, or squares of its
        differences overflow.

    References
    ----------
    D. Davies and D. Bouldin, "A cluster separation measure", IEEE Trans. Pattern Anal. Mach.
    Intell. 1, 1979.

    Examples
    --------
    >>> import numpy as np
    >>> from kmeans_xp import davies_bouldin_score
    >>> X = np.array([[0.0], [1.0], [4.0], [5.0]])
    >>> davies_bouldin_score(X, np.array([0, 0, 1, 1]))
    0.25
    """
    found = _dispersion(X, labels, sample_weight, squared=False)
    means, spreads = found.means, found.spreads / found.masses
    worst = np.empty(len(means))
    for part in parts(len(means), DISTANCES // means.size):
        difference = means[part, None, :] - means
        apart = np.sqrt(np.vecdot(difference, difference))
        both = spreads[part, None] + spreads
        ratios = np.divide(both, apart, out=np.zeros_like(both), where=apart > 0)
        worst[part] = ratios.max(axis=1)
    return float(worst.mean())


@dataclass(frozen=True)
class _Dispersion:
    """Clusters of positive weight, on the host in float64.

    Attributes
    ----------
    means : ndarray of shape (k, d)
        About a point amid the rows.
    masses, spreads : ndarray of shape (k,)
        What their rows weigh, and the weighted sums of their distances to the means, or of squares.
    eps : float
        Of the dtype that sums were kept in.
    overflow : callable
        Returns the error for sums that are not finite.
    """

    means: np.ndarray
    masses: np.ndarray
    spreads: np.ndarray
    eps: float
    overflow: Callable[[], ValueError]


@quiet()
def _dispersion(
    X: Array, labels: Array, sample_weight: Array | None, *, squared: bool
) -> _Dispersion:
    """Return what both scores are made of; checks the arguments."""
    rows = open_rows(X)
    clusters = Clusters.of(rows, open_labels(rows, labels))
    weights = open_weights(rows, sample_weight)
    shape, device = rows.shape, rows.device
    engine = engine_for_labels(rows.xp, shape, clusters.count, rows.dtype, device=device)
    with rows.together():
        origin = middle_of(rows, weights.array)
        totals = _totals(rows, clusters, weights, engine, origin)
        sums, masses = to_host(totals.sums).astype(np.float64), to_host(totals.weights)
        some = masses > 0
        copies = max(weights.count, weights.common * float(masses.sum()))
        clusters.check_count(copies, int(some.sum()))
        means = sums / np.where(some, masses, 1.0)[:, None]
        places = rows.small(means, rows.wide) + rows.xp.astype(origin, rows.wide)
        spreads = _spreads(rows, clusters, weights, engine, prepare(places), squared=squared)
    info = rows.xp.finfo(rows.wide)
    scale = weights.common
    return _Dispersion(
        means[some],
        scale * masses[some],
        scale * spreads[some],
        float(info.eps),
        partial(range_error, rows, "sums of its squared differences overflow", "Divide"),
    )


def _totals(
    rows: Rows, clusters: Clusters, weights: Weights, engine: Engine, origin: Array
) -> ClusterTotals:
    """Return the sums of each cluster's rows about the origin, and what they weigh; checks rows."""
    k, d = clusters.count, rows.shape[1]
    about = prepare(rows.xp.zeros((k, d), dtype=rows.dtype, device=rows.device), Origin(origin))
    step = partial(_sum_step, clusters=clusters, engine=engine, about=about)
    aligned = clusters.labels, weights.array
    totals: ClusterTotals = checked_sweep(
        rows, step, *aligned, centers=None, block_rows=engine.block_rows(k, d)
    )[0]
    return totals


def _sum_step(
    block: Array,
    labels: Array,
    weights: Array | None,
    *,
    clusters: Clusters,
    engine: Engine,
    about: PreparedCenters,
) -> tuple[ClusterTotals, tuple[()]]:
    numbers = clusters.numbers(labels)
    return engine.sum_by_label(block, numbers, weights, about), ()


def _spreads(
    rows: Rows,
    clusters: Clusters,
    weights: Weights,
    engine: Engine,
    places: PreparedCenters,
    *,
    squared: bool,
) -> np.ndarray:
    """Return weighted sums of distances of each cluster's rows to its place, (k,) on the host."""
    wide = rows.xp.zeros((clusters.count, 1), dtype=rows.wide, device=rows.device)
    step = partial(
        _spread_step,
        clusters=clusters,
        engine=engine,
        places=places,
        about=prepare(wide),
        squared=squared,
    )
    size = engine.block_rows(*places.centers.shape)
    spreads = rows.fold(step, clusters.labels, weights.array, block_rows=size).sums
    return to_host(spreads)[:, 0].astype(np.float64)


def _spread_step(
    block: Array,
    labels: Array,
    weights: Array | None,
    *,
    clusters: Clusters,
    engine: Engine,
    places: PreparedCenters,
    about: PreparedCenters,
    squared: bool,
) -> ClusterTotals:
    numbers = clusters.numbers(labels)
    distances = engine.own_distances(block, places, numbers)
    if not squared:
        distances = namespace_of(block).sqrt(distances)
    return engine.sum_by_label(distances[:, None], numbers, weights, about)
