"""Mini-batch k-means: the function, the estimator, and streams of batches."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import MiniBatchKMeans as Theirs
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

from kmeans_xp import (
    Iteration,
    MiniBatchKMeans,
    inertia,
    kmeans,
    minibatch_kmeans,
)
from kmeans_xp.rows import open_rows
from tests import reference
from tests.data import blobs, cloud, same_partition, some_rows
from tests.processes import run_measured
from tests.strategies import problems
from tests.test_refusals import refuses

# Each check that is expected to fail, with its reason.
EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "it compares two random runs, and repeating rows changes which ones a seed draws; "
        "scikit-learn's own MiniBatchKMeans fails it too"
    ),
}

X, PLANTED = blobs(n=600, d=3, k=4)
START = some_rows(cloud(600, 3, seed=1), 5)
HOST = cloud(600, 3, seed=1)


@parametrize_with_checks(
    [MiniBatchKMeans(), MiniBatchKMeans(3, init="random", batch_size=20)],
    expected_failed_checks=lambda _: EXPECTED_FAILURES,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def plain(X, centers, batches, counts=None):
    """Sculley's means, batch by batch, at their plainest; what each batch cost before."""
    centers = np.array(centers, dtype=np.float64)
    counts = np.zeros(len(centers)) if counts is None else counts
    costs = []
    for batch, w in batches:
        labels, d2 = reference.nearest(batch, centers)
        costs.append(np.sum(w * d2))
        for j in range(len(centers)):
            held = labels == j
            counts[j] += w[held].sum()
            if w[held].sum():
                gap = np.sum(w[held, None] * (batch[held] - centers[j]), axis=0)
                centers[j] += gap / counts[j]
    return centers, counts, costs


def batches_of(X, size, w=None):
    w = np.ones(len(X)) if w is None else w
    return [(X[i : i + size], w[i : i + size]) for i in range(0, len(X), size)]


@pytest.mark.parametrize("weighted", [False, True])
def test_a_stream_gives_running_means(backend, weighted):
    w = np.random.default_rng(0).uniform(0.1, 2, 600) if weighted else None
    model = MiniBatchKMeans(5, init=backend.asarray(START), reassignment_ratio=0.0)
    for rows, part in batches_of(HOST, 100, w):
        here = backend.asarray(part) if weighted else None
        assert model.partial_fit(backend.asarray(rows), sample_weight=here) is model
    centers, _, _ = plain(HOST, START, batches_of(HOST, 100, w))
    rtol = 1e-9 if backend.float64 else 1e-3
    assert_allclose(backend.to_numpy(model.cluster_centers_), centers, rtol=rtol, atol=rtol)
    assert backend.owns(model.cluster_centers_)
    assert backend.owns(model.labels_)
    assert model.labels_.shape == (100,)
    assert model.n_steps_ == 6
    expected = reference.nearest(HOST[500:], centers)[1] * (1 if w is None else w[500:])
    assert_allclose(model.inertia_, expected.sum(), rtol=max(rtol, 1e-9))


def test_a_weight_of_three_is_three_copies():
    one, three = (MiniBatchKMeans(5, init=START, reassignment_ratio=0.0) for _ in range(2))
    for rows, _ in batches_of(HOST, 150):
        one.partial_fit(rows, sample_weight=np.full(150, 3.0))
        three.partial_fit(np.repeat(rows, 3, axis=0))
    assert_allclose(one.cluster_centers_, three.cluster_centers_, rtol=1e-12)
    assert_allclose(one.inertia_, three.inertia_, rtol=1e-12)


def test_a_stream_goes_on_from_a_fit_and_from_backend_to_backend(backend):
    single = HOST.astype("float32")
    model = MiniBatchKMeans(5, random_state=0, reassignment_ratio=0.0).fit(single)
    before, counts = model._means.centers.copy(), model._means.seen.copy()
    steps = model.n_steps_
    model.partial_fit(backend.asarray(single[:200], "float32"))
    centers, _, _ = plain(HOST, before, batches_of(single[:200], 200), counts)
    assert_allclose(backend.to_numpy(model.cluster_centers_), centers, rtol=1e-4, atol=1e-5)
    assert model.n_steps_ == steps + 1
    assert backend.owns(model.predict(backend.asarray(single)))
    model.partial_fit(single[200:])
    assert type(model.cluster_centers_) is np.ndarray


def test_a_long_stream_does_not_stall_in_single_precision():
    rng = np.random.default_rng(0)
    start = np.array([[0.0], [100.0]], dtype=np.float32)
    model = MiniBatchKMeans(2, init=start, reassignment_ratio=0.0)
    total, seen = 0.0, 0
    weight = np.full(10, 1e5)
    for _ in range(200):
        rows = rng.uniform(0, 1, (10, 1)).astype(np.float32)
        model.partial_fit(rows, sample_weight=weight)
        total, seen = total + float(rows.sum(dtype=np.float64)), seen + 10
    assert_allclose(model.cluster_centers_[0, 0], total / seen, rtol=1e-6)


def _in_single(backend, seed=0):
    model = MiniBatchKMeans(5, random_state=seed, reassignment_ratio=0.0)
    return model.fit(backend.asarray(HOST[:400], "float32"))


def _replaced(backend, model, centers):
    model.cluster_centers_ = backend.asarray(centers, "float32")
    return model


def _pickled(backend, model, centers):
    return pickle.loads(pickle.dumps(_replaced(backend, model, centers)))


def _in_place(backend, model, centers):
    model = pickle.loads(pickle.dumps(model))  # On the host, where one may write.
    model.cluster_centers_[...] = centers
    return model


@pytest.mark.parametrize("write", [_replaced, _pickled, _in_place])
def test_partial_fit_goes_on_from_the_centres_that_the_user_wrote(backend, write):
    rows, written = HOST[400:].astype(np.float32), (HOST[:5] + 2).astype(np.float32)
    model = write(backend, _in_single(backend), written)
    counts, steps = model._means.seen.copy(), model.n_steps_
    model.partial_fit(backend.asarray(rows, "float32"))
    centers, _, _ = plain(rows, written, batches_of(rows, 200), counts)
    assert_allclose(backend.to_numpy(model.cluster_centers_), centers, rtol=1e-4, atol=1e-4)
    assert model.n_steps_ == steps + 1


def test_means_that_were_not_written_to_stay_in_full_precision(backend):
    backend.need("float64")
    rows = HOST[400:].astype(np.float32)
    model = _in_single(backend)
    means, counts = model._means.centers.copy(), model._means.seen.copy()
    assert (means != means.astype(np.float32)).any()
    host = backend.to_numpy(model.cluster_centers_).copy()
    host[2, 1] = means[2, 1] = 0.5
    _replaced(backend, model, host).partial_fit(backend.asarray(rows, "float32"))
    centers, _, _ = plain(rows, means, batches_of(rows, 200), counts)
    assert_allclose(model._means.centers, centers, rtol=1e-12)


def test_centres_of_no_fit_have_seen_nothing():
    model = MiniBatchKMeans(5, reassignment_ratio=0.0)
    model.cluster_centers_ = START.tolist()
    refuses(lambda: model.partial_fit(HOST[:, :2]), "X", "2.*3")
    model.partial_fit(HOST)
    centers, _, _ = plain(HOST, START, batches_of(HOST, 600))
    assert_allclose(model.cluster_centers_, centers, rtol=1e-12)
    assert (model.n_steps_, model.n_features_in_) == (1, 3)
    model.cluster_centers_ = START[:3]  # Another number of them.
    model.partial_fit(HOST)
    centers, _, _ = plain(HOST, START[:3], batches_of(HOST, 600))
    assert_allclose(model.cluster_centers_, centers, rtol=1e-12)
    assert model.n_steps_ == 2


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (START[:, :2], r"\(5, 2\)"),
        (START[0], r"\(3,\)"),
        (START[:0], r"\(0, 3\)"),
        (np.full((5, 3), np.nan), "NaN"),
        (START.astype(complex), "complex"),
    ],
)
def test_centres_that_cannot_be_gone_on_from(bad, told):
    model = MiniBatchKMeans(5, random_state=0).fit(HOST)
    model.cluster_centers_ = bad
    refuses(lambda: model.partial_fit(HOST), "cluster_centers_", told)
    assert model.cluster_centers_ is bad


IDLE = {
    "a sample": {"batch_size": 20},
    "all rows": {"batch_size": 1000, "tol": 1e-3, "max_no_improvement": None},
    "random": {"batch_size": 40, "init": "random"},
    "a callable": {"batch_size": 60, "init": lambda rows, k, rng: rows[:k]},
    "an array": {"batch_size": 70, "init": START},
    "a parallel start": {"batch_size": 30, "init": "k-means||", "n_init": 2},
}


@pytest.mark.parametrize("options", IDLE.values(), ids=IDLE)
def test_rows_of_no_weight_change_nothing(options, tmp_path):
    w = np.random.default_rng(0).uniform(0.5, 2, 100)
    some, heavy = np.sort(np.random.default_rng(1).permutation(600)[:100]), np.zeros(600)
    heavy[some] = w
    np.save(tmp_path / "rows.npy", HOST)
    alone = minibatch_kmeans(HOST[some], 5, sample_weight=w, rng=0, max_iter=4, **options)
    for rows in (HOST, np.load(tmp_path / "rows.npy", mmap_mode="r")):
        among = minibatch_kmeans(rows, 5, sample_weight=heavy, rng=0, max_iter=4, **options)
        assert_allclose(among.centers, alone.centers, rtol=1e-9)
        assert_array_equal(among.labels[some], alone.labels)
        assert_allclose(among.inertia, alone.inertia, rtol=1e-9)
        assert_allclose(among.history, alone.history, rtol=1e-9)
        assert (among.n_iter, among.n_steps) == (alone.n_iter, alone.n_steps)
        assert among.converged == alone.converged


def test_rows_of_no_weight_do_not_shorten_the_wait_of_a_stream():
    start = np.r_[HOST[:2], [[1e3] * 3]]
    options = {"init": start, "reassignment_ratio": 0.1, "random_state": 0}
    w = np.random.default_rng(0).uniform(0.5, 2, 60)
    alone, among = MiniBatchKMeans(3, **options), MiniBatchKMeans(3, **options)
    for rows, part in batches_of(HOST[:60], 12, w):
        alone.partial_fit(rows, sample_weight=part)
        among.partial_fit(np.r_[HOST[100:140], rows], sample_weight=np.r_[np.zeros(40), part])
        assert_allclose(among.cluster_centers_, alone.cluster_centers_, rtol=1e-12)


def test_the_first_batch_must_have_a_row_for_each_cluster():
    model = MiniBatchKMeans(8)
    refuses(lambda: model.partial_fit(HOST[:7]), "n_clusters", "8.*7")
    assert not [a for a in vars(model) if a.endswith("_")]
    model.partial_fit(HOST[:8]).partial_fit(HOST[8:9])
    assert model.n_steps_ == 2
    assert model.labels_.shape == (1,)


def test_a_batch_of_another_width_or_with_a_gap_changes_nothing():
    model = MiniBatchKMeans(3, random_state=0).partial_fit(HOST[:100])
    before = dict(vars(model))
    bad = HOST[:50].copy()
    bad[3, 1] = np.nan
    for rows, w in [(HOST[:, :2], None), (bad, None), (HOST, -np.ones(600))]:
        with pytest.raises(ValueError, match=r"\b(X|sample_weight)\b"):
            model.partial_fit(rows, sample_weight=w)
        assert vars(model).keys() == before.keys()
        assert all(vars(model)[name] is value for name, value in before.items())


def test_starved_centres_go_to_rows_of_the_batch():
    far = START.copy()
    far[3:] += 1e3
    kept = minibatch_kmeans(HOST, 5, init=far, reassignment_ratio=0.0, rng=0)
    assert np.count_nonzero(kept.sizes) == 3
    assert_array_equal(kept.centers[3:], far[3:])
    moved = minibatch_kmeans(HOST, 5, init=far, rng=0)
    assert np.count_nonzero(moved.sizes) == 5
    assert moved.inertia < kept.inertia


def test_at_most_half_a_batch_is_given_to_the_starved():
    start = np.r_[HOST[:1], 1e3 + np.arange(1, 12)[:, None] * np.ones(3)]
    options = {"init": start, "random_state": 0}
    model = MiniBatchKMeans(12, reassignment_ratio=1.0, **options).partial_fit(HOST[:12])
    assert 1 < np.count_nonzero(np.abs(model.cluster_centers_).max(axis=1) < 100) <= 1 + 6
    model.partial_fit(HOST[12:24]).partial_fit(HOST[24:36])
    assert np.abs(model.cluster_centers_).max() < 100


@pytest.mark.parametrize("ratio", [0.0, 0.1, 1.0])
def test_a_starved_centre_waits_until_it_would_have_had_a_row(ratio):
    # Three centres: an equal share of ten of them at a tenth of it is 1 in 30 rows.
    start = np.r_[HOST[:2], [[1e3] * 3]]
    model = MiniBatchKMeans(3, init=start, reassignment_ratio=ratio, random_state=0)
    moved = []
    for rows, _ in batches_of(HOST[:60], 6):
        model.partial_fit(rows)
        moved.append(np.abs(model.cluster_centers_).max() < 100)
    wait = {0.0: 10, 0.1: 4, 1.0: 0}[ratio]
    assert moved == [step >= wait for step in range(10)]


def test_a_centre_that_has_seen_few_rows_stays():
    far = np.r_[HOST, [[1e3] * 3]]
    model = MiniBatchKMeans(2, init=np.r_[HOST[:1], far[-1:]], reassignment_ratio=1.0)
    model.partial_fit(far)
    for rows, _ in batches_of(HOST, 100):
        model.partial_fit(rows)
    assert_array_equal(model.cluster_centers_[1], far[-1])


def test_equal_starting_centres_part():
    twice = np.r_[np.repeat(HOST[:1], 50, axis=0), HOST[1:100]]
    result = minibatch_kmeans(twice, 6, init=lambda rows, k, rng: rows[:k], rng=0)
    assert np.count_nonzero(result.sizes) == 6
    few = np.repeat(HOST[:3], 50, axis=0)
    for seed in range(5):  # Of these, one starts with equal centres.
        result = minibatch_kmeans(few, 3, init="random", batch_size=20, n_init=1, rng=seed)
        assert np.count_nonzero(result.sizes) == 3


def test_results_live_where_x_lives(backend):
    rows = backend.asarray(X, "float32")
    result = minibatch_kmeans(rows, 4, batch_size=100, rng=0)
    assert backend.owns(result.centers)
    assert backend.owns(result.labels)
    assert backend.dtype(result.centers) == "float32"
    assert backend.dtype(result.labels) == "int32"
    labels = backend.to_numpy(result.labels)
    assert same_partition(labels, PLANTED)
    assert_array_equal(labels, reference.nearest(X, backend.to_numpy(result.centers))[0])
    model = MiniBatchKMeans(4, batch_size=100, random_state=0).fit(rows)
    assert_array_equal(backend.to_numpy(model.predict(rows)), backend.to_numpy(model.labels_))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("init", ["k-means++", "random"])
def test_every_backend_draws_the_batches_of_numpy(backend, weighted, init):
    backend.need("float64")
    w = np.random.default_rng(0).uniform(0.1, 2.0, 600) if weighted else None
    options = {"init": init, "batch_size": 90, "max_iter": 3, "init_size": 200, "rng": 5}
    here = None if w is None else backend.asarray(w)
    ours = minibatch_kmeans(backend.asarray(HOST), 6, sample_weight=here, **options)
    theirs = minibatch_kmeans(HOST, 6, sample_weight=w, **options)
    assert ours.n_steps == theirs.n_steps
    assert_allclose(backend.to_numpy(ours.centers), theirs.centers, rtol=1e-9, atol=1e-12)
    assert_allclose(ours.inertia, theirs.inertia, rtol=1e-9)
    assert_allclose(ours.history, theirs.history, rtol=1e-9)


def test_labels_inertia_and_centres_belong_together():
    w = np.random.default_rng(1).uniform(0, 2, 600)
    result = minibatch_kmeans(HOST, 7, batch_size=64, rng=0, sample_weight=w)
    labels, d2 = reference.nearest(HOST, result.centers)
    assert_array_equal(result.labels, labels)
    assert_allclose(result.inertia, np.sum(w * d2), rtol=1e-12)
    assert_array_equal(result.sizes, np.bincount(labels, minlength=7))


def test_rows_are_drawn_by_their_weights():
    w = np.where(np.arange(600) < 300, 0.0, 1.0)
    result = minibatch_kmeans(HOST, 5, rng=0, sample_weight=w, batch_size=50)
    # And the row that each centre started on. The first ten batches have faded.
    assert_allclose(result.means.seen.sum(), 50.5 + 50 * (result.n_steps - 10), rtol=1e-12)
    short = minibatch_kmeans(HOST, 5, rng=0, sample_weight=w, batch_size=50, max_iter=2)
    assert_allclose(short.means.seen.sum(), 5 + 50 * 12, rtol=1e-12)
    heavy = np.full(600, 1e-9)
    heavy[7] = 1.0
    result = minibatch_kmeans(HOST, 2, rng=0, sample_weight=heavy, batch_size=50, max_iter=1)
    assert np.min(np.sum((result.centers - HOST[7]) ** 2, axis=1)) < 1e-12


def test_the_history_estimates_the_inertia():
    whole = minibatch_kmeans(HOST, 5, rng=0, batch_size=200, max_iter=20)
    assert len(whole.history) == whole.n_steps
    assert_allclose(whole.history[-1], whole.inertia, rtol=0.15)
    w = np.full(600, 5.0)
    heavy = minibatch_kmeans(HOST, 5, rng=0, batch_size=200, max_iter=20, sample_weight=w)
    assert_allclose(heavy.history[-1], heavy.inertia, rtol=0.15)


def test_the_history_is_the_smoothed_cost_of_the_batches():
    options = {"init": START, "batch_size": 100, "max_no_improvement": None, "max_iter": 2}
    told = []
    result = minibatch_kmeans(HOST, 5, rng=0, callback=told.append, **options)
    drawn = np.random.default_rng(0).integers(600, size=(9, 100))
    alpha, centers, smooth, expected = 240 / 601, START, None, []
    for batch, after in zip(drawn, told, strict=False):
        cost = reference.nearest(HOST[batch], centers)[1].sum() / 100
        smooth = cost if smooth is None else (1 - alpha) * smooth + alpha * cost
        expected.append(smooth * 600)
        centers = after.centers
    assert_allclose(result.history[:9], expected, rtol=1e-9)


def test_max_no_improvement_and_tol_stop():
    long = minibatch_kmeans(HOST, 5, rng=0, batch_size=100, max_no_improvement=None, max_iter=50)
    assert (long.n_steps, long.n_iter, long.converged) == (300, 50, False)
    soon = minibatch_kmeans(HOST, 5, rng=0, batch_size=100, max_no_improvement=3, max_iter=50)
    assert soon.n_steps < 100
    assert soon.converged is True
    assert soon.n_steps == int(np.argmin(soon.history)) + 1 + 3
    counts = [
        minibatch_kmeans(
            HOST, 5, rng=0, batch_size=100, max_no_improvement=None, max_iter=50, tol=tol
        ).n_steps
        for tol in (1e-1, 1e-2, 0.0)
    ]
    assert counts[0] < counts[1] < counts[2] == 300


def test_the_callback_sees_every_batch_and_stops():
    seen = []
    result = minibatch_kmeans(HOST, 5, rng=0, batch_size=100, callback=seen.append)
    assert all(isinstance(i, Iteration) for i in seen)
    assert [i.number for i in seen] == list(range(1, result.n_steps + 1))
    assert tuple(i.inertia for i in seen) == result.history
    assert all(i.centers.shape == (5, 3) and i.shift >= 0 for i in seen)
    assert_array_equal(seen[-1].centers, result.centers)
    stopped = minibatch_kmeans(HOST, 5, rng=0, batch_size=100, callback=lambda i: i.number == 2)
    assert (stopped.n_steps, stopped.n_iter, stopped.converged) == (2, 1, False)
    assert_array_equal(stopped.labels, reference.nearest(HOST, stopped.centers)[0])


def test_the_same_seed_gives_the_same_bits_and_inputs_stay():
    rows, w, start = HOST.copy(), np.ones(600), START.copy()
    a, b = (minibatch_kmeans(rows, 5, init=start, rng=3, sample_weight=w) for _ in range(2))
    assert_array_equal(a.centers, b.centers)
    assert a.history == b.history
    assert_array_equal(rows, HOST)
    assert_array_equal(start, START)
    assert len({minibatch_kmeans(HOST, 5, rng=s).inertia for s in range(4)}) > 1


@pytest.mark.parametrize(
    ("init", "calls"), [("k-means++", 1), ("k-means||", 1), ("random", 3), (START, 1)]
)
def test_starts(init, calls):
    result = minibatch_kmeans(HOST, 5, init=init, rng=0)
    assert result.inertia < 1.3 * minibatch_kmeans(HOST, 5, n_init=5, rng=0).inertia
    assert calls in (1, 3)


def test_a_callable_start_gets_a_sample():
    shown = []

    def init(rows, n_clusters, rng):
        shown.append(rows)
        return rows[:n_clusters]

    minibatch_kmeans(HOST, 5, init=init, rng=0, batch_size=20)
    assert [rows.shape for rows in shown] == [(60, 3)] * 3
    assert len({rows[0, 0] for rows in shown}) == 3
    minibatch_kmeans(HOST, 5, init=init, rng=0, init_size=77, n_init=1)
    assert shown[-1].shape == (77, 3)
    assert all((row == HOST).all(axis=1).any() for row in shown[-1])


def test_several_starts_are_judged_on_a_sample():
    far = [HOST[:5] + 50.0, HOST[:5]]
    init = lambda rows, k, rng: far.pop()  # noqa: E731
    result = minibatch_kmeans(HOST, 5, init=init, n_init=2, rng=0, reassignment_ratio=0.0,
                              callback=lambda _: True)  # fmt: skip
    assert np.abs(result.centers).max() < 10


def test_a_memory_map_is_an_array(tmp_path):
    np.save(tmp_path / "rows.npy", HOST)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    w = np.linspace(0, 1, 600)
    ours, theirs = (
        minibatch_kmeans(rows, 5, rng=1, batch_size=70, sample_weight=w) for rows in (mapped, HOST)
    )
    assert_array_equal(ours.centers, theirs.centers)
    assert type(ours.centers) is np.ndarray
    model = MiniBatchKMeans(5, random_state=0).partial_fit(mapped[:50]).partial_fit(mapped[50:])
    assert_array_equal(model.predict(mapped[50:]), model.labels_)


STREAM = """
import numpy as np
from kmeans_xp import minibatch_kmeans
# A sparse file: rows that were never written read as zeros and take no room on the disk.
X = np.memmap({path!r}, dtype="float32", mode="w+", shape=(8_000_000, 16))
X[:4_000_000:64] = 10.0
X.flush()
del X
X = np.memmap({path!r}, dtype="float32", mode="r", shape=(8_000_000, 16))
minibatch_kmeans(X[:5000], 2, rng=0)
measure()
result = minibatch_kmeans(X, 2, rng=0)
report()
assert np.count_nonzero(result.sizes) == 2
"""


def test_a_large_map_is_streamed(tmp_path):
    # The file has 512 MB, the labels 32 MB.
    assert run_measured(STREAM.format(path=str(tmp_path / "large"))) < 250


@pytest.mark.parametrize("seed", range(3))
def test_quality_and_steps_are_those_of_scikit_learn(seed):
    rows = cloud(5000, 6, seed=seed).astype(np.float32)
    ours = np.mean([minibatch_kmeans(rows, 20, rng=s).inertia for s in range(6)])
    theirs = np.mean([Theirs(20, random_state=s).fit(rows).inertia_ for s in range(6)])
    assert ours < 1.01 * theirs


@pytest.mark.parametrize(("k", "batch"), [(10, 100), (50, 100), (100, 100), (200, 100), (60, 30)])
def test_many_clusters_for_a_batch(k, batch):
    rows = np.random.default_rng(0).uniform(-1, 1, (2000, 2))
    ours = [minibatch_kmeans(rows, k, batch_size=batch, rng=s) for s in range(4)]
    theirs = [Theirs(k, batch_size=batch, random_state=s).fit(rows).inertia_ for s in range(4)]
    assert np.mean([result.inertia for result in ours]) < 1.02 * np.mean(theirs)
    # More than a start: the first batch's cost is that of the start.
    assert all(result.inertia < 0.95 * result.history[0] for result in ours)


def test_batches_that_say_little_are_not_believed_at_once():
    rows = np.random.default_rng(0).uniform(-1, 1, (600, 2))
    steps = [minibatch_kmeans(rows, 60, batch_size=10, rng=s).n_steps for s in range(4)]
    assert min(steps) >= 60


def test_rare_far_rows_keep_their_centres():
    rng = np.random.default_rng(0)
    rows = np.c_[10 ** rng.uniform(0, 3, (20_000, 3)), rng.standard_normal((20_000, 7))]
    ours = [minibatch_kmeans(rows, 100, rng=s).inertia for s in range(4)]
    full = np.mean([kmeans(rows, 100, rng=s).inertia for s in range(2)])
    assert np.mean(ours) < 1.08 * full
    assert max(ours) < 1.1 * full


@given(problems(), st.integers(1, 50), st.integers(1, 4), st.sampled_from([0.0, 0.01, 1.0]))
def test_a_fit_never_ends_worse_than_its_start(problem, batch_size, max_iter, ratio):
    result = minibatch_kmeans(
        problem.X, problem.k, init=problem.start, sample_weight=problem.weights,
        batch_size=batch_size, max_iter=max_iter, reassignment_ratio=ratio, rng=0,
    )  # fmt: skip
    start = inertia(problem.X, problem.start, sample_weight=problem.weights)
    assert result.inertia <= start
    labels = reference.nearest(problem.X, result.centers)[0]
    assert_array_equal(np.bincount(labels, minlength=problem.k), result.sizes)


def test_the_start_stays_where_batches_only_make_it_worse():
    rows = cloud(3000, 3, seed=2)  # More than are compared at once.
    best = kmeans(rows, 40, rng=0)
    model = MiniBatchKMeans(40, init=best.centers, batch_size=40, random_state=0).fit(rows)
    assert_array_equal(model.cluster_centers_, best.centers)
    assert_array_equal(model.labels_, best.labels)
    assert model.inertia_ == best.inertia
    assert_array_equal(model._means.rounded(open_rows(rows)), best.centers)


def test_empty_clusters_are_warned_of():
    few = np.repeat(HOST[:3], 20, axis=0)
    with pytest.warns(ConvergenceWarning, match=r"distinct clusters \(3\).*n_clusters \(5\)"):
        MiniBatchKMeans(5, random_state=0).fit(few)


def test_defaults_are_those_of_scikit_learn():
    ours, theirs = MiniBatchKMeans().get_params(), Theirs().get_params()
    assert {name: ours[name] for name in theirs} == theirs


def test_attributes_and_methods_of_the_estimator():
    model = MiniBatchKMeans(4, random_state=0).fit(X)
    assert same_partition(model.labels_, PLANTED)
    assert type(model.inertia_) is float
    assert model.n_steps_ == len(model.history_)
    assert model.n_features_in_ == 3
    assert_allclose(model.score(X), -model.inertia_, rtol=1e-12)
    assert_array_equal(np.argmin(model.transform(X), axis=1), model.labels_)
    assert_array_equal(model.get_feature_names_out()[:2], ["minibatchkmeans0", "minibatchkmeans1"])


def test_a_pickle_opens_without_the_backend_and_goes_on(backend):
    model = MiniBatchKMeans(4, random_state=0).fit(backend.asarray(X, "float32"))
    data = pickle.dumps(model)
    for word in (b"torch", b"jax", b"cupy", b"dask", b"array_api_strict"):
        assert word not in data
    opened = pickle.loads(data)
    assert type(opened.cluster_centers_) is np.ndarray
    rows = X.astype("float32")
    assert_array_equal(opened.predict(rows), opened.labels_)
    a, b = (m.partial_fit(rows[:90]) for m in (opened, model))
    assert_allclose(a.cluster_centers_, b.cluster_centers_, rtol=1e-6)


def _interrupt(iteration):
    if iteration.number == 2:
        raise KeyboardInterrupt


def test_an_interrupted_fit_leaves_the_model_as_it_was():
    model = MiniBatchKMeans(3, random_state=0).fit(X)
    before = {k: v for k, v in vars(model).items() if k.endswith("_")}
    model.set_params(callback=_interrupt, n_clusters=7)
    with pytest.raises(KeyboardInterrupt):
        model.fit(HOST[:, :2])
    after = {k: v for k, v in vars(model).items() if k.endswith("_")}
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before)


def test_degenerate_data():
    same = minibatch_kmeans(np.ones((50, 2)), 3, rng=0)
    assert same.inertia == 0
    few = minibatch_kmeans(HOST[:5], 5, rng=0)
    assert 0 <= few.inertia < np.sum((HOST[:5] - HOST[:5].mean(axis=0)) ** 2)
    one = minibatch_kmeans(HOST, 1, rng=0, max_iter=200, max_no_improvement=None)
    assert_allclose(one.centers[0], HOST.mean(axis=0), atol=0.05)
    for dtype in ("int16", "bool", "float16", ">f4"):
        rows = (HOST > 0).astype(dtype)
        assert minibatch_kmeans(rows, 2, rng=0).centers.dtype.kind == "f"
    far = (X + 1e5).astype("float32")
    assert same_partition(minibatch_kmeans(far, 4, rng=0).labels, PLANTED)


def test_a_start_at_an_outlier_is_not_given_up_for_centres_that_lose_it():
    X = np.random.default_rng(0).normal(size=(3000, 4))
    X[7] += 1e5
    start = np.concatenate([X[7:8], X[:7] * 0.01 + 3])
    for seed in range(3):
        found = minibatch_kmeans(X, 8, init=start, batch_size=100, rng=seed)
        assert found.inertia <= inertia(X, start)
