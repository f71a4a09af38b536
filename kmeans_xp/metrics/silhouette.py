"""The silhouette: how much nearer rows are to their own cluster than to the next one."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from kmeans_xp.algorithms.medoids.checks import check_measurable
from kmeans_xp.arrays import Array, device_of, namespace_of, to_host
from kmeans_xp.arrays.checks import check_count
from kmeans_xp.arrays.draws import as_generator
from kmeans_xp.arrays.precision import full_precision, quiet
from kmeans_xp.kernels.choose.engine import engine_for_silhouette
from kmeans_xp.kernels.interface import Engine
from kmeans_xp.kernels.metrics import DISTANCES, PRECOMPUTED, Metric, check_metric, measure
from kmeans_xp.kernels.shared.blocks import parts
from kmeans_xp.kernels.shared.prepared_centers import Origin, prepare
from kmeans_xp.metrics.clusters import Clusters, open_labels
from kmeans_xp.rows.arguments import Weights, open_weights
from kmeans_xp.rows.base import Rows
from kmeans_xp.rows.checks import range_error
from kmeans_xp.rows.memory import MemoryRows
from kmeans_xp.rows.open import beside_x, open_rows

# Rows that a block is measured to at a time.
OTHERS = 1 << 12


@beside_x
def silhouette_samples(X: Array, labels: Array, *, metric: Metric = "euclidean") -> Array:
    """Return the silhouette of each row: how well it fits its cluster, from -1 to 1.

    It is (b - a) / max(a, b), where a is the mean distance of a row to the others of its cluster,
    and b the least mean distance to the rows of another one. A row that is alone in its cluster, or
    at the distance 0 from both, has the silhouette 0. All distances are measured, in blocks: the
    time grows with n², the memory with n.

    Parameters
    ----------
    X : array of shape (n, d), or of shape (n, n) with metric="precomputed"
        The rows, or the distances between them: an array in memory, of any namespace; a memory
        map; a list.
    labels : array of shape (n,), integers
        Which cluster each row belongs to, where X lives: any integers. From 2 to n - 1 clusters.
    metric : {"euclidean", "sqeuclidean", "manhattan", "cosine", "chebyshev", "precomputed"}
        Or a function of two blocks of rows, (B, d) and (m, d), that returns their distances,
        (B, m), which must be the same in either direction.

    Returns
    -------
    array of shape (n,)
        Where X lives, in its floating dtype.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind, or X is not in memory, or they live in different
        places.
    ValueError
        If an argument has the wrong shape or value, or X holds NaN or infinity.

    References
    ----------
    P. J. Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of cluster
    analysis", J. Comput. Appl. Math. 20, 1987.

    Examples
    --------
    >>> import numpy as np
    >>> from kmeans_xp import silhouette_samples
    >>> X = np.array([[0.0], [1.0], [4.0], [6.0]])
    >>> silhouette_samples(X, np.array([0, 0, 1, 2]))
    array([0.75      , 0.66666667, 0.        , 0.        ])
    """
    check_metric(metric)
    rows = _open(X)
    clusters = Clusters.of(rows, open_labels(rows, labels))
    values = _silhouettes(rows, clusters, open_weights(rows, None), metric)
    return rows.xp.astype(values, rows.dtype, copy=False)


@beside_x
def silhouette_score(
    X: Array,
    labels: Array,
    *,
    metric: Metric = "euclidean",
    sample_size: int | None = None,
    sample_weight: Array | None = None,
    rng: int | np.random.Generator | None = None,
) -> float:
    """Return the mean silhouette of all rows, from -1 to 1; more is better.

    `silhouette_samples` says what that is.

    Parameters
    ----------
    X : array of shape (n, d), or of shape (n, n) with metric="precomputed"
        The rows, or the distances between them: an array in memory, of any namespace; a memory
        map; a list. With a `sample_size`, a Dask array too.
    labels : array of shape (n,), integers
        Which cluster each row belongs to, where X lives: any integers. At least two clusters, and
        fewer than rows.
    metric : str or callable
        As in `silhouette_samples`.
    sample_size : int, optional
        The score is that of so many rows, drawn without replacement, beside each other alone. By
        default, and where there are no more, it is that of all rows.
    sample_weight : array of shape (n,) or float, optional
        How many copies of each row there are: 0, or 1 and more. A row's copies are at the distance
        0 from it. By default one each. Not together with a `sample_size`.
    rng : None, int or numpy.random.Generator
        Draws the sample.

    Returns
    -------
    float

    Raises
    ------
    TypeError
        If an argument is of the wrong kind, or X is not in memory, or they live in different
        places.
    ValueError
        If an argument has the wrong shape or value, or X holds NaN or infinity.

    Examples
    --------
    >>> import numpy as np
    >>> from kmeans_xp import silhouette_score
    >>> X = np.array([[0.0], [1.0], [4.0], [6.0]])
    >>> round(silhouette_score(X, np.array([0, 0, 1, 2])), 4)
    0.3542
    """
    check_metric(metric)
    generator = as_generator(rng)
    rows = _open(X, sampled=sample_size is not None)
    labels = open_labels(rows, labels)
    if sample_size is None:
        rows, labels, weights = _copies(rows, labels, open_weights(rows, sample_weight))
    elif sample_weight is None:
        count = check_count(sample_size, "sample_size")
        rows, labels = _sampled(rows, labels, count, metric, generator)
        weights = open_weights(rows, None)
    else:
        raise ValueError(
            "sample_weight must be None where there is a sample_size, since a sample of rows is "
            "none of their copies. Draw the sample yourself, or leave sample_size away."
        )
    clusters = Clusters.of(rows, labels)
    values = _silhouettes(rows, clusters, weights, metric)
    xp = namespace_of(values)
    if weights.array is None:
        return float(to_host(xp.mean(values)))
    return float(to_host(xp.sum(values * weights.array) / xp.sum(weights.array)))


def _sampled(
    rows: Rows, labels: Array, count: int, metric: Metric, generator: np.random.Generator
) -> tuple[Rows, Array]:
    """Return as many rows as rows of their own, and their labels; all if there are no more."""
    (n, d), given = rows.shape, metric == PRECOMPUTED
    if count >= n or (given and n != d):  # Which will be refused.
        return rows, labels
    drawn = np.sort(generator.permutation(n)[:count])
    if given:
        across = rows.small(drawn)
        pieces = [
            rows.xp.take(rows.take(drawn[part]), across, axis=1)
            for part in parts(count, DISTANCES // n)
        ]
        sample = open_rows(rows.xp.concat(pieces))
    else:
        sample = rows.copied(drawn)
    return sample, sample.small(rows.pick(labels, drawn))


def _copies(rows: Rows, labels: Array, weights: Weights) -> tuple[Rows, Array, Weights]:
    """Return the rows of positive weight, and their labels and weights.

    Raises
    ------
    ValueError
        If these are no numbers of copies.
    """
    array = weights.array
    if array is None:
        least = weights.common
    else:
        xp = namespace_of(array)
        least = float(to_host(xp.min(xp.where(array > 0, array, xp.inf))))
    if least < 1:
        raise ValueError(
            "sample_weight must say how many copies of each row there are, 0 or 1 and more, got "
            f"the weight {least}. Divide them by the least one that is not 0."
        )
    if array is None or weights.count == rows.shape[0]:
        return rows, labels, weights
    rows, (labels, array) = rows.subset(array > 0, labels, array)
    return rows, labels, replace(weights, array=array)


def _open(X: Array, *, sampled: bool = False) -> Rows:
    """Open rows of which all pairs are measured, or those of a sample."""
    rows = open_rows(X)
    if not (sampled or isinstance(rows, MemoryRows)):
        raise TypeError(
            f"X must be an array in memory or a memory map, got a {rows.place}: every row is "
            "measured to all others. Pass a sample_size to silhouette_score, or compute X first, "
            "if it fits in memory."
        )
    return rows


def _silhouettes(rows: Rows, clusters: Clusters, weights: Weights, metric: Metric) -> Array:
    """Return the silhouette of each row, (n,) in the widest float; checks the rows."""
    xp, k = rows.xp, clusters.count
    where = {"in_memory": rows.in_memory, "device": rows.device}
    engine = engine_for_silhouette(xp, rows.shape, k, metric, rows.wide, **where)
    with rows.together(), full_precision(xp), quiet():
        check_measurable(rows, metric)
        labels = clusters.numbers(clusters.labels)
        masses = _masses(labels, weights.array, k, engine, rows)
        clusters.check_count(weights.common * float(to_host(xp.sum(masses))))
        amid = _Amid(rows, labels, masses, weights.array, metric, engine)
        own, other = amid.distances()
        copies = weights.common * xp.take(masses, labels)
        near = weights.common * own / xp.where(copies > 1, copies - 1, 1.0)
        most = xp.maximum(near, other)
        scores = (other - near) / xp.where(most > 0, most, 1.0)
        values = xp.where((copies > 1) & (most > 0), scores, 0.0)
    if not np.isfinite(float(to_host(xp.sum(values)))):
        raise range_error(rows, "sums of its distances overflow", "Divide")
    return values


def _masses(labels: Array, weights: Array | None, k: int, engine: Engine, rows: Rows) -> Array:
    """Return what the rows of each cluster weigh together, (k,) in the widest float."""
    xp = rows.xp
    if weights is None:
        return xp.astype(engine.count(labels, k), rows.wide)
    none = xp.zeros((k, 1), dtype=rows.wide, device=rows.device)
    return engine.sum_by_label(weights[:, None], labels, None, prepare(none)).sums[:, 0]


@dataclass(frozen=True)
class _Amid:
    """Rows amid which rows are measured to clusters; all in memory, and where X lives.

    Attributes
    ----------
    rows : Rows
    labels : array of shape (n,), int32
    masses : array of shape (k,)
    weights : array of shape (n,) or None
    metric : str or callable
    engine : Engine
    """

    rows: Rows
    labels: Array
    masses: Array
    weights: Array | None
    metric: Metric
    engine: Engine

    def distances(self) -> tuple[Array, ...]:
        """Return sums of distances to the own cluster, and least means of those to another."""
        rows, metric = self.rows, self.metric
        given = rows, self.labels, self.masses, self.weights, metric
        found = self.engine.cluster_distances_all(*given)
        if found is not None:
            return found
        (n, d), k = rows.shape, int(self.masses.shape[0])
        if metric == PRECOMPUTED:
            size = max(1, DISTANCES // max(n, k))
        else:
            size = self.engine.neighbor_rows(max(self.others_rows, k), d)
        return rows.map(partial(_distances_step, amid=self), self.labels, block_rows=size)

    @property
    def others_rows(self) -> int:
        """Return how many others a block is measured to at a time."""
        n, d = self.rows.shape
        return max(1, min(n, OTHERS, DISTANCES // d))

    def sums(self, block: Array) -> Array:
        """Return sums of distances to each cluster, (k, B)."""
        if self.metric == PRECOMPUTED:
            return self._by_label(block.T, slice(None))
        measured = measure(self.metric, self.engine)
        prepared, total = measured.prepare(self._widened(block)), None
        for part in parts(self.rows.shape[0], self.others_rows):
            others = self._widened(self.rows.block(part.start, part.stop))
            more = self._by_label(measured.distances(others, prepared), part)
            total = more if total is None else total + more
        return total

    def _widened(self, block: Array) -> Array:
        """Return rows in the widest float; a function of the user's gets them as they are."""
        wide = block.dtype if callable(self.metric) else self.rows.wide
        return self.rows.xp.astype(block, wide, copy=False)

    def _by_label(self, distances: Array, others: slice) -> Array:
        """Return sums, (k, B), of the distances of some of the others, (m, B)."""
        xp, rows, k, width = self.rows.xp, self.rows, self.masses.shape[0], distances.shape[1]
        none = xp.zeros((k, width), dtype=rows.wide, device=rows.device)
        weights = None if self.weights is None else self.weights[others]
        about = prepare(none, Origin(none[0, :]))
        return self.engine.sum_by_label(distances, self.labels[others], weights, about).sums


def _distances_step(block: Array, labels: Array, *, amid: _Amid) -> tuple[Array, Array]:
    xp, sums = namespace_of(block), amid.sums(block)
    numbers = xp.arange(sums.shape[0], dtype=labels.dtype, device=device_of(labels))
    mine = numbers[:, None] == labels
    other = xp.min(xp.where(mine, xp.inf, sums / amid.masses[:, None]), axis=0)
    return xp.sum(xp.where(mine, sums, 0.0), axis=0), other
