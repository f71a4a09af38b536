"""``kmeans-xp fit``: from an input to labels, a model, a picture and a summary."""

import secrets
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from kmeans_xp.arrays import to_host
from kmeans_xp.cli.errors import CliError, optional
from kmeans_xp.cli.inputs import Array, Choice, Data, choose, read
from kmeans_xp.cli.model_file import Model
from kmeans_xp.cli.outputs import Outputs, write_labels
from kmeans_xp.cli.picture import draw
from kmeans_xp.cli.progress import progress
from kmeans_xp.cli.report import Summary, show
from kmeans_xp.cli.scaling import Scaling, measure
from kmeans_xp.cli.target import Target, device_name


@dataclass(frozen=True)
class KMeansOptions:
    """What `kmeans_xp.kmeans` is told."""

    n_clusters: int
    init: str
    n_init: str
    max_iter: int
    tol: float
    empty_clusters: str
    algorithm: str
    seed: int | None

    def keywords(self) -> dict[str, Any]:
        """Return the arguments of `kmeans`; a run without a seed draws one to report."""
        n_init: str | int = self.n_init
        if n_init != "auto":
            if not self.n_init.isdecimal():
                raise CliError(f"--n-init must be a number or 'auto', got {self.n_init!r}")
            n_init = int(self.n_init)
        return {
            "n_clusters": self.n_clusters,
            "init": self.init,
            "n_init": n_init,
            "max_iter": self.max_iter,
            "tol": self.tol,
            "empty_clusters": self.empty_clusters,
            "algorithm": self.algorithm,
            "rng": secrets.randbits(32) if self.seed is None else self.seed,
        }


@dataclass(frozen=True)
class Talk:
    """How much to say, and to whom."""

    json: bool = False
    quiet: bool = False

    def check(self) -> None:
        """Find out before a long fit whether the summary can be printed after it."""
        if not (self.json or self.quiet):
            optional("rich")


def fit(
    spec: str,
    key: str | None,
    choice: Choice,
    options: KMeansOptions,
    target: Target,
    standardize: bool,
    outputs: Outputs,
    talk: Talk,
) -> None:
    """Run the command."""
    keywords = options.keywords()
    talk.check()
    outputs.check(spec)
    target.check()
    source = read(spec, key=key)
    outputs.check_label_name(source)
    data = choose(source, choice)
    scaling = measure(data.rows, data.weights) if standardize else None
    result, seconds, X = _cluster(data, scaling, keywords, target, talk)
    labels = to_host(result.labels)
    model = _model(data, scaling, result, keywords["rng"])
    if outputs.labels is not None:
        write_labels(outputs.labels, source, labels, outputs.label_name)
    if outputs.model is not None:
        model.save(outputs.model)
    if outputs.plot is not None:
        draw(outputs.plot, data, labels, model)
    summary = Summary(
        command="fit",
        data=data,
        model=model,
        labels=labels,
        inertia=result.inertia,
        seconds=seconds,
        backend=target.backend,
        device=device_name(X),
        kernel=result.kernel,
        history=result.history,
        outputs=outputs.written(),
    )
    show(summary, as_json=talk.json, quiet=talk.quiet)


def _cluster(
    data: Data, scaling: Scaling | None, keywords: dict[str, Any], target: Target, talk: Talk
) -> tuple[Any, float, Any]:
    from kmeans_xp import kmeans

    X = target.place(target.prepare(data.rows, scaling))
    weights = None if data.weights is None else target.place(data.weights)
    with progress(keywords["max_iter"], wanted=not talk.quiet) as callback:
        begun = perf_counter()
        result = kmeans(X, sample_weight=weights, callback=callback, **keywords)
    return result, perf_counter() - begun, X


def _model(data: Data, scaling: Scaling | None, result: Any, seed: int) -> Model:
    fitted: Array = np.array(to_host(result.centers))
    nothing = np.zeros(0)
    return Model(
        centers=fitted if scaling is None else scaling.undo(fitted),
        fitted_centers=fitted,
        mean=nothing if scaling is None else scaling.mean,
        scale=nothing if scaling is None else scaling.scale,
        columns=np.array(data.columns),
        named=data.source.named,
        inertia=result.inertia,
        n_iter=result.n_iter,
        converged=result.converged,
        dtype=str(fitted.dtype),
        seed=seed,
    )
