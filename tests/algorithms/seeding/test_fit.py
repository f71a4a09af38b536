"""kmeans_plusplus and the seedings of kmeans: which rows they draw, and how often."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from kmeans_xp import kmeans, kmeans_plusplus
from tests.data import blobs, cloud, some_rows

X = cloud(300, 3, seed=2)


def draw(X, k, **options):
    centers, indices = kmeans_plusplus(X, k, **options)
    return np.asarray(centers), np.asarray(indices)


@pytest.mark.parametrize("trials", [None, 1, 3, 50])
def test_centres_are_distinct_rows_of_x(trials):
    centers, indices = draw(X, 40, n_local_trials=trials, rng=0)
    assert centers.shape == (40, 3)
    assert indices.shape == (40,)
    assert np.issubdtype(indices.dtype, np.integer)
    assert_array_equal(X[indices], centers)
    assert len(set(indices.tolist())) == 40


def test_the_same_seed_gives_the_same_rows():
    a, b = (draw(X, 20, rng=9)[1] for _ in range(2))
    assert_array_equal(a, b)
    assert_array_equal(a, draw(X, 20, rng=np.random.default_rng(9))[1])
    assert len({tuple(draw(X, 20, rng=s)[1]) for s in range(5)}) == 5


def test_a_row_is_drawn_in_proportion_to_its_squared_distance():
    # From 0 the rows 1, 2 and 4 should follow with odds 1 : 4 : 16.
    rows = np.array([[0.0], [1.0], [2.0], [4.0]])
    seconds = np.zeros(4)
    firsts = np.zeros(4)
    for seed in range(4000):
        _, (first, second) = draw(rows, 2, n_local_trials=1, rng=seed)
        firsts[first] += 1
        if first == 0:
            seconds[second] += 1
    assert_allclose(firsts / 4000, 0.25, atol=0.03)
    assert seconds[0] == 0
    assert_allclose(seconds / np.sum(seconds), np.array([0, 1, 4, 16]) / 21, atol=0.05)


def test_a_row_is_drawn_in_proportion_to_its_weight():
    rows = np.array([[0.0], [1.0], [2.0], [4.0]])
    w = np.array([5.0, 4.0, 1.0, 0.0])
    firsts, seconds = np.zeros(4), np.zeros(4)
    for seed in range(4000):
        _, (first, second) = draw(rows, 2, n_local_trials=1, sample_weight=w, rng=seed)
        firsts[first] += 1
        if first == 0:
            seconds[second] += 1
    assert_allclose(firsts / 4000, w / 10, atol=0.03)
    assert_allclose(seconds / np.sum(seconds), [0.0, 0.5, 0.5, 0.0], atol=0.05)


def test_the_greedy_variant_is_better_than_the_plain_one():
    rows, _ = blobs(n=500, d=2, k=20, spread=0.2)

    def cost(trials):
        starts = (draw(rows, 20, n_local_trials=trials, rng=s)[0] for s in range(20))
        nearest = (np.min(np.sum((rows[:, None] - c) ** 2, axis=2), axis=1) for c in starts)
        return np.mean([np.sum(n) for n in nearest])

    # The plain one misses blobs that lie 12 apart; five candidates a step seldom do.
    assert cost(None) < 0.7 * cost(1)


def test_greedy_is_the_default_with_scikit_learns_number_of_trials():
    trials = 2 + int(np.log(15))
    assert_array_equal(draw(X, 15, rng=1)[1], draw(X, 15, n_local_trials=trials, rng=1)[1])
    assert draw(X, 15, n_local_trials=1, rng=1)[1].tolist() != draw(X, 15, rng=1)[1].tolist()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("d", [3, 40])
@pytest.mark.parametrize("weighted", [False, True])
def test_of_many_trials_the_best_is_kept(dtype, d, weighted):
    rows = cloud(3000, d, seed=5).astype(dtype)
    w = np.random.default_rng(0).uniform(0.1, 2.0, 3000) if weighted else None
    generator = np.random.default_rng(4)
    _, (first, second, third) = draw(rows, 3, n_local_trials=200, sample_weight=w, rng=generator)

    def cost(*indices):
        squares = np.sum((rows[:, None] - rows[list(indices)]) ** 2, axis=2, dtype=np.float64)
        return np.average(np.min(squares, axis=1), weights=w)

    # The first is drawn alone, then 200 candidates for each of the others.
    generator = np.random.default_rng(4)
    generator.random(1)
    chosen = [first]
    for found in (second, third):
        squares = np.sum((rows[:, None] - rows[chosen]) ** 2, axis=2, dtype=np.float64)
        mass = np.min(squares, axis=1) * (1 if w is None else w)
        cumulative = np.cumsum(mass)
        drawn = np.searchsorted(cumulative, generator.random(200) * cumulative[-1], side="right")
        best = min(cost(*chosen, i) for i in drawn)
        assert_allclose(cost(*chosen, found), best, rtol=1e-5)
        chosen.append(found)


def test_kmeans_starts_from_kmeans_plusplus():
    seen = []
    kmeans(X, 6, rng=5, callback=seen.append)
    costs = []
    for trials in (None, 1):
        centers, _ = draw(X, 6, n_local_trials=trials, rng=5)
        costs.append(np.sum(np.min(np.sum((X[:, None] - centers) ** 2, axis=2), axis=1)))
    assert_allclose(seen[0].inertia, costs[0], rtol=1e-9)


def test_repeated_rows_are_drawn_only_when_nothing_else_is_left():
    rows = np.repeat(cloud(5, 2), 20, axis=0)
    for seed in range(10):
        centers, indices = draw(rows, 5, rng=seed)
        assert len(np.unique(centers, axis=0)) == 5
        centers, indices = draw(rows, 8, rng=seed)
        assert len(np.unique(centers, axis=0)) == 5
        assert_array_equal(rows[indices], centers)


@pytest.mark.parametrize("offset", [1e4, 1e6])
def test_rows_far_from_the_origin_are_told_apart(offset):
    rows, planted = blobs(n=200, d=2, k=8, spread=0.05)
    rows = (rows + offset).astype(np.float32)
    for seed in range(10):
        _, indices = draw(rows, 8, n_local_trials=8, rng=seed)
        assert len(np.unique(planted[indices])) == 8


def test_the_last_and_the_first_row_can_be_drawn():
    # The lone far row is all there is to draw, wherever it stands.
    for place in (0, 149, 299):
        rows = np.zeros((300, 2))
        rows[place] = 5.0
        for seed in range(5):
            _, indices = draw(rows, 2, rng=seed)
            assert place in indices


def test_random_draws_rows_without_repetition():
    seen = set()
    for seed in range(20):
        result = kmeans(X[:4], 4, init="random", n_init=1, rng=seed)
        assert result.history[0] == 0.0
        seen.add(tuple(np.asarray(result.labels).tolist()))
    assert len(seen) > 5


def test_parallel_seeding_is_as_good_as_sequential_seeding():
    rows, _ = blobs(n=2000, d=3, k=20, spread=0.5)

    def cost(init):
        return np.mean([kmeans(rows, 20, init=init, rng=s).inertia for s in range(10)])

    assert cost("k-means||") <= 1.2 * cost("k-means++")


def test_parallel_seeding_counts_the_rows_behind_each_candidate():
    # Candidates are mostly outliers; but nearly all rows stand behind the one at zero.
    rows = np.zeros((400, 2))
    rows[:20] = 10.0 + 100.0 * cloud(20, 2)
    at_zero = 0
    for seed in range(40):
        seen = []
        kmeans(rows, 1, init="k-means||", rng=seed, max_iter=1, callback=seen.append)
        at_zero += np.isclose(seen[0].inertia, np.sum(rows**2))
    assert at_zero > 30


def test_a_start_of_the_users_own():
    start = some_rows(X, 4)
    given = kmeans(X, 4, init=start)
    called = kmeans(X, 4, init=lambda rows, k, rng: start, n_init=1)
    assert_array_equal(given.centers, called.centers)
    assert_array_equal(given.labels, called.labels)


def test_rows_whose_squares_are_subnormal_are_drawn_alike_by_every_engine():
    for seed in range(8):
        rng = np.random.default_rng(seed)
        X = ((1 + 1e-3 * rng.normal(size=(20, 1))) * 1e-20).astype("float32")
        numpys, portable = (
            kmeans(X, 6, rng=seed, max_iter=1, algorithm=name) for name in ("numpy", "portable")
        )
        assert_array_equal(numpys.labels, portable.labels)
