"""k-means of several data sets of one shape, of which only the inertia is asked for."""

from collections.abc import Sequence

import numpy as np

from kmeans_xp.algorithms.kmeans.batch import Batch, Terms
from kmeans_xp.algorithms.kmeans.fit import kmeans
from kmeans_xp.algorithms.seeding.batch import draw_count
from kmeans_xp.arrays import Array, namespace_of
from kmeans_xp.arrays.precision import full_precision, quiet
from kmeans_xp.kernels.choose.lloyd import suits_batch
from kmeans_xp.kernels.portable.batch import batch_rows
from kmeans_xp.rows.open import open_rows

# Entries of the rows of fits that are made at once.
ENTRIES = 1 << 22
# As in `kmeans`.
TOL, MAX_ITER = 1e-4, 300


def inertias_of_sets(sets: Array, k: int, seeds: Sequence[int], n_init: int) -> np.ndarray:
    """Return the inertia of the best of several starts of `kmeans` on each set.

    Parameters
    ----------
    sets : array of shape (p, n, d)
        Finite.
    k : int
        How many clusters.
    seeds : sequence of int
        Of the draws for each set.
    n_init : int
        How many starts.

    Returns
    -------
    ndarray of shape (p,)
    """
    (p, n, d), found = sets.shape, []
    together = suits_batch(open_rows(sets[0, ...]), k)
    size = max(1, ENTRIES // (n_init * n * (2 * d + 2))) if together else 1
    for first in range(0, p, size):
        some = slice(first, min(first + size, p))
        inertias = _at_once(sets[some, ...], k, seeds[some], n_init) if together else [None]
        # A set of which a start needs what only one by itself does is begun again.
        found += [
            kmeans(sets[i, ...], k, n_init=n_init, rng=seeds[i]).inertia if known is None else known
            for i, known in enumerate(inertias, start=first)
        ]
    return np.asarray(found)


def _at_once(sets: Array, k: int, seeds: Sequence[int], n_init: int) -> list[float | None]:
    """Return the inertia of each set; None where a start cannot be made with others."""
    xp, rows = namespace_of(sets), open_rows(sets[0, ...])
    draws = [np.random.default_rng(seed).random((n_init, draw_count(k))) for seed in seeds]
    with rows.together(), full_precision(xp), quiet():
        wide = xp.astype(xp.repeat(sets, n_init, axis=0), rows.wide, copy=False)
        origins = xp.mean(wide, axis=1)
        data = batch_rows(wide, origins, None)
        terms = Terms.of(data, tol=TOL, max_iter=MAX_ITER)
        batch = Batch(data, k, rows.dtype, terms)
        _, fits = batch.from_draws(np.concatenate(draws))
    of_sets = [fits[i : i + n_init] for i in range(0, len(fits), n_init)]
    return [
        min(fit.inertia for fit in starts) if all(fit.sound for fit in starts) else None
        for starts in of_sets
    ]
