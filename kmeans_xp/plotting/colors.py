"""Colours for clusters."""

import numpy as np

# Okabe and Ito's colours, which people with any colour vision can tell apart. Their black is
# softened and their yellow darkened, so that neither drowns the others nor fades on white.
COLORS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#D6C62A",
    "#555555",
)
INK = "#222222"


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


def mixed_colors(colors: list[str], members: np.ndarray) -> np.ndarray:
    """Return the colour of each row as red, green and blue from 0 to 1, (n, 3).

    `members` holds its cluster, or the shares of clusters that it mixes.
    """
    rgb = np.array([[int(color[i : i + 2], 16) for i in (1, 3, 5)] for color in colors]) / 255
    return rgb[members] if members.ndim == 1 else np.clip(members @ rgb, 0, 1)
