"""Rows of many features, by products of tiles. Imported only where Numba is."""
