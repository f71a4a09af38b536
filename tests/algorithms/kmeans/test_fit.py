"""The function kmeans: its options, its callback, what its result says."""

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from kmeans_xp import Iteration, KMeansResult, kmeans
from tests import reference
from tests.data import blobs, cloud, same_partition, some_rows

X = cloud(300, 3, seed=1)
START = some_rows(X, 5, seed=1)


def test_the_result_is_frozen():
    result = kmeans(X, 5, rng=0)
    assert isinstance(result, KMeansResult)
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.inertia = 0.0
    names = {f.name for f in dataclasses.fields(result)}
    assert names >= {"centers", "labels", "inertia", "n_iter", "converged", "history", "kernel"}


def test_the_inputs_are_not_modified_nor_shared():
    rows, start, w = X.copy(), START.copy(), np.ones(300)
    result = kmeans(rows, 5, init=start, sample_weight=w, max_iter=1)
    result.centers[:] = -1.0
    assert_array_equal(rows, X)
    assert_array_equal(start, START)
    assert_array_equal(w, 1.0)


@pytest.mark.parametrize("init", ["k-means++", "k-means||", "random"])
def test_the_same_seed_gives_the_same_bits(init):
    a, b = (kmeans(X, 5, init=init, rng=42) for _ in range(2))
    assert_array_equal(a.centers, b.centers)
    assert_array_equal(a.labels, b.labels)
    assert a.inertia == b.inertia
    c = kmeans(X, 5, init=init, rng=np.random.default_rng(42))
    assert_array_equal(a.centers, c.centers)
    others = [kmeans(X, 5, init=init, n_init=1, max_iter=1, rng=s) for s in range(5)]
    assert len({o.inertia for o in others}) > 1


def test_a_generator_moves_on_and_none_is_not_a_seed():
    rng = np.random.default_rng(0)
    a, b = (kmeans(X, 5, rng=rng, max_iter=1).inertia for _ in range(2))
    assert a != b
    assert len({kmeans(X, 5, max_iter=1).inertia for _ in range(4)}) > 1


def test_the_global_random_state_is_left_alone():
    before = np.random.get_state()  # noqa: NPY002
    kmeans(X, 5)
    kmeans(X, 5, init="random", empty_clusters="random")
    after = np.random.get_state()  # noqa: NPY002
    assert_array_equal(before[1], after[1])
    assert before[2:] == after[2:]


def test_max_iter_bounds_the_iterations():
    for max_iter in (1, 2, 3):
        result = kmeans(X, 5, init=START, max_iter=max_iter, tol=0)
        expected = reference.lloyd(X, START, max_iter=max_iter, tol=0)
        assert result.n_iter == max_iter
        assert result.converged is False
        assert_array_equal(result.labels, expected.labels)
        assert_allclose(result.centers, expected.centers, rtol=1e-12)


@pytest.mark.parametrize("tol", [0.0, 1e-6, 1e-4, 1e-2, 1.0])
def test_tol_is_relative_to_the_mean_variance(tol):
    rows, start = X * [1.0, 5.0, 0.1] + 3.0, START * [1.0, 5.0, 0.1] + 3.0
    expected = reference.lloyd(rows, start, tol=tol)
    result = kmeans(rows, 5, init=start, tol=tol)
    assert result.n_iter == expected.n_iter
    assert result.converged is True
    assert_allclose(result.centers, expected.centers, rtol=1e-9)


def test_tol_differs_enough_for_the_test_above():
    counts = {kmeans(X, 5, init=START, tol=t).n_iter for t in (0.0, 1e-2, 1e-1)}
    assert len(counts) == 3


def test_the_history_starts_with_the_cost_of_the_start():
    result = kmeans(X, 5, init=START)
    assert len(result.history) == result.n_iter
    assert_allclose(result.history[0], np.sum(reference.nearest(X, START)[1]), rtol=1e-12)
    assert isinstance(result.history, tuple)


def test_the_history_of_tight_clusters_far_apart():
    # The inertia is 1e-14 of the total variance: no difference of large sums can tell it.
    rows = 1e-4 * cloud(300, 3, seed=3) + 1e3 * np.arange(3)[np.arange(300) % 3, None]
    start = rows[:3]
    expected = reference.lloyd(rows, start)
    result = kmeans(rows, 3, init=start)
    assert_allclose(result.history, expected.history, rtol=1e-6)
    assert_allclose(result.inertia, expected.inertia, rtol=1e-9)


def test_the_callback_sees_every_iteration():
    seen = []
    result = kmeans(X, 5, init=START, callback=seen.append)
    assert all(isinstance(i, Iteration) for i in seen)
    assert [i.number for i in seen] == list(range(1, result.n_iter + 1))
    assert tuple(i.inertia for i in seen) == result.history
    assert all(i.shift >= 0 for i in seen)
    assert seen[0].shift > seen[-1].shift
    assert all(i.centers.shape == (5, 3) for i in seen)
    assert len({i.run for i in seen}) == 1


def test_the_callback_may_keep_what_it_is_given():
    seen, copies = [], []

    def watch(iteration):
        seen.append(iteration.centers)
        copies.append(np.array(iteration.centers))

    kmeans(X, 5, init=START, callback=watch)
    assert len(seen) > 3
    for kept, copy in zip(seen, copies, strict=True):
        assert_array_equal(kept, copy)


@pytest.mark.parametrize("stop_at", [1, 3])
def test_the_callback_stops_the_run(stop_at):
    seen = []

    def watch(iteration):
        seen.append(iteration)
        return iteration.number == stop_at

    result = kmeans(X, 5, init=START, callback=watch)
    expected = reference.lloyd(X, START, max_iter=stop_at, tol=0)
    assert len(seen) == result.n_iter == stop_at
    assert result.converged is False
    assert_allclose(result.centers, expected.centers, rtol=1e-12)
    assert_array_equal(result.labels, expected.labels)
    assert_allclose(result.inertia, expected.inertia, rtol=1e-12)


@pytest.mark.parametrize("answer", [None, False, 0, "", np.False_])
def test_a_falsy_answer_goes_on(answer):
    whole = kmeans(X, 5, init=START)
    assert kmeans(X, 5, init=START, callback=lambda _: answer).n_iter == whole.n_iter


def test_an_error_of_the_callback_comes_through():
    def watch(_):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        kmeans(X, 5, init=START, callback=watch)


def test_n_init_keeps_the_best_run():
    seen = []
    result = kmeans(X, 8, init="random", n_init=6, rng=0, callback=seen.append)
    runs = sorted({i.run for i in seen})
    assert len(runs) == 6
    assert runs == list(range(runs[0], runs[0] + 6))
    last = {i.run: i.inertia for i in seen}
    assert result.inertia <= min(last.values()) * (1 + 1e-12)
    assert len({round(v, 6) for v in last.values()}) > 1
    best = min(last, key=last.get)
    assert tuple(i.inertia for i in seen if i.run == best) == result.history


@pytest.mark.parametrize(
    ("init", "runs"), [("k-means++", 1), ("k-means||", 1), ("random", 10), (START, 1)]
)
def test_n_init_auto(init, runs):
    seen = []
    kmeans(X, 5, init=init, rng=0, callback=seen.append)
    assert len({i.run for i in seen}) == runs


def test_n_init_auto_of_a_callable_and_its_arguments():
    calls = []

    def init(rows, n_clusters, rng):
        calls.append((rows, n_clusters, rng))
        return some_rows(rows, n_clusters, int(rng.integers(1000)))

    a, b = (kmeans(X, 5, init=init, rng=3) for _ in range(2))
    assert len(calls) == 20
    assert a.inertia == b.inertia
    rows, n_clusters, rng = calls[0]
    assert_array_equal(rows, X)
    assert n_clusters == 5
    assert isinstance(rng, np.random.Generator)


def test_a_start_of_another_dtype_or_a_list_is_taken():
    expected = kmeans(X, 5, init=START)
    single = kmeans(X, 5, init=START.astype(np.float32))
    assert single.centers.dtype == np.float64
    assert_allclose(single.inertia, expected.inertia, rtol=1e-9)
    listed = kmeans(X, 5, init=START.tolist())
    assert_array_equal(listed.labels, expected.labels)
    whole = kmeans(X, 2, init=np.array([[0, 0, 0], [1, 1, 1]]))
    assert_array_equal(whole.labels, kmeans(X, 2, init=np.array([[0.0] * 3, [1.0] * 3])).labels)


def test_numpy_integers_count_as_integers():
    expected = kmeans(X, 5, rng=0, max_iter=7, n_init=2)
    one = np.int64(1)
    result = kmeans(X, one * 5, rng=np.uint8(0), max_iter=one * 7, n_init=one * 2)
    assert_array_equal(result.centers, expected.centers)


@pytest.mark.parametrize("algorithm", ["lloyd", "auto"])
def test_the_result_says_which_kernel_ran(algorithm):
    result = kmeans(X, 5, init=START, algorithm=algorithm)
    assert result.kernel
    named = kmeans(X, 5, init=START, algorithm=result.kernel)
    assert named.kernel == result.kernel
    assert_array_equal(named.centers, result.centers)


def test_data_with_clusters_is_clustered():
    rows, planted = blobs(n=600, d=5, k=7)
    for seed in range(5):
        assert same_partition(np.asarray(kmeans(rows, 7, rng=seed).labels), planted)


def test_wide_and_long_data_agree_with_the_reference():
    # Enough rows for several blocks, and a width that no small tile divides.
    for n, d, k in [(20011, 3, 9), (997, 131, 17)]:
        rows = cloud(n, d, seed=n)
        start = some_rows(rows, k)
        result = kmeans(rows, k, init=start, max_iter=4)
        expected = reference.lloyd(rows, start, max_iter=4)
        assert_array_equal(result.labels, expected.labels)
        assert_allclose(result.centers, expected.centers, rtol=1e-9, atol=1e-12)
        assert_allclose(result.inertia, expected.inertia, rtol=1e-12)
