"""``kmeans-xp fit``: from an input to labels, a model, a picture and a summary."""

from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from kmeans_xp.cli.errors import CliError, complain, optional
from kmeans_xp.cli.family import Fitted, Job
from kmeans_xp.cli.inputs import Choice, Data, Format, choose
from kmeans_xp.cli.model_file import Model
from kmeans_xp.cli.opening import read
from kmeans_xp.cli.outputs import Outputs, write_labels
from kmeans_xp.cli.picture import draw
from kmeans_xp.cli.progress import progress
from kmeans_xp.cli.report import Summary, show
from kmeans_xp.cli.scaling import Scaling, estimate_spreads, measure
from kmeans_xp.cli.target import Target, device_name

# Standard deviations that differ by this factor are worth a note.
WIDE = 100


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
    form: Format,
    choice: Choice,
    job: Job,
    target: Target,
    standardize: bool,
    outputs: Outputs,
    talk: Talk,
) -> None:
    """Run the command."""
    talk.check()
    outputs.check(spec)
    job.check_outputs(outputs)
    if job.of_distances:
        refuse_features(outputs, standardize=standardize)
    target.check()
    source = read(spec, form)
    outputs.check_label_name(source)
    data = choose(source, choice)
    scaling = measure(data.rows, data.weights) if standardize else None
    fitted, seconds, X = _cluster(data, scaling, job, target, talk)
    model = _model(data, scaling, fitted, job)
    if outputs.labels is not None:
        write_labels(outputs.labels, source, fitted.labels, outputs.label_name)
    if outputs.model is not None:
        model.save(outputs.model)
    if outputs.plot is not None:
        draw(outputs.plot, data, fitted.labels, model)
    summary = Summary(
        command="fit",
        data=data,
        model=model,
        labels=fitted.labels,
        objective=fitted.objective,
        seconds=seconds,
        backend=target.backend,
        device=device_name(X),
        kernel=fitted.kernel,
        history=fitted.history,
        told=fitted.told,
        outputs=outputs.written(),
    )
    if not (talk.quiet or standardize):
        _mention_scales(data, job)
    show(summary, as_json=talk.json, quiet=talk.quiet)


def refuse_features(outputs: Outputs, *, standardize: bool = False) -> None:
    """Refuse, where rows hold distances, what needs features."""
    asked = {"--standardize": standardize, "--plot": outputs.plot is not None}
    for option, wanted in asked.items():
        if wanted:
            raise CliError(f"{option} needs features, not given distances or affinities")


def _mention_scales(data: Data, job: Job) -> None:
    """Say so where a feature is so wide that others count for nothing beside it."""
    # Full, tied and diagonal covariances follow the scales; colours have one.
    follows = job.settings.get("covariance_type", "spherical") != "spherical"
    if follows or job.of_distances or data.source.image is not None:
        return
    spreads = estimate_spreads(data.rows, data.weights)
    wide = int(spreads.argmax())
    narrow = int(np.where(spreads > 0, spreads, np.inf).argmin())  # constant ones do not matter
    if spreads[wide] >= WIDE * spreads[narrow] > 0:
        complain(
            f"{data.columns[wide]!r} varies {spreads[wide] / spreads[narrow]:.3g} times as much as "
            f"{data.columns[narrow]!r}, which hardly counts; --standardize gives equal weight",
            kind="note",
        )


def _cluster(
    data: Data, scaling: Scaling | None, job: Job, target: Target, talk: Talk
) -> tuple[Fitted, float, Any]:
    X = target.place(target.prepare(data.rows, scaling))
    weights = None if data.weights is None else target.place(data.weights)
    steps = job.steps(len(data.rows))
    with progress(steps, job.counted, wanted=not talk.quiet) as callback:
        begun = perf_counter()
        fitted = job.run(X, weights, callback)
    return fitted, perf_counter() - begun, X


def _model(data: Data, scaling: Scaling | None, fitted: Fitted, job: Job) -> Model:
    centers, nothing = fitted.rule.centers, np.zeros(0)
    return Model(
        algorithm=job.name,
        rule=fitted.rule,
        centers=centers if scaling is None else scaling.undo(centers),
        mean=nothing if scaling is None else scaling.mean,
        scale=nothing if scaling is None else scaling.scale,
        columns=np.array(data.columns),
        named=data.source.named,
        objective=fitted.objective,
        n_iter=fitted.n_iter,
        converged=fitted.converged,
        dtype=str(centers.dtype),
        seed=job.settings["rng"],
    )
