"""The potential while centres are chosen: remembered or computed, it is that of all distances."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from kmeans_xp import kmeans_plusplus
from kmeans_xp.algorithms.seeding import fit as seeding_fit
from kmeans_xp.arrays import to_host
from kmeans_xp.kernels.choose import seeding as choose_seeding
from kmeans_xp.kernels.choose.seeding import Seeding, computed_potential
from kmeans_xp.kernels.interface import Engine, Potential, Seeder
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numpy import seeding as numpy_seeding
from kmeans_xp.kernels.numpy.seeding import ProductPotential, SketchSeeder
from kmeans_xp.kernels.portable.engine import PORTABLE
from kmeans_xp.kernels.portable.seeding import TOGETHER, RememberedPotential
from kmeans_xp.kernels.shared.projection import directions_of
from kmeans_xp.rows import open_rows
from tests.backends import Backend
from tests.data import blobs, cloud
from tests.kernels.problems import LAYOUTS, correlated, zero_weights

SEEDS = range(4)


def _of(X: np.ndarray, weights: np.ndarray | None = None, trials: int = 5) -> Seeding:
    origin = X.mean(axis=0, dtype=np.float64).astype(X.dtype)
    variance = float(X.var(axis=0, dtype=np.float64).mean())
    return Seeding(open_rows(X), weights, 20, trials, origin, variance)


def _by_all_features(seeding: Seeding) -> Seeder:
    trials = min(seeding.trials, TOGETHER)
    return SketchSeeder(seeding.rows.shape[0], trials, seeding.origin, None, seeding.dtype)


def _by_projection(seeding: Seeding) -> Seeder:
    origin, trials = seeding.origin, min(seeding.trials, TOGETHER)
    basis = np.ascontiguousarray(directions_of(seeding.rows.evenly(64)).matrix.T, origin.dtype)
    return SketchSeeder(seeding.rows.shape[0], trials, origin, basis, seeding.dtype)


def _low_d(seeding: Seeding) -> Seeder:
    from kmeans_xp.kernels.numba.low_d.seeding import LowDSeeder

    seeder = LowDSeeder(seeding.rows.shape, min(seeding.trials, TOGETHER))
    seeder.block_rows = 48
    return seeder


def _quantised(seeding: Seeding) -> Seeder:
    from kmeans_xp.kernels.numba.high_d.seeding import QuantisedSeeder

    trials = min(seeding.trials, TOGETHER)
    seeder = QuantisedSeeder(seeding.rows.shape[0], trials, seeding.origin, seeding.dtype)
    seeder.block_rows = 64
    return seeder


@dataclass(frozen=True)
class Kind:
    """One way to remember rows; the compiled ones may be for unweighted single precision alone."""

    name: str
    make: Callable[[Seeding], Seeder]
    compiled: bool = False
    single: bool = False

    def suits(self, seeding: Seeding) -> bool:
        return not self.single or seeding.origin.dtype == seeding.dtype == np.float32


KINDS = [
    Kind("all features", _by_all_features),
    Kind("projection", _by_projection),
    Kind("low_d", _low_d, compiled=True, single=True),
    Kind("quantised", _quantised, compiled=True),
]
lacking = pytest.mark.skipif(not compiling.installed(), reason="numba is not installed")
each_kind = pytest.mark.parametrize(
    "kind", [pytest.param(k, id=k.name, marks=[lacking] * k.compiled) for k in KINDS]
)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numpy_seeding, "BLOCK_ROWS", 300)
    monkeypatch.setattr(numpy_seeding, "PIECE_ROWS", 100)


def _check(potential: Potential, X: np.ndarray, w: np.ndarray, rtol: float) -> None:
    """From the row 5 on, by direct differences."""
    wide = X.astype(np.float64)
    exact = w * np.square(wide - wide[5]).sum(axis=1)
    for drawn, best in (([3, 8, 8, 100, 223], 3), ([7], 0), ([5, 1], 1)):
        read = to_host(potential.potential).astype(np.float64)
        assert_allclose(read, exact, rtol=rtol, atol=rtol * exact.max())
        squares = w * np.square(wide[drawn][:, None] - wide).sum(axis=2)
        gains = np.maximum(exact - squares, 0).sum(axis=1)
        found = potential.gains(drawn)
        # Up to a number that is the same for all.
        assert_allclose(found - found[0], gains - gains[0], rtol=rtol, atol=rtol * exact.sum())
        potential.keep(drawn, best)
        exact = np.minimum(exact, squares[best])
    assert_allclose(to_host(potential.potential), exact, rtol=rtol, atol=rtol * exact.max())


def _lost_along_centers() -> np.ndarray:
    """Rows of which what bytes lose points to others, as far as it can."""
    X = np.full((174, 37), 127.0)
    X[::2, 1:] = 10.4999
    X *= 2.0 ** np.random.default_rng(1).integers(-3, 3, (174, 1))
    return np.concatenate([X, -X, np.zeros((2, 37))])


DATA = {
    "lost along centres": _lost_along_centers(),
    "constant features": np.where(np.arange(30) % 3, cloud(350, 30), 4.0),
    "a cloud": cloud(350, 37),
    "one feature": cloud(350, 1),
    "few directions": correlated(350, 30),
    "duplicates": np.repeat(cloud(7, 30), 50, axis=0),
    "pairs": np.repeat(cloud(175, 30), 2, axis=0) * np.tile([1, 1 + 1e-7], 175)[:, None],
    "one wide feature": cloud(350, 30) * np.where(np.arange(30) == 5, 1e6, 1),
    "outliers": cloud(350, 30) * np.where(np.arange(350) % 50, 1, 1e6)[:, None],
    "large": cloud(350, 30) * 1e5,
    "small": cloud(350, 30) * 1e-5,
    "far away": cloud(350, 30) + 1e3,
}
weightings = pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])


@each_kind
@weightings
@pytest.mark.parametrize("name", DATA)
def test_what_is_remembered_is_the_potential(
    kind: Kind, name: str, dtype: type, weighted: bool
) -> None:
    X = DATA[name].astype(dtype)
    w = zero_weights(len(X)) if weighted else None
    seeding = _of(X, w)
    if kind.suits(seeding):
        potential = RememberedPotential(seeding.rows, w, kind.make(seeding))
        assert potential.start(5)
        rtol = 1e-5 if dtype == np.float32 or not weighted else 1e-9
        _check(potential, X, np.ones(len(X)) if w is None else w, rtol)


@weightings
@pytest.mark.parametrize("name", DATA)
def test_one_product_is_the_potential(name: str, dtype: type, weighted: bool) -> None:
    X = DATA[name].astype(dtype)
    w = zero_weights(len(X)) if weighted else None
    potential = ProductPotential(open_rows(X), w, X.mean(axis=0, dtype=np.float64), 5)
    _check(potential, X, np.ones(len(X)) if w is None else w, 1e-9)


def test_a_product_tells_rows_apart_that_are_next_to_each_other() -> None:
    near = cloud(6, 3)[:, None] + np.array([0, 1e-9, 3e-9])[:, None]
    X = np.repeat(near.reshape(-1, 3), 2, axis=0)
    potential = ProductPotential(open_rows(X), None, X.mean(axis=0), 0)
    for drawn in range(6, 36, 6):
        potential.gains([drawn])
        potential.keep([drawn], 0)
    # One of three different rows in each place is a centre, and so is its duplicate.
    exact = np.square(X - X[::6].repeat(6, axis=0)).sum(axis=1)
    assert_allclose(potential.potential, exact, rtol=1e-6)
    assert (potential.potential.reshape(6, 6)[:, :2] == 0).all()
    assert (potential.potential.reshape(6, 6)[:, 2:] > 0).all()


@weightings
def test_what_is_computed_is_the_potential(
    engine: Engine, backend: Backend, weighted: bool
) -> None:
    for name in DATA if backend.name == "numpy" else ["far away"]:
        X = DATA[name].astype(np.float32)
        w = zero_weights(len(X)) if weighted else np.ones(len(X))
        rows = open_rows(backend.asarray(X))
        seeding = replace(_of(X), rows=rows, weights=backend.asarray(w) if weighted else None)
        potential = computed_potential(seeding, engine)
        potential.add([5])
        # Products decide to a few percent only, of what is not next to a centre.
        _check(potential, X, w, 0.05 if backend.name == "numpy" else 1e-4)
        potential.add([0, 9, 200])
        chosen = X[[5, 100, 7, 1, 0, 9, 200], None].astype(np.float64)
        least = w * np.square(chosen - X).sum(axis=2).min(axis=0)
        assert_allclose(to_host(potential.potential), least, rtol=0.05, atol=1e-9 * least.max())


@each_kind
@pytest.mark.parametrize("name", DATA)
def test_no_row_is_left_out_that_a_candidate_would_lower(
    kind: Kind, name: str, dtype: type
) -> None:
    X = DATA[name].astype(dtype)
    seeding = _of(X, None if kind.single else np.ones(len(X)), trials=1)
    if not kind.suits(seeding):
        return
    seeder = kind.make(seeding)
    potential = RememberedPotential(seeding.rows, seeding.weights, seeder)
    potential.start(0)
    near, wide = 1e-4 if seeding.dtype == np.float32 else 1e-6, X.astype(np.float64)
    for j in range(0, len(X), 43):
        # Each row is next to its limit.
        exact = np.square(wide - wide[j]).sum(axis=1)
        potential.potential[:] = exact * (1 + near) + 1e-30
        (gain,) = potential.gains([j])
        rtol = 0.1 if dtype == np.float32 else 1e-4
        assert_allclose(gain, near * exact.sum(), rtol=rtol, atol=1e-7 * exact.max())
        potential.keep([j], 0)
        assert_allclose(potential.potential, exact, rtol=near / 10, atol=1e-30)


@each_kind
def test_rows_that_no_candidate_is_near_are_not_read(kind: Kind) -> None:
    X = correlated(350, 60).astype(np.float32)
    seeder = kind.make(_of(X))
    seeder.block_rows = len(X)
    seeder.start(X[5])(X, None, *seeder.memory)
    squares = np.square(X[:5, None].astype(float) - X).sum(axis=2)
    seeder.memory[0][:] = 0.5 * squares.min(axis=0)
    hidden = np.where(np.arange(len(X))[:, None] < 5, X, np.nan)
    gains = seeder.score(X[:5])(hidden, None, *seeder.memory).gains
    assert_allclose(gains, 0, atol=1e-5 * seeder.memory[0].sum())


@each_kind
def test_threads_change_no_bit(kind: Kind) -> None:
    X, found = cloud(350, 20).astype(np.float32), []
    for threads in (1, 2, 3):
        seeding = replace(_of(X), rows=open_rows(X, threads=threads))
        potential = RememberedPotential(seeding.rows, None, kind.make(seeding))
        potential.start(0)
        gains = potential.gains([1, 50, 60, 70, 80])
        potential.keep([1, 50, 60, 70, 80], 2)
        found.append((gains.tobytes(), potential.potential.tobytes()))
    assert found[0] == found[1] == found[2]


@each_kind
def test_candidates_may_be_more_than_are_scored_together(kind: Kind) -> None:
    X = cloud(350, 20).astype(np.float32)
    seeding, drawn = _of(X, trials=3 * TOGETHER), list(range(2 * TOGETHER + 5))
    remembered = RememberedPotential(seeding.rows, None, kind.make(seeding))
    remembered.start(300)
    computed = computed_potential(seeding, PORTABLE)
    computed.add([300])
    gains, wanted = remembered.gains(drawn), computed.gains(drawn)
    assert_allclose(gains - gains[0], wanted - wanted[0], rtol=1e-4, atol=1e-3)
    for potential in (remembered, computed):
        potential.keep(drawn, TOGETHER + 1)
    assert_allclose(remembered.potential, computed.potential, rtol=1e-5, atol=1e-6)


def _chosen(kind: Kind, rows: np.ndarray, k: int, seed: int, **options) -> list[np.ndarray]:
    """The rows chosen with a seeder, and by the portable engine."""
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choose_seeding, "find_seeder", kind.make)
        found.append(kmeans_plusplus(rows, k, rng=seed, **options)[1])
        patch.setattr(seeding_fit, "find_engine", lambda xp, device: PORTABLE)
        found.append(kmeans_plusplus(rows, k, rng=seed, **options)[1])
    return found


@each_kind
@pytest.mark.parametrize("d", [1, 3, 30])
def test_the_same_rows_are_chosen(kind: Kind, d: int, dtype: type) -> None:
    rows = correlated(800, d).astype(dtype)
    if kind.suits(_of(rows)):
        for seed in SEEDS:
            assert_array_equal(*_chosen(kind, rows, 20, seed))
            assert_array_equal(*_chosen(kind, np.asfortranarray(rows), 9, seed, n_local_trials=1))


@each_kind
@pytest.mark.parametrize("scale", [1e-18, 1e-4, 1, 1e4, 1e17])
def test_the_same_rows_are_chosen_at_any_scale(kind: Kind, scale: float) -> None:
    for rows in (correlated(600, 25), cloud(600, 40, seed=3)):
        assert_array_equal(*_chosen(kind, (rows * scale).astype(np.float32), 15, 0))


@each_kind
def test_the_same_rows_are_chosen_by_weight(kind: Kind) -> None:
    if kind.single:
        pytest.skip("the low-dimensional seeder takes no weights")
    rows = correlated(700, 26).astype(np.float32)
    weights = np.random.default_rng(1).exponential(size=700) ** 2
    weights[::3] = 0
    rows[::30] = 1e30  # of weight 0, whose squares overflow
    for seed in SEEDS:
        found, afresh = _chosen(kind, rows, 20, seed, sample_weight=weights)
        assert_array_equal(found, afresh)
        assert (weights[found] > 0).all()


@each_kind
def test_rows_that_weigh_next_to_nothing_may_overflow(kind: Kind) -> None:
    if kind.single:
        pytest.skip("the low-dimensional seeder takes no weights")
    rows, weights = correlated(600, 26).astype(np.float32), np.ones(600)
    rows[7], weights[7] = 1e30, 1e-60
    for seed in SEEDS:
        assert_array_equal(*_chosen(kind, rows, 10, seed, sample_weight=weights))


@each_kind
def test_any_number_of_rows_may_be_chosen_from(kind: Kind) -> None:
    rows = correlated(1100, 3).astype(np.float32)
    for n in (5, 15, 16, 17, 40, 1100):
        assert_array_equal(*_chosen(kind, rows[:n], min(n, 12), n))


@each_kind
def test_repeated_rows_come_last(kind: Kind) -> None:
    rows = np.repeat(correlated(9, 25), 60, axis=0).astype(np.float32)
    for seed in SEEDS:
        found, afresh = _chosen(kind, rows, 12, seed)
        assert_array_equal(found, afresh)
        assert len(set(found // 60)) == 9


@each_kind
def test_tight_clusters_far_from_each_other_are_told_apart(kind: Kind) -> None:
    # A product alone would be off by more than the clusters are wide.
    rows, _ = blobs(n=900, d=25, k=9, spread=1e-3)
    rows = (1000 * rows + 1e5).astype(np.float32)
    for seed in SEEDS:
        assert len(set(_chosen(kind, rows, 18, seed)[0])) == 18


@each_kind
@pytest.mark.parametrize("layout", LAYOUTS)
def test_rows_may_lie_in_any_way(kind: Kind, layout: str) -> None:
    rows = correlated(500, 25).astype(np.float32)
    assert_array_equal(
        _chosen(kind, LAYOUTS[layout](rows), 12, 1)[0], _chosen(kind, rows, 12, 1)[0]
    )
