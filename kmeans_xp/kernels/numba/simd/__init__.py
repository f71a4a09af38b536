"""Vectors of sixteen numbers, and what compiled code does with them: see README.md.

Imported only where Numba is.
"""
