"""Every mistake: one line on standard error, exit status 2, nothing written."""

import csv
import gzip
import os
import re
import warnings
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from kmeans_xp.cli import errors

LIMIT = csv.field_size_limit()
GOOD = "a,b\n1,2\n3,4\n5,7\n"


@pytest.fixture
def files(tmp_path):
    texts = {
        "good.csv": GOOD,
        "empty.csv": "",
        "blank.csv": "\n\n",
        "header.csv": "a,b\n",
        "ragged.csv": "a,b\n1,2\n3\n",
        "long.csv": "a,b\n1,2\n3,4,5\n",
        "text.csv": "a,b\nx,y\nz,w\n",
        "word.csv": "a,b\n1,2\n3,12O\n",
        "missing.csv": "a,b\n1,2\n3,\n,\n",
        "nan.csv": "a,b\n1,2\n3,nan\n",
        "inf.csv": "a,b\n1,2\n-inf,4\n",
        "twice.csv": "a,a\n1,2\n",
        "quote.csv": 'a,b\n1,"2\n3,4\n',
        "weights.csv": "a,w\n1,2\n3,-4\n",
        "zeros.csv": "a,w\n1,0\n3,0\n",
        "label.csv": "a,label\n1,0\n3,0\n",
        "noise.npy": "no numpy file",
        "noise.npz": "no zip file",
        "noise.png": "no image",
        "noise.parquet": "no parquet file",
        "data.xyz": "1",
        "data": "1",
        "empty.npy": "",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "latin.csv").write_bytes(b"a,b\n1,caf\xe9\n2,x\n")
    (tmp_path / "folder.npy").mkdir()
    rows = np.arange(20.0).reshape(10, 2)
    arrays = {
        "good": rows, "one": rows[:, 0], "three": rows.reshape(5, 2, 2), "none": rows[:0],
        "bare": rows[:, :0], "complex": rows * 1j, "words": rows.astype(str),
        "nan": np.where(rows == 4, np.nan, rows), "inf": np.where(rows == 4, np.inf, rows),
        "record": np.zeros(3, [("a", "f8"), ("b", "f8")]),
    }  # fmt: skip
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    np.save(tmp_path / "pickled.npy", np.array([[1, None]], dtype=object), allow_pickle=True)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "good.npy").read_bytes()[:-40])
    np.savez(tmp_path / "two.npz", first=rows, second=rows)
    np.savez(tmp_path / "flat.npz", first=rows[0])
    np.savez(tmp_path / "words.npz", first=rows.astype(str))
    np.savez(tmp_path / "pickled.npz", x=np.array([[1, None]], dtype=object))
    nested = pa.table({"x": [1.0, None, 3.0], "y": [[1], [2], [3]], "z": [1, 2, 3]})
    pq.write_table(nested, tmp_path / "nested.parquet")
    pq.write_table(nested.slice(0, 0), tmp_path / "none.parquet")
    Image.new("F", (2, 2), 1e9).save(tmp_path / "deep.tif")
    damage(tmp_path, rows)
    return tmp_path


def damage(folder, rows):
    """Write files of which a part is damaged, or which are not what they are called."""
    (folder / "array.npz").write_bytes((folder / "good.npy").read_bytes())
    np.savez(folder / "x.npz", x=rows)
    whole = (folder / "x.npz").read_bytes()
    (folder / "archive.npy").write_bytes(whole)
    (folder / "short.npz").write_bytes(whole[:200])
    local, central = whole.index(b"PK\3\4"), whole.index(b"PK\1\2")
    for name, place, value in (
        ("flipped.npz", (whole.index(b"NUMPY") + 150,), 255),
        ("encrypted.npz", (local + 6, central + 8), 1),  # the first of the general flags
        ("method.npz", (local + 8, central + 10), 97),
    ):
        changed = bytearray(whole)
        for at in place:
            changed[at] = value
        (folder / name).write_bytes(changed)
    with zipfile.ZipFile(folder / "notes.npz", "w") as archive:
        archive.writestr("notes.txt", "no array")
    same = pa.table([pa.array([1.0, 2.0, 4.0])] * 2, names=["a", "a"])
    pq.write_table(same, folder / "twice.parquet")
    pq.write_table(pa.table({"a": rows[:, 0]}), folder / "pages.parquet")
    pages = bytearray((folder / "pages.parquet").read_bytes())
    pages[4:40] = b"\xff" * 36
    (folder / "pages.parquet").write_bytes(pages)
    for suffix in ("csv", "csv.gz", "npy", "npz", "parquet", "png"):
        (folder / f"circle.{suffix}").symlink_to(f"circle.{suffix}")
    (folder / "noise.csv.gz").write_text("not packed")
    (folder / "cut.csv.gz").write_bytes(gzip.compress(GOOD.encode())[:-9])
    (folder / "empty.csv.gz").write_bytes(gzip.compress(b""))
    (folder / "word.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n3,12O\n"))


INPUTS = {
    "absent.csv": "No such file",
    "absent.npy": "No such file",
    "absent.png": "No such file",
    "empty.csv": "is empty",
    "empty.npy": "is empty",
    "blank.csv": "is empty",
    "header.csv": "has no rows",
    "ragged.csv": "line 3 has 1 cells, the first line has 2",
    "long.csv": "line 3 has 3 cells",
    "text.csv": "no numeric column",
    "missing.csv": "column 'a', row 3: is missing",
    "nan.csv": "column 'b', row 2: is missing",
    "inf.csv": "column 'a', row 2: is -inf",
    "twice.csv": "two columns are called 'a'",
    "quote.csv": "not a well-formed table",
    "latin.csv": "UTF-8",
    "noise.npy": "noise.npy",
    "noise.npz": "noise.npz",
    "noise.png": "cannot be read as an image",
    "noise.parquet": "cannot be read as Parquet",
    "deep.tif": "its values go from 1e+09 to 1e+09",
    "data.xyz": "unknown kind of file '.xyz'",
    "data": "(no suffix)",
    "folder.npy": "is a directory",
    "one.npy": "needs 2 dimensions",
    "three.npy": "needs 2 dimensions",
    "none.npy": "has no values",
    "bare.npy": "has no values",
    "complex.npy": "real numbers",
    "words.npy": "real numbers",
    "record.npy": "2 dimensions",
    "nan.npy": "NaN",
    "inf.npy": "infinity",
    "pickled.npy": "never loaded",
    "cut.npy": "cut.npy",
    "two.npz": "more than one 2-d array (first (10, 2), second (10, 2)); choose one with --key",
    "flat.npz": "no 2-d array",
    "pickled.npz": "never loaded",
    "nested.parquet": "column 'x', row 2: is missing",
    "none.parquet": "has no rows",
    "words.npz": "words.npz: needs real numbers",
    "array.npz": "array.npz: is not an .npz file, in spite of its name",
    "archive.npy": "archive.npy: is not an .npy file, in spite of its name",
    "short.npz": "short.npz: cannot be read",
    "flipped.npz": "flipped.npz:x: cannot be read as a NumPy file (Bad CRC-32",
    "encrypted.npz": "encrypted.npz:x: cannot be read as a NumPy file (File 'x.npy' is encrypted",
    "method.npz": "method.npz:x: cannot be read as a NumPy file (That compression method",
    "notes.npz": "notes.npz: holds no 2-d array (notes.txt (no array))",
    "twice.parquet": "twice.parquet: two columns are called 'a'; rename one",
    "pages.parquet": "pages.parquet: cannot be read as Parquet",
    "circle.csv": "circle.csv: Too many levels of symbolic links",
    "circle.csv.gz": "circle.csv.gz: Too many levels of symbolic links",
    "circle.npy": "circle.npy: Too many levels of symbolic links",
    "circle.npz": "circle.npz: Too many levels of symbolic links",
    "circle.parquet": "circle.parquet: Too many levels of symbolic links",
    "circle.png": "circle.png: Too many levels of symbolic links",
    "noise.csv.gz": "noise.csv.gz: cannot be unpacked",
    "cut.csv.gz": "cut.csv.gz: cannot be unpacked",
    "empty.csv.gz": "empty.csv.gz: is empty",
    "word.csv.gz": "word.csv.gz: column 'b', row 2: is '12O', not a number",
    "absent.csv.gz": "absent.csv.gz: No such file",
    "sample:irises": "known are iris, wine",
    "sample:": "known are iris, wine",
}


@pytest.mark.parametrize("name", INPUTS)
def test_a_bad_input(run, files, name):
    before = sorted(files.iterdir())
    message = run("fit", name, "-k", 2, "-o", "l.npy", "--model", "m.npz").refused()
    assert INPUTS[name] in message
    assert sorted(files.iterdir()) == before


ARGUMENTS = {
    "": "'INPUT'",
    "good.csv": "-k",
    "good.csv -k": "-k",
    "good.csv -k 0": "-k",
    "good.csv -k two": "-k",
    "good.csv -k 4": "n_clusters=4",
    "good.csv -k 2 --nonsense": "--nonsense",
    "good.csv -k 2 extra": "extra",
    "good.csv -k 2 --init best": "init",
    "good.csv -k 2 --n-init many": "--n-init",
    "good.csv -k 2 --n-init 0": "n_init",
    "good.csv -k 2 --max-iter 0": "--max-iter",
    "good.csv -k 2 --tol -1": "tol",
    "good.csv -k 2 --tol nan": "tol",
    "good.csv -k 2 --empty-clusters keep": "empty_clusters",
    "good.csv -k 2 --kernel magic": "--kernel must be one of 'auto', 'lloyd', ",
    "good.csv -k 2:3 --kernel magic": "--kernel must be one of 'auto', 'lloyd', ",
    "good.csv -k 2 --algorithm bisecting --strategy magic": "--strategy must be one of",
    f"good.csv -k 2 --seed {2**64}": "--seed",
    "good.csv -k 2 -o circle.csv": "--output: circle.csv: Too many levels of symbolic links",
    "good.csv -k 2 --algorithm magic": "--algorithm must be one of kmeans, minibatch, bisecting",
    "good.csv -k 2 --algorithm portable": "--algorithm must be one of kmeans, minibatch, bisecting",
    "good.csv -k 2 --seed -1": "--seed",
    "good.csv -k 2 --columns z": "no column 'z'; it has a, b",
    "good.csv -k 2 --columns 2": "no column '2'",
    "good.csv -k 2 --columns a,a": "named twice",
    "good.csv -k 2 --columns a,0": "named twice",
    "good.csv -k 2 --weights z": "--weights: good.csv has no column 'z'",
    "good.csv -k 2 --columns a --weights a": "--weights column",
    "weights.csv -k 2 --weights w": "sample_weight",
    "zeros.csv -k 2 --weights w": "sample_weight",
    "word.csv -k 2 --columns b": "column 'b', row 2: is '12O', not a number",
    "text.csv -k 2 --columns a": "column 'a', row 1: is 'x', not a number",
    "nested.parquet -k 2 --columns y": "column 'y' is not numeric",
    "sample:iris -k 2 --columns class": "column 'class' is not numeric",
    "good.csv -k 2 --key a": "--key",
    "two.npz -k 2 --key third": "no array 'third'; it has first (10, 2), second (10, 2)",
    "good.csv -k 2 --backend abacus": "backend must be one of numpy",
    "good.csv -k 2 --device cuda:99": "device",
    "good.csv -k 2 --dtype float16": "--dtype must be one of float32, float64",
    "good.csv -k 2 -o labels.txt": "--output: labels.txt must end in .csv, .tsv, .parquet or .npy",
    "good.csv -k 2 --model model.pkl": "--model: model.pkl must end in .npz",
    "good.csv -k 2 --plot plot.pdf": "--plot: plot.pdf must end in .png or .svg",
    "good.csv -k 2 -o nowhere/l.csv": "nowhere does not exist",
    "good.csv -k 2 --model nowhere/m.npz": "nowhere does not exist",
    "good.csv -k 2 --plot nowhere/p.png": "nowhere does not exist",
    "good.csv -k 2 -o folder.npy": "is a directory",
    "good.csv -k 2 -o good.csv": "is the input as well",
    "good.csv -k 2 -o ./good.csv": "is the input as well",
    "label.csv -k 1 -o l.csv": "has a column 'label' already; name that of the labels with --label",
}


@pytest.mark.parametrize("arguments", ARGUMENTS)
def test_a_bad_argument(run, files, arguments):
    before = sorted(files.iterdir())
    message = run("fit", *arguments.split()).refused()
    assert ARGUMENTS[arguments] in message
    assert sorted(files.iterdir()) == before


@pytest.mark.parametrize("arguments", ["guess", "predict", "predict m.npz", "info --nope"])
def test_a_bad_command(run, arguments):
    assert "see kmeans-xp --help" in run(*arguments.split()).refused()


def test_outputs_are_checked_before_the_input_is_even_opened(run):
    assert "nowhere" in run("fit", "absent.csv", "-k", 2, "-o", "nowhere/l.csv").refused()


def test_a_directory_that_cannot_be_written_to(run, files, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "touch", refuse)
    message = run("fit", "good.csv", "-k", 2, "-o", "l.csv").refused()
    assert "cannot write in" in message
    assert "Permission denied" in message


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_cannot_be_read(run, files):
    (files / "good.csv").chmod(0)
    assert "Permission denied" in run("fit", "good.csv", "-k", 2).refused()


def test_a_missing_extra_is_named_before_the_work(run, files, monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(errors, "import_module", absent)
    for arguments, package, extra in (
        ("good.npy -k 2", "rich", "cli"),
        ("good.csv -k 2 -q", "pyarrow", "cli"),
        ("noise.png -k 2 -q", "PIL", "cli"),
        ("good.npy -k 2 -q -o l.csv", "pyarrow", "cli"),
        ("good.npy -k 2 -q --plot p.png", "matplotlib", "plot"),
    ):
        message = run("fit", *arguments.split()).refused()
        assert message.startswith(f"{package} is needed")
        assert f"pip install 'kmeans_xp[{extra}]'" in message


def test_an_error_is_one_line_whatever_it_says(run, monkeypatch):
    def strange(*_, **__):
        raise RuntimeError("first\n\x1b[31msecond\r\nthird")

    monkeypatch.setattr("kmeans_xp.cli.fitting.fit", strange)
    message = run("fit", "x.npy", "-k", 2).refused()
    assert message == "RuntimeError: first ?[31msecond third"


def test_developers_may_see_the_traceback(monkeypatch):
    monkeypatch.setenv("KMEANS_XP_TRACEBACK", "1")
    with pytest.raises(ValueError, match="mine"):
        errors.report(ValueError("mine"))


LONG = "9" * 300_000
CELLS = {
    f"a,b\n1,2\n3,{LONG}x\n4,5\n": "column 'b', row 2: is '9999",
    f"a,b\n1,2\n3,{LONG}\n4,5\n": "column 'b', row 2: is 9999",
    f"a,b\n1,2\n3,1.{LONG}x\n4,5\n": "column 'b', row 2: is '1.9999",
    f"{LONG},{LONG}\n{LONG[1:]},8\n{LONG[2:]},9\n": "not a finite number",
    f"a,{LONG}\n1,\n2,3\n": "row 1: is missing",
}


@pytest.mark.parametrize("text", CELLS)
def test_a_cell_of_300_000_digits_is_not_repeated(run, text):
    Path("t.csv").write_text(text)
    message = run("fit", "t.csv", "-k", 2).refused()
    assert CELLS[text] in message
    assert len(message) < 3000
    assert "characters)" in message


def test_a_cell_of_300_000_digits_may_be_a_number_or_text(run):
    Path("t.csv").write_text(f"a,note\n1,x\n0.{LONG},{'x ' * 150_000}\n40,z\n")
    run("fit", "t.csv", "-k", 2, "-q", "-o", "l.csv").fine()
    assert Path("l.csv").read_text().splitlines()[2].startswith("0.9999")
    assert csv.field_size_limit() == LIMIT


def test_kernels_that_could_run_are_listed(run, files):
    listed = run("fit", "good.csv", "-k", 2, "--kernel", "magic").refused()
    for name in re.findall(r"'([^']+)'", listed.partition(" for arrays")[0]):
        run("fit", "good.csv", "-k", 2, "-q", "--kernel", name).fine()
    assert ("'numba'" in listed) == (find_spec("numba") is not None)


def test_out_of_memory_and_full_disks_are_explained(capsys):
    assert errors.report(MemoryError("no 5 TB")) == 2
    assert errors.report(OSError(28, "No space left on device", "out.csv")) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith("not enough memory: no 5 TB")
    assert lines[1].endswith("out.csv: No space left on device")


def warn_and(error=None):
    with errors.one_line_warnings():
        warnings.warn("mind\nthe gap", UserWarning, stacklevel=1)
        if error is not None:
            raise error


def test_warnings_are_one_line_each_and_never_beside_an_error(capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warn_and()
        assert capsys.readouterr().err == "kmeans-xp: warning: mind the gap\n"
        with pytest.raises(ValueError, match="bad"):
            warn_and(ValueError("bad"))
    assert capsys.readouterr().err == ""
