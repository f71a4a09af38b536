"""The algorithms of which k can be chosen: what they minimise, and which criteria suit them."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Literal

import kmeans_xp

OF_CENTERS = (
    "gap",
    "bic",
    "aic",
    "kmeans_bic",
    "silhouette",
    "calinski_harabasz",
    "davies_bouldin",
    "elbow",
    "prediction_strength",
)
OF_MIXTURES = tuple(name for name in OF_CENTERS if name not in ("kmeans_bic", "elbow"))


@dataclass(frozen=True)
class Member:
    """One algorithm.

    Attributes
    ----------
    function : str
        The public function.
    objective : callable
        Its result -> what it minimises.
    criteria : tuple of str
        Those that suit it.
    default : tuple of str
        Those that are asked by default.
    options : mapping
        Arguments that it gets unless others are given.
    """

    function: str
    objective: Callable[[Any], float]
    criteria: tuple[str, ...]
    default: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    def fit(self, X: Any, k: int, options: Mapping[str, Any]) -> Any:
        """Return the result of its function."""
        with warnings.catch_warnings():
            # Of a graph in more parts than k, which is no fault of a k that is tried.
            warnings.filterwarnings("ignore", "The graph has", UserWarning)
            return getattr(kmeans_xp, self.function)(X, k, **options)


def _less_likely(result: Any) -> float:
    return -float(result.log_likelihood)


DEFAULT = ("gap", "bic", "silhouette", "calinski_harabasz", "elbow")
# Of k-means, also where criteria run it: the gap compares with references of as many.
STARTS = 3
INERTIA = attrgetter("inertia")
AlgorithmName = Literal["kmeans", "minibatch", "bisecting", "soft", "gmm", "kmedoids", "spectral"]
FAMILY: dict[AlgorithmName, Member] = {
    "kmeans": Member("kmeans", INERTIA, OF_CENTERS, DEFAULT, {"n_init": STARTS}),
    "minibatch": Member("minibatch_kmeans", INERTIA, OF_CENTERS, DEFAULT),
    "bisecting": Member("bisecting_kmeans", INERTIA, OF_CENTERS, DEFAULT),
    "soft": Member("soft_kmeans", _less_likely, OF_MIXTURES, ("gap", "bic", "silhouette")),
    "gmm": Member("gaussian_mixture", _less_likely, OF_MIXTURES, ("gap", "bic", "silhouette")),
    "kmedoids": Member(
        "kmedoids",
        attrgetter("loss"),
        ("silhouette", "medoid_silhouette", "elbow"),
        ("silhouette", "medoid_silhouette", "elbow"),
    ),
    "spectral": Member("spectral_clustering", INERTIA, ("eigengap", "silhouette"), ("eigengap",)),
}
