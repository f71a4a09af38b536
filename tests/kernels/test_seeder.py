"""What the seeder remembers changes no draw: it chooses the rows that masses afresh choose."""

import numpy as np
import pytest
from kmeans_xp.algorithms.seeding.potential import Remembered
from numpy.testing import assert_allclose, assert_array_equal

from kmeans_xp import kmeans_plusplus
from kmeans_xp.algorithms.seeding import fit as seeding_fit
from kmeans_xp.kernels.choose import seeding as choose_seeding
from kmeans_xp.kernels.choose.engine import find_engine
from kmeans_xp.kernels.choose.seeding import find_seeder
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.compiling import LOW_D_SEEDING, QUANTISED
from kmeans_xp.kernels.numpy import seeding as numpy_seeding
from kmeans_xp.kernels.numpy.seeding import Candidates, SketchSeeder
from tests.data import blobs, cloud

SEEDS = range(6)


@pytest.fixture(params=["features", "projection", "lanes", "bytes"])
def sketch(request, monkeypatch):
    """Sketches that hold all features, or a few directions; or rows by lanes, or as bytes."""
    loops = {"lanes": LOW_D_SEEDING, "bytes": QUANTISED}.get(request.param)
    monkeypatch.setattr(compiling, "worthwhile", lambda work, dtype, name: name == loops)
    if loops:
        pytest.importorskip("numba")
        monkeypatch.setattr(choose_seeding, "SMALL", 0)
    if request.param == "bytes":
        from kmeans_xp.kernels.numba.high_d import seeding as high_d_seeding

        monkeypatch.setattr(choose_seeding, "LEFT", 2.0)
        monkeypatch.setattr(choose_seeding, "SEEN", 64)
        monkeypatch.setattr(high_d_seeding, "BLOCK", 1 << 13)
    if request.param in ("projection", "bytes"):
        monkeypatch.setattr(choose_seeding, "SMALL", 0)
        monkeypatch.setattr(choose_seeding, "MANY", 2)
        monkeypatch.setattr(choose_seeding, "NARROW", 2)
    monkeypatch.setattr(numpy_seeding, "BLOCK_ROWS", 700)
    monkeypatch.setattr(numpy_seeding, "PIECE_ROWS", 300)
    return request.param


def correlated(n, d, seed=0):
    """Rows of which a few directions hold most."""
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((d, d)) * 0.6 ** np.arange(d)[:, None]
    return rng.standard_normal((n, d)) @ mixing


def both(rows, k, seed, **options):
    """The rows chosen with the seeder, and by the portable kernel."""
    found = kmeans_plusplus(rows, k, rng=seed, **options)[1]
    afresh = find_engine(np, "portable")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seeding_fit, "find_kernel", lambda xp: afresh)
        return found, kmeans_plusplus(rows, k, rng=seed, **options)[1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("d", [1, 3, 30])
def test_the_same_rows_are_chosen(sketch, d, dtype):
    rows = correlated(2000, d).astype(dtype)
    for seed in SEEDS:
        assert_array_equal(*both(rows, 30, seed))
        assert_array_equal(*both(np.asfortranarray(rows), 12, seed, n_local_trials=1))


def test_the_same_rows_are_chosen_where_the_bound_excludes_nothing(sketch):
    rows = cloud(1500, 40, seed=3).astype(np.float32)
    for seed in SEEDS:
        assert_array_equal(*both(rows, 20, seed))


def test_the_same_rows_are_chosen_by_weight(sketch):
    rows = correlated(1500, 26).astype(np.float32)
    weights = np.random.default_rng(1).exponential(size=1500) ** 2
    weights[::3] = 0
    rows[::30] = 1e30  # of weight 0, whose squares overflow
    for seed in SEEDS:
        found, afresh = both(rows, 20, seed, sample_weight=weights)
        assert_array_equal(found, afresh)
        assert (weights[found] > 0).all()


def test_rows_that_weigh_next_to_nothing_may_overflow(sketch):
    rows = correlated(600, 26).astype(np.float32)
    weights = np.ones(600)
    rows[7], weights[7] = 1e30, 1e-60
    for seed in SEEDS:
        assert_array_equal(*both(rows, 10, seed, sample_weight=weights))


def test_any_number_of_rows_fills_lanes(sketch):
    rows = correlated(1100, 3).astype(np.float32)
    for n in (5, 15, 16, 17, 40, 1100):
        for seed in SEEDS:
            assert_array_equal(*both(rows[:n], min(n, 12), seed))


@pytest.mark.parametrize("scale", [1e-18, 1e-4, 1e4, 1e17])
def test_the_same_rows_are_chosen_at_any_scale(sketch, scale):
    rows = (correlated(800, 25) * scale).astype(np.float32)
    for seed in SEEDS:
        assert_array_equal(*both(rows, 15, seed))


def test_repeated_rows_come_last(sketch):
    distinct = correlated(9, 25)
    rows = np.repeat(distinct, 100, axis=0).astype(np.float32)
    for seed in SEEDS:
        found, afresh = both(rows, 12, seed)
        assert_array_equal(found, afresh)
        assert len(set(found // 100)) == 9


def test_tight_clusters_far_from_each_other_are_told_apart(sketch):
    # A product alone would be off by more than the clusters are wide.
    rows, planted = blobs(n=900, d=25, k=9, spread=1e-3)
    rows = (1000 * rows + 1e5).astype(np.float32)
    for seed in SEEDS:
        found = kmeans_plusplus(rows, 18, rng=seed)[1]
        assert len(set(planted[found])) == 9
        assert len(set(found)) == 18


def test_masses_are_those_of_the_chosen_rows(sketch, monkeypatch):
    rows = correlated(2000, 25).astype(np.float32)
    seen = []
    keep = Remembered.keep

    def remembered(self, drawn, best):
        keep(self, drawn, best)
        seen.append((drawn[best], self.mass.copy()))

    monkeypatch.setattr(Remembered, "keep", remembered)
    first = kmeans_plusplus(rows, 20, rng=5)[1][0]
    wide = rows.astype(np.float64)
    mass = np.sum((wide - wide[first]) ** 2, axis=1)
    for index, found in seen:
        mass = np.minimum(mass, np.sum((wide - wide[index]) ** 2, axis=1))
        assert_allclose(found, mass, rtol=1e-6)
    assert len(seen) == 18


@pytest.mark.parametrize("sketch", ["features", "projection"], indirect=True)
def test_the_bound_is_one(sketch):
    rows = correlated(500, 30).astype(np.float32)
    seeder = find_seeder(rows.shape, 20, 4, rows[3], np.float32, lambda count: rows[:count])
    assert (seeder.basis is None) == (sketch == "features")
    drawn = np.empty((seeder.memory[1].shape[1], 500), np.float32)
    seeder.sketch(rows - rows[3], drawn)
    scored = Candidates(seeder, rows[:4])
    bounds = scored.columns @ drawn
    wide = rows.astype(np.float64)
    exact = np.sum((wide[None] - wide[:4, None]) ** 2, axis=2)
    slack = drawn[-2] * scored.slack[0] + scored.slack[1]
    assert (bounds <= exact + slack).all()
    assert np.corrcoef(bounds.ravel(), exact.ravel())[0, 1] > 0.9


def test_lanes_take_small_rows_of_more_features(monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setattr(compiling, "worthwhile", lambda *_: True)
    from kmeans_xp.kernels.numba.low_d import seeding as low_d_seeding

    rows = correlated(700, 64).astype(np.float32)

    def lanes():
        shape, origin = rows.shape, rows[3]
        seeder = find_seeder(shape, 20, 4, origin, np.float32, lambda m: rows[:m])
        return isinstance(seeder, low_d_seeding.LowDSeeder)

    assert lanes()
    for seed in SEEDS:
        assert_array_equal(*both(rows, 20, seed))
    monkeypatch.setattr(choose_seeding, "SMALL", 0)
    assert not lanes()


def test_no_block_is_left_with_a_few_rows():
    def sizes(n):
        return SketchSeeder(n, 4, np.zeros(30), None, np.float64).block_rows

    size = sizes(10**6)
    assert size < 10**6
    assert sizes(size + 1) == size + 1
    assert sizes(2 * size - 1) == 2 * size - 1
    assert sizes(2 * size) == size
