"""What k-medoids measures distances by: metrics of rows, a function of the user's, given distances.

Each prepares some rows once, the judges or the medoids, and then measures blocks against them.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast, final, get_args

import numpy as np

from kmeans_xp.arrays import Array, as_array, namespace_of, to_host
from kmeans_xp.arrays.dtypes import widest_float
from kmeans_xp.arrays.namespace import device_of
from kmeans_xp.kernels.interface import Engine, Team
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters, prepare, tied

# Metrics by their names, all of which scikit-learn has too.
MetricName = Literal["euclidean", "sqeuclidean", "manhattan", "cosine", "chebyshev"]
NAMES = get_args(MetricName)
PRECOMPUTED = "precomputed"
# Distances that are measured at a time, which bound the memory of a block.
DISTANCES = 1 << 20

Metric = MetricName | Literal["precomputed"] | Callable[[Array, Array], Array]


class Measure(ABC):
    """Distances of blocks of rows to rows that were prepared."""

    @abstractmethod
    def prepare(self, others: Array) -> Any:
        """Prepare rows, (m, d), to which blocks are measured."""

    @abstractmethod
    def distances(self, block: Array, others: Any, team: Team | None = None) -> Array:
        """Return the distances of a block to prepared rows, (B, m), in the dtype of the block.

        Threads of the `team` may help.
        """

    def block_rows(self, m: int, d: int) -> int:
        """Return of how many rows at a time the nearest of m others should be asked for."""
        return max(1, DISTANCES // max(m, d))

    @abstractmethod
    def nearest(self, block: Array, others: Any) -> tuple[Array, Array]:
        """Return the nearest of prepared rows and how far it is.

        Returns
        -------
        labels : array of shape (B,), int32
            The lowest of equals.
        distances : array of shape (B,)
            In the widest float.
        """


@final
@dataclass(frozen=True)
class Euclidean(Measure):
    """Euclidean distances, or their squares."""

    engine: Engine
    squared: bool

    def prepare(self, others: Array) -> PreparedCenters:
        """Prepare rows to which blocks are measured."""
        return prepare(others)

    def distances(self, block: Array, others: PreparedCenters, team: Team | None = None) -> Array:
        """Return the distances of a block to prepared rows."""
        metric = "sqeuclidean" if self.squared else "euclidean"
        return self.engine.pairwise(block, others, metric, team)

    def block_rows(self, m: int, d: int) -> int:
        """Return of how many rows at a time the nearest of m others should be asked for."""
        return self.engine.block_rows(m, d)

    def nearest(self, block: Array, others: PreparedCenters) -> tuple[Array, Array]:
        """Return the nearest of prepared rows and how far it is."""
        labels, squares = self.engine.nearest(block, others)
        return labels, squares if self.squared else namespace_of(squares).sqrt(squares)


@final
@dataclass(frozen=True)
class Cosine(Measure):
    """One minus the cosine, which is half the squared distance of rows of norm one.

    So rows of one direction have the distance 0, and other small distances keep their digits.
    """

    engine: Engine

    def prepare(self, others: Array) -> PreparedCenters:
        """Prepare rows to which blocks are measured."""
        return prepare(directions(others))

    def distances(self, block: Array, others: PreparedCenters, team: Team | None = None) -> Array:
        """Return the distances of a block to prepared rows."""
        found = self.engine.pairwise(directions(block), others, "sqeuclidean", team)
        return namespace_of(block).astype(found * 0.5, block.dtype, copy=False)

    def block_rows(self, m: int, d: int) -> int:
        """Return of how many rows at a time the nearest of m others should be asked for."""
        return self.engine.block_rows(m, d)

    def nearest(self, block: Array, others: PreparedCenters) -> tuple[Array, Array]:
        """Return the nearest of prepared rows and how far it is."""
        labels, squares = self.engine.nearest(directions(block), others)
        return labels, squares * 0.5


def directions(block: Array) -> Array:
    """Return rows over their norms, in the widest float."""
    xp = namespace_of(block)
    wide = xp.astype(block, widest_float(xp, device_of(block)), copy=False)
    # Over the largest entry first, whose square neither overflows nor vanishes.
    wide = wide / xp.max(xp.abs(wide), axis=1, keepdims=True)
    return wide / xp.sqrt(xp.sum(wide * wide, axis=1, keepdims=True))


@final
@dataclass(frozen=True)
class Absolute(Measure):
    """The sum, or the largest, of absolute differences."""

    engine: Engine
    metric: str

    def prepare(self, others: Array) -> PreparedCenters:
        """Prepare rows to which blocks are measured."""
        return prepare(others)

    def distances(self, block: Array, others: PreparedCenters, team: Team | None = None) -> Array:
        """Return the distances of a block to prepared rows."""
        return self.engine.pairwise(block, others, self.metric, team)

    def nearest(self, block: Array, others: PreparedCenters) -> tuple[Array, Array]:
        """Return the nearest of prepared rows and how far it is."""
        xp, wide = namespace_of(block), others.wide_centers
        rows = xp.astype(block, wide.dtype, copy=False)
        found = self.engine.pairwise(rows, others, self.metric)
        return least(found, tied(block.shape[1], float(xp.finfo(wide.dtype).eps)))


@final
@dataclass(frozen=True)
class Given(Measure):
    """What a function of the user's says of two blocks."""

    function: Callable[[Array, Array], Array]

    def prepare(self, others: Array) -> Array:
        """Return the rows as they are."""
        return others

    def distances(self, block: Array, others: Array, team: Team | None = None) -> Array:
        """Return the distances of a block to other rows; refuse what are none."""
        xp = namespace_of(block)
        found = said_of(block, others, self.function, "metric", "distance")
        found = xp.astype(found, block.dtype)
        extent = to_host(xp.stack([xp.min(found), xp.max(found)]))
        check_range(float(extent[0]), float(extent[1]), "what metric returns")
        return found

    def nearest(self, block: Array, others: Array) -> tuple[Array, Array]:
        """Return the nearest of other rows and how far it is."""
        xp, found = namespace_of(block), self.distances(block, others)
        wide = widest_float(xp, device_of(block))
        return least(xp.astype(found, wide, copy=False))


def said_of(
    block: Array, others: Array, function: Callable[[Array, Array], Array], name: str, what: str
) -> Array:
    """Return what a function of the user's, an argument of that `name`, says of two blocks.

    A real number, (B, m), for each pair of rows, called `what` in errors.
    """
    xp = namespace_of(block)
    # Copies, since a function may write to what it is given.
    returned = function(*(xp.asarray(array, copy=True) for array in (block, others)))
    found = as_array(returned, f"what {name} returns")
    wanted = block.shape[0], others.shape[0]
    if namespace_of(found) is not xp or tuple(found.shape) != wanted:
        raise ValueError(
            f"{name} must return an array like those it gets, with the shape {wanted} for blocks "
            f"of {wanted[0]} and {wanted[1]} rows, got {type(returned).__name__} with the "
            f"shape {tuple(found.shape)}. Return one {what} for each pair of rows."
        )
    if xp.isdtype(found.dtype, "complex floating"):
        raise ValueError(
            f"{name} must return real numbers, got the dtype {found.dtype}. Return their "
            f"absolute values, if each of those is the {what}."
        )
    return found


@final
@dataclass(frozen=True)
class Precomputed(Measure):
    """Rows that are distances already: rows are prepared by their numbers."""

    def prepare(self, others: Array) -> Array:
        """Return the numbers of rows, (m,), as they are."""
        return others

    def distances(self, block: Array, others: Array | None, team: Team | None = None) -> Array:
        """Return the distances of a block to rows of these numbers, or to all."""
        return block if others is None else namespace_of(block).take(block, others, axis=1)

    def nearest(self, block: Array, others: Array) -> tuple[Array, Array]:
        """Return the nearest of the rows of these numbers and how far it is."""
        xp, found = namespace_of(block), self.distances(block, others)
        return least(xp.astype(found, widest_float(xp, device_of(block)), copy=False))


def measure(metric: Metric, engine: Engine) -> Measure:
    """Return how `metric`, which was checked, measures rows."""
    if callable(metric):
        return Given(metric)
    if metric == PRECOMPUTED:
        return Precomputed()
    if metric == "cosine":
        return Cosine(engine)
    if metric in ("manhattan", "chebyshev"):
        return Absolute(engine, metric)
    return Euclidean(engine, squared=metric == "sqeuclidean")


def check_metric(metric: Any) -> Metric:
    """Return `metric` if it is a name or a function."""
    names = (*NAMES, PRECOMPUTED)
    if not (callable(metric) or (isinstance(metric, str) and metric in names)):
        raise ValueError(
            f"metric must be one of {', '.join(map(repr, names))} or a function of two blocks of "
            f"rows, (B, d) and (m, d), that returns distances, (B, m); got {metric!r}."
        )
    return cast(Metric, metric)


def least(distances: Array, tie: float = 1.0) -> tuple[Array, Array]:
    """Return the first of the least distances up to a factor, (B,) int32, and the distance."""
    xp = namespace_of(distances)
    most = xp.min(distances, axis=1, keepdims=True) * tie
    labels = xp.argmax(xp.astype(distances <= most, xp.int8), axis=1)
    found = xp.take_along_axis(distances, labels[:, None], axis=1)[:, 0]
    return xp.astype(labels, xp.int32), found


def check_range(low: float, high: float, name: str) -> None:
    """Require distances between `low` and `high` to be finite and not negative."""
    if not np.isfinite([low, high]).all():
        raise ValueError(f"{name} must be finite, but it holds NaN or infinity. Mend its values.")
    if low < 0:
        raise ValueError(
            f"{name} must not be negative, but its least value is {low}. Pass distances, not "
            "similarities."
        )
