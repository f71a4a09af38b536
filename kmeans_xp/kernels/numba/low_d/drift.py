"""How far centres have moved, and up to what bound gap a row may have lost its label to another.

Imported only where Numba is.

A row whose bound gap was g keeps its label j until c_j and some centre that matters to it have
moved g together. Only centres nearer to c_j than twice its radius matter, which is the distance of
its farthest row: no row of cluster j is nearer to any other. So the drift limit of j rises by how
far c_j moved and the farthest of the centres that matter. For a centre that did not matter before
it rises by its lead: by how much that has moved more than the limit rose for others.
"""

from typing import Any, NamedTuple

import numpy as np

from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.low_d.neighbours import Neighbors, reorder
from kmeans_xp.kernels.numba.low_d.search import rounded_down, rounded_up
from kmeans_xp.kernels.shared.hamerly import ROUNDING


class DriftLimits(NamedTuple):
    """The drift limit of each label, rounded for comparisons, after that of label -1."""

    upper: np.ndarray  # (k + 1,) float32, rounded up: a label holds while its bound gap is above
    lower: np.ndarray  # (k + 1,) in the dtype of the rows, rounded down: added to new bound gaps


class CenterDrift(NamedTuple):
    """How far centres have moved, rounded up, and up to where that matters."""

    centers: np.ndarray  # (k, d): of the iteration that began last
    moved: np.ndarray  # (k,): how far each moved then
    drift_limits: np.ndarray  # (k,): how far, with the farthest that matters, since a run began
    limits: DriftLimits
    radii: np.ndarray  # (k,): no row is farther from its centre; infinite where they are not kept
    leads: np.ndarray  # (k, k); without rows where radii are not kept


def no_drift(k: int, d: int, dtype: Any, *, keeps_radii: bool) -> CenterDrift:
    """Return the drift before the first iteration."""
    centers, radii = np.zeros((k, d)), np.full(k, 0.0 if keeps_radii else np.inf)
    leads = np.zeros((k * keeps_radii, k))
    return CenterDrift(centers, np.zeros(k), np.zeros(k), no_limits(k, dtype), radii, leads)


def no_limits(k: int, dtype: Any) -> DriftLimits:
    """Return drift limits before the first iteration, for rows of `dtype`."""
    upper = np.zeros(k + 1, np.float32)
    upper[0] = np.inf
    return DriftLimits(upper, np.zeros(k + 1, dtype))


@compiling.making
def follow(neighbors: Neighbors, drift: CenterDrift, is_sorted: bool) -> None:
    """Follow the centres of `neighbors`, and put these in order unless that `is_sorted`."""
    _measure_drift(neighbors.centers, drift)
    if not is_sorted:
        reorder(neighbors, drift.centers, drift.moved, drift.radii)
    for j in range(len(drift.centers)):
        farthest = _farthest_that_matters(j, neighbors, drift)
        limit = drift.drift_limits[j] + drift.moved[j] + farthest
        drift.drift_limits[j] = limit * (1 + ROUNDING)
    round_limits(drift.drift_limits, drift.limits)


@compiling.part
def round_limits(drift_limits: Any, limits: DriftLimits) -> None:
    """Write drift limits, (k,), rounded up and down."""
    for j in range(len(drift_limits)):
        limits.upper[j + 1] = rounded_up(drift_limits[j])
        limits.lower[j + 1] = rounded_down(drift_limits[j])


@compiling.part
def _measure_drift(centers: Any, drift: CenterDrift) -> None:
    """Write how far each centre moved, and where to; the radii grow by as much."""
    k, d = drift.centers.shape
    for j in range(k):
        total = 0.0
        for f in range(d):
            step = np.float64(centers[j, f]) - drift.centers[j, f]
            total += step * step
            drift.centers[j, f] = centers[j, f]
        drift.moved[j] = np.sqrt(total) * (1 + ROUNDING)
        drift.radii[j] = (drift.radii[j] + drift.moved[j]) * (1 + ROUNDING)


@compiling.part
def _farthest_that_matters(j: int, neighbors: Neighbors, drift: CenterDrift) -> float:
    """Return by how much the limit of j rises for the other centres; lower their leads by it."""
    farthest, k = 0.0, len(drift.centers)
    if not len(drift.leads):
        for i in range(k):
            farthest = max(farthest, drift.moved[i] if i != j else 0.0)
        return farthest
    # Twice the radius, and what separations may have changed by.
    within = 2 * drift.radii[j] * (1 + ROUNDING) + neighbors.slack[j]
    for i in range(k):
        drift.leads[j, i] += drift.moved[i]
    for place in range(1, k):
        if neighbors.separations[j, place] > within:
            break
        farthest = max(farthest, drift.leads[j, neighbors.order[j, place]])
    for i in range(k):
        drift.leads[j, i] = max(drift.leads[j, i] - farthest, 0.0)
    return farthest
