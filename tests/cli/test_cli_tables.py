"""Tables as people have them: ids, decimal commas, headers of numbers, indices."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.test_cli_inputs import data_of

LARGE = 2**53 + 1  # no float64


def fitted(run, text, *options, output="l.parquet"):
    """Fit a table of text with outputs, and return the summary."""
    Path("t.csv").write_text(text, encoding="utf-8")
    return json.loads(run("fit", "t.csv", "-k", 1, "--json", "-o", output, *options).fine())


def refused(run, text, *options):
    Path("t.csv").write_text(text, encoding="utf-8")
    return run("fit", "t.csv", "-k", 1, *options).refused()


@pytest.mark.parametrize(
    ("cells", "stored"),
    [
        ([f"{LARGE}", "-5", "0"], [LARGE, -5, 0]),
        ([f"{2**64 - 1}", "5", ""], [2**64 - 1, 5, None]),
        ([f"{2**64}", "5", "6"], None),
        (["-1", f"{2**64 - 1}", "5"], None),
        (["007", "8", "9"], None),
        (["+5", "6", "7"], None),
        ([" 5", "6", "7"], None),
        (["1e3", "2e4", "3e5"], None),
        (["1", "NA", "3"], None),
        (["1.5", "nan", "3"], None),
        (["1.0", "1", "2"], None),
        (["1.10", "1.1", "2"], None),
        (["-0.0", "0.0", "2"], None),
        (["1.50", "-2e3", ""], [1.5, -2000.0, None]),
        (["0.1", "1.000000000000000056e-01", "2.5"], None),
        (["1.000000000000000056e-01", ".5", "3."], [0.1, 0.5, 3.0]),
        (["0.1234567890123456789", ".5", "3."], None),
        ([f"{LARGE}.0", "1.5", "2.5"], None),
        (["1e400", "1.5", "2.5"], None),
        (["1e-400", "1.5", "2.5"], None),
        (["5.0", "1e+16", "1e-07"], [5.0, 1e16, 1e-7]),
        (["1.000000000000000056e-01", "-2.500000000000000000e+00", ""], [0.1, -2.5, None]),
        (["1.500", "0.100", "-20.000"], [1.5, 0.1, -20.0]),
        (["1.500", "0.100", "-20.0"], [1.5, 0.1, -20.0]),
        (["1.00000000000000005e-01", "1.00000000000000006e-01", "2.5"], None),
        (["true", "false", "true"], None),
        (["2020-01-01", "2020-01-02", "x"], None),
    ],
)
def test_text_is_stored_as_numbers_only_if_it_can_be_told_from_them(run, cells, stored):
    text = "".join(f"{cell},{row}.5\n" for row, cell in enumerate(cells))
    fitted(run, f"c,x\n{text}", "--columns", "x")
    assert pq.read_table("l.parquet")["c"].to_pylist() == (cells if stored is None else stored)
    fitted(run, f"c,x\n{text}", "--columns", "x", output="l.csv")
    assert [line.split(",")[0] for line in Path("l.csv").read_text().splitlines()] == ["c", *cells]


def test_every_type_of_a_parquet_file_passes_through(run):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {
            "x": [0.5, 1.5, 2.5],
            "id": [LARGE, 2, 3],
            "u": np.array([2**64 - 1, 2, 3], np.uint64),
            "n": pd.array([LARGE, None, 3], dtype="Int64"),
            "half": np.array([1, 2, 3], np.float16),
            "code": ["007", "", "1.10"],
            "kind": pd.Categorical(["a", "b", "a"]),
            "day": pd.date_range("2020", periods=3, tz="Europe/Oslo"),
            "flag": [True, False, True],
        },
        index=pd.MultiIndex.from_tuples([(1, 5), (1, 6), (2, 5)], names=["a", None]),
    )
    frame.to_parquet("t.parquet")
    run("fit", "t.parquet", "-k", 1, "-q", "--columns", "x", "-o", "l.parquet").fine()
    before, after = pq.read_table("t.parquet"), pq.read_table("l.parquet").drop(["label"])
    assert after.equals(before, check_metadata=True)
    pd.testing.assert_index_equal(pd.read_parquet("l.parquet").index, frame.index)
    run("fit", "t.parquet", "-k", 1, "-q", "--columns", "x", "-o", "l.csv").fine()
    first = Path("l.csv").read_text().splitlines()[1].split(",")
    assert first[:6] == ["0.5", f"{LARGE}", f"{2**64 - 1}", f"{LARGE}", "1", "007"]


@pytest.mark.parametrize("dtype", ["<i8", ">i8", "<u8", ">u8", ">i2", "?", "<f2", ">f2", ">f8"])
def test_every_number_of_an_array_stands_beside_its_label(run, dtype):
    array = np.array([[LARGE if "8" in dtype else 1, 0], [3, 1]]).astype(dtype)
    np.save("x.npy", array)
    run("fit", "x.npy", "-k", 1, "-q", "-o", "l.parquet").fine()
    run("fit", "x.npy", "-k", 1, "-q", "-o", "l.csv").fine()
    table = pq.read_table("l.parquet")
    for place in range(2):
        assert table[f"x{place}"].to_pylist() == array[:, place].tolist()
    shown = [line.split(",")[0] for line in Path("l.csv").read_text().splitlines()[1:]]
    if array.dtype.kind == "f":
        assert list(map(float, shown)) == array[:, 0].tolist()
    else:
        assert shown == [str(value).lower() for value in array[:, 0].tolist()]


def test_numbers_wider_than_any_backends_are_refused(run):
    if np.dtype(np.longdouble).itemsize == 8:
        pytest.skip("long double is float64 here")
    np.save("x.npy", np.ones((3, 2), np.longdouble))
    assert "at most 64 bits" in run("fit", "x.npy", "-k", 1).refused()


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("header", ["a#b\n", ""])
def test_separators_are_found_out(tmp_path, separator, header, suffix):
    text = (header + "1.5#2\n3.25#4\n5.5#7\n").replace("#", separator)
    (tmp_path / f"t.{suffix}").write_text(text)
    rows = data_of(tmp_path / f"t.{suffix}").rows
    np.testing.assert_array_equal(rows, [[1.5, 2], [3.25, 4], [5.5, 7]])


@pytest.mark.parametrize("header", ["a;b\n", ""])
@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_decimal_commas_are_numbers(run, header, separator):
    text = (header + "1,5;2,5\n3,25;4\n5;-7,125\n").replace(";", separator)
    facts = fitted(run, text, output="l.csv")
    assert facts["left_out"] == []
    np.testing.assert_allclose(facts["centers"], [[9.75 / 3, -0.625 / 3]])
    cells = [line.rsplit(",", 1)[0] for line in Path("l.csv").read_text().splitlines()[1:]]
    assert cells == ['"1,5","2,5"', '"3,25",4', '5,"-7,125"']
    fitted(run, text)
    table = pq.read_table("l.parquet")
    wanted = [[1.5, 3.25, 5.0], [2.5, 4.0, -7.125]]
    assert [column.to_pylist() for column in table.columns[:2]] == wanted


def test_quoted_decimal_commas_and_weights(run):
    facts = fitted(run, 'a,w\n"1,5","0,5"\n"4,5","1,5"\n', "--weights", "w")
    np.testing.assert_allclose(facts["centers"], [[3.75]])
    assert (facts["weighted_by"], facts["left_out"]) == ("w", [])


def test_marks_that_may_be_of_thousands_are_refused(run):
    quoted, beside_commas = 'a,b\n"1,500",2\n"3,250",4\n', "a;b\n1.500;2,5\n3;4,5\n"
    for text in ("a;b\n1,500;2\n3,250;4\n", quoted, beside_commas):
        assert "--decimal" in refused(run, text)
    assert "'1.234,5', not a number" in refused(run, "a;b\n1.234,5;2\n1,5;4\n")
    assert "'1,500', not a number" in refused(run, "a;b\n1,500;2\n2,500;4\n", "--decimal", ".")
    for text in ("a;b\n1,500;2\n3,250;4\n", "a;b\n1,500;2\n3,250;4,5\n"):
        mark = ["--decimal", ","] if "4,5" not in text else []
        np.testing.assert_allclose(fitted(run, text, *mark)["centers"][0][0], 2.375)
    # Left out, such a column passes through as it is.
    fitted(run, "a;b\n1,500;2\n3,250;4\n", "--columns", "b")
    assert pq.read_table("l.parquet")["a"].to_pylist() == ["1,500", "3,250"]


@pytest.mark.parametrize("cell", ["12O", "1,234.5", "1_000", "5 kg"])
def test_no_column_of_numbers_is_left_out_silently(run, cell):
    text = f'a,b\n1,2\n3,"{cell}"\n5,4\n'
    assert f"column 'b', row 2: is {cell!r}, not a number, in a column" in refused(run, text, "-q")
    assert fitted(run, text, "--columns", "a")["left_out"] == ["b"]
    assert fitted(run, f"a,b\n1,x\n3,{cell.split(',')[0]}\n5,y\n")["left_out"] == ["b"]


def test_a_separator_that_cannot_be_found_out_is_said(run):
    text = "1,x;2\n1,y;3\n"
    assert "--separator" in refused(run, text)
    assert fitted(run, text, "--separator", ";", "--no-header")["features"] == ["x1"]
    assert fitted(run, text, "--separator", ",", "--no-header")["features"] == ["x0"]
    assert fitted(run, "a\tb\n1\t2\n", "--separator", "tab")["features"] == ["a", "b"]
    # A row too short is an error, not a reason to cut at the decimal commas.
    assert "line 3 has 1 cells" in refused(run, "1,5;2\n3,5;4\n5,1\n")
    assert "one character or tab" in refused(run, text, "--separator", ";;")
    assert "must be . or ," in refused(run, text, "--decimal", ";")


NO_HEADER = {
    "floats": "1.5,2.5\n0.5,0.1\n2.5,1.5\n",
    "whole": "1,2\n3,4\n5,7\n",
    "counting": "0,1,2\n3,4,5\n6,7,8\n",
    "equal": "0,0\n10,10\n10,11\n",
    "one column": "5\n2\n3\n9\n",
    "one row": "1,2\n",
}


@pytest.mark.parametrize("name", NO_HEADER)
def test_a_table_of_numbers_needs_no_header(run, name):
    text = NO_HEADER[name]
    facts = fitted(run, text)
    assert facts["rows"] == text.count("\n")
    assert facts["features"] == [f"x{i}" for i in range(text.splitlines()[0].count(",") + 1)]


UNCLEAR = {
    "years": "2020,2021\n0.5,0.7\n0.1,0.2\n",
    "years above whole numbers": "2020,2021\n5,700\n1,20\n",
    "pandas without names": "0,1,2\n0.5,1.5,-2.1\n0.25,0.5,0.75\n",
    "wavelengths": "400,410,425\n.1,.2,.3\n.3,.4,.6\n",
    "one year": "2020\n0.5\n0.25\n0.75\n",
    "a row with text": "5.1,3.5,setosa\n4.9,3.0,setosa\n6.1,3.2,virginica\n",
    "years beside a name": "city,2020,2021\nRome,1,2\nOslo,3,5\n",
    "years above text": "2000,2001,2002\nRome,1.5,2000\nOslo,3.5,1500\n",
    "an error in the first row": "1.5,2.5,error\n1.25,2.75,3.5\n1.75,2.25,3.25\n",
}


@pytest.mark.parametrize("name", UNCLEAR)
def test_a_first_row_that_may_be_a_header_is_refused(run, name):
    text = UNCLEAR[name]
    assert "--header or --no-header" in refused(run, text, "-q")
    first, rows = text.splitlines()[0].split(","), text.count("\n")
    place = min(1, len(first) - 1)
    headed = fitted(run, text, "--header")
    bare = fitted(run, text, "--no-header", "--columns", place)
    assert set(headed["features"]) <= set(first)
    assert (headed["rows"], bare["rows"], bare["features"]) == (rows - 1, rows, [f"x{place}"])


def test_thousands_in_the_first_row_are_no_names(run):
    text = '1.5,"1,234.5",a\n2.5,"1,234",b\n3.5,"5,678",c\n'
    assert "--header or --no-header" in refused(run, text)


def test_a_header_may_hold_a_few_numbers(run):
    assert fitted(run, "2020,a,b\n2019,5,7\n2021,1,9\n")["features"] == ["2020", "a", "b"]
    assert fitted(run, "y,2020,2021\n1,0.5,0.7\n5,0.1,0.2\n")["features"] == ["y", "2020", "2021"]


def test_spaces_between_numbers_are_pointed_out(run):
    text = "1.5 2.5\n3.25 4.75\n"
    assert "--separator ' '" in refused(run, text)
    assert fitted(run, text, "--separator", " ")["features"] == ["x0", "x1"]


def test_a_long_sequence_beside_a_name_is_a_header(run):
    text = "city,2020,2021,2022\nRome,1,2,5\nOslo,3,4,7\n"
    assert fitted(run, text)["features"] == ["2020", "2021", "2022"]


def test_options_of_text_tables_are_for_those(run):
    np.save("x.npy", np.ones((3, 2)))
    for option in (["--header"], ["--no-header"], ["--separator", ";"], ["--decimal", ","]):
        message = run("fit", "x.npy", "-k", 1, *option).refused()
        assert message == f"{option[0]} is for a .csv or .tsv file; x.npy is none"


def frames():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(6, 2)), columns=["x0", "x1"])
    pairs = pd.MultiIndex.from_product([[1, 2], [4, 5, 6]])
    return {
        "default": (frame, 1),
        "rows chosen": (frame[frame.x0 > -1].sample(5, random_state=0), 1),
        "repeated": (pd.concat([frame, frame]), 1),
        "pairs": (frame.set_index(pairs), 2),
        "a pair with text": (frame.set_index([pd.Index(list("aabbcc")), np.arange(6)]), 2),
        "numbers as names": (pd.DataFrame(frame.to_numpy()), 1),
    }


CASES = ["default", "rows chosen", "repeated", "pairs", "a pair with text", "numbers as names"]


@pytest.mark.parametrize("case", CASES)
def test_the_index_that_pandas_writes_is_no_feature(run, case):
    pd = pytest.importorskip("pandas")
    frame, levels = frames()[case]
    text = frame.to_csv()
    features = [str(name) for name in frame.columns]
    facts = fitted(run, text, output="l.csv")
    assert facts["features"] == features
    assert len(facts["left_out"]) == levels
    np.testing.assert_allclose(facts["centers"], [frame.to_numpy().mean(axis=0)])
    written = [line.rsplit(",", 1)[0] for line in Path("l.csv").read_text().splitlines()]
    assert written == text.splitlines()
    fitted(run, text)
    assert pd.read_parquet("l.parquet").shape == (len(frame), levels + 3)
    # Once more through pandas, which names what has no name and adds an index.
    again = pd.read_csv("l.csv").drop(columns="label")
    assert fitted(run, again.to_csv())["features"] == features
    again.to_parquet("t.parquet")
    out = run("fit", "t.parquet", "-k", 1, "--json").fine()
    assert json.loads(out)["features"] == features


def test_an_index_is_named_and_used_when_asked_for(run):
    text = ",x0,x1\n0,1,5\n1,2,7\n2,4,6\n"
    Path("t.csv").write_text(text)
    out = run("fit", "t.csv", "-k", 1).fine()
    assert "Unnamed: 0 (no feature unless named with --columns)" in " ".join(out.split())
    for columns in ("0,1", "Unnamed: 0,x0"):
        facts = fitted(run, text, "--columns", columns)
        assert (facts["features"], facts["index"]) == (["Unnamed: 0", "x0"], [])


def test_numbers_without_a_name_that_may_be_features_are_refused(run):
    text = ",x\n0.1,1\n0.2,2\n0.4,5\n"
    assert "column 0 has no name" in refused(run, text)
    assert fitted(run, text, "--columns", "0,x")["features"] == ["Unnamed: 0", "x"]


@pytest.mark.parametrize("name", ["idx", None, "x,y"])
def test_the_index_in_a_parquet_file_is_no_feature(run, name):
    pd = pytest.importorskip("pandas")
    index = pd.Index([0.5, 6.0, 9.0], name=name)
    pd.DataFrame({"x": [1.0, 2.0, 3.0]}, index=index).to_parquet("t.parquet")
    facts = json.loads(run("fit", "t.parquet", "-k", 1, "--json").fine())
    assert (facts["features"], facts["index"]) == (["x"], [name or "__index_level_0__"])
    # Without what pandas says of it, its own name for an index shows it.
    if name is None:
        pq.write_table(pq.read_table("t.parquet").replace_schema_metadata(), "u.parquet")
        assert json.loads(run("fit", "u.parquet", "-k", 1, "--json").fine())["features"] == ["x"]


def test_headings_come_out_as_they_went_in(run):
    fitted(run, " a , b,\n1,2,\n3,4,\n", "--columns", "a", output="l.csv")
    assert Path("l.csv").read_text().splitlines()[:2] == [" a , b,,label", "1,2,,0"]


def test_a_model_labels_tables_of_other_layouts(run):
    rows = [[1.5, 2.25], [3.5, 0.5], [9.5, 8.0], [8.5, 9.75]]
    pq.write_table(pa.table({"a": [r[0] for r in rows], "b": [r[1] for r in rows]}), "t.parquet")
    run("fit", "t.parquet", "-k", 2, "--model", "m.npz", "-o", "l.npy").fine()
    bare = "".join(f"{a};{b}\n" for a, b in rows)
    named = "id;b;a\n" + "".join(f"{i};{b};{a}\n" for i, (a, b) in enumerate(rows))
    Path("bare.csv").write_text(bare.replace(".", ","))
    Path("named.csv").write_text(named.replace(".", ","))
    for path in ("named.csv", "bare.csv"):
        run("predict", "m.npz", path, "-o", "p.npy", "-q").fine()
        np.testing.assert_array_equal(np.load("p.npy"), np.load("l.npy"))
