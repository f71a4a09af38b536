import csv
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_wine

from kmeans_xp.cli import model_file


def write_csv(path, header, rows):
    with Path(path).open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


@pytest.fixture
def wine(run):
    """The wine table as three kinds of file, and a model of two of its columns."""
    bunch = load_wine()
    np.save("wine.npy", bunch.data)
    write_csv("wine.csv", bunch.feature_names, bunch.data.tolist())
    backwards = bunch.data[:, ::-1].tolist()
    write_csv("backwards.csv", bunch.feature_names[::-1], backwards)
    arguments = ("--columns", "hue,alcohol", "--seed", 0, "--model", "m.npz", "-o", "l.npy")
    run("fit", "wine.csv", "-k", 4, *arguments).fine()
    return np.load("l.npy")


def predicted(run, model, *arguments):
    run("predict", model, *arguments, "-o", "p.npy").fine()
    return np.load("p.npy")


@pytest.mark.parametrize("standardize", [[], ["--standardize"]])
@pytest.mark.parametrize("dtype", [[], ["--dtype", "float32"]])
@pytest.mark.parametrize("sample", ["digits", "breast_cancer"])
def test_the_same_rows_get_the_labels_of_the_fit(run, sample, dtype, standardize):
    arguments = ("-k", 9, "--seed", 3, "-o", "l.npy", "--model", "m.npz")
    fitted = run("fit", f"sample:{sample}", *arguments, *dtype, *standardize, "--json").fine()
    again = run("predict", "m.npz", f"sample:{sample}", "-o", "p.npy", "--json").fine()
    np.testing.assert_array_equal(np.load("p.npy"), np.load("l.npy"))
    old, new = json.loads(fitted), json.loads(again)
    rtol = 1e-5 if dtype else 1e-9
    np.testing.assert_allclose(new["inertia"], old["inertia"], rtol=rtol)
    for same in ("sizes", "centers", "features", "dtype", "standardized"):
        assert new[same] == old[same]


def test_columns_are_found_by_name(run, wine):
    np.testing.assert_array_equal(predicted(run, "m.npz", "backwards.csv"), wine)
    np.testing.assert_array_equal(predicted(run, "m.npz", "sample:wine"), wine)


def test_columns_without_names_go_by_position(run, wine):
    columns = [load_wine().feature_names.index(name) for name in ("hue", "alcohol")]
    np.save("two.npy", load_wine().data[:, columns])
    np.testing.assert_array_equal(predicted(run, "m.npz", "two.npy"), wine)
    chosen = ",".join(map(str, columns))
    np.testing.assert_array_equal(predicted(run, "m.npz", "wine.npy", "--columns", chosen), wine)


def test_a_model_without_names_takes_the_same_positions(run, wine):
    arguments = ("--columns", "2,5", "--seed", 0, "--model", "n.npz", "-o", "n.npy")
    run("fit", "wine.npy", "-k", 3, *arguments).fine()
    np.testing.assert_array_equal(predicted(run, "n.npz", "wine.npy"), np.load("n.npy"))


def test_columns_that_are_not_there_are_named(run, wine):
    write_csv("other.csv", ["hue", "alc"], [[1, 2], [3, 4]])
    message = run("predict", "m.npz", "other.csv").refused()
    assert "alcohol" in message
    assert "hue, alc" in message
    message = run("predict", "m.npz", "wine.npy").refused()
    assert "13 features" in message
    assert "--columns" in message
    message = run("predict", "m.npz", "wine.csv", "--columns", "hue").refused()
    assert "1 features" in message


def test_a_bad_cell_matters_only_in_the_models_columns(run, wine):
    write_csv("ok.csv", ["hue", "alcohol", "rest"], [[1, 13, ""], [2, 12, 5]])
    run("predict", "m.npz", "ok.csv").fine()
    write_csv("bad.csv", ["hue", "alcohol"], [[1, 13], [2, "much"]])
    message = run("predict", "m.npz", "bad.csv").refused()
    assert "column 'alcohol', row 2: is 'much', not a number" in message


def test_a_picture_and_labels_beside_rows(run, wine):
    run("predict", "m.npz", "wine.csv", "-o", "p.csv", "--plot", "p.png").fine()
    with Path("p.csv").open(newline="") as file:
        labels = [int(row["label"]) for row in csv.DictReader(file)]
    np.testing.assert_array_equal(labels, wine)
    assert Path("p.png").stat().st_size > 5_000


def test_no_output_may_replace_what_is_read(run, wine):
    assert "is the input as well" in run("predict", "m.npz", "wine.csv", "-o", "wine.csv").refused()
    assert "is the input as well" in run("predict", "m.npz", "wine.npy", "-o", "wine.npy").refused()


def stored():
    with np.load("m.npz") as file:
        return {name: file[name] for name in file.files}


def damaged(fields, **changes):
    fields = {name: value for name, value in (fields | changes).items() if value is not None}
    np.savez("bad.npz", **fields)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"format": None}, "is not a model"),
        ({"format": "something else"}, "is not a model"),
        ({"centers": None}, "damaged"),
        ({"columns": np.array(["one"])}, "damaged"),
        ({"columns": np.array([1, 2])}, "damaged"),
        ({"centers": np.zeros((4, 3))}, "damaged"),
        ({"fitted_centers": np.zeros((3, 2))}, "damaged"),
        ({"fitted_centers": np.full((4, 2), np.nan)}, "damaged"),
        ({"centers": np.zeros(8)}, "damaged"),
        ({"dtype": "float16"}, "damaged"),
        ({"mean": np.zeros(3), "scale": np.ones(3)}, "damaged"),
        ({"mean": np.zeros(2), "scale": np.zeros(2)}, "damaged"),
        ({"mean": np.zeros(2)}, "damaged"),
        ({"n_iter": "many"}, "damaged"),
        ({"n_iter": np.array(-1)}, "damaged"),
        ({"n_iter": np.array(1 + 0j)}, "damaged"),
        ({"inertia": np.array(np.nan)}, "damaged"),
        ({"inertia": np.ones(1)}, "damaged"),
        ({"named": np.array("yes")}, "damaged"),
        ({"centers": np.zeros((4, 2))}, "centers and fitted_centers differ"),
        ({"fitted_centers": np.zeros((4, 2), complex)}, "fitted_centers has dtype complex128"),
        ({"version": 0}, "version is 0"),
        ({"version": model_file.VERSION + 1}, "model version 3"),
    ],
)
def test_a_damaged_model_is_refused(run, wine, changes, part):
    damaged(stored(), **changes)
    message = run("predict", "bad.npz", "wine.csv").refused()
    assert "bad.npz" in message
    assert part in message


def test_what_is_no_model_is_refused(run, wine):
    Path("text.npz").write_text("not a zip file")
    Path("whole.npz").write_bytes(Path("m.npz").read_bytes()[:-200])
    np.savez("pickled.npz", allow_pickle=True, format=np.array([{}], dtype=object))
    for path in ("wine.csv", "wine.npy", "text.npz", "whole.npz", "pickled.npz", "none.npz"):
        assert path in run("predict", path, "wine.csv").refused()


def test_a_model_holds_no_pickle_and_says_what_it_is(run, wine):
    fields = stored()
    assert all(array.dtype != object for array in fields.values())
    assert fields["columns"].tolist() == ["hue", "alcohol"]
    assert str(fields["dtype"]) == "float64"
    assert int(fields["version"]) == model_file.VERSION
    assert fields["centers"].shape == (4, 2)
    assert int(fields["n_iter"]) > 0
    assert float(fields["inertia"]) > 0
