"""The summary of a choice of k: for a person, or as JSON."""

from dataclasses import dataclass
from typing import Any

from kmeans_xp.cli.errors import optional, printing
from kmeans_xp.cli.inputs import Data
from kmeans_xp.cli.json_text import print_json
from kmeans_xp.cli.report import (
    duration,
    facts_of_input,
    input_and_shape,
    not_used,
    print_facts,
    print_outputs,
    terminal,
    used,
)
from kmeans_xp.selection.result import KSelection


@dataclass(frozen=True)
class ChoiceSummary:
    """What there is to say about a choice of k; `what` is what a row holds."""

    data: Data
    what: str
    standardized: bool
    algorithm: str
    seed: int
    selection: KSelection
    seconds: float
    backend: str
    device: str
    dtype: str
    outputs: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """Return everything in types that JSON has."""
        return {
            **facts_of_input("choose-k", self.data),
            "algorithm": self.algorithm,
            "n_clusters": self.selection.k,
            "choice": self.selection.to_dict(),
            "standardized": self.standardized,
            "seconds": self.seconds,
            "backend": self.backend,
            "device": self.device,
            "dtype": self.dtype,
            "seed": self.seed,
            "outputs": self.outputs,
        }


def show_choice(summary: ChoiceSummary, *, as_json: bool, quiet: bool) -> None:
    """Print the summary on standard output."""
    with printing(needed=not summary.outputs):
        if as_json:
            print_json(summary.as_dict())
        elif not quiet:
            _print(summary)


def _print(summary: ChoiceSummary) -> None:
    console = terminal()
    input_and_shape(console, summary.data, summary.what)
    print_facts(console, _facts(summary))
    table = optional("rich.text").Text(_indented(str(summary.selection)))
    table.highlight_regex(r"(?m)^ +k .*$", "dim")
    table.highlight_regex(r"\S+\*", "bold green")
    table.highlight_regex(r"(?m)^  (Recommended|No k).*$", "bold")
    console.print(table, soft_wrap=True)
    print_outputs(console, summary.outputs)


def _facts(summary: ChoiceSummary) -> dict[str, str]:
    scores = " of the z-scores" if summary.standardized else ""
    return {
        **used(summary.data, summary.what),
        "algorithm": f"{summary.algorithm}{scores}",
        "time": duration(summary.seconds),
        "backend": f"{summary.backend} on {summary.device}, {summary.dtype}",
        "seed": str(summary.seed),
        **not_used(summary.data),
    }


def _indented(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines())
