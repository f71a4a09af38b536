"""Paired processes: one call of ours in two checkouts by turns, each time in new processes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import timed_process
from benchmarks.datasets import UnavailableError
from benchmarks.medoids import distances, first_medoids
from benchmarks.mixtures import REG_COVAR, start_of
from benchmarks.problem import Problem
from benchmarks.processes import ProcessError, answer
from benchmarks.races import Race
from benchmarks.scores import labels_of
from benchmarks.timed_process import Task
from benchmarks.timing import turns


@dataclass(frozen=True)
class Call:
    """A public function of kmeans_xp, or a method of an estimator, with its arguments."""

    name: str
    method: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    # One named X takes the place of the rows, and one named labels that of the number of clusters.
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    # Whether the estimator is fitted before the clock starts.
    fitted: bool = False


def _lloyd(problem: Problem) -> Call:
    options = {"tol": problem.tol, "max_iter": problem.max_iter, "rng": problem.seed}
    return Call("kmeans", options=options, arrays={"init": problem.start})


def _seeding(problem: Problem) -> Call:
    return Call("kmeans_plusplus", options={"rng": problem.seed})


def _fit(problem: Problem, *, estimator: str, **options: Any) -> Call:
    given = {"max_iter": problem.max_iter, "random_state": problem.seed, **options}
    return Call(estimator, "fit", given)


def _minibatch(problem: Problem) -> Call:
    return Call("MiniBatchKMeans", "fit", {"random_state": problem.seed})


def _predict(problem: Problem) -> Call:
    return Call("KMeans", "predict", {"max_iter": 1}, {"init": problem.start}, fitted=True)


def _soft(problem: Problem) -> Call:
    options = {"tol": problem.tol, "max_iter": problem.max_iter, "reg_covar": REG_COVAR}
    return Call("SoftKMeans", "fit_predict", options, {"init": problem.start})


def _mixture(problem: Problem, *, covariance_type: str) -> Call:
    options = {
        "covariance_type": covariance_type,
        "tol": problem.tol,
        "max_iter": problem.max_iter,
        "reg_covar": REG_COVAR,
    }
    arrays = start_of(problem.X, problem.start, covariance_type)
    return Call("GaussianMixture", "fit_predict", options, arrays)


def _medoids(problem: Problem) -> Call:
    options = {"metric": "precomputed", "method": "fasterpam", "max_iter": problem.max_iter}
    arrays = {"X": distances(problem.X), "init": first_medoids(problem)}
    return Call("kmedoids", options=options, arrays=arrays)


def _medoids_of_rows(problem: Problem) -> Call:
    options = {"method": "onebatch", "max_iter": problem.max_iter, "rng": problem.seed}
    return Call("kmedoids", options=options)


def _neighbors(_problem: Problem) -> Call:
    return Call("nearest_neighbors")


def _spectral(problem: Problem) -> Call:
    return Call("spectral_clustering", options={"rng": problem.seed})


def _score(problem: Problem, *, name: str) -> Call:
    return Call(name, arrays={"labels": labels_of(problem)})


# What ours does in each race of `benchmarks.races`.
CALLS: dict[str, Callable[[Problem], Call]] = {
    "lloyd": _lloyd,
    "seeding": _seeding,
    "fit": partial(_fit, estimator="KMeans"),
    "starts": partial(_fit, estimator="KMeans", n_init=10),
    "predict": _predict,
    "minibatch": _minibatch,
    "bisecting": partial(_fit, estimator="BisectingKMeans"),
    "soft": _soft,
    "medoids": _medoids,
    "medoids-rows": _medoids_of_rows,
    "neighbors": _neighbors,
    "spectral": _spectral,
    "silhouette": partial(_score, name="silhouette_score"),
    "calinski-harabasz": partial(_score, name="calinski_harabasz_score"),
    "davies-bouldin": partial(_score, name="davies_bouldin_score"),
    **{
        f"gmm-{kind}": partial(_mixture, covariance_type=kind)
        for kind in ("full", "tied", "diag", "spherical")
    },
}


def tasks_of(race: Race, problem: Problem, folder: Path, rounds: int) -> list[Task]:
    """A task for each pair of processes, with its arrays stored beside the rows."""
    if not race.new_seeds:
        return [_stored(CALLS[race.name](problem), problem.k, folder)] * rounds
    seeds = range(problem.seed, problem.seed + rounds)
    calls = [CALLS[race.name](replace(problem, seed=seed)) for seed in seeds]
    return [_stored(call, problem.k, folder) for call in calls]


def _stored(call: Call, k: int, folder: Path) -> Task:
    """A call as a process is told of it. The arrays are the same for every seed."""
    arrays = folder / "arrays.npz"
    np.savez(arrays, **call.arrays)
    return Task(
        name=call.name,
        method=call.method,
        fitted=call.fitted,
        k=k,
        options=dict(call.options),
        rows=str(rows_in(folder)),
        arrays=str(arrays),
    )


def rows_in(folder: Path) -> Path:
    """Where the rows are stored."""
    return folder / "X.npy"


def paired(tasks: Sequence[Task], checkouts: tuple[Path, Path]) -> tuple[list[float], list[float]]:
    """Seconds of each task in one checkout and in the other, who take turns in going first."""
    taken: tuple[list[float], list[float]] = ([], [])
    for task, order in zip(tasks, turns(2, len(tasks)), strict=True):
        for which in order:
            taken[which].append(seconds(task, checkouts[which]))
    return taken


def compile_kernels(checkout: Path) -> None:
    """Have a checkout's kernels compiled, so that no timed process waits for it."""
    _answer_of(checkout, None)


def seconds(task: Task, checkout: Path) -> float:
    """Seconds of a task, measured in a new process that imports a checkout."""
    return _answer_of(checkout, asdict(task))


def _answer_of(checkout: Path, task: dict[str, Any] | None) -> Any:
    # Not the script's folder, nor the current one, may come before the checkout.
    arguments = ["-P", timed_process.__file__, str(checkout)]
    try:
        return json.loads(answer(arguments, json.dumps(task).encode(), [str(checkout)]))
    except ProcessError as error:
        raise UnavailableError(f"{checkout}: {error}") from error
