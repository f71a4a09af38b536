"""SoftKMeans and GaussianMixture as scikit-learn estimators."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_clusterer
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as SkGaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from kmeans_xp import GaussianMixture, SoftKMeans, gaussian_mixture, soft_kmeans
from tests.data import blobs, cloud, same_partition, some_rows

# Each check that is expected to fail, with its reason.
EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "it compares two random starts, and repeating rows changes which ones a seed draws "
        "(test_mixture.py and test_soft.py have the law from a given start)"
    ),
}

X, PLANTED = blobs(n=120, d=3, k=3)
ESTIMATORS = {"soft": SoftKMeans(3, random_state=0), "gmm": GaussianMixture(3, random_state=0)}

each_estimator = pytest.mark.parametrize("model", ESTIMATORS.values(), ids=ESTIMATORS)


@parametrize_with_checks(
    [
        SoftKMeans(),
        SoftKMeans(3, stiffness=2.0, init="random", n_init=2),
        GaussianMixture(),
        GaussianMixture(2, covariance_type="diag", init_params="random_from_data"),
    ],
    # One component is found from any start.
    expected_failed_checks=lambda e: {} if vars(e).get("n_components") == 1 else EXPECTED_FAILURES,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def test_attributes_of_soft_kmeans():
    model = SoftKMeans(3, random_state=0)
    assert model.fit(X) is model
    result = soft_kmeans(X, 3, rng=0)
    assert_array_equal(model.cluster_centers_, result.centers)
    assert_array_equal(model.labels_, result.labels)
    assert_array_equal(model.weights_, result.weights)
    assert_allclose(model.predict_proba(X), result.responsibilities)
    assert (model.stiffness_, model.log_likelihood_) == (result.stiffness, result.log_likelihood)
    assert (model.n_iter_, model.converged_, model.history_) == (
        result.n_iter,
        result.converged,
        result.history,
    )
    assert is_clusterer(model)
    assert same_partition(model.fit_predict(X), PLANTED)
    expected = np.linalg.norm(X[:, None] - model.cluster_centers_, axis=2)
    assert_allclose(model.transform(X), expected, rtol=1e-9)
    assert_array_equal(model.get_feature_names_out(), [f"softkmeans{j}" for j in range(3)])


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_attributes_of_gaussian_mixture(kind):
    model = GaussianMixture(3, covariance_type=kind, init_params="k-means++", random_state=0)
    result = gaussian_mixture(X, 3, covariance_type=kind, rng=0)
    assert_array_equal(model.fit_predict(X), result.labels)
    assert_array_equal(model.means_, result.means)
    assert_array_equal(model.covariances_, result.covariances)
    assert_array_equal(model.precisions_cholesky_, result.precisions_cholesky)
    assert_allclose(model.predict_proba(X), result.responsibilities)
    assert model.lower_bound_ == model.lower_bounds_[-1] == result.history[-1]
    assert (model.n_iter_, model.converged_) == (result.n_iter, result.converged)
    matrices = kind in ("full", "tied")
    unit = model.covariances_ @ model.precisions_ if matrices else None
    if matrices:
        assert_allclose(unit, np.broadcast_to(np.eye(3), unit.shape), atol=1e-9)
    else:
        assert_allclose(model.covariances_ * model.precisions_, 1.0)


@pytest.mark.parametrize("init", ["kmeans", "k-means++", "k-means||", "random_from_data"])
def test_scikit_learns_names_of_starts(init):
    model = GaussianMixture(3, init_params=init, n_init=3, random_state=1).fit(X)
    assert same_partition(model.predict(X), PLANTED)
    with pytest.raises(ValueError, match="init_params"):
        GaussianMixture(3, init_params="k-means").fit(X)


@each_estimator
def test_scores(model):
    model = clone(model).fit(X)
    samples = model.score_samples(X)
    assert samples.shape == (120,)
    assert_allclose(model.score(X), samples.mean())
    w = np.arange(120.0)
    assert_allclose(model.score(X, sample_weight=w), np.average(samples, weights=w))
    assert_array_equal(model.predict(X), np.argmax(model.predict_proba(X), axis=1))


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_samples_have_the_moments_of_the_mixture(kind):
    model = GaussianMixture(3, covariance_type=kind, random_state=0).fit(X @ np.diag([1, 2, 3]))
    drawn, labels = model.sample(30_000)
    assert drawn.shape == (30_000, 3)
    assert_allclose(np.bincount(labels) / 30_000, model.weights_, atol=0.02)
    theirs = SkGaussianMixture(3, covariance_type=kind)
    theirs.weights_, theirs.means_, theirs.covariances_ = (
        model.weights_,
        model.means_,
        model.covariances_,
    )
    for j in range(3):
        own = drawn[labels == j]
        c = model.covariances_ if kind == "tied" else model.covariances_[j]
        c = c if kind in ("full", "tied") else np.diag(np.broadcast_to(c, 3))
        assert_allclose(own.mean(axis=0), model.means_[j], atol=0.05)
        assert_allclose(np.cov(own.T), c, atol=0.06 * np.max(c))
    with pytest.raises(ValueError, match="n_samples"):
        model.sample(0)


def test_warm_start_goes_on():
    rows = cloud(300, 3, seed=1)
    begin = {"means_init": some_rows(rows, 4), "tol": 0}
    straight = GaussianMixture(4, max_iter=6, **begin)
    steps = GaussianMixture(4, max_iter=1, warm_start=True, **begin)
    with pytest.warns(ConvergenceWarning):
        straight.fit(rows)
    bounds = []
    for _ in range(6):
        with pytest.warns(ConvergenceWarning):
            bounds.append(steps.fit(rows).lower_bound_)
    assert_allclose(bounds, straight.lower_bounds_, rtol=1e-12)
    assert_allclose(steps.covariances_, straight.covariances_, rtol=1e-9, atol=1e-12)
    with pytest.raises(ValueError, match="warm_start"):
        steps.set_params(n_components=3, means_init=None).fit(rows)


def test_a_fit_that_does_not_converge_warns_unless_it_was_stopped():
    rows = cloud(200, 2)
    for model in (SoftKMeans(5, max_iter=1), GaussianMixture(5, max_iter=1)):
        with pytest.warns(ConvergenceWarning, match="max_iter"):
            model.fit(rows)
        model.set_params(callback=lambda _: True).fit(rows)
        assert model.n_iter_ == 1
        assert not model.converged_


@each_estimator
def test_feature_names_and_refitting(model):
    prepared = pd.DataFrame(X, columns=list("abc"))
    model = clone(model).fit(prepared)
    assert_array_equal(model.feature_names_in_, ["a", "b", "c"])
    with pytest.raises(ValueError, match="feature names"):
        model.predict_proba(prepared[["c", "b", "a"]])
    model.fit(X[:, :2])
    assert not hasattr(model, "feature_names_in_")
    with pytest.raises(ValueError, match="3 features"):
        model.score_samples(X)


@each_estimator
def test_an_interrupted_fit_leaves_the_model_as_it_was(model):
    def interrupt(iteration):
        raise KeyboardInterrupt

    model = clone(model).fit(X)
    before = {k: v for k, v in vars(model).items() if k.endswith("_") or k == "_mixture"}
    model.set_params(callback=interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.fit(cloud(100, 5))
    assert all(vars(model)[name] is value for name, value in before.items())
    assert same_partition(model.predict(X), PLANTED)


@each_estimator
def test_in_pipelines_and_searches(model):
    pipe = make_pipeline(StandardScaler(), clone(model))
    assert same_partition(pipe.fit(X).predict(X), PLANTED)
    name = "n_clusters" if isinstance(model, SoftKMeans) else "n_components"
    search = GridSearchCV(clone(model), {name: [1, 3]}, cv=3).fit(X)
    assert search.best_params_ == {name: 3}


@pytest.mark.parametrize("number", [1, 2])
def test_verbose_speaks_and_silence_is_the_default(capfd, number):
    GaussianMixture(3, random_state=0).fit(X)
    out, err = capfd.readouterr()
    assert out + err == ""
    GaussianMixture(3, random_state=0, verbose=1, verbose_interval=number).fit(X)
    SoftKMeans(3, random_state=0, verbose=1).fit(X)
    out, err = capfd.readouterr()
    assert "log-likelihood" in err
    with pytest.raises(ValueError, match="verbose_interval"):
        GaussianMixture(3, verbose_interval=0).fit(X)


@each_estimator
def test_a_pickle_opens_without_the_backend(backend, model):
    rows = blobs()[0]
    model = clone(model).fit(backend.asarray(rows, "float32"))
    data = pickle.dumps(model)
    for word in (b"torch", b"jax", b"cupy", b"dask", b"array_api_strict"):
        assert word not in data
    opened = pickle.loads(data)
    single = rows.astype(np.float32)
    found = backend.to_numpy(model.predict_proba(backend.asarray(rows, "float32")))
    assert_allclose(opened.predict_proba(single), found, atol=1e-4)
    assert backend.owns(model.weights_), "pickling must not change the model"
    assert_array_equal(copy.deepcopy(model).predict(single), opened.predict(single))
