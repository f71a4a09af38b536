"""Stored models open again, wherever the code has moved; before_moves/ holds some of long ago."""

import copy
import io
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

import kmeans_xp
from kmeans_xp import KMeans
from kmeans_xp.algorithms.old_paths import OLD_PATHS

OLD = Path(__file__).parent / "before_moves"
EXPECTED = dict(np.load(OLD / "expected.npz"))
X, BATCH = EXPECTED["X"], EXPECTED["batch"]
OLD_PICKLES = {path.stem: path.read_bytes() for path in sorted(OLD.glob("*.pkl"))}
MODELS = [name for name in OLD_PICKLES if f"{name}.predict" in EXPECTED]
STREAMS = [name for name in OLD_PICKLES if f"{name}.partial_fit" in EXPECTED]
RESULTS = [name for name in OLD_PICKLES if name.endswith("Result")]
CLASSES = {name for name in kmeans_xp.__all__ if isinstance(getattr(kmeans_xp, name), type)}
# Not public, but what models and results hold; in pickles they are named as public classes are.
PARTS = {"Means", "Mixture", "Tree"}


class Naming(pickle.Unpickler):
    """Opens a pickle, and keeps the (module, name) of all that it names."""

    def __init__(self, data):
        super().__init__(io.BytesIO(data))
        self.names = set()
        self.opened = self.load()

    def find_class(self, module, name):
        self.names.add((module, name))
        return super().find_class(module, name)


def opened(name):
    return pickle.loads(OLD_PICKLES[name])


def stored_again(name):
    return pickle.loads(pickle.dumps(opened(name)))


# Public names that came after the old files: whoever adds one, adds it here.
SINCE = {
    "choose_k",
    "elbow",
    "ElbowResult",
    "gap_statistic",
    "GapResult",
    "KSelection",
    "SelectionIteration",
    "explain",
    "compile",
    "kmedoids",
    "medoid_silhouette",
    "KMedoids",
    "KMedoidsResult",
    "MedoidIteration",
    "nearest_neighbors",
    "representatives",
    "silhouette_samples",
    "silhouette_score",
    "simplified_silhouette",
    "calinski_harabasz_score",
    "davies_bouldin_score",
    "spectral_clustering",
    "SpectralClustering",
    "SpectralResult",
    "SpectralIteration",
}

each_model = pytest.mark.parametrize("name", MODELS)
each_way = pytest.mark.parametrize("get", [opened, stored_again])


def test_there_is_an_old_pickle_of_each_public_class():
    kinds = {type(opened(name)).__name__ for name in OLD_PICKLES} - {"list"}
    assert kinds == CLASSES - SINCE
    assert len(MODELS) == 11


@pytest.mark.parametrize("name", [name for name in OLD_PICKLES if name != "functions"])
@pytest.mark.parametrize("protocol", [2, pickle.DEFAULT_PROTOCOL, pickle.HIGHEST_PROTOCOL])
def test_a_pickle_holds_no_private_path(name, protocol):
    pickled = Naming(pickle.dumps(opened(name), protocol))
    names = {(module, kind) for module, kind in pickled.names if "kmeans_xp" in module}
    assert ("kmeans_xp", type(pickled.opened).__name__) in names
    assert names <= {("kmeans_xp", kind) for kind in CLASSES | PARTS}
    rest = {module.partition(".")[0] for module, _ in pickled.names}
    assert rest <= {"kmeans_xp", "numpy", "builtins", "copyreg", "copy_reg", "_codecs"}


def test_a_new_model_is_stored_as_an_old_one_is_stored_again():
    """Nothing that fits hold today has escaped the files of old."""
    for name in MODELS:
        model = opened(name)
        new = model.partial_fit(X) if name in STREAMS else clone(model).fit(X)
        assert Naming(pickle.dumps(new)).names == Naming(pickle.dumps(opened(name))).names


@pytest.mark.parametrize("name", sorted(CLASSES | PARTS))
def test_a_class_goes_by_a_name_of_the_package(name):
    kind = getattr(kmeans_xp, name)
    assert (kind.__module__, kind.__qualname__) == ("kmeans_xp", name)


class Mine(KMeans):
    """A user's own, which stays in the user's module."""


def test_a_subclass_goes_by_its_own_name():
    model = Mine(4, random_state=0).fit(X)
    pickled = Naming(pickle.dumps(model))
    assert (__name__, "Mine") in pickled.names
    for twin in (pickled.opened, copy.deepcopy(model)):
        assert type(twin) is Mine
        assert_array_equal(twin.predict(X), model.labels_)


@pytest.mark.parametrize("module", OLD_PATHS)
def test_an_old_path_leads_to_where_its_names_are_now(module):
    # As pickle does it, in a process that has not yet seen the package.
    program = f"import sys; __import__({module!r}); m = sys.modules[{module!r}]\n"
    program += f"from kmeans_xp import {', '.join(OLD_PATHS[module])}\n"
    program += "\n".join(f"assert m.{name} is {name}" for name in OLD_PATHS[module])
    subprocess.run([sys.executable, "-c", program], check=True)
    __import__(module)
    with pytest.raises(AttributeError, match=f"{module}.*no_such_name"):
        _ = sys.modules[module].no_such_name


def test_old_paths_are_those_of_the_old_pickles():
    named = set().union(*(Naming(data).names for data in OLD_PICKLES.values()))
    assert {(module, name) for module, names in OLD_PATHS.items() for name in names} <= named


def test_what_was_never_there_is_not_found():
    with pytest.raises(ModuleNotFoundError):
        __import__("kmeans_xp.algorithms.no_such_module")


@each_model
@each_way
def test_an_old_model_says_what_it_said(name, get):
    model = get(name)
    assert_array_equal(model.predict(BATCH), EXPECTED[f"{name}.predict"])
    assert_allclose(model.score(BATCH), EXPECTED[f"{name}.score"], rtol=1e-12)
    labels = getattr(model, "labels_", None)  # A mixture keeps none.
    if labels is not None:
        assert_array_equal(model.predict(BATCH if name.endswith("partial_fit") else X), labels)


@each_model
@each_way
def test_an_old_model_is_fitted_again(name, get):
    model = get(name)
    before = model.score(X)
    for again in (clone(model).fit(X), model.fit(X)):
        assert_allclose(again.score(X), before, rtol=0.05)


@pytest.mark.parametrize("name", STREAMS)
@each_way
def test_an_old_stream_goes_on(name, get):
    model = get(name)
    steps = model.n_steps_
    centers = model.partial_fit(BATCH).cluster_centers_
    assert_allclose(centers, EXPECTED[f"{name}.partial_fit"], rtol=1e-12)
    assert model.n_steps_ == steps + 1


@pytest.mark.parametrize("name", ["KMeans_boxes", "KMeans_numpy_boxes"])
@each_way
def test_a_removed_algorithm_becomes_auto(name, get):
    model = get(name)
    assert model.get_params()["algorithm"] == "auto"
    assert model.kernel_ == "numpy boxes"  # That is what ran.
    assert_array_equal(model.fit(X).labels_, get("KMeans").labels_)
    assert model.kernel_ == get("KMeans").fit(X).kernel_


@pytest.mark.parametrize("name", RESULTS)
@each_way
def test_an_old_result_holds_what_it_held(name, get):
    result = get(name)
    if "responsibilities" in vars(result):
        assert_array_equal(result.responsibilities.argmax(axis=1), result.labels)
    else:
        assert_array_equal(np.bincount(result.labels), result.sizes)
        inertia = np.sum((X - result.centers[result.labels]) ** 2)
        assert_allclose(result.inertia, inertia, rtol=1e-12)
    assert len(result.history) == getattr(result, "n_steps", result.n_iter)
    if "tree" in vars(result):
        assert_allclose(result.tree.leaves(), result.centers, rtol=1e-12)
    if "n_steps" in vars(result):
        assert result.means.seen.sum() > 0


def test_old_functions_are_those_of_today():
    today = set(kmeans_xp.__all__) - CLASSES - SINCE - {"__version__"}
    assert {f.__name__ for f in opened("functions")} == today
    for function in opened("functions"):
        assert getattr(kmeans_xp, function.__name__) is function


@pytest.mark.parametrize("name", ["kmeans", "minibatch", "bisecting", "soft", "gmm"])
def test_an_old_model_file_labels_rows(name, tmp_path):
    pytest.importorskip("typer")
    from kmeans_xp.cli import main

    rows, labels = tmp_path / "batch.npy", tmp_path / "labels.npy"
    np.save(rows, BATCH)
    model = str(OLD / f"{name}.npz")
    assert main(["predict", model, str(rows), "--output", str(labels)]) == 0
    assert_array_equal(np.load(labels), EXPECTED[f"{name}.npz"])
