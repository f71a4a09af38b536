"""Pictures of a clustering: rows on two principal components, an image in its k colours, a choice
of k.

Matplotlib comes with the ``plot`` extra and is imported when a picture is drawn.
"""

from kmeans_xp.plotting.choice import plot_choice_of_k, plot_silhouettes
from kmeans_xp.plotting.clusters import plot_clusters
from kmeans_xp.plotting.colors import cluster_colors
from kmeans_xp.plotting.palette import plot_palette

__all__ = [
    "cluster_colors",
    "plot_choice_of_k",
    "plot_clusters",
    "plot_palette",
    "plot_silhouettes",
]
