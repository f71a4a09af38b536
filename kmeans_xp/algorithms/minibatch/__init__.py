"""Mini-batch k-means; `fit` is the door."""
