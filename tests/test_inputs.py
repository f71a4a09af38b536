"""Every form of data that is taken gives the right answer, and is left as it was."""

import io

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from kmeans_xp import KMeans, assign, inertia, kmeans, kmeans_plusplus
from tests.data import cloud, some_rows

WHOLE = np.rint(20 * cloud(120, 3, seed=1))
START = some_rows(WHOLE, 4)
WEIGHTS = np.arange(120) % 5 + 1.0


def _read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def _unaligned(X):
    raw = np.zeros(X.nbytes + 1, dtype=np.uint8)[1:].view(X.dtype).reshape(X.shape)
    raw[:] = X
    assert not raw.flags.aligned
    return raw


def _saved(X):
    file = io.BytesIO()
    np.save(file, X)
    file.seek(0)
    return np.load(file)


FORMS = {
    "read-only": _read_only,
    "Fortran-ordered": np.asfortranarray,
    "strided rows": lambda X: np.repeat(X, 2, axis=0)[::2],
    "strided columns": lambda X: np.repeat(X, 3, axis=1)[:, ::3],
    "reversed rows": lambda X: X[::-1].copy()[::-1],
    "reversed columns": lambda X: X[:, ::-1].copy()[:, ::-1],
    "a transposed view": lambda X: X.T.copy().T,
    "broadcast memory": lambda X: X,
    "unaligned": _unaligned,
    "big-endian": lambda X: X.astype(">f8"),
    "little-endian": lambda X: X.astype("<f8"),
    "float32": lambda X: X.astype(np.float32),
    "float16": lambda X: X.astype(np.float16),
    "big-endian float32": lambda X: X.astype(">f4"),
    "int8": lambda X: X.astype(np.int8),
    "int16": lambda X: X.astype(np.int16),
    "int32": lambda X: X.astype(np.int32),
    "int64": lambda X: X.astype(np.int64),
    "big-endian int32": lambda X: X.astype(">i4"),
    "a list": lambda X: X.tolist(),
    "a tuple of arrays": tuple,
    "a list of ints": lambda X: X.astype(int).tolist(),
    "a data frame": pd.DataFrame,
    "a mixed data frame": lambda X: pd.DataFrame(
        {"a": X[:, 0].astype(int), "b": X[:, 1], "c": X[:, 2].astype(np.float32)}
    ),
    "objects": lambda X: X.astype(object),
    "saved and loaded": _saved,
    "a subclass": lambda X: X.view(type("Sub", (np.ndarray,), {})),
}
EXPECTED = kmeans(WHOLE, 4, init=START, sample_weight=WEIGHTS)


def _bytes(X):
    return (
        pd.util.hash_pandas_object(X).to_numpy().tobytes()
        if isinstance(X, pd.DataFrame)
        else repr(X).encode()
        if isinstance(X, list | tuple)
        else X.tobytes()
    )


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_clusters(form):
    X = FORMS[form](WHOLE)
    before = _bytes(X)
    result = kmeans(X, 4, init=START, sample_weight=WEIGHTS)
    rtol = 1e-6 if "float" in form else 1e-12
    assert_array_equal(result.labels, EXPECTED.labels)
    assert_allclose(result.centers, EXPECTED.centers, rtol=rtol, atol=1e-6 * (rtol > 1e-9))
    assert_allclose(result.inertia, EXPECTED.inertia, rtol=rtol)
    labels, d2 = assign(X, result.centers)
    assert type(labels) is type(d2) is type(result.centers) is np.ndarray
    assert_array_equal(labels, EXPECTED.labels)
    assert result.centers.dtype.isnative
    assert d2.dtype.isnative
    found = inertia(X, result.centers, sample_weight=WEIGHTS)
    assert_allclose(found, result.inertia, rtol=1e-9)
    centers, indices = kmeans_plusplus(X, 3, rng=0)
    assert_array_equal(centers, WHOLE[np.asarray(indices)])
    model = KMeans(4, init=START).fit(X, sample_weight=WEIGHTS)
    assert_array_equal(model.predict(X), EXPECTED.labels)
    assert _bytes(X) == before


@pytest.mark.parametrize("form", ["big-endian", "strided rows", "unaligned", "int32"])
def test_every_form_of_start_weights_and_labels(form):
    make = FORMS[form]
    w = make(WEIGHTS[:, None])[:, 0]
    result = kmeans(WHOLE, 4, init=make(START), sample_weight=w)
    assert_array_equal(result.labels, EXPECTED.labels)
    assert_allclose(result.inertia, EXPECTED.inertia, rtol=1e-12)
    labels = make(np.asarray(EXPECTED.labels, dtype=float)[:, None])[:, 0].astype(">i8")
    value = inertia(WHOLE, EXPECTED.centers, labels, sample_weight=w)
    assert_allclose(value, EXPECTED.inertia, rtol=1e-12)


def test_bool():
    X = cloud(60, 5) > 0
    result = kmeans(X, 3, init=X[:3] * 1.0)
    expected = kmeans(X * 1.0, 3, init=X[:3] * 1.0)
    assert result.centers.dtype == np.float64
    assert_array_equal(result.labels, expected.labels)
    weighted = kmeans(X, 3, init=X[:3] * 1.0, sample_weight=X[:, 0])
    expected = kmeans(X * 1.0, 3, init=X[:3] * 1.0, sample_weight=X[:, 0] * 1.0)
    assert_allclose(weighted.inertia, expected.inertia)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64"])
def test_unsigned_integers_do_not_wrap(dtype):
    X = (WHOLE - WHOLE.min()).astype(dtype)
    start = START - WHOLE.min()
    result = kmeans(X, 4, init=start)
    assert_allclose(result.inertia, kmeans(WHOLE, 4, init=START).inertia, rtol=1e-12)
    assert_array_equal(assign(X, X[:4])[0], assign(X * 1.0, X[:4] * 1.0)[0])


def test_large_integers_keep_their_digits():
    X = np.array([[2**40], [2**40 + 1], [2**41], [2**41 + 3]])
    result = kmeans(X, 2, rng=0)
    assert_array_equal(np.sort(result.centers[:, 0]), [2**40 + 0.5, 2**41 + 1.5])
    assert result.inertia == 5.0


def test_float16_is_computed_in_float32():
    X = np.array([[60000.0], [60032.0], [100.0], [101.0]], dtype=np.float16)
    result = kmeans(X, 2, init=[[60000.0], [100.0]])
    assert result.centers.dtype == np.float32
    assert_array_equal(result.centers, [[60016.0], [100.5]])
    assert result.inertia == 2 * 16.0**2 + 0.5


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "bool", ">f4", "float16"])
def test_weights_of_any_dtype(dtype):
    w = (np.arange(120) % 2 + (dtype != "bool")).astype(dtype)
    for X in (WHOLE, WHOLE.astype(np.float32)):
        result = kmeans(X, 4, init=START, sample_weight=w)
        expected = kmeans(X, 4, init=START, sample_weight=w.astype(np.float64))
        assert_array_equal(result.labels, expected.labels)
        assert_array_equal(result.centers, expected.centers)
        listed = kmeans(X, 4, init=START, sample_weight=w.tolist())
        assert_array_equal(result.centers, listed.centers)


def test_weights_as_a_series():
    prepared = pd.DataFrame(WHOLE, columns=list("abc"))
    result = kmeans(prepared, 4, init=START, sample_weight=pd.Series(WEIGHTS))
    assert_array_equal(result.labels, EXPECTED.labels)


def test_equal_weights_are_no_weights():
    plain = kmeans(WHOLE, 4, init=START)
    ones = kmeans(WHOLE, 4, init=START, sample_weight=np.ones(120))
    assert_array_equal(plain.labels, ones.labels)
    assert_allclose(plain.centers, ones.centers, rtol=1e-14)


def test_a_column_of_a_table_is_not_one_feature():
    with pytest.raises(ValueError, match=r"\bX\b.*reshape"):
        kmeans(WHOLE[:, 0], 2)


FRAME = pd.DataFrame(WHOLE, columns=["length", "width", "height"])
CITIES = ["Rome", "Oslo", "Bern"] * 40


def _polars(frame):
    return pytest.importorskip("polars").from_pandas(frame)


def _pyarrow(frame):
    return pytest.importorskip("pyarrow").Table.from_pandas(frame)


def _narwhals(frame):
    return pytest.importorskip("narwhals").from_native(frame)


def _dask(frame):
    return pytest.importorskip("dask.dataframe").from_pandas(frame, npartitions=3)


EAGER = {
    "pandas": lambda frame: frame,
    "polars": _polars,
    "pyarrow": _pyarrow,
    "narwhals": _narwhals,
}
FRAMES = {**EAGER, "Dask": _dask}


@pytest.mark.parametrize("library", FRAMES)
@pytest.mark.parametrize("call", [lambda X: kmeans(X, 4), lambda X: KMeans(4).fit(X)])
def test_a_column_of_text_is_named(library, call):
    X = FRAMES[library](FRAME.assign(city=CITIES, country=CITIES))
    with pytest.raises(ValueError, match=r"\bX\b.*'city' holds text, 'country' holds text"):
        call(X)


COLUMNS = {
    "datetime": pd.Timestamp("2020-01-01"),
    "duration": pd.Timedelta("1s"),
    "categories": pd.Categorical(CITIES),
    "objects": np.array([1, "a", None] * 40, dtype=object),
    "text": np.array(["1", "a", None] * 40, dtype=object),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_column_of_something_else_is_named(kind):
    with pytest.raises(ValueError, match=r"\bX\b.*numbers.*'other' holds "):
        kmeans(FRAME.assign(other=COLUMNS[kind]), 4)


def test_of_many_columns_of_text_a_few_are_named():
    X = pd.DataFrame({f"c{i}": CITIES for i in range(9)})
    with pytest.raises(ValueError, match="'c4' holds text, 4 more"):
        kmeans(X, 4)


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "boolean", "object", "category"])
def test_columns_of_types_of_pandas_own(dtype):
    values = WHOLE[:, 0] > 0 if dtype == "boolean" else WHOLE[:, 0].astype(int)
    X = FRAME.assign(length=pd.Series(values).astype(dtype))
    plain = np.column_stack([values, WHOLE[:, 1:]])
    expected = kmeans(plain, 4, init=some_rows(plain, 4))
    result = kmeans(X, 4, init=some_rows(plain, 4))
    assert result.centers.dtype == np.float64
    assert_array_equal(result.labels, expected.labels)
    assert_array_equal(result.centers, expected.centers)


def test_columns_of_one_name():
    X = FRAME.set_axis(["a", "a", "b"], axis=1).astype(object)
    assert_array_equal(kmeans(X, 4, init=START, sample_weight=WEIGHTS).labels, EXPECTED.labels)


@pytest.mark.parametrize("library", FRAMES)
def test_models_know_the_names_of_columns(library):
    model = KMeans(4, init=START).fit(FRAMES[library](FRAME))
    assert model.feature_names_in_.tolist() == list(FRAME.columns)
    model.predict(FRAMES[library](FRAME))
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(FRAMES[library](FRAME.rename(columns={"width": "depth"})))


@pytest.mark.parametrize("library", EAGER)
def test_weights_of_a_frame(library):
    weighted = FRAMES[library](FRAME.assign(weight=WEIGHTS))
    result = kmeans(FRAMES[library](FRAME), 4, init=START, sample_weight=weighted["weight"])
    assert_array_equal(result.labels, EXPECTED.labels)


def test_weights_that_are_missing():
    weights = pd.Series([1, None] * 60, dtype="Int64")
    with pytest.raises(ValueError, match=r"sample_weight.*NaN .* 60 times, first in row 1"):
        kmeans(FRAME, 4, sample_weight=weights)
    with pytest.raises(ValueError, match=r"sample_weight must hold numbers only.*text"):
        kmeans(FRAME, 4, sample_weight=pd.Series(CITIES, name="city"))


MISSING = {
    "NaN": np.nan,
    "None": np.array([None, 1] * 60, dtype=object),
    "NA": pd.array([pd.NA, 1] * 60, dtype="Int64"),
    "NA among bools": pd.array([pd.NA, True] * 60, dtype="boolean"),
    "NA among floats": pd.array([pd.NA, 1.5] * 60, dtype="Float32"),
}


@pytest.mark.parametrize("library", FRAMES)
@pytest.mark.parametrize("missing", MISSING)
def test_missing_values_are_told_by_column_row_and_count(library, missing):
    frame = FRAME.copy()
    values = MISSING[missing]
    frame["width"] = values
    if missing == "NaN":
        frame.loc[::2, "height"] = np.nan
        frame.loc[3:, "width"] = 0.0
    X = FRAMES[library](frame)
    said = r"\bX\b.*column 'width' holds NaN .* 60 times, first in row 0"
    if missing == "NaN":
        said = said.replace("60", "3") + "; column 'height' holds NaN .* 60 times"
    for call in (lambda X: kmeans(X, 4), lambda X: KMeans(4).fit(X), lambda X: assign(X, START)):
        with pytest.raises(ValueError, match=said):
            call(X)
    model = KMeans(4, init=START).fit(FRAMES[library](FRAME))
    with pytest.raises(ValueError, match=said):
        model.predict(X)


def test_missing_values_of_a_list():
    with pytest.raises(ValueError, match=r"X.*feature 0 holds NaN .* once, in row 1"):
        kmeans([[1.0, 2.0], [None, 3.0]], 1)


@pytest.mark.parametrize("library", ["polars", "narwhals"])
@pytest.mark.parametrize("call", [lambda X: kmeans(X, 4), lambda X: KMeans(4).fit(X)])
def test_a_lazy_frame_is_told_to_collect(library, call):
    lazy = FRAMES[library](FRAME).lazy()
    with pytest.raises(TypeError, match=r"X must be in memory, got a LazyFrame.*X\.collect\(\)"):
        call(lazy)
    call(lazy.collect())


def test_a_dask_frame_stays_on_dask():
    da = pytest.importorskip("dask.array")
    X = _dask(FRAME)
    weights = _dask(FRAME.assign(weight=pd.array(WEIGHTS, dtype="Float64")))["weight"]
    model = KMeans(4, init=START).fit(X, sample_weight=weights)
    assert isinstance(model.labels_, da.Array)
    assert_array_equal(model.labels_.compute(), EXPECTED.labels)
    assert_allclose(model.inertia_, EXPECTED.inertia)
    assert isinstance(model.predict(X), da.Array)
    # Numbers of pandas' own types too, some of them missing.
    own = FRAME.convert_dtypes()
    assert_array_equal(kmeans(_dask(own), 4, init=START).labels, kmeans(own, 4, init=START).labels)
    own.loc[7, "width"] = pd.NA
    with pytest.raises(ValueError, match=r"\bX\b.*NaN"):
        kmeans(_dask(own), 4)


def test_a_labelled_array_of_dask_chunks_stays_on_dask():
    xarray, da = pytest.importorskip("xarray"), pytest.importorskip("dask.array")
    coordinates = {"feature": list(FRAME.columns)}
    for chunked in (True, False):
        data = da.from_array(WHOLE, chunks=(50, 3)) if chunked else WHOLE
        X = xarray.DataArray(data, dims=("row", "feature"), coords=coordinates)
        model = KMeans(4, init=START).fit(X, sample_weight=X[:, 0] ** 2 + 1)
        expected = kmeans(WHOLE, 4, init=START, sample_weight=WHOLE[:, 0] ** 2 + 1)
        assert isinstance(model.labels_, da.Array if chunked else np.ndarray)
        assert_array_equal(np.asarray(model.labels_), expected.labels)
        assert model.feature_names_in_.tolist() == list(FRAME.columns)
        assert isinstance(model.predict(X), da.Array if chunked else np.ndarray)
    plain = xarray.DataArray(WHOLE, dims=("row", "feature"))
    assert "feature_names_in_" not in vars(KMeans(4).fit(plain))
