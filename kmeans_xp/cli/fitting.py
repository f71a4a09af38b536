"""``kmeans-xp fit``: from an input to labels, a model, a picture and a summary."""

from dataclasses import dataclass
from time import perf_counter

import numpy as np

from kmeans_xp.cli.clusters import KRange, recommended, selected
from kmeans_xp.cli.errors import CliError, optional
from kmeans_xp.cli.family import Fitted, Job
from kmeans_xp.cli.model_file import Model
from kmeans_xp.cli.outputs import Outputs, write_labels
from kmeans_xp.cli.picture import draw
from kmeans_xp.cli.progress import progress
from kmeans_xp.cli.report import Summary, show
from kmeans_xp.cli.source import Rows, Source
from kmeans_xp.cli.target import device_name


@dataclass(frozen=True)
class Talk:
    """How much to say, and to whom."""

    json: bool = False
    quiet: bool = False

    def check(self) -> None:
        """Find out before a long fit whether the summary can be printed after it."""
        if not (self.json or self.quiet):
            optional("rich")


def fit(source: Source, job: Job, clusters: int | KRange, outputs: Outputs, talk: Talk) -> None:
    """Run the command."""
    talk.check()
    outputs.check(source.spec)
    job.check_outputs(outputs)
    job.check_weights(source.choice.weights)
    if job.of_distances:
        refuse_features(outputs, standardize=source.standardize)
    opened = source.open()
    outputs.check_label_name(opened)
    rows = source.rows(opened)
    if isinstance(clusters, KRange):
        selection = selected(rows, job, clusters, bar=not talk.quiet)
        k = recommended(selection, source.spec)
    else:
        selection, k = None, clusters
    fitted, seconds = _cluster(rows, job, k, talk)
    model, data = _model(rows, fitted, job), rows.data
    if outputs.labels is not None:
        write_labels(outputs.labels, opened, fitted.labels, outputs.label_name)
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
        backend=source.target.backend,
        device=device_name(rows.X),
        kernel=fitted.kernel,
        history=fitted.history,
        told=fitted.told,
        selection=selection,
        outputs=outputs.written(),
    )
    if job.has_scales and not talk.quiet:
        rows.mention_scales()
    show(summary, as_json=talk.json, quiet=talk.quiet)


def refuse_features(outputs: Outputs, *, standardize: bool = False) -> None:
    """Refuse, where rows hold distances, what needs features."""
    asked = {"--standardize": standardize, "--plot": outputs.plot is not None}
    for option, wanted in asked.items():
        if wanted:
            raise CliError(f"{option} needs features, not given distances or affinities")


def _cluster(rows: Rows, job: Job, k: int, talk: Talk) -> tuple[Fitted, float]:
    steps = job.steps(len(rows.data.rows), k)
    with progress(steps, job.counted, wanted=not talk.quiet) as callback:
        begun = perf_counter()
        fitted = job.run(rows.X, k, rows.weights, callback)
    return fitted, perf_counter() - begun


def _model(rows: Rows, fitted: Fitted, job: Job) -> Model:
    centers, scaling, nothing = fitted.rule.centers, rows.scaling, np.zeros(0)
    return Model(
        algorithm=job.name,
        rule=fitted.rule,
        centers=centers if scaling is None else scaling.undo(centers),
        mean=nothing if scaling is None else scaling.mean,
        scale=nothing if scaling is None else scaling.scale,
        columns=np.array(rows.data.columns),
        named=rows.data.source.named,
        objective=fitted.objective,
        n_iter=fitted.n_iter,
        converged=fitted.converged,
        dtype=str(centers.dtype),
        seed=job.seed,
    )
