"""What clusters gain and lose as rows change their label. Imported only where Numba is."""

from typing import Any, NamedTuple

import numpy as np
from numba import types

from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.shared.cluster_totals import Changes
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters


class _ChangeArrays(NamedTuple):
    """The fields of `Changes`, as compiled functions take them."""

    sums: np.ndarray
    weights: np.ndarray
    counts: np.ndarray
    rounding_mass: np.ndarray


def changes(
    block: np.ndarray,
    weights: np.ndarray | None,
    before: np.ndarray,
    labels: np.ndarray,
    prepared: PreparedCenters,
) -> Changes:
    """Return what clusters gain and lose by going from the labels `before` to `labels`."""
    found = Changes.none(*prepared.centers.shape)
    arrays = _ChangeArrays(found.sums, found.weights, found.counts, found.rounding_mass)
    weights = compiling.ready_weights(weights)
    _add_changes(block, weights, before, labels, prepared.wide_origin, arrays)
    return found


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function, for rows of `dtype`."""
    rows = compiling.sealed_type(compiling.real(dtype), 2)
    labels, numbers = types.int32[::1], types.f8[::1]
    arrays = compiling.tuple_type(
        _ChangeArrays, types.f8[:, ::1], numbers, types.int64[::1], numbers
    )
    weights = compiling.sealed_type(types.f8, 1)
    return {"_add_changes": (rows, weights, labels, labels, numbers, arrays)}


@compiling.entry
def _add_changes(
    block: Any, weights: Any, before: Any, labels: Any, origin: Any, changes: Any
) -> None:
    """Add what clusters gain and lose by going from the labels `before` to `labels`."""
    sums, totals, counts, rounding_mass = changes
    row = np.empty(block.shape[1])
    for i in range(len(labels)):
        old, new = before[i], labels[i]
        if old == new:
            continue
        w = weights[i] if len(weights) else 1.0
        most = 0.0
        for f in range(len(row)):
            row[f] = w * (np.float64(block[i, f]) - origin[f])
            most = max(most, abs(row[f]))
            sums[new, f] += row[f]
        totals[new] += w
        counts[new] += w > 0
        if old >= 0:
            for f in range(len(row)):
                sums[old, f] -= row[f]
            totals[old] -= w
            counts[old] -= w > 0
            rounding_mass[old] += most
            rounding_mass[new] += most
