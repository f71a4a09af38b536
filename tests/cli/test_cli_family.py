"""The algorithms: their options, their models, and what is refused."""

import json
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_wine
from sklearn.metrics import pairwise_distances

import kmeans_xp
from kmeans_xp.arrays.backends import installed
from kmeans_xp.cli import family, fitting, model_file, picture, scaling
from kmeans_xp.kernels.metrics import NAMES

# Spectral clustering, which has no centres and few models, has tests of its own.
EACH = sorted(family.FAMILY.keys() - {"spectral"})
MIXTURES = ["gmm", "soft"]
OBJECTIVES = {name: family.FAMILY[name].rule.objective for name in EACH}
# What the summaries of a fit and of what it predicts for its rows have in common.
SAME = {
    "algorithm",
    "centers",
    "sizes",
    "dtype",
    "stiffness",
    "weights",
    "medoid_indices",
    "metric",
}
MEDOIDS = ("--algorithm", "kmedoids", "--seed", 0)
OPTIONS = {
    "minibatch": (
        (
            "--init random --n-init 2 --max-iter 7 --tol 0.01 --kernel portable --batch-size 32 "
            "--init-size 60 --max-no-improvement 3 --reassignment-ratio 0.05"
        ),
        {
            "init": "random",
            "n_init": 2,
            "max_iter": 7,
            "tol": 0.01,
            "algorithm": "portable",
            "batch_size": 32,
            "init_size": 60,
            "max_no_improvement": 3,
            "reassignment_ratio": 0.05,
        },
    ),
    "bisecting": (
        (
            "--init k-means++ --n-init 3 --max-iter 9 --tol 0.1 --kernel portable "
            "--strategy largest_cluster"
        ),
        {
            "init": "k-means++",
            "n_init": 3,
            "max_iter": 9,
            "tol": 0.1,
            "algorithm": "portable",
            "bisecting_strategy": "largest_cluster",
        },
    ),
    "soft": (
        "--init random --n-init 2 --max-iter 4 --tol 1e-9 --stiffness 0.01 --no-mixing",
        {
            "init": "random",
            "n_init": 2,
            "max_iter": 4,
            "tol": 1e-9,
            "stiffness": 0.01,
            "mixing": False,
        },
    ),
    "gmm": (
        "--init k-means --n-init 2 --max-iter 5 --tol 1e-9 --covariance-type tied --reg-covar 0.5",
        {
            "init": "k-means",
            "n_init": 2,
            "max_iter": 5,
            "tol": 1e-9,
            "covariance_type": "tied",
            "reg_covar": 0.5,
        },
    ),
    "kmedoids": (
        (
            "--init random --n-init 2 --max-iter 2 --kernel portable --metric manhattan "
            "--method onebatch --max-memory 1"
        ),
        {
            "init": "random",
            "n_init": 2,
            "max_iter": 2,
            "algorithm": "portable",
            "metric": "manhattan",
            "method": "onebatch",
            "max_memory": 1,
        },
    ),
}


@pytest.fixture
def wine(tmp_path):
    """A few columns of the wine table, of unlike spreads, mapped as the command line does."""
    np.save(tmp_path / "wine.npy", load_wine().data[:, [0, 6, 9, 11]])
    return np.load(tmp_path / "wine.npy", mmap_mode="r")


def wanted(name, X, k, **keywords):
    return getattr(kmeans_xp, family.FAMILY[name].function)(X, k, **keywords)


def centers_of(result):
    return result.means if isinstance(result, kmeans_xp.GaussianMixtureResult) else result.centers


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize("with_options", [False, True])
def test_the_command_does_what_the_function_does(run, wine, name, with_options):
    text, keywords = OPTIONS.get(name, ("", {})) if with_options else ("", {})
    arguments = (*text.split(), "--algorithm", name, "--seed", 7, "--json", "-o", "l.npy")
    facts = json.loads(run("fit", "wine.npy", "-k", 4, *arguments).fine())
    result = wanted(name, wine, 4, rng=7, **keywords)
    np.testing.assert_array_equal(np.load("l.npy"), result.labels)
    assert facts["algorithm"] == name
    assert facts["centers"] == centers_of(result).tolist()
    assert (facts["n_iter"], facts["converged"]) == (result.n_iter, result.converged)
    assert facts["history"] == list(result.history)
    assert facts["sizes"] == np.bincount(result.labels, minlength=4).tolist()
    assert facts[OBJECTIVES[name]] == getattr(result, OBJECTIVES[name])
    assert len(facts.keys() & set(OBJECTIVES.values())) == 1
    if name in MIXTURES:
        np.testing.assert_allclose(facts["weights"], result.weights, rtol=1e-12)
    if name == "soft":
        np.testing.assert_allclose(facts["stiffness"], result.stiffness, rtol=1e-12)
    if name == "gmm":
        assert facts["covariance_type"] == keywords.get("covariance_type", "full")
    if name == "kmedoids":
        assert facts["medoid_indices"] == result.medoid_indices.tolist()
        assert (facts["method"], facts["n_swaps"]) == (result.method, result.n_swaps)
        assert facts["metric"] == keywords.get("metric", "euclidean")


@pytest.mark.parametrize("name", EACH)
def test_weights_reach_every_algorithm(run, wine, name):
    weights = np.arange(len(wine)) % 3 + 0.5
    np.save("w.npy", np.column_stack([wine, weights]))
    arguments = ("--algorithm", name, "--seed", 1, "--weights", 4, "--json")
    facts = json.loads(run("fit", "w.npy", "-k", 3, *arguments).fine())
    result = wanted(name, wine, 3, sample_weight=weights, rng=1)
    assert facts["centers"] == centers_of(result).tolist()
    assert facts["sizes"] == np.bincount(result.labels).tolist()


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("standardize", [[], ["--standardize"]])
def test_predict_gives_the_labels_of_the_fit(run, wine, monkeypatch, name, dtype, standardize):
    # Blocks of 50 rows, as a mapped file that must be converted is read.
    monkeypatch.setattr(scaling, "BLOCK", 200)
    np.save("other.npy", wine.astype(np.float32))
    arguments = ("--algorithm", name, "--seed", 2, "--dtype", dtype, *standardize)
    outputs = ("-o", "l.npy", "--model", "m.npz", "--json")
    old = json.loads(run("fit", "other.npy", "-k", 5, *arguments, *outputs).fine())
    new = json.loads(run("predict", "m.npz", "other.npy", "-o", "p.npy", "--json").fine())
    np.testing.assert_array_equal(np.load("p.npy"), np.load("l.npy"))
    for same in old.keys() & SAME:
        assert new[same] == old[same]
    key = OBJECTIVES[name]
    rtol = 1e-9 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(new[key], old[key], rtol=rtol)


@pytest.mark.parametrize("metric", NAMES)
def test_medoids_are_stored_with_their_metric(run, wine, metric):
    outputs = ("-o", "l.npy", "--model", "m.npz", "--json")
    old = json.loads(run("fit", "wine.npy", "-k", 3, *MEDOIDS, "--metric", metric, *outputs).fine())
    new = json.loads(run("predict", "m.npz", "wine.npy", "-o", "p.npy", "--json").fine())
    np.testing.assert_array_equal(np.load("p.npy"), np.load("l.npy"))
    assert new["centers"] == old["centers"] == wine[new["medoid_indices"]].tolist()
    assert new["metric"] == metric
    nearest = pairwise_distances(wine, old["centers"], metric=metric).min(axis=1)
    np.testing.assert_allclose([old["loss"], new["loss"]], nearest.sum())


@pytest.fixture
def distances(wine):
    """A table of the distances between wines, and a column that weighs them."""
    table = pairwise_distances(wine)
    names = ",".join(f"to {i}" for i in range(len(table)))
    columns = np.column_stack([table, np.arange(len(table)) % 3 + 1])
    np.savetxt("d.csv", columns, "%.17g", ",", header=f"{names},w", comments="")
    return table


def test_medoids_by_given_distances(run, wine, distances):
    given = ("-k", 3, *MEDOIDS, "--metric", "precomputed", "--weights", "w", "--model", "m.npz")
    outcome = run("fit", "d.csv", *given, "-o", "l.npy", "--json")
    facts, weights = json.loads(outcome.fine()), np.arange(len(wine)) % 3 + 1.0
    result = kmeans_xp.kmedoids(
        distances, 3, metric="precomputed", sample_weight=weights, rng=0, max_iter=300
    )
    assert facts["medoid_indices"] == result.medoid_indices.tolist()
    assert facts["loss"] == result.loss
    assert facts["centers"] is None
    assert outcome.err == ""  # no word of scales, which distances do not have
    # Other rows hold their distances to all of the fit's, in columns of any order.
    names = [f"to {i}" for i in range(len(wine))]
    columns = np.column_stack([distances[::-2], np.zeros(len(wine) // 2)])[:, ::-1]
    header = ",".join([*names, "w"][::-1])
    np.savetxt("other.csv", columns, "%.17g", ",", header=header, comments="")
    facts = json.loads(run("predict", "m.npz", "other.csv", "-o", "p.npy", "--json").fine())
    np.testing.assert_array_equal(np.load("p.npy"), np.load("l.npy")[::-2])
    nearest = distances[::-2, result.medoid_indices].min(axis=1)
    np.testing.assert_allclose(facts["loss"], nearest.sum())
    assert "178 distances" in run("predict", "m.npz", "d.csv").fine()
    assert "lacks 178 of the model's 178" in run("predict", "m.npz", "sample:wine").refused()


def test_what_distances_do_not_allow_is_refused(run, distances):
    given = ("-k", 3, *MEDOIDS, "--metric", "precomputed", "--model", "m.npz")
    for option in (["--standardize"], ["--plot", "p.png"]):
        message = run("fit", "d.csv", *given, *option).refused()
        assert message == f"{option[0]} needs features, not given distances or affinities"
    assert "X must be square" in run("fit", "d.csv", *given).refused()
    table = ",".join(f"to {i}" for i in range(len(distances)))
    swapped = table.replace("to 0,to 1,", "to 1,to 0,")
    assert "X must be 0 on its diag" in run("fit", "d.csv", *given, "--columns", swapped).refused()
    assert not Path("m.npz").exists()
    run("fit", "d.csv", *given, "--columns", table).fine()
    assert "--plot needs" in run("predict", "m.npz", "d.csv", "--plot", "p.png").refused()


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_covariances_of_every_type_are_stored(run, wine, kind):
    arguments = ("--algorithm", "gmm", "--covariance-type", kind, "--seed", 0)
    run("fit", "wine.npy", "-k", 3, *arguments, "-o", "l.npy", "--model", "m.npz").fine()
    run("predict", "m.npz", "wine.npy", "-o", "p.npy").fine()
    np.testing.assert_array_equal(np.load("p.npy"), np.load("l.npy"))
    result = kmeans_xp.gaussian_mixture(wine, 3, covariance_type=kind, rng=0)
    covariances = {
        "full": result.covariances,
        "tied": np.tile(result.covariances, (3, 1, 1)),
        "diag": result.covariances,
        "spherical": np.repeat(result.covariances[..., None], 4, axis=-1),
    }
    spread = model_file.load(Path("m.npz")).rule.spread()
    np.testing.assert_allclose(spread, covariances[kind], rtol=1e-12)


@cache
def libraries():
    return {backend.name for backend in installed()}


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize("library", ["torch", "cupy", "dask", "array-api-strict"])
def test_a_model_fitted_on_a_backend_predicts_there_and_here(run, wine, name, library):
    if library not in libraries():
        pytest.skip(f"{library} is not installed")
    arguments = ("--algorithm", name, "--seed", 0, "--backend", library, "--model", "m.npz")
    run("fit", "wine.npy", "-k", 3, "--standardize", *arguments, "-o", "l.npy").fine()
    run("predict", "m.npz", "wine.npy", "--backend", library, "-o", "there.npy").fine()
    run("predict", "m.npz", "wine.npy", "-o", "here.npy").fine()
    np.testing.assert_array_equal(np.load("there.npy"), np.load("l.npy"))
    np.testing.assert_array_equal(np.load("here.npy"), np.load("l.npy"))


REFUSED = {
    "--batch-size 9": "--batch-size is an option of minibatch, not of kmeans",
    "--strategy largest_cluster": "--strategy is an option of bisecting, not of kmeans",
    "--no-mixing": "--mixing is an option of soft, not of kmeans",
    "--reg-covar 0": "--reg-covar is an option of soft, gmm, not of kmeans",
    "--algorithm gmm --stiffness 1": "--stiffness is an option of soft, not of gmm",
    "--algorithm gmm --kernel portable": "of kmeans, minibatch, bisecting, kmedoids, spectral, not",
    "--algorithm soft --covariance-type full": "--covariance-type is an option of gmm",
    "--algorithm soft --empty-clusters random": "--empty-clusters is an option of kmeans, not",
    "--algorithm minibatch --empty-clusters farthest": "is an option of kmeans, not of minibatch",
    "--algorithm bisecting --max-no-improvement 3": "is an option of minibatch, not of bisecting",
    "--algorithm minibatch --batch-size 0": "--batch-size",
    "--algorithm minibatch --reassignment-ratio 2": "reassignment_ratio",
    "--algorithm minibatch --init-size 2": "init_size",
    "--algorithm bisecting --n-init auto": "n_init must be",
    "--algorithm bisecting --strategy best": "--strategy must be one of 'biggest_inertia'",
    "--algorithm soft --stiffness 0": "stiffness must be positive",
    "--algorithm soft --stiffness soft": "--stiffness",
    "--algorithm gmm --covariance-type round": "covariance_type must be one of 'full'",
    "--algorithm gmm --init best": "init must be one of 'k-means'",
    "--algorithm gmm -k 200": "n_components=200",
    "--algorithm gmm --reg-covar -1": "reg_covar must",
    "--algorithm soft --tol nan": "tol must",
    "--metric cosine": "--metric is an option of kmedoids, not of kmeans",
    "--max-memory 9": "--max-memory is an option of kmedoids, spectral, not of kmeans",
    "--init build": "init must be one of 'k-means++', 'k-means||', 'random'",
    "--algorithm soft --method pam": "--method is an option of kmedoids, not of soft",
    "--algorithm kmedoids --tol 1": "bisecting, soft, gmm, not of kmedoids",
    "--algorithm kmedoids --init k-means++": "init must be one of 'auto', 'random', 'build', 'k-m",
    "--algorithm kmedoids --init build --n-init 2": "n_init must be 1 or 'auto'",
    "--algorithm kmedoids --metric haversine": "--metric must be one of euclidean, sqeuclidean,",
    "--algorithm kmedoids --method best": "method must be one of 'auto', 'pam'",
    "--algorithm kmedoids --method pam --max-memory 9": "take 253472 bytes",
    "--algorithm kmedoids --max-memory 2GB": "--max-memory",
    "--algorithm kmedoids --kernel magic": "--kernel must be",
    "--algorithm kmedoids -k 200": "n_clusters=200",
    "--affinity rbf": "--affinity is an option of spectral, not of kmeans",
    "--algorithm spectral": "--model of spectral needs --affinity landmarks",
    "--algorithm spectral --affinity rbf": "--model of spectral needs --affinity landmarks",
    "--algorithm spectral --affinity cosine": "--affinity must be one of nearest_neighbors, rbf,",
    "--algorithm spectral --init random": "not of spectral",
    "--algorithm spectral --gamma wide": "--gamma must be a number or 'local', got 'wide'",
    "--algorithm spectral --eigen-tol tight": "--eigen-tol must be a number or 'auto'",
    "--algorithm spectral --affinity landmarks --n-landmarks 2": "n_landmarks must be at least",
    "--algorithm spectral --affinity landmarks --gamma -1": "gamma must",
    "--algorithm spectral --affinity landmarks --n-init auto": "n_init must be",
    "--algorithm spectral --affinity landmarks --weights 3": "--weights is no option of spectral",
}


@pytest.mark.parametrize("arguments", REFUSED)
def test_what_an_algorithm_does_not_take_is_refused(run, wine, arguments):
    message = run("fit", "wine.npy", "-k", 3, *arguments.split(), "--model", "m.npz").refused()
    assert REFUSED[arguments] in message
    assert not Path("m.npz").exists()


def test_a_collapsed_covariance_is_one_line(run):
    np.save("x.npy", np.repeat([[0.0, 0.0], [1.0, 1.0]], 10, axis=0))
    arguments = ("--algorithm", "gmm", "--reg-covar", 0)
    assert "reg_covar must keep" in run("fit", "x.npy", "-k", 2, *arguments).refused()


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize("k", [1, 3])
def test_rows_that_coincide_are_clustered_and_predicted(run, name, k):
    np.save("x.npy", np.repeat([[1.0, 2.0], [3.0, 4.0]], 5, axis=0)[: 5 * min(k, 2)])
    arguments = ("--algorithm", name, "--seed", 0, "-o", "l.npy", "--model", "m.npz")
    assert run("fit", "x.npy", "-k", k, *arguments, "-q").status == 0
    run("predict", "m.npz", "x.npy", "-o", "p.npy", "-q").fine()
    np.testing.assert_array_equal(np.load("p.npy"), np.load("l.npy"))


def stored():
    with np.load("m.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def message_about(run, fields, **changes):
    fields = {name: value for name, value in (fields | changes).items() if value is not None}
    np.savez("bad.npz", **fields)
    message = run("predict", "bad.npz", "wine.npy").refused()
    assert "bad.npz: is a damaged model file" in message
    return message


DAMAGE = {
    "bisecting": [
        {"tree_centers": None},
        {"tree_centers": np.zeros((3, 2, 5))},
        {"tree_centers": np.full((3, 2, 4), np.nan)},
        {"tree_children": np.array([[-1, -2], [-3, -4], [-5, -6]])},
        {"tree_children": np.array([[0, 1], [2, -1], [-2, -3]])},
        {"tree_children": np.array([[1, 2], [1, -1], [-2, -3]])},
        {"tree_children": np.array([[1, 2, -1], [-2, -3, -4], [-5, -6, -7]])},
        {"tree_children": np.array([1, 2, -1])},
        {"tree_children": np.array([["a", "b"]])},
        {"tree_children": np.array([[1, 2], [-1, -2], [-3, -4]], dtype=complex)},
        {"tree_children": np.array([[1, 2], [-1, -2], [-3, -4]], dtype=float)},
        {"inertia": None},
    ],
    "gmm": [
        {"mixture_origin": None},
        {"mixture_kind": "round"},
        {"mixture_kind": "diag"},
        {"mixture_weights": np.array([0.5, 0.5, 0.5, -0.5])},
        {"mixture_weights": np.array(["a", "b", "c", "d"])},
        {"mixture_weights": np.zeros(4)},
        {"mixture_weights": np.full(4, 0.5)},
        {"mixture_weights": np.full(4, 0.25 + 0j)},
        {"mixture_means": np.zeros((3, 4))},
        {"mixture_covariances": np.zeros((4, 4, 4))},
        {"mixture_spread": np.full(4, -1.0)},
        {"mixture_covariances": np.full((4, 4, 4), np.inf)},
        {"mixture_factors": np.zeros((4, 4, 4))},
        {"mixture_spread": np.zeros(3)},
        {"fitted_centers": np.zeros(4)},
        {"log_likelihood": None},
    ],
    "kmedoids": [
        {"medoid_indices": None},
        {"medoid_indices": np.array([0, 1, 2])},
        {"medoid_indices": np.array([0, 1, 2, 2])},
        {"medoid_indices": np.array([0, 1, 2, -3])},
        {"medoid_indices": np.array([0.0, 1.0, 2.0, 3.0])},
        {"medoid_indices": np.array(["0", "1", "2", "3"])},
        {"medoid_indices": np.arange(1, 5), "metric": "precomputed"},
        {"metric": None},
        {"metric": "round"},
        {"metric": "cosine", "fitted_centers": np.eye(4)[[0, 1, 2, 2]] * [1, 1, 0, 1]},
        {"fitted_centers": np.zeros(4)},
        {"loss": None},
    ],
    "kmeans": [{"algorithm": "magic"}, {"algorithm": "gmm"}, {"algorithm": None}],
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_model_is_refused(run, wine, name):
    run("fit", "wine.npy", "-k", 4, "--algorithm", name, "--seed", 0, "--model", "m.npz").fine()
    for changes in DAMAGE[name]:
        assert message_about(run, stored(), **changes)


def test_models_of_the_first_version_still_predict(run, wine):
    run("fit", "wine.npy", "-k", 4, "--seed", 0, "-o", "l.npy", "--model", "m.npz").fine()
    old = stored() | {"version": np.array(1)}
    del old["algorithm"]
    np.savez("old.npz", **old)
    facts = json.loads(run("predict", "old.npz", "wine.npy", "-o", "p.npy", "--json").fine())
    assert facts["algorithm"] == "kmeans"
    np.testing.assert_array_equal(np.load("p.npy"), np.load("l.npy"))


@pytest.mark.parametrize("name", EACH)
def test_ctrl_c_is_one_line_and_leaves_nothing(run, wine, monkeypatch, name):
    def press(iteration):
        if iteration.number == 2:
            raise KeyboardInterrupt

    @contextmanager
    def pressed(*_, **__):
        yield press

    monkeypatch.setattr(fitting, "progress", pressed)
    outcome = run("fit", "wine.npy", "-k", 5, "--algorithm", name, "-o", "l.csv", "--seed", 0)
    assert (outcome.status, outcome.err) == (130, "kmeans-xp: error: interrupted\n")
    assert [path.name for path in Path().iterdir()] == ["wine.npy"]


ENDS = {
    "kmeans": ({"max_iter": 3, "tol": 0.0}, 3),
    "minibatch": ({"max_iter": 2, "batch_size": 50, "max_no_improvement": 99}, 2 * 178 // 50),
    "bisecting": ({}, 8),
    "soft": ({"max_iter": 3, "tol": 0.0}, 3),
    "gmm": ({"max_iter": 3, "tol": 0.0}, 3),
    "kmedoids": ({"max_iter": 2, "method": "pam", "init": "random"}, 2),
}


@pytest.mark.parametrize("name", ENDS)
def test_the_bar_ends_where_the_callback_does(wine, name):
    options, end = ENDS[name]
    job = family.job(name, 0, options)
    numbers = []
    job.run(wine, 9, None, lambda iteration: numbers.append(iteration.number))
    assert job.steps(len(wine), 9) == numbers[-1] == end


@pytest.mark.parametrize("name", EACH)
def test_a_picture_of_every_algorithm(run, wine, monkeypatch, name):
    drawn = {}
    real = picture.plot_clusters

    def spy(X, labels, centers, **keywords):
        drawn.update(keywords, labels=labels, centers=centers)
        return real(X, labels, centers, **keywords)

    monkeypatch.setattr(picture, "plot_clusters", spy)
    arguments = ("--algorithm", name, "--seed", 0, "-o", "l.npy", "--plot", "p.png")
    run("fit", "wine.npy", "-k", 3, "--standardize", *arguments).fine()
    with Image.open("p.png") as image:
        assert image.size == (1040, 780)
    labels = drawn["labels"]
    if name in MIXTURES:
        np.testing.assert_allclose(labels.sum(axis=1), 1)
        labels = labels.argmax(axis=1)
        assert drawn["covariances"].shape == ((3, 4, 4) if name == "gmm" else (3, 4))
    else:
        assert drawn["covariances"] is None
    np.testing.assert_array_equal(labels, np.load("l.npy"))


@pytest.mark.parametrize("name", EACH)
def test_an_image_in_the_colours_of_every_algorithm(run, name):
    rng = np.random.default_rng(0)
    colors = np.array([[250, 20, 20], [20, 20, 250], [240, 240, 240]])
    pixels = colors[np.arange(300) % 3] + rng.integers(-9, 9, (300, 3))
    Image.fromarray(pixels.reshape(15, 20, 3).clip(0, 255).astype(np.uint8)).save("flag.png")
    arguments = ("--algorithm", name, "--n-init", 5, "--seed", 0, "--json", "--plot", "p.png")
    facts = json.loads(run("fit", "flag.png", "-k", 3, *arguments).fine())
    found = np.sort(np.array(facts["centers"]) * 255, axis=0)
    np.testing.assert_allclose(found, np.sort(colors, axis=0), atol=5)
    with Image.open("p.png") as image:
        assert image.size[0] > 800


@pytest.mark.parametrize("name", EACH)
def test_the_summary_says_what_ran(run, wine, name):
    out = run("fit", "wine.npy", "-k", 3, "--algorithm", name, "--seed", 0).fine()
    words = {
        "soft": ["log-likelihood", "a row", "stiffness"],
        "gmm": ["covariance type", "full"],
        "kmedoids": ["loss", "medoid indices", "metric", "euclidean", "fasterpam", "swaps"],
    }
    for word in [name, *words.get(name, ["inertia"])]:
        assert word in out


SPECTRAL = ("--algorithm", "spectral", "--seed", 3)


@pytest.mark.parametrize("affinity", ["nearest_neighbors", "rbf", "landmarks"])
def test_spectral_clustering_is_what_the_function_does(run, wine, affinity):
    text = "--n-neighbors 8 --gamma local --n-landmarks 60 --n-init 3 --eigen-tol 1e-6"
    options = {"n_neighbors": 8, "gamma": "local", "n_landmarks": 60, "n_init": 3}
    options |= {"eigen_tol": 1e-6, "affinity": affinity}
    arguments = (*SPECTRAL, "--affinity", affinity, *text.split(), "-o", "l.npy", "--json")
    facts = json.loads(run("fit", "wine.npy", "-k", 3, *arguments).fine())
    result = kmeans_xp.spectral_clustering(wine, 3, rng=3, **options)
    np.testing.assert_array_equal(np.load("l.npy"), result.labels)
    assert facts["affinity"] == affinity
    for name in ("inertia", "residual", "n_iter", "converged", "n_connected_components"):
        assert facts[name] == getattr(result, name)
    means = [wine[result.labels == i].mean(axis=0) for i in range(3)]
    np.testing.assert_allclose(facts["centers"], means)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("standardize", [[], ["--standardize"]])
def test_a_spectral_model_labels_rows(run, wine, standardize, dtype):
    arguments = (*SPECTRAL, "--affinity", "landmarks", "--n-landmarks", 50, "--dtype", dtype)
    outputs = ("-o", "l.npy", "--model", "m.npz", "--json", *standardize)
    old = json.loads(run("fit", "wine.npy", "-k", 3, *arguments, *outputs).fine())
    new = json.loads(run("predict", "m.npz", "wine.npy", "-o", "p.npy", "--json").fine())
    np.testing.assert_array_equal(np.load("p.npy"), np.load("l.npy"))
    np.testing.assert_allclose(new["inertia"], old["inertia"])
    assert new["centers"] == old["centers"]
    assert run("fit", "wine.npy", "-k", 3, *arguments, "--plot", "p.png").fine()
    assert Path("p.png").stat().st_size > 1000


def test_a_damaged_spectral_model_is_refused(run, wine):
    arguments = (*SPECTRAL, "--affinity", "landmarks", "--n-landmarks", 20, "--model", "m.npz")
    run("fit", "wine.npy", "-k", 3, *arguments).fine()
    stored = dict(np.load("m.npz"))
    damages = [("landmarks", np.ones((20, 3))), ("embedding_centers", np.ones((2, 3)))]
    damages += [("landmark_embedding", np.full((20, 3), np.nan)), ("n_neighbors", np.array(0))]
    for name, value in damages:
        np.savez("bad.npz", **stored | {name: value})
        message = run("predict", "bad.npz", "wine.npy").refused()
        assert "is a damaged model file" in message
        assert name in message


def test_spectral_clustering_of_given_tables(run, wine, distances):
    affinities = np.exp(-((distances / 100) ** 2))
    np.save("a.npy", affinities)
    given = ("-k", 3, *SPECTRAL, "--affinity", "precomputed", "-o", "l.npy", "--json")
    outcome = run("fit", "a.npy", *given)
    result = kmeans_xp.spectral_clustering(affinities, 3, affinity="precomputed", rng=3)
    np.testing.assert_array_equal(np.load("l.npy"), result.labels)
    assert json.loads(outcome.fine())["centers"] is None
    for option in (["--standardize"], ["--plot", "p.png"]):
        message = run("fit", "a.npy", *given, *option).refused()
        assert message == f"{option[0]} needs features, not given distances or affinities"
    np.save("d.npy", distances)
    given = ("-k", 3, *SPECTRAL, "--affinity", "precomputed_nearest_neighbors", "-o", "l.npy")
    run("fit", "d.npy", *given).fine()
    expected = kmeans_xp.spectral_clustering(wine, 3, rng=3)
    assert (np.load("l.npy") == expected.labels).mean() > 0.99
