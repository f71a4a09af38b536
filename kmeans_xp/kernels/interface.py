"""What engines offer: the operations that algorithms are made of, and what passes between them.

An `Engine` is one implementation of these operations. `kmeans_xp.kernels.portable` is the
specification of all of them; every other engine names those that it overrides.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from kmeans_xp.arrays import Array, Namespace, Totals, namespace_of
from kmeans_xp.kernels.shared.binned_sums import BinnedSum
from kmeans_xp.kernels.shared.cluster_totals import ClusterTotals, Move
from kmeans_xp.kernels.shared.gaussians import Components
from kmeans_xp.kernels.shared.others import Others
from kmeans_xp.kernels.shared.prepared_centers import Origin, PreparedCenters

# (work, help) -> None: calls `work` until it returns true, and meanwhile `help` on other threads.
Team = Callable[[Callable[[], bool], Callable[[], Any]], None]


class Source(Protocol):
    """What engines ask of rows, wherever these live; `kmeans_xp.rows.Rows` offers it."""

    shape: tuple[int, int]
    dtype: Any
    xp: Namespace
    device: Any
    in_memory: bool

    @property
    def wide(self) -> Any:
        """Return the widest float of the device."""

    def sweep(self, step: Any, *aligned: Array | None, block_rows: int) -> tuple[Any, Any]:
        """Run `step` on every block; return the sum of its totals, and what it keeps."""

    def fold(self, step: Any, *aligned: Array | None, block_rows: int) -> Any:
        """Add up what `step` returns for each block."""

    def map(
        self, step: Any, *aligned: Array | None, block_rows: int, spare: Array | None = None
    ) -> tuple[Array, ...]:
        """Keep what `step` returns for each row."""

    def take(self, indices: Sequence[int] | np.ndarray) -> Array:
        """Return the rows at host indices."""

    def gather(self, where: Array) -> Array:
        """Return the rows at indices that are an array of the blocks' kind."""

    def evenly(self, count: int) -> Array:
        """Return at most so many rows, spread evenly over all."""

    def copied(self, indices: np.ndarray) -> "Source":
        """Return the rows at host indices as rows of their own."""

    def whole(self, block_rows: int) -> Array | None:
        """Return all rows, if they are in memory and not more than a block."""

    def uncopied(self, most: int) -> Array | None:
        """Return all rows, as `whole` does, where that takes no copy."""

    def team(self, work: Callable[[], bool], help_out: Callable[[], Any]) -> None:
        """Run `work` until it returns true, and where there are threads to do so, `help_out`."""

    def small(self, values: Any, dtype: Any = None) -> Array:
        """Copy small host values to where blocks live."""


@dataclass(frozen=True)
class RowSums(Totals):
    """What rows x add up to about a point a.

    Attributes
    ----------
    weight : array of shape ()
        Σw.
    first : array of shape (d,)
        Σw(x - a).
    coarse, rest : array of shape (d,)
        Σw(x - a)²: its addends on a grid, whose sum no order changes, and what is left of them.
    largest : array of shape (d,)
        The largest w·(x - a)².
    """

    weight: Array
    first: Array
    coarse: Array
    rest: Array
    largest: Array

    def __add__(self, other: Self) -> Self:
        """Add sums; of the largest squares, keep the larger."""
        largest = namespace_of(self.largest).maximum(self.largest, other.largest)
        return type(self)(
            self.weight + other.weight,
            self.first + other.first,
            self.coarse + other.coarse,
            self.rest + other.rest,
            largest,
        )


class LloydRun(ABC):
    """The iterations of one run of Lloyd's algorithm."""

    @property
    @abstractmethod
    def totals(self) -> ClusterTotals:
        """Return the totals of the clusters in the last step."""

    @abstractmethod
    def step(self, centers: Array) -> Move:
        """Assign every row to its nearest centre, and move each centre to the mean of its rows."""

    @abstractmethod
    def labels(self, centers: Array) -> Array | None:
        """Return the labels of all rows; None if this run keeps no labels."""


class FusedIteration(LloydRun):
    """A run whose iterations are each done by one call of the engine.

    Attributes
    ----------
    row_labels : ndarray of shape (n,), int32
        After the last step; -1 before the first.
    """

    row_labels: np.ndarray

    def labels(self, centers: np.ndarray) -> np.ndarray:
        """Return the labels of all rows."""
        self.step(centers)
        return self.row_labels


class Potential(ABC):
    """The potential of each row: its weight times the squared distance to the nearest centre.

    Attributes
    ----------
    potential : array of shape (n,)
    """

    potential: Array

    @abstractmethod
    def gains(self, drawn: list[int]) -> np.ndarray:
        """Return by how much some rows, as centres, would lower the sum of the potential; float64.

        Up to a number that is the same for all.
        """

    @abstractmethod
    def keep(self, drawn: list[int], best: int) -> None:
        """Take in one of the candidates that `gains` was just asked about."""


@dataclass(frozen=True)
class CandidateGains(Totals):
    """By how much each candidate would lower the potential, (T,) float64."""

    gains: np.ndarray


# (block, weights, *memory) -> gains; nothing from the step that keeps.
SeedingStep = Callable[..., CandidateGains | None]


class Seeder(ABC):
    """What is remembered of each row while greedy k-means++ chooses centres, and its steps.

    Its memory is written in place by the steps that it hands out. Candidates are scored by what
    the potential would lose to each, and rows that a candidate cannot lower need no distance.

    Attributes
    ----------
    memory : tuple of ndarray
        Row-aligned; the potential first, (n,).
    block_rows : int
        How many rows every block must have, since memory is laid out by block.
    """

    memory: tuple[np.ndarray, ...]
    block_rows: int

    @abstractmethod
    def start(self, center: np.ndarray) -> SeedingStep:
        """Return the step that takes in the first centre, (d,), and adds up the rows' squares."""

    @abstractmethod
    def score(self, candidates: np.ndarray) -> SeedingStep:
        """Return the step that scores candidates, (T, d), and remembers whom they are nearer."""

    @abstractmethod
    def keep(self, candidates: np.ndarray, best: int) -> SeedingStep:
        """Return the step that takes in one of the candidates that were just scored."""


@dataclass(frozen=True)
class HalfGains(Totals):
    """What the second of two halves gained: rows, and their sum about a point, (d,)."""

    size: Array
    sums: Array


class Pair(ABC):
    """Two centres, prepared for blocks of rows."""

    @abstractmethod
    def labels(self, block: Array) -> Array:
        """Return the index of the nearer centre of each row, (B,) integers; 0 if both are."""

    @abstractmethod
    def gains(self, block: Array, before: Array | None, about: Array) -> tuple[HalfGains, Array]:
        """Return what the second centre gained since the labels `before`, and the labels now.

        Everything that it has, if nothing was before.
        """


@dataclass(frozen=True)
class HalvesTask:
    """Rows that are to be divided in two again and again, from several starts.

    Attributes
    ----------
    rows : Source
        Without weights, or weighted ones of which only labels are asked.
    about : array of shape (d,)
        A point amid them, where blocks live, about which they are summed.
    max_norm : float or None
        No row has a larger norm; None if that is not known.
    block_rows : int
    """

    rows: Source
    about: Array
    max_norm: float | None
    block_rows: int


class Halves(ABC):
    """Rows that are divided in two, for the iterations of two-means."""

    @abstractmethod
    def start(self, centers: Array) -> None:
        """Begin a run from two centres, (2, d)."""

    @abstractmethod
    def gains(self, centers: Array) -> tuple[HalfGains, Array]:
        """Return what the second half gained since the last call, on the host; and all labels.

        Everything that it has, at the first call of a run.
        """

    @abstractmethod
    def squares(self) -> np.ndarray | None:
        """Return the squared distances of each half from the point, (2,), if they are known."""


@dataclass(frozen=True)
class BatchSums(Totals):
    """What the rows of each cluster add up to, in the widest float.

    Attributes
    ----------
    differences : array of shape (k, d)
        Weighted sums of the rows' differences from the centre.
    weights : array of shape (k,)
    cost : array of shape ()
        Weighted squared distances, of all clusters together.
    undecided : array of shape ()
        How many rows are in none of these sums, since they have no label yet.
    """

    differences: Array
    weights: Array
    cost: Array
    undecided: Array = 0.0


@dataclass(frozen=True)
class Batch:
    """Rows of a mini-batch, and the running means that learn from it.

    Attributes
    ----------
    rows : Source
        The batch, or what it is drawn from.
    drawn : ndarray of shape (B,), int64, or None
        Which rows the batch has; by default all.
    weights : array of shape (B,) or None
    centers : array of shape (k, d)
        In the widest float. Rows go to the nearest of them, rounded to the dtype of the rows, and
        are averaged with them as they are.
    counts : array of shape (k,)
        The weight that each has seen, in the widest float.
    origin : array of shape (d,)
    """

    rows: Source
    drawn: np.ndarray | None
    weights: Array | None
    centers: Array
    counts: Array
    origin: Array


@dataclass(frozen=True)
class Learned:
    """What running means learn from a batch.

    Attributes
    ----------
    centers : array of shape (k, d)
        Where they moved to.
    counts : array of shape (k,)
        The weight that each has seen.
    seen : numpy.ndarray of shape (k,)
        The same on the host.
    cost : float
        The inertia of the batch before.
    shift : float
        Sum of the squared distances that centres moved.
    undecided : int
        How many rows it was not learnt from; an engine's `learn` leaves none.
    """

    centers: Array
    counts: Array
    seen: np.ndarray
    cost: float
    shift: float
    undecided: int = 0


class MedoidSwaps(ABC):
    """Medoids, and how far the rows that judge them are from the nearest two.

    Candidates come in blocks: their distances to all m judges, (B, m).

    Parameters
    ----------
    medoids : sequence of int
        Which rows they are, k of them.
    distances : array of shape (m, k)
        Of each judge to each medoid.
    weights : array of shape (m,)
        Of the judges, in the widest float.

    Attributes
    ----------
    medoids : list of int
    n_swaps : int
        How many there were.
    """

    # The part of what removing a medoid costs that a swap must gain: less may be rounding, and
    # would go on forever. By the bytes of a weight, since gains are sums in the widest float.
    LEAST_GAIN: ClassVar[dict[int, float]] = {4: 1e-6, 8: 1e-11}
    # The part of the same up to which medoids to remove, or gains, count as equal.
    TIE: ClassVar[float] = 1e-12

    def __init__(self, medoids: Sequence[int], distances: Array, weights: Array) -> None:
        self.medoids = [int(i) for i in medoids]
        self.n_swaps = 0

    @property
    @abstractmethod
    def loss(self) -> float:
        """Return the weighted sum of the judges' distances to their nearest medoids."""

    @property
    @abstractmethod
    def block_rows(self) -> int:
        """Return how many candidates a block should have."""

    @abstractmethod
    def swap_eagerly(self, block: Array, first: int, closed: np.ndarray) -> int | None:
        """Swap in each candidate in turn, if that lowers the loss; return the last one's number.

        Parameters
        ----------
        block : array of shape (B, m)
        first : int
            The number of the first candidate; the others follow.
        closed : ndarray of shape (B,), bool
            Candidates that may be no medoids, beside those that are.

        Returns
        -------
        int or None
            None if no candidate was swapped in.
        """

    @abstractmethod
    def changes(self, block: Array) -> tuple[np.ndarray, np.ndarray]:
        """Return by how much swapping in each candidate changes the loss, and which medoid goes.

        Returns
        -------
        changes : ndarray of shape (B,), float64
        places : ndarray of shape (B,), integers
            Indices of medoids.
        """

    @abstractmethod
    def swap(self, candidate: Array, number: int, place: int) -> None:
        """Put a candidate, of which `candidate` are the distances, (m,), in a medoid's place."""

    @abstractmethod
    def gains_enough(self, change: float, place: int) -> bool:
        """Return whether a change of the loss is more than rounding."""

    def is_medoid(self, first: int, count: int) -> np.ndarray:
        """Return which of `count` candidates from number `first` on are medoids, (count,) bool."""
        numbers = np.asarray(self.medoids) - first
        found = np.zeros(count, bool)
        found[numbers[(numbers >= 0) & (numbers < count)]] = True
        return found


@dataclass(frozen=True)
class ExpectationMaximization:
    """The two halves of an EM iteration on a block, by polynomials or by differences.

    Attributes
    ----------
    name : str
        For tests and benchmarks.
    exact : bool
        Whether differences are taken, so that moments are about the components' means.
    block_rows : callable
        (k, p, d) -> rows that a block should have.
    prepare, expect, moments : callable
        As `kmeans_xp.kernels.portable.mixture` specifies.
    scores : callable, optional
        As `kmeans_xp.kernels.portable.mixture` specifies; only where polynomials are used.
    """

    name: str
    exact: bool
    block_rows: Callable[[int, int, int], int]
    prepare: Callable[[Array, Array, str], Array]
    expect: Callable[[Array, Components], tuple[Array, Array]]
    moments: Callable[[Array, Array, Components], Array]
    scores: Callable[[Array, Array], Array] | None = None

    def overriding(self, name: str, **operations: Any) -> Self:
        """Return the same with some operations overridden."""
        return replace(self, name=name, **operations)


@dataclass(frozen=True)
class Engine:
    """One implementation of the operations that algorithms are made of.

    Attributes
    ----------
    name : str
        What the result reports, and what ``algorithm=`` may ask for.
    runs_on : callable
        Whether it takes arrays of a namespace, now; of whatever device.
    remembers : bool
        Whether steps may write beside rows in memory, and find it so the next time.
    block_rows : callable
        (k, d) -> rows that a block should have.
    labels, nearest, own_distances, distances, sum_by_label, count, sums_about, assign_and_sum
        Of a block, as `kmeans_xp.kernels.portable.nearest` specifies.
    binned_sum : callable
        (addends, count) -> their sum, as `kmeans_xp.kernels.shared.binned_sums` specifies.
    full_search : callable
        (rows, weights, engine, origin) -> a `LloydRun` that searches all rows in every iteration.
    label_all, distances_all : callable
        Of all rows at once, what other operations find of blocks; None where blocks are faster.
        (most -> all rows or None if they are more, team, centers) and for labels whether squared
        distances are asked for too -> what is found, and last the largest absolute value of the
        rows, NaN if they are not finite.
    pair : callable
        (centers, max_norm) -> a `Pair`; no row may have a larger norm, which may be None.
    halves : callable
        (`HalvesTask`) -> `Halves`.
    learn : callable
        (`Batch`) -> `Learned`.
    pairwise : callable
        (block, others, metric, team) -> distances, (B, m), as `kmeans_xp.kernels.portable.medoids`
        specifies.
    swaps : callable
        (medoids, distances, weights) -> `MedoidSwaps`.
    neighbors : callable
        (block, others, count) -> (indices, squares), as `kmeans_xp.kernels.portable.neighbors`
        specifies.
    neighbor_rows : callable
        (m, d) -> rows that a block should have whose neighbours are looked for amid blocks of m,
        and which are compared with d entries of those that may be.
    cluster_distances_all : callable
        (rows, labels, masses, weights, metric) -> sums of distances to the own cluster and least
        means of those to another, (n,) each, as `kmeans_xp.kernels.numpy.silhouette` specifies;
        None where distances of blocks are faster.
    polynomial, difference : ExpectationMaximization
        Of Gaussian mixtures.
    """

    name: str
    runs_on: Callable[[Namespace], bool]
    remembers: bool
    block_rows: Callable[[int, int], int]
    labels: Callable[[Array, PreparedCenters], Array]
    nearest: Callable[[Array, PreparedCenters], tuple[Array, Array]]
    own_distances: Callable[[Array, PreparedCenters, Array], Array]
    distances: Callable[[Array, PreparedCenters, Any], Array]
    sum_by_label: Callable[[Array, Array, Array | None, PreparedCenters], ClusterTotals]
    count: Callable[[Array, int], Array]
    sums_about: Callable[[Array, Array | None, Array, float], RowSums]
    binned_sum: Callable[[Array, int], BinnedSum]
    assign_and_sum: Callable[..., ClusterTotals]
    full_search: "Callable[[Source, Array | None, Engine, Origin], LloydRun]"
    label_all: Callable[..., tuple[Array, Array, float] | None]
    distances_all: Callable[..., tuple[Array, float] | None]
    pair: Callable[[Array, float | None], Pair]
    halves: Callable[[HalvesTask], Halves]
    learn: Callable[[Batch], Learned]
    pairwise: Callable[..., Array]
    swaps: Callable[[Sequence[int], Array, Array], MedoidSwaps]
    neighbors: Callable[[Array, Others, int], tuple[Array, Array]]
    neighbor_rows: Callable[[int, int], int]
    cluster_distances_all: Callable[..., tuple[Array, Array] | None]
    polynomial: ExpectationMaximization
    difference: ExpectationMaximization

    def overriding(self, name: str, **operations: Any) -> Self:
        """Return an engine that has these operations of its own, and the rest of this one's."""
        return replace(self, name=name, **operations)

    def remembers_of(self, rows: Source) -> bool:
        """Return whether something may be remembered of each of these rows."""
        return self.remembers and rows.in_memory
