"""An image beside itself in its k colours."""

from typing import TYPE_CHECKING

import numpy as np

from kmeans_xp.arrays import Array, as_array, to_host
from kmeans_xp.plotting.colors import INK
from kmeans_xp.plotting.common import host_centers, pyplot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SWATCHES_PER_ROW = 16
SWATCHES = 64


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
    figure = pyplot().figure() if figure is None else figure
    lines = 1 if len(colors) > SWATCHES else -(-len(colors) // SWATCHES_PER_ROW)
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
    colors = np.clip(host_centers(centers, 3) / full, 0, 1)
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
