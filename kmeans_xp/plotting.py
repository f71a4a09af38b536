"""Pictures of a clustering: rows on two principal components, an image in its k colours.

Matplotlib comes with the ``plot`` extra and is imported when a picture is drawn.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kmeans_xp.arrays import Array, as_array, to_host
from kmeans_xp.rows import open_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["cluster_colors", "plot_clusters", "plot_palette"]

# Okabe and Ito's colours, which people with any colour vision can tell apart; their black
# is softened, so that it does not drown the others.
COLORS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#F0E442",
    "#555555",
)
INK = "#222222"

# More numbers than this would hide each other and the rows.
NUMBERED = 32
# A sample of wide rows is drawn from fewer of them, so that it stays small.
SAMPLE_VALUES = 1 << 24

SWATCHES_PER_ROW = 16
SWATCHES = 64


def cluster_colors(n_clusters: int, places: np.ndarray | None = None) -> list[str]:
    """Choose a colour for each cluster.

    Parameters
    ----------
    n_clusters : int
        How many. Up to eight clusters have colours of their own.
    places : ndarray of shape (n_clusters, 2), optional
        Where the clusters are drawn. With more than eight of them, clusters that share a
        colour are then as far apart as can be.

    Returns
    -------
    list of str
        Hexadecimal colours.

    Examples
    --------
    >>> from kmeans_xp.plotting import cluster_colors
    >>> cluster_colors(3)
    ['#0072B2', '#E69F00', '#009E73']
    """
    if places is None or n_clusters <= len(COLORS):
        return [COLORS[i % len(COLORS)] for i in range(n_clusters)]
    chosen: list[int] = []
    for i in range(n_clusters):
        apart = np.full(len(COLORS), np.inf)
        for j, color in enumerate(chosen):
            apart[color] = min(apart[color], float(np.sum((places[i] - places[j]) ** 2)))
        chosen.append(int(np.argmax(apart)))
    return [COLORS[color] for color in chosen]


def plot_clusters(
    X: Array,
    labels: Array,
    centers: Array | None = None,
    *,
    ax: "Axes | None" = None,
    feature_names: Sequence[str] | None = None,
    max_points: int = 20_000,
    rng: int | np.random.Generator | None = 0,
) -> "Axes":
    """Draw rows coloured by cluster, with the centres marked.

    One feature is drawn as a histogram and two as they are; more are projected on the two
    principal components of the rows that are drawn.

    Parameters
    ----------
    X : array of shape (n, d)
        The rows, in any array library, in memory, mapped from a file or in Dask.
    labels : array of shape (n,)
        Cluster of each row, from the same array library.
    centers : array of shape (k, d), optional
        Centres to mark.
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
    rows, numbers = _sample(X, labels, max_points, rng)
    names = _names(feature_names, rows.shape[1])
    middle = None if centers is None else _centers(centers, rows.shape[1])
    ax = _pyplot().figure(figsize=(8, 6), layout="constrained").add_subplot() if ax is None else ax
    count = int(numbers.max()) + 1 if middle is None else len(middle)
    if rows.shape[1] == 1:
        _histogram(ax, rows[:, 0], numbers, None if middle is None else middle[:, 0], count)
        ax.set_xlabel(names[0])
    else:
        places, middle_places, axis_names = _project(rows, middle, names)
        _scatter(ax, places, numbers, middle_places, count)
        ax.set_xlabel(axis_names[0])
        ax.set_ylabel(axis_names[1])
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def plot_palette(
    image: Array, labels: Array, centers: Array, *, figure: "Figure | None" = None
) -> "Figure":
    """Draw an image beside itself in its k colours, with the palette below.

    Parameters
    ----------
    image : array of shape (height, width, 3)
        Red, green and blue, from 0 to 1, or integers from 0 to 255.
    labels : array of shape (height, width) or (height * width,)
        Cluster of each pixel.
    centers : array of shape (k, 3)
        The colours, on the image's scale.
    figure : matplotlib.figure.Figure, optional
        Where to draw; by default a new figure of pyplot.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If shapes do not belong together.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from kmeans_xp.plotting import plot_palette
    >>> image = np.zeros((2, 2, 3))
    >>> image[0] = 1
    >>> figure = plot_palette(image, [1, 1, 0, 0], [[0, 0, 0], [1, 1, 1]], figure=Figure())
    >>> [text.get_text() for text in figure.axes[2].texts]
    ['50%', '#000000', '50%', '#ffffff']
    """
    pixels, numbers, colors = _image(image, labels, centers)
    height, width = numbers.shape
    shares = np.bincount(numbers.ravel(), minlength=len(colors)) / numbers.size
    figure = _pyplot().figure() if figure is None else figure
    lines = -(-min(len(colors), SWATCHES_PER_ROW * 4) // SWATCHES_PER_ROW)
    tall = float(np.clip(5.5 * height / width, 1.5, 7.0))
    low = 0.35 + 0.75 * lines
    figure.set_size_inches(11.5, tall + low + 0.6)
    figure.set_layout_engine("constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=[tall, low])
    shown = {"original": pixels, f"{len(colors)} colours": colors[numbers]}
    for place, (title, picture) in enumerate(shown.items()):
        ax = figure.add_subplot(grid[0, place])
        ax.imshow(picture)
        ax.set_title(title, color=INK)
        ax.set_axis_off()
    _palette(figure.add_subplot(grid[1, :]), colors, shares)
    return figure


def _pyplot() -> Any:
    try:
        from matplotlib import pyplot
    except ModuleNotFoundError as error:
        raise ImportError(
            f"plotting needs {error.name}, which is not installed: pip install 'kmeans_xp[plot]'"
        ) from error
    return pyplot


def _sample(
    X: Array, labels: Array, max_points: int, rng: int | np.random.Generator | None
) -> tuple[np.ndarray, np.ndarray]:
    """Fetch at most `max_points` rows and their labels, in random order."""
    source = open_rows(as_array(X, "X"))
    aligned = source.align(as_array(labels, "labels"), "labels")
    n, d = source.shape
    if tuple(aligned.shape) != (n,):
        raise ValueError(f"labels must have shape ({n},), as X has rows, got {aligned.shape}.")
    few = max(1, min(n, max_points, max(1_000, SAMPLE_VALUES // d)))
    generator = np.random.default_rng(rng)
    # Drawn in this order, so that no cluster covers the others; fetched in the file's.
    order = generator.permutation(n)[:few] if n <= 10 * few else generator.choice(n, few, False)
    ordered = np.sort(order)
    rows = to_host(source.take(ordered.tolist())).astype(np.float64)
    numbers = source.pick(aligned, ordered.tolist()).astype(np.int64)
    mixed = generator.permutation(few)
    return rows[mixed], numbers[mixed]


def _names(names: Sequence[str] | None, d: int) -> list[str]:
    if names is None:
        return [f"feature {i}" for i in range(d)]
    if len(names) != d:
        raise ValueError(f"feature_names must name {d} features, as X has, got {len(names)}.")
    return list(names)


def _centers(centers: Array, d: int) -> np.ndarray:
    values = to_host(as_array(centers, "centers")).astype(np.float64)
    if values.ndim != 2 or values.shape[1] != d:
        raise ValueError(f"centers must have shape (k, {d}), as X has, got {values.shape}.")
    return values


def _project(
    rows: np.ndarray, centers: np.ndarray | None, names: list[str]
) -> tuple[np.ndarray, np.ndarray | None, list[str]]:
    """Put rows and centres on two axes, and name these."""
    if rows.shape[1] == 2 or len(rows) < 2 or not np.ptp(rows, axis=0).any():
        return rows[:, :2], None if centers is None else centers[:, :2], names[:2]
    from sklearn.decomposition import PCA

    pca = PCA(n_components=2, random_state=0).fit(rows)
    titles = [
        f"{which} principal component ({share:.0%} of the variance)"
        for which, share in zip(("first", "second"), pca.explained_variance_ratio_, strict=True)
    ]
    return pca.transform(rows), None if centers is None else pca.transform(centers), titles


def _scatter(
    ax: "Axes", places: np.ndarray, numbers: np.ndarray, centers: np.ndarray | None, k: int
) -> None:
    colors = np.array(cluster_colors(k, centers))
    size = float(np.clip(6_000 / len(places), 3, 28))
    ax.scatter(*places.T, s=size, c=colors[numbers], alpha=0.75, linewidths=0, rasterized=True)
    if centers is None:
        return
    numbered = len(centers) <= NUMBERED
    ax.scatter(
        *centers.T,
        s=190 if numbered else 26,
        c="white" if numbered else INK,
        edgecolors=INK if numbered else "white",
        linewidths=1.2,
        zorder=3,
    )
    for number, place in enumerate(centers if numbered else ()):
        ax.annotate(str(number), place, ha="center", va="center", fontsize=8, color=INK, zorder=4)


def _histogram(
    ax: "Axes", values: np.ndarray, numbers: np.ndarray, centers: np.ndarray | None, k: int
) -> None:
    parts = [values[numbers == i] for i in range(k)]
    bins = int(np.clip(np.sqrt(len(values)), 10, 80))
    ax.hist(parts, bins=bins, stacked=True, color=cluster_colors(k))
    ax.set_ylabel("rows")
    for number, center in enumerate(() if centers is None else centers):
        ax.axvline(center, color=INK, linewidth=1, linestyle="--")
        if k <= NUMBERED:
            top = ax.get_xaxis_transform()
            ax.text(center, 1.01, str(number), transform=top, ha="center", color=INK)


def _image(image: Array, labels: Array, centers: Array) -> tuple[np.ndarray, ...]:
    pixels = to_host(as_array(image, "image"))
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"image must have shape (height, width, 3), got {pixels.shape}.")
    numbers = to_host(as_array(labels, "labels"))
    if numbers.size != pixels.shape[0] * pixels.shape[1]:
        raise ValueError(
            f"labels must be one for each of the image's {pixels.shape[0]} x "
            f"{pixels.shape[1]} pixels, got {numbers.size}."
        )
    full = 255.0 if pixels.dtype.kind in "iu" else 1.0
    colors = np.clip(_centers(centers, 3) / full, 0, 1)
    return np.clip(pixels / full, 0, 1), numbers.reshape(pixels.shape[:2]), colors


def _palette(ax: "Axes", colors: np.ndarray, shares: np.ndarray) -> None:
    """Draw swatches, the commonest first: with their shares, or as wide as their shares."""
    from matplotlib.patches import Rectangle

    ax.set_axis_off()
    order = np.argsort(-shares, kind="stable")
    if len(colors) > SWATCHES:
        edges = np.concatenate([[0.0], np.cumsum(shares[order])])
        for place, i in enumerate(order):
            ax.add_patch(Rectangle((edges[place], 0), shares[i], 1, color=colors[i]))
        ax.set(xlim=(0, 1), ylim=(0, 1))
        return
    across = min(len(colors), SWATCHES_PER_ROW)
    lines = -(-len(colors) // across)
    for place, i in enumerate(order):
        line, column = divmod(place, across)
        ax.add_patch(
            Rectangle((column + 0.05, -line), 0.9, 0.55, facecolor=colors[i], edgecolor="#cccccc")
        )
        texts = {-0.08: f"{shares[i]:.0%}" if shares[i] >= 0.01 else "<1%"}
        texts[-0.26] = "#" + "".join(f"{round(c * 255):02x}" for c in colors[i])
        for drop, text in texts.items():
            at = (column + 0.5, drop - line)
            ax.text(*at, text, ha="center", va="top", fontsize=8, color=INK)
    ax.set(xlim=(0, across), ylim=(-lines + 0.5, 0.6))
