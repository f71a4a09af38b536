"""Bisecting k-means: the function, its tree, the estimator, and views of rows."""

import dataclasses
import math
import pickle
import sys
from types import SimpleNamespace

import dask.array as da
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import BisectingKMeans as Theirs
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

from kmeans_xp import (
    BisectingKMeans,
    Iteration,
    bisecting_kmeans,
    kmeans,
)
from kmeans_xp.algorithms.bisecting.splits import Bisections, Grown, Leaf
from kmeans_xp.algorithms.bisecting.two_means import Division
from kmeans_xp.algorithms.kmeans.fit import Problem
from kmeans_xp.algorithms.moments import moments_of
from kmeans_xp.kernels.choose.engine import find_engine
from kmeans_xp.kernels.choose.lloyd import LloydMethod
from kmeans_xp.rows import open_rows
from tests import reference
from tests.callers import GOOD
from tests.data import blobs, cloud, same_partition
from tests.processes import run_measured
from tests.test_refusals import refuses

# Each check that is expected to fail, with its reason.
EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "it compares two random runs, and repeating rows changes which ones a seed draws "
        "(test_weights_are_copies has the law from a given start)"
    ),
}
STRATEGIES = ["biggest_inertia", "largest_cluster"]

X, PLANTED = blobs(n=300, d=3, k=4)
HOST = cloud(300, 3, seed=1)


@parametrize_with_checks(
    [BisectingKMeans(), BisectingKMeans(3, bisecting_strategy="largest_cluster")],
    expected_failed_checks=lambda _: EXPECTED_FAILURES,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def extremes(rows, n_clusters, _rng):
    """A start that depends on the rows alone, not on how often each is there."""
    first = np.asarray(rows)[:, 0]
    assert n_clusters == 2
    return rows[np.array([np.argmin(first), np.argmax(first)]), :]


def plain(X, k, by_inertia=True, w=None):
    """Bisections at their plainest: which rows each cluster has."""
    w = np.ones(len(X)) if w is None else w
    clusters = [np.arange(len(X))]

    def score(rows):
        center = np.average(X[rows], axis=0, weights=w[rows])
        return np.sum(w[rows, None] * (X[rows] - center) ** 2) if by_inertia else np.sum(w[rows])

    while len(clusters) < k:
        rows = max(clusters, key=score)
        clusters = [c for c in clusters if c is not rows]
        found = reference.lloyd(X[rows], extremes(X[rows], 2, None), w[rows])
        clusters += [rows[found.labels == j] for j in (0, 1)]
    return clusters


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_plain_algorithm_finds_the_same(strategy, weighted):
    w = np.random.default_rng(0).uniform(0.1, 2, 300) if weighted else None
    result = bisecting_kmeans(HOST, 9, init=extremes, bisecting_strategy=strategy, sample_weight=w)
    expected = np.empty(300, int)
    for j, rows in enumerate(plain(HOST, 9, strategy == "biggest_inertia", w)):
        expected[rows] = j
    assert same_partition(result.labels, expected)


def walk(X, tree):
    """The leaf of each row, one row and one bisection at a time."""
    labels = []
    for x in np.asarray(X, dtype=np.float64):
        node = 0 if len(tree.children) else -1
        while node >= 0:
            d2 = np.sum((tree.centers[node].astype(np.float64) - x) ** 2, axis=1)
            node = int(tree.children[node, np.argmin(d2)])
        labels.append(-1 - node)
    return np.array(labels)


def test_labels_inertia_centres_and_tree_belong_together():
    w = np.random.default_rng(1).uniform(0, 2, 300)
    result = bisecting_kmeans(HOST, 9, rng=0, sample_weight=w)
    assert_array_equal(result.labels, walk(HOST, result.tree))
    assert_array_equal(result.sizes, np.bincount(result.labels, minlength=9))
    assert_allclose(
        result.inertia, reference.cost(HOST, result.centers, result.labels, w), rtol=1e-12
    )
    means = [np.average(HOST[result.labels == j], axis=0, weights=w[result.labels == j])
             for j in range(9)]  # fmt: skip
    assert_allclose(result.centers, means, rtol=0.2, atol=0.05)


def test_the_tree_holds_the_centres_left_to_right():
    result = bisecting_kmeans(HOST, 9, rng=0, bisecting_strategy="largest_cluster")
    tree = result.tree
    assert tree.centers.shape == (8, 2, 3)
    assert_array_equal(np.sort(tree.children[tree.children < 0]), -np.arange(9, 0, -1))
    assert_array_equal(np.sort(tree.children[tree.children >= 0]), np.arange(1, 8))
    for node, side in np.argwhere(tree.children < 0):
        label = -1 - tree.children[node, side]
        assert_array_equal(tree.centers[node, side], result.centers[label])

    def leaves(node):
        return [-1 - node] if node < 0 else [j for c in tree.children[node] for j in leaves(c)]

    assert leaves(0) == list(range(9))


def test_predict_goes_through_the_tree():
    model = BisectingKMeans(9, random_state=0).fit(HOST)
    new = cloud(500, 3, seed=2)
    labels = model.predict(new)
    assert_array_equal(labels, walk(new, model.tree_))
    assert np.any(labels != reference.nearest(new, model.cluster_centers_)[0])
    assert_array_equal(model.predict(HOST), model.labels_)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_weights_are_copies(strategy):
    times = np.random.default_rng(5).integers(1, 9, 300)
    options = {"init": extremes, "bisecting_strategy": strategy}
    weighted = bisecting_kmeans(HOST, 7, sample_weight=times, **options)
    copied = bisecting_kmeans(np.repeat(HOST, times, axis=0), 7, **options)
    assert_array_equal(np.repeat(weighted.labels, times), copied.labels)
    assert_allclose(weighted.centers, copied.centers, rtol=1e-9)
    assert_allclose(weighted.inertia, copied.inertia, rtol=1e-9)
    assert_allclose(weighted.history, copied.history, rtol=1e-9)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_results_live_where_x_lives(backend, strategy):
    rows = backend.asarray(X, "float32")
    result = bisecting_kmeans(rows, 4, rng=0, bisecting_strategy=strategy)
    assert backend.owns(result.centers)
    assert backend.owns(result.labels)
    assert backend.dtype(result.centers) == "float32"
    assert backend.dtype(result.labels) == "int32"
    labels = backend.to_numpy(result.labels)
    assert_array_equal(labels, bisecting_kmeans(X.astype("float32"), 4, rng=0,
                                                bisecting_strategy=strategy).labels)  # fmt: skip


@pytest.mark.parametrize("weighted", [False, True])
def test_every_backend_agrees_with_numpy(backend, weighted):
    backend.need("float64")
    w = np.random.default_rng(0).uniform(0.1, 2.0, 300) if weighted else None
    here = None if w is None else backend.asarray(w)
    ours = bisecting_kmeans(backend.asarray(HOST), 5, rng=5, sample_weight=here)
    theirs = bisecting_kmeans(HOST, 5, rng=5, sample_weight=w)
    assert_array_equal(backend.to_numpy(ours.labels), theirs.labels)
    assert_allclose(ours.inertia, theirs.inertia, rtol=1e-9)
    assert_allclose(ours.history, theirs.history, rtol=1e-9)
    model = BisectingKMeans(5, random_state=5).fit(HOST)
    assert_array_equal(backend.to_numpy(model.predict(backend.asarray(HOST))), model.labels_)


@pytest.mark.parametrize("compact", [1, 1 << 22])
@pytest.mark.parametrize("weighted", [False, True])
def test_views_and_their_copies_give_the_same(monkeypatch, tmp_path, compact, weighted):
    for module in ("memory", "dask"):
        monkeypatch.setattr(f"kmeans_xp.rows.{module}.COMPACT", compact)
    w = np.random.default_rng(0).uniform(0.1, 2.0, 300) if weighted else None
    np.save(tmp_path / "rows.npy", HOST)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    expected = bisecting_kmeans(HOST.copy(), 8, rng=3, sample_weight=w)
    ours = bisecting_kmeans(mapped, 8, rng=3, sample_weight=w)
    assert_allclose(ours.centers, expected.centers, rtol=1e-12, atol=1e-12)
    assert_array_equal(ours.labels, expected.labels)
    lazy = da.from_array(HOST, chunks=((100, 0, 150, 50), (3,)))
    weights = None if w is None else da.from_array(w, chunks=77)
    ours = bisecting_kmeans(lazy, 8, rng=3, sample_weight=weights)
    assert_array_equal(ours.labels.compute(), expected.labels)
    assert_allclose(ours.inertia, expected.inertia, rtol=1e-9)


def test_a_view_is_a_source_of_rows(backend):
    rows = open_rows(backend.asarray(HOST, "float32"))
    host = HOST.astype("float32")
    w = np.arange(300.0)
    weights = rows.align(backend.asarray(w, "float32"), "w")
    first = host[:, 0] > 0
    mask = rows.align(backend.asarray(first), "mask")
    view, (part,) = rows.subset(mask, weights)
    second = np.arange(first.sum()) % 3 == 0
    few, (fewer,) = view.subset(view.align(backend.asarray(second), "mask"), part)
    shown, taken = host[first][second], np.array([40, 5, 2, 30, 2])
    assert few.shape == shown.shape
    assert_array_equal(np.asarray(backend_host(few.take(taken))), shown[taken])
    assert_array_equal(few.pick(fewer, taken), w[first][second][taken])
    near, (close,) = few.compact(fewer)
    assert near is not few
    assert_array_equal(np.asarray(backend_host(near.take(taken))), shown[taken])
    assert_array_equal(near.pick(close, taken), w[first][second][taken])
    assert rows.compact(None)[0] is rows
    rest, _ = rows.subset(rows.align(backend.asarray(~first), "mask"))
    shares = rows.shares([rest, view])
    if shares is not None:
        assert_array_equal(backend_host(shares), first)


def test_a_start_may_be_farther_than_any_row():
    def far(rows, n_clusters, _rng):
        return np.asarray(rows)[:n_clusters] * 2.0**60 + 2.0**70

    expected = bisecting_kmeans(HOST, 5, init=far, sample_weight=np.ones(300), algorithm="portable")
    assert_array_equal(bisecting_kmeans(HOST, 5, init=far).labels, expected.labels)


def backend_host(array):
    from kmeans_xp.arrays import to_host

    return to_host(array)


NO_COPY = """
import numpy as np
from kmeans_xp import bisecting_kmeans
X = np.random.default_rng(0).random((100_000, 500), dtype="float32")
bisecting_kmeans(X[:5000], 2, rng=0)
measure()
bisecting_kmeans(X, 6, rng=0, max_iter=2)
report()
"""


def test_x_is_not_copied():
    # X has 200 MB, and each split a part of it.
    assert run_measured(NO_COPY) < 110


def test_quality_is_that_of_scikit_learn():
    for rows, k in [(load_iris().data, 6), (load_digits().data, 12)]:
        ours = np.mean([bisecting_kmeans(rows, k, rng=s).inertia for s in range(12)])
        theirs = np.mean([Theirs(k, random_state=s).fit(rows).inertia_ for s in range(12)])
        assert_allclose(ours, theirs, rtol=0.02)


def test_two_clusters_are_those_of_kmeans():
    ours = bisecting_kmeans(HOST, 2, init=extremes)
    theirs = kmeans(HOST, 2, init=extremes(HOST, 2, None))
    assert_array_equal(ours.labels, theirs.labels)
    assert_allclose(ours.inertia, theirs.inertia, rtol=1e-12)


def test_one_cluster():
    w = np.arange(300.0)
    result = bisecting_kmeans(HOST, 1, sample_weight=w)
    assert (result.n_iter, result.history, result.converged) == (0, (), True)
    assert_allclose(result.centers, np.average(HOST, axis=0, weights=w)[None], rtol=1e-12)
    assert_array_equal(result.labels, 0)
    assert_array_equal(BisectingKMeans(1).fit(HOST).predict(HOST), 0)


def test_n_init_keeps_the_best():
    ones = [bisecting_kmeans(X, 3, rng=s).inertia for s in range(10)]
    tens = [bisecting_kmeans(X, 3, rng=s, n_init=10).inertia for s in range(3)]
    assert max(tens) <= min(ones) * (1 + 1e-9)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_starts_that_end_equal_are_told_apart_by_no_rounding(dtype):
    for seed in range(8):
        X = np.exp(8 * np.random.default_rng(seed).normal(size=(200, 6))).astype(dtype)
        ours, portable = (
            bisecting_kmeans(X, 20, n_init=4, rng=seed, algorithm=name)
            for name in ("auto", "portable")
        )
        assert_array_equal(ours.labels, portable.labels)


def test_the_history_falls_and_the_callback_sees_it():
    seen = []
    result = bisecting_kmeans(HOST, 8, rng=0, callback=seen.append)
    assert all(isinstance(i, Iteration) for i in seen)
    assert tuple(i.inertia for i in seen) == result.history
    assert [i.centers.shape[0] for i in seen] == list(range(2, 9))
    assert_allclose(result.history[0], np.sum((HOST - HOST.mean(axis=0)) ** 2), rtol=1e-12)
    assert np.all(np.diff([*result.history, result.inertia]) < 0)
    assert_array_equal(seen[-1].centers, result.centers)


def test_the_callback_stops_the_tree():
    result = bisecting_kmeans(HOST, 8, rng=0, callback=lambda i: i.number == 3)
    assert result.centers.shape == (4, 3)
    assert result.n_iter == 3
    assert_array_equal(np.unique(result.labels), np.arange(4))
    model = BisectingKMeans(8, random_state=0, callback=lambda i: i.inertia < 400).fit(HOST)
    assert_array_equal(model.predict(HOST), model.labels_)
    assert model.transform(HOST).shape == (300, len(model.cluster_centers_))


def test_converged_says_whether_each_bisection_did():
    assert bisecting_kmeans(HOST, 4, rng=0).converged is True
    assert bisecting_kmeans(HOST, 4, rng=0, max_iter=1).converged is False


def test_the_same_seed_gives_the_same_bits_and_inputs_stay():
    rows, w = HOST.copy(), np.ones(300)
    a, b = (bisecting_kmeans(rows, 5, rng=3, sample_weight=w) for _ in range(2))
    assert_array_equal(a.centers, b.centers)
    assert a.inertia == b.inertia
    assert_array_equal(rows, HOST)
    assert len({bisecting_kmeans(HOST, 5, rng=s).inertia for s in range(4)}) > 1


def test_coinciding_rows_cannot_be_divided():
    rows = np.repeat([[0.1, 1e6], [0.3, -7.0], [1e-9, 3.0]], 20, axis=0)
    for strategy in STRATEGIES:
        with pytest.warns(ConvergenceWarning, match=r"\(3\).*\(5\)"):
            model = BisectingKMeans(5, random_state=0, bisecting_strategy=strategy).fit(rows)
        assert model.cluster_centers_.shape == (5, 2)
        assert model.inertia_ < 1e-20
        assert len(np.unique(model.labels_)) == 3
        assert_array_equal(model.predict(rows), model.labels_)
    with pytest.warns(ConvergenceWarning):
        same = BisectingKMeans(3).fit(np.full((9, 2), 0.1))
    assert_array_equal(same.labels_, 0)
    assert_array_equal(same.cluster_centers_, 0.1)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_as_many_clusters_as_rows(strategy):
    result = bisecting_kmeans(HOST[:20], 20, rng=0, bisecting_strategy=strategy)
    assert result.inertia < 1e-20
    assert_array_equal(np.sort(result.labels), np.arange(20))


def test_rows_without_weight_count_for_nothing():
    w = np.where(np.arange(300) % 2, 1.0, 0.0)
    result = bisecting_kmeans(HOST, 6, init=extremes, sample_weight=w)
    assert np.isfinite(result.inertia)
    some = np.zeros(300)
    some[:3] = 1.0, 2.0, 3.0
    result = bisecting_kmeans(HOST, 3, rng=0, sample_weight=some)
    assert result.inertia < 1e-20
    assert_array_equal(np.sort(result.labels[:3]), [0, 1, 2])


@pytest.mark.parametrize("offset", [0.0, 5.0])
def test_no_row_is_out_of_reach(offset):
    rows = open_rows(HOST[:1] * [[1.0], [1.001], [40.0]] + offset)
    seen = []
    engine = find_engine(rows.xp).overriding("noting", halves=seen.append)
    moments, rng = moments_of(rows, None, engine), np.random.default_rng(0)
    problem = Problem(rows, None, 2, LloydMethod(engine), moments, 0.0, "farthest", rng)
    # Weights say nothing of how far a row is.
    for weights in (None, np.ones(3)):
        Division.of(dataclasses.replace(problem, weights=weights))
    assert np.max(np.linalg.norm(rows.X, axis=1)) <= seen[0].max_norm
    assert seen[1].max_norm is None


def test_unusual_rows():
    for dtype in ("int16", "bool", "float16", ">f4"):
        rows = (HOST * 10).astype(dtype)
        assert bisecting_kmeans(rows, 3, rng=0).centers.dtype.kind == "f"
    far = (X + 1e5).astype("float32")
    assert same_partition(bisecting_kmeans(far, 4, rng=0, n_init=5).labels, PLANTED)
    for rows in (np.asfortranarray(X), X[:, ::-1][:, ::-1], X.tolist()):
        expected = bisecting_kmeans(X, 4, rng=0)
        assert_array_equal(bisecting_kmeans(rows, 4, rng=0).labels, expected.labels)


def test_defaults_are_those_of_scikit_learn():
    # We name our own kernels.
    ours, theirs = BisectingKMeans().get_params(), Theirs().get_params()
    for name in theirs.keys() - {"algorithm"}:
        assert ours[name] == theirs[name]


def test_attributes_and_methods_of_the_estimator():
    model = BisectingKMeans(4, random_state=0).fit(X)
    assert type(model.inertia_) is float
    assert model.n_features_in_ == 3
    assert model.n_iter_ == len(model.history_) == 3
    assert model.transform(X).shape == (300, 4)
    assert model.get_feature_names_out()[0] == "bisectingkmeans0"
    with pytest.raises(ValueError, match="features"):
        model.predict(X[:, :2])


def test_a_pickle_opens_without_the_backend(backend):
    model = BisectingKMeans(4, random_state=0).fit(backend.asarray(X, "float32"))
    data = pickle.dumps(model)
    for word in (b"torch", b"jax", b"cupy", b"dask", b"array_api_strict"):
        assert word not in data
    opened = pickle.loads(data)
    assert type(opened.cluster_centers_) is np.ndarray
    assert_array_equal(opened.predict(X.astype("float32")), opened.labels_)


def _interrupt(iteration):
    if iteration.number == 2:
        raise KeyboardInterrupt


def test_an_interrupted_fit_leaves_the_model_as_it_was():
    model = BisectingKMeans(3, random_state=0).fit(X)
    before = {k: v for k, v in vars(model).items() if k.endswith("_")}
    model.set_params(callback=_interrupt, n_clusters=7)
    with pytest.raises(KeyboardInterrupt):
        model.fit(HOST[:, :2])
    after = {k: v for k, v in vars(model).items() if k.endswith("_")}
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before)


@pytest.mark.parametrize(("name", "value"), [("init", GOOD[:2]), ("n_init", "auto")])
def test_what_only_whole_fits_take(name, value):
    refuses(lambda: bisecting_kmeans(GOOD, 2, **{name: value}), name)


@pytest.mark.parametrize("seed", range(8))
def test_a_row_alone_is_not_divided_where_iterations_end_early(seed):
    X = np.random.default_rng(seed).standard_normal((12, 2)) * 10.0 ** np.arange(12)[:, None]
    result = bisecting_kmeans(X, 12, max_iter=1, rng=seed)
    assert result.centers.shape == (12, 2)
    assert np.isfinite(result.inertia)


def leaf(inertia, place, score):
    return Leaf(None, None, np.zeros(1), inertia, score, place)


def test_the_next_leaf_is_the_oldest_of_the_highest_score_and_the_inertia_is_exact():
    rng = np.random.default_rng(0)
    waiting = [leaf(1e20, (-1, 0), 3.0)]
    state = Grown(waiting[0])
    for node in range(200):
        found = state.next()
        expected = max(waiting, key=lambda leaf: leaf.score)
        assert found is expected
        waiting = [leaf for leaf in waiting if leaf is not found]
        if node % 5 == 4:  # It cannot be divided.
            continue
        scores, inertia = rng.integers(1, 4, 2), 10.0 ** rng.uniform(-20, 20, 2)
        halves = [leaf(float(inertia[j]), (node, j), float(scores[j])) for j in (0, 1)]
        state.divide(found, halves, np.zeros((2, 1)))
        waiting += halves
        assert state.inertia == math.fsum(leaf.inertia for leaf in state.leaves.values())


def test_choosing_among_many_leaves_takes_no_quadratic_time(monkeypatch):
    def divide(self, divided, node):
        halves = [leaf(divided.inertia / 2, (node, j), divided.score / 2) for j in (0, 1)]
        return halves, SimpleNamespace(centers=np.zeros((2, 1)), converged=True)

    def calls(k):
        state, count = Grown(leaf(1.0, (-1, 0), 1.0)), 0

        def profile(*_):
            nonlocal count
            count += 1

        sys.setprofile(profile)
        for _ in range(k):
            state, _report = fit.step(state)
        sys.setprofile(None)
        assert len(state.leaves) == k + 1
        return count

    monkeypatch.setattr(Bisections, "_divide", divide)
    kernel, generator = find_engine(open_rows(HOST).xp), np.random.default_rng(0)
    fit = Bisections(kernel, "random", 1, 300, 0.0, True, generator, 1.0)
    assert calls(800) < 6 * calls(200)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_history_is_the_inertia_before_each_bisection(strategy):
    seen = []
    result = bisecting_kmeans(
        HOST, 40, bisecting_strategy=strategy, rng=0, tol=0, callback=seen.append
    )
    # What a bisection leads to is what the next one starts from.
    for before, after in zip(seen, result.history[1:], strict=False):
        squares = np.sum((HOST[:, None] - before.centers) ** 2, axis=2)
        assert after >= np.sum(np.min(squares, axis=1)) * (1 - 1e-12)
    few = [bisecting_kmeans(HOST, k, bisecting_strategy=strategy, rng=0, tol=0) for k in (1, 2, 9)]
    for found in few:
        place = found.centers.shape[0] - 1
        assert_allclose(result.history[place], found.inertia, rtol=1e-12)
