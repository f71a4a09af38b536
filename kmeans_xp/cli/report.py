"""The summary of a run: for a person, or as JSON."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from kmeans_xp import __version__
from kmeans_xp.cli.errors import one_line, optional
from kmeans_xp.cli.images import RGB
from kmeans_xp.cli.inputs import Array, Data
from kmeans_xp.cli.model_file import Model
from kmeans_xp.plotting import cluster_colors

# Of more clusters than this the largest are shown.
SHOWN = 16
BAR = 30
BLOCKS = " ▏▎▍▌▋▊▉█"


@dataclass(frozen=True)
class Summary:
    """What there is to say about a run."""

    command: str
    data: Data
    model: Model
    labels: Array
    objective: float
    seconds: float
    backend: str
    device: str
    outputs: dict[str, str]
    kernel: str | None = None
    history: tuple[float, ...] = ()
    told: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def sizes(self) -> Array:
        """Rows in each cluster."""
        return np.bincount(self.labels, minlength=len(self.model.centers))

    def as_dict(self) -> dict[str, Any]:
        """Return everything in types that JSON has."""
        model, data = self.model, self.data
        facts: dict[str, Any] = {
            "command": self.command,
            "kmeans_xp": __version__,
            "input": data.source.name,
            "rows": len(self.labels),
            "features": list(data.columns),
            "left_out": list(data.left_out),
            "index": [name for name in data.left_out if name in data.source.index],
            "weighted_by": data.weighted_by,
            "image": None if data.source.image is None else list(data.source.image),
            "algorithm": model.algorithm,
            "n_clusters": len(model.centers),
            model.rule.objective: self.objective,
            **model.rule.details(),
            "sizes": self.sizes.tolist(),
            "centers": None if model.rule.of_distances else model.centers.tolist(),
            "standardized": model.scaling is not None,
            "seconds": self.seconds,
            "backend": self.backend,
            "device": self.device,
            "dtype": model.dtype,
            "outputs": self.outputs,
        }
        if self.command == "fit":
            facts |= {"n_iter": model.n_iter, "converged": model.converged}
            facts |= {"kernel": self.kernel, "seed": model.seed, **self.told}
            facts["history"] = list(self.history)
        return facts


def show(summary: Summary, *, as_json: bool, quiet: bool) -> None:
    """Print the summary on standard output."""
    if as_json:
        print_json(summary.as_dict())
    elif not quiet:
        _print(summary)


def print_json(facts: dict[str, Any]) -> None:
    """Write facts as one JSON object."""
    sys.stdout.write(json.dumps(facts, indent=2, allow_nan=False) + "\n")


def _print(summary: Summary) -> None:
    rich_table, rich_text = optional("rich.table"), optional("rich.text")
    console = optional("rich.console").Console(highlight=False)
    console.print()
    title = rich_text.Text("  ")
    title.append(one_line(summary.data.source.name), style="bold")
    title.append(f"   {_shape(summary)}", style="dim")
    console.print(title)
    console.print()
    facts = rich_table.Table.grid(padding=(0, 2))
    facts.add_column(justify="right", style="dim")
    facts.add_column(overflow="fold")
    for name, value in _facts(summary).items():
        facts.add_row(f"  {name}", rich_text.Text(one_line(value)))
    console.print(facts)
    console.print()
    console.print(_sizes(summary, unicode=console.encoding.lower().startswith("utf")))
    if summary.outputs:
        console.print()
    for what, path in summary.outputs.items():
        line = rich_text.Text(f"  wrote {what} to {one_line(path)}", style="dim")
        console.print(line, soft_wrap=True)


def _shape(summary: Summary) -> str:
    rows, features = len(summary.labels), len(summary.data.columns)
    if summary.data.source.image is not None:
        height, width = summary.data.source.image
        return f"{width} x {height} pixels, {rows:,} rows x {features} features"
    return f"{rows:,} rows x {features} {_what(summary)}{'s' if features != 1 else ''}"


def _what(summary: Summary) -> str:
    """Say what a row holds."""
    return "distance" if summary.model.rule.of_distances else "feature"


def _facts(summary: Summary) -> dict[str, str]:
    model, left_out = summary.model, summary.data.left_out
    facts = {f"{_what(summary)}s": _listed(summary.data.columns)}
    if summary.data.weighted_by is not None:
        facts["weights"] = summary.data.weighted_by
    facts |= {"algorithm": model.algorithm, "clusters": str(len(model.centers))}
    if summary.command == "fit":
        end = "converged" if model.converged else "stopped before it converged (see --max-iter)"
        facts["iterations"] = f"{model.n_iter}, {end}"
    for what, value in summary.told.items():
        facts[what.removeprefix("n_")] = str(value)
    scores = " of the z-scores" if model.scaling is not None else ""
    name = model.rule.objective.replace("_", "-")
    facts[name] = f"{summary.objective:.6g}{' a row' if model.rule.averaged else ''}{scores}"
    for what, value in model.rule.details().items():
        if what != "weights":
            facts[what.replace("_", " ")] = _worded(value)
    facts["time"] = _time(summary.seconds)
    kernel = f", kernel {summary.kernel}" if summary.kernel else ""
    facts["backend"] = f"{summary.backend} on {summary.device}{kernel}, {model.dtype}"
    if summary.command == "fit":
        facts["seed"] = str(model.seed)
    index = [name for name in left_out if name in summary.data.source.index]
    if index:
        facts["index"] = f"{_listed(index)} (no feature unless named with --columns)"
    if others := [name for name in left_out if name not in index]:
        facts["not used"] = _listed(others)
    return facts


def _worded(value: str | float | list[int]) -> str:
    if isinstance(value, list):
        return _listed([str(number) for number in value], SHOWN)
    return value if isinstance(value, str) else f"{value:.6g}"


def _listed(names: Sequence[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def _time(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"


def _sizes(summary: Summary, *, unicode: bool) -> Any:
    """Lay out the clusters' sizes as bars, in the colours that a picture would have."""
    text = optional("rich.text").Text
    sizes, centers = summary.sizes, summary.model.centers
    pixels = summary.data.source.image is not None and summary.data.columns == RGB
    colors = [_hex(center) for center in centers] if pixels else cluster_colors(len(centers))
    table = optional("rich.table").Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("  cluster", "rows", "share"):
        table.add_column(heading, justify="right")
    table.add_column("")
    order = range(len(sizes))
    if len(sizes) > SHOWN or pixels:
        order = np.argsort(-sizes, kind="stable")[:SHOWN].tolist()
    for i in order:
        bar = text(_bar(sizes[i] / sizes.max(), unicode=unicode), style=colors[i])
        if pixels:
            bar = text(f"{colors[i]} ") + bar
        table.add_row(str(i), f"{sizes[i]:,}", f"{sizes[i] / sizes.sum():.1%}", bar)
    if len(sizes) > SHOWN:
        rest = np.delete(sizes, order)
        share = f"{rest.sum() / sizes.sum():.1%}"
        table.add_row(f"{len(rest)} more", f"{rest.sum():,}", share, "")
    return table


def _bar(share: float, *, unicode: bool) -> str:
    if not unicode:
        return "#" * round(share * BAR)
    eighths = round(share * BAR * 8)
    return ("█" * (eighths // 8) + BLOCKS[eighths % 8]).rstrip()


def _hex(color: Array) -> str:
    return "#" + "".join(f"{round(255 * min(max(float(c), 0.0), 1.0)):02x}" for c in color)
