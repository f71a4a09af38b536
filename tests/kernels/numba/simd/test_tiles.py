"""Tiles are products whatever vectors and instructions the processor has."""

import numpy as np
import pytest

from kmeans_xp.kernels.numba import compiling

numba = pytest.importorskip("numba")

from kmeans_xp.kernels.numba.high_d.quantised_rows import lay_out_tiles  # noqa: E402
from kmeans_xp.kernels.numba.simd import byte_tiles, float_tiles  # noqa: E402


@pytest.mark.parametrize("widest", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_float_tiles_are_products(monkeypatch, widest, dtype):
    monkeypatch.setattr(compiling, "widest_vectors", lambda: widest)
    tile, rng = float_tiles.product_tile, np.random.default_rng(0)
    rows, centers = (rng.integers(-9, 9, (m, 7)).astype(dtype) for m in (float_tiles.ROWS, 40))
    out = np.empty((float_tiles.ROWS, 64), dtype)

    @numba.njit
    def products(rows, panels, out):
        for panel in range(len(panels)):
            tile(rows, panels, panel, out, panel * 32)

    products(rows, float_tiles.panels_of(centers), out)
    np.testing.assert_array_equal(out[:, :40], rows @ centers.T)
    np.testing.assert_array_equal(out[:, 40:], 0)


@pytest.mark.parametrize("instruction", [False, True])
def test_byte_tiles_are_products(monkeypatch, instruction):
    if instruction and not compiling.byte_products():
        pytest.skip("the processor does not multiply bytes")
    monkeypatch.setattr(compiling, "byte_products", lambda: instruction)
    tile, rng = byte_tiles.byte_tile, np.random.default_rng(0)
    rows = rng.integers(-127, 128, (byte_tiles.ROWS, 12)).astype(np.int8)
    centers = rng.integers(-127, 128, (8, 12)).astype(np.int8)
    rows[0], centers[5], rows[1] = 127, -127, -127
    words, starts = rows.view(np.int32).copy(), np.arange(8, dtype=np.int32)
    starts -= 128 * centers.sum(axis=1, dtype=np.int32)
    lay_out_tiles(words)
    out = np.empty((8, byte_tiles.ROWS), np.float32)

    @numba.njit
    def products(rows, centers, starts, out):
        tile(rows, 0, centers, 0, starts, out)
        tile(rows, 0, centers, 4, starts, out)

    products(words.reshape(-1), centers.view(np.int32), starts, out)
    exact = centers.astype(np.int64) @ rows.T.astype(np.int64) + np.arange(8)[:, None]
    np.testing.assert_array_equal(out, exact)
