"""The simplified silhouette, which measures rows to centres instead of to each other."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from kmeans_xp.arrays import Array, Totals, device_of, namespace_of, to_host
from kmeans_xp.kernels.choose.engine import engine_for_labels
from kmeans_xp.kernels.interface import Engine
from kmeans_xp.kernels.metrics import DISTANCES
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters, prepare
from kmeans_xp.metrics.inertia import check_labels
from kmeans_xp.rows import open_rows
from kmeans_xp.rows.arguments import aligned_argument, open_centers, open_weights
from kmeans_xp.rows.checks import checked_sweep
from kmeans_xp.rows.open import beside_x


@beside_x
def simplified_silhouette(
    X: Array, centers: Array, labels: Array | None = None, *, sample_weight: Array | None = None
) -> float:
    """Return how much nearer rows are to their own centre than to the next, from -1 to 1.

    It is the mean of (b - a) / max(a, b), where a is a row's Euclidean distance to the centre of
    its cluster, and b the least to another one; more is better. As in the silhouette, of which this
    takes one pass instead of all pairs of rows, a row that is alone in its cluster counts as 0, and
    so does one at the distance 0 from both.

    Parameters
    ----------
    X : array of shape (n, d)
        The rows: an array of any namespace, a memory map, a Dask array, a list.
    centers : array of shape (k, d)
        The centres, two at least: like X, or a list or NumPy array, which moves to where X lives.
    labels : array of shape (n,), optional
        Which centre each row belongs to; by default its nearest.
    sample_weight : array of shape (n,) or float, optional
        Non-negative weights of the rows, or one for all of them; by default 1 each. Alone is
        the one row of a cluster that has a positive weight.

    Returns
    -------
    float

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or they live in different places.
    ValueError
        If an argument has the wrong shape or holds NaN, infinity, a negative weight or a label
        that is no index of a centre.

    References
    ----------
    E. Hruschka, L. de Castro and R. Campello, "Evolutionary algorithms for clustering gene-
    expression data", ICDM 2004.

    Examples
    --------
    >>> import numpy as np
    >>> from kmeans_xp import simplified_silhouette
    >>> X = np.array([[0.0], [2.0], [4.0], [6.0]])
    >>> simplified_silhouette(X, np.array([[1.0], [5.0]]))
    0.7333333333333334
    """
    rows = open_rows(X)
    places = open_centers(rows, centers, "centers")
    k, d = places.shape
    if k < 2:
        raise ValueError(
            f"centers must hold two centres at least, got the shape {tuple(places.shape)}: with "
            "one there is no next one."
        )
    weights = open_weights(rows, sample_weight)
    if labels is not None:
        labels = aligned_argument(rows, labels, "labels")
        check_labels(labels, k)
    engine = engine_for_labels(rows.xp, rows.shape, k, rows.dtype, device=rows.device)
    about = rows.xp.zeros((k, 1), dtype=rows.wide, device=rows.device)
    step = partial(_step, engine=engine, prepared=prepare(places), about=prepare(about))
    size = max(1, min(engine.block_rows(k, d), DISTANCES // k))
    with rows.together():
        found, _ = checked_sweep(rows, step, labels, weights.array, centers=places, block_rows=size)
    values, masses, sizes = (to_host(part) for part in (found.values, found.masses, found.sizes))
    return float(np.sum(values[sizes > 1]) / np.sum(masses))


@dataclass(frozen=True)
class _ByCluster(Totals):
    """Of each cluster, (k,): weighted silhouettes, weights, and rows of positive weight."""

    values: Array
    masses: Array
    sizes: Array


def _step(
    block: Array,
    labels: Array | None,
    weights: Array | None,
    *,
    engine: Engine,
    prepared: PreparedCenters,
    about: PreparedCenters,
) -> tuple[_ByCluster, tuple[()]]:
    xp, k = namespace_of(block), prepared.centers.shape[0]
    labels = engine.labels(block, prepared) if labels is None else xp.astype(labels, xp.int32)
    squares = engine.distances(block, prepared, prepared.wide_centers.dtype)
    numbers = xp.arange(k, dtype=labels.dtype, device=device_of(labels))
    others = xp.where(labels[:, None] == numbers, xp.inf, squares)
    second = xp.astype(xp.argmin(others, axis=1), xp.int32)
    near, far = (xp.sqrt(engine.own_distances(block, prepared, w)) for w in (labels, second))
    most = xp.maximum(near, far)
    values = xp.where(most > 0, (far - near) / xp.where(most > 0, most, 1.0), 0.0)
    totals = engine.sum_by_label(values[:, None], labels, weights, about)
    if weights is None:
        sizes = totals.weights
    else:
        heavy = xp.astype(weights > 0, weights.dtype)
        sizes = engine.sum_by_label(values[:, None], labels, heavy, about).weights
    return _ByCluster(totals.sums[:, 0], totals.weights, sizes), ()
