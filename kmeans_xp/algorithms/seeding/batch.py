"""Greedy k-means++ of many small fits at once."""

from kmeans_xp.algorithms.seeding.fit import TIE, trials_for
from kmeans_xp.arrays import Array, namespace_of
from kmeans_xp.arrays.namespace import device_of
from kmeans_xp.kernels.portable.batch import BatchRows, in_parts, potentials, rows_at


def draw_count(k: int) -> int:
    """Return how many uniform draws `plus_plus` takes for k centres, one after the other."""
    return 1 + (k - 1) * trials_for(k)


def plus_plus(rows: BatchRows, uniforms: Array, k: int) -> tuple[Array, Array]:
    """Return the rows that greedy k-means++ chooses, as one fit by itself would.

    Parameters
    ----------
    rows : BatchRows
        Of m fits.
    uniforms : array of shape (m, draw_count(k))
        Draws from [0, 1), where the rows are.
    k : int

    Returns
    -------
    indices : array of shape (m, k), integers
    sound : array of shape (m,), bool
        False where a fit has fewer distinct rows than k, which are to be drawn otherwise.
    """
    xp, width = namespace_of(uniforms), max(k, trials_for(k))
    found = [
        _chosen(some, uniforms[part, :], k)
        for part, some in in_parts(rows, uniforms.shape[0], width)
    ]
    indices, sound = zip(*found, strict=True)
    return xp.concat(indices), xp.concat(sound)


def _chosen(rows: BatchRows, uniforms: Array, k: int) -> tuple[Array, Array]:
    xp, trials = namespace_of(uniforms), trials_for(k)
    chosen = [_first(uniforms[:, :1], rows)]
    potential = potentials(rows_at(rows, chosen[0]), rows)[:, 0, :]
    totals = []
    for first in range(1, uniforms.shape[1], trials):
        index, potential, total = _next(potential, uniforms[:, first : first + trials], rows)
        chosen.append(index)
        totals.append(total)
    sound = xp.ones(uniforms.shape[0], dtype=xp.bool, device=device_of(uniforms))
    if totals:
        sound = xp.min(xp.stack(totals), axis=0) > 0
    return xp.concat(chosen, axis=1), sound


def _first(uniforms: Array, rows: BatchRows) -> Array:
    """Draw a row of each fit by its weight, (m, 1)."""
    xp, n = namespace_of(uniforms), rows.rows.shape[1]
    if rows.weights is None:
        return xp.astype(uniforms * n, xp.int64)
    return _drawn(rows.weights[None, :], uniforms)[0]


def _next(potential: Array, uniforms: Array, rows: BatchRows) -> tuple[Array, Array, Array]:
    """Draw candidates of each fit by the potential, (m, n); keep the one that lowers it most.

    Returns
    -------
    index : array of shape (m, 1)
    potential : array of shape (m, n)
        With it.
    total : array of shape (m,)
        Of the potential before.
    """
    xp, (m, trials) = namespace_of(potential), uniforms.shape
    drawn, total = _drawn(potential, uniforms)
    lowered = xp.minimum(potentials(rows_at(rows, drawn), rows), potential[:, None, :])
    remaining = xp.sum(lowered, axis=2)
    least = xp.min(remaining, axis=1, keepdims=True)
    good = remaining <= least + TIE * total[:, None]
    best = xp.argmax(xp.astype(good, xp.int8), axis=1, keepdims=True)
    numbers = xp.arange(m, dtype=best.dtype, device=device_of(potential)) * trials
    flat = xp.reshape(lowered, (m * trials, -1))
    return (
        xp.take_along_axis(drawn, best, axis=1),
        xp.take(flat, best[:, 0] + numbers, axis=0),
        total,
    )


def _drawn(mass: Array, uniforms: Array) -> tuple[Array, Array]:
    """Return rows drawn in proportion to their mass, (m, t), and the sums of mass."""
    xp = namespace_of(mass)
    cumulative = xp.cumulative_sum(mass, axis=1)
    total = cumulative[:, -1]
    passed = cumulative[:, None, :] <= (uniforms * total[:, None])[:, :, None]
    index = xp.sum(xp.astype(passed, xp.int32), axis=2, dtype=xp.int64)
    # Never one without mass, of which there may be some at the end.
    last = xp.sum(xp.astype(cumulative < total[:, None], xp.int32), axis=1, dtype=xp.int64)
    return xp.minimum(index, last[:, None]), total
