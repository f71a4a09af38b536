"""Soft k-means and Gaussian mixtures; `fit` and `soft` are the doors."""
