"""KMeans as a scikit-learn estimator."""

import copy
import pickle
import signal
import sys
import threading
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import ClusterMixin, clone, is_clusterer
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from kmeans_xp import KMeans, kmeans
from tests.data import blobs, cloud, same_partition, some_rows

# Each check that is expected to fail, with its reason.
EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "it compares two random starts, and repeating rows changes which ones a seed draws "
        "(test_laws.py has the law from a given start; scikit-learn's own KMeans fails it too)"
    ),
}

X, PLANTED = blobs(n=120, d=3, k=3)


@parametrize_with_checks(
    [KMeans(), KMeans(3, init="random", n_init=2), KMeans(2, algorithm="portable")],
    expected_failed_checks=lambda _: EXPECTED_FAILURES,
)
# The checks feed data with fewer distinct rows than clusters, which rightly warns.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
# They skip themselves with a warning when an optional package is missing.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def test_attributes_of_a_fit():
    model = KMeans(3, random_state=0)
    assert model.fit(X) is model
    assert model.cluster_centers_.shape == (3, 3)
    assert model.labels_.dtype == np.int32
    assert same_partition(model.labels_, PLANTED)
    assert type(model.inertia_) is float
    assert type(model.n_iter_) is int
    assert model.converged_ is True
    assert len(model.history_) == model.n_iter_
    assert isinstance(model.kernel_, str)
    assert model.n_features_in_ == 3
    assert not hasattr(model, "feature_names_in_")
    assert isinstance(model, ClusterMixin)
    assert is_clusterer(model)


def test_params_round_trip_and_clone():
    start = some_rows(X, 3)
    model = KMeans(3, init=start, tol=0.1, max_iter=5, empty_clusters="random", n_init=1)
    assert model.get_params()["init"] is start
    twin = clone(model)
    assert twin.get_params().keys() == model.get_params().keys()
    assert_array_equal(twin.init, start)
    twin.set_params(n_clusters=2, init="random")
    assert (twin.n_clusters, twin.init, model.n_clusters) == (2, "random", 3)
    with pytest.raises(ValueError, match="precompute_distances"):
        model.set_params(precompute_distances=True)
    assert "init='random'" in repr(twin)


def test_fit_predict_transform_score():
    model = KMeans(3, random_state=0)
    labels = model.fit_predict(X)
    assert_array_equal(labels, model.labels_)
    distances = KMeans(3, random_state=0).fit_transform(X)
    assert_allclose(distances, model.transform(X))
    assert_array_equal(np.argmin(distances, axis=1), labels)
    expected = np.linalg.norm(X[:, None] - model.cluster_centers_, axis=2)
    assert_allclose(distances, expected, rtol=1e-9)
    assert_allclose(model.score(X), -model.inertia_, rtol=1e-12)
    assert model.score(X) < 0
    w = np.arange(120.0)
    assert_allclose(model.score(X, sample_weight=w), -np.sum(w * np.min(expected, axis=1) ** 2))


def test_y_is_ignored():
    a, b = KMeans(3, random_state=0).fit(X), KMeans(3, random_state=0).fit(X, PLANTED)
    assert_array_equal(a.labels_, b.labels_)
    assert a.score(X, PLANTED) == a.score(X)


def test_predict_takes_other_dtypes_than_fit():
    double = KMeans(3, random_state=0).fit(X)
    single = KMeans(3, random_state=0).fit(X.astype(np.float32))
    assert single.cluster_centers_.dtype == np.float32
    for model in (double, single):
        for dtype in (np.float32, np.float64, np.float16):
            assert_array_equal(model.predict(X.astype(dtype)), double.labels_)
        assert model.transform(X.astype(np.float32)).dtype == np.float32
        assert model.transform(X).dtype == np.float64
    assert_array_equal(double.predict(X.tolist()), double.labels_)


def test_refitting_forgets_the_last_fit():
    model = KMeans(3, random_state=0).fit(pd.DataFrame(X, columns=list("abc")))
    model.fit(X[:, :2])
    assert model.n_features_in_ == 2
    assert not hasattr(model, "feature_names_in_")
    assert model.cluster_centers_.shape == (3, 2)
    assert_array_equal(model.labels_, KMeans(3, random_state=0).fit(X[:, :2]).labels_)


def test_feature_names():
    prepared = pd.DataFrame(X, columns=["a", "b", "c"])
    model = KMeans(3, random_state=0).fit(prepared)
    assert_array_equal(model.feature_names_in_, ["a", "b", "c"])
    assert_array_equal(model.predict(prepared), model.labels_)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(prepared[["c", "b", "a"]])
    with pytest.raises(ValueError, match="feature names"):
        model.transform(prepared.rename(columns={"a": "z"}))
    with pytest.warns(UserWarning, match="valid feature names"):
        model.predict(X)
    assert_array_equal(model.get_feature_names_out(), ["kmeans0", "kmeans1", "kmeans2"])


def test_set_output():
    prepared = pd.DataFrame(X, columns=["a", "b", "c"], index=np.arange(120) + 7)
    model = KMeans(3, random_state=0).set_output(transform="pandas")
    out = model.fit_transform(prepared)
    assert isinstance(out, pd.DataFrame)
    assert list(out.columns) == ["kmeans0", "kmeans1", "kmeans2"]
    assert_array_equal(out.index, prepared.index)
    assert isinstance(model.transform(prepared), pd.DataFrame)


def test_in_pipelines_and_searches():
    pipe = make_pipeline(StandardScaler(), KMeans(3, random_state=0))
    assert same_partition(pipe.fit_predict(X), PLANTED)
    assert pipe.transform(X).shape == (120, 3)
    scores = cross_val_score(KMeans(3, random_state=0), X, cv=3)
    assert np.all(scores < 0)
    search = GridSearchCV(KMeans(random_state=0), {"n_clusters": [2, 3]}, cv=3).fit(X)
    assert search.best_params_ == {"n_clusters": 3}
    assert adjusted_rand_score(search.predict(X), PLANTED) == 1.0


def test_a_pickle_opens_without_the_backend(backend):
    X, _ = blobs()
    model = KMeans(4, random_state=0).fit(backend.asarray(X, "float32"))
    data = pickle.dumps(model)
    for word in (b"torch", b"jax", b"cupy", b"dask", b"array_api_strict"):
        assert word not in data
    opened = pickle.loads(data)
    assert type(opened.cluster_centers_) is type(opened.labels_) is np.ndarray
    assert_array_equal(opened.labels_, backend.to_numpy(model.labels_))
    assert_array_equal(opened.predict(X.astype(np.float32)), opened.labels_)
    assert opened.inertia_ == model.inertia_
    assert opened.get_params() == model.get_params()
    assert backend.owns(model.cluster_centers_), "pickling must not change the model"
    assert_array_equal(copy.deepcopy(model).predict(X), opened.labels_)


def _state(model):
    return {k: v for k, v in vars(model).items() if k.endswith("_")}


def _interrupt(iteration):
    if iteration.number == 2:
        raise KeyboardInterrupt


def test_an_interrupted_fit_leaves_the_model_as_it_was():
    model = KMeans(3, random_state=0).fit(pd.DataFrame(X, columns=list("abc")))
    before = _state(model)
    model.set_params(callback=_interrupt, n_clusters=7)
    with pytest.raises(KeyboardInterrupt):
        model.fit(cloud(100, 5))
    after = _state(model)
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before)
    assert_array_equal(model.predict(pd.DataFrame(X, columns=list("abc"))), before["labels_"])


def test_an_interrupted_first_fit_leaves_nothing():
    model = KMeans(7, random_state=0, callback=_interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.fit(cloud(100, 5))
    assert not _state(model)
    assert not hasattr(model, "n_features_in_")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal.pthread_kill")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_reaches_a_fit_at_work():
    rows = cloud(200_000, 8)
    model = KMeans(3, random_state=0).fit(X)
    before = _state(model)
    model.set_params(n_clusters=200, max_iter=10_000, tol=0)
    ended, main = threading.Event(), threading.main_thread().ident

    def press():
        # Where JAX is loaded, one that comes in the midst of its garbage collection is lost.
        while not ended.wait(0.5):
            signal.pthread_kill(main, signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            model.fit(rows)
    finally:
        ended.set()
        presser.join()
    assert all(_state(model)[name] is before[name] for name in before)
    # The workers are none the worse for it.
    assert kmeans(rows, 5, rng=0, max_iter=2).n_iter == 2


def test_verbose_speaks_and_silence_is_the_default(capfd):
    quiet = KMeans(3, random_state=0).fit(X)
    out, err = capfd.readouterr()
    assert out + err == ""
    loud = KMeans(3, random_state=0, verbose=1).fit(X)
    out, err = capfd.readouterr()
    assert out + err != ""
    assert_array_equal(quiet.labels_, loud.labels_)


def test_in_a_notebook_verbose_leaves_one_line(capsys, monkeypatch):
    pytest.importorskip("rich")
    # What rich takes for a notebook; without ipywidgets it would warn, with them draw.
    shell = type("ZMQInteractiveShell", (), {})
    monkeypatch.setattr("builtins.get_ipython", shell, raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        KMeans(3, random_state=0, verbose=1).fit(X)
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.strip().splitlines()) == 1
    assert err.startswith("start 1, iteration")


def test_the_callback_stops_the_fit():
    model = KMeans(3, init=some_rows(X, 3), tol=0, callback=lambda i: i.number == 1).fit(X)
    assert model.n_iter_ == 1
    assert_array_equal(model.predict(X), model.labels_)


def test_callable_init_of_the_estimator():
    def first_rows(rows, n_clusters, rng):
        assert isinstance(rng, np.random.Generator)
        return rows[:n_clusters]

    a = KMeans(3, init=first_rows, n_init=1).fit(X)
    b = KMeans(3, init=X[:3]).fit(X)
    assert_array_equal(a.cluster_centers_, b.cluster_centers_)


def test_random_state_none_draws_anew_and_an_integer_does_not():
    rows = cloud(200, 3)
    runs = [KMeans(8, max_iter=1).fit(rows).inertia_ for _ in range(4)]
    assert len(set(runs)) > 1
    runs = [KMeans(8, random_state=5).fit(rows).inertia_ for _ in range(2)]
    assert runs[0] == runs[1]
    shared = np.random.RandomState(0)
    runs = [KMeans(8, random_state=shared, max_iter=1).fit(rows).inertia_ for _ in range(3)]
    assert len(set(runs)) > 1
