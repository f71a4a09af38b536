"""Operations tuned with NumPy and SciPy; `docs/performance.md` has the fits behind constants."""
