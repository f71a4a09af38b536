"""Starts that are chosen from random rows, and whether what they lead to is surely better."""

import warnings
from typing import Any

import numpy as np

from kmeans_xp.algorithms.final_assignment import assigned
from kmeans_xp.algorithms.minibatch.running_means import Rules, costs_of
from kmeans_xp.algorithms.moments import Moments, moments_of
from kmeans_xp.algorithms.seeding.fit import Init, check_init, given_centers, seed
from kmeans_xp.arrays import Array, to_host
from kmeans_xp.arrays.checks import check_count
from kmeans_xp.kernels.shared.prepared_centers import prepare
from kmeans_xp.rows.arguments import Weights
from kmeans_xp.rows.base import Rows
from kmeans_xp.rows.open import open_rows

# Rows that a start is chosen from, as a multiple of the batch and of k.
START_ROWS = 3
# Random rows that an end is first compared with its start on, and by how many standard errors it
# must be better there lest all rows be asked.
JUDGES = 1024
ERRORS = 5


def check_init_size(init: Init, init_size: int | None, k: int, batch_size: int) -> int:
    """Return how many rows a start is chosen from.

    Warns
    -----
    RuntimeWarning
        If `init_size` is less than k, as scikit-learn does.
    """
    check_init(init)
    if init_size is None:
        return START_ROWS * max(batch_size, k)
    if check_count(init_size, "init_size") >= k:
        return init_size
    warnings.warn(
        f"init_size={init_size} should be larger than n_clusters={k}: init_size is set to "
        f"{START_ROWS} * n_clusters. Pass None, or n_clusters rows at least.",
        RuntimeWarning,
        stacklevel=4,
    )
    return START_ROWS * k


def draw(rows: Rows, weights: Array | None, count: int, generator: np.random.Generator) -> Any:
    """Draw rows by their weights, with replacement."""
    if weights is None:
        return generator.integers(rows.shape[0], size=count)
    return rows.sample(weights, generator.random(count))[0]


def among_all(rows: Rows, weights: Weights, init: Init, init_size: int) -> bool:
    """Return whether a start is chosen from the rows themselves, and needs their moments."""
    return isinstance(init, str) and rows.in_memory and init_size >= weights.count


def start(
    rows: Rows,
    weights: Weights,
    rules: Rules,
    init: Init,
    starts: int,
    init_size: int,
    moments: Moments | None = None,
) -> Array:
    """Return the best of a few starts, each chosen from some random rows.

    Those are all rows where their `moments` are given.
    """
    tries = [_seed(rows, weights, rules, init, init_size, moments) for _ in range(starts)]
    if starts > 1:
        drawn = draw(rows, weights.array, min(init_size, weights.count), rules.generator)
        judge, engine = open_rows(rows.take(drawn)), rules.engine
        costs = [assigned(judge, None, prepare(centers), engine).inertia for centers in tries]
        tries = [tries[int(np.argmin(costs))]]
    return tries[0]


def surely_better(
    rows: Rows, weights: Weights, rules: Rules, centers: Array, start: Array, mean: float
) -> bool:
    """Return whether some random rows leave no doubt that `centers` cost less than `start`.

    Of few rows, it is as cheap to ask all. The `mean` is what `centers` cost of all rows: where
    it is more than of the few, these lack outliers, which may have been at the start's centres.
    """
    if weights.count <= 2 * JUDGES:
        return False
    few = open_rows(rows.take(draw(rows, weights.array, JUDGES, rules.generator)))
    before, after = (
        np.asarray(to_host(costs_of(few, None, prepare(c), rules.engine)), np.float64)
        for c in (start, centers)
    )
    error = (before - after).std() / len(before) ** 0.5
    return bool(before.mean() - ERRORS * error > max(after.mean(), mean))


def _seed(
    rows: Rows,
    opened: Weights,
    rules: Rules,
    init: Init,
    init_size: int,
    moments: Moments | None,
) -> Array:
    n, engine, generator = rows.shape[0], rules.engine, rules.generator
    weights = opened.array
    if moments is not None:
        return seed(rows, None, rules.k, init, weights, moments, generator, engine)
    if not (isinstance(init, str) or callable(init)):
        return given_centers(rows, init, "init", rules.k)
    if init_size >= opened.count:
        # Those that weigh something, of which there may be few among many.
        all_rows = weights is None or opened.count == n
        indices = np.arange(n) if all_rows else np.sort(rows.largest(weights, opened.count))
    elif weights is None:
        indices = generator.choice(n, init_size, replace=False)
    else:
        indices, weights = draw(rows, weights, init_size, generator), None
    sample = rows.take(indices)
    few = open_rows(sample)
    if weights is not None:
        weights = few.small(rows.pick(weights, indices), few.wide)
    moments = moments_of(few, weights, engine)
    # A name is looked up among the few; what a callable returns is the user's.
    where = few if isinstance(init, str) else rows
    delivered = rows.deliver(sample)
    return seed(where, delivered, rules.k, init, weights, moments, generator, engine)
