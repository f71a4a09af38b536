"""Rows of few features, sixteen at a time. Imported only where Numba is."""
