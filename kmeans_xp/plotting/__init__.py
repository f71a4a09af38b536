"""Pictures of a clustering: rows on two principal components, an image in its k colours.

Matplotlib comes with the ``plot`` extra and is imported when a picture is drawn.
"""

from kmeans_xp.plotting.clusters import plot_clusters
from kmeans_xp.plotting.colors import cluster_colors
from kmeans_xp.plotting.palette import plot_palette

__all__ = ["cluster_colors", "plot_clusters", "plot_palette"]
