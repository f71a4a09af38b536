"""Choosing the number of clusters: one sweep over k, every criterion."""

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from kmeans_xp.arrays import to_host
from kmeans_xp.arrays.checks import check_callback, check_choice, check_clusters, check_count
from kmeans_xp.arrays.draws import as_generator
from kmeans_xp.arrays.record import Record
from kmeans_xp.rows.arguments import Weights, open_weights
from kmeans_xp.rows.base import Rows
from kmeans_xp.rows.open import beside_x, open_rows
from kmeans_xp.selection.arguments import checked_ks
from kmeans_xp.selection.criteria import (
    CRITERIA,
    RECOMMENDING,
    SAMPLING,
    Criterion,
    Elbow,
    Found,
    Gap,
    Silhouette,
    Subject,
    is_of_distances,
)
from kmeans_xp.selection.family import FAMILY, AlgorithmName
from kmeans_xp.selection.result import KSelection, Profile


@dataclass(frozen=True, eq=False, repr=False)
class SelectionIteration(Record):
    """What the callback of `choose_k` is told after each k.

    Attributes
    ----------
    k : int
    number, count : int
        Which it was, from 1, and how many there are.
    objective : float
        What the algorithm minimised.
    seconds : float
        How long it took.
    """

    __module__ = "kmeans_xp"  # Pickles outlive moves.

    k: int
    number: int
    count: int
    objective: float
    seconds: float


@beside_x
def choose_k(
    X: Any,
    ks: Iterable[int] = range(1, 11),
    *,
    criteria: Sequence[str] | None = None,
    algorithm: AlgorithmName = "kmeans",
    options: Mapping[str, Any] | None = None,
    sample_size: int | None = 5000,
    sample_weight: Any = None,
    rng: int | np.random.Generator | None = None,
    callback: Callable[[SelectionIteration], Any] | None = None,
) -> KSelection:
    """Choose the number of clusters, by several criteria at once.

    There is no universal answer: criteria look for different things, and where they disagree, so
    may people. One recommendation is made all the same, and how many agree with it.

    Parameters
    ----------
    X : array of shape (n, d), or what `algorithm` takes
        The rows: an array of any namespace, a memory map, a Dask array, a list.
    ks : iterable of int
        Numbers of clusters to try, in any order. Begin with 1, lest "none" is no answer.
    criteria : sequence of str, optional
        Of "gap", "bic", "aic", "silhouette", "calinski_harabasz", "davies_bouldin", "elbow",
        "kmeans_bic", "prediction_strength"; for "kmedoids" of "silhouette", "medoid_silhouette",
        "elbow"; for "spectral" of "eigengap", "silhouette". By default gap, bic, silhouette,
        calinski_harabasz and elbow, of these what suits the algorithm; of medoids all; the
        eigengap of spectral clustering.
    algorithm : {"kmeans", "minibatch", "bisecting", "soft", "gmm", "kmedoids", "spectral"}
        What finds the clusters.
    options : mapping, optional
        Further arguments of its function, such as ``{"metric": "manhattan"}``. k-means gets
        ``{"n_init": 3}`` unless you say otherwise.
    sample_size : int or None
        The gap, mixtures, silhouettes and prediction strength look at so many rows at most, drawn
        at random; by weight, if there are weights. None for all.
    sample_weight : array of shape (n,) or float, optional
        Non-negative weights of the rows, or one for all of them; by default 1 each.
    rng : None, int or numpy.random.Generator
        Where random draws come from, on the host.
    callback : callable, optional
        Called with a `SelectionIteration` after each k; if it returns true, the rest is not tried.

    Returns
    -------
    KSelection
        With the recommended `k`, the `choices` of the criteria, their `scores`, the fitted
        `results`, and a table as its text.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If an argument has the wrong shape or value, a criterion does not suit the algorithm, or X
        holds NaN or infinity.

    Notes
    -----
    The recommendation is the lower median of what the gap (references along the principal
    components, the rule "firstSEmax"), the BIC and the silhouette choose; of spectral clustering
    what the eigengap does; of medoids the two silhouettes. The BIC is that of a Gaussian mixture,
    the best of four types of covariance; a type that would not catch up, if it fell on as fast as
    it lately did, is left. The silhouette has no value for one cluster, and passes over a k
    that puts an outlier in a cluster by itself.

    References
    ----------
    R. Tibshirani, G. Walther and T. Hastie, "Estimating the number of clusters in a data set via
    the gap statistic", J. R. Statist. Soc. B 63, 2001.
    C. Fraley and A. E. Raftery, "Model-based clustering, discriminant analysis, and density
    estimation", JASA 97, 2002.
    P. J. Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of cluster
    analysis", J. Comput. Appl. Math. 20, 1987.
    T. Caliński and J. Harabasz, "A dendrite method for cluster analysis", Comm. Stat. 3, 1974.

    Examples
    --------
    >>> import numpy as np
    >>> from kmeans_xp import choose_k
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(c, 1, (60, 2)) for c in (0, 8, 16)])
    >>> found = choose_k(X, range(1, 7), rng=0)
    >>> found.k
    3
    >>> found.best.centers.shape
    (3, 2)
    """
    check_choice(algorithm, "algorithm", tuple(FAMILY))
    rows = open_rows(X)
    counts = sorted(check_clusters(k, rows.shape[0], "ks") for k in checked_ks(ks))
    given = _checked_options(options)
    asked = _checked_criteria(criteria, algorithm, given)
    check_callback(callback)
    weights = open_weights(rows, sample_weight)
    weights.check_clusters(counts[-1], "ks")
    if algorithm == "spectral" and sample_weight is not None:
        raise ValueError(
            "sample_weight must be None for algorithm='spectral': rows of its graph count alike. "
            "Repeat rows."
        )
    generator = as_generator(rng)
    root = int(generator.integers(2**63))
    size = None if is_of_distances(given) else sample_size
    indices = _sample(rows, weights, size, counts[-1], generator)
    subject = Subject(
        X=X,
        rows=rows,
        weights=weights,
        sample=X if indices is None else rows.take(indices),
        indices=indices,
        ks=counts,
        algorithm=algorithm,
        options={**FAMILY[algorithm].options, **given},
        seeds=lambda what, k: _seed(root, what, k),
    )
    sweep = _Sweep(subject, {name: CRITERIA[name](subject) for name in asked}, sample_weight)
    for number, k in enumerate(counts, start=1):
        tried = sweep.of(k, number)
        if callback is not None and callback(tried):
            break
    return sweep.selection()


def _checked_options(options: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return the options of an algorithm, but for those that `choose_k` has itself."""
    given = {} if options is None else options
    if not isinstance(given, Mapping):
        raise TypeError(f"options must be a mapping of arguments to values, got {options!r}.")
    for name in ("sample_weight", "rng", "callback"):
        if name in given:
            raise ValueError(f"options must not hold {name!r}: pass it to choose_k.")
    return given


def _checked_criteria(
    criteria: Sequence[str] | None, algorithm: AlgorithmName, options: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return the criteria that are asked for, each once, if they suit the algorithm."""
    member = FAMILY[algorithm]
    if criteria is None:
        return member.default
    if isinstance(criteria, str) or not isinstance(criteria, Iterable):
        raise TypeError(f"criteria must be a sequence of names, got {criteria!r}.")
    asked = tuple(dict.fromkeys(criteria))
    if not asked:
        raise ValueError(f"criteria must hold a name, got none. Pass {list(member.default)}.")
    for name in asked:
        check_choice(name, "criteria", tuple(CRITERIA))
        if name not in member.criteria:
            raise ValueError(
                f"criteria must suit the algorithm, got {name!r} for {algorithm!r}. Take of "
                f"{', '.join(map(repr, member.criteria))}."
            )
    if algorithm == "spectral" and "silhouette" in asked and is_of_distances(options):
        raise ValueError("criteria must not hold 'silhouette' where X holds affinities.")
    return asked


def _sample(
    rows: Rows,
    weights: Weights,
    sample_size: int | None,
    largest: int,
    generator: np.random.Generator,
) -> np.ndarray | None:
    """Return which rows criteria look at that take long, ascending; None for all."""
    n = rows.shape[0]
    size = n if sample_size is None else min(n, check_count(sample_size, "sample_size"))
    if size < largest:
        raise ValueError(
            f"sample_size must be at least the largest of ks, got sample_size={sample_size} with "
            f"{largest}. Look at more rows."
        )
    if weights.array is not None:
        # So that weights mean copies: rows are drawn as copies of them would be.
        return np.sort(rows.sample(weights.array, generator.random(size))[0])
    if size < n:
        return np.sort(generator.choice(n, size, replace=False, shuffle=False))
    return None if rows.in_memory else np.arange(n)


def _seed(root: int, what: str, k: int) -> int:
    """Return a seed that depends on what it is for alone, whatever else is asked."""
    sequence = np.random.SeedSequence([root, zlib.crc32(what.encode()), k])
    return int(sequence.generate_state(1, np.uint64)[0])


class _Sweep:
    """The ks that were tried, in ascending order."""

    def __init__(
        self, subject: Subject, criteria: dict[str, Criterion], sample_weight: Any
    ) -> None:
        self.subject = subject
        self.criteria = criteria
        self.sample_weight = sample_weight
        self.tried: list[SelectionIteration] = []
        self.results: list[Any] = []

    def of(self, k: int, number: int) -> SelectionIteration:
        """Fit k clusters, and ask every criterion."""
        begun, subject = perf_counter(), self.subject
        member = FAMILY[subject.algorithm]
        options = {**subject.options, "rng": subject.seeds("fit", k)}
        if subject.algorithm != "spectral":
            options["sample_weight"] = self.sample_weight
        result = member.fit(subject.X, k, options)
        found = Found(k, result, member.objective(result))
        for criterion in self.criteria.values():
            criterion.take_in(found)
        seconds = perf_counter() - begun
        self.results.append(result)
        self.tried.append(SelectionIteration(k, number, len(subject.ks), found.objective, seconds))
        return self.tried[-1]

    def selection(self) -> KSelection:
        """Return what the criteria choose among what was tried."""
        subject, ks = self.subject, [tried.k for tried in self.tried]
        choices = {name: c.choice() for name, c in self.criteria.items()}
        recommended = _lower_median([choices[n] for n in RECOMMENDING if n in choices])
        agreeing = sum(k == recommended for k in choices.values()) if recommended else 0
        gap, elbow = self.criteria.get("gap"), self.criteria.get("elbow")
        return KSelection(
            ks=tuple(ks),
            k=recommended,
            choices=choices,
            scores={name: tuple(c.scores()) for name, c in self.criteria.items()},
            inertias=tuple(tried.objective for tried in self.tried),
            seconds=tuple(tried.seconds for tried in self.tried),
            results=tuple(self.results),
            agreement=agreeing / len(choices),
            n_rows=subject.rows.shape[0],
            n_sampled=subject.sampled_rows.shape[0],
            notes=self._notes(),
            gap=gap.result if isinstance(gap, Gap) else None,
            elbow=elbow.result if isinstance(elbow, Elbow) else None,
            profile=self._profile(ks, recommended, choices),
        )

    def _notes(self) -> tuple[str, ...]:
        notes = [note for criterion in self.criteria.values() for note in criterion.notes()]
        subject, sampling = self.subject, [n for n in self.criteria if n in SAMPLING]
        n, size = subject.rows.shape[0], subject.sampled_rows.shape[0]
        by_weight = subject.weights.array is not None
        if sampling and (by_weight or size < n):
            how = "drawn by weight" if by_weight else "drawn at random"
            notes.append(f"Of {size:,} rows of {n:,}, {how}: {', '.join(sampling)}.")
        if len(self.tried) < len(subject.ks):
            notes.append(f"Stopped after k = {self.tried[-1].k}.")
        return tuple(notes)

    def _profile(
        self, ks: list[int], recommended: int | None, choices: Mapping[str, int | None]
    ) -> Profile | None:
        """Return the silhouettes of the recommended k, or else of the best by silhouette."""
        criterion = self.criteria.get("silhouette")
        if not isinstance(criterion, Silhouette):
            return None
        for k in (recommended, choices["silhouette"]):
            if k is not None:
                labels = self.subject.sampled(self.results[ks.index(k)].labels)
                values = criterion.samples(labels)
                if len(values):
                    return Profile(k, to_host(labels), values)
        return None


def _lower_median(choices: Sequence[int | None]) -> int | None:
    """Return the lower median of those that are not None."""
    chosen = sorted(k for k in choices if k is not None)
    return chosen[(len(chosen) - 1) // 2] if chosen else None
