"""``--plot``: an image beside its k colours, rows coloured by cluster, or a choice of k."""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from kmeans_xp.cli.errors import optional
from kmeans_xp.cli.images import RGB
from kmeans_xp.cli.inputs import Array, Data
from kmeans_xp.cli.model_file import Model
from kmeans_xp.cli.outputs import atomic
from kmeans_xp.plotting import plot_choice_of_k, plot_clusters, plot_palette, plot_silhouettes
from kmeans_xp.plotting.choice import choice_size
from kmeans_xp.rows.numpy import gather
from kmeans_xp.selection.result import KSelection, Profile

DPI = 130
DRAWN_ROWS = 20_000
# Height of a panel of silhouettes, in inches.
SILHOUETTES = 3.2


def draw(path: Path, data: Data, labels: Array, model: Model) -> None:
    """Draw a clustering into a file."""
    figure = _figure(8, 6)
    if data.source.image is not None and data.columns == RGB:
        image = data.rows.reshape(*data.source.image, 3)
        plot_palette(image, labels, model.centers, figure=figure)
    else:
        ax = figure.add_subplot()
        rows, members = _rows(data, labels, model)
        centers, spread = model.rule.centers, model.rule.spread()
        names = _names(data, model)
        plot_clusters(rows, members, centers, covariances=spread, ax=ax, feature_names=names)
        ax.set_title(_title(data, len(labels), len(rows), model))
    _save(figure, path)


def draw_choice(path: Path, selection: KSelection, data: Data) -> None:
    """Draw the criteria of a choice of k, and below the silhouettes of its k, into a file."""
    width, height = choice_size(selection)
    if selection.profile is None:
        figure = above = _figure(width, height)
    else:
        figure = _figure(width, height + SILHOUETTES)
        above, below = figure.subfigures(2, 1, height_ratios=[height, SILHOUETTES])
        _draw_silhouettes(below.add_subplot(), selection.profile, selection)
    plot_choice_of_k(selection, fig=above)
    title = f"{data.source.name}, {selection.n_rows:,} rows\n{above.get_suptitle()}"
    above.suptitle(title, fontsize=11, parse_math=False)
    _save(figure, path)


def _draw_silhouettes(ax: Any, profile: Profile, selection: KSelection) -> None:
    """Draw the silhouettes, and say so if they are not of the recommended k or not of all rows."""
    plot_silhouettes(profile, ax=ax)
    if profile.k != selection.k:
        title = f"{ax.get_title(loc='left')}, which is the silhouette's own choice"
        ax.set_title(title, fontsize=10, loc="left")
    looked_at = len(profile.values)
    if looked_at < selection.n_rows:
        ax.set_ylabel(f"cluster (of {looked_at:,} rows looked at)", fontsize=9)


def _figure(width: float, height: float) -> Any:
    """Return a bare figure, which draws without a screen, whatever pyplot's backend is."""
    # Matplotlib logs that it builds its font cache, which is nobody's error.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    figure = optional("matplotlib.figure", "plot").Figure
    return figure(figsize=(width, height), layout="constrained")


def _save(figure: Any, path: Path) -> None:
    with atomic(path) as file, optional("matplotlib", "plot").rc_context({"svg.hashsalt": "0"}):
        kind = path.suffix.lower().removeprefix(".")
        # Neither the date nor chance in the names of its parts makes two pictures differ.
        dated = {"metadata": {"Date": None}} if kind == "svg" else {}
        figure.savefig(file, format=kind, dpi=DPI, **dated)


def _rows(data: Data, labels: Array, model: Model) -> tuple[Array, Array]:
    """Return the rows to draw as the fit saw them, and their labels, or their shares if it has.

    Of a mapped file not all is read.
    """
    n = len(labels)
    chosen = np.arange(n)
    if n > DRAWN_ROWS:
        chosen = np.sort(np.random.default_rng(0).choice(n, DRAWN_ROWS, replace=False))
    rows = gather(data.rows, chosen)
    if model.scaling is not None:
        rows = model.scaling.apply(rows, np.dtype(model.dtype))
    shares = model.rule.shares(rows)
    return rows, np.asarray(labels[chosen]) if shares is None else shares


def _names(data: Data, model: Model) -> list[str]:
    unit = "" if model.scaling is None else " (standardised)"
    return [f"{name}{unit}" for name in data.columns]


def _title(data: Data, n: int, drawn: int, model: Model) -> str:
    k = len(model.centers)
    scores = " standardised" if model.scaling is not None else ""
    part = f" ({drawn:,} drawn)" if drawn < n else ""
    return f"{data.source.name}: {n:,}{scores} rows{part} in {k} cluster{'s' if k > 1 else ''}"
