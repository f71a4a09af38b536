"""The compiled search of few features: exact labels, true bounds of gaps, sums of what moved."""

import numpy as np
import pytest

from kmeans_xp.arrays.precision import quiet
from kmeans_xp.kernels.numba.low_d import distances as low_d_distances
from kmeans_xp.kernels.numba.low_d import hamerly as low_d_hamerly
from kmeans_xp.kernels.numba.low_d import nearest as low_d_nearest
from kmeans_xp.kernels.numba.low_d.hamerly import BLOCK_ROWS
from kmeans_xp.kernels.numba.low_d.neighbours import neighbors_of
from kmeans_xp.kernels.shared.cluster_totals import Changes
from kmeans_xp.kernels.shared.hamerly import Drift
from kmeans_xp.kernels.shared.prepared_centers import prepare

pytest.importorskip("numba")


RNG = np.random.default_rng(0)


def _lattice(n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    X = RNG.integers(-4, 5, (n, 2)).astype(np.float32)
    return X, X[:k]


def _cloud(n: int, d: int, k: int, scale: float = 1, offset: float = 0) -> tuple:
    X = (scale * RNG.standard_normal((n, d)) + offset).astype(np.float32)
    return X, X[:k]


def _outliers(value: float) -> tuple[np.ndarray, np.ndarray]:
    X, _ = _cloud(800, 3, 1)
    X[::200] *= np.float32(value)
    return X, X[::90]


def _clumps() -> tuple[np.ndarray, np.ndarray]:
    X, _ = _cloud(3000, 13, 1)
    X += 6 * RNG.integers(0, 3, (3000, 13)).astype(np.float32)
    return X, X[:40]


PROBLEMS = {
    "lattice": _lattice(3000, 20),
    "coinciding centres": _lattice(500, 60),
    "one cluster": _cloud(100, 2, 1),
    "one feature": _cloud(2000, 1, 17),
    "more clusters than rows in a vector": _cloud(40, 3, 33),
    "as many clusters as rows": _cloud(12, 2, 12),
    "one row": _cloud(1, 4, 1),
    "many features": _cloud(1500, 32, 25),
    "clumps": _clumps(),
    "far away": _cloud(1000, 3, 12, offset=3e4),
    "large": _cloud(500, 3, 9, scale=1e17),
    "squares overflow": _cloud(300, 3, 9, scale=1e25),
    "small": _cloud(500, 3, 9, scale=1e-17),
    "squares vanish": _cloud(300, 3, 9, scale=1e-25),
    "outliers": _outliers(1e9),
    "outliers whose squares overflow": _outliers(1e25),
}
each_problem = pytest.mark.parametrize("name", PROBLEMS)
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def _squares(X: np.ndarray, C: np.ndarray, wide: type) -> np.ndarray:
    """Squared distances by direct differences, feature by feature."""
    pairs = zip(X.astype(wide).T, C.astype(wide).T, strict=True)
    return sum((x[:, None] - c) ** 2 for x, c in pairs)


class _Fit:
    """A fit by `advance`, two blocks to an iteration, that adds up what changes."""

    def __init__(self, X: np.ndarray, C: np.ndarray, weights: np.ndarray | None = None) -> None:
        self.X, self.C, self.weights = X, C, weights
        self.origin = X[len(X) // 2]
        self.labels = np.full(len(X), -1, np.int32)
        self.gaps = np.full(len(X), -np.inf, np.float32)
        self.drift = Drift(len(C))
        self.total: Changes | None = None

    @quiet()
    def step(self) -> Changes:
        prepared = prepare(self.C, self.origin)
        self.drift.follow(prepared.wide_centers)
        neighbors = neighbors_of(prepared)
        half = len(self.X) // 2
        for part in (slice(half), slice(half, None)):
            weights = None if self.weights is None else self.weights[part]
            memory = self.labels[part], self.gaps[part]
            changes = low_d_hamerly.advance(
                self.X[part], weights, *memory,
                prepared=prepared, drift_limits=self.drift.drift_limits, derived=neighbors,
            )  # fmt: skip
            self.total = changes if self.total is None else self.total + changes
        assert self.total is not None
        return self.total

    def update(self) -> None:
        total = self.total
        filled = total.weights > 0
        means = total.sums / np.where(filled, total.weights, 1)[:, None] + self.origin
        self.C = np.where(filled[:, None], means, self.C).astype(self.X.dtype)


def _check_labels_and_gaps(fit: _Fit) -> None:
    X, labels = fit.X, fit.labels
    wanted = _squares(X, fit.C, np.float64).argmin(axis=1)
    np.testing.assert_array_equal(labels, wanted)
    distances, rows = np.sqrt(_squares(X, fit.C, np.longdouble)), np.arange(len(X))
    own = distances[rows, labels]
    distances[rows, labels] = np.inf
    true = distances.min(axis=1) - own + fit.drift.drift_limits[labels]
    assert (fit.gaps <= true).all()


@each_problem
@each_dtype
def test_labels_are_those_of_a_full_search_and_gaps_are_true(name, dtype):
    fit = _Fit(*(a.astype(dtype) for a in PROBLEMS[name]))
    for _ in range(12):
        fit.step()
        _check_labels_and_gaps(fit)
        fit.update()


@pytest.mark.parametrize("scale", [1e-60, 1e-45, 1e-38, 1e38, 1e60])
def test_rows_in_double_may_be_out_of_the_range_of_the_gaps(scale):
    fit = _Fit(*(scale * a.astype(np.float64) for a in PROBLEMS["clumps"]))
    for _ in range(3):
        fit.step()
        _check_labels_and_gaps(fit)
        fit.update()


@each_problem
@pytest.mark.parametrize("weighted", [False, True])
def test_what_changed_adds_up_to_the_sums(name, weighted):
    X, C = PROBLEMS[name]
    weights = RNG.integers(0, 3, len(X)).astype(np.float32) if weighted else None
    fit = _Fit(X, C, weights)
    for _ in range(5):
        total = fit.step()
        w = np.ones(len(X)) if weights is None else weights.astype(np.float64)
        shifted = X.astype(np.float64) - fit.origin
        for j in range(len(C)):
            mine = fit.labels == j
            drift = 1e-12 * (total.rounding_mass[j] + np.abs(shifted[mine]).sum() + 1e-30)
            np.testing.assert_allclose(total.sums[j], w[mine] @ shifted[mine], 1e-9, drift)
            assert total.weights[j] == w[mine].sum()
            assert total.counts[j] == (w[mine] > 0).sum()
        fit.update()


def test_rounding_mass_is_what_came_and_went():
    X = np.array([[0.0], [1], [2], [10]], np.float32)
    weights = np.array([1, 1, 3, 1], np.float32)
    fit = _Fit(X, np.array([[0], [9]], np.float32), weights)
    np.testing.assert_array_equal(fit.step().rounding_mass, [0, 0])
    fit.C = np.array([[0], [3]], np.float32)
    # The row 2 goes over; the origin is 2 as well, and then 0.
    np.testing.assert_array_equal(fit.step().rounding_mass, [0, 0])
    assert fit.labels.tolist() == [0, 0, 1, 1]
    fit.origin = np.array([0], np.float32)
    fit.C = np.array([[3], [10]], np.float32)
    np.testing.assert_array_equal(fit.step().rounding_mass, [6, 6])


def test_most_rows_are_passed_by():
    X, C = PROBLEMS["clumps"]
    fit = _Fit(X, C)
    fit.step()
    # Rows that are passed by keep whatever gap they are given.
    fit.gaps[:] = 1e6
    fit.step()
    assert (fit.gaps == 1e6).all()


@each_problem
@each_dtype
def test_nearest_is_exact(name, dtype):
    X, C = (a.astype(dtype) for a in PROBLEMS[name])
    with quiet():
        labels, squares = low_d_nearest.nearest(X, prepare(C))
    wanted = _squares(X, C, np.float64)
    np.testing.assert_array_equal(labels, wanted.argmin(axis=1))
    np.testing.assert_allclose(squares, wanted.min(axis=1), rtol=1e-14)
    assert labels.dtype == np.int32
    assert squares.dtype == np.float64


@pytest.mark.parametrize(
    "layout",
    [
        lambda X: X.astype(X.dtype.newbyteorder()),
        np.asfortranarray,
        lambda X: np.repeat(X, 2, axis=0)[::2],
        lambda X: np.frombuffer(b"\0" + X.tobytes(), np.uint8)[1:].view(X.dtype).reshape(X.shape),
    ],
    ids=["other byte order", "by column", "every other row", "misaligned and read-only"],
)
def test_rows_may_lie_in_any_way(layout):
    X, C = PROBLEMS["clumps"]
    fits = _Fit(X, C), _Fit(layout(X), C)
    fits[1].origin = fits[0].origin
    for fit in fits:
        fit.step()
    np.testing.assert_array_equal(fits[0].labels, fits[1].labels)
    np.testing.assert_array_equal(fits[0].total.sums, fits[1].total.sums)
    np.testing.assert_array_equal(low_d_nearest.nearest(layout(X), prepare(C))[0], fits[0].labels)


@each_dtype
def test_neighbors_begin_with_the_centre_itself_and_separations_are_lower_bounds(dtype):
    C = np.concatenate([RNG.standard_normal((30, 3)), np.zeros((2, 3)), np.zeros((1, 3))])
    C = C.astype(dtype)
    found, k = neighbors_of(prepare(C)), len(C)
    order, separations = found.order[:, :k], found.separations[:, :k]
    np.testing.assert_array_equal(order[:, 0], [*range(k), 0])
    np.testing.assert_array_equal(np.sort(order, axis=1), [list(range(k))] * (k + 1))
    true = np.take_along_axis(np.sqrt(_squares(C, C, np.longdouble)), order[:-1], axis=1)
    assert (separations[:-1] <= true).all()
    np.testing.assert_allclose(separations[:-1], true, rtol=1e-6)
    # What fills up the strides is a centre that is never the nearest.
    assert (found.order[:, k:] == k).all()
    assert np.isinf(found.centers[k]).all()


@pytest.mark.parametrize("n", [100, 5000], ids=["by number", "by their neighbours"])
def test_labels_are_those_of_nearest(n):
    X, C = _cloud(n, 3, 30)
    prepared = prepare(C)
    labels = low_d_nearest.labels(X, prepared)
    np.testing.assert_array_equal(labels, _squares(X, C, np.float64).argmin(axis=1))
    np.testing.assert_array_equal(labels, low_d_nearest.nearest(X, prepared)[0])
    assert labels.dtype == np.int32


def test_blocks_hold_enough_rows_for_each_label():
    assert low_d_hamerly.block_rows(10) == BLOCK_ROWS
    assert low_d_hamerly.block_rows(2000) > 2000 * 128


@pytest.mark.parametrize("n", [1, 3, 8, 1001])
def test_counts_are_those_of_each_label(n):
    labels = RNG.integers(0, 7, n).astype(np.int32)
    for given in (labels, labels.astype(np.int64), labels[::-1]):
        counts = low_d_distances.count(given, 9)
        np.testing.assert_array_equal(counts, np.bincount(labels, minlength=9))
    assert counts.dtype == np.int64
