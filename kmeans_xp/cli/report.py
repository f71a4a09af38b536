"""The summary of a run: for a person, or as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NoReturn

import numpy as np

from kmeans_xp import __version__
from kmeans_xp.cli.clusters import reason
from kmeans_xp.cli.errors import one_line, optional, printing
from kmeans_xp.cli.images import RGB
from kmeans_xp.cli.inputs import Array, Data
from kmeans_xp.cli.json_text import print_json
from kmeans_xp.cli.model_file import Model
from kmeans_xp.plotting import cluster_colors
from kmeans_xp.selection.result import KSelection

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
    selection: KSelection | None = None

    @cached_property
    def sizes(self) -> Array:
        """Rows in each cluster."""
        return np.bincount(self.labels, minlength=len(self.model.centers))

    def as_dict(self) -> dict[str, Any]:
        """Return everything in types that JSON has."""
        model = self.model
        facts: dict[str, Any] = {
            **facts_of_input(self.command, self.data),
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
        if self.selection is not None:
            facts["choice"] = self.selection.to_dict()
        return facts


def facts_of_input(command: str, data: Data) -> dict[str, Any]:
    """Return what a summary says of a command and its input, in types that JSON has."""
    return {
        "command": command,
        "kmeans_xp": __version__,
        "input": data.source.name,
        "rows": len(data.rows),
        "features": list(data.columns),
        "left_out": list(data.left_out),
        "index": [name for name in data.left_out if name in data.source.index],
        "weighted_by": data.weighted_by,
        "image": None if data.source.image is None else list(data.source.image),
    }


def show(summary: Summary, *, as_json: bool, quiet: bool) -> None:
    """Print the summary on standard output."""
    with printing(needed=not summary.outputs):
        if as_json:
            print_json(summary.as_dict())
        elif not quiet:
            _print(summary)


def _print(summary: Summary) -> None:
    console = terminal()
    input_and_shape(console, summary.data, _what(summary))
    print_facts(console, _facts(summary))
    console.print(_sizes(summary, unicode=console.encoding.lower().startswith("utf")))
    print_outputs(console, summary.outputs)


def terminal() -> Any:
    """Return Rich's console on standard output, which may go away like any other output."""
    console = optional("rich.console").Console(highlight=False)
    console.on_broken_pipe = _raised_again
    return console


def _raised_again() -> NoReturn:
    # Called while an error is handled, instead of Rich's own way, which ends the process.
    raise


def input_and_shape(console: Any, data: Data, what: str) -> None:
    """Print the name of the input and how large it is; a row holds so many of `what`."""
    title = optional("rich.text").Text("  ")
    title.append(one_line(data.source.name), style="bold")
    title.append(f"   {_shape(data, what)}", style="dim")
    console.print("", title, "", sep="\n")


def print_facts(console: Any, facts: Mapping[str, str]) -> None:
    """Print names and values in two columns, and an empty line."""
    text = optional("rich.text").Text
    grid = optional("rich.table").Table.grid(padding=(0, 2))
    grid.add_column(justify="right", style="dim")
    grid.add_column(overflow="fold")
    for name, value in facts.items():
        grid.add_row(f"  {name}", text(one_line(value)))
    console.print(grid)
    console.print()


def print_outputs(console: Any, outputs: Mapping[str, str]) -> None:
    """Print which files were written, after an empty line."""
    if outputs:
        console.print()
    for what, path in outputs.items():
        line = optional("rich.text").Text(f"  wrote {what} to {one_line(path)}", style="dim")
        console.print(line, soft_wrap=True)


def _shape(data: Data, what: str) -> str:
    rows, features = len(data.rows), len(data.columns)
    if data.source.image is not None:
        height, width = data.source.image
        return f"{width} x {height} pixels, {rows:,} rows x {features} features"
    return f"{rows:,} rows x {features} {what}{'s' if features != 1 else ''}"


def _what(summary: Summary) -> str:
    """Say what a row holds."""
    return "distance" if summary.model.rule.of_distances else "feature"


def _facts(summary: Summary) -> dict[str, str]:
    model = summary.model
    facts = used(summary.data, _what(summary))
    facts |= {"algorithm": model.algorithm, "clusters": str(len(model.centers))}
    if summary.selection is not None:
        facts["chosen"] = reason(summary.selection)
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
    facts["time"] = duration(summary.seconds)
    kernel = f", kernel {summary.kernel}" if summary.kernel else ""
    facts["backend"] = f"{summary.backend} on {summary.device}{kernel}, {model.dtype}"
    if summary.command == "fit":
        facts["seed"] = str(model.seed)
    return facts | not_used(summary.data)


def used(data: Data, what: str) -> dict[str, str]:
    """Name the columns that are used, of which each row holds a `what`."""
    facts = {f"{what}s": _listed(data.columns)}
    return facts if data.weighted_by is None else facts | {"weights": data.weighted_by}


def not_used(data: Data) -> dict[str, str]:
    """Name the columns that are not."""
    facts = {}
    index = [name for name in data.left_out if name in data.source.index]
    if index:
        facts["index"] = f"{_listed(index)} (no feature unless named with --columns)"
    if others := [name for name in data.left_out if name not in index]:
        facts["not used"] = _listed(others)
    return facts


def _worded(value: str | float | list[int]) -> str:
    if isinstance(value, list):
        return _listed([str(number) for number in value], SHOWN)
    return value if isinstance(value, str) else f"{value:.6g}"


def _listed(names: Sequence[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def duration(seconds: float) -> str:
    """Write a duration in the unit that suits it."""
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
