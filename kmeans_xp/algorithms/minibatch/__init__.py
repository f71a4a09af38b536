"""Mini-batch k-means; `fit` is the door."""

from kmeans_xp.algorithms.old_paths import keep_old_names

keep_old_names(__name__)
