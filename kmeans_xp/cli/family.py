"""The algorithms that ``fit --algorithm`` offers, and the options that each takes."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

import numpy as np

import kmeans_xp
from kmeans_xp.algorithms.mixture.em import delivered
from kmeans_xp.algorithms.mixture.expectation import assigned
from kmeans_xp.algorithms.mixture.fit import fit_gaussian_mixture
from kmeans_xp.algorithms.mixture.soft import fit_soft_kmeans
from kmeans_xp.algorithms.spectral.fit import AFFINITIES, LANDMARKS
from kmeans_xp.arrays import to_host
from kmeans_xp.cli.errors import CliError
from kmeans_xp.cli.inputs import Array
from kmeans_xp.cli.options import SPELLED
from kmeans_xp.cli.outputs import Outputs
from kmeans_xp.cli.rules import Embedded, Leaves, Likeliest, Nearest, NearestMedoid, Rule
from kmeans_xp.kernels.metrics import NAMES, PRECOMPUTED
from kmeans_xp.rows import open_rows


@dataclass(frozen=True)
class Fitted:
    """What a fit found, whatever the algorithm; `told` is what only some say of how they ran."""

    rule: Rule
    labels: Array
    objective: float
    n_iter: int
    converged: bool
    history: tuple[float, ...]
    kernel: str | None = None
    told: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Algorithm:
    """One of the family: its options are the arguments of a public function.

    The function takes `sample_weight` and `callback`, and returns a result with the fields
    `centers`, `labels`, `inertia`, `n_iter`, `converged`, `history` and `kernel`.

    Attributes
    ----------
    function : str
        Which one.
    rule : type
        How its models label rows.
    counted : str
        What the callback counts.
    """

    function: str
    rule: type[Rule]
    counted: str = "iterations"

    def defaults(self) -> dict[str, Any]:
        """Return the function's keyword arguments."""
        parameters = signature(getattr(kmeans_xp, self.function)).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}

    def fit(self, X: Any, k: int, settings: Mapping[str, Any]) -> Fitted:
        """Fit k clusters to rows."""
        result = getattr(kmeans_xp, self.function)(X, k, **settings)
        rule = self.rule.found(result)
        end = (result.n_iter, result.converged, result.history, result.kernel)
        return Fitted(rule, to_host(result.labels), result.inertia, *end)


@dataclass(frozen=True)
class Mixtures(Algorithm):
    """One that fits a mixture.

    Attributes
    ----------
    lean : callable
        As the function, but it keeps the mixture as it is, and nothing of the size of X.
    """

    lean: Callable[..., Any] = field(kw_only=True)

    def fit(self, X: Any, k: int, settings: Mapping[str, Any]) -> Fitted:
        """Fit k components to rows."""
        fit = self.lean(X, k, **settings)
        rows, run, mixture = fit.rows, fit.run, fit.run.state.mixture
        objective, labels, _ = assigned(rows, fit.weights, mixture, shares=False)
        rule = Likeliest(to_host(delivered(rows, mixture.means)), mixture)
        return Fitted(rule, to_host(labels), objective, run.n_iter, run.converged, run.history)


@dataclass(frozen=True)
class Medoids(Algorithm):
    """One that fits medoids."""

    def fit(self, X: Any, k: int, settings: Mapping[str, Any]) -> Fitted:
        """Fit k medoids to rows, or to the distances between rows."""
        result = getattr(kmeans_xp, self.function)(X, k, **settings)
        indices, rows = to_host(result.medoid_indices), open_rows(X)
        # Of distances too the model keeps the medoids' rows, which the result does not.
        centers = np.array(to_host(rows.deliver(rows.take(indices.tolist()))))
        rule = NearestMedoid(centers, indices, settings["metric"])
        end = (result.n_iter, result.converged, result.history, result.kernel)
        told = {"method": result.method, "n_swaps": result.n_swaps}
        return Fitted(rule, to_host(result.labels), result.loss, *end, told)


@dataclass(frozen=True)
class Spectral(Algorithm):
    """One that fits an embedding of a graph of the rows."""

    def fit(self, X: Any, k: int, settings: Mapping[str, Any]) -> Fitted:
        """Fit k clusters to rows, or to the affinities or distances between rows."""
        settings = {name: v for name, v in settings.items() if name != "sample_weight"}
        result = getattr(kmeans_xp, self.function)(X, k, **settings)
        labels = to_host(result.labels)
        rule = Embedded.fitted(X, labels, result, settings["affinity"], settings["n_neighbors"])
        told = {
            "residual": result.residual,
            "n_connected_components": result.n_connected_components,
        }
        end = (result.n_iter, result.converged, (), result.kernel)
        return Fitted(rule, labels, result.inertia, *end, told)


FAMILY = {
    "kmeans": Algorithm("kmeans", Nearest),
    "minibatch": Algorithm("minibatch_kmeans", Nearest, "batches"),
    "bisecting": Algorithm("bisecting_kmeans", Leaves, "bisections"),
    "soft": Mixtures("soft_kmeans", Likeliest, lean=fit_soft_kmeans),
    "gmm": Mixtures("gaussian_mixture", Likeliest, lean=fit_gaussian_mixture),
    "kmedoids": Medoids("kmedoids", NearestMedoid),
    "spectral": Spectral("spectral_clustering", Embedded),
}


@dataclass(frozen=True)
class Job:
    """What is to be fitted, but for how many clusters.

    Attributes
    ----------
    name : str
        Of the algorithm.
    given : dict
        The keyword arguments of the algorithm's function that the user gave.
    seed : int
    """

    name: str
    given: dict[str, Any]
    seed: int

    @property
    def settings(self) -> dict[str, Any]:
        """All keyword arguments of the algorithm's function."""
        return FAMILY[self.name].defaults() | self.given | {"rng": self.seed}

    @property
    def counted(self) -> str:
        """What the callback counts."""
        return FAMILY[self.name].counted

    @property
    def of_distances(self) -> bool:
        """Whether rows hold their distances or affinities to all rows instead of features."""
        given = self.settings.get("metric"), self.settings.get("affinity")
        return any(str(value).startswith(PRECOMPUTED) for value in given)

    @property
    def has_scales(self) -> bool:
        """Whether wide features count for more: not for covariances that follow the scales."""
        covariances = self.settings.get("covariance_type", "spherical")
        return covariances == "spherical" and not self.of_distances

    def check_weights(self, weights: str | None) -> None:
        """Refuse weights where the algorithm has none."""
        if weights is not None and "sample_weight" not in self.settings:
            raise CliError(f"--weights is no option of {self.name}: rows of its graph count alike")

    def check_outputs(self, outputs: Outputs) -> None:
        """Refuse a model that could label no other rows."""
        if outputs.model is not None and self.settings.get("affinity", LANDMARKS) != LANDMARKS:
            raise CliError(
                "--model of spectral needs --affinity landmarks: by other affinities only the rows "
                "of the fit have labels"
            )

    def steps(self, n: int, k: int) -> int:
        """Return how far the callback counts at most with n rows and k clusters."""
        if self.counted == "bisections":
            return k - 1
        most: int = self.settings["max_iter"]
        if self.counted == "batches":
            return most * n // min(self.settings["batch_size"], n)
        return most

    def run(self, X: Any, k: int, weights: Any, callback: Any) -> Fitted:
        """Fit k clusters."""
        settings = self.settings | {"sample_weight": weights, "callback": callback}
        with options_named():
            return FAMILY[self.name].fit(X, k, settings)


@contextmanager
def options_named() -> Iterator[None]:
    """Let an error that names an argument name the option where that is spelled otherwise."""
    try:
        yield
    except ValueError as error:
        argument, _, rest = str(error).partition(" ")
        if argument not in SPELLED:
            raise
        raise CliError(f"--{SPELLED[argument]} {rest}") from error


def job(name: str, seed: int | None, options: Mapping[str, Any]) -> Job:
    """Choose an algorithm; options that are None get its own defaults, without a seed one is drawn.

    Raises
    ------
    CliError
        If there is no such algorithm, or it has no such option.
    """
    if name not in FAMILY:
        raise CliError(f"--algorithm must be one of {', '.join(FAMILY)}, got {name!r}")
    own = FAMILY[name].defaults()
    given = {argument: value for argument, value in options.items() if value is not None}
    for argument in given.keys() - own.keys():
        having = [other for other in FAMILY if argument in FAMILY[other].defaults()]
        option = SPELLED.get(argument, argument).replace("_", "-")
        raise CliError(f"--{option} is an option of {', '.join(having)}, not of {name}")
    if given.get("affinity", LANDMARKS) not in AFFINITIES:
        raise CliError(
            f"--affinity must be one of {', '.join(AFFINITIES)}, got {given['affinity']!r}"
        )
    metrics = (*NAMES, PRECOMPUTED)
    if given.get("metric", NAMES[0]) not in metrics:
        raise CliError(f"--metric must be one of {', '.join(metrics)}, got {given['metric']!r}")
    return Job(name, given, secrets.randbits(32) if seed is None else seed)
