"""Quantised rows: what they exclude is excluded rightly, in seeds and in labels."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from kmeans_xp.kernels.choose import seeding as choose_seeding
from kmeans_xp.kernels.choose.seeding import Seeding, find_seeder
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.high_d.quantised import LloydCenters, advance
from kmeans_xp.kernels.numba.high_d.quantised_rows import (
    QuantisedCenters,
    QuantisedRows,
    lay_out_tiles,
    quantise,
)
from kmeans_xp.kernels.numba.high_d.seeding import QuantisedSeeder, bound_rows
from kmeans_xp.kernels.numba.simd.byte_tiles import CENTERS, ROWS, byte_tile
from kmeans_xp.kernels.numpy.seeding import SketchSeeder
from kmeans_xp.kernels.portable.seeding import RememberedPotential
from kmeans_xp.kernels.shared.prepared_centers import prepare
from kmeans_xp.kernels.shared.quantised import candidate_share
from kmeans_xp.rows.numpy import NumpyRows

numba = pytest.importorskip("numba")

N, D = 224, 37
TINY = 1e-300


def _normal(d: int = D) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(N, d))


def _lost_along_centers() -> np.ndarray:
    """Rows of which what is lost points to others, as far as it can, about an origin of zero."""
    X = np.full((N // 2, D), 127.0)
    X[::2, 1:] = 10.4999
    X *= 2.0 ** np.random.default_rng(1).integers(-3, 3, (N // 2, 1))
    return np.concatenate([X, -X])


def _one_wide_feature() -> np.ndarray:
    X = _normal()
    X[:, 5] *= 1e6
    return X


def _pairs_that_are_hard_to_tell() -> np.ndarray:
    X = _normal()
    X[1::2] = X[::2] * (1 + 1e-7)
    return X


def _constant_features_and_zero_rows() -> np.ndarray:
    X = _normal()
    X[:, ::3] = 4.0
    X[::5] = 0.0
    return X


def _outliers() -> np.ndarray:
    X = _normal()
    X[::50] *= 1e6
    return X


DATA = {
    "normal": _normal(),
    "lost along centres": _lost_along_centers(),
    "one wide feature": _one_wide_feature(),
    "pairs": _pairs_that_are_hard_to_tell(),
    "constant": _constant_features_and_zero_rows(),
    "outliers": _outliers(),
    "duplicates": np.repeat(_normal()[:7], N // 7, axis=0),
    "large": 1e15 * _normal(),
    "small": 1e-18 * _normal(),
    "far away": 1e3 + _normal(),
    "one feature": _normal(1),
}


def _quantised(X: np.ndarray, origin: np.ndarray) -> QuantisedRows:
    rows = QuantisedRows.empty(*X.shape)
    quantise(compiling.ready_rows(X), origin, rows)
    return rows


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", DATA)
def test_no_candidate_is_excluded_that_is_nearer(name: str, dtype: type) -> None:
    X = DATA[name].astype(dtype)
    wide, origin = X.astype(np.float64), X.mean(axis=0, dtype=np.float64)
    rows = _quantised(X, origin)
    lay_out_tiles(rows.words)
    for j in range(0, N, 9):
        # Each row is as far from its closest centre as from the candidate, or next to it.
        closest = np.sum((wide - wide[j]) ** 2, axis=1) * (1 + 1e-6) + TINY
        closest = np.nextafter(closest.astype(np.float32), np.float32(np.inf))
        candidates = QuantisedCenters.of(X[j : j + 1], origin, multiple=CENTERS)
        nearer = np.empty((1, N), np.bool_)
        which = bound_rows(rows, candidates, closest, nearer)
        assert nearer.all()
        assert_array_equal(which, np.arange(N))


@pytest.mark.parametrize("name", DATA)
def test_what_is_lost_to_rounding_is_measured(name: str) -> None:
    X = DATA[name]
    rows = _quantised(X, np.zeros(X.shape[1]))
    values = rows.words.view(np.int8).astype(np.float64)
    rounded = values[:, : X.shape[1]] * rows.scale.astype(np.float64)[:, None]
    assert (rows.error >= np.linalg.norm(X - rounded, axis=1)).all()
    assert (rows.norm >= np.linalg.norm(X, axis=1)).all()
    assert (rows.square <= np.sum(X * X, axis=1)).all()
    assert (rows.error <= 0.51 * rows.scale * X.shape[1] ** 0.5 + 1e-37).all()
    assert not values[:, X.shape[1] :].any()
    assert_array_equal(rows.starts, -128 * values.sum(axis=1))


def test_most_candidates_that_are_farther_are_excluded() -> None:
    X = _normal(256).astype(np.float32)
    origin = np.zeros(256)
    rows = _quantised(X, origin)
    lay_out_tiles(rows.words)
    exact = np.sum((X[:5, None] - X[None]) ** 2, axis=2, dtype=np.float32)
    closest, nearer = 0.95 * exact.min(axis=0), np.empty((5, N), np.bool_)
    closest[:5] = 1.0
    bound_rows(rows, QuantisedCenters.of(X[:5], origin, multiple=CENTERS), closest, nearer)
    assert_array_equal(nearer, exact < closest)


@pytest.mark.parametrize("instruction", [False, True])
def test_tiles_are_products_on_any_processor(
    monkeypatch: pytest.MonkeyPatch, instruction: bool
) -> None:
    if instruction and not compiling.byte_products():
        pytest.skip("the processor has none")
    monkeypatch.setattr(compiling, "byte_products", lambda: instruction)
    tile, rng = byte_tile, np.random.default_rng(0)
    rows = rng.integers(-127, 128, (ROWS, 12)).astype(np.int8)
    centers = rng.integers(-127, 128, (8, 12)).astype(np.int8)
    rows[0], centers[5], rows[1] = 127, -127, -127
    words, starts = rows.view(np.int32).copy(), np.arange(8, dtype=np.int32)
    starts -= 128 * centers.sum(axis=1, dtype=np.int32)
    lay_out_tiles(words)
    out = np.empty((8, ROWS), np.float32)

    @numba.njit
    def products(rows: Any, centers: Any, starts: Any, out: Any) -> None:
        tile(rows, 0, centers, 0, starts, out)
        tile(rows, 0, centers, 4, starts, out)

    products(words.reshape(-1), centers.view(np.int32), starts, out)
    exact = centers.astype(np.int64) @ rows.T.astype(np.int64) + np.arange(8)[:, None]
    assert_array_equal(out, exact)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gains_and_the_potential_are_those_of_all_distances(dtype: type, weighted: bool) -> None:
    X = _normal().astype(dtype)
    wide, few = X.astype(np.float64), [3, 8, 8, 100, 223]
    w = np.random.default_rng(2).exponential(size=N) if weighted else None
    potential = _potential(X, w, threads=1)
    assert potential.start(5)
    weights = np.ones(N) if w is None else w
    squares = np.sum((wide[few, None] - wide) ** 2, axis=2)
    exact = weights * np.sum((wide - wide[5]) ** 2, axis=1)
    gains = np.maximum(exact - weights * squares, 0).sum(axis=1)
    np.testing.assert_allclose(potential.gains(few), gains, rtol=1e-5)
    assert potential.seeder.memory[-1].sum() == (squares * weights < exact).sum()
    potential.keep(few, 3)
    expected = np.minimum(exact, weights * squares[3])
    np.testing.assert_allclose(potential.potential, expected, rtol=1e-6)


def _potential(X: np.ndarray, weights: np.ndarray | None, threads: int) -> RememberedPotential:
    dtype = np.float32 if X.dtype == np.float32 and weights is None else np.float64
    seeder = QuantisedSeeder(len(X), 5, X.mean(axis=0), dtype)
    seeder.block_rows = 64
    return RememberedPotential(NumpyRows(X, threads=threads), weights, seeder)


def test_threads_change_no_bit() -> None:
    X, found = _normal().astype(np.float32), []
    for threads in (1, 2, 3):
        potential = _potential(X, None, threads)
        potential.start(0)
        gains = potential.gains([1, 50, 60, 70, 80])
        potential.keep([1, 50, 60, 70, 80], 2)
        found.append((gains.tobytes(), potential.potential.tobytes()))
    assert found[0] == found[1] == found[2]


def _seeder_of(X: np.ndarray) -> object:
    return find_seeder(Seeding(NumpyRows(X), None, 60, 5, X.mean(axis=0), 1.0))


def test_bytes_are_taken_where_they_exclude_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose_seeding, "SMALL", 0)
    monkeypatch.setattr(choose_seeding, "SAMPLE", N)
    monkeypatch.setattr(compiling, "worthwhile", lambda *_: True)
    X = _normal(64).astype(np.float32)
    assert isinstance(_seeder_of(X), QuantisedSeeder)
    assert isinstance(_seeder_of(np.asfortranarray(X)), QuantisedSeeder)
    halves = X.copy()
    halves[::2] += 1e4  # Beside which bytes do not see what is within a half.
    assert isinstance(_seeder_of(halves), SketchSeeder)


def test_few_rows_are_quantised_only_where_compiling_is_repaid(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    X, tried = _normal(128).astype(np.float32), []
    monkeypatch.setattr(choose_seeding, "SAMPLE", N)

    def part(sample: np.ndarray, k: int) -> float:
        tried.append(len(sample))
        return candidate_share(sample, k)

    monkeypatch.setattr(choose_seeding, "candidate_share", part)
    for repaid, kind in ((False, SketchSeeder), (True, QuantisedSeeder)):
        monkeypatch.setattr(compiling, "worthwhile", lambda *_, repaid=repaid: repaid)
        assert isinstance(_seeder_of(X), kind)
        assert tried == [N] * repaid


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", [*DATA, "overflows"])
def test_labels_are_those_of_a_brute_force(name: str, dtype: type) -> None:
    X = DATA.get(name, _normal()).astype(dtype)
    if name == "overflows":
        X[7], X[9, 3] = 1e30, 3e38
    centers, rows = X[::3].copy(), QuantisedRows.empty(*X.shape)
    labels, gaps = np.full(N, -1, np.int32), np.full(N, -np.inf, np.float32)
    prepared, limits = prepare(centers), np.zeros(len(centers))
    wide, far = X.astype(np.float64), centers.astype(np.float64)
    exact = np.sum((wide[:, None] - far) ** 2, axis=2)
    with np.errstate(all="ignore"):
        quantised = LloydCenters.of(prepared)
        given: Any = {"prepared": prepared, "drift_limits": limits, "derived": quantised}
        advance(X, None, labels, gaps, *rows, **given)
    assert_array_equal(labels, exact.argmin(axis=1))
    own = np.take_along_axis(exact, labels[:, None], 1)[:, 0]
    np.put_along_axis(exact, labels[:, None], np.inf, axis=1)
    assert (gaps <= np.sqrt(exact.min(axis=1)) - np.sqrt(own) + 1e-6 * np.sqrt(own)).all()
    if name == "normal":
        assert (gaps > 0).all()


def test_the_part_left_is_that_of_pairs_that_bounds_leave() -> None:
    X = _normal(256)
    assert candidate_share(X, 60) < 0.05
    X[::2] += 1e4
    assert candidate_share(X, 60) > 0.4
