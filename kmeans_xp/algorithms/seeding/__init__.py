"""Where k-means starts from; `fit` is the door."""
