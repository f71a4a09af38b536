"""The compiled loops of `seed_lanes`. Imported only where Numba is."""

from typing import Any

import numpy as np
from numba.core import types

from kmeans_xp.kernels.fast_compile import entry, part
from kmeans_xp.kernels.fast_vector import (
    LANES,
    all_greater,
    greater,
    lesser,
    load,
    minus,
    plus,
    spread,
    store,
    times_plus,
)

# Groups of rows whose gains are added up in single precision.
GROUPS = 64


def signatures(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the arguments of each compiled function; none but for float32."""
    if np.dtype(dtype) != np.float32:
        return {}
    real = types.float32
    flags = types.uint8[::1]
    return {
        "score": (real[::1], real[::1], flags, real[:, ::1], types.f8[::1]),
        "keep": (real[::1], real[::1], flags, real[::1]),
    }


@part
def _squares(columns: Any, n: Any, start: Any, center: Any) -> Any:
    """Return the squared distances of sixteen rows to a centre."""
    total = spread(columns.dtype.type(0))
    for f in range(len(center)):
        difference = minus(load(columns, f * n + start), spread(center[f]))
        total = times_plus(difference, difference, total)
    return total


@part
def _square(columns: Any, n: Any, i: Any, center: Any) -> Any:
    """Return the squared distance of a row to a centre."""
    total = columns.dtype.type(0)
    for f in range(len(center)):
        difference = columns[f * n + i] - center[f]
        total += difference * difference
    return total


@entry
def score(mass: Any, columns: Any, flags: Any, candidates: Any, gains: Any) -> None:
    """Write what the masses lose to each candidate, and flag the groups where any is lower."""
    n, trials = len(mass), len(candidates)
    groups = n // LANES
    sums = np.zeros(LANES * trials, columns.dtype)
    none = spread(columns.dtype.type(0))
    gains[:] = 0
    for first in range(0, groups, GROUPS):
        sums[:] = 0
        for g in range(first, min(first + GROUPS, groups)):
            own = load(mass, g * LANES)
            for t in range(trials):
                found = _squares(columns, n, g * LANES, candidates[t])
                far = all_greater(found, own)
                flags[t * groups + g] = not far
                if not far:
                    gain = greater(minus(own, found), none)
                    store(sums, t * LANES, plus(load(sums, t * LANES), gain))
        for t in range(trials):
            for lane in range(LANES):
                gains[t] += sums[t * LANES + lane]
    for i in range(groups * LANES, n):
        for t in range(trials):
            gains[t] += max(mass[i] - _square(columns, n, i, candidates[t]), 0)


@entry
def keep(mass: Any, columns: Any, flags: Any, center: Any) -> None:
    """Lower the masses in flagged groups to the squared distances to a new centre."""
    n = len(mass)
    groups = n // LANES
    for g in range(groups):
        if flags[g]:
            found = _squares(columns, n, g * LANES, center)
            store(mass, g * LANES, lesser(found, load(mass, g * LANES)))
    for i in range(groups * LANES, n):
        mass[i] = min(mass[i], _square(columns, n, i, center))
