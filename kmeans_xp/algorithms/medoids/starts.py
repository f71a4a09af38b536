"""Where k-medoids starts from: random rows, BUILD, k-medoids++, given rows."""

from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import numpy as np

from kmeans_xp.algorithms.medoids.judges import Candidates, Judges
from kmeans_xp.algorithms.seeding.fit import TIE, random_rows, trials_for
from kmeans_xp.arrays import Array, Totals, as_array, namespace_of, to_host
from kmeans_xp.arrays.checks import check_choice
from kmeans_xp.kernels.metrics import DISTANCES
from kmeans_xp.rows.base import draw_from

InitName = Literal["auto", "random", "build", "k-medoids++"]
NAMES = get_args(InitName)
Init = InitName | Array
# The factor up to which losses count as equal, so that the first of them is taken.
ROUNDING = 1 + 1e-12


def check_init(init: object, n: int, k: int) -> str | list[int]:
    """Return `init` as a name, or as the numbers of k different rows of n."""
    if isinstance(init, str):
        return check_choice(init, "init", NAMES)
    numbers = check_numbers(init, "init", n)
    if len(numbers) != k:
        raise ValueError(
            f"init must be one of {', '.join(map(repr, NAMES))} or the indices of n_clusters = {k} "
            f"rows, got {len(numbers)} of them."
        )
    return numbers


def check_numbers(value: object, name: str, n: int) -> list[int]:
    """Return the indices of different rows of n, one at least, as a list."""
    array = as_array(value, name)
    if array.ndim != 1 or not namespace_of(array).isdtype(array.dtype, "integral"):
        raise ValueError(
            f"{name} must hold indices of rows, (k,) integers, got an array of {array.dtype} with "
            f"the shape {tuple(array.shape)}."
        )
    numbers = [int(i) for i in to_host(array)]
    if not numbers or min(numbers) < 0 or max(numbers) >= n:
        raise ValueError(
            f"{name} must hold indices of rows, from 0 to {n - 1}, got {numbers}. Count from the "
            "first row, which is 0."
        )
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"{name} must hold different rows, got {numbers}. Name each row once.")
    return numbers


def start(
    init: str | list[int], judges: Judges, k: int, generator: np.random.Generator
) -> list[int]:
    """Return the medoids that `init` stands for."""
    if isinstance(init, list):
        return init
    candidates = judges.candidates
    if init == "build":
        return build(judges, k)
    if init == "k-medoids++":
        return plus_plus(judges, k, generator)
    return random_rows(candidates.rows, k, candidates.weights, generator)


@dataclass(frozen=True)
class _BestOf(Totals):
    """The candidate beside which the loss is least."""

    loss: float
    number: int

    def __add__(self, other: "_BestOf") -> "_BestOf":
        # As within a block, so that blocks change nothing.
        return other if other.loss * ROUNDING < self.loss else self


def build(judges: Judges, k: int) -> list[int]:
    """Return medoids each of which lowers the loss most, one after the other: BUILD.

    L. Kaufman and P. J. Rousseeuw, *Finding Groups in Data*, 1990.
    """
    candidates, weights = judges.candidates, judges.weights
    rows, xp = candidates.rows, namespace_of(weights)
    numbers = rows.numbers()
    near = xp.full_like(weights, xp.inf)
    chosen: list[int] = []
    while len(chosen) < k:
        step = partial(_build_step, judges=judges, near=near, chosen=chosen)
        size = max(1, DISTANCES // judges.weights.shape[0])
        best = rows.fold(step, numbers, candidates.weights, block_rows=size)
        chosen = [*chosen, best.number]
        near = xp.minimum(near, xp.astype(judges.to([best.number])[:, 0], weights.dtype))
    return chosen


def _build_step(
    block: Array,
    numbers: Array,
    weights: Array | None,
    *,
    judges: Judges,
    near: Array,
    chosen: list[int],
) -> _BestOf:
    which = to_host(numbers)
    distances = judges.measured(block, which)
    xp = namespace_of(distances)
    nearer = xp.minimum(xp.astype(distances, near.dtype, copy=False), near)
    losses = to_host(nearer @ judges.weights).astype(np.float64)
    losses[np.isin(which, chosen)] = np.inf
    if weights is not None:
        losses[to_host(weights) <= 0] = np.inf
    best = int(np.argmax(losses <= losses.min() * ROUNDING))
    return _BestOf(float(losses[best]), int(which[best]))


def plus_plus(judges: Judges, k: int, generator: np.random.Generator) -> list[int]:
    """Return judges that are far apart: greedy k-means++ by distances instead of their squares.

    Each medoid is drawn with probability proportional to a judge's weight times its distance to
    the nearest medoid so far; of several such candidates the one that lowers the loss most is kept.
    """
    weights = to_host(judges.weights).astype(np.float64)
    potential, near = weights, np.full_like(weights, np.inf)
    places: list[int] = []
    while len(places) < k:
        drawn = _draw(potential, generator, trials_for(k) if places else 1)
        if not drawn:  # Fewer distinct rows than k, or fewer judges.
            break
        nearer = np.minimum(near[:, None], _distances(judges, drawn))
        losses = weights @ nearer
        best = int(np.argmax(losses <= losses.min() + TIE * losses.max()))
        places, near = [*places, drawn[best]], nearer[:, best]
        potential = weights * near
        potential[places] = 0.0
    chosen = [int(judges.numbers[place]) for place in places]
    return chosen + _others(judges.candidates, chosen, k - len(chosen))


def _draw(potential: np.ndarray, generator: np.random.Generator, count: int) -> list[int]:
    """Return different places drawn by their potential, ascending; none if there is none."""
    uniforms, cumulative = generator.random(count), np.cumsum(potential)
    if not cumulative[-1] > 0:
        return []
    return np.unique(draw_from(cumulative, uniforms * cumulative[-1])).tolist()


def _distances(judges: Judges, places: list[int]) -> np.ndarray:
    """Return the judges' distances to some of them, on the host, (m, T)."""
    numbers = [int(judges.numbers[place]) for place in places]
    return to_host(judges.to(numbers)).astype(np.float64)


def _others(candidates: Candidates, chosen: list[int], count: int) -> list[int]:
    """Return so many rows of positive weight that are not chosen."""
    rows, most = candidates.rows, len(chosen) + count
    if candidates.weights is None or not count:
        first = list(range(most))
    else:
        first = rows.largest(candidates.weights, most)
    return [i for i in first if i not in chosen][:count]
