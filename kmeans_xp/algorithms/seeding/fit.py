"""Where k-means starts from: k-means++, k-means‖, random rows, an array, a callable."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from inspect import Parameter, signature
from typing import Any, Literal, get_args

import numpy as np

from kmeans_xp.algorithms.moments import Moments, moments_of
from kmeans_xp.arrays import Array, Totals, as_array
from kmeans_xp.arrays.checks import check_choice, check_clusters, check_count
from kmeans_xp.arrays.draws import as_generator, as_random_state
from kmeans_xp.arrays.namespace import is_array
from kmeans_xp.kernels.choose.engine import find_engine
from kmeans_xp.kernels.choose.seeding import Seeding, computed_potential, find_potential
from kmeans_xp.kernels.interface import Engine
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters, prepare
from kmeans_xp.rows.arguments import open_centers, open_weights
from kmeans_xp.rows.base import Rows
from kmeans_xp.rows.open import beside_x, open_rows

InitName = Literal["k-means++", "k-means||", "random"]
NAMES = get_args(InitName)
Init = InitName | Array | Callable[..., Array]

# k-means‖: rounds, and rows drawn in each as a multiple of k. Bahmani et al. (2012) find five
# rounds of 2k rows as good as k passes of k-means++.
ROUNDS = 5
OVERSAMPLING = 2
# Part of the potential that rounding may take from what candidates gain: equal ones stay equal.
TIE = 2.0**-20


@beside_x
def kmeans_plusplus(
    X: Array,
    n_clusters: int,
    *,
    n_local_trials: int | None = None,
    sample_weight: Array | None = None,
    rng: int | np.random.Generator | None = None,
) -> tuple[Array, Array]:
    """Choose rows that are far apart as starting centres: greedy k-means++.

    Each centre is drawn with probability proportional to a row's weight times its squared
    distance to the nearest centre so far; of several such candidates the one that lowers the
    inertia most is kept.

    Parameters
    ----------
    X : array of shape (n, d)
        The rows: an array of any namespace, a memory map, a Dask array, a list.
    n_clusters : int
        How many centres, k.
    n_local_trials : int, optional
        Candidates for each centre; by default 2 + log(k). With 1 it is the k-means++ of the
        paper, of which the expected inertia is within 8(2 + log(k)) of the best.
    sample_weight : array of shape (n,) or float, optional
        Non-negative weights of the rows, or one for all of them; by default 1 each.
    rng : None, int or numpy.random.Generator
        Where the draws come from. They are made on the host, so that every backend starts from
        the same rows.

    Returns
    -------
    centers : array of shape (k, d)
        In X's namespace, on its device, in its floating dtype.
    indices : array of shape (k,), integers
        Which rows they are. With fewer distinct rows than k, some come again.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If an argument has the wrong shape or value, or X holds NaN or infinity.

    References
    ----------
    D. Arthur and S. Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007.

    Examples
    --------
    >>> import numpy as np
    >>> from kmeans_xp import kmeans_plusplus
    >>> X = np.array([[0.0], [0.1], [5.0], [5.1], [9.0]])
    >>> centers, indices = kmeans_plusplus(X, 3, rng=0)
    >>> sorted(round(float(c)) for c in centers[:, 0])
    [0, 5, 9]
    """
    rows = open_rows(X)
    k = check_clusters(n_clusters, rows.shape[0])
    trials = None if n_local_trials is None else check_count(n_local_trials, "n_local_trials")
    opened = open_weights(rows, sample_weight)
    opened.check_clusters(k)
    weights, generator = opened.array, as_generator(rng)
    engine = find_engine(rows.xp, device=rows.device)
    with rows.together():
        moments = moments_of(rows, weights, engine)
        indices = plus_plus(_Draws(rows, weights, moments, generator, engine), k, trials)
    return rows.deliver(rows.take(indices)), rows.deliver(rows.small(indices))


def check_init(init: Any) -> None:
    """Require `init` to be a name, an array or a callable."""
    if isinstance(init, str) and init not in NAMES:
        raise ValueError(
            f"init must be one of {', '.join(map(repr, NAMES))}, an array of centres or a "
            f"callable, got {init!r}."
        )
    if init is None:
        raise TypeError(f"init must be one of {NAMES}, an array or a callable, got None.")


def check_starts(n_init: Any, init: Init, *, random: int) -> int:
    """Return how many starts to try; `random` is what "auto" means for random starts."""
    if isinstance(n_init, str):
        check_choice(n_init, "n_init", ("auto",))
        return random if callable(init) or (isinstance(init, str) and init == "random") else 1
    return count_starts(n_init, init)


def count_starts(n_init: Any, init: Init) -> int:
    """Return how many starts to try: from an array one, since every start would be the same.

    Warns
    -----
    RuntimeWarning
        If `n_init` is more than one from an array, as scikit-learn does.
    """
    starts = check_count(n_init, "n_init")
    if starts == 1 or isinstance(init, str) or callable(init):
        return starts
    warnings.warn(
        "Explicit initial center position passed: performing only one init instead of "
        f"n_init={n_init}, since every start would be the same. Pass n_init=1 or 'auto'.",
        RuntimeWarning,
        stacklevel=4,
    )
    return 1


def seed(
    rows: Rows,
    X: Any,
    k: int,
    init: Init,
    weights: Array | None,
    moments: Moments,
    generator: np.random.Generator,
    engine: Engine,
) -> Array:
    """Return the k starting centres that `init` stands for, where blocks live."""
    if isinstance(init, str):
        draws = _Draws(rows, weights, moments, generator, engine)
        if init == "k-means++":
            return rows.take(plus_plus(draws, k))
        if init == "random":
            return rows.take(random_rows(rows, k, weights, generator))
        return parallel(draws, k)
    if callable(init):
        centers = _called(init, X, k, generator)
        return given_centers(rows, centers, "the array that init returns", k)
    return given_centers(rows, init, "init", k)


def _called(init: Callable[..., Array], X: Any, k: int, generator: np.random.Generator) -> Array:
    """Return what a function of the user's makes of the rows `X`.

    One that has a parameter `random_state` is called as scikit-learn does.
    """
    X = X if is_array(X) or isinstance(X, Rows) else as_array(X, "X")
    if _takes_random_state(init):
        return init(X, k, random_state=as_random_state(generator))
    return init(X, k, generator)


def _takes_random_state(init: Callable[..., Array]) -> bool:
    try:
        found = signature(init).parameters.get("random_state")
    except ValueError:  # Some that are not written in Python tell nothing of themselves.
        return False
    return found is not None and found.kind is not Parameter.POSITIONAL_ONLY


def given_centers(rows: Rows, centers: object, name: str, k: int) -> Array:
    """Return a copy of the user's `centers`, (k, d), where blocks live.

    What the user does to their own array later changes nothing here, nor do we change it.
    """
    return rows.xp.asarray(open_centers(rows, centers, name, k), copy=True)


@dataclass(frozen=True)
class _Draws:
    """What a seeding draws from, and with what."""

    rows: Rows
    weights: Array | None
    moments: Moments
    generator: np.random.Generator
    engine: Engine

    def one(self) -> int:
        """Draw one row by its weight."""
        u = self.generator.random(1)
        if self.weights is None:
            return int(u[0] * self.rows.shape[0])
        return self.rows.sample(self.weights, u)[0][0]

    def several(self, potential: Array, count: int) -> tuple[list[int], float]:
        """Draw rows by their potential, none if every row is at a centre; return its sum too."""
        return self.rows.sample(potential, self.generator.random(count))

    def seeding(self, k: int, trials: int) -> Seeding:
        """Return what greedy k-means++ is to choose from."""
        origin, variance = self.moments.origin.point, self.moments.variance
        return Seeding(self.rows, self.weights, k, trials, origin, variance)


def trials_for(k: int) -> int:
    """Return how many candidates there are for each of k centres, unless the user says."""
    return 2 + int(math.log(k))


def plus_plus(draws: _Draws, k: int, trials: int | None = None) -> list[int]:
    """Return the rows that greedy k-means++ chooses."""
    trials = trials_for(k) if trials is None else trials
    indices = [draws.one()]
    potential = find_potential(draws.seeding(k, trials), draws.engine, indices[0])
    while len(indices) < k:
        drawn, total = draws.several(potential.potential, trials)
        if not drawn:  # fewer distinct rows than k: some come again
            indices.append(draws.one())
            continue
        best = _best(potential.gains(drawn), total)
        indices.append(drawn[best])
        if len(indices) < k:
            potential.keep(drawn, best)
    return indices


def _best(gains: np.ndarray, total: float) -> int:
    """Return the first of the candidates that lower the `total` potential most, up to rounding."""
    return int(np.argmax(gains >= gains.max() - TIE * total))


def parallel(draws: _Draws, k: int) -> Array:
    """Return the centres of k-means‖, which passes over the rows a few times, not k times.

    B. Bahmani et al., "Scalable k-means++", VLDB 2012; each round draws a fixed number of rows.
    """
    rows, engine, width = draws.rows, draws.engine, OVERSAMPLING * k
    indices = [draws.one()]
    potential = computed_potential(draws.seeding(k, trials=1), engine)
    potential.add(indices)
    for _ in range(ROUNDS):
        drawn = sorted(set(draws.several(potential.potential, width)[0]))
        if not drawn:
            break
        indices += drawn
        potential.add(drawn)
    while len(indices) < k:  # fewer distinct rows than k: some come again
        indices.append(draws.one())
    candidates = rows.take(indices)
    step = partial(_weight_step, engine=engine, prepared=prepare(candidates))
    size = engine.block_rows(*candidates.shape)
    votes = rows.fold(step, draws.weights, block_rows=size).weights
    few = open_rows(candidates)
    return few.take(plus_plus(replace(draws, rows=few, weights=votes), k))


def random_rows(
    rows: Rows, k: int, weights: Array | None, generator: np.random.Generator
) -> list[int]:
    """Return k different rows, drawn one after the other by weight."""
    n = rows.shape[0]
    if weights is None:
        return [int(i) for i in generator.choice(n, k, replace=False)]
    found: dict[int, None] = {}
    # Drawing again what was drawn before changes no probability. Where a few rows have nearly
    # all the weight it takes forever, so that the heaviest of the rest are taken in the end.
    for _ in range(50):
        found.update(dict.fromkeys(rows.sample(weights, generator.random(k))[0]))
        if len(found) >= k:
            break
    else:
        found.update(dict.fromkeys(rows.largest(weights, k)))
    return list(found)[:k]


@dataclass(frozen=True)
class _Votes(Totals):
    weights: Array


def _weight_step(
    block: Array, weights: Array | None, *, engine: Engine, prepared: PreparedCenters
) -> _Votes:
    """Return the weight of the rows that are nearest to each candidate."""
    labels = engine.labels(block, prepared)
    return _Votes(engine.sum_by_label(block, labels, weights, prepared).weights)
