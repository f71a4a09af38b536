"""Lloyd's algorithm for two centres: after the first iteration few rows change sides."""

from dataclasses import dataclass
from functools import partial

from kmeans_xp.algorithms.empty import ClusterTotals
from kmeans_xp.algorithms.kmeans import Problem
from kmeans_xp.algorithms.loop import Report, Run, iterate
from kmeans_xp.algorithms.seeding import Init, seed
from kmeans_xp.arrays import Array, namespace_of, to_host
from kmeans_xp.arrays.precision import quiet
from kmeans_xp.kernels import Frame, Kernel, frame_of


@dataclass(frozen=True)
class Pair:
    """Two centres, and the labels and totals that they are the means of; none at first."""

    centers: Array
    labels: Array | None = None
    totals: ClusterTotals | None = None


def divide(problem: Problem, shown: Array | None, init: Init, max_iter: int) -> Run[Pair]:
    """Seed two centres and iterate to the end.

    Only sums of rows that changed sides are taken, which is exact in what counts: without
    weights, sizes are whole numbers, and where no row changes the centres stand still. Weights
    would leave a rest in a half that ran empty, so that with them all rows are summed.
    """
    rows, weights = problem.rows, problem.weights
    centers = seed(
        rows, shown, 2, init, weights, problem.moments, problem.generator, problem.kernel
    )
    step = partial(_step, problem=problem, origin=frame_of(centers).origin)
    return iterate(step, Pair(centers), max_iter=max_iter, tell=lambda *_: False)


@quiet()
def _step(pair: Pair, *, problem: Problem, origin: Array) -> tuple[Pair, Report]:
    frame = frame_of(pair.centers, origin)
    step = partial(_change_step, kernel=problem.kernel, frame=frame)
    size = problem.block_rows
    totals, (labels,) = problem.rows.sweep(step, pair.labels, problem.weights, block_rows=size)
    if pair.totals is not None:
        totals = pair.totals + totals
    moved, facts = problem.move(frame, totals)
    inertia, shift, empty = (float(fact) for fact in to_host(facts))
    if empty:
        moved, facts = problem.move(frame, problem.fill(frame, totals))
        shift = float(to_host(facts)[1])
    # What was filled is not what the labels say, so that the next iteration sums all rows again.
    whole = empty or problem.weights is not None
    after = Pair(moved) if whole else Pair(moved, labels, totals)
    return after, Report(inertia, shift, shift <= problem.threshold)


def _change_step(
    block: Array,
    before: Array | None,
    weights: Array | None,
    *,
    kernel: Kernel,
    frame: Frame,
) -> tuple[ClusterTotals, tuple[Array]]:
    """Return what the totals of both halves change by: by everything if nothing was before."""
    labels = kernel.labels(block, frame)
    if before is None:
        return ClusterTotals(*kernel.sum_by_label(block, labels, weights, frame)), (labels,)
    xp = namespace_of(block)
    (changed,) = xp.nonzero(labels != before)
    few, now = xp.take(block, changed, axis=0), xp.take(labels, changed)
    gained = ClusterTotals(*kernel.sum_by_label(few, now, None, frame))
    # Of two halves, what one gains the other loses.
    return ClusterTotals(
        gained.sums - xp.flip(gained.sums, axis=0), gained.weights - xp.flip(gained.weights)
    ), (labels,)
