"""``kmeans-xp choose-k``, and ``fit -k`` that chooses a number of clusters first."""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import kmeans_xp
from kmeans_xp.cli import picture
from kmeans_xp.cli.clusters import KRange, parsed
from kmeans_xp.cli.inputs import Choice, choose
from kmeans_xp.cli.opening import read
from tests.cli.conftest import Terminal

choose_k = kmeans_xp.choose_k
# Criteria that take no time, unless a test asks for others.
QUICK = ("silhouette", "elbow")


@pytest.fixture
def calls(monkeypatch):
    """The calls of `choose_k`, each as its rows, its ks and its keyword arguments."""
    seen = []

    def spy(X, ks, **keywords):
        seen.append((np.asarray(X), list(ks), keywords))
        return choose_k(X, ks, **{"criteria": QUICK, **keywords})

    monkeypatch.setattr(kmeans_xp, "choose_k", spy)
    return seen


@pytest.fixture
def path(blobs, tmp_path):
    """A file of three clusters."""
    np.save(tmp_path / "x.npy", blobs)
    return "x.npy"


def test_by_default_it_is_what_the_function_does_by_default(run, path, blobs):
    facts = json.loads(run("choose-k", path, "--max", 4, "--seed", 1, "--json").fine())
    assert facts["choice"]["choices"] == choose_k(blobs, range(1, 5), rng=1).choices


def test_a_table_of_every_criterion_and_the_recommended_number(run, calls, path, blobs):
    out = run("choose-k", path, "--seed", 5).fine()
    selection = choose_k(blobs, criteria=QUICK, rng=5)
    for line in str(selection).splitlines():
        assert f"  {line}".rstrip() in out
    assert "Recommended: k = 3" in out
    for word in ("x.npy   60 rows x 2 features", "algorithm  kmeans", "seed  5", "numpy on cpu"):
        assert word in out
    assert "\x1b" not in out
    ((X, ks, keywords),) = calls
    np.testing.assert_array_equal(X, blobs)
    assert ks == list(range(1, 11))
    assert keywords == {
        "algorithm": "kmeans",
        "options": {},
        "sample_weight": None,
        "rng": 5,
        "callback": None,
    }


def test_json_holds_the_selection_beside_what_every_summary_says(run, calls, path, blobs):
    arguments = ("--seed", 5, "--min", 2, "--max", 6, "--criteria", "silhouette, elbow", "--json")
    facts = json.loads(run("choose-k", path, *arguments).fine())
    selection = choose_k(blobs, range(2, 7), criteria=("silhouette", "elbow"), rng=5)
    wanted = selection.to_dict()
    for row in [*wanted["rows"], *facts["choice"]["rows"]]:
        del row["seconds"]
    assert facts["choice"] == wanted
    assert (facts["command"], facts["kmeans_xp"]) == ("choose-k", kmeans_xp.__version__)
    assert (facts["input"], facts["rows"], facts["features"]) == (path, 60, ["x0", "x1"])
    assert (facts["algorithm"], facts["n_clusters"], facts["seed"]) == ("kmeans", 3, 5)
    assert (facts["standardized"], facts["dtype"], facts["outputs"]) == (False, "float64", {})


def test_every_option_reaches_choose_k(run, calls, blobs):
    rows = np.column_stack([blobs * [1, 1000], np.arange(60) % 4 + 1])
    header = "a,b,w"
    np.savetxt("t.csv", rows, "%.17g", ",", header=header, comments="")
    options = "--n-init 2 --init random --kernel portable --sample-size 50 --standardize"
    arguments = ("--columns", "b,a", "--weights", "w", "--dtype", "float32", "-q")
    assert run("choose-k", "t.csv", *options.split(), *arguments, "--seed", 1).fine() == ""
    ((X, _, keywords),) = calls
    assert X.dtype == np.float32
    weights = rows[:, 2]
    np.testing.assert_array_equal(keywords.pop("sample_weight"), weights)
    scores = (rows[:, [1, 0]] - np.average(rows[:, [1, 0]], axis=0, weights=weights)) / np.sqrt(
        np.cov(rows[:, [1, 0]].T, aweights=weights, ddof=0).diagonal()
    )
    np.testing.assert_allclose(X, scores, rtol=1e-5, atol=1e-6)
    assert keywords["options"] == {"n_init": 2, "init": "random", "algorithm": "portable"}
    assert keywords["sample_size"] == 50


def test_an_algorithm_and_its_options_reach_choose_k(run, calls, path):
    arguments = "--algorithm gmm --covariance-type diag --reg-covar 0.5 --criteria bic"
    run("choose-k", path, *arguments.split()).fine()
    keywords = calls[0][2]
    assert keywords["algorithm"] == "gmm"
    assert keywords["options"] == {"covariance_type": "diag", "reg_covar": 0.5}
    assert keywords["criteria"] == ("bic",)


def test_given_distances_are_no_features(run, blobs):
    np.save("d.npy", np.linalg.norm(blobs[:, None] - blobs, axis=2))
    given = ("--algorithm", "kmedoids", "--metric", "precomputed", "--max", 5, "--plot", "k.png")
    outcome = run("choose-k", "d.npy", *given)
    assert "60 rows x 60 distances" in outcome.fine()
    assert "Recommended: k = 3; 3 of 3 criteria choose it." in outcome.out
    assert outcome.err == ""
    assert Path("k.png").exists()


def test_the_reported_seed_repeats_a_choice(run, calls, path):
    first = json.loads(run("choose-k", path, "--json").fine())
    again = json.loads(run("choose-k", path, "--json", "--seed", first["seed"]).fine())
    assert calls[0][2]["rng"] == calls[1][2]["rng"] == first["seed"]
    assert again["choice"]["choices"] == first["choice"]["choices"]


@pytest.mark.parametrize(("n", "most"), [(1, 1), (2, 1), (7, 6), (11, 10), (500, 10)])
def test_few_rows_bound_the_range(n, most):
    assert KRange().among(n) == range(1, most + 1)
    # What the user says stays as it is.
    assert KRange(2, 12).among(n) == range(2, 13)


def test_the_range_is_bounded_by_the_rows_that_have_weight(run, calls, blobs):
    np.save("w.npy", np.column_stack([blobs, np.arange(60) < 5]))
    run("choose-k", "w.npy", "--weights", 2).fine()
    assert calls[0][1] == [1, 2, 3, 4]


def test_a_picture_of_the_criteria_and_the_silhouettes(run, calls, path, monkeypatch):
    figures = []
    real = picture._save
    monkeypatch.setattr(picture, "_save", lambda f, p: (figures.append(f), real(f, p)))
    out = run("choose-k", path, "--plot", "k.png").fine()
    assert "wrote plot to k.png" in out
    with Image.open("k.png") as image:
        assert image.size == (806, 780)
    assert sorted(p.name for p in Path().iterdir()) == ["k.png", "x.npy"]
    titles = [ax.get_title(loc="left") for ax in figures[0].axes]
    assert len(titles) == 3
    assert titles[0].startswith("Silhouettes for k = 3")
    above, _below = figures[0].subfigs
    title = above.get_suptitle()
    assert title == "x.npy, 60 rows\nRecommended: k = 3 (chosen by 2 of 2 criteria)"


def test_a_picture_says_what_the_silhouettes_are_of(blobs, monkeypatch, tmp_path):
    figures = []
    monkeypatch.setattr(picture, "_save", lambda figure, _path: figures.append(figure))
    selection = choose_k(blobs, range(1, 5), criteria=QUICK, rng=0)
    selection = dataclasses.replace(selection, n_rows=9000, n_sampled=60)
    np.save(tmp_path / "y.npy", blobs)
    source = choose(read(str(tmp_path / "y.npy")), Choice())
    picture.draw_choice(tmp_path / "k.png", selection, source)
    assert figures[0].axes[0].get_ylabel() == "cluster (of 60 rows looked at)"
    picture.draw_choice(tmp_path / "k.png", dataclasses.replace(selection, k=1), source)
    title = figures[1].axes[0].get_title(loc="left")
    assert title.startswith("Silhouettes for k = 3")
    assert title.endswith("which is the silhouette's own choice")
    picture.draw_choice(tmp_path / "k.png", dataclasses.replace(selection, profile=None), source)
    assert len(figures[2].axes) == 2


def test_a_bar_counts_the_numbers_of_clusters(run, calls, path, monkeypatch):
    monkeypatch.setattr("kmeans_xp.cli.progress.PATIENCE", 0.0)
    monkeypatch.setattr(sys, "stderr", Terminal(sys.stderr))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    err = run("choose-k", path, "--max", 4).err
    assert "of at most 4 numbers of clusters" in err
    assert "k = " in err
    calls.clear()
    assert "numbers" not in run("choose-k", path, "--max", 4, "-q").err
    assert calls[0][2]["callback"] is None


def test_features_of_unlike_scales_are_pointed_out(run, calls, blobs):
    np.save("x.npy", blobs * [1, 1e4])
    assert "--standardize" in run("choose-k", "x.npy", "--max", 3).err
    assert run("choose-k", "x.npy", "--max", 3, "--standardize").err == ""
    gmm = ("--algorithm", "gmm", "--criteria", "silhouette")
    assert run("choose-k", "x.npy", "--max", 3, *gmm).err == ""


REFUSED = {
    "absent.npy": "No such file",
    "x.npy --min 0": "--min",
    "x.npy --max 0": "--max",
    "x.npy --min 5 --max 3": "--max must be at least --min, 5, got 3",
    "x.npy --min 12": "--max must be at least --min, 12, got 10, which it is unless given",
    "x.npy --sample-size 0": "--sample-size",
    "x.npy --algorithm magic": "--algorithm must be one of kmeans",
    "x.npy --stiffness 1": "--stiffness is an option of soft, not of kmeans",
    "x.npy --n-init many": "--n-init must be a number or 'auto', got 'many'",
    "x.npy --algorithm spectral --weights 1": "--weights is no option of spectral",
    "x.npy --algorithm kmedoids --metric precomputed --standardize": "--standardize needs features",
    "x.npy --columns 7": "no column '7'",
    "x.npy --backend abacus": "backend must be one of numpy",
    "x.npy --plot k.pdf": "--plot: k.pdf must end in .png or .svg",
    "x.npy --plot nowhere/k.png": "nowhere does not exist",
    "x.npy --model m.npz": "--model",
    "x.npy --max 61": "ks=61",
    "x.npy --sample-size 5": "sample_size",
    "x.npy --criteria gap,best": "criteria must be one of",
    "x.npy --criteria gap --algorithm kmedoids": "criteria must suit the algorithm",
}


@pytest.mark.parametrize("arguments", REFUSED)
def test_a_bad_argument_is_one_line(run, calls, path, arguments):
    assert REFUSED[arguments] in run("choose-k", *arguments.split()).refused()
    assert [p.name for p in Path().iterdir()] == [path]


@pytest.mark.parametrize(("clusters", "ks"), [("auto", range(1, 11)), ("2:6", range(2, 7))])
def test_fit_chooses_first_and_then_does_what_it_does_for_that_number(
    run, calls, path, clusters, ks
):
    options = ("--n-init", 2, "--seed", 4, "-o", "l.npy", "--json")
    chosen = json.loads(run("fit", path, "-k", clusters, *options).fine())
    labels = np.load("l.npy")
    given = json.loads(run("fit", path, "-k", 3, *options).fine())
    np.testing.assert_array_equal(np.load("l.npy"), labels)
    choice = chosen.pop("choice")
    assert (choice["k"], [row["k"] for row in choice["rows"]]) == (3, list(ks))
    assert chosen | {"seconds": 0} == given | {"seconds": 0}
    ((_, tried, keywords),) = calls
    assert (tried, keywords["rng"], keywords["options"]) == (list(ks), 4, {"n_init": 2})


def test_the_summary_says_which_number_was_chosen_and_why(run, calls, path):
    out = run("fit", path, "-k", "2:5", "--seed", 0).fine()
    assert "clusters  3" in out
    assert "chosen  from 2 to 5: 2 of 2 criteria choose it (silhouette, elbow)" in out
    assert "chosen" not in run("fit", path, "-k", 3).fine()


def test_a_chosen_number_makes_a_model_and_a_picture(run, calls, path):
    outputs = ("-o", "l.npy", "--model", "m.npz", "--plot", "p.png")
    run("fit", path, "-k", "auto", *outputs, "-q").fine()
    run("predict", "m.npz", path, "-o", "p.npy", "-q").fine()
    np.testing.assert_array_equal(np.load("p.npy"), np.load("l.npy"))
    assert np.load("l.npy").max() == 2


def test_without_a_recommendation_fit_says_what_to_do(run, calls, path, monkeypatch):
    def nothing(X, ks, **_):
        return choose_k(X, ks, criteria=("calinski_harabasz",))

    monkeypatch.setattr(kmeans_xp, "choose_k", nothing)
    message = run("fit", path, "-k", "1:4", "-o", "l.npy").refused()
    assert message.startswith("-k: no number of clusters is recommended from 1 to 4; look at what")
    assert "kmeans-xp choose-k x.npy shows" in message
    assert not Path("l.npy").exists()
    facts = json.loads(run("choose-k", path, "--max", 4, "--json").fine())
    assert facts["n_clusters"] is None


@pytest.mark.parametrize(
    ("text", "meant"), [("1", 1), ("012", 12), ("auto", KRange()), ("2:12", KRange(2, 12))]
)
def test_what_k_means(text, meant):
    assert parsed(text) == meant


@pytest.mark.parametrize(
    "text", ["0", "-1", "two", "", "2:", ":3", "0:3", "2:3:4", "1.5", "AUTO", "2-5", "²", "1_0"]
)
def test_what_k_does_not_mean(run, calls, path, text):
    message = run("fit", path, f"--n-clusters={text}").refused()
    assert "-k must be a number of at least 1, a range such as 2:12, or auto, got" in message


def test_a_range_without_numbers_is_refused(run, calls, path):
    message = run("fit", path, "-k", "5:2").refused()
    assert message == "the second number of -k must be at least the first number of -k, 5, got 2"
