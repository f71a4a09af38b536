"""Dask rows on the threaded scheduler: chunks of every kind, lazy labels."""

import pickle

import array_api_strict
import dask
import dask.array as da
import numpy as np
import pytest
from dask.base import is_dask_collection
from numpy.testing import assert_allclose, assert_array_equal

from kmeans_xp import (
    KMeans,
    assign,
    bisecting_kmeans,
    gaussian_mixture,
    inertia,
    kmeans,
    kmeans_plusplus,
    minibatch_kmeans,
    soft_kmeans,
)
from kmeans_xp.rows import open_rows
from tests.data import blobs, cloud, same_partition, some_rows

HOST = cloud(600, 4, seed=1)
START = some_rows(HOST, 5)
WEIGHTS = np.random.default_rng(0).uniform(0.1, 2.0, 600)
EXPECTED = kmeans(HOST, 5, init=START, sample_weight=WEIGHTS)

CHUNKS = {
    "one chunk": ((600,), (4,)),
    "even": ((200, 200, 200), (4,)),
    "uneven": ((1, 399, 7, 193), (4,)),
    "single rows": ((1,) * 10 + (590,), (4,)),
    "nine chunks": ((60,) * 8 + (120,), (4,)),
    "sixty-five chunks": ((9,) * 64 + (24,), (4,)),
    "empty chunks": ((0, 300, 0, 0, 300, 0), (4,)),
    "columns": ((600,), (1, 3)),
    "rows and columns": ((250, 350), (2, 1, 1)),
    "an empty column chunk": ((300, 300), (4, 0)),
}


def assert_expected(result, X):
    assert is_dask_collection(result.labels)
    assert isinstance(result.centers, da.Array)
    assert_array_equal(result.labels.compute(), EXPECTED.labels)
    assert_allclose(result.centers.compute(), EXPECTED.centers, rtol=1e-9, atol=1e-12)
    assert_allclose(result.inertia, EXPECTED.inertia, rtol=1e-9)
    assert result.n_iter == EXPECTED.n_iter


@pytest.mark.parametrize("kind", CHUNKS)
def test_chunks_of_every_kind(kind):
    X = da.from_array(HOST, chunks=CHUNKS[kind])
    w = da.from_array(WEIGHTS, chunks=CHUNKS[kind][:1])
    result = kmeans(X, 5, init=START.tolist(), sample_weight=w)
    assert_expected(result, X)
    assert result.labels.chunks == X.chunks[:1]
    labels, d2 = assign(X, result.centers)
    assert labels.chunks == d2.chunks == X.chunks[:1]
    assert_array_equal(labels.compute(), EXPECTED.labels)
    value = inertia(X, result.centers, result.labels, sample_weight=w)
    assert_allclose(value, EXPECTED.inertia, rtol=1e-9)


def test_chunks_on_a_gpu_give_results_on_a_gpu():
    cupy = pytest.importorskip("cupy")
    X = da.from_array(cupy.asarray(HOST), chunks=(250, 4), asarray=False)
    w = da.from_array(cupy.asarray(WEIGHTS), chunks=250, asarray=False)
    result = kmeans(X, 5, init=START, sample_weight=WEIGHTS)
    labels, centers = result.labels.compute(), result.centers.compute()
    again = kmeans(X, 5, init=START.tolist(), sample_weight=w).labels.compute()
    assert_array_equal(cupy.asnumpy(again), EXPECTED.labels)
    assert isinstance(labels, cupy.ndarray)
    assert isinstance(centers, cupy.ndarray)
    assert_array_equal(cupy.asnumpy(labels), EXPECTED.labels)
    assert_allclose(cupy.asnumpy(centers), EXPECTED.centers, rtol=1e-9, atol=1e-12)


def test_chunks_of_unknown_size():
    padded = np.concatenate([HOST, np.full((300, 4), 99.0)])[
        np.random.default_rng(1).permutation(900)
    ]
    whole = da.from_array(padded, chunks=(250, 4))
    X = whole[whole[:, 0] < 50]
    assert np.isnan(X.shape[0])
    shown = padded[padded[:, 0] < 50]
    result = kmeans(X, 5, init=START.tolist())
    expected = kmeans(shown, 5, init=START)
    assert_array_equal(result.labels.compute(), expected.labels)
    assert_allclose(result.inertia, expected.inertia, rtol=1e-9)
    assert result.labels.numblocks == X.numblocks[:1]
    seeded = kmeans(X, 5, rng=2)
    assert_array_equal(seeded.labels.compute(), kmeans(shown, 5, rng=2).labels)
    _, indices = kmeans_plusplus(X, 7, rng=4)
    assert_array_equal(np.asarray(indices), np.asarray(kmeans_plusplus(shown, 7, rng=4)[1]))
    # Some of the chunks may be left without rows.
    X = whole[da.from_array(np.arange(900), chunks=250) >= 500]
    assert_array_equal(assign(X, START.tolist())[0].compute(), assign(padded[500:], START)[0])
    w = da.ones(900, chunks=250)[whole[:, 0] < 50]
    weighted = kmeans(whole[whole[:, 0] < 50], 5, init=START.tolist(), sample_weight=w)
    assert_allclose(weighted.inertia, expected.inertia, rtol=1e-9)
    with pytest.raises(ValueError, match=r"\bX\b.*row"):
        kmeans(whole[whole[:, 0] > 1e9], 5)
    with pytest.raises(ValueError, match=r"n_clusters.*601"):
        kmeans(whole[whole[:, 0] < 50], 601)


def test_weights_in_other_chunks_than_the_rows():
    X = da.from_array(HOST, chunks=(100, 4))
    for chunks in (600, 77, (0, 10, 590)):
        w = da.from_array(WEIGHTS, chunks=chunks if isinstance(chunks, int) else (chunks,))
        assert_expected(kmeans(X, 5, init=START.tolist(), sample_weight=w), X)
        labels = da.from_array(np.asarray(EXPECTED.labels), chunks=130)
        value = inertia(X, da.from_array(EXPECTED.centers), labels, sample_weight=w)
        assert_allclose(value, EXPECTED.inertia, rtol=1e-9)


def test_labels_are_lazy_and_may_be_computed_late():
    X = da.from_array(HOST, chunks=(200, 4))
    result = kmeans(X, 5, init=START.tolist())
    for labels in (result.labels, KMeans(5, init=START.tolist()).fit(HOST).predict(X)):
        assert is_dask_collection(labels)
        assert_array_equal(labels[150:450].compute(), kmeans(HOST, 5, init=START).labels[150:450])
        # They are a column of the rows, to select and to group by.
        mine = X[labels == 2]
        assert_allclose(mine.mean(axis=0).compute(), np.asarray(result.centers)[2], rtol=1e-9)


def test_the_same_seed_gives_the_rows_of_numpy():
    X = da.from_array(HOST, chunks=((5, 250, 345), (4,)))
    for init in ("k-means++", "random"):
        ours, theirs = (kmeans(rows, 6, init=init, rng=7) for rows in (X, HOST))
        assert_array_equal(ours.labels.compute(), theirs.labels)
        assert_allclose(ours.inertia, theirs.inertia, rtol=1e-9)
    _, ours = kmeans_plusplus(X, 20, rng=5)
    assert_array_equal(np.asarray(ours), kmeans_plusplus(HOST, 20, rng=5)[1])


def test_parallel_seeding_finds_the_blobs():
    rows, planted = blobs(n=2000, d=3, k=8)
    result = kmeans(da.from_array(rows, chunks=(300, 3)), 8, init="k-means||", rng=0)
    assert same_partition(result.labels.compute(), planted)


@pytest.mark.parametrize("dtype", ["float32", "int16", "bool", "float16"])
def test_dtypes(dtype):
    host = np.rint(HOST * 3).astype(dtype)
    start = host[:4].astype("float32") + np.arange(4, dtype="float32")[:, None] / 8
    expected = kmeans(host, 4, init=start, max_iter=3)
    result = kmeans(da.from_array(host, chunks=(250, 3)), 4, init=start.tolist(), max_iter=3)
    assert result.centers.dtype == expected.centers.dtype
    assert result.centers.compute().dtype == expected.centers.dtype
    assert result.labels.compute().dtype == np.int32
    assert_array_equal(result.labels.compute(), expected.labels)


def test_empty_clusters_take_the_rows_that_numpy_gives_them():
    start = START.copy()
    start[1:3] += 1e3
    X = da.from_array(HOST, chunks=((17, 283, 300), (4,)))
    for policy in ("farthest", "random"):
        options = {"empty_clusters": policy, "rng": 3}
        ours = kmeans(X, 5, init=start.tolist(), **options)
        theirs = kmeans(HOST, 5, init=start, **options)
        assert_array_equal(ours.labels.compute(), theirs.labels)
        assert_allclose(ours.inertia, theirs.inertia, rtol=1e-9)


def test_the_estimator():
    X = da.from_array(HOST, chunks=(250, 4))
    model = KMeans(5, init=START.tolist()).fit(X, sample_weight=da.from_array(WEIGHTS))
    assert is_dask_collection(model.labels_)
    assert_array_equal(model.predict(HOST), EXPECTED.labels)
    assert_array_equal(model.labels_.compute(), EXPECTED.labels)
    distances = model.transform(X)
    assert distances.chunks[0] == X.chunks[0]
    assert distances.shape == (600, 5)
    assert_allclose(model.score(X, sample_weight=da.from_array(WEIGHTS)), -model.inertia_)


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_the_users_scheduler_is_used(scheduler):
    with dask.config.set(scheduler=scheduler):
        X = da.from_array(HOST, chunks=(130, 4))
        result = kmeans(X, 5, init=START.tolist(), sample_weight=da.from_array(WEIGHTS))
        assert_expected(result, X)


def test_bad_weights_and_rows_in_one_late_chunk():
    spoiled = HOST.copy()
    spoiled[-1, -1] = np.nan
    X, bad = (da.from_array(a, chunks=(100, 4)) for a in (HOST, spoiled))
    w = WEIGHTS.copy()
    w[-1] = -1
    with pytest.raises(ValueError, match=r"\bX\b.*(NaN|finite)"):
        kmeans(bad, 3, rng=0)
    with pytest.raises(ValueError, match=r"sample_weight"):
        kmeans(X, 3, rng=0, sample_weight=da.from_array(w, chunks=100))
    with pytest.raises(ValueError, match=r"sample_weight.*599"):
        kmeans(X, 3, rng=0, sample_weight=da.from_array(w[:599], chunks=100))
    with pytest.raises(ValueError, match=r"\bX\b"):
        assign(bad, START.tolist())[0].compute()


PARTS = HOST[:200], HOST[200:400], HOST[400:]
# What the second chunk is in truth, and what the error says of it.
UNTRUE = {
    "short": (HOST[200:390], ValueError, r"\bX\b.*shape.*chunk 1.*\(190, 4\).*\(200, 4\)"),
    "long": (HOST[200:410], ValueError, r"\bX\b.*shape.*chunk 1.*\(210, 4\).*\(200, 4\)"),
    "narrow": (HOST[200:400, :3], ValueError, r"\bX\b.*shape.*chunk 1.*\(200, 3\)"),
    "flat": (HOST[200:400, 0], ValueError, r"\bX\b.*shape.*chunk 1.*\(200,\)"),
    "of complex numbers": (HOST[200:400] + 0j, ValueError, r"Complex.*\bX\b"),
    "of text": (HOST[200:400].astype(str), ValueError, r"\bX\b.*numbers"),
    "a list": (HOST[200:400].tolist(), TypeError, r"\bX\b.*ndarray.*chunk 1.*list"),
    "masked": (np.ma.array(HOST[200:400]), TypeError, r"\bX\b.*MaskedArray"),
    "of another library": (
        array_api_strict.asarray(HOST[200:400]),
        TypeError,
        r"\bX\b.*ndarray.*chunk 1.*Array",
    ),
}
SWEEPING = {
    call.__name__: call
    for call in (
        kmeans,
        minibatch_kmeans,
        bisecting_kmeans,
        soft_kmeans,
        gaussian_mixture,
        kmeans_plusplus,
    )
}


def declared(parts, shapes, dtype="float64", meta=None):
    pieces = [
        da.from_delayed(dask.delayed(lambda part: part, pure=False)(p), s, dtype=dtype, meta=meta)
        for p, s in zip(parts, shapes, strict=True)
    ]
    return da.concatenate(pieces)


@pytest.mark.parametrize("name", SWEEPING)
@pytest.mark.parametrize("kind", UNTRUE)
def test_a_chunk_that_is_not_what_it_declares_is_refused(kind, name):
    chunk, error, message = UNTRUE[kind]
    X = declared([PARTS[0], chunk, PARTS[2]], [(200, 4)] * 3)
    with pytest.raises(error, match=message):
        SWEEPING[name](X, 3, rng=0)
    with pytest.raises(error, match=message):
        assign(X, START.tolist())[0].compute()


def test_a_chunk_keeps_its_precision_or_is_refused():
    X = declared([PARTS[0].astype("f4"), *PARTS[1:]], [(200, 4)] * 3, "float32")
    with pytest.raises(ValueError, match=r"\bX\b.*dtype.*chunk [12].*float64.*float32"):
        kmeans(X, 3, rng=0)
    # Nothing is lost the other way.
    X = declared([np.rint(PARTS[0]).astype("i2"), PARTS[1].astype("f4"), PARTS[2]], [(200, 4)] * 3)
    result = kmeans(X, 3, rng=0)
    host = np.concatenate([np.rint(PARTS[0]), PARTS[1].astype("f4"), PARTS[2]])
    assert_array_equal(result.labels.compute(), kmeans(host, 3, rng=0).labels)


def test_a_remedy_that_an_error_names_helps():
    X = declared([PARTS[0], HOST[200:390], PARTS[2]], [(200, 4)] * 3)
    X.compute_chunk_sizes()
    assert kmeans(X, 3, rng=0).labels.shape == (590,)


def test_chunks_of_a_library_that_cannot_be_swept_are_refused():
    torch = pytest.importorskip("torch")
    X = da.from_array(HOST, chunks=(200, 4)).map_blocks(torch.as_tensor)
    with pytest.raises(TypeError, match=r"\bX\b.*NumPy or CuPy.*Tensor.*map_blocks"):
        kmeans(X, 3)
    with pytest.raises(TypeError, match=r"\bX\b.*MaskedArray"):
        kmeans(da.ma.masked_greater(da.from_array(HOST, chunks=(200, 4)), 1), 3)


def test_an_unknown_number_of_features_is_refused():
    X = da.from_array(HOST, chunks=(200, 4))[:, da.from_array(np.array([True, True, False, True]))]
    with pytest.raises(ValueError, match=r"\bX\b.*features.*nan.*compute_chunk_sizes"):
        kmeans(X, 3)
    X.compute_chunk_sizes()
    assert kmeans(X, 3, rng=0).centers.shape == (3, 3)


@pytest.mark.parametrize("wrong", [150, 250])
def test_weights_that_are_not_what_they_declare_are_refused(wrong):
    X = da.from_array(HOST, chunks=(200, 4))
    w = declared([WEIGHTS[:200], np.ones(wrong), WEIGHTS[400:]], [(200,)] * 3)
    with pytest.raises(ValueError, match=rf"sample_weight.*shape.*chunk 1.*\({wrong},\)"):
        kmeans(X, 3, rng=0, sample_weight=w)
    w = declared([WEIGHTS[:200], WEIGHTS[200:400].tolist(), WEIGHTS[400:]], [(200,)] * 3)
    with pytest.raises(TypeError, match=r"sample_weight.*ndarray.*chunk 1.*list"):
        kmeans(X, 3, rng=0, sample_weight=w)


@pytest.mark.parametrize("kind", CHUNKS)
def test_random_shares_do_not_depend_on_the_chunks(kind):
    X = da.from_array(HOST, chunks=CHUNKS[kind])
    options = {"init": "random shares", "max_iter": 2, "rng": 3}
    ours, theirs = (gaussian_mixture(rows, 2, **options) for rows in (X, HOST))
    assert_allclose(ours.means, theirs.means, rtol=1e-9)
    assert_array_equal(open_rows(X).uniforms(5), open_rows(HOST).uniforms(5))


def test_draws_are_made_where_the_chunks_are():
    draws = open_rows(da.zeros((10**9, 1), chunks=10**7)).uniforms(7)
    assert len(pickle.dumps(dict(draws.__dask_graph__()))) < 10**5
    some = draws[5 * 10**8 : 5 * 10**8 + 3].compute()
    bits = np.random.PCG64(7)
    bits.advance(5 * 10**8)
    assert_array_equal(some, np.random.Generator(bits).random(3))
