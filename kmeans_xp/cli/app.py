"""The commands and their options, and the parser's errors in one line."""

import functools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, ParamSpec

import typer

from kmeans_xp import __version__
from kmeans_xp.cli.errors import INTERRUPTED, complain, one_line_warnings, report

app = typer.Typer(
    name="kmeans-xp",
    help="Exact k-means on tables, arrays and images, on every array backend.",
    epilog="An error is one line on standard error and exit status 2.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

INPUT = "Input"
WHERE = "Where the work is done"
OUTPUT = "Output"

Parameters = ParamSpec("Parameters")


def run(argv: Sequence[str] | None = None) -> int:
    """Parse arguments, run a command, and return the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    # Typer carries Click or a copy of it, depending on its version; BadParameter is public
    # in each, and every error of the parser descends from its base's base.
    usage_error: type[Exception] = typer.BadParameter.__mro__[2]
    command = typer.main.get_command(app)
    try:
        status = command.main(arguments, prog_name="kmeans-xp", standalone_mode=False)
    except usage_error as error:
        return complain(f"{_message(error)} (see kmeans-xp --help)")
    except typer.Abort:
        return complain("interrupted", status=INTERRUPTED)
    return int(status or 0)


def _message(error: Exception) -> str:
    message: str = error.format_message()  # type: ignore[attr-defined]
    return message.rstrip(".")


def one_line(command: Callable[Parameters, None]) -> Callable[Parameters, None]:
    """Turn every error of a command into one line and an exit status."""

    @functools.wraps(command)
    def guarded(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        try:
            with one_line_warnings():
                command(*args, **kwargs)
                sys.stdout.flush()  # a closed pipe shows here, not after the last line
        except KeyboardInterrupt:
            raise typer.Exit(complain("interrupted", status=INTERRUPTED)) from None
        except Exception as error:
            raise typer.Exit(report(error)) from error

    return guarded


Spec = Annotated[
    str,
    typer.Argument(
        metavar="INPUT",
        help="An .npy (mapped, not read whole), .npz, .csv, .tsv or .parquet file, an image "
        "(each pixel a row), or sample:NAME for data that scikit-learn ships, such as "
        "sample:iris or the photograph sample:china.",
    ),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        help="Columns to use, by name or position from 0, separated by commas. "
        "By default every numeric column.",
        rich_help_panel=INPUT,
    ),
]
Key = Annotated[
    str | None, typer.Option(help="Which array of an .npz file.", rich_help_panel=INPUT)
]
Backend = Annotated[
    str,
    typer.Option(
        help="Array library to compute with; kmeans-xp info lists them.", rich_help_panel=WHERE
    ),
]
Device = Annotated[
    str | None,
    typer.Option(help="Device of the backend, such as cuda:0.", rich_help_panel=WHERE),
]
Labels = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="Write labels to .csv, .tsv or .parquet (beside the rows) or .npy (alone).",
        rich_help_panel=OUTPUT,
    ),
]
LabelName = Annotated[
    str, typer.Option(help="Name of the column of labels.", rich_help_panel=OUTPUT)
]
Plot = Annotated[
    Path | None,
    typer.Option(
        help="Draw a .png: an image beside its k colours, or the rows coloured by cluster.",
        rich_help_panel=OUTPUT,
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print the summary as JSON.", rich_help_panel=OUTPUT)
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="No summary, no progress bar.", rich_help_panel=OUTPUT),
]


def _show_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"kmeans_xp {__version__}\n")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[  # noqa: ARG001: its callback does the work, before a command is missed
        bool,
        typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version."),
    ] = False,
) -> None:
    """Exact k-means on tables, arrays and images, on every array backend."""


@app.command()
@one_line
def fit(
    spec: Spec,
    n_clusters: Annotated[
        int, typer.Option("--n-clusters", "-k", min=1, help="How many clusters.")
    ],
    init: Annotated[
        str, typer.Option(help="How to seed: k-means++, k-means|| or random.")
    ] = "k-means++",
    n_init: Annotated[
        str, typer.Option(help="How many starts; the best is kept. A number or auto.")
    ] = "auto",
    max_iter: Annotated[int, typer.Option(min=1, help="Most iterations of a start.")] = 300,
    tol: Annotated[
        float, typer.Option(help="Stop when the centres move less, relative to the variance.")
    ] = 1e-4,
    empty_clusters: Annotated[
        str, typer.Option(help="Which row an empty cluster gets: farthest or random.")
    ] = "farthest",
    algorithm: Annotated[
        str, typer.Option(help="auto, lloyd, or a kernel that kmeans-xp info lists.")
    ] = "auto",
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Makes a run repeatable; drawn and reported if left out."),
    ] = None,
    columns: Columns = None,
    weights: Annotated[
        str | None,
        typer.Option(help="Column that weighs the rows; not a feature.", rich_help_panel=INPUT),
    ] = None,
    key: Key = None,
    standardize: Annotated[
        bool,
        typer.Option(
            "--standardize",
            help="Cluster z-scores; the model keeps the scaling, predict repeats it.",
            rich_help_panel=INPUT,
        ),
    ] = False,
    backend: Backend = "numpy",
    device: Device = None,
    dtype: Annotated[
        str | None,
        typer.Option(help="Convert to float32 or float64 first.", rich_help_panel=WHERE),
    ] = None,
    output: Labels = None,
    label_name: LabelName = "label",
    model: Annotated[
        Path | None,
        typer.Option(help="Write the model to .npz, for predict.", rich_help_panel=OUTPUT),
    ] = None,
    plot: Plot = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Cluster INPUT into K clusters."""
    from kmeans_xp.cli import fitting, inputs, outputs, target

    fitting.fit(
        spec,
        key,
        inputs.Choice(tuple(columns or ()), weights),
        fitting.KMeansOptions(
            n_clusters, init, n_init, max_iter, tol, empty_clusters, algorithm, seed
        ),
        target.Target(backend, device, dtype),
        standardize,
        outputs.Outputs(output, model, plot, label_name),
        fitting.Talk(as_json, quiet),
    )


@app.command()
@one_line
def predict(
    model: Annotated[Path, typer.Argument(help="A file that fit --model wrote.")],
    spec: Spec,
    columns: Columns = None,
    key: Key = None,
    backend: Backend = "numpy",
    device: Device = None,
    output: Labels = None,
    label_name: LabelName = "label",
    plot: Plot = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Label the rows of INPUT by the nearest centres of MODEL."""
    from kmeans_xp.cli import fitting, outputs, predicting, target

    predicting.predict(
        model,
        spec,
        key,
        tuple(columns or ()),
        target.Target(backend, device),
        outputs.Outputs(output, None, plot, label_name),
        fitting.Talk(as_json, quiet),
    )


@app.command()
@one_line
def info(as_json: Json = False) -> None:
    """Show versions, backends, devices, kernels and threads."""
    from kmeans_xp.cli import info as command

    command.info(as_json=as_json)
