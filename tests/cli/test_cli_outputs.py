import csv
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from kmeans_xp.cli import outputs
from kmeans_xp.cli.errors import CliError
from kmeans_xp.cli.opening import read
from kmeans_xp.cli.outputs import atomic, write_labels

AWKWARD = [
    ["id", 'says "hi", twice', "x", "note;"],
    ["007", "a,b", "1.50", "line\nbreak"],
    ["008", 'quo"te', "-2e3", ""],
    ["", "  spaces ", "3", "é"],
]


def rows_of(path, separator=","):
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file, delimiter=separator))


@pytest.fixture
def awkward(tmp_path):
    with (tmp_path / "t.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(AWKWARD)
    return read(str(tmp_path / "t.csv"))


@pytest.mark.parametrize("piece", [1, 2, 100])
@pytest.mark.parametrize(("suffix", "separator"), [("csv", ","), ("tsv", "\t")])
def test_cells_come_out_as_they_went_in(tmp_path, awkward, monkeypatch, suffix, separator, piece):
    monkeypatch.setattr(outputs, "PIECE", piece)
    path = tmp_path / f"l.{suffix}"
    write_labels(path, awkward, np.array([2, 0, 1], np.int32), "label")
    labels = ["label", "2", "0", "1"]
    wanted = [[*row, label] for row, label in zip(AWKWARD, labels, strict=True)]
    assert rows_of(path, separator) == wanted


@pytest.mark.parametrize("piece", [1, 2, 100])
def test_parquet_gets_numbers_as_numbers_and_codes_as_text(tmp_path, awkward, monkeypatch, piece):
    monkeypatch.setattr(outputs, "PIECE", piece)
    write_labels(tmp_path / "l.parquet", awkward, np.array([2, 0, 1], np.int32), "group")
    table = pq.read_table(tmp_path / "l.parquet")
    assert table["x"].to_pylist() == [1.5, -2000.0, 3.0]
    assert table["id"].to_pylist() == ["007", "008", ""]
    assert table["note;"].to_pylist() == ["line\nbreak", "", "é"]
    assert table["group"].to_pylist() == [2, 0, 1]


def test_numbers_are_written_so_that_they_read_back_the_same(tmp_path):
    rng = np.random.default_rng(0)
    for dtype in (np.float64, np.float32):
        rows = rng.normal(size=(50, 2)).astype(dtype) * 10.0 ** rng.integers(-30, 30, (50, 1))
        np.save(tmp_path / "x.npy", rows.astype(dtype))
        write_labels(tmp_path / "l.csv", read(str(tmp_path / "x.npy")), np.arange(50), "label")
        written = np.array(rows_of(tmp_path / "l.csv")[1:])[:, :2].astype(dtype)
        np.testing.assert_array_equal(written, rows.astype(dtype))


def test_columns_of_any_type_stand_beside_labels_in_text(tmp_path):
    columns = {"x": [1.5, None], "list": [[1, 2], None], "flag": [True, False], "b": [b"a", b"b"]}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    write_labels(tmp_path / "l.csv", read(str(tmp_path / "t.parquet")), np.arange(2), "label")
    assert rows_of(tmp_path / "l.csv") == [
        ["x", "list", "flag", "b", "label"],
        ["1.5", "[1, 2]", "true", "a", "0"],
        ["", "", "false", "b", "1"],
    ]


def test_the_pixels_of_an_image_stand_beside_labels(run):
    Image.new("RGB", (2, 2), (255, 0, 51)).save("i.png")
    run("fit", "i.png", "-k", 1, "-o", "l.csv").fine()
    assert rows_of("l.csv") == [["red", "green", "blue", "label"], *[["1", "0", "0.2", "0"]] * 4]


def fail_halfway(path):
    with atomic(path) as file:
        file.write(b"half")
        file.flush()
        assert path.read_bytes() == b"old"
        raise RuntimeError("halfway")


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "out.bin"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError, match="halfway"):
        fail_halfway(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    # Whoever has the old file open keeps it whole: it is replaced, not overwritten.
    with path.open("rb") as reader:
        with atomic(path) as file:
            file.write(b"new")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new"


def test_a_symbolic_link_is_written_through(tmp_path):
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to("real.csv")
    with atomic(tmp_path / "link.csv") as file:
        file.write(b"new")
    assert (tmp_path / "real.csv").read_text() == "new"
    assert (tmp_path / "link.csv").is_symlink()


def test_a_failing_disk_leaves_the_old_labels(run, monkeypatch):
    Path("l.npy").write_bytes(b"old")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    message = run("fit", "sample:iris", "-k", 2, "-o", "l.npy").refused()
    assert message == "l.npy: No space left on device"
    assert [(p.name, p.read_bytes()) for p in Path().iterdir()] == [("l.npy", b"old")]


@pytest.mark.parametrize("standardize", [[], ["--standardize"]])
@pytest.mark.parametrize("columns", [[], ["--columns", "0,1"], ["--columns", "0"]])
def test_a_picture_of_a_table(run, columns, standardize, monkeypatch):
    from kmeans_xp.cli import picture

    drawn = {}

    def spy(X, labels, centers, **keywords):
        drawn.update(keywords, rows=X, labels=labels, centers=centers)
        return picture_of(X, labels, centers, **keywords)

    picture_of = picture.plot_clusters
    monkeypatch.setattr(picture, "plot_clusters", spy)
    arguments = ("-k", 3, "--seed", 0, "--plot", "p.png", "--json")
    facts = json.loads(run("fit", "sample:wine", *arguments, *columns, *standardize).fine())
    assert np.bincount(drawn["labels"]).tolist() == facts["sizes"]
    kind = "standardised rows" if standardize else "rows"
    assert drawn["ax"].get_title() == f"sample:wine: 178 {kind} in 3 clusters"
    means = [drawn["rows"][drawn["labels"] == k].mean(axis=0) for k in range(3)]
    np.testing.assert_allclose(drawn["centers"], means, rtol=1e-9)
    if standardize:
        assert drawn["feature_names"][0] == "alcohol (standardised)"
        np.testing.assert_allclose(drawn["rows"].std(axis=0), 1)
    with Image.open("p.png") as image:
        assert image.size == (1040, 780)


def test_a_large_table_is_sampled_for_its_picture(run, monkeypatch):
    from kmeans_xp.cli import picture

    monkeypatch.setattr(picture, "DRAWN_ROWS", 50)
    drawn = []
    monkeypatch.setattr(picture, "plot_clusters", lambda X, *_, ax, **__: drawn.extend([X, ax]))
    run("fit", "sample:digits", "-k", 2, "--max-iter", 2, "--plot", "p.png").fine()
    assert drawn[0].shape == (50, 64)
    assert "1,797 rows (50 drawn) in 2 clusters" in drawn[1].get_title()


def test_one_channel_of_an_image_is_drawn_as_a_table(run):
    Image.effect_noise((20, 10), 90).convert("RGB").save("i.png")
    run("fit", "i.png", "-k", 2, "--columns", "red", "--plot", "p.png").fine()
    with Image.open("p.png") as image:
        assert image.size == (1040, 780)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_an_output_keeps_the_mode_of_its_file(run, mode):
    arguments = ("-o", "l.csv", "--model", "m.npz", "--plot", "p.png")
    for name in arguments[1::2]:
        Path(name).touch()
        Path(name).chmod(mode)
    run("fit", "sample:iris", "-k", 2, "-q", *arguments).fine()
    assert [stat.S_IMODE(Path(name).stat().st_mode) for name in arguments[1::2]] == [mode] * 3


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_draft_is_never_more_open_than_its_file(tmp_path):
    (tmp_path / "x.bin").touch(0o600)
    with atomic(tmp_path / "x.bin") as file:
        assert stat.S_IMODE(Path(file.name).stat().st_mode) == 0o600


FIFOS = {"csv": "-o", "tsv": "-o", "npy": "-o", "parquet": "-o", "npz": "--model", "svg": "--plot"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
@pytest.mark.parametrize("suffix", [*FIFOS, "png"])
def test_a_fifo_is_written_to_and_not_replaced(run, suffix):
    option, fifo = FIFOS.get(suffix, "--plot"), Path(f"f.{suffix}")
    fit = ("fit", "sample:iris", "-k", 2, "-q", "--seed", 0)
    os.mkfifo(fifo)
    with ThreadPoolExecutor() as pool:
        reading = pool.submit(fifo.read_bytes)
        run(*fit, option, fifo).fine()
        content = reading.result()
    assert fifo.is_fifo()
    run(*fit, option, f"l.{suffix}").fine()
    if suffix == "npz":  # an archive says when it was written
        Path("piped.npz").write_bytes(content)
        with np.load("piped.npz") as piped, np.load("l.npz") as filed:
            np.testing.assert_array_equal(piped["centers"], filed["centers"])
    else:
        assert content == Path(f"l.{suffix}").read_bytes()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
def test_a_reader_of_a_fifo_that_goes_away_is_an_error_of_the_fifo(tmp_path):
    fifo = tmp_path / "f.bin"
    os.mkfifo(fifo)
    with ThreadPoolExecutor() as pool:
        reading = pool.submit(lambda: fifo.open("rb").close())
        with pytest.raises(CliError, match=r"f\.bin: Broken pipe"), atomic(fifo) as file:
            file.write(bytes(1 << 20))
        reading.result()


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="this system has no full device")
@pytest.mark.parametrize("suffix", [*FIFOS, "png"])
def test_a_full_disk_is_named(run, monkeypatch, suffix):
    # Nothing may take the device's place, which root could do.
    monkeypatch.setattr(Path, "replace", lambda *_: pytest.fail("the device is replaced"))
    Path(f"full.{suffix}").symlink_to("/dev/full")
    option = FIFOS.get(suffix, "--plot")
    message = run("fit", "sample:iris", "-k", 2, option, f"full.{suffix}").refused()
    assert message == f"full.{suffix}: No space left on device"
    assert Path("/dev/full").is_char_device()


def test_a_picture_as_svg_is_the_same_each_time(run):
    for name in ("a.svg", "b.SVG"):
        run("fit", "sample:iris", "-k", 3, "--seed", 0, "-q", "--plot", name).fine()
    assert ElementTree.parse("a.svg").getroot().tag.endswith("svg")
    assert Path("a.svg").read_bytes() == Path("b.SVG").read_bytes()
