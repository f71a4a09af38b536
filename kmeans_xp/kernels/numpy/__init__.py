"""Operations tuned with NumPy and SciPy; `benchmarks/NOTES.md` has the fits behind constants."""
