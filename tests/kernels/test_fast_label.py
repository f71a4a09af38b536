"""Labels and distances of all rows at once: exact, checked on the way, by any number of threads."""

import numpy as np
import pytest

from kmeans_xp import KMeans, assign, inertia
from kmeans_xp.arrays.precision import quiet
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.compiling import DTYPES
from kmeans_xp.kernels.numba.low_d import distances as low_d_distances
from kmeans_xp.kernels.numba.low_d import nearest as low_d_nearest
from kmeans_xp.kernels.numba.low_d import pieces as low_d_pieces
from kmeans_xp.kernels.numba.low_d.nearest import PIECE
from kmeans_xp.kernels.shared.prepared_centers import prepare

pytest.importorskip("numba")


from kmeans_xp.rows.numpy import NumpyRows

RNG = np.random.default_rng(0)
TEAMS = {threads: NumpyRows(np.empty((1, 1)), threads=threads).team for threads in (1, 2)}
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def _cloud(n: int, d: int, k: int, dtype: type) -> tuple[np.ndarray, np.ndarray]:
    return RNG.standard_normal((n, d)).astype(dtype), RNG.standard_normal((k, d)).astype(dtype)


def _distances(X: np.ndarray, C: np.ndarray) -> np.ndarray:
    difference = X.astype(np.longdouble)[:, None] - C
    return np.sqrt(np.vecdot(difference, difference))


@pytest.fixture(autouse=True)
def _compiled(monkeypatch):
    monkeypatch.setattr(low_d_pieces, "SHARED_FROM", 0)
    assert all(compiling.prepare(dtype) for dtype in DTYPES)


@each_dtype
@pytest.mark.parametrize("n", [1, 15, 16, 17, PIECE - 1, PIECE + 1, 2 * PIECE + 5])
@pytest.mark.parametrize(("d", "k"), [(2, 40), (5, 7)])
def test_labels_are_exact_where_pieces_end_too(n, d, k, dtype):
    X, C = _cloud(n, d, k, dtype)
    found = [
        low_d_nearest.label_all(X, prepare(C), squared=True, team=TEAMS[threads])
        for threads in (1, 2)
    ]
    wanted = _distances(X, C)
    for labels, squares, largest in found:
        np.testing.assert_array_equal(labels, wanted.argmin(axis=1))
        np.testing.assert_allclose(squares, wanted.min(axis=1) ** 2, rtol=1e-14)
        assert largest == np.abs(X).max()
    np.testing.assert_array_equal(found[0][1], found[1][1])


@each_dtype
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 3, -1])
def test_what_is_not_finite_is_seen(value, place, dtype):
    X, C = _cloud(PIECE + 7, 3, 4, dtype)
    X[place, 1] = value
    assert np.isnan(low_d_nearest.label_all(X, prepare(C), squared=False)[2])
    assert not np.isfinite(low_d_distances.distances_all(X, prepare(C), TEAMS[1])[1])
    model = KMeans(4, init=C, max_iter=1).fit(np.nan_to_num(X, posinf=0, neginf=0))
    name = "NaN" if np.isnan(value) else "infinity"
    calls = (model.predict, model.transform, lambda X: assign(X, C), lambda X: inertia(X, C))
    for call in calls:
        with pytest.raises(ValueError, match=rf"^X must be finite.*its sum is {name}"):
            call(X)


@pytest.mark.parametrize("n", [1, 3, 4, 1029])
@pytest.mark.parametrize(("d", "k"), [(1, 1), (3, 16), (40, 35)])
@pytest.mark.parametrize(("scale", "offset"), [(1, 0), (1, 1e4), (1e-25, 0), (1e-40, 0), (1e30, 0)])
def test_distances_are_rounded_once_or_twice(n, d, k, scale, offset):
    X = (scale * RNG.standard_normal((n, d)) + offset).astype(np.float32)
    C = np.concatenate([X[:1], (scale * RNG.standard_normal((k - 1, d)) + offset)])
    C = C.astype(np.float32)
    with quiet():
        found = [low_d_distances.distances_all(X, prepare(C), TEAMS[threads]) for threads in (1, 2)]
    wanted = _distances(X, C)
    error = np.abs(found[0][0] - wanted) / np.spacing(wanted.astype(np.float32))
    assert error.max() < 1
    assert found[0][0].dtype == np.float32
    assert found[0][1] == np.abs(X).max()
    np.testing.assert_array_equal(found[0][0], found[1][0])


def test_distances_of_doubles_do_not_cancel():
    X, C = _cloud(501, 13, 20, np.float64)
    found, _ = low_d_distances.distances_all(X + 2.0**20, prepare(C + 2.0**20), TEAMS[2])
    np.testing.assert_allclose(found, _distances(X + 2.0**20, C + 2.0**20), rtol=1e-15)


def test_weights_count_in_the_inertia_of_all_rows_at_once():
    X, C = _cloud(300, 3, 5, np.float32)
    weights = RNG.random(300)
    squares = _distances(X, C).min(axis=1) ** 2
    assert inertia(X, C, sample_weight=weights) == pytest.approx(float(squares @ weights))


def test_what_overflows_is_refused_without_a_warning():
    X = np.array([[0.0, 0.0], [3e30, 0.0]] * 20, np.float32)
    with pytest.raises(ValueError, match="overflow float32"):
        assign(X, X[:1])
    with pytest.raises(ValueError, match="its inertia is inf"):
        inertia(X[:2].astype(np.float64) * 1e122, np.zeros((1, 2)), sample_weight=[1.0, 1e4])
