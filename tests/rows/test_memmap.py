"""Rows in a file: every kind of memory map is read for what it shows, and never whole."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from kmeans_xp import KMeans, assign, inertia, kmeans, kmeans_plusplus
from kmeans_xp.rows import numpy as numpy_rows
from kmeans_xp.rows import open_rows
from tests.data import blobs, cloud, some_rows
from tests.processes import run_measured

HOST = cloud(3000, 5, seed=1)
START = some_rows(HOST, 6)


@pytest.fixture
def path(tmp_path):
    np.save(tmp_path / "rows.npy", HOST)
    return tmp_path / "rows.npy"


def assert_seen_as(mapped, shown):
    """The map is clustered as the array that it shows, and is the same afterwards."""
    shown = np.array(shown, dtype=np.float64)
    start = some_rows(shown, 4)
    ours, theirs = (kmeans(X, 4, init=start, max_iter=5) for X in (mapped, shown))
    assert type(ours.labels) is type(ours.centers) is np.ndarray
    assert_array_equal(ours.labels, theirs.labels)
    rtol = 1e-9 if mapped.dtype.itemsize == 8 else 1e-5
    assert_allclose(ours.centers, theirs.centers, rtol=rtol, atol=1e-6 if rtol > 1e-9 else 1e-12)
    assert_allclose(ours.inertia, theirs.inertia, rtol=rtol)
    labels, d2 = assign(mapped, start)
    assert type(labels) is type(d2) is np.ndarray
    assert_allclose(d2, assign(shown, start)[1], rtol=1e-4, atol=1e-6)
    centers, indices = kmeans_plusplus(mapped, 5, rng=1)
    assert type(centers) is np.ndarray
    assert_array_equal(centers, shown[np.asarray(indices)].astype(centers.dtype))
    assert_array_equal(np.array(mapped, dtype=np.float64), shown)


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_modes(path, mode):
    before = path.read_bytes()
    assert_seen_as(np.load(path, mmap_mode=mode), HOST)
    assert path.read_bytes() == before


def test_changes_of_a_copy_on_write_map_are_seen_and_kept(path):
    mapped = np.load(path, mmap_mode="c")
    mapped[10:1500] += 3.0
    shown = HOST.copy()
    shown[10:1500] += 3.0
    assert_seen_as(mapped, shown)
    view = mapped[5:2000]
    assert_seen_as(view, shown[5:2000])
    of_no_mode = np.asarray(mapped).view(np.memmap)
    assert_seen_as(of_no_mode, shown)
    assert np.array_equal(mapped, shown)


def test_unflushed_writes_are_seen(path):
    mapped = np.load(path, mmap_mode="r+")
    mapped[:] = HOST * 2.0
    assert_seen_as(mapped, HOST * 2.0)
    assert_array_equal(np.load(path), HOST * 2.0)


@pytest.mark.parametrize(
    "cut",
    [
        (slice(100, 900),),
        (slice(None, None, 3),),
        (slice(None, None, -1),),
        (slice(7, None), slice(1, 4)),
        (slice(None), slice(None, None, 2)),
        (slice(None), slice(None, None, -1)),
    ],
    ids=str,
)
def test_views_of_a_map(path, cut):
    mapped = np.load(path, mmap_mode="r")[cut]
    assert isinstance(mapped, np.memmap)
    assert_seen_as(mapped, HOST[cut])


def test_a_transposed_map(tmp_path):
    np.save(tmp_path / "t.npy", HOST.T.copy())
    assert_seen_as(np.load(tmp_path / "t.npy", mmap_mode="r").T, HOST)


def test_a_fortran_ordered_map(tmp_path):
    np.save(tmp_path / "f.npy", np.asfortranarray(HOST))
    mapped = np.load(tmp_path / "f.npy", mmap_mode="r")
    assert mapped.flags.f_contiguous
    assert_seen_as(mapped, HOST)


def test_maps_that_are_copies_in_truth(path):
    mapped = np.load(path, mmap_mode="r")
    assert_seen_as(mapped[np.arange(0, 3000, 2)], HOST[::2])
    assert_seen_as(mapped * 2.0, HOST * 2.0)
    assert_seen_as(mapped.reshape(1500, 10), HOST.reshape(1500, 10))


def test_a_raw_file_with_an_offset(tmp_path):
    (tmp_path / "raw").write_bytes(b"x" * 13 + HOST.tobytes())
    mapped = np.memmap(tmp_path / "raw", dtype=np.float64, mode="r", offset=13, shape=HOST.shape)
    assert_seen_as(mapped, HOST)
    assert_seen_as(mapped[100:], HOST[100:])


@pytest.mark.parametrize("dtype", ["float32", "float16", ">f8", ">f4", "int16", ">i4", "uint8"])
def test_dtypes_of_a_map(tmp_path, dtype):
    whole = np.rint(10 * HOST + 100).astype(dtype)
    np.save(tmp_path / "d.npy", whole)
    assert_seen_as(np.load(tmp_path / "d.npy", mmap_mode="r"), whole)


def test_a_map_is_fitted_as_an_array_is(path):
    mapped = np.load(path, mmap_mode="r")
    w = np.random.default_rng(0).uniform(0, 2, 3000)
    for init in ("k-means++", "k-means||", "random", START):
        ours, theirs = (kmeans(X, 6, init=init, rng=3, sample_weight=w) for X in (mapped, HOST))
        assert_array_equal(ours.labels, theirs.labels)
        assert_allclose(ours.inertia, theirs.inertia, rtol=1e-9)
    model = KMeans(6, random_state=0).fit(mapped)
    assert_array_equal(model.predict(mapped), model.labels_)
    assert_array_equal(model.predict(HOST), model.labels_)
    assert_allclose(model.transform(mapped), model.transform(HOST))
    assert_allclose(inertia(mapped, START), inertia(HOST, START), rtol=1e-12)


def test_weights_and_starts_may_be_maps(path, tmp_path):
    np.save(tmp_path / "w.npy", np.arange(3000) % 4)
    np.save(tmp_path / "c.npy", START)
    w, start = (np.load(tmp_path / f, mmap_mode="r") for f in ("w.npy", "c.npy"))
    ours = kmeans(np.load(path, mmap_mode="r"), 6, init=start, sample_weight=w)
    theirs = kmeans(HOST, 6, init=START, sample_weight=np.arange(3000) % 4)
    assert_array_equal(ours.labels, theirs.labels)
    assert type(ours.centers) is np.ndarray


def test_a_map_with_a_gap_is_refused(tmp_path):
    spoiled = HOST.copy()
    spoiled[2999, 4] = np.nan
    np.save(tmp_path / "nan.npy", spoiled)
    mapped = np.load(tmp_path / "nan.npy", mmap_mode="r")
    for call in (lambda: kmeans(mapped, 3), lambda: assign(mapped, START)):
        with pytest.raises(ValueError, match=r"\bX\b.*(NaN|finite)"):
            call()


STREAM = """
import numpy as np
from kmeans_xp import KMeans, kmeans
# A sparse file: rows that were never written read as zeros and take no room on the disk.
X = np.memmap({path!r}, dtype="float32", mode="w+", shape=({rows}, 16))
X[: 1000] = 10.0
X[{rows} // 2 : {rows} // 2 + 3000] = 20.0
X[-500:] = 40.0
X.flush()
del X
X = np.memmap({path!r}, dtype="float32", mode="r", shape=({rows}, 16))
kmeans(X[:5000], 2, rng=0)
start = np.array([0.5, 11.0, 19.0, 41.0], dtype="float32")[:, None] * np.ones(16, "float32")
measure()
model = KMeans(4, init=start, max_iter=1).fit(X)
report()
assert model.cluster_centers_[:, 0].tolist() == [0.0, 10.0, 20.0, 40.0], model.cluster_centers_
assert model.inertia_ == 0.0
assert np.bincount(model.labels_).tolist() == [{rows} - 4500, 1000, 3000, 500]
"""


@pytest.mark.parametrize(
    ("gigabytes", "limit"), [(1, 300), pytest.param(4, 600, marks=pytest.mark.slow)]
)
def test_a_large_map_is_streamed(tmp_path, gigabytes, limit):
    rows = gigabytes * 2**30 // 64
    program = STREAM.format(path=str(tmp_path / "large"), rows=rows)
    # Its labels are the user's: four bytes a row.
    assert run_measured(program) < limit


SEED = """
import numpy as np
from kmeans_xp import kmeans_plusplus
X = np.memmap({path!r}, dtype="float32", mode="w+", shape=({rows}, 64))
X[5::1000, 0] = 100.0
X[7::1000, 1] = 100.0
kmeans_plusplus(X[:5000], 3, rng=0)
measure()
centers, indices = kmeans_plusplus(X, 3, rng=0)
report()
assert sorted(centers.sum(axis=1).tolist()) == [0.0, 100.0, 100.0], centers
"""


def test_seeding_of_a_large_map_is_streamed(tmp_path):
    rows = 2**29 // 256
    assert run_measured(SEED.format(path=str(tmp_path / "large"), rows=rows)) < 200


TAKE = """
import numpy as np
from kmeans_xp.rows import open_rows
# Written at once, it may lie in the largest pages that the system has.
np.arange(2**26, dtype="float32").tofile({path!r})
X = np.memmap({path!r}, dtype="float32", mode="r", shape=(2**21, 32))
where = np.random.default_rng(0).integers(0, 2**21, 128)
rows = open_rows(X)
rows.take(where[:1])
measure()
found = rows.take(where)
report()
assert (found == np.float32(32 * where[:, None] + np.arange(32))).all()
"""


def test_a_few_rows_of_a_map_bring_in_little_more(tmp_path):
    assert run_measured(TAKE.format(path=str(tmp_path / "large"))) < 40


@pytest.mark.parametrize("page", [256, 1 << 14])
@pytest.mark.parametrize("sparse", [1, 1 << 20])
def test_rows_are_taken_in_the_order_of_the_indices(path, tmp_path, monkeypatch, page, sparse):
    monkeypatch.setattr(numpy_rows, "PAGE", page * 16)
    monkeypatch.setattr(numpy_rows, "SPARSE", sparse)
    np.save(tmp_path / "f.npy", np.asfortranarray(HOST))
    where = np.random.default_rng(0).integers(0, 1000, 300)
    for file in (path, tmp_path / "f.npy"):
        mapped = np.load(file, mmap_mode="r")
        for cut in (np.s_[:], np.s_[1000:], np.s_[::-1], np.s_[::3, 1:4]):
            assert_array_equal(open_rows(mapped[cut]).take(where), HOST[cut][where])
            assert_array_equal(open_rows(mapped[cut]).take(where[:1]), HOST[cut][where[:1]])


def test_blobs_in_a_map_are_found(tmp_path):
    rows, planted = blobs(n=5000, d=3, k=4)
    np.save(tmp_path / "b.npy", rows)
    labels = KMeans(4, random_state=0).fit_predict(np.load(tmp_path / "b.npy", mmap_mode="r"))
    assert len(set(zip(labels.tolist(), planted.tolist(), strict=True))) == 4
