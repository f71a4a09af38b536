"""Rows coloured by cluster, with the centres marked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kmeans_xp.arrays import Array, as_array, to_host
from kmeans_xp.plotting.colors import INK, cluster_colors, mixed_colors
from kmeans_xp.plotting.common import host_centers, pyplot
from kmeans_xp.plotting.spread import draw_bands, draw_ellipses, host_covariances
from kmeans_xp.rows import open_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# More numbers than this would hide each other and the rows.
NUMBERED = 32
# A sample of wide rows is drawn from fewer of them, so that it stays small.
SAMPLE_VALUES = 1 << 24


def plot_clusters(
    X: Array,
    labels: Array,
    centers: Array | None = None,
    *,
    covariances: Array | None = None,
    ax: "Axes | None" = None,
    feature_names: Sequence[str] | None = None,
    max_points: int = 20_000,
    rng: int | np.random.Generator | None = 0,
) -> "Axes":
    """Draw rows coloured by cluster, with the centres and covariances marked.

    One feature is drawn as a histogram and two as they are; more are projected on the two
    principal components of the rows that are drawn.

    Parameters
    ----------
    X : array of shape (n, d)
        The rows, in any array library, in memory, mapped from a file or in Dask.
    labels : array of shape (n,) or (n, k)
        Cluster of each row, from the same array library; or how much of the row belongs to each
        of k clusters, and their colours are mixed.
    centers : array of shape (k, d), optional
        Centres to mark.
    covariances : array of shape (k, d, d) or (k, d), optional
        Covariances about the centres, or variances alone, drawn as ellipses of one and two
        standard deviations; of one feature, as bands of one.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure of pyplot.
    feature_names : sequence of str, optional
        Names of the features, for the axes.
    max_points : int
        Of more rows than this a random sample is drawn, and only it is fetched.
    rng : int, numpy.random.Generator or None
        Draws the sample.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If shapes do not belong together.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from sklearn.datasets import load_iris
    >>> from kmeans_xp.plotting import plot_clusters
    >>> iris = load_iris()
    >>> ax = plot_clusters(iris.data, iris.target, ax=Figure().add_subplot())
    >>> ax.get_xlabel()
    'first principal component (92% of the variance)'
    """
    rows, members = _sample(X, labels, max_points, rng)
    names = _names(feature_names, rows.shape[1])
    marks = _marks(centers, covariances, members, rows.shape[1])
    ax = pyplot().figure(figsize=(8, 6), layout="constrained").add_subplot() if ax is None else ax
    if rows.shape[1] == 1:
        _histogram(ax, rows[:, 0], members, marks)
        ax.set_xlabel(names[0])
    else:
        plane = _plane(rows, names)
        _scatter(ax, plane.project(rows), members, marks.on(plane))
        ax.set_xlabel(plane.names[0])
        ax.set_ylabel(plane.names[1])
    ax.spines[["top", "right"]].set_visible(False)
    return ax


@dataclass(frozen=True)
class _Plane:
    """Two axes that rows are drawn on."""

    origin: np.ndarray
    axes: np.ndarray
    names: list[str]

    def project(self, rows: np.ndarray) -> np.ndarray:
        return (rows - self.origin) @ self.axes.T

    def project_spread(self, spread: np.ndarray) -> np.ndarray:
        along = self.axes * spread[:, None, :] if spread.ndim == 2 else self.axes @ spread
        return along @ self.axes.T


@dataclass(frozen=True)
class _Marks:
    """How many clusters there are, and perhaps where and how wide."""

    count: int
    centers: np.ndarray | None
    covariances: np.ndarray | None

    def on(self, plane: _Plane) -> "_Marks":
        """Return the marks on a plane."""
        centers, wide = self.centers, self.covariances
        return _Marks(
            self.count,
            None if centers is None else plane.project(centers),
            None if wide is None else plane.project_spread(wide),
        )


def _marks(centers: Array | None, covariances: Array | None, members: np.ndarray, d: int) -> _Marks:
    middle = None if centers is None else host_centers(centers, d)
    wide = members.shape[1] if members.ndim == 2 else None
    if middle is None and covariances is not None:
        raise ValueError("covariances need the centers that they are about. Pass both.")
    if middle is not None and wide not in (None, len(middle)):
        raise ValueError(
            f"labels must have a column for each of {len(middle)} centers, got {wide}."
        )
    if middle is None:
        return _Marks(wide or int(members.max()) + 1, None, None)
    spread = None if covariances is None else host_covariances(covariances, *middle.shape)
    return _Marks(len(middle), middle, spread)


def _sample(
    X: Array, labels: Array, max_points: int, rng: int | np.random.Generator | None
) -> tuple[np.ndarray, np.ndarray]:
    """Fetch at most `max_points` rows and their labels or shares, in random order."""
    source = open_rows(as_array(X, "X"))
    aligned = source.align(as_array(labels, "labels"), "labels")
    n, d = source.shape
    if len(aligned.shape) not in (1, 2) or aligned.shape[0] != n:
        raise ValueError(
            f"labels must have shape ({n},) or ({n}, k), as X has rows, got {aligned.shape}."
        )
    few = max(1, min(n, max_points, max(1_000, SAMPLE_VALUES // d)))
    generator = np.random.default_rng(rng)
    # Drawn in this order, so that no cluster covers the others; fetched in the file's.
    order = generator.permutation(n)[:few] if n <= 10 * few else generator.choice(n, few, False)
    ordered = np.sort(order)
    rows = to_host(source.take(ordered.tolist())).astype(np.float64)
    members = source.pick(aligned, ordered.tolist())
    members = members.astype(np.int64 if members.ndim == 1 else np.float64)
    mixed = generator.permutation(few)
    return rows[mixed], members[mixed]


def _names(names: Sequence[str] | None, d: int) -> list[str]:
    if names is None:
        return [f"feature {i}" for i in range(d)]
    if len(names) != d:
        raise ValueError(f"feature_names must name {d} features, as X has, got {len(names)}.")
    return list(names)


def _plane(rows: np.ndarray, names: list[str]) -> _Plane:
    """Choose two axes, and name these."""
    d = rows.shape[1]
    if d == 2 or len(rows) < 2 or not np.ptp(rows, axis=0).any():
        return _Plane(np.zeros(d), np.eye(2, d), names[:2])
    from sklearn.decomposition import PCA

    pca = PCA(n_components=2, random_state=0).fit(rows)
    titles = [
        f"{which} principal component ({share:.0%} of the variance)"
        for which, share in zip(("first", "second"), pca.explained_variance_ratio_, strict=True)
    ]
    return _Plane(pca.mean_, pca.components_, titles)


def _scatter(ax: "Axes", places: np.ndarray, members: np.ndarray, marks: _Marks) -> None:
    centers = marks.centers
    colors = cluster_colors(marks.count, centers)
    size = float(np.clip(400 / np.sqrt(len(places)), 3, 28))
    shades = mixed_colors(colors, members)
    ax.scatter(
        places[:, 0], places[:, 1], s=size, c=shades, alpha=0.75, linewidths=0, rasterized=True
    )
    if centers is None:
        return
    if marks.covariances is not None:
        draw_ellipses(ax, centers, marks.covariances, colors)
    numbered = len(centers) <= NUMBERED
    ax.scatter(
        centers[:, 0],
        centers[:, 1],
        s=190 if numbered else 26,
        c=colors if numbered else INK,
        edgecolors=INK if numbered else "white",
        linewidths=1.2,
        zorder=3,
    )
    for number, place in enumerate(centers if numbered else ()):
        _number(ax, number, place, colors[number])


def _histogram(ax: "Axes", values: np.ndarray, members: np.ndarray, marks: _Marks) -> None:
    k, centers = marks.count, marks.centers
    colors = cluster_colors(k)
    shared = members.ndim == 2
    parts = [values if shared else values[members == i] for i in range(k)]
    weights = list(members.T) if shared else None
    bins = int(np.clip(2 * np.sqrt(len(values)), 10, 80))
    ax.hist(parts, bins=bins, weights=weights, stacked=True, color=colors)
    ax.set_ylabel("rows")
    ax.margins(y=0.1)
    centers = np.zeros(0) if centers is None else centers[:, 0]
    if marks.covariances is not None:
        draw_bands(ax, centers, marks.covariances.reshape(k), colors)
    for number, center in enumerate(centers):
        ax.axvline(center, color=INK, linewidth=1, linestyle="--")
        if k <= NUMBERED:
            box = {"boxstyle": "circle,pad=0.25", "fc": colors[number], "ec": INK}
            _number(ax, number, (center, 0.96), colors[number], box)


def _number(
    ax: "Axes", number: int, place: Any, color: str, box: dict[str, Any] | None = None
) -> None:
    """Write a cluster's number at a centre, light on dark; in a box at the top of a line."""
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    dark = 0.299 * red + 0.587 * green + 0.114 * blue < 140
    ax.annotate(
        str(number),
        place,
        xycoords="data" if box is None else ax.get_xaxis_transform(),
        ha="center",
        va="center",
        fontsize=8,
        color="white" if dark else INK,
        bbox=box,
        zorder=4,
    )
