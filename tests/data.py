"""Small data sets of the suite, all made from a seed."""

import numpy as np


def blobs(
    n: int = 300, d: int = 3, k: int = 4, seed: int = 0, spread: float = 0.3
) -> tuple[np.ndarray, np.ndarray]:
    """Well-separated clusters of nearly equal size, rows shuffled, and their labels."""
    rng = np.random.default_rng(seed)
    corners = 10.0 * np.stack([np.cos(np.arange(k) + j) for j in range(d)], axis=1)
    corners += 12.0 * np.arange(k)[:, None]
    labels = rng.permutation(np.arange(n) % k)
    return corners[labels] + spread * rng.standard_normal((n, d)), labels


def cloud(n: int = 300, d: int = 3, seed: int = 0) -> np.ndarray:
    """Overlapping data: nothing to find, every boundary crowded."""
    return np.random.default_rng(seed).standard_normal((n, d))


def some_rows(X: np.ndarray, k: int, seed: int = 0) -> np.ndarray:
    """k different rows, to start from."""
    return X[np.random.default_rng(seed).permutation(len(X))[:k]].copy()


def same_partition(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two labellings are equal up to the names of the clusters."""
    pairs = set(zip(a.tolist(), b.tolist(), strict=True))
    return len(pairs) == len(set(a.tolist())) == len(set(b.tolist()))
