"""A fit from a start has the same bits from every engine, backend and source of rows."""

from pathlib import Path

import dask.array as da
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from kmeans_xp import KMeans, kmeans
from kmeans_xp.kernels.choose.lloyd import BOUND_METHODS
from kmeans_xp.kernels.numba import compiling
from tests.backends import Backend
from tests.data import cloud

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
METHODS = [m.name for m in BOUND_METHODS if m.group is None or compiling.installed()]


def _rows(kind: str, n: int, d: int) -> np.ndarray:
    rng, X = np.random.default_rng(d), cloud(n, d)
    return {
        "a cloud": lambda: X,
        "a lattice": lambda: np.round(2 * X),
        "heavy tails": lambda: X * np.exp(3 * rng.normal(size=(n, 1))),
        "far away": lambda: X + 1e5,
        "tiny": lambda: X * 1e-30,
        "of many scales": lambda: X * 10.0 ** rng.integers(-6, 7, size=d),
        "duplicates": lambda: np.repeat(X[: n // 5], 5, axis=0),
    }[kind]()


KINDS = ("a cloud", "a lattice", "heavy tails", "far away", "tiny", "of many scales", "duplicates")


def _problem(kind: str, dtype: type, *, weighted: bool, d: int = 5) -> dict[str, np.ndarray]:
    rng, X = np.random.default_rng(3), _rows(kind, 600, d).astype(dtype)
    weights = rng.random(len(X)) * (rng.random(len(X)) > 0.1) if weighted else None
    return {"X": X, "init": X[rng.choice(len(X), 9, replace=False)], "sample_weight": weights}


def _same(result, expected, read=np.asarray) -> None:
    assert_array_equal(read(result.labels), expected.labels)
    assert_array_equal(read(result.centers), expected.centers)
    assert (result.inertia, result.n_iter) == (expected.inertia, expected.n_iter)


def _fit(X, init, sample_weight, **options):
    options = {"max_iter": 40, "n_init": 1} | options
    return kmeans(X, init.shape[0], init=init, sample_weight=sample_weight, **options)


@dtypes
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_engines(kind: str, weighted: bool, dtype: type) -> None:
    for d in (2, 5, 40):
        problem = _problem(kind, dtype, weighted=weighted, d=d)
        expected = _fit(**problem, algorithm="portable")
        for method in METHODS:
            _same(_fit(**problem, algorithm=method), expected)


@dtypes
@pytest.mark.parametrize("kind", KINDS)
def test_backends(kind: str, backend: Backend, dtype: type) -> None:
    backend.need("float64")
    backend.need("products that round")
    problem = _problem(kind, dtype, weighted=True)
    expected = _fit(**problem)
    given = {name: backend.asarray(a, str(a.dtype)) for name, a in problem.items()}
    _same(_fit(**given), expected, backend.to_numpy)


@dtypes
@pytest.mark.parametrize("kind", KINDS)
def test_sources(kind: str, tmp_path: Path, dtype: type) -> None:
    problem = _problem(kind, dtype, weighted=True)
    expected = _fit(**problem)
    X = problem.pop("X")
    np.save(tmp_path / "rows.npy", X)
    _same(_fit(np.load(tmp_path / "rows.npy", mmap_mode="r"), **problem), expected)
    for chunks in ((100, 5), (37, 2), ((1, 599), 5)):
        _same(_fit(da.from_array(X, chunks=chunks), **problem), expected)


def test_several_starts_at_once_and_one_by_one() -> None:
    X = cloud(400, 3)
    at_once = kmeans(X, 4, n_init=5, rng=0)
    one_by_one = kmeans(X, 4, n_init=5, rng=0, callback=lambda _: False)
    assert at_once.kernel != one_by_one.kernel
    _same(at_once, one_by_one)


def test_rows_without_weight_take_no_digits() -> None:
    X = cloud(300, 3)
    far = np.concatenate([X, np.full((1, 3), 1e100)])
    weights = np.append(np.ones(300), 0.0)
    options = {"init": X[:5], "n_init": 1}
    found, expected = kmeans(far, 5, sample_weight=weights, **options), kmeans(X, 5, **options)
    np.testing.assert_allclose(found.centers, expected.centers, rtol=1e-14)


@dtypes
def test_a_mean_of_equal_rows_is_that_row(dtype: type) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(30, 4)).astype(dtype)
    X = np.repeat(rows, rng.integers(1, 40, 30), axis=0)
    found = KMeans(30, init=rows, n_init=1).fit(X)
    assert_array_equal(found.cluster_centers_, rows)
    assert found.inertia_ == 0
