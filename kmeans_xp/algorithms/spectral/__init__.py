"""Spectral clustering; `fit` is the door."""
