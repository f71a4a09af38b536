"""``kmeans-xp predict``: the labels of rows by a model fitted before."""

from pathlib import Path
from time import perf_counter

import numpy as np

from kmeans_xp.cli.fitting import Talk, refuse_features
from kmeans_xp.cli.inputs import Array, Data, Format, choose
from kmeans_xp.cli.model_file import Model, load
from kmeans_xp.cli.opening import read
from kmeans_xp.cli.outputs import Outputs, write_labels
from kmeans_xp.cli.picture import draw
from kmeans_xp.cli.report import Summary, show
from kmeans_xp.cli.scaling import blocks
from kmeans_xp.cli.target import Target, device_name


def predict(
    model_path: Path,
    spec: str,
    form: Format,
    columns: tuple[str, ...],
    target: Target,
    outputs: Outputs,
    talk: Talk,
) -> None:
    """Run the command."""
    talk.check()
    outputs.check(spec, str(model_path))
    model = load(model_path)
    if model.rule.of_distances:
        refuse_features(outputs)
    target = Target(target.backend, target.device, model.dtype)
    target.check()
    source = read(spec, form)
    outputs.check_label_name(source)
    data = choose(source, model.choice(source, columns))
    begun = perf_counter()
    labels, objective = _label(data, model, target)
    seconds = perf_counter() - begun
    if outputs.labels is not None:
        write_labels(outputs.labels, source, labels, outputs.label_name)
    if outputs.plot is not None:
        draw(outputs.plot, data, labels, model)
    summary = Summary(
        command="predict",
        data=data,
        model=model,
        labels=labels,
        objective=objective,
        seconds=seconds,
        backend=target.backend,
        device=device_name(target.place(np.zeros(1, np.float32))),
        outputs=outputs.written(),
    )
    show(summary, as_json=talk.json, quiet=talk.quiet)


def _label(data: Data, model: Model, target: Target) -> tuple[Array, float]:
    """Label rows by the model's rule; a mapped file that needs changes is changed in blocks."""
    rows, rule = data.rows, model.rule
    changes = model.scaling is not None or rows.dtype != model.dtype
    streamed = isinstance(rows, np.memmap) and changes
    spans = blocks(rows) if streamed else [(0, len(rows))]
    labels = np.empty(len(rows), np.int32)
    total = 0.0
    for start, stop in spans:
        X = target.place(target.prepare(rows[start:stop], model.scaling))
        labels[start:stop], part = rule.label(X)
        total += part
    return labels, total / len(rows) if rule.averaged else total
