"""Vectors of sixteen numbers, and what is done with them. Imported only where Numba is."""
