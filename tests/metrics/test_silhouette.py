"""The silhouette: scikit-learn's values, on any labels, wherever the rows lie and live."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from sklearn import metrics

from kmeans_xp import silhouette_samples, silhouette_score
from kmeans_xp.kernels.numba import compiling
from tests.data import cloud
from tests.metrics.clusterings import CLUSTERINGS
from tests.processes import run_measured
from tests.test_refusals import refuses

SCIPY = {"manhattan": "cityblock"}
METRICS = ["euclidean", "sqeuclidean", "manhattan", "cosine", "chebyshev"]
X, LABELS = CLUSTERINGS["a cloud"]


def expected_of(rows, labels, metric="euclidean"):
    """scikit-learn's values, of distances that SciPy measures by differences."""
    D = cdist(rows, rows, SCIPY.get(metric, metric))
    np.fill_diagonal(D, 0)
    return metrics.silhouette_samples(D, labels, metric="precomputed")


@pytest.fixture(autouse=True)
def _in_memory(request):
    """Dask's arrays have a test of their own."""
    if "backend" in request.fixturenames:
        request.getfixturevalue("backend").need("eager")


@pytest.fixture(params=[True, False], ids=["with Numba", "without"])
def numba(request, monkeypatch):
    """Whether what is compiled is loaded, or Numba looks as if it were not installed."""
    if request.param:
        if not compiling.compile_all():
            pytest.skip("Numba is not installed")
    else:
        monkeypatch.setattr(compiling, "installed", lambda: False)
        monkeypatch.setattr(compiling, "ready", lambda *_: False)


def tolerance(backend):
    return 1e-9 if backend.float64 else 1e-4


@pytest.mark.parametrize("name", CLUSTERINGS)
def test_it_is_scikit_learns(backend, name):
    rows, labels = CLUSTERINGS[name]
    if not backend.float64 and name in ("tight pairs far apart", "far apart labels"):
        pytest.skip("float32 cannot tell these rows apart")
    found = silhouette_samples(backend.asarray(rows), backend.asarray(labels))
    assert backend.owns(found)
    assert found.shape == (len(rows),)
    expected = expected_of(rows, labels)
    # Where digits cancel other libraries take differences only up to a point.
    loose = 1e-8 if name == "tight pairs far apart" and backend.name != "numpy" else 0
    assert_allclose(backend.to_numpy(found), expected, rtol=0, atol=tolerance(backend) + loose)
    score = silhouette_score(backend.asarray(rows), backend.asarray(labels))
    assert_allclose(score, expected.mean(), rtol=0, atol=tolerance(backend) + loose)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", ["a cloud", "singletons", "twins", "many features"])
def test_by_every_metric(backend, name, metric):
    rows, labels = CLUSTERINGS[name]
    found = silhouette_samples(backend.asarray(rows), backend.asarray(labels), metric=metric)
    expected = expected_of(rows, labels, metric)
    assert_allclose(backend.to_numpy(found), expected, rtol=0, atol=tolerance(backend))


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "cosine", "manhattan"])
@pytest.mark.parametrize("name", CLUSTERINGS)
def test_with_numba_and_without(numba, name, metric):
    rows, labels = CLUSTERINGS[name]
    if metric == "cosine" and name == "tight pairs far apart":
        pytest.skip("these rows have hardly different directions")
    found = silhouette_samples(rows, labels, metric=metric)
    assert_allclose(found, expected_of(rows, labels, metric), rtol=0, atol=1e-9)


@pytest.mark.parametrize("shape", [(2500, 3, 2), (1300, 40, 3), (1100, 300, 5)])
def test_more_rows_than_are_measured_at_once(numba, shape):
    n, d, k = shape
    rows, labels = cloud(n, d), np.random.default_rng(0).integers(0, k, n)
    labels[:20] = 7  # A small cluster beside those.
    found = silhouette_samples(rows, labels)
    assert_allclose(found, expected_of(rows, labels), rtol=0, atol=1e-9)
    assert_array_equal(found, silhouette_samples(rows, labels))  # Whatever threads did what.
    narrow = silhouette_samples(rows.astype(np.float32), labels)
    assert narrow.dtype == np.float32
    expected = expected_of(rows.astype(np.float32).astype(float), labels)
    assert_allclose(narrow, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "manhattan", "chebyshev"])
def test_it_stays_when_the_data_moves(backend, metric):
    backend.need("float64")
    rows = np.round(X, 3)
    near, far = (
        silhouette_samples(backend.asarray(rows + by), backend.asarray(LABELS), metric=metric)
        for by in (0.0, 1e6)
    )
    assert_allclose(backend.to_numpy(far), backend.to_numpy(near), rtol=0, atol=1e-9)


@pytest.mark.parametrize("factor", [2.0**-30, 2.0**40])
def test_it_stays_when_the_data_is_scaled(backend, factor):
    near, scaled = (
        silhouette_samples(backend.asarray(X * by), backend.asarray(LABELS)) for by in (1.0, factor)
    )
    assert_allclose(backend.to_numpy(scaled), backend.to_numpy(near), rtol=0, atol=1e-6)


def test_it_goes_with_the_rows(backend):
    order = np.random.default_rng(1).permutation(len(X))
    found = silhouette_samples(backend.asarray(X), backend.asarray(LABELS))
    moved = silhouette_samples(backend.asarray(X[order]), backend.asarray(LABELS[order]))
    expected = backend.to_numpy(found)[order]
    assert_allclose(backend.to_numpy(moved), expected, rtol=0, atol=tolerance(backend))


def test_what_clusters_are_called_changes_no_bit(backend):
    names = np.array([40, -7, 3, 0, 2**30])
    found, named = (
        silhouette_samples(backend.asarray(X), backend.asarray(y)) for y in (LABELS, -LABELS)
    )
    again = silhouette_samples(backend.asarray(X), backend.asarray(np.sort(names)[LABELS]))
    assert_array_equal(backend.to_numpy(again), backend.to_numpy(found))
    assert_allclose(backend.to_numpy(named), backend.to_numpy(found), atol=tolerance(backend))


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool"])
def test_rows_of_any_dtype(backend, dtype):
    rows = np.round(3 * X).astype(dtype)
    found = silhouette_samples(backend.asarray(rows, dtype), backend.asarray(LABELS))
    assert backend.dtype(found) == ("float32" if dtype == "float32" else backend.default_float)
    expected = expected_of(rows.astype(float), LABELS)
    assert_allclose(backend.to_numpy(found), expected, rtol=0, atol=1e-6)


def test_lists_and_memory_maps(tmp_path):
    found = silhouette_samples(X.tolist(), LABELS.tolist())
    expected = expected_of(X, LABELS)
    assert_allclose(found, expected, rtol=0, atol=1e-9)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert_allclose(silhouette_samples(mapped, LABELS), expected, rtol=0, atol=1e-9)
    assert_allclose(silhouette_score(mapped, LABELS), expected.mean(), rtol=0, atol=1e-9)


def test_given_distances(backend):
    D = backend.asarray(cdist(X, X))
    found = silhouette_samples(D, backend.asarray(LABELS), metric="precomputed")
    expected = expected_of(X, LABELS)
    assert_allclose(backend.to_numpy(found), expected, rtol=0, atol=tolerance(backend))


def test_distances_of_a_function(backend):
    def squares(a, b):
        xp = backend.xp
        return xp.sum((a[:, None, :] - b[None, :, :]) ** 2, axis=2)

    found = silhouette_samples(backend.asarray(X), backend.asarray(LABELS), metric=squares)
    expected = expected_of(X, LABELS, "sqeuclidean")
    assert_allclose(backend.to_numpy(found), expected, rtol=0, atol=tolerance(backend))


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "precomputed"])
@pytest.mark.parametrize("name", ["a cloud", "singletons", "twins"])
def test_weights_are_copies(backend, name, metric):
    rows, labels = CLUSTERINGS[name]
    w = np.random.default_rng(5).integers(0, 4, len(rows))
    given = cdist(rows, rows) if metric == "precomputed" else rows
    if metric == "precomputed":
        keep = w > 0  # As the rows, so the columns.
        given, labels, w = given[keep][:, keep], labels[keep], w[keep]
        rows = rows[keep]
    found = silhouette_score(
        backend.asarray(given),
        backend.asarray(labels),
        metric=metric,
        sample_weight=backend.asarray(w),
    )
    measured = "euclidean" if metric == "precomputed" else metric
    expected = expected_of(np.repeat(rows, w, axis=0), np.repeat(labels, w), measured).mean()
    assert_allclose(found, expected, rtol=0, atol=tolerance(backend))


def test_equal_weights(backend):
    rows, labels = (backend.asarray(a) for a in (X, LABELS))
    plain = silhouette_score(rows, labels)
    assert silhouette_score(rows, labels, sample_weight=backend.asarray(np.ones(300))) == plain
    threes = silhouette_score(rows, labels, sample_weight=backend.asarray(np.full(300, 3)))
    expected = expected_of(np.repeat(X, 3, axis=0), np.repeat(LABELS, 3)).mean()
    assert_allclose(threes, expected, rtol=0, atol=tolerance(backend))


def test_weights_that_are_no_copies():
    for w in (np.full(300, 0.5), np.where(np.arange(300) == 7, 0.25, 1.0)):
        refuses(lambda w=w: silhouette_score(X, LABELS, sample_weight=w), "sample_weight", "copies")
    refuses(
        lambda: silhouette_score(X, LABELS, sample_weight=np.ones(300), sample_size=9),
        "sample_size",
    )
    # One cluster is left.
    w = (LABELS == 2).astype(float)
    refuses(lambda: silhouette_score(X, LABELS, sample_weight=w), "labels", "got 1")


def test_a_sample_is_scored_alone(backend):
    rows, labels = (backend.asarray(a) for a in (X, LABELS))
    found = silhouette_score(rows, labels, sample_size=120, rng=4)
    drawn = np.sort(np.random.default_rng(4).permutation(300)[:120])
    expected = expected_of(X[drawn], LABELS[drawn]).mean()
    assert_allclose(found, expected, rtol=0, atol=tolerance(backend))
    D = backend.asarray(cdist(X, X))
    given = silhouette_score(D, labels, metric="precomputed", sample_size=120, rng=4)
    assert_allclose(given, found, rtol=0, atol=tolerance(backend))
    whole = silhouette_score(rows, labels)
    assert silhouette_score(rows, labels, sample_size=300) == whole
    assert silhouette_score(rows, labels, sample_size=4000) == whole


def test_numbers_of_clusters_that_have_no_score(backend):
    rows = backend.asarray(X)
    for labels in (np.full(300, 7), np.arange(300)):
        for call in (silhouette_samples, silhouette_score):
            with pytest.raises(ValueError, match=r"labels.*2 to n_samples - 1"):
                call(rows, backend.asarray(labels))
            with pytest.raises(ValueError, match="Number of labels"):
                getattr(metrics, call.__name__)(X, labels)
    with pytest.raises(ValueError, match="labels"):
        silhouette_score(rows[:1, :], backend.asarray(np.zeros(1, int)))


def test_bad_input():
    for value in (0, -1):
        refuses(
            lambda v=value: silhouette_score(X, LABELS, sample_size=v), "sample_size", str(value)
        )
    refuses(lambda: silhouette_score(X, LABELS, sample_size=2.5), "sample_size")
    refuses(lambda: silhouette_score(X, LABELS, sample_size=9, rng="seed"), "rng")
    refuses(lambda: silhouette_samples(X, LABELS, metric="minkowski"), "metric")
    refuses(lambda: silhouette_samples(X, LABELS, metric="precomputed"), "X", "square")
    refuses(lambda: silhouette_score(X, LABELS, metric="precomputed", sample_size=9), "X", "square")
    D = cdist(X, X)
    D[3, 5] += 1
    refuses(lambda: silhouette_samples(D, LABELS, metric="precomputed"), "X", "symmetric")
    refuses(lambda: silhouette_samples(X * 0, LABELS, metric="cosine"), "X", "zero")
    refuses(lambda: silhouette_samples(X * 1e200, LABELS), "X", "range")
    refuses(lambda: silhouette_samples(X, LABELS, metric=lambda a, b: a @ b.T), "metric")
    from scipy import sparse

    refuses(
        lambda: silhouette_samples(sparse.csr_array(D), LABELS, metric="precomputed"), "X", "dense"
    )


def test_rows_that_are_all_equal(backend):
    found = silhouette_samples(
        backend.asarray(np.full((300, 3), 0.1)), backend.asarray(np.arange(300) % 2)
    )
    assert_array_equal(backend.to_numpy(found), np.zeros(300))


def test_dask_is_sampled_or_refused():
    da = pytest.importorskip("dask.array")
    rows, labels = da.from_array(X, chunks=(70, 3)), da.from_array(LABELS, chunks=70)
    found = silhouette_score(rows, labels, sample_size=120, rng=4)
    assert_allclose(found, silhouette_score(X, LABELS, sample_size=120, rng=4))
    for call in (silhouette_samples, silhouette_score):
        with pytest.raises(TypeError, match=r"X.*sample_size"):
            call(rows, labels)


# Loaded beforehand, since what Numba itself takes is no block.
WITH_NUMBA = (
    "from kmeans_xp.kernels.numba import compiling as c; c.prepare('float64', c.SILHOUETTE)"
)
WITHOUT_NUMBA = "from kmeans_xp.kernels.numba import compiling as c; c.installed = lambda: False"


@pytest.mark.parametrize("setting", [WITH_NUMBA, WITHOUT_NUMBA], ids=["with Numba", "without"])
def test_memory_is_bounded_by_a_block(setting):
    # All distances would be 3.2 GB.
    program = f"""
import numpy as np
{setting}
from kmeans_xp import silhouette_score
rng = np.random.default_rng(0)
X, y = rng.random((20_000, 16)), rng.integers(0, 10, 20_000)
silhouette_score(X[:3000], y[:3000])
measure()
silhouette_score(X, y)
report()
"""
    assert run_measured(program) < 64
