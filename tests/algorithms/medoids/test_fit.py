"""k-medoids: the function, whatever the method, the metric and the source of the rows."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits, load_iris, load_wine

from kmeans_xp import MedoidIteration, kmedoids, medoid_silhouette
from kmeans_xp.algorithms.medoids import fit as module
from kmeans_xp.algorithms.medoids import starts
from kmeans_xp.kernels.numpy.medoids import NumpySwaps
from tests.data import blobs, cloud, same_partition
from tests.processes import run_measured
from tests.reference import best_swap
from tests.test_refusals import refuses

X = cloud(150, 3, seed=4)
SCIPY = {
    "euclidean": "euclidean",
    "sqeuclidean": "sqeuclidean",
    "manhattan": "cityblock",
    "chebyshev": "chebyshev",
    "cosine": "cosine",
}
METHODS = ("pam", "fasterpam", "onebatch")


def distances(rows, metric="euclidean"):
    return cdist(rows, rows, SCIPY[metric])


def check(result, D, w=None):
    """Labels, loss, sizes and medoids belong together."""
    w = np.ones(len(D)) if w is None else w
    medoids, labels = np.asarray(result.medoid_indices), np.asarray(result.labels)
    near = D[:, medoids]
    assert len(set(medoids.tolist())) == len(medoids)
    assert_allclose(near[np.arange(len(D)), labels], near.min(axis=1), atol=1e-9 * D.max())
    assert_array_equal(labels[medoids], np.arange(len(medoids)))
    assert_allclose(result.loss, w @ near.min(axis=1), rtol=1e-9)
    assert_array_equal(np.asarray(result.sizes), np.bincount(labels, minlength=len(medoids)))
    assert len(result.history) == result.n_iter


@pytest.mark.parametrize("metric", SCIPY)
@pytest.mark.parametrize("method", METHODS)
def test_every_metric_by_every_method(metric, method):
    result = kmedoids(X, 6, metric=metric, method=method, rng=0)
    check(result, distances(X, metric))
    assert result.method == method
    assert result.converged
    assert_array_equal(result.centers, X[result.medoid_indices])
    if method != "onebatch":
        assert all(a >= b for a, b in zip(result.history, result.history[1:], strict=False))
        assert_allclose(result.history[-1], result.loss)


@pytest.mark.parametrize("metric", SCIPY)
@pytest.mark.parametrize("method", ["fasterpam", "onebatch"])
def test_backends_agree(backend, metric, method):
    rows = (X + 2).astype("float32")
    ours = kmedoids(backend.asarray(rows), 5, metric=metric, method=method, rng=0)
    theirs = kmedoids(rows, 5, metric=metric, method=method, rng=0, algorithm="portable")
    assert_array_equal(backend.to_numpy(ours.medoid_indices), theirs.medoid_indices)
    assert_array_equal(backend.to_numpy(ours.labels), theirs.labels)
    assert_allclose(ours.loss, theirs.loss, rtol=backend.tolerance)
    assert backend.dtype(ours.centers.dtype) == "float32"
    assert type(ours.centers) is type(ours.medoid_indices)


@pytest.mark.parametrize("method", ["pam", "fasterpam"])
def test_backends_agree_on_given_distances(backend, method):
    D = distances(X).astype("float32")
    ours = kmedoids(backend.asarray(D), 5, metric="precomputed", method=method, rng=0)
    theirs = kmedoids(D, 5, metric="precomputed", method=method, rng=0, algorithm="portable")
    assert ours.centers is None
    assert_array_equal(backend.to_numpy(ours.medoid_indices), theirs.medoid_indices)
    assert_array_equal(backend.to_numpy(ours.labels), theirs.labels)


@pytest.mark.parametrize("method", ["pam", "fasterpam"])
def test_no_swap_is_left_that_lowers_the_loss(method):
    D = distances(X)
    for seed in range(3):
        result = kmedoids(X, 5, method=method, init="random", n_init=1, rng=seed)
        medoids = result.medoid_indices.tolist()
        for i in set(range(len(X))) - set(medoids):
            assert best_swap(D, np.ones(len(X)), medoids, i)[0] > -1e-9 * result.loss


def test_pam_makes_the_best_swap():
    D, w = distances(X), np.ones(len(X))
    medoids = [0, 1, 2, 3]
    while True:
        found = [
            (*best_swap(D, w, medoids, i), i) if i not in medoids else (0.0, 0, i)
            for i in range(len(X))
        ]
        change, place, number = min(found)
        if change > -1e-9:
            break
        medoids[place] = number
    result = kmedoids(X, 4, method="pam", init=[0, 1, 2, 3])
    assert result.medoid_indices.tolist() == medoids
    assert result.n_iter == result.n_swaps + 1


def test_build_takes_what_lowers_the_loss_most():
    D, near, expected = distances(X), np.inf, []
    for _ in range(5):
        losses = np.minimum(near, D).sum(axis=1)
        expected.append(int(losses.argmin()))
        near = np.minimum(near, D[expected[-1]])
    seen = []
    result = kmedoids(X, 5, method="pam", callback=seen.append)
    assert_allclose(seen[0].loss, D[:, expected].min(axis=1).sum())
    assert result.loss <= seen[0].loss


@pytest.mark.parametrize(("load", "k"), [(load_iris, 3), (load_wine, 3), (load_digits, 10)])
def test_as_the_package_kmedoids(load, k):
    """From the same distances and start, the same medoids as FasterPAM's authors' program."""
    theirs = pytest.importorskip("kmedoids")
    D = distances(load().data)
    for seed in range(20):
        start = np.random.default_rng(seed).choice(len(D), k, replace=False)
        expected = theirs.fasterpam(D, start.astype(np.uint64), n_cpu=1)
        result = kmedoids(D, k, metric="precomputed", method="fasterpam", init=start)
        assert_array_equal(result.medoid_indices, expected.medoids)
        assert_allclose(result.loss, expected.loss)


def test_separate_clusters_are_found():
    rows, planted = blobs(n=200, d=2, k=5)
    for method in METHODS:
        assert same_partition(kmedoids(rows, 5, method=method, rng=0).labels, planted)


def test_onebatch_samples_rows(monkeypatch):
    """With few judges and candidates the loss is a little above the best."""
    rows = np.vstack([cloud(1500, 2, seed=s) + 4 * s for s in range(4)]).astype("float32")
    best = kmedoids(rows, 8, method="fasterpam", rng=0).loss
    monkeypatch.setattr(module, "FIRST_CANDIDATES", 500)
    monkeypatch.setattr(module, "CANDIDATES", 2000)
    result = kmedoids(rows, 8, method="onebatch", rng=0)
    assert result.loss < 1.02 * best
    check(result, distances(rows))
    again = kmedoids(rows, 8, method="onebatch", rng=0)
    assert_array_equal(result.medoid_indices, again.medoid_indices)


def test_auto_asks_whether_the_distances_fit():
    assert kmedoids(X, 3, rng=0).method == "fasterpam"
    assert kmedoids(X, 3, rng=0, max_memory=150 * 150 * 8).method == "fasterpam"
    assert kmedoids(X, 3, rng=0, max_memory=150 * 150 * 8 - 1).method == "onebatch"
    refuses(lambda: kmedoids(X, 3, method="pam", max_memory=1000), "max_memory", "180000")
    # Given distances are there already.
    D = distances(X)
    assert kmedoids(D, 3, metric="precomputed", rng=0, max_memory=1).method == "fasterpam"


def test_onebatch_takes_no_memory_of_all_distances():
    grown = run_measured(
        """
import numpy as np
from kmeans_xp import kmedoids
rows = np.random.default_rng(0).normal(size=(40_000, 4)).astype("float32")
kmedoids(rows[:2000], 5, method="onebatch", rng=0)
measure()
kmedoids(rows, 5, method="onebatch", rng=0)
report()
"""
    )
    assert grown < 150  # The distances to the judges alone would take 1 GB.


def test_memory_maps(tmp_path):
    rows = X.astype("float32")
    path = tmp_path / "rows.npy"
    np.save(path, rows)
    for method in ("fasterpam", "onebatch"):
        mapped = kmedoids(np.load(path, mmap_mode="r"), 4, method=method, rng=0)
        plain = kmedoids(rows, 4, method=method, rng=0)
        assert_array_equal(mapped.medoid_indices, plain.medoid_indices)
        assert_array_equal(mapped.labels, plain.labels)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "uint8", ">f4"])
def test_given_distances_keep_their_dtype(dtype):
    D = np.round(4 * distances(X, "manhattan")).astype(dtype)
    before = D.copy()
    D.flags.writeable = False
    result = kmedoids(D, 4, metric="precomputed", rng=0)
    check(result, D.astype(float))
    assert_array_equal(D, before)
    wide = kmedoids(D.astype(float), 4, metric="precomputed", rng=0)
    assert_array_equal(result.medoid_indices, wide.medoid_indices)


def test_layouts_of_given_distances():
    D = distances(X)
    expected = kmedoids(D, 4, metric="precomputed", rng=0).medoid_indices
    wider = np.zeros((150, 200))
    wider[:, 10:160] = D
    for layout in (np.asfortranarray(D), wider[:, 10:160], D[::-1, ::-1][::-1, ::-1]):
        found = kmedoids(layout, 4, metric="precomputed", rng=0)
        assert_array_equal(found.medoid_indices, expected)


@pytest.mark.parametrize(
    ("spoil", "about"),
    [
        (lambda D: D[:, :-1], "square"),
        (lambda D: -D, "negative"),
        (lambda D: D + np.triu(D), "symmetric"),
        (lambda D: (np.triu(D) * 1e38 / D.max() * 3).astype("float32"), "symmetric"),
        (lambda D: D + 1, "diagonal"),
        (lambda D: np.where(D > 3, np.nan, D), "finite"),
        (lambda D: np.where(D > 3, np.inf, D), "finite"),
    ],
)
def test_distances_that_are_none(spoil, about):
    D = spoil(distances(X))
    refuses(lambda: kmedoids(D, 3, metric="precomputed"), "X", about)


def test_a_little_asymmetry_is_rounding():
    D = distances(X)
    D *= 1 + 1e-12 * np.random.default_rng(0).random(D.shape)
    check(kmedoids(D, 3, metric="precomputed", rng=0), D)


def test_a_function_as_metric_gets_arrays_of_the_users_library(backend):
    seen = []

    def manhattan(a, b):
        seen.append((type(a), type(b)))
        return backend.xp.sum(backend.xp.abs(a[:, None, :] - b[None, :, :]), axis=2)

    if backend.name == "dask":
        pytest.skip("blocks of Dask's arrays are NumPy's")
    rows = backend.asarray(X.astype("float32"))
    ours = kmedoids(rows, 4, metric=manhattan, rng=0)
    assert set(seen) == {(type(rows), type(rows))}
    theirs = kmedoids(X.astype("float32"), 4, metric="manhattan", rng=0)
    assert_array_equal(backend.to_numpy(ours.medoid_indices), theirs.medoid_indices)


@pytest.mark.parametrize(
    ("metric", "about"),
    [
        (lambda a, b: cdist(a, b)[:, :-1], "shape"),
        (lambda a, b: cdist(a, b).tolist(), None),
        (lambda a, b: -cdist(a, b), "negative"),
        (lambda a, b: cdist(a, b) / 0 * 0, "finite"),
        (lambda a, b: cdist(a, b) + 1j, "real"),
        (lambda a, b: None, "NoneType"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_function_that_returns_no_distances(metric, about):
    if about is None:
        assert kmedoids(X, 2, metric=metric, rng=0).loss > 0
    else:
        refuses(lambda: kmedoids(X, 2, metric=metric), "metric", about)


@pytest.mark.parametrize("method", METHODS)
def test_a_function_that_writes_to_its_blocks_modifies_no_rows(method):
    def manhattan(a, b):
        found = cdist(a, b, "cityblock")
        a *= 2
        b *= 3
        return found

    rows = X.copy()
    result = kmedoids(rows, 4, metric=manhattan, method=method, rng=0)
    assert_array_equal(rows, X)
    check(result, distances(X, "manhattan"))


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"metric": "minkowski"}, "metric"),
        ({"metric": None}, "metric"),
        ({"method": "clara"}, "method"),
        ({"init": "k-means++"}, "init"),
        ({"init": [0, 1]}, "init"),
        ({"init": [0, 1, 1]}, "init"),
        ({"init": [0, 1, -1]}, "init"),
        ({"init": [0, 1, 150]}, "init"),
        ({"init": [0.0, 1.0, 2.0]}, "init"),
        ({"init": X[:3]}, "init"),
        ({"n_init": 0}, "n_init"),
        ({"n_init": 2, "init": [0, 1, 2]}, "n_init"),
        ({"n_init": 2, "init": "build"}, "n_init"),
        ({"n_init": "all"}, "n_init"),
        ({"max_iter": 0}, "max_iter"),
        ({"max_memory": 0}, "max_memory"),
        ({"max_memory": 1e9}, "max_memory"),
        ({"algorithm": "simplex"}, "algorithm"),
        ({"callback": 3}, "callback"),
        ({"rng": -1}, "rng"),
        ({"init": [0, 1, 2], "sample_weight": np.arange(150.0)}, "init"),
    ],
)
def test_bad_arguments(options, argument):
    refuses(lambda: kmedoids(X, 3, **options), argument)


def test_onebatch_measures_for_itself():
    given = {"metric": "precomputed", "method": "onebatch"}
    refuses(lambda: kmedoids(distances(X), 3, **given), "method", "onebatch")


def test_a_zero_row_has_no_direction():
    rows = np.array(X)
    rows[17] = 0
    refuses(lambda: kmedoids(rows, 3, metric="cosine"), "X", "row 17")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("metric", SCIPY)
def test_fewer_distinct_rows_than_medoids(method, metric):
    rows = np.repeat(X[:4], 5, axis=0)
    result = kmedoids(rows, 7, method=method, metric=metric, rng=0)
    assert len(set(result.medoid_indices.tolist())) == 7
    assert int((result.sizes > 0).sum()) == 4
    assert_allclose(result.loss, 0, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("init", ["random", "build", "k-medoids++"])
def test_no_cluster_is_lost_that_the_rows_allow(method, init):
    """However small the difference that it makes, and however equal the start."""
    rows = np.array([[0.0]] * 6 + [[1e-9], [1e3], [1e3], [5e3]])
    for seed in range(10):
        result = kmedoids(rows, 4, method=method, init=init, n_init=1, rng=seed)
        assert (result.sizes > 0).all()
        assert result.loss == 0
    result = kmedoids(rows, 4, method=method, init=[0, 1, 2, 3])
    assert (result.sizes > 0).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("k", [2, 7, 20])
def test_rows_that_are_not_nearest_to_themselves(method, k):
    """A function whose rounding is such, or that is no distance, loses clusters; the fit ends."""
    alike = kmedoids(X[:20], k, method=method, metric=lambda a, b: np.ones((len(a), len(b))), rng=0)
    assert alike.loss == 20
    assert alike.sizes.tolist() == [20] + [0] * (k - 1)

    def rounded(a, b):
        return cdist(a, b) + 1e-3

    result = kmedoids(np.repeat(X[:4], 5, axis=0), k, method=method, metric=rounded, rng=0)
    for found in (alike, result):
        assert len(set(found.medoid_indices.tolist())) == k
    assert int((result.sizes > 0).sum()) == min(k, 4)


@pytest.mark.parametrize("method", ["pam", "fasterpam"])
@pytest.mark.parametrize("init", ["build", "random"])
def test_equal_losses_are_no_matter_of_blocks(monkeypatch, method, init):
    """Sums of equal terms differ by rounding: the first is taken, as if they did not."""
    quarter = cloud(40, 2)
    rows = np.vstack([quarter, -quarter, quarter[:, ::-1], -quarter[:, ::-1]])
    for seed in range(8):
        given = {"metric": "precomputed", "method": method, "init": init, "rng": seed}
        D = distances(rows[np.random.default_rng(seed).permutation(160)])
        found = [kmedoids(D, 4, algorithm=name, **given) for name in ("portable", "numpy")]
        with monkeypatch.context() as patch:
            patch.setattr(starts, "DISTANCES", 160)
            patch.setattr(NumpySwaps, "block_rows", 1)
            found.append(kmedoids(D, 4, algorithm="numpy", **given))
        for result in found[1:]:
            assert_array_equal(result.medoid_indices, found[0].medoid_indices)


@pytest.mark.parametrize("algorithm", ["portable", "numpy"])
def test_sums_beyond_single_precision_lose_no_swaps(algorithm):
    D = distances(X)
    huge = (D * (3e38 / D.max())).astype("float32")
    start = {"metric": "precomputed", "init": [0, 1, 2, 3, 4]}
    expected = kmedoids((huge * 1e-30).astype("float32"), 5, algorithm="portable", **start)
    result = kmedoids(huge, 5, algorithm=algorithm, **start)
    assert_array_equal(result.medoid_indices, expected.medoid_indices)
    assert_allclose(result.loss, 1e30 * expected.loss, rtol=1e-5)


@pytest.mark.parametrize("method", ["pam", "fasterpam"])
@pytest.mark.parametrize("algorithm", ["portable", "numpy", "auto"])
def test_groups_far_apart_hide_no_swaps(method, algorithm):
    """A swap within a group gains little beside what the group's only medoid would cost."""
    rows = np.vstack([cloud(100, 2), cloud(100, 2, seed=1)]).astype("float32")
    rows[100:, 0] += 1e6
    D = distances(rows)
    best = D[:100, :100].sum(axis=0).min() + D[100:, 100:].sum(axis=0).min()
    for start in ([0, 100], [17, 151], [99, 199]):
        result = kmedoids(rows, 2, method=method, init=start, algorithm=algorithm)
        assert_allclose(result.loss, best, rtol=1e-6)


def test_a_group_that_gets_its_medoid_hides_no_swaps():
    """Scores of single precision keep the rounding of what the group cost before."""
    for seed in (15, 38, 51):
        draws = np.random.default_rng(seed)
        D = np.full((478, 478), 1e8, "float32")
        for part, n in ((slice(448), 448), (slice(448, None), 30)):
            D[part, part] = distances(draws.normal(size=(n, 2)))
        given = {"metric": "precomputed", "init": list(range(16))}
        result = kmedoids(D, 16, algorithm="numpy", **given)
        expected = kmedoids(D, 16, algorithm="portable", **given)
        assert_array_equal(result.medoid_indices, expected.medoid_indices)


@pytest.mark.parametrize("method", METHODS)
def test_few_rows(method):
    one = kmedoids([[1.0, 2.0]], 1, method=method)
    assert (one.medoid_indices.tolist(), one.labels.tolist(), one.loss) == ([0], [0], 0.0)
    every = kmedoids(X[:5], 5, method=method, rng=0)
    assert sorted(every.medoid_indices.tolist()) == [0, 1, 2, 3, 4]
    assert every.loss == 0
    central = kmedoids(X, 1, method=method, rng=0)
    assert central.medoid_indices[0] == distances(X).sum(axis=0).argmin()


@pytest.mark.parametrize("method", ["pam", "fasterpam"])
def test_weights_mean_copies(method):
    w = np.random.default_rng(0).integers(0, 4, len(X))
    copies = np.repeat(np.arange(len(X)), w)
    start = np.flatnonzero(w)[:4]
    weighted = kmedoids(X, 4, method=method, init=start, sample_weight=w)
    first = np.searchsorted(copies, start)
    repeated = kmedoids(X[copies], 4, method=method, init=first)
    assert_array_equal(weighted.medoid_indices, copies[repeated.medoid_indices])
    assert_array_equal(weighted.labels[copies], repeated.labels)
    assert_allclose(weighted.loss, repeated.loss)
    assert (w[weighted.medoid_indices] > 0).all()
    check(weighted, distances(X), w.astype(float))


@pytest.mark.parametrize("method", METHODS)
def test_common_factors_of_weights(method):
    plain = kmedoids(X, 4, method=method, rng=0)
    for factor in (1.0, 4.0):
        result = kmedoids(X, 4, method=method, rng=0, sample_weight=np.full(len(X), factor))
        assert_array_equal(result.medoid_indices, plain.medoid_indices)
        assert result.loss == factor * plain.loss
        assert result.history == tuple(factor * loss for loss in plain.history)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("init", ["random", "build", "k-medoids++"])
def test_rows_of_weight_zero_are_no_medoids(method, init):
    w = np.r_[np.zeros(140), np.arange(1.0, 11.0)]
    result = kmedoids(X, 5, method=method, init=init, sample_weight=w, rng=0)
    assert result.medoid_indices.min() >= 140
    assert len(result.labels) == 150


def test_a_callback_sees_and_stops():
    seen = []
    result = kmedoids(X, 4, init="random", n_init=2, rng=0, callback=seen.append)
    assert all(isinstance(iteration, MedoidIteration) for iteration in seen)
    assert next(i.number for i in seen if i.run == 1) == 1
    assert {i.run for i in seen} == {1, 2}
    assert seen[-1].n_swaps == 0
    assert_allclose(result.loss, min(i.loss for i in seen if i.n_swaps == 0))
    stopped = kmedoids(X, 4, init="random", rng=0, callback=lambda i: i.number == 1)
    assert (stopped.n_iter, stopped.converged) == (1, False)
    both = kmedoids(X, 4, method="onebatch", rng=0, callback=lambda i: True)
    assert (both.n_iter, both.converged) == (1, False)
    assert kmedoids(X, 4, init="random", n_init=1, max_iter=1, rng=0).n_iter == 1


def test_more_starts_are_no_worse():
    one = [kmedoids(X, 8, init="random", n_init=1, rng=np.random.default_rng(3)).loss]
    many = kmedoids(X, 8, init="random", n_init=10, rng=np.random.default_rng(3)).loss
    assert many <= one[0]


def test_outliers_move_no_medoid_far():
    rows = np.vstack([cloud(50, 2), cloud(50, 2, seed=1) + 10, [[200.0, 200.0]]])
    result = kmedoids(rows, 2, rng=0)
    assert {int(i) // 50 for i in result.medoid_indices} == {0, 1}


def test_values_out_of_range_are_refused():
    refuses(lambda: kmedoids(X * 1e160, 3), "X", "range")
    huge = (X * 1e25).astype("float32")
    assert np.isfinite(kmedoids(huge, 3, rng=0).loss)


@pytest.mark.parametrize("method", METHODS)
def test_distances_that_do_not_fit_single_precision_are_refused(method):
    """Kept as infinity or 0 they would tell no swap from another."""
    for scale in (1e-30, 1e20):
        rows = (X * scale).astype("float32")
        refuses(lambda rows=rows: kmedoids(rows, 3, metric="sqeuclidean", method=method), "float32")
        refuses(lambda rows=rows: medoid_silhouette(rows, [0, 1], metric="sqeuclidean"), "float32")
        assert kmedoids(rows, 3, method=method, rng=0).n_swaps > 0
    largest = (X * (3e38 / np.abs(X).max())).astype("float32")
    for metric in ("euclidean", "manhattan", "chebyshev"):
        refuses(lambda m=metric: kmedoids(largest, 3, metric=m, method=method), "X", "range")
