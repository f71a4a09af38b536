"""Lloyd's algorithm at its plainest, in float64 on the host: what the suite compares with."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Lloyd:
    """Where the plain algorithm ends, and how safely it got there."""

    centers: np.ndarray
    labels: np.ndarray
    inertia: float
    n_iter: int
    converged: bool
    history: tuple[float, ...]
    emptied: bool
    gap: float

    @property
    def robust(self) -> bool:
        """No decision was so close that rounding could turn it, and no cluster ran empty."""
        return self.gap > 1e-9 and not self.emptied


def squared_distances(X: np.ndarray, centers: np.ndarray) -> np.ndarray:
    X, centers = np.asarray(X, dtype=np.float64), np.asarray(centers, dtype=np.float64)
    return np.stack([np.sum((X - c) ** 2, axis=1) for c in centers], axis=1)


def nearest(X: np.ndarray, centers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    d2 = squared_distances(X, centers)
    return np.argmin(d2, axis=1), np.min(d2, axis=1)


def regret(X: np.ndarray, centers: np.ndarray, labels: np.ndarray) -> float:
    """By how much, at most, a label's squared distance exceeds the least one."""
    d2 = squared_distances(X, centers)
    return float(np.max(d2[np.arange(len(d2)), labels] - np.min(d2, axis=1)))


def cost(
    X: np.ndarray, centers: np.ndarray, labels: np.ndarray, w: np.ndarray | None = None
) -> float:
    X, centers = np.asarray(X, dtype=np.float64), np.asarray(centers, dtype=np.float64)
    per_row = np.sum((X - centers[labels]) ** 2, axis=1)
    return float(np.sum(per_row if w is None else w * per_row))


def _gap(d2: np.ndarray) -> float:
    """The closest call between a nearest and a second nearest centre, in relative terms."""
    if d2.shape[1] == 1:
        return 1.0
    two = np.partition(d2, 1, axis=1)[:, :2]
    return float(np.min((two[:, 1] - two[:, 0]) / (np.max(d2) or 1.0)))


def lloyd(
    X: np.ndarray,
    centers: np.ndarray,
    w: np.ndarray | None = None,
    *,
    max_iter: int = 300,
    tol: float = 1e-4,
) -> Lloyd:
    X, centers = np.asarray(X, dtype=np.float64), np.array(centers, dtype=np.float64)
    w = np.ones(len(X)) if w is None else np.asarray(w, dtype=np.float64)
    mean = np.average(X, axis=0, weights=w)
    limit = tol * np.mean(np.average((X - mean) ** 2, axis=0, weights=w))
    labels, history, emptied, converged, gap = None, [], False, False, 1.0
    for _ in range(max_iter):
        d2 = squared_distances(X, centers)
        previous, labels = labels, np.argmin(d2, axis=1)
        gap = min(gap, _gap(d2[w > 0]))
        history.append(float(np.sum(w * np.min(d2, axis=1))))
        weight = np.bincount(labels, weights=w, minlength=len(centers))
        emptied = emptied or not np.all(weight)
        sums = np.stack([np.sum(w[labels == j, None] * X[labels == j], axis=0)
                         for j in range(len(centers))])  # fmt: skip
        old, safe = centers, np.where(weight, weight, 1.0)[:, None]
        centers = np.where(weight[:, None] > 0, sums / safe, old)
        same = previous is not None and bool(np.all(labels == previous))
        if same or float(np.sum((centers - old) ** 2)) <= limit:
            converged = True
            break
    labels, d2 = nearest(X, centers)
    gap = min(gap, _gap(squared_distances(X, centers)[w > 0]))
    inertia = float(np.sum(w * d2))
    return Lloyd(centers, labels, inertia, len(history), converged, tuple(history), emptied, gap)


def best_swap(
    distances: np.ndarray, w: np.ndarray, medoids: list[int], candidate: int
) -> tuple[float, int]:
    """How the best swap of a candidate changes the loss, and whose place it is, by definition.

    `distances`, (n, m), are those of all rows to the rows that judge.
    """
    losses = [
        float(w @ distances[[candidate, *np.delete(medoids, j)]].min(axis=0))
        for j in range(len(medoids))
    ]
    least = min(losses)
    place = next(j for j, loss in enumerate(losses) if loss <= least + 1e-9 * max(least, 1.0))
    return least - float(w @ distances[medoids].min(axis=0)), place


def nearest_rows(X: np.ndarray, Y: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The nearest k rows of Y to each row of X, the lowest first of equals; squared distances."""
    squares = ((X[:, None, :].astype(float) - Y[None, :, :].astype(float)) ** 2).sum(axis=2)
    order = np.argsort(squares, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(squares, order, axis=1)
