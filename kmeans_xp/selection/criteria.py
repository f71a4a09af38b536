"""What says how many clusters there are: one class a criterion, asked for one k after the other."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np

from kmeans_xp.algorithms.kmeans.fit import kmeans
from kmeans_xp.algorithms.medoids.assign import medoid_silhouette
from kmeans_xp.algorithms.moments import moments_of
from kmeans_xp.arrays import Array, to_host, to_like
from kmeans_xp.kernels.choose.engine import find_engine
from kmeans_xp.kernels.metrics import PRECOMPUTED
from kmeans_xp.metrics.clusters import Clusters
from kmeans_xp.metrics.dispersion import calinski_harabasz_score, davies_bouldin_score
from kmeans_xp.metrics.silhouette import silhouette_samples
from kmeans_xp.rows.arguments import Weights
from kmeans_xp.rows.base import Rows
from kmeans_xp.rows.open import open_rows
from kmeans_xp.selection.elbow import ElbowResult, elbow
from kmeans_xp.selection.family import FAMILY, STARTS, AlgorithmName
from kmeans_xp.selection.gap import Gaps
from kmeans_xp.selection.information import kmeans_bic
from kmeans_xp.selection.mixtures import Mixtures
from kmeans_xp.selection.prediction_strength import ENOUGH, prediction_strength
from kmeans_xp.selection.references import Reference
from kmeans_xp.selection.rules import Rule

# Of the gap; as in `gap_statistic`.
REFERENCE_SETS = 20
REFERENCE: Reference = "pca"
RULE: Rule = "firstSEmax"
# Rows, and entries of them, beyond which it looks at a part: rows without clusters in many features
# take k-means many iterations.
GAP_ROWS, GAP_ENTRIES = 500, 1 << 16


@dataclass(frozen=True)
class Subject:
    """The rows of which k is to be chosen.

    Attributes
    ----------
    X : array
        As given.
    rows : Rows
    weights : Weights
    sample : array of shape (m, d)
        The rows that criteria look at which take long: all, or some in memory.
    indices : ndarray of shape (m,), integers, or None
        Which they are; None if they are all.
    ks : list of int
    algorithm : str
    options : mapping
        Of its function.
    seeds : callable
        (what for, k) -> a seed.
    """

    X: Any
    rows: Rows
    weights: Weights
    sample: Array
    indices: np.ndarray | None
    ks: list[int]
    algorithm: AlgorithmName
    options: Mapping[str, Any]
    seeds: Callable[[str, int], int]

    @cached_property
    def sampled_rows(self) -> Rows:
        """Return the sample, opened."""
        return open_rows(self.sample)

    @cached_property
    def mixtures(self) -> Mixtures:
        """Return the mixtures of the sample."""
        rows = self.sampled_rows
        variance = moments_of(rows, None, find_engine(rows.xp, device=rows.device)).variance
        return Mixtures(self.sample, variance, len(self.ks))

    @property
    def sample_weight(self) -> Array | None:
        """Return what rows weigh, as metrics take it."""
        return self.weights.array

    def sampled(self, labels: Array) -> Array:
        """Return the labels of the sample, where it lives."""
        if self.indices is None:
            return labels
        return to_like(self.rows.pick(labels, self.indices), self.sample)


@dataclass(frozen=True)
class Found:
    """What an algorithm found for one k.

    Attributes
    ----------
    k : int
    result : object
        Of its function.
    objective : float
        What it minimised.
    """

    k: int
    result: Any
    objective: float


class Criterion(ABC):
    """What has a value for each k, and chooses one."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.ks: list[int] = []
        self.values: list[float] = []

    def take_in(self, found: Found) -> None:
        """Look at the next k."""
        self.values.append(self.value(found))
        self.ks.append(found.k)

    @abstractmethod
    def value(self, found: Found) -> float:
        """Return the value of clusters that were found; NaN if there is none."""

    @abstractmethod
    def choice(self) -> int | None:
        """Return the k that it chooses of those it looked at; None if it finds none."""

    def scores(self) -> list[float]:
        """Return what a table shows for each k."""
        return self.values

    def notes(self) -> list[str]:
        """Return what to know of its answer, in sentences."""
        return []


class _Highest(Criterion):
    sign = 1

    def choice(self) -> int | None:
        return self.highest([True] * len(self.ks))

    def highest(self, among: list[bool]) -> int | None:
        """Return the k of the highest value among some; the smallest of equals."""
        columns = zip(self.ks, self.values, among, strict=True)
        known = [(self.sign * v, -k) for k, v, asked in columns if asked and not math.isnan(v)]
        return -max(known)[1] if known else None


class _Lowest(_Highest):
    sign = -1


def _are_several(rows: Rows, labels: Array) -> bool:
    """Return whether labels are of two clusters at least, and of fewer than rows."""
    return 1 < Clusters.of(rows, rows.align(labels, "labels")).count < rows.shape[0]


@final
class Silhouette(_Highest):
    """The mean silhouette of the sample (Rousseeuw 1987).

    A k that puts one row in a cluster by itself has found an outlier: it is passed over, unless all
    do. Three heavy-tailed clusters are so found in all of 25 draws, not in 17.
    """

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        self._with_single_rows: set[int] = set()

    def choice(self) -> int | None:
        """Return the k of the highest one, of those without single rows."""
        without = [k not in self._with_single_rows for k in self.ks]
        return self.highest(without) or super().choice()

    def value(self, found: Found) -> float:
        """Return it; NaN for one cluster."""
        labels = self.subject.sampled(found.result.labels)
        if np.unique_counts(to_host(labels)).counts.min() == 1:
            self._with_single_rows.add(found.k)
        values = self.samples(labels)
        return float(values.mean(dtype=np.float64)) if len(values) else math.nan

    def samples(self, labels: Array) -> np.ndarray:
        """Return the silhouettes of the sample by its labels, on the host; none for one cluster."""
        subject = self.subject
        if not _are_several(subject.sampled_rows, labels):
            return np.empty(0)
        metric = subject.options.get("metric", "euclidean")
        return to_host(silhouette_samples(subject.sample, labels, metric=metric))


@final
class MedoidSilhouette(_Highest):
    """How much nearer rows are to their medoid than to the next (Van der Laan et al. 2003)."""

    def value(self, found: Found) -> float:
        """Return it; NaN for one cluster."""
        if found.k == 1:
            return math.nan
        subject = self.subject
        metric = subject.options.get("metric", "euclidean")
        return medoid_silhouette(
            subject.X,
            found.result.medoid_indices,
            metric=metric,
            sample_weight=subject.sample_weight,
        )


class _OfAllRows(Criterion):
    score: Callable[..., float]

    def value(self, found: Found) -> float:
        """Return the score; NaN for one cluster."""
        subject = self.subject
        if not _are_several(subject.rows, found.result.labels):
            return math.nan
        return type(self).score(subject.X, found.result.labels, sample_weight=subject.sample_weight)


@final
class CalinskiHarabasz(_OfAllRows, _Highest):
    """How far clusters are apart for their width (Caliński & Harabasz 1974)."""

    score = calinski_harabasz_score


@final
class DaviesBouldin(_OfAllRows, _Lowest):
    """How wide clusters are for their distance from the worst neighbour (Davies & Bouldin 1979)."""

    score = davies_bouldin_score


@final
class Gap(Criterion):
    """The gap statistic of the sample, or of a part (Tibshirani, Walther & Hastie 2001)."""

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        generator = np.random.default_rng(subject.seeds("references", 0))
        self._rows = rows = subject.sampled_rows
        most = max(max(subject.ks), GAP_ROWS, GAP_ENTRIES // rows.shape[1])
        if most < rows.shape[0]:
            some = generator.choice(rows.shape[0], most, replace=False, shuffle=False)
            self._rows = rows.copied(np.sort(some))
        self._gaps = Gaps(self._rows, subject.ks, REFERENCE_SETS, REFERENCE, generator)

    def value(self, found: Found) -> float:
        """Take in the inertia of k clusters; the gaps are known when all are."""
        self._gaps.add(found.k, self._inertia(found), STARTS)
        return math.nan

    def _inertia(self, found: Found) -> float:
        """Return the inertia of as many starts as the references have."""
        subject, rows = self.subject, self._rows
        whole = subject.indices is None and rows is subject.sampled_rows
        if whole and subject.algorithm == "kmeans" and subject.options == {"n_init": STARTS}:
            return found.objective / subject.weights.common
        everything = rows.block(0, rows.shape[0])
        return kmeans(
            everything, found.k, n_init=STARTS, rng=subject.seeds("sample", found.k)
        ).inertia

    def notes(self) -> list[str]:
        """Say how many rows were looked at, if these are fewer than of the sample."""
        size, n = self._rows.shape[0], self.subject.sampled_rows.shape[0]
        return [f"The gap is of {size:,} rows, drawn at random."] if size < n else []

    @cached_property
    def result(self) -> Any:
        """Return the gaps of all that was taken in."""
        return self._gaps.result(RULE)

    def choice(self) -> int | None:
        """Return the k of R's rule."""
        return int(self.result.k)

    def scores(self) -> list[float]:
        """Return the gaps."""
        return list(self.result.gap)


@final
class Bic(_Lowest):
    """The Bayesian information criterion of mixtures of the best covariance (Schwarz 1978)."""

    def value(self, found: Found) -> float:
        """Return it."""
        return self.subject.mixtures.of(found.k, self.subject.seeds("mixtures", found.k))[0]

    def notes(self) -> list[str]:
        """Return which covariances were left."""
        return self.subject.mixtures.notes()


@final
class Aic(_Lowest):
    """Akaike's information criterion of mixtures of the best covariance (Akaike 1974)."""

    def value(self, found: Found) -> float:
        """Return it."""
        return self.subject.mixtures.of(found.k, self.subject.seeds("mixtures", found.k))[1]


@final
class KMeansBic(_Lowest):
    """The Bayesian information criterion of X-means, of equal spheres (Pelleg & Moore 2000)."""

    def value(self, found: Found) -> float:
        """Return it."""
        sizes = to_host(found.result.sizes).tolist()
        return kmeans_bic(found.objective, sizes, self.subject.rows.shape[1])


@final
class Elbow(Criterion):
    """Where the inertia stops falling fast (Satopää et al. 2011)."""

    @cached_property
    def result(self) -> ElbowResult:
        """Return the elbow of all that was taken in."""
        return elbow(self.ks, self.values)

    def value(self, found: Found) -> float:
        """Return what the algorithm minimised."""
        return found.objective

    def choice(self) -> int | None:
        """Return the k of the elbow."""
        return self.result.k

    def scores(self) -> list[float]:
        """Return the difference curve."""
        return list(self.result.differences)

    def notes(self) -> list[str]:
        """Say why there is no elbow."""
        return [] if self.result.reason is None else [f"No elbow: {self.result.reason}"]


@final
class PredictionStrength(Criterion):
    """Whether halves of the sample have the same clusters (Tibshirani & Walther 2005)."""

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        self._enough: dict[int, bool] = {}

    def value(self, found: Found) -> float:
        """Return the mean over divisions in halves."""
        subject = self.subject
        seed = subject.seeds("halves", found.k)
        mean, error = prediction_strength(subject.sampled_rows, found.k, STARTS, seed)
        self._enough[found.k] = mean + error >= ENOUGH
        return mean

    def choice(self) -> int | None:
        """Return the largest k whose strength is enough."""
        return max((k for k in self.ks if self._enough[k]), default=None)


@final
class Eigengap(_Highest):
    """How far the k-th eigenvalue of the graph is from the next (von Luxburg 2007)."""

    _components = 1

    @cached_property
    def _eigenvalues(self) -> np.ndarray:
        subject = self.subject
        k = min(max(subject.ks) + 1, subject.rows.shape[0])
        options = {**subject.options, "rng": subject.seeds("fit", k), "n_init": 1}
        return to_host(FAMILY[subject.algorithm].fit(subject.X, k, options).eigenvalues)

    def notes(self) -> list[str]:
        """Say in how many parts the graph is, of which each has an eigenvalue of 0."""
        count = self._components
        return [f"The graph has {count} connected components."] if count > 1 else []

    def value(self, found: Found) -> float:
        """Return the gap behind the k-th eigenvalue."""
        self._components = found.result.n_connected_components
        values, k = self._eigenvalues, found.k
        return float(values[k] - values[k - 1]) if k < len(values) else math.nan


CRITERIA: dict[str, type[Criterion]] = {
    "gap": Gap,
    "bic": Bic,
    "aic": Aic,
    "kmeans_bic": KMeansBic,
    "silhouette": Silhouette,
    "medoid_silhouette": MedoidSilhouette,
    "calinski_harabasz": CalinskiHarabasz,
    "davies_bouldin": DaviesBouldin,
    "elbow": Elbow,
    "prediction_strength": PredictionStrength,
    "eigengap": Eigengap,
}
# Those that look at the sample; those whose lower median is recommended.
SAMPLING = ("gap", "bic", "aic", "silhouette", "prediction_strength")
RECOMMENDING = ("gap", "bic", "silhouette", "medoid_silhouette", "eigengap")


def is_of_distances(options: Mapping[str, Any]) -> bool:
    """Return whether X holds distances or affinities, by an algorithm's options."""
    given = options.get("metric"), options.get("affinity")
    return any(str(value).startswith(PRECOMPUTED) for value in given)
