"""The estimator of spectral clustering keeps scikit-learn's contract."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.cluster import SpectralClustering as Sklearn
from sklearn.exceptions import NotFittedError
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import kneighbors_graph
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from kmeans_xp import SpectralClustering, spectral_clustering
from tests.algorithms.spectral.shapes import moons
from tests.data import blobs, same_partition

X, LABELS = moons(300, noise=0.05)
LANDMARKS = {"affinity": "landmarks", "n_landmarks": 100, "n_neighbors": 5}


@parametrize_with_checks(
    [
        SpectralClustering(),
        SpectralClustering(3, affinity="nearest_neighbors", n_neighbors=4),
        SpectralClustering(2, affinity="landmarks", n_landmarks=12, n_neighbors=4),
    ]
)
@pytest.mark.filterwarnings("ignore:The graph has:UserWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def test_parameters_and_defaults_are_scikit_learns():
    ours, theirs = SpectralClustering().get_params(), Sklearn().get_params()
    assert {name: ours[name] for name in ours.keys() & theirs.keys()} == {
        name: theirs[name] for name in ours.keys() & theirs.keys()
    }
    lacking = {"n_components", "assign_labels", "degree", "coef0", "kernel_params", "n_jobs"}
    assert theirs.keys() - ours.keys() == lacking


@pytest.mark.parametrize("affinity", ["rbf", "nearest_neighbors"])
def test_labels_and_affinities_are_scikit_learns(affinity):
    rows, labels = blobs(n=150, d=2, k=3)
    ours = SpectralClustering(3, affinity=affinity, n_neighbors=60, random_state=0).fit(rows / 4)
    theirs = Sklearn(3, affinity=affinity, n_neighbors=60, random_state=0).fit(rows / 4)
    assert adjusted_rand_score(ours.labels_, theirs.labels_) == 1
    assert same_partition(ours.labels_, labels)
    found, expected = (
        model.affinity_matrix_.toarray() if affinity != "rbf" else model.affinity_matrix_.copy()
        for model in (ours, theirs)
    )
    np.fill_diagonal(expected, 0)  # Which neither of the two looks at.
    assert_allclose(found, expected, atol=1e-12)


def test_attributes_are_the_functions_fields():
    model = SpectralClustering(2, random_state=3, **LANDMARKS).fit(X)
    result = spectral_clustering(X, 2, rng=np.random.default_rng(3), **LANDMARKS)
    for name in ("labels", "embedding", "eigenvalues", "landmarks", "landmark_embedding"):
        assert_array_equal(getattr(model, f"{name}_"), getattr(result, name))
    assert_array_equal(model.embedding_centers_, result.centers)
    assert (model.n_iter_, model.residual_) == (result.n_iter, result.residual)
    assert model.converged_
    assert model.n_connected_components_ == result.n_connected_components
    assert model.n_features_in_ == 2


def test_predict_equals_the_labels(backend):
    rows = backend.asarray(X, "float32")
    model = SpectralClustering(2, random_state=0, **LANDMARKS).fit(rows)
    assert same_partition(backend.to_numpy(model.labels_), LABELS)
    assert_array_equal(backend.to_numpy(model.predict(rows)), backend.to_numpy(model.labels_))
    parts = [backend.to_numpy(model.predict(rows[i : i + 1, :])) for i in range(0, 300, 37)]
    assert_array_equal(np.concatenate(parts), backend.to_numpy(model.labels_)[::37])
    # On the host too, where the model was taken by a pickle.
    here = pickle.loads(pickle.dumps(model))
    assert isinstance(here.landmarks_, np.ndarray)
    assert_array_equal(here.predict(X.astype("float32")), backend.to_numpy(model.labels_))


def test_only_landmarks_predict():
    model = SpectralClustering(2, affinity="nearest_neighbors", random_state=0).fit(X)
    assert not hasattr(model, "predict")
    with pytest.raises(NotFittedError):
        SpectralClustering(2, affinity="landmarks").predict(X)


@pytest.mark.parametrize("name", ["landmarks_", "landmark_embedding_", "embedding_centers_"])
def test_what_a_user_writes_is_used_or_refused(name):
    model = SpectralClustering(2, random_state=0, **LANDMARKS).fit(X)
    with pytest.raises(ValueError, match=name):
        setattr(model, name, np.full((3, 3), np.nan)) or model.predict(X)
    other = clone(model).fit(X)
    other.embedding_centers_ = other.embedding_centers_[::-1]
    assert_array_equal(other.predict(X), 1 - other.labels_)


def test_a_sparse_graph_and_a_pickle_of_it(backend):
    backend.need("eager")
    graph = kneighbors_graph(X, 10, include_self=True)
    given = (graph + graph.T) / 2
    model = SpectralClustering(2, affinity="precomputed", random_state=0).fit(given)
    assert same_partition(model.labels_, LABELS)
    ours = SpectralClustering(2, affinity="nearest_neighbors", random_state=0)
    again = pickle.loads(pickle.dumps(ours.fit(backend.asarray(X, "float32"))))
    assert_array_equal(again.labels_, backend.to_numpy(ours.labels_))
    if ours.affinity_matrix_ is not None:
        assert sp.issparse(again.affinity_matrix_)
        assert again.affinity_matrix_.shape == (300, 300)


def test_weights_have_no_place():
    with pytest.raises(TypeError, match="sample_weight"):
        SpectralClustering(2).fit(X, sample_weight=np.ones(300))


def test_in_a_pipeline_and_with_names():
    pytest.importorskip("pandas")
    import pandas as pd

    frame = pd.DataFrame(X, columns=["a", "b"])
    model = make_pipeline(StandardScaler(), SpectralClustering(2, gamma=30.0, random_state=0))
    assert same_partition(model.fit_predict(frame), LABELS)
    fitted = SpectralClustering(2, random_state=0, **LANDMARKS).fit(frame)
    assert fitted.feature_names_in_.tolist() == ["a", "b"]


def test_verbose_shows_the_residual(capfd):
    rows, _ = moons(1600, noise=0.25)
    SpectralClustering(
        3, affinity="nearest_neighbors", eigen_solver="chebyshev", verbose=1, random_state=0
    ).fit(rows)
    assert "residual" in capfd.readouterr().err
