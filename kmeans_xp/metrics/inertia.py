"""Inertia: the sum of squared distances that k-means minimises."""

from functools import partial

import numpy as np

from kmeans_xp.arrays import Array, namespace_of, to_host
from kmeans_xp.arrays.precision import quiet
from kmeans_xp.kernels.choose.engine import engine_for_labels
from kmeans_xp.kernels.interface import Engine
from kmeans_xp.kernels.shared.binned_sums import BinnedSum
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters, prepare
from kmeans_xp.rows import open_rows
from kmeans_xp.rows.arguments import aligned_argument, open_centers, open_weights
from kmeans_xp.rows.checks import checked_sweep, checked_whole, range_error
from kmeans_xp.rows.open import beside_x


@beside_x
def inertia(
    X: Array, centers: Array, labels: Array | None = None, *, sample_weight: Array | None = None
) -> float:
    """Return the weighted sum of squared distances of rows to their centres.

    Parameters
    ----------
    X : array of shape (n, d)
        The rows: an array of any namespace, a memory map, a Dask array, a list.
    centers : array of shape (k, d)
        The centres: like X, or a list or NumPy array, which moves to where X lives.
    labels : array of shape (n,), optional
        Which centre each row belongs to; by default its nearest.
    sample_weight : array of shape (n,) or float, optional
        Non-negative weights of the rows, or one for all of them; by default 1 each.

    Returns
    -------
    float
        By direct differences, summed in the widest float of the device.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or they live in different places.
    ValueError
        If an argument has the wrong shape or holds NaN, infinity, a negative weight or a label
        that is no index of a centre, or the sum overflows.

    Examples
    --------
    >>> import numpy as np
    >>> from kmeans_xp import inertia
    >>> X = np.array([[0.0], [1.0], [9.0]])
    >>> inertia(X, np.array([[0.0], [10.0]]))
    2.0
    >>> inertia(X, np.array([[0.0], [10.0]]), labels=np.array([0, 0, 0]))
    82.0
    """
    rows = open_rows(X)
    places = open_centers(rows, centers, "centers")
    engine = engine_for_labels(rows.xp, rows.shape, places.shape[0], rows.dtype, device=rows.device)
    weights = open_weights(rows, sample_weight)
    if labels is not None:
        labels = aligned_argument(rows, labels, "labels")
        check_labels(labels, places.shape[0])
    prepared, found = prepare(places), None
    if labels is None:
        found = checked_whole(rows, engine.label_all, prepared, centers=places, squared=True)
    if found is None:
        step = partial(_cost_step, engine=engine, prepared=prepared, count=rows.shape[0])
        size = engine.block_rows(*places.shape)
        costs, _ = checked_sweep(rows, step, labels, weights.array, centers=places, block_rows=size)
        total = costs.total()
    else:
        with quiet():
            total = _cost(found[1], weights.array, engine, rows.shape[0]).total()
    total *= weights.common
    if not np.isfinite(total):
        raise range_error(rows, f"its inertia is {total}", "Divide")
    return total


def _cost_step(
    block: Array,
    labels: Array | None,
    weights: Array | None,
    *,
    engine: Engine,
    prepared: PreparedCenters,
    count: int,
) -> tuple[BinnedSum, tuple[()]]:
    if labels is None:
        labels = engine.labels(block, prepared)
    distances = engine.own_distances(block, prepared, labels)
    return _cost(distances, weights, engine, count), ()


def _cost(distances: Array, weights: Array | None, engine: Engine, count: int) -> BinnedSum:
    return engine.binned_sum(distances if weights is None else distances * weights, count)


def check_labels(labels: Array, k: int) -> None:
    """Require labels, (n,), to be indices of k centres."""
    xp = namespace_of(labels)
    if not xp.isdtype(labels.dtype, "integral"):
        raise TypeError(f"labels must be integers, got dtype {labels.dtype}.")
    low, high = int(to_host(xp.min(labels))), int(to_host(xp.max(labels)))
    if low < 0 or high >= k:
        raise ValueError(
            f"labels must be indices of centers, from 0 to {k - 1}, got {low} to {high}."
        )
