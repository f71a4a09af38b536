import csv
import functools
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import kmeans_xp
from kmeans_xp.cli import fitting
from tests.cli.conftest import same_grouping

GROUPS = np.tile([0, 1, 2], 20)


@pytest.fixture
def table(blobs, tmp_path):
    path = tmp_path / "table.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "a", "b"])
        writer.writerows([f"row {i}", *map(repr, row)] for i, row in enumerate(blobs.tolist()))
    return path


def rows_of(path):
    with Path(path).open(newline="") as file:
        return list(csv.reader(file))


def test_a_table_end_to_end(run, table, blobs):
    out = run("fit", table, "-k", 3, "--seed", 0, "-o", "l.csv", "--model", "m.npz").fine()
    written = rows_of("l.csv")
    assert written[0] == ["name", "a", "b", "label"]
    assert [row[:3] for row in written] == rows_of(table)
    labels = np.array([int(row[3]) for row in written[1:]])
    assert same_grouping(labels, GROUPS)
    words = ["60 rows x 2 features", "features  a, b", "not used", "name", "converged"]
    for word in (*words, "float64", "l.csv"):
        assert word in out

    assert run("predict", "m.npz", table, "-o", "p.csv", "--quiet").fine() == ""
    assert Path("p.csv").read_text() == Path("l.csv").read_text()
    with np.load("m.npz", allow_pickle=False) as model:
        for k in range(3):
            own = blobs[labels == k].mean(axis=0)
            np.testing.assert_allclose(model["centers"][k], own, rtol=1e-12)


def scaled(path="x.npy"):
    rows = np.random.default_rng(0).normal(size=(60, 3)) * [1, 1e-3, 1]
    np.save(path, rows)
    return path


def test_features_of_unlike_scales_are_pointed_out(run):
    path = scaled()
    note = run("fit", path, "-k", 2).err
    assert note.startswith("kmeans-xp: note: ")
    assert note.count("\n") == 1
    assert "'x1'" in note
    assert "--standardize" in note
    silent = [["--standardize"], ["-q"], ["--columns", "0,2"], ["--algorithm", "gmm"]]
    for options in silent:
        outcome = run("fit", path, "-k", 2, *options)
        assert (outcome.status, outcome.err) == (0, "")
    assert run("fit", path, "-k", 2, "--json", "--algorithm", "soft").err == note
    spherical = ["--algorithm", "gmm", "--covariance-type", "spherical", "--max-iter", "500"]
    assert note in run("fit", path, "-k", 2, *spherical).err


def test_no_scales_are_pointed_out_of_colours_and_constants(run):
    pixels = np.full((8, 8, 3), 100, np.uint8)
    pixels[:4, :, 0], pixels[0, 0, 2] = 255, 101
    Image.fromarray(pixels).save("i.png")
    assert run("fit", "i.png", "-k", 2).err == ""
    np.save("x.npy", np.array([[0.0, 1.0], [5.0, 1.0], [9.0, 1.0]]))
    assert run("fit", "x.npy", "-k", 2).err == ""


def test_an_image_end_to_end(run):
    pixels = np.zeros((10, 8, 3), np.uint8)
    pixels[:4] = (255, 0, 0)
    pixels[4:, :5] = (0, 0, 255)
    Image.fromarray(pixels).save("flag.png")
    outputs = ("-o", "l.npy", "--model", "m.npz", "--plot", "p.png")
    out = run("fit", "flag.png", "-k", 3, "--seed", 1, *outputs).fine()
    labels = np.load("l.npy")
    assert labels.dtype == np.int32
    colors, wanted = np.unique(pixels.reshape(-1, 3), axis=0, return_inverse=True)
    assert same_grouping(labels, wanted)
    with np.load("m.npz") as model:
        assert sorted(model["centers"].tolist()) == (colors / 255).tolist()
        assert model["columns"].tolist() == ["red", "green", "blue"]
    for word in ("8 x 10 pixels", "#ff0000", "#0000ff", "40.0%"):
        assert word in out
    with Image.open("p.png") as picture:
        assert picture.size[0] > 800
    run("predict", "m.npz", "flag.png", "-o", "q.npy").fine()
    np.testing.assert_array_equal(np.load("q.npy"), labels)


def test_json_is_whole_and_true(run):
    out = run("fit", "sample:iris", "-k", 3, "--seed", 7, "--json", "-o", "l.npy").fine()
    facts = json.loads(out)
    iris = pytest.importorskip("sklearn.datasets").load_iris().data
    result = kmeans_xp.kmeans(iris, 3, rng=7)
    assert facts["inertia"] == result.inertia
    assert facts["n_iter"] == result.n_iter
    assert facts["history"] == list(result.history)
    assert facts["centers"] == result.centers.tolist()
    assert facts["sizes"] == np.bincount(result.labels).tolist()
    assert (facts["rows"], facts["n_clusters"], facts["seed"]) == (150, 3, 7)
    assert facts["left_out"] == ["class"]
    assert (facts["backend"], facts["device"], facts["dtype"]) == ("numpy", "cpu", "float64")
    assert facts["outputs"] == {"labels": "l.npy"}
    np.testing.assert_array_equal(np.load("l.npy"), result.labels)


def test_the_reported_seed_repeats_a_run(run):
    first = json.loads(run("fit", "sample:wine", "-k", 7, "--json").fine())
    again = json.loads(run("fit", "sample:wine", "-k", 7, "--json", "--seed", first["seed"]).fine())
    assert again["centers"] == first["centers"]


def spy_on_kmeans(monkeypatch, seen):
    real = kmeans_xp.kmeans

    @functools.wraps(real)
    def spy(X, k, **keywords):
        seen.append((X, k, keywords))
        return real(X, k, **keywords)

    monkeypatch.setattr(kmeans_xp, "kmeans", spy)


def test_every_option_reaches_kmeans(run, monkeypatch, blobs):
    np.save("x.npy", blobs)
    spy_on_kmeans(monkeypatch, seen := [])
    options = "-k 4 --init random --n-init 3 --max-iter 17 --tol 0.5 --empty-clusters random"
    run("fit", "x.npy", *options.split(), "--kernel", "portable", "--seed", 5).fine()
    assert seen[0][1] == 4
    assert seen[0][2] == {
        "init": "random",
        "n_init": 3,
        "max_iter": 17,
        "tol": 0.5,
        "empty_clusters": "random",
        "algorithm": "portable",
        "rng": 5,
        "sample_weight": None,
        "callback": None,
    }


def test_a_mapped_file_reaches_kmeans_as_a_map(run, monkeypatch, blobs):
    np.save("x.npy", blobs)
    spy_on_kmeans(monkeypatch, seen := [])
    run("fit", "x.npy", "-k", 3, "--columns", "1").fine()
    assert isinstance(seen[0][0], np.memmap)
    assert seen[0][0].shape == (60, 1)


def test_weights_count_rows_and_are_no_feature(run, blobs):
    weights = np.arange(60) % 4
    table = np.column_stack([blobs, weights])
    np.savetxt("w.csv", table, delimiter=",", header="a,b,w", comments="", fmt="%.17g")
    np.save("w.npy", table)
    repeated = np.repeat(blobs, weights, axis=0)
    for path, column in (("w.csv", "w"), ("w.npy", "2")):
        out = run("fit", path, "-k", 3, "--seed", 0, "--weights", column, "--json").fine()
        facts = json.loads(out)
        assert len(facts["features"]) == 2
        wanted = [
            repeated[(np.repeat(GROUPS, weights)) == group].mean(axis=0) for group in range(3)
        ]
        np.testing.assert_allclose(np.sort(facts["centers"], 0), np.sort(wanted, 0), atol=1e-9)


def test_standardised_centres_come_in_the_features_own_units(run):
    rng = np.random.default_rng(1)
    # The first feature is loud and says nothing, the second is quiet and tells the groups.
    groups = np.arange(100) % 2
    rows = np.column_stack([1e6 + rng.normal(size=100) * 1e4, groups + rng.normal(size=100) / 50])
    np.save("x.npy", rows)
    out = run(
        "fit", "x.npy", "-k", 2, "--standardize", "--seed", 0, "--json",
        "-o", "l.npy", "--model", "m.npz", "--plot", "p.png",
    ).fine()  # fmt: skip
    labels = np.load("l.npy")
    assert same_grouping(labels, groups)
    wanted = [rows[labels == k].mean(axis=0) for k in range(2)]
    np.testing.assert_allclose(json.loads(out)["centers"], wanted, rtol=1e-10)
    with np.load("m.npz") as model:
        np.testing.assert_allclose(model["mean"], rows.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(model["scale"], rows.std(axis=0), rtol=1e-10)
    np.save("part.npy", rows[30:50].astype(np.float32).astype(np.float64))
    run("predict", "m.npz", "part.npy", "-o", "q.npy").fine()
    np.testing.assert_array_equal(np.load("q.npy"), labels[30:50])


@pytest.mark.parametrize("name", ["torch", "cupy", "dask", "array-api-strict"])
def test_a_backend_gives_the_same_labels_and_is_named(run, name):
    installed = {b.name for b in kmeans_xp.arrays.backends.installed()}
    if name not in installed:
        pytest.skip(f"{name} is not installed")
    run("fit", "sample:iris", "-k", 3, "--seed", 0, "-o", "numpy.npy").fine()
    arguments = ("--backend", name, "--dtype", "float32", "-o", "other.npy", "--model", "m.npz")
    out = run("fit", "sample:iris", "-k", 3, "--seed", 0, "--json", *arguments).fine()
    facts = json.loads(out)
    assert (facts["backend"], facts["dtype"]) == (name, "float32")
    np.testing.assert_array_equal(np.load("other.npy"), np.load("numpy.npy"))
    run("predict", "m.npz", "sample:iris", "--backend", name, "-o", "p.npy").fine()
    np.testing.assert_array_equal(np.load("p.npy"), np.load("numpy.npy"))


def test_parquet_in_and_out(run, table):
    run("fit", table, "-k", 3, "--seed", 0, "-o", "l.parquet", "--label-name", "group").fine()
    written = pq.read_table("l.parquet")
    assert [str(kind) for kind in written.schema.types] == ["string", "double", "double", "int32"]
    run("fit", "l.parquet", "-k", 3, "--seed", 0, "--columns", "a,b", "-o", "m.parquet").fine()
    again = pq.read_table("m.parquet")
    assert again.column_names == ["name", "a", "b", "group", "label"]
    assert again["label"].to_pylist() == written["group"].to_pylist()


def test_many_clusters_are_summarised(run):
    out = run("fit", "sample:digits", "-k", 40, "--seed", 0, "--max-iter", 2).fine()
    assert "24 more" in out
    assert "stopped before it converged" in out


def test_quiet_says_nothing(run):
    assert run("fit", "sample:iris", "-k", 2, "--quiet").fine() == ""


def test_names_cannot_style_or_break_the_summary(run):
    Path("evil.csv").write_text("[red]a[/],b\x1b[2J,c\nx,1,2\ny,3,4\n")
    out = run("fit", "evil.csv", "-k", 1).fine()
    assert "[red]a[/]" in out
    assert "\x1b" not in out


@pytest.mark.parametrize("seconds", [0.0123, 3.21, 200.0])
def test_times_are_readable(seconds):
    from kmeans_xp.cli.report import duration

    assert duration(seconds) in {"12.3 ms", "3.21 s", "3 min 20 s"}


def test_ctrl_c_is_one_line_and_leaves_nothing(run, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(fitting, "_cluster", interrupted)
    outcome = run("fit", "sample:iris", "-k", 3, "-o", "l.csv", "--model", "m.npz")
    assert (outcome.status, outcome.err) == (130, "kmeans-xp: error: interrupted\n")
    assert list(Path().iterdir()) == []
