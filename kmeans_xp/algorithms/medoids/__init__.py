"""k-medoids; `fit` is the door."""
