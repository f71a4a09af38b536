"""The matrix product shortlists and never decides: its bounds hold, its labels are exact."""

from fractions import Fraction

import numpy as np
import pytest

from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba import nearest as numba_nearest
from kmeans_xp.kernels.numpy import nearest as numpy_nearest
from kmeans_xp.kernels.portable import nearest as portable_nearest
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters, prepare

KERNELS = pytest.mark.parametrize("kernel", ["numpy", "portable", "numba"], indirect=True)


@pytest.fixture
def kernel(request: pytest.FixtureRequest) -> object:
    if request.param == "numba" and not compiling.compile_all():
        pytest.skip("numba is not installed")
    return {"numpy": numpy_nearest, "portable": portable_nearest, "numba": numba_nearest}[
        request.param
    ]


def _exact_score(x: np.ndarray, c: np.ndarray, o: np.ndarray) -> Fraction:
    pairs = [[Fraction(float(v)) for v in row] for row in (x, c, o)]
    shifted = [[v - w for v, w in zip(p, pairs[2], strict=True)] for p in pairs[:2]]
    half = sum((v * v for v in shifted[1]), Fraction(0)) / 2
    return half - sum((a * b for a, b in zip(*shifted, strict=True)), Fraction(0))


def _bounds(X: np.ndarray, prepared: PreparedCenters) -> tuple[np.ndarray, np.ndarray]:
    shifted = X - prepared.origin
    norms = np.sqrt((shifted * shifted).sum(axis=1))
    rows = np.column_stack([shifted, norms, np.ones_like(norms)])
    lower = rows @ prepared.columns.T
    return lower, lower + norms[:, None] * prepared.slack[:, 0] + prepared.slack[:, 1]


@pytest.mark.parametrize("d", [1, 2, 7, 60])
@pytest.mark.parametrize("scale", [1.0, 1e-17, 1e17, 1e-22])
@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_the_bounds_hold_in_exact_arithmetic(d: int, scale: float, offset: float) -> None:
    rng = np.random.default_rng(d)
    X = (scale * (rng.normal(size=(8, d)) + offset)).astype(np.float32)
    C = (scale * (rng.normal(size=(5, d)) * 10.0 ** rng.integers(-3, 3, (5, 1)) + offset)).astype(
        np.float32
    )
    prepared = prepare(C)
    lower, upper = _bounds(X, prepared)
    for i, x in enumerate(X):
        for j, c in enumerate(C):
            exact = _exact_score(x, c, prepared.origin)
            assert Fraction(float(lower[i, j])) <= exact <= Fraction(float(upper[i, j]))


def _brute(X: np.ndarray, C: np.ndarray) -> np.ndarray:
    """Nearest centres by direct differences in double, the lowest index of equals."""
    return np.stack([((X.astype(float) - c) ** 2).sum(1) for c in C.astype(float)]).argmin(0)


@KERNELS
@pytest.mark.parametrize("k", [1, 2, 127, 128, 129, 300])
@pytest.mark.parametrize("d", [1, 3, 23, 24, 40])
def test_labels_are_those_of_a_brute_force(kernel: object, k: int, d: int) -> None:
    rng = np.random.default_rng(k * d)
    X = rng.normal(size=(700, d)).astype(np.float32)
    C = rng.normal(size=(k, d)).astype(np.float32)
    np.testing.assert_array_equal(kernel.labels(X, prepare(C)), _brute(X, C))


@KERNELS
@pytest.mark.parametrize("k", [6, 200])
def test_ties_take_the_lowest_index(kernel: object, k: int) -> None:
    rng = np.random.default_rng(0)
    # A small grid of integers: many rows lie exactly between centres, many centres coincide.
    X = rng.integers(-3, 4, (500, 2)).astype(np.float32)
    C = rng.integers(-3, 4, (k, 2)).astype(np.float32)
    np.testing.assert_array_equal(kernel.labels(X, prepare(C)), _brute(X, C))


@KERNELS
@pytest.mark.parametrize("k", [8, 150])
@pytest.mark.parametrize(
    ("scale", "offset", "outlier"),
    [
        (1, 3e4, 0),  # so far off that the spread is a few thousand units in the last place
        (1e-4, 1, 0),
        (1, 0, 1e30),  # one centre whose square overflows
        (1e25, 0, 0),  # every square overflows
        (1e-25, 0, 0),  # every square vanishes
        (1e38, 0, 0),
    ],
)
def test_labels_are_exact_on_extreme_data(
    kernel: object, k: int, scale: float, offset: float, outlier: float
) -> None:
    rng = np.random.default_rng(1)
    X = (scale * rng.random((300, 3)) + offset).astype(np.float32)
    C = (scale * rng.random((k, 3)) + offset).astype(np.float32)
    if outlier:
        C[2] = outlier
        X[7] = outlier
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(kernel.labels(X, prepare(C)), _brute(X, C))


def test_well_separated_rows_are_certain(monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificate is no idle one: usual data never needs direct differences."""
    rng = np.random.default_rng(0)
    C = rng.normal(size=(20, 5)).astype(np.float32) * 100
    X = (C[rng.integers(0, 20, 1000)] + rng.normal(size=(1000, 5))).astype(np.float32)
    monkeypatch.setattr(numpy_nearest, "_nearest_candidates", None)
    np.testing.assert_array_equal(numpy_nearest.labels(X, prepare(C)), _brute(X, C))


@KERNELS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_distances_are_accurate_and_zero_at_a_centre(kernel: object, dtype: type) -> None:
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(200, 4)) + 1000).astype(dtype)
    C = X[:9]
    found = kernel.distances(X, prepare(C), np.float64)
    wide = X.astype(float)
    wanted = ((wide[:, None] - wide[None, :9]) ** 2).sum(2)
    np.testing.assert_allclose(found, wanted, rtol=0.05 if dtype == np.float32 else 1e-9)
    assert (found[np.arange(9), np.arange(9)] == 0).all()


@pytest.mark.parametrize("d", [1, 3, 4, 50])
@pytest.mark.parametrize("weighted", [False, True])
def test_sums_and_counts_agree_with_the_specification(d: int, weighted: bool) -> None:
    rng = np.random.default_rng(d)
    X = rng.normal(size=(400, d)).astype(np.float32) + 100
    prepared = prepare(X[:11])
    labels = numpy_nearest.labels(X, prepared)
    weights = rng.random(400) if weighted else None
    ours = numpy_nearest.sum_by_label(X, labels, weights, prepared)
    spec = portable_nearest.sum_by_label(X, labels, weights, prepared)
    np.testing.assert_allclose(ours[0], spec[0], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(ours[1], spec[1], rtol=1e-12)
    np.testing.assert_array_equal(
        numpy_nearest.count(labels, 11), portable_nearest.count(labels, 11)
    )
