"""Operations tuned with NumPy and SciPy. Knows nothing of Numba."""
