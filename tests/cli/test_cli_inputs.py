import gzip
import io
import json
import os
import struct
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sklearn import datasets

from kmeans_xp.cli.errors import CliError
from kmeans_xp.cli.inputs import Choice, Format, choose
from kmeans_xp.cli.opening import read
from kmeans_xp.cli.samples import PHOTOGRAPHS, TABLES

ROWS = [[1.0, 2.5, 3.0], [4.0, 5.0, -6.25], [7.0, 8.0, 9.0], [0.1, 1e-300, 1e300]]


def data_of(path, *columns, weights=None, key=None):
    return choose(read(str(path), Format(key=key)), Choice(tuple(columns), weights))


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def lines(separator, header=None):
    rows = [separator.join(map(repr, row)) for row in ROWS]
    return "\n".join(([separator.join(header)] if header else []) + rows) + "\n"


@pytest.mark.parametrize(
    ("name", "separator", "header"),
    [
        ("t.csv", ",", ["a", "b", "c"]),
        ("t.csv", ",", None),
        ("t.CSV", ";", ["a", "b", "c"]),
        ("t.tsv", "\t", ["a", "b", "c"]),
        ("t.tsv", "\t", None),
    ],
)
def test_text_tables(tmp_path, name, separator, header):
    data = data_of(write(tmp_path / name, lines(separator, header)))
    np.testing.assert_array_equal(data.rows, ROWS)
    assert data.columns == tuple(header or ("x0", "x1", "x2"))
    assert data.source.named == bool(header)


def test_a_text_table_as_spreadsheets_write_it(tmp_path):
    text = '\ufeffid,"first, last",\n007," 1.5 ",2\r\n\r\n008,+2e1,-.5\n'
    data = data_of(write(tmp_path / "t.csv", text), "first, last", "2")
    assert data.columns == ("first, last", "Unnamed: 2")
    np.testing.assert_array_equal(data.rows, [[1.5, 2.0], [20.0, -0.5]])
    assert data.left_out == ("id",)
    assert data.source.as_text(0, 2)["id"].to_pylist() == ["007", "008"]


def test_columns_of_text_and_of_nothing_are_no_features(tmp_path):
    data = data_of(write(tmp_path / "t.csv", "city,x,empty,y\nRome,1,,2\nOslo,3,NA,4\n"))
    assert data.columns == ("x", "y")
    assert data.left_out == ("city", "empty")


@pytest.mark.parametrize("columns", [("c,a",), ("c", "a"), ("2,0",), (" c , 0",)])
def test_columns_are_found_by_name_or_position_in_the_order_asked(tmp_path, columns):
    data = data_of(write(tmp_path / "t.csv", lines(",", ["a", "b", "c"])), *columns)
    assert data.columns == ("c", "a")
    np.testing.assert_array_equal(data.rows, np.array(ROWS)[:, [2, 0]])


def test_a_name_goes_before_a_position(tmp_path):
    data = data_of(write(tmp_path / "t.csv", lines(",", ["1", "b", "0"])), "0")
    np.testing.assert_array_equal(data.rows[:, 0], np.array(ROWS)[:, 2])


def test_parquet_keeps_single_precision(tmp_path):
    single = pa.array([1.5, 2.5], pa.float32())
    columns = {"s": single, "i": pa.array([1, 2]), "t": ["a", "b"], "f": [True, False]}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    data = data_of(tmp_path / "t.parquet")
    assert data.columns == ("s", "i", "f")
    assert data.rows.dtype == np.float64
    np.testing.assert_array_equal(data.rows, [[1.5, 1, 1], [2.5, 2, 0]])
    assert data_of(tmp_path / "t.parquet", "s").rows.dtype == np.float32


def test_an_index_that_pandas_stored_is_no_feature(tmp_path):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0]}, index=[5, 6, 9])
    frame.to_parquet(tmp_path / "t.parquet")
    assert data_of(tmp_path / "t.parquet").columns == ("x",)


@pytest.mark.parametrize("dtype", ["<f8", ">f4", "<f2", "u1", "?"])
def test_npy_is_mapped_whatever_its_numbers(tmp_path, dtype):
    array = np.arange(12).reshape(6, 2).astype(dtype)
    np.save(tmp_path / "x.npy", array)
    data = data_of(tmp_path / "x.npy")
    assert isinstance(data.rows, np.memmap)
    np.testing.assert_array_equal(data.rows, array)
    beside = np.column_stack([c.to_numpy() for c in data.source.beside(1, 4).columns])
    np.testing.assert_array_equal(beside, array[1:4])


@pytest.mark.parametrize("columns", ["0,1", "1,3", "0,2,4", "3"])
def test_evenly_spaced_columns_of_a_map_are_a_view(tmp_path, columns):
    array = np.arange(50.0).reshape(10, 5)
    np.save(tmp_path / "x.npy", array)
    rows = data_of(tmp_path / "x.npy", columns).rows
    assert isinstance(rows, np.memmap)
    assert rows.base is not None
    np.testing.assert_array_equal(rows, array[:, [int(c) for c in columns.split(",")]])


def test_a_large_map_is_never_copied_by_an_option(tmp_path, monkeypatch, run):
    from kmeans_xp.cli import array_files

    monkeypatch.setattr(array_files, "MAPPED_COPY_LIMIT", 1000)
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(200, 3)))
    for option in (["--standardize"], ["--dtype", "float32"], ["--columns", "2,0"]):
        message = run("fit", "x.npy", "-k", 2, *option).refused()
        assert option[0] in message
        assert "in memory" in message
    run("fit", "x.npy", "-k", 2, "--dtype", "float64", "--columns", "0,2").fine()


def test_a_standardised_model_predicts_a_large_map_in_blocks(tmp_path, monkeypatch, run):
    from kmeans_xp.cli import array_files, scaling

    rows = np.random.default_rng(0).normal(size=(500, 3)) * [1, 10, 100]
    np.save(tmp_path / "x.npy", rows)
    run("fit", "x.npy", "-k", 5, "--standardize", "--model", "m.npz", "-o", "l.npy").fine()
    monkeypatch.setattr(array_files, "MAPPED_COPY_LIMIT", 5000)
    monkeypatch.setattr(scaling, "BLOCK", 300)
    fitted = json.loads(run("predict", "m.npz", "x.npy", "-o", "p.npy", "--json").fine())
    np.testing.assert_array_equal(np.load("p.npy"), np.load("l.npy"))
    with np.load("m.npz") as model:
        np.testing.assert_allclose(fitted["inertia"], model["inertia"], rtol=1e-12)


def test_of_an_archive_only_the_array_asked_for_is_read(tmp_path, monkeypatch):
    from kmeans_xp.cli import array_files

    read = []
    monkeypatch.setattr(
        array_files, "read_array", lambda file, **_: read.append(file.name) or np.array(ROWS)
    )
    words = np.array([["a"]])
    np.savez(tmp_path / "x.npz", one=ROWS, two=ROWS, other=words, o=np.array([1, None], object))
    data_of(tmp_path / "x.npz", key="two")
    np.savez(tmp_path / "y.npz", words=words, three=ROWS, o=np.array([[1, None]], object))
    data_of(tmp_path / "y.npz")
    assert read == ["two.npy", "three.npy"]


def test_npz(tmp_path):
    np.savez(tmp_path / "x.npz", data=ROWS, names=np.arange(3))
    np.testing.assert_array_equal(data_of(tmp_path / "x.npz").rows, ROWS)
    np.savez(tmp_path / "y.npz", one=ROWS, two=np.array(ROWS) + 1)
    np.testing.assert_array_equal(data_of(tmp_path / "y.npz", key="two").rows, np.array(ROWS) + 1)


@pytest.mark.parametrize("suffix", ["png", "jpg", "jpeg", "bmp", "tif", "webp"])
def test_images_of_every_kind(tmp_path, suffix):
    pixels = np.full((6, 4, 3), (200, 100, 50), np.uint8)
    path = tmp_path / f"i.{suffix}"
    Image.fromarray(pixels).save(path)
    data = data_of(path)
    assert data.source.image == (6, 4)
    assert data.rows.dtype == np.float32
    assert data.columns == ("red", "green", "blue")
    np.testing.assert_allclose(data.rows, pixels.reshape(-1, 3) / 255, atol=0.02)


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "CMYK", "I;16"])
def test_images_of_every_mode_become_rgb_from_0_to_1(tmp_path, mode):
    white = Image.new(mode, (3, 2), {"CMYK": (0, 0, 0, 0), "I;16": 65535}.get(mode, "white"))
    path = tmp_path / ("i.tif" if mode == "CMYK" else "i.png")
    white.save(path)
    np.testing.assert_array_equal(data_of(path).rows, np.ones((6, 3), np.float32))


@pytest.mark.parametrize("suffix", ["tif", "png"])
@pytest.mark.parametrize("dtype", ["<u2", ">u2", "<f4", "u1"])
def test_greys_are_scaled_by_what_the_mode_says(tmp_path, dtype, suffix):
    if dtype == "<f4" and suffix == "png":
        pytest.skip("a PNG holds no floats")
    grey = np.array([[0.0, 0.2], [0.6, 1.0]])
    full = 1 if dtype == "<f4" else np.iinfo(dtype).max
    values = grey.astype(dtype) if full == 1 else (grey * full).round().astype(dtype)
    Image.fromarray(values).save(tmp_path / f"i.{suffix}")
    rows = data_of(tmp_path / f"i.{suffix}").rows
    np.testing.assert_allclose(rows, np.repeat(grey.reshape(-1, 1), 3, axis=1), rtol=1e-6)


@pytest.mark.parametrize(
    "values", [np.float32([[0, 255]]), np.float32([[-0.5, 1]]), np.float32([[np.nan, 1]]), [[0, 9]]]
)
def test_greys_whose_white_nobody_knows_are_refused(tmp_path, values):
    kind = np.int32 if isinstance(values, list) else np.float32
    Image.fromarray(np.array(values, kind)).save(tmp_path / "i.tif")
    with pytest.raises(CliError, match="nothing says what is white"):
        data_of(tmp_path / "i.tif")


def test_colours_of_which_half_the_bits_are_used_give_a_warning(tmp_path, run):
    def chunk(name, body):
        crc = zlib.crc32(name + body)
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", crc)

    head = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    pixels = np.array([0, 300, 65535, 0, 0, 0], ">u2").tobytes()
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" + pixels))
    (tmp_path / "i.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b""))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        outcome = run("fit", "i.png", "-k", 1, "-q")
    assert outcome.status == 0
    assert outcome.err == "kmeans-xp: warning: i.png: of its colours' 16 bits 8 are used\n"


def test_a_photograph_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # taken with the camera on its side
    Image.new("RGB", (4, 2)).save(tmp_path / "i.jpg", exif=exif)
    assert data_of(tmp_path / "i.jpg").source.image == (4, 2)


@pytest.mark.parametrize("name", TABLES)
def test_samples(name):
    bunch = getattr(datasets, f"load_{name}")()
    data = data_of(f"sample:{name}")
    np.testing.assert_array_equal(data.rows, bunch.data)
    assert data.columns == tuple(bunch.feature_names)
    if name == "iris":
        classes = data.source.beside(0, 150)["class"].to_pylist()
        assert classes == [bunch.target_names[i] for i in bunch.target]


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_sample_photographs(name):
    data = data_of(f"sample:{name}")
    pixels = datasets.load_sample_image(f"{name}.jpg")
    assert data.source.image == pixels.shape[:2]
    np.testing.assert_allclose(data.rows * 255, pixels.reshape(-1, 3), atol=1e-4)


def test_scaling_survives_a_far_origin_and_weights():
    from kmeans_xp.cli import scaling

    rng = np.random.default_rng(0)
    weights = rng.integers(0, 3, 4000)
    rows = np.column_stack([1e9 + rng.normal(size=4000), np.full(4000, 0.1), rng.normal(size=4000)])
    measured = scaling.measure(rows, weights.astype(float))
    repeated = np.repeat(rows, weights, axis=0)
    np.testing.assert_allclose(measured.mean, repeated.mean(axis=0), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(measured.scale[[0, 2]], repeated.std(axis=0)[[0, 2]], rtol=1e-6)
    assert measured.scale[1] == 1  # constant but for rounding


def test_spreads_are_estimated_from_few_rows(monkeypatch):
    from kmeans_xp.cli import scaling

    rows = np.random.default_rng(0).normal(size=(40_000, 4)) * [1e-3, 1, 1e200, 0]
    rows[:, 3] = 0.1
    monkeypatch.setattr(scaling, "BLOCK", 1 << 14)
    spreads = scaling.estimate_spreads(rows)
    np.testing.assert_allclose(spreads, [1e-3, 1, np.inf, 0], rtol=0.1)
    weights = np.zeros(40_000)
    weights[:2] = 1
    few = rows[:2, :2]
    np.testing.assert_allclose(scaling.estimate_spreads(rows, weights)[:2], few.std(axis=0))


def test_blocks_change_nothing_in_the_scaling(monkeypatch):
    from kmeans_xp.cli import scaling

    rows = np.random.default_rng(0).normal(size=(1000, 3))
    whole = scaling.measure(rows)
    monkeypatch.setattr(scaling, "BLOCK", 70)
    parts = scaling.measure(rows)
    np.testing.assert_allclose(parts.mean, whole.mean, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(parts.scale, whole.scale, rtol=1e-12)


def test_a_missing_cell_is_placed(tmp_path):
    path = write(tmp_path / "t.csv", "name,x,y\na,1,2\nb,,4\nc,5,NA\n")
    with pytest.raises(CliError, match=r"t\.csv: column 'x', row 2: is missing \(1 such"):
        data_of(path)
    with pytest.raises(CliError, match=r"column 'y', row 3: is missing"):
        data_of(path, "y")


CONTENTS = ["csv", "tsv", "csv.gz", "npy", "npz", "parquet", "png", "jpg", "bmp", "tif", "webp"]


def store(path, suffix):
    """Write rows, or pixels, as a file of some kind."""
    if suffix in ("csv", "tsv"):
        path.write_text(lines("\t" if suffix == "tsv" else ",", ["a", "b", "c"]))
    elif suffix == "csv.gz":
        path.write_bytes(gzip.compress(lines(",", ["a", "b", "c"]).encode()))
    elif suffix == "npy":
        np.save(path, ROWS)
    elif suffix == "npz":
        np.savez(path, x=ROWS)
    elif suffix == "parquet":
        pq.write_table(pa.table(dict(zip("abc", np.transpose(ROWS), strict=True))), path)
    else:
        Image.effect_noise((20, 10), 90).convert("RGB").save(path)


@pytest.mark.parametrize("suffix", CONTENTS)
def test_standard_input_is_read_as_a_file_is(tmp_path, monkeypatch, suffix):
    path = tmp_path / f"x.{suffix}"
    store(path, suffix)
    with path.open() as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        piped = data_of("-")
    filed = data_of(path)
    assert piped.source.name == "standard input"
    assert piped.columns == filed.columns
    assert piped.source.image == filed.source.image
    np.testing.assert_array_equal(piped.rows, filed.rows)


@pytest.mark.parametrize("header", ["PAR1,b,c", "BMI,b,c", "RIFF,b,c", "II*,b,c"])
def test_a_header_that_begins_as_another_kind_does_is_text(monkeypatch, header):
    text = lines(",", header.split(","))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert data_of("-").columns == tuple(header.split(","))


def test_errors_and_options_of_standard_input(monkeypatch, run):
    def refused(content, *options):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        return run("fit", "-", "-k", 2, *options).refused()

    assert refused(b"") == "standard input: is empty"
    assert refused(b"a,b\n1,2\n3,x\n4,5\n").startswith("standard input: column 'b', row 2")
    assert refused(b"1,2\n", "--key", "x").endswith("standard input is none")
    assert refused(b"\xff\0").startswith("standard input: is not text in UTF-8")
    assert refused(b"\x1f\x8b\0").startswith("standard input: cannot be unpacked")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a|b\n1|2,5\n3|4,5\n9|8,5\n")))
    run("fit", "-", "-k", 2, "-q", "--separator", "|", "--decimal", ",", "-o", "l.csv").fine()


@pytest.mark.parametrize("suffix", ["csv.gz", "tsv.gz", "CSV.GZ"])
def test_packed_text(tmp_path, suffix):
    path = tmp_path / f"t.{suffix}"
    separator = "\t" if suffix == "tsv.gz" else ","
    path.write_bytes(gzip.compress(lines(separator, ["a", "b", "c"]).encode()))
    data = data_of(path)
    assert (data.columns, data.source.name) == (("a", "b", "c"), path.name)
    np.testing.assert_array_equal(data.rows, ROWS)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
@pytest.mark.parametrize("suffix", ["csv", "npy", "parquet"])
def test_a_fifo_is_read_once(tmp_path, suffix):
    store(tmp_path / "x", suffix)
    os.mkfifo(tmp_path / f"f.{suffix}")
    content = (tmp_path / ("x.npy" if suffix == "npy" else "x")).read_bytes()
    with ThreadPoolExecutor() as pool:
        writing = pool.submit((tmp_path / f"f.{suffix}").write_bytes, content)
        np.testing.assert_array_equal(data_of(tmp_path / f"f.{suffix}").rows, ROWS)
        assert writing.result() == len(content)
