"""Lloyd's algorithm; `fit` is the door."""
