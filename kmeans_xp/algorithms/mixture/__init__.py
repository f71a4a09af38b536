"""Soft k-means and Gaussian mixtures; `fit` and `soft` are the doors."""

from kmeans_xp.algorithms.old_paths import keep_old_names

keep_old_names(__name__)
