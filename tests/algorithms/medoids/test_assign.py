"""Rows and given medoids: the estimator's methods, and the medoid silhouette."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from sklearn.utils.estimator_checks import parametrize_with_checks

from kmeans_xp import KMedoids, kmedoids, medoid_silhouette
from tests.data import cloud
from tests.test_refusals import refuses

X = cloud(120, 3, seed=7)
BATCH = cloud(30, 3, seed=8)
SCIPY = {"manhattan": "cityblock"}

# Each check that is expected to fail, with its reason.
EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "it compares two random starts, and repeating rows changes which ones a seed draws "
        "(test_fit.py has the law from a given start)"
    ),
}


@parametrize_with_checks(
    [
        KMedoids(),
        KMedoids(3, method="pam", metric="manhattan"),
        KMedoids(2, method="onebatch", init="random"),
    ],
    expected_failed_checks=lambda model: {} if model.method == "pam" else EXPECTED_FAILURES,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "manhattan", "cosine", "chebyshev"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_model_says_what_its_fit_said(backend, metric, dtype):
    if dtype == "float64":
        backend.need("float64")
    rows, batch = backend.asarray(X, dtype), backend.asarray(BATCH, dtype)
    model = KMedoids(4, metric=metric, random_state=0).fit(rows)
    assert_array_equal(backend.to_numpy(model.predict(rows)), backend.to_numpy(model.labels_))
    centers = backend.to_numpy(model.cluster_centers_)
    assert_array_equal(centers, X.astype(dtype)[backend.to_numpy(model.medoid_indices_)])
    expected = cdist(BATCH.astype(dtype), centers.astype(float), SCIPY.get(metric, metric))
    found = model.transform(batch)
    assert backend.dtype(found.dtype) == dtype
    assert_allclose(backend.to_numpy(found), expected, rtol=2e-5 if dtype == "float32" else 1e-6)
    assert_array_equal(backend.to_numpy(model.predict(batch)), expected.argmin(axis=1))
    assert_allclose(-model.score(rows), model.inertia_, rtol=backend.tolerance)
    assert_allclose(-model.score(batch), expected.min(axis=1).sum(), rtol=1e-5)


def test_a_model_of_given_distances():
    D = cdist(X, X)
    model = KMedoids(4, metric="precomputed", random_state=0).fit(D)
    assert model.cluster_centers_ is None
    assert model.n_features_in_ == 120
    assert model.__sklearn_tags__().input_tags.pairwise
    assert not KMedoids().__sklearn_tags__().input_tags.pairwise
    assert_array_equal(model.predict(D), model.labels_)
    to_all = cdist(BATCH, X)
    assert_array_equal(model.predict(to_all), to_all[:, model.medoid_indices_].argmin(axis=1))
    assert_allclose(model.transform(to_all), to_all[:, model.medoid_indices_])
    assert len(model.get_feature_names_out()) == 4
    opened = pickle.loads(pickle.dumps(model))
    assert_array_equal(opened.predict(to_all), model.predict(to_all))
    refuses(lambda: model.predict(to_all[:, :-1]), "X")
    refuses(lambda: model.predict(-to_all), "X", "negative")
    model.medoid_indices_ = np.array([0, 1, 2, 120])
    refuses(lambda: model.predict(to_all), "medoid_indices_")


def test_a_model_of_a_data_frame():
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = KMedoids(3, random_state=0).fit(frame)
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    assert_array_equal(model.predict(frame), model.labels_)


def test_what_a_user_writes_is_what_a_model_uses():
    model = KMedoids(2, random_state=0).fit(X)
    model.cluster_centers_ = X[:2] + 10
    assert_array_equal(model.predict(X), cdist(X, X[:2] + 10).argmin(axis=1))


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "manhattan", "cosine", "chebyshev"])
def test_the_silhouette_is_its_definition(backend, metric):
    rows = X.astype("float32")
    indices = kmedoids(rows, 4, metric=metric, rng=0).medoid_indices
    near = np.sort(cdist(rows, rows[indices], SCIPY.get(metric, metric)), axis=1)
    w = np.random.default_rng(0).random(len(X))
    given = backend.asarray(rows)
    numbers = backend.asarray(indices)
    found = medoid_silhouette(given, numbers, metric=metric)
    assert_allclose(found, (1 - near[:, 0] / near[:, 1]).mean(), rtol=1e-5)
    weights = backend.asarray(w.astype("float32"))
    found = medoid_silhouette(given, numbers, metric=metric, sample_weight=weights)
    assert_allclose(found, np.average(1 - near[:, 0] / near[:, 1], weights=w), rtol=1e-5)


def test_the_silhouette_of_given_distances():
    theirs = pytest.importorskip("kmedoids")
    D = cdist(X, X)
    found = medoid_silhouette(D, [3, 50, 99], metric="precomputed")
    expected = theirs.medoid_silhouette(D, np.array([3, 50, 99], np.uint64))[0]
    assert_allclose(found, expected)
    D = cdist(*[np.array([[0.0], [0.0], [1.0], [3.0]])] * 2)  # Two rows are at both medoids.
    found = medoid_silhouette(D, [0, 1], metric="precomputed")
    assert found == theirs.medoid_silhouette(D, np.array([0, 1], np.uint64))[0] == 0.5


def test_silhouettes_that_are_none():
    refuses(lambda: medoid_silhouette(X, [3]), "medoid_indices", "two")
    refuses(lambda: medoid_silhouette(X, []), "medoid_indices")
    refuses(lambda: medoid_silhouette(X, [3, 3]), "medoid_indices", "different")
    refuses(lambda: medoid_silhouette(X, [3, 120]), "medoid_indices")
    refuses(lambda: medoid_silhouette(X, [0.0, 1.0]), "medoid_indices")
    refuses(lambda: medoid_silhouette(X, [0, 1], metric="minkowski"), "metric")
