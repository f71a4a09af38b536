"""The commands and their options, and the parser's errors in one line."""

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ParamSpec

import typer

from kmeans_xp import __version__
from kmeans_xp.cli import options
from kmeans_xp.cli.errors import INTERRUPTED, complain, one_line_warnings, printing, report
from kmeans_xp.cli.settings import with_settings

app = typer.Typer(
    name="kmeans-xp",
    help="Exact k-means on tables, arrays and images, on every array backend.",
    epilog="An error is one line on standard error and exit status 2.",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

Parameters = ParamSpec("Parameters")


def run(argv: Sequence[str]) -> int:
    """Parse arguments, run a command, and return the exit status."""
    arguments = list(argv) or ["--help"]
    # Typer carries Click or a copy of it, depending on its version; BadParameter is public
    # in each, and every error of the parser descends from its base's base.
    usage_error: type[Exception] = typer.BadParameter.__mro__[2]
    command = typer.main.get_command(app)
    try:
        with printing():  # also what the parser prints itself, such as help
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
        except KeyboardInterrupt:
            raise typer.Exit(complain("interrupted", status=INTERRUPTED)) from None
        except Exception as error:
            raise typer.Exit(report(error)) from error

    return guarded


def _show_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"kmeans_xp {__version__}\n")
        raise typer.Exit


@app.callback()
def common(
    # Its callback does the work, before a command is missed.
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version."),
    ] = False,
) -> None:
    """Exact k-means on tables, arrays and images, on every array backend."""


@app.command()
@one_line
@with_settings
def fit(
    spec: options.Spec,
    n_clusters: options.NClusters,
    settings: Mapping[str, Any],
    algorithm: options.Algorithm = "kmeans",
    seed: options.Seed = None,
    columns: options.Columns = None,
    weights: options.Weights = None,
    key: options.Key = None,
    separator: options.Separator = None,
    header: options.Header = None,
    decimal: options.Decimal = None,
    standardize: options.Standardize = False,
    backend: options.Backend = "numpy",
    device: options.Device = None,
    dtype: options.Dtype = None,
    output: options.Labels = None,
    label_name: options.LabelName = "label",
    model: options.Model = None,
    plot: options.Plot = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Cluster INPUT into K clusters."""
    from kmeans_xp.cli import clusters, family, fitting, inputs, outputs, source, target

    fitting.fit(
        source.Source(
            spec,
            inputs.Format(key, separator, header, decimal),
            inputs.Choice(tuple(columns or ()), weights),
            standardize,
            target.Target(backend, device, dtype),
        ),
        family.job(algorithm, seed, settings),
        clusters.parsed(n_clusters),
        outputs.Outputs(output, model, plot, label_name),
        fitting.Talk(as_json, quiet),
    )


@app.command()
@one_line
@with_settings
def choose_k(
    spec: options.Spec,
    settings: Mapping[str, Any],
    least: options.Min = 1,
    most: options.Max = None,
    criteria: options.Criteria = None,
    sample_size: options.SampleSize = None,
    algorithm: options.Algorithm = "kmeans",
    seed: options.Seed = None,
    columns: options.Columns = None,
    weights: options.Weights = None,
    key: options.Key = None,
    separator: options.Separator = None,
    header: options.Header = None,
    decimal: options.Decimal = None,
    standardize: options.Standardize = False,
    backend: options.Backend = "numpy",
    device: options.Device = None,
    dtype: options.Dtype = None,
    plot: options.PlotChoice = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Find out how many clusters INPUT has, by several criteria."""
    from kmeans_xp.cli import choosing, clusters, family, fitting, inputs, outputs, source, target

    choosing.choose_k(
        source.Source(
            spec,
            inputs.Format(key, separator, header, decimal),
            inputs.Choice(tuple(columns or ()), weights),
            standardize,
            target.Target(backend, device, dtype),
        ),
        family.job(algorithm, seed, settings),
        clusters.KRange(least, most),
        options.names(criteria),
        sample_size,
        outputs.Outputs(plot=plot),
        fitting.Talk(as_json, quiet),
    )


@app.command()
@one_line
def predict(
    model: Annotated[Path, typer.Argument(help="A file that fit --model wrote.")],
    spec: options.Spec,
    columns: options.Columns = None,
    key: options.Key = None,
    separator: options.Separator = None,
    header: options.Header = None,
    decimal: options.Decimal = None,
    backend: options.Backend = "numpy",
    device: options.Device = None,
    output: options.Labels = None,
    label_name: options.LabelName = "label",
    plot: options.Plot = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Label the rows of INPUT by MODEL, as its fit did."""
    from kmeans_xp.cli import fitting, inputs, outputs, predicting, target

    predicting.predict(
        model,
        spec,
        inputs.Format(key, separator, header, decimal),
        tuple(columns or ()),
        target.Target(backend, device),
        outputs.Outputs(output, None, plot, label_name),
        fitting.Talk(as_json, quiet),
    )


@app.command()
@one_line
def info(
    compile_all: options.Compile = False,
    spec: options.For = None,
    n_clusters: options.ForClusters = None,
    as_json: options.Json = False,
) -> None:
    """Show versions, backends, devices, kernels and threads; or what would run for an input."""
    from kmeans_xp.cli import info as command

    command.info(compile_all=compile_all, as_json=as_json, spec=spec, n_clusters=n_clusters)
