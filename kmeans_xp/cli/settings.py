"""The options that are arguments of the algorithms' functions, for every command that fits."""

import functools
from collections.abc import Callable
from inspect import Parameter, Signature, signature
from typing import Any

from kmeans_xp.cli import options

# By the argument that each option stands for.
SETTINGS: dict[str, Any] = {
    "init": options.Init,
    "n_init": options.NInit,
    "max_iter": options.MaxIter,
    "tol": options.Tol,
    "algorithm": options.Kernel,
    "empty_clusters": options.EmptyClusters,
    "batch_size": options.BatchSize,
    "init_size": options.InitSize,
    "max_no_improvement": options.MaxNoImprovement,
    "reassignment_ratio": options.ReassignmentRatio,
    "bisecting_strategy": options.Strategy,
    "stiffness": options.Stiffness,
    "mixing": options.Mixing,
    "covariance_type": options.CovarianceType,
    "reg_covar": options.RegCovar,
    "metric": options.Metric,
    "method": options.Method,
    "max_memory": options.MaxMemory,
    "affinity": options.Affinity,
    "n_neighbors": options.NNeighbors,
    "gamma": options.Gamma,
    "n_landmarks": options.NLandmarks,
    "eigen_solver": options.EigenSolver,
    "eigen_tol": options.EigenTol,
}
# What those that are a number or a word mean.
MEANINGS: dict[str, Callable[[str | None], Any]] = {
    "n_init": options.count_or_auto,
    "gamma": lambda text: options.number_or("local", text, "--gamma"),
    "eigen_tol": lambda text: options.number_or("auto", text, "--eigen-tol"),
}


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command these options, and hand it their values by argument, as `settings`.

    The parser learns a command's options from its signature, in which they take the place of
    `settings`; those that are not given are None.
    """

    @functools.wraps(command)
    def parsed(**values: Any) -> None:
        settings = {name: values.pop(_spelled(name)) for name in SETTINGS}
        settings |= {name: meaning(settings[name]) for name, meaning in MEANINGS.items()}
        command(settings=settings, **values)

    parameters: list[Parameter] = []
    for parameter in signature(command).parameters.values():
        own = parameter.replace(kind=Parameter.KEYWORD_ONLY)
        parameters += _parameters() if parameter.name == "settings" else [own]
    parsed.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return parsed


def _parameters() -> list[Parameter]:
    kind = Parameter.KEYWORD_ONLY
    return [
        Parameter(_spelled(name), kind, default=None, annotation=option)
        for name, option in SETTINGS.items()
    ]


def _spelled(name: str) -> str:
    return options.SPELLED.get(name, name)
