"""What a choice of the number of clusters goes by: a panel for each criterion, and silhouettes."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from kmeans_xp.plotting.colors import COLORS, INK, cluster_colors
from kmeans_xp.plotting.common import pyplot
from kmeans_xp.selection.elbow import ElbowResult
from kmeans_xp.selection.prediction_strength import ENOUGH
from kmeans_xp.selection.result import KSelection, Profile

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVE, CHOSEN = COLORS[0], COLORS[5]
HIGHER, LOWER = "higher is better", "lower is better"
# What a panel is called, and how to read it.
TITLES = {
    "gap": ("Gap statistic", HIGHER),
    "bic": ("BIC", LOWER),
    "aic": ("AIC", LOWER),
    "kmeans_bic": ("BIC of k-means", LOWER),
    "silhouette": ("Silhouette", HIGHER),
    "medoid_silhouette": ("Medoid silhouette", HIGHER),
    "calinski_harabasz": ("Calinski-Harabasz", HIGHER),
    "davies_bouldin": ("Davies-Bouldin", LOWER),
    "elbow": ("Elbow", "farthest below the dots"),
    "prediction_strength": ("Prediction strength", f"last of about {ENOUGH}"),
    "eigengap": ("Eigengap", HIGHER),
}
# How the rules of the gap statistic choose.
RULES = {
    "firstSEmax": "first peak, within error",
    "globalSEmax": "peak, within error",
    "tibshirani": "rises no more, within error",
    "firstmax": "first peak",
    "globalmax": HIGHER,
}
DOTS: dict[str, Any] = {"color": COLORS[7], "linewidth": 1, "linestyle": ":"}
PANEL = (3.1, 2.3)
# As many ticks fit on an axis of k.
TICKS = 16
# More lines of a profile than this are more than a picture has pixels.
LINES = 1000
# Names of as many clusters fit beside each other.
NAMES = 22


def plot_choice_of_k(selection: KSelection, *, fig: "Figure | None" = None) -> "Figure":
    """Draw each criterion over the numbers of clusters, with its choice and the recommended one.

    Each criterion has a panel, in which its own k is marked; a dashed line through all panels is at
    the recommended k. The gap has its standard errors. For the elbow the inertia, or what else the
    algorithm minimises, is drawn on a logarithmic axis; the dots fall as evenly as the inertia of
    rows without clusters does, and the elbow is farthest below them. A criterion has no point where
    it has no value, as the silhouette at k = 1.

    Parameters
    ----------
    selection : KSelection
        What `choose_k` returned.
    fig : matplotlib.figure.Figure or SubFigure, optional
        Where to draw; by default a new figure of pyplot. Give it a constrained layout.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from sklearn.datasets import load_iris
    >>> from kmeans_xp import choose_k
    >>> from kmeans_xp.plotting import plot_choice_of_k
    >>> selection = choose_k(load_iris().data, range(1, 5), criteria=("gap", "silhouette"), rng=0)
    >>> figure = plot_choice_of_k(selection, fig=Figure(layout="constrained"))
    >>> [ax.get_title(loc="left") for ax in figure.axes]
    ['Gap statistic (first peak, within error)', 'Silhouette (higher is better)']
    """
    lines, columns = grid_of(len(selection.scores))
    if fig is None:
        fig = pyplot().figure(figsize=choice_size(selection), layout="constrained")
    fig.suptitle(_answer(selection), color=INK, fontsize=11)
    axes = fig.subplots(lines, columns, sharex=True, squeeze=False).ravel()
    for name, ax in zip(selection.scores, axes, strict=False):
        _panel(ax, selection, name)
    for ax in axes[len(selection.scores) :]:
        ax.remove()
    fig.supxlabel("number of clusters, k", fontsize=9)
    return fig


def grid_of(panels: int) -> tuple[int, int]:
    """Return how many lines and columns of panels there are."""
    columns = panels if panels <= 3 else 2 if panels == 4 else 3
    return -(-panels // columns), columns


def choice_size(selection: KSelection) -> tuple[float, float]:
    """Return width and height of a figure that suits the panels, in inches."""
    lines, columns = grid_of(len(selection.scores))
    return max(5.5, PANEL[0] * columns), PANEL[1] * lines + 0.5


def plot_silhouettes(profile: Profile, *, ax: "Axes | None" = None) -> "Axes":
    """Draw the silhouettes of the rows, sorted within each cluster, with their mean.

    A row far to the right lies well inside its cluster, one at 0 between two clusters, and one to
    the left of 0 is nearer another cluster than its own (Rousseeuw 1987).

    Parameters
    ----------
    profile : Profile
        As `KSelection.profile`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure of pyplot.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from kmeans_xp.plotting import plot_silhouettes
    >>> from kmeans_xp.selection.result import Profile
    >>> profile = Profile(2, np.array([0, 0, 1]), np.array([0.8, 0.6, 0.1]))
    >>> ax = plot_silhouettes(profile, ax=Figure().add_subplot())
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['0 (2)', '1 (1)']
    """
    ax = pyplot().figure(figsize=(6, 4), layout="constrained").add_subplot() if ax is None else ax
    bands = _bands(profile)
    for band, color in zip(bands, cluster_colors(profile.k), strict=True):
        ax.fill_betweenx(band.places, 0, band.values, color=color, linewidth=0.5)
    mean = float(profile.values.mean())
    ax.axvline(mean, color=INK, linewidth=1, linestyle="--")
    ax.axvline(0, color=INK, linewidth=0.8)
    named = _named(bands)
    ax.set_yticks(
        [bands[i].middle for i in named], [f"{i} ({bands[i].size:,})" for i in named], fontsize=8
    )
    ax.tick_params(axis="x", labelsize=8)
    ax.tick_params(axis="y", length=0)
    ax.set_xlim(min(-0.05, float(profile.values.min()) - 0.05), 1)
    ax.set_ylim(bands[-1].stop * 1.02, 0)
    ax.set_title(f"Silhouettes for k = {profile.k} (mean {mean:.2f})", fontsize=10, loc="left")
    ax.set_xlabel("silhouette of a row", fontsize=9)
    ax.set_ylabel("cluster (rows)", fontsize=9)
    ax.spines[["top", "right", "left"]].set_visible(False)
    return ax


def _answer(selection: KSelection) -> str:
    if selection.k is None:
        return "No k is recommended"
    votes = sum(k == selection.k for k in selection.choices.values())
    return (
        f"Recommended: k = {selection.k} (chosen by {votes} of {len(selection.choices)} criteria)"
    )


def _panel(ax: "Axes", selection: KSelection, name: str) -> None:
    """Draw one criterion."""
    ks, title = selection.ks, TITLES.get(name, (name, HIGHER))
    values = np.array(selection.scores[name], dtype=np.float64)
    errors = None
    if name == "gap" and selection.gap is not None:
        errors, title = selection.gap.se, (title[0], RULES[selection.gap.rule])
    if name == "elbow" and selection.elbow is not None:
        values = _draw_even_fall(ax, selection.elbow)
    if name == "prediction_strength":
        ax.axhline(ENOUGH, **DOTS)
    if selection.k is not None:
        ax.axvline(selection.k, color=INK, linewidth=0.9, linestyle="--", alpha=0.6)
    ax.errorbar(
        ks, values, errors, color=CURVE, ecolor=COLORS[4], capsize=2, linewidth=1.5, marker="o",
        markersize=3.5,
    )  # fmt: skip
    choice = selection.choices[name]
    if choice is None:
        ax.text(0.5, 0.95, "no k chosen", transform=ax.transAxes, va="top", **_words())
    else:
        _mark(ax, choice, values[ks.index(choice)], below=LOWER in title or name == "elbow")
    ax.set_title(f"{title[0]} ({title[1]})", fontsize=9, loc="left", color=INK)
    _style(ax, ks)
    if np.isnan(values).all():
        ax.set_yticks([])


def _draw_even_fall(ax: "Axes", elbow: ElbowResult) -> np.ndarray:
    """Draw the line below which an inertia has its elbow; return the inertias."""
    from matplotlib.ticker import LogFormatter

    inertias = np.array(elbow.inertias)
    least = np.finfo(np.float64).eps * inertias[0]  # what the elbow takes for 0
    if least == 0:
        return inertias
    inertias = np.maximum(inertias, least)
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter(LogFormatter())
    ax.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1, 0.4)))
    if len(elbow.ks) > 1:
        k = np.geomspace(elbow.ks[0], elbow.ks[-1], 50)
        slope = math.log(inertias.min() / inertias[0]) / math.log(elbow.ks[-1] / elbow.ks[0])
        fall = inertias[0] * (k / k[0]) ** slope
        ax.plot(k, fall, **DOTS)
    return inertias


def _mark(ax: "Axes", k: int, value: float, *, below: bool) -> None:
    """Mark a criterion's choice."""
    ax.plot([k], [value], marker="o", markersize=8, color=CHOSEN, zorder=4)
    ax.annotate(
        f"k = {k}",
        (k, value),
        xytext=(0, -8 if below else 8),
        textcoords="offset points",
        va="top" if below else "bottom",
        fontweight="bold",
        **_words(),
    )


def _words() -> dict[str, Any]:
    """Return how words on a choice look: readable on lines too."""
    from matplotlib.patheffects import withStroke

    halo = withStroke(linewidth=2.5, foreground="white")
    return {"ha": "center", "fontsize": 9, "color": CHOSEN, "path_effects": [halo], "zorder": 5}


def _style(ax: "Axes", ks: tuple[int, ...]) -> None:
    from matplotlib.ticker import MaxNLocator

    wide = ks[-1] - ks[0]
    if all(TICKS * (after - before) >= wide for before, after in pairwise(ks)):
        ax.set_xticks(ks)
    else:
        ax.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True, steps=[1, 2, 5, 10]))
    room = max(0.6, 0.1 * wide)
    ax.set_xlim(ks[0] - room, ks[-1] + room)
    ax.margins(y=0.22)
    ax.tick_params(which="both", labelsize=8, labelbottom=True)
    ax.yaxis.get_offset_text().set_fontsize(8)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", alpha=0.25, linewidth=0.6)


@dataclass(frozen=True)
class _Band:
    """The sorted silhouettes of a cluster, and where they are drawn."""

    size: int
    start: float
    stop: float
    values: np.ndarray

    @property
    def places(self) -> np.ndarray:
        return np.linspace(self.start, self.stop, len(self.values))

    @property
    def middle(self) -> float:
        return (self.start + self.stop) / 2


def _bands(profile: Profile) -> list[_Band]:
    """Return a band for each cluster, as high as it has rows, the first at the top."""
    bands, start, m = [], 0.0, len(profile.values)
    apart = m / (20 + 5 * profile.k)
    for cluster in range(profile.k):
        values = np.sort(profile.values[profile.labels == cluster])[::-1]
        size = len(values)
        # A row alone is an edge above and one below, as those of any band.
        lines = max(2, min(size, round(LINES * size / m)))
        chosen = np.linspace(0, size - 1, lines).round().astype(np.int64)
        shown = values[chosen] if size else np.zeros(lines)
        bands.append(_Band(size, start, start + size, shown))
        start += size + apart
    return bands


def _named(bands: list[_Band]) -> list[int]:
    """Return the clusters whose names find room, the larger ones first."""
    named: list[int] = []
    room = bands[-1].stop / NAMES
    for i in sorted(range(len(bands)), key=lambda i: -bands[i].size):
        if all(abs(bands[i].middle - bands[j].middle) >= room for j in named):
            named.append(i)
    return sorted(named)
