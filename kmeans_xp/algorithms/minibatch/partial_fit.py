"""Mini-batch k-means on a stream: one batch of the user's at a time."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from kmeans_xp.algorithms.final_assignment import Assignment, assigned
from kmeans_xp.algorithms.minibatch.running_means import Means, Rules, learn, rows_to_wait
from kmeans_xp.algorithms.minibatch.start import check_init_size, start
from kmeans_xp.algorithms.seeding.fit import Init, check_starts
from kmeans_xp.arrays import Array
from kmeans_xp.arrays.checks import check_clusters, check_count, check_flag
from kmeans_xp.kernels.choose.engine import engine_for_batches
from kmeans_xp.kernels.interface import Engine
from kmeans_xp.kernels.shared.prepared_centers import prepare
from kmeans_xp.rows.arguments import Weights, open_weights
from kmeans_xp.rows.base import Rows
from kmeans_xp.rows.checks import check_rows
from kmeans_xp.rows.open import beside_x, open_rows


@dataclass(frozen=True)
class BatchResult:
    """What a batch taught: centres where it lives, its assignment to them, and host means.

    The assignment is None where no labels were asked for.
    """

    centers: Array
    assignment: Assignment | None
    means: Means
    kernel: str


@beside_x
def learn_batch(
    X: Array,
    means: Means | None,
    n_clusters: int,
    *,
    init: Init,
    n_init: int | Literal["auto"],
    batch_size: int,
    init_size: int | None,
    reassignment_ratio: float,
    algorithm: str,
    compute_labels: bool,
    sample_weight: Array | None,
    generator: np.random.Generator,
) -> BatchResult:
    """Let `means`, of host arrays, learn from the batch `X`; without any, start among its rows.

    Raises
    ------
    TypeError, ValueError
        As `minibatch_kmeans`; a first batch must have a row for each cluster.
    """
    rows = open_rows(X)
    weights = open_weights(rows, sample_weight)
    compute_labels = check_flag(compute_labels, "compute_labels")
    k = check_clusters(n_clusters, rows.shape[0]) if means is None else len(means.seen)
    if means is None:
        weights.check_clusters(k)
    engine = engine_for_batches(rows.xp, algorithm, rows.shape, k, rows.dtype, device=rows.device)
    rules = Rules(k, engine, rows_to_wait(reassignment_ratio, k), generator)
    check_rows(rows, block_rows=engine.block_rows(1, rows.shape[1]))
    if means is None:
        size = check_count(batch_size, "batch_size")
        init_rows = check_init_size(init, init_size, k, size)
        starts = check_starts(n_init, init, random=3)
        here = Means.at(start(rows, weights, rules, init, starts, init_rows), rows)
    elif means.centers.shape[1] != rows.shape[1]:
        raise ValueError(
            f"X must have as many features as cluster_centers_, got {rows.shape[1]} with "
            f"{means.centers.shape[1]}. Pass rows of the same width."
        )
    else:
        # In units of what the rows of this batch weigh, where that is the same for all.
        here = means.beside(rows).times(1 / weights.common)
    learned = learn(rows, weights, here, rules)[0].times(weights.common)
    assignment = _assigned(rows, weights, learned, engine) if compute_labels else None
    centers = rows.deliver(learned.rounded(rows))
    return BatchResult(centers, assignment, learned.on_host(), engine.name)


def _assigned(rows: Rows, weights: Weights, means: Means, engine: Engine) -> Assignment:
    prepared, common = prepare(means.rounded(rows)), weights.common
    return assigned(rows, weights.array, prepared, engine, common=common).checked(rows)
