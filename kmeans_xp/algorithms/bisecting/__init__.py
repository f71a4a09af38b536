"""Bisecting k-means; `fit` is the door."""
