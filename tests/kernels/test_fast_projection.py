"""Labels of rows that are seen once: projections leave few centres, and never decide."""

import numpy as np
import pytest

from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba import nearest as numba_nearest
from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters, prepare

numba = pytest.importorskip("numba")
from kmeans_xp.kernels.numba.high_d.projection import _Prediction  # noqa: E402

N, D, K = 2100, 192, 130


@pytest.fixture(autouse=True)
def _compiled() -> None:
    assert compiling.compile_all()


def _few_directions() -> np.ndarray:
    rng = np.random.default_rng(3)
    return rng.normal(size=(N, D)) * 0.8 ** np.arange(D) @ np.linalg.qr(rng.normal(size=(D, D)))[0]


def _brute(X: np.ndarray, C: np.ndarray) -> np.ndarray:
    return np.stack([((X.astype(float) - c) ** 2).sum(1) for c in C.astype(float)]).argmin(0)


def _labels(X: np.ndarray, C: np.ndarray) -> tuple[np.ndarray, PreparedCenters]:
    prepared = prepare(C)
    with np.errstate(all="ignore"):
        return numba_nearest.labels(X, prepared), prepared


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [K, 160, 201])
@pytest.mark.parametrize(("scale", "offset"), [(1, 0), (1, 300), (1e-21, 0), (1e-30, 0), (1e18, 0)])
def test_labels_are_those_of_a_brute_force(
    dtype: type, k: int, scale: float, offset: float
) -> None:
    X = (scale * _few_directions() + offset).astype(dtype)
    C = X[:: N // k][:k] + X[1 :: N // k][:k] / 64
    np.testing.assert_array_equal(_labels(X, C)[0], _brute(X, C))


def test_of_equals_the_lowest_is_taken() -> None:
    X = np.round(_few_directions() * 4).astype(np.float32) / 4
    C = np.tile(X[:65], (2, 1))
    X[65:900] = (X[1] + X[2]) / 2
    np.testing.assert_array_equal(_labels(X, C)[0], _brute(X, C))


def test_centres_may_lie_in_any_order() -> None:
    X = _few_directions()
    C = np.asfortranarray(X[:K])
    C.flags.writeable = False
    np.testing.assert_array_equal(_labels(X, C)[0], _brute(X, C))


def test_rows_and_centres_that_overflow_are_left() -> None:
    X = _few_directions().astype(np.float32)
    X[7], X[9, 3] = 1e30, 3e38
    C = X[:K].copy()
    np.testing.assert_array_equal(_labels(X, C)[0], _brute(X, C))


def test_nothing_is_projected_where_it_excludes_nothing() -> None:
    X = np.random.default_rng(0).normal(size=(N, D)).astype(np.float32)
    found, prepared = _labels(X, X[:K])
    np.testing.assert_array_equal(found, _brute(X, X[:K]))
    assert not prepared.derive(_Prediction).pays
    X = _few_directions().astype(np.float32)
    assert _labels(X, X[:K])[1].derive(_Prediction).pays


@pytest.mark.parametrize("widest", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tiles_are_products_on_any_processor(
    monkeypatch: pytest.MonkeyPatch, widest: bool, dtype: type
) -> None:
    from kmeans_xp.kernels.numba.simd import float_tiles

    monkeypatch.setattr(compiling, "widest_vectors", lambda: widest)
    tile, rng = float_tiles.product_tile, np.random.default_rng(0)
    rows, centers = (rng.integers(-9, 9, (m, 7)).astype(dtype) for m in (float_tiles.ROWS, 40))
    out = np.empty((float_tiles.ROWS, 64), dtype)

    @numba.njit
    def products(rows: np.ndarray, panels: np.ndarray, out: np.ndarray) -> None:
        for panel in range(len(panels)):
            tile(rows, panels, panel, out, panel * 32)

    products(rows, float_tiles.panels_of(centers), out)
    np.testing.assert_array_equal(out[:, :40], rows @ centers.T)
    np.testing.assert_array_equal(out[:, 40:], 0)
