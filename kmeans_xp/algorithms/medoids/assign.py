"""Rows and given medoids: labels, distances, loss, and how well they fit."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from kmeans_xp.algorithms.medoids.checks import check_kept, check_measurable
from kmeans_xp.algorithms.medoids.starts import check_numbers
from kmeans_xp.arrays import Array, Totals, device_of, namespace_of, to_host
from kmeans_xp.arrays.precision import quiet
from kmeans_xp.kernels.choose.engine import engine_for_medoids
from kmeans_xp.kernels.metrics import DISTANCES, PRECOMPUTED, Measure, Metric, check_metric, measure
from kmeans_xp.rows.arguments import open_weights
from kmeans_xp.rows.base import Rows
from kmeans_xp.rows.checks import range_error
from kmeans_xp.rows.open import beside_x, open_rows


@beside_x
def predict_medoids(rows: Rows, medoids: np.ndarray, metric: Metric) -> Array:
    """Return the index of the nearest medoid of each row, (n,) int32; checks the rows.

    Parameters
    ----------
    rows : Rows
    medoids : ndarray of shape (k, d), or (k,) of integers where rows hold distances
        On the host.
    metric : Metric
    """
    return _sweep(_label_step, rows, medoids, metric)[1][0]


@beside_x
def transform_medoids(rows: Rows, medoids: np.ndarray, metric: Metric) -> Array:
    """Return the distances of rows to the medoids, (n, k) in their dtype, as `predict_medoids`."""
    return _sweep(_distances_step, rows, medoids, metric)[1][0]


@beside_x
def medoid_loss(
    rows: Rows, medoids: np.ndarray, metric: Metric, sample_weight: Array | None
) -> float:
    """Return the weighted sum of distances to the nearest medoids, as `predict_medoids`."""
    weights = open_weights(rows, sample_weight)
    total = _sweep(_loss_step, rows, medoids, metric, weights.array)[0]
    return weights.common * _finite(rows, float(to_host(total.value)))


@beside_x
def medoid_silhouette(
    X: Array,
    medoid_indices: Array,
    *,
    metric: Metric = "euclidean",
    sample_weight: Array | None = None,
) -> float:
    """Return how much nearer rows are to their own medoid than to the next.

    It is the mean of 1 - a/b, where a and b are a row's distances to its nearest and its second
    nearest medoid: 1 at a medoid, 0 halfway between two. A row that is at both counts as 1, since
    it is at its own.

    Parameters
    ----------
    X : array of shape (n, d), or of shape (n, n) with metric="precomputed"
        The rows, as in `kmedoids`.
    medoid_indices : array of shape (k,), integers
        Which rows the medoids are, two at least.
    metric : str or callable
        As in `kmedoids`.
    sample_weight : array of shape (n,) or float, optional
        Non-negative weights of the rows, or one for all of them; by default 1 each.

    Returns
    -------
    float
        Between 0 and 1; more is better.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind, or arrays live in different places.
    ValueError
        If an argument has the wrong shape or value, or X holds NaN or infinity.

    References
    ----------
    M. van der Laan, K. Pollard and J. Bryan, "A new partitioning around medoids algorithm",
    J. Stat. Comput. Simul. 73, 2003. L. Lenssen and E. Schubert, "Clustering by direct optimization
    of the medoid silhouette", SISAP 2022, whose rule for a row at two medoids this is.

    Examples
    --------
    >>> import numpy as np
    >>> from kmeans_xp import medoid_silhouette
    >>> X = np.array([[0.0], [2.0], [8.0], [10.0]])
    >>> medoid_silhouette(X, np.array([0, 3]))
    0.875
    """
    rows = open_rows(X)
    check_metric(metric)
    numbers = check_numbers(medoid_indices, "medoid_indices", rows.shape[0])
    if len(numbers) < 2:
        raise ValueError(
            f"medoid_indices must name two rows at least, got {numbers}: with one medoid there is "
            "no next one."
        )
    weights = open_weights(rows, sample_weight)
    medoids = np.asarray(numbers) if metric == PRECOMPUTED else to_host(rows.take(numbers))
    total = _sweep(_silhouette_step, rows, medoids, metric, weights.array, square=True)[0]
    mass = rows.shape[0] if weights.array is None else float(to_host(_sum(weights.array)))
    return _finite(rows, float(to_host(total.value))) / mass


def _sum(array: Array) -> Array:
    return namespace_of(array).sum(array)


def _sweep(
    step: Callable[..., Any],
    rows: Rows,
    medoids: np.ndarray,
    metric: Metric,
    *aligned: Array | None,
    square: bool = False,
) -> tuple[Any, tuple[Array, ...]]:
    """Check the rows, and sweep over them with a step that measures them to the medoids."""
    k = len(medoids)
    engine = engine_for_medoids(rows.xp, "auto", rows.shape, k, rows.dtype, device=rows.device)
    measured = measure(metric, engine)
    with rows.together(), quiet():
        check_measurable(rows, metric, square=square)
        if square:
            check_kept(rows, metric)
        given = rows.small(medoids) if metric == PRECOMPUTED else rows.small(medoids, rows.dtype)
        step = partial(step, measured=measured, prepared=measured.prepare(given))
        size = max(1, DISTANCES // max(k, rows.shape[1]))
        return rows.sweep(step, *aligned, block_rows=size)


@dataclass(frozen=True)
class _Total(Totals):
    value: Array


def _label_step(block: Array, *, measured: Measure, prepared: Any) -> tuple[None, tuple[Array]]:
    return None, (measured.nearest(block, prepared)[0],)


def _distances_step(block: Array, *, measured: Measure, prepared: Any) -> tuple[None, tuple[Array]]:
    return None, (measured.distances(block, prepared),)


def _loss_step(
    block: Array, weights: Array | None, *, measured: Measure, prepared: Any
) -> tuple[_Total, tuple[()]]:
    distances = measured.nearest(block, prepared)[1]
    return _Total(_sum(distances if weights is None else distances * weights)), ()


def _silhouette_step(
    block: Array, weights: Array | None, *, measured: Measure, prepared: Any
) -> tuple[_Total, tuple[()]]:
    xp = namespace_of(block)
    labels, near = measured.nearest(block, prepared)
    distances = xp.astype(measured.distances(block, prepared), near.dtype, copy=False)
    numbers = xp.arange(distances.shape[1], dtype=labels.dtype, device=device_of(labels))
    second = xp.min(xp.where(labels[:, None] == numbers, xp.inf, distances), axis=1)
    # Rounding of the second may make it nearer than the first.
    share = xp.where(second > 0, xp.minimum(near / xp.where(second > 0, second, 1.0), 1.0), 0.0)
    values = 1.0 - share
    return _Total(_sum(values if weights is None else values * weights)), ()


def _finite(rows: Rows, total: float) -> float:
    if not np.isfinite(total):
        raise range_error(rows, f"its distances add up to {total}", "Divide")
    return total
