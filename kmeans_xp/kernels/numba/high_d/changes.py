"""What clusters gain and lose as rows change their label. Imported only where Numba is."""

from typing import Any

import numpy as np
from numba import types

from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.sums import about_of, about_type, move_row, no_sums, sums_type
from kmeans_xp.kernels.shared.cluster_totals import ClusterTotals
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters


def changes(
    block: np.ndarray,
    weights: np.ndarray | None,
    before: np.ndarray,
    labels: np.ndarray,
    prepared: PreparedCenters,
) -> ClusterTotals:
    """Return what clusters gain and lose by going from the labels `before` to `labels`."""
    k, d = prepared.centers.shape
    sums, weights = no_sums(d, k), compiling.ready_weights(weights)
    _add_changes(block, weights, before, labels, about_of(prepared), sums)
    return ClusterTotals(*sums)


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for rows of `dtype`."""
    rows = compiling.sealed_type(compiling.real(dtype), 2)
    weights, labels = compiling.sealed_type(types.f8, 1), types.int32[::1]
    return {"_add_changes": (rows, weights, labels, labels, about_type(), sums_type())}


@compiling.entry
def _add_changes(block: Any, weights: Any, before: Any, labels: Any, about: Any, sums: Any) -> None:
    """Add what clusters gain and lose by going from the labels `before` to `labels`."""
    for i in range(len(labels)):
        if before[i] != labels[i]:
            move_row(block, i, weights, about, sums, before[i], labels[i])
