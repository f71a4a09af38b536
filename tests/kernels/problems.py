"""Hard problems: rows and centres on which every implementation of an operation must be right."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from kmeans_xp.kernels.shared.exact_sums import grids_for
from kmeans_xp.kernels.shared.prepared_centers import Origin, tied
from tests.data import blobs, cloud, some_rows


@dataclass(frozen=True)
class Problem:
    """Rows and centres, in float64 on the host.

    `of_float32` says whether float32 can hold them, and `everywhere` whether arrays of other
    libraries than NumPy's are tried with them too.
    """

    X: np.ndarray
    centers: np.ndarray
    of_float32: bool = True
    everywhere: bool = False
    # Whether rows are taken as they lie, however far from zero that is.
    about_zero: bool = False

    @property
    def k(self) -> int:
        return len(self.centers)

    @property
    def origin(self) -> np.ndarray:
        """A point amid the rows, or zero."""
        middle = self.X[len(self.X) // 2]
        return np.zeros_like(middle) if self.about_zero else middle

    def cast(self, dtype: type) -> "Problem":
        """The same in the given precision."""
        return replace(self, X=self.X.astype(dtype), centers=self.centers.astype(dtype))


def origin_of(X: np.ndarray, point: np.ndarray, weights: np.ndarray | None = None) -> Origin:
    """The point, with the grids of the sums of rows about it."""
    w = np.ones(len(X)) if weights is None else weights
    shifted = w[:, None] * np.abs(X.astype(np.float64) - point)
    largest = np.append(shifted.max(axis=0), w.max())
    return Origin(point, grids_for(largest, len(X)))


def correlated(n: int, d: int, seed: int = 0) -> np.ndarray:
    """Rows of which a few directions hold nearly everything."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) * 0.5 ** np.arange(d) @ rng.normal(size=(d, d))


def between(d: int, n: int = 400) -> np.ndarray:
    """Rows of which most are next to the middle between (-1, ..., -1) and (1, ..., 1)."""
    X = cloud(n, d)
    most = n * 3 // 4
    X[:most] -= X[:most].mean(axis=1, keepdims=True)
    X[:most] += (np.logspace(-10, -2, most) * (-1.0) ** np.arange(most))[:, None]
    return X


def zero_weights(n: int, seed: int = 1) -> np.ndarray:
    """Weights of which some are zero."""
    weights = np.random.default_rng(seed).uniform(0.1, 2, n)
    weights[:: n // 7 + 1] = 0
    return weights


def _outliers(far: float) -> Problem:
    X = cloud(400, 4)
    X[::90] *= far
    return Problem(X, X[80:100])


def _of(X: np.ndarray, k: int, *, everywhere: bool = False) -> Problem:
    return Problem(X, some_rows(X, k), everywhere=everywhere)


def _scaled(scale: float, *, of_float32: bool = True) -> Problem:
    X = cloud(300, 5) * scale
    return Problem(X, some_rows(X, 9), of_float32)


def _seen_once() -> Problem:
    """So many features and centres that projections pay for rows that are seen once."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(2100, 192)) * 0.8 ** np.arange(192)
    X = X @ np.linalg.qr(rng.normal(size=(192, 192)))[0]
    X[0], X[1] = X[2], (X[3] + X[4]) / 2
    return Problem(X, X[:130])


_LATTICE = np.random.default_rng(1).integers(-3, 4, (500, 2)).astype(float)
_EMPTY = np.concatenate([cloud(8, 4), np.full((1, 4), 1e3), np.full((1, 4), -1e4)])
PROBLEMS: dict[str, Problem] = {
    "a cloud": _of(cloud(400, 3), 9),
    "clusters": _of(blobs(500, 8, 7)[0], 7),
    "one cluster": _of(cloud(100, 3), 1),
    "two clusters": _of(cloud(300, 13), 2),
    "one feature": _of(cloud(400, 1), 17),
    "one row": _of(cloud(1, 4), 1),
    "as many clusters as rows": _of(cloud(30, 4), 30),
    "many features": _of(cloud(300, 70), 25),
    "few directions": _of(correlated(250, 60), 50),
    "many clusters": _of(cloud(1000, 3), 150),
    "many clusters of many features": _of(cloud(270, 40), 130),
    "few clusters of several features": _of(cloud(700, 24), 16),
    "ties": Problem(_LATTICE, _LATTICE[:20], everywhere=True),
    "many ties": Problem(_LATTICE, _LATTICE[:200]),
    "coinciding centres": Problem(_LATTICE, np.repeat(_LATTICE[:5], 3, axis=0)),
    "duplicates": _of(np.repeat(cloud(40, 3), 8, axis=0), 6),
    "more clusters than distinct rows": _of(np.repeat(cloud(5, 3), 20, axis=0), 12),
    "neighbours of other clusters": _of(np.tile(cloud(40, 2), (20, 1)), 9),
    "between two centres": Problem(between(3), np.array([[-1.0] * 3, [1.0] * 3])),
    "empty clusters": Problem(cloud(400, 4), _EMPTY),
    "far from zero": _of(cloud(400, 3) + 3e4, 9, everywhere=True),
    "tiny": _scaled(1e-19),
    "squares vanish": _scaled(1e-30),
    "huge": _scaled(1e17),
    "squares may overflow": _scaled(1e19),
    "squares overflow": _scaled(1e30),
    "below float32": _scaled(1e-60, of_float32=False),
    "beyond float32": _scaled(1e60, of_float32=False),
    "outliers": _outliers(1e9),
    "outliers whose squares overflow": _outliers(1e25),
}
# Too large for many iterations.
SEEN_ONCE = {"seen once": _seen_once()}

LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "by column": np.asfortranarray,
    "every other row": lambda X: np.repeat(X, 2, axis=0)[::2],
    "backwards": lambda X: np.ascontiguousarray(X[::-1, ::-1])[::-1, ::-1],
    "other byte order": lambda X: X.astype(X.dtype.newbyteorder()),
    "misaligned and read-only": lambda X: (
        np.frombuffer(b"\0" + X.tobytes(), np.uint8)[1:].view(X.dtype).reshape(X.shape)
    ),
}


def squares_of(X: np.ndarray, C: np.ndarray) -> np.ndarray:
    """Squared distances to every centre in extended precision, (n, k)."""
    pairs = zip(X.astype(np.longdouble).T, C.astype(np.longdouble).T, strict=True)
    return sum((x[:, None] - c) ** 2 for x, c in pairs)


def labels_of(squares: np.ndarray, d: int) -> np.ndarray:
    """The lowest index of those centres that count as nearest."""
    return (squares <= squares.min(axis=1, keepdims=True) * tied(d)).argmax(axis=1)


def nearest_to(X: np.ndarray, C: np.ndarray) -> np.ndarray:
    """The nearest centre of each row, by extended precision."""
    return labels_of(squares_of(X, C), X.shape[1])
