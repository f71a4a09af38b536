"""What code that was written for scikit-learn asks for, and gets."""

import inspect
import warnings
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import get_tags

from kmeans_xp import (
    BisectingKMeans,
    GaussianMixture,
    KMeans,
    MiniBatchKMeans,
    SoftKMeans,
    bisecting_kmeans,
    gaussian_mixture,
    kmeans,
    minibatch_kmeans,
    soft_kmeans,
)
from tests.callers import ALGORITHMS, FITTING, GOOD, OF_A_CALLABLE, OF_A_START, OF_WEIGHTS
from tests.data import blobs, some_rows

X, PLANTED = blobs(n=300, d=3, k=4)
START = some_rows(X, 4)


@pytest.mark.parametrize("call", [kmeans, bisecting_kmeans, minibatch_kmeans])
def test_elkan_is_any_exact_method(call, backend):
    rows = backend.asarray(X)
    elkan, auto = (call(rows, 4, algorithm=name, rng=0) for name in ("elkan", "auto"))
    assert elkan.kernel == auto.kernel
    assert_array_equal(backend.to_numpy(elkan.labels), backend.to_numpy(auto.labels))


@pytest.mark.parametrize("estimator", [KMeans, BisectingKMeans])
def test_elkan_of_an_estimator_and_x_is_never_modified(estimator):
    rows = X.copy()
    model = estimator(4, algorithm="elkan", copy_x=False, random_state=0).fit(rows)
    assert_array_equal(rows, X)
    assert_array_equal(model.labels_, estimator(4, random_state=0).fit(X).labels_)


def test_without_labels_a_fit_looks_no_more_at_all_rows(monkeypatch):
    def refuse(*_args, **_options):
        raise AssertionError("rows were assigned")

    options = {"batch_size": 50, "init": START, "random_state": 0}
    whole = MiniBatchKMeans(4, **options).fit(X)
    model = MiniBatchKMeans(4, compute_labels=False, **options)
    with monkeypatch.context() as patched:
        patched.setattr("kmeans_xp.algorithms.minibatch.fit.assigned", refuse)
        patched.setattr("kmeans_xp.algorithms.minibatch.partial_fit.assigned", refuse)
        model.fit(X)
        assert model.inertia_ == model.history_[-1]
        assert not hasattr(model, "labels_")
        assert_array_equal(model.cluster_centers_, whole.cluster_centers_)
        assert_array_equal(model.fit_predict(X), whole.labels_)
        model.partial_fit(X[:50])
        assert not hasattr(model, "inertia_")
    assert_array_equal(model.cluster_centers_, whole.partial_fit(X[:50]).cluster_centers_)
    model.set_params(compute_labels=True).fit(X)
    assert_array_equal(model.labels_, model.predict(X))
    model.set_params(compute_labels=False).fit(X)
    assert not hasattr(model, "labels_")


FROM_AN_ARRAY = {
    call: partial(call, X, 4, init=START, rng=0) for call in (kmeans, minibatch_kmeans, soft_kmeans)
}


@pytest.mark.parametrize("call", FROM_AN_ARRAY)
def test_several_starts_from_an_array_are_one(call):
    with pytest.warns(RuntimeWarning, match="Explicit initial center position.*n_init=10"):
        several = FROM_AN_ARRAY[call](n_init=10)
    assert_array_equal(several.centers, FROM_AN_ARRAY[call](n_init=1).centers)
    runs = []
    with pytest.warns(RuntimeWarning, match="Explicit initial"):
        FROM_AN_ARRAY[call](n_init=3, callback=lambda iteration: runs.append(iteration.run))
    assert set(runs) == {1}


@pytest.mark.parametrize("estimator", [KMeans, MiniBatchKMeans, SoftKMeans])
def test_several_starts_of_an_estimator_from_a_list_are_one(estimator):
    with pytest.warns(RuntimeWarning, match="Explicit initial"):
        model = estimator(4, init=START.tolist(), n_init=10, random_state=0).fit(X)
    one = estimator(4, init=START, n_init=1, random_state=0).fit(X)
    assert_array_equal(model.cluster_centers_, one.cluster_centers_)


def draw(X, n_clusters, random_state):
    """As scikit-learn's documentation has it."""
    assert isinstance(random_state, np.random.RandomState)
    return X[random_state.permutation(X.shape[0])[:n_clusters], :]


class Drawing:
    """A callable start that is no function."""

    def __call__(self, X, n_clusters, *, random_state=None):
        return draw(X, n_clusters, random_state)


@pytest.mark.parametrize("init", [draw, Drawing(), partial(draw)], ids=["def", "class", "partial"])
@pytest.mark.parametrize("caller", OF_A_CALLABLE)
def test_a_callable_start_is_called_as_scikit_learn_does(caller, init):
    OF_A_CALLABLE[caller](GOOD, init)
    OF_A_CALLABLE[caller](GOOD.tolist(), init)


def _bare(X, n_clusters, random_state, /):
    assert isinstance(random_state, np.random.Generator)
    return X[:n_clusters, :]


@pytest.mark.parametrize("init", [_bare, lambda X, k, rng: X[:k], lambda X, k, *_: X[:k]])
def test_other_callables_get_a_generator(init):
    assert_array_equal(kmeans(X, 4, init=init).labels, kmeans(X, 4, init=X[:4]).labels)


@pytest.mark.parametrize("call", [kmeans, bisecting_kmeans, minibatch_kmeans, soft_kmeans])
def test_what_it_draws_follows_from_the_seed(call, backend):
    rows, seen = backend.asarray(X), []

    def init(rows, n_clusters, random_state):
        # A cluster that fits a block is gathered from a cluster of machines.
        assert backend.owns(rows) or (backend.name == "dask" and call is bisecting_kmeans)
        seen.append(tuple(random_state.randint(10**6, size=3)))
        return rows[:n_clusters, :]

    first, again, other = (call(rows, 4, init=init, n_init=2, rng=seed) for seed in (7, 7, 8))
    third = len(seen) // 3
    assert seen[:third] == seen[third : 2 * third] != seen[2 * third :]
    assert len(set(seen[:third])) == third > 1
    assert_array_equal(backend.to_numpy(first.labels), backend.to_numpy(again.labels))
    assert other.n_iter >= 1


def _parts(found):
    """The numbers and arrays that a function returned, or a model has."""
    if isinstance(found, float | np.ndarray):
        return [found]
    values = found if isinstance(found, tuple) else vars(found).values()
    return [value for value in values if isinstance(value, float | np.ndarray)]


@pytest.mark.parametrize("caller", OF_WEIGHTS)
def test_a_number_is_the_weight_of_every_row(caller):
    for weight in (2, np.float32(0.5) if "silhouette" not in caller else 3.0):
        if "calinski" in caller and weight < 1:
            continue
        one = OF_WEIGHTS[caller](GOOD, weight)
        each = OF_WEIGHTS[caller](GOOD, np.full(12, float(weight)))
        compared = list(zip(_parts(one), _parts(each), strict=True))
        assert compared
        for of_one, of_each in compared:
            assert_array_equal(of_one, of_each)


@pytest.mark.parametrize("estimator", ALGORITHMS.values())
def test_a_weight_of_every_row_is_known_to_all_methods(estimator):
    plain = estimator(2, random_state=0).fit(GOOD)
    model = estimator(2, random_state=0).fit(GOOD, sample_weight=4.0)
    assert_array_equal(model.predict(GOOD), plain.predict(GOOD))
    for name in set(FITTING) & set(dir(estimator)):
        getattr(estimator(2, random_state=0), name)(GOOD, sample_weight=True)


@pytest.mark.parametrize("n_init", [1, 5])
@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_a_mixture_without_iterations_is_its_start(kind, n_init):
    options = {"covariance_type": kind, "n_init": n_init, "max_iter": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model = GaussianMixture(4, means_init=START, random_state=0, **options).fit(X)
        result = gaussian_mixture(X, 4, init="k-means", means_init=START, rng=0, **options)
    assert_array_equal(model.means_, START)
    assert_array_equal(result.means, START)
    assert (model.n_iter_, model.converged_, model.lower_bound_) == (0, False, -np.inf)
    assert (result.history, model.lower_bounds_) == ((), [])
    assert_allclose(model.score(X), result.log_likelihood)
    loud = GaussianMixture(4, verbose=1, random_state=0, **options).fit(X)
    assert np.isfinite(loud.score(X))


def test_a_warm_start_converges_where_one_fit_does():
    whole = GaussianMixture(4, tol=1e-6, random_state=0).fit(X)
    steps = GaussianMixture(4, tol=1e-6, warm_start=True, max_iter=1, random_state=0)
    count = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        while count < 99 and not (count and steps.converged_):
            steps.fit(X)
            count += 1
    assert count == whole.n_iter_
    assert_allclose(steps.means_, whole.means_, rtol=1e-9)


@pytest.mark.parametrize("size", [1, 3])
def test_a_sample_that_is_too_small_for_a_start_is_three_rows_a_cluster(size):
    with pytest.warns(RuntimeWarning, match=f"init_size={size} should be larger than n_clusters=4"):
        few = minibatch_kmeans(X, 4, init_size=size, rng=0)
    assert_array_equal(few.centers, minibatch_kmeans(X, 4, init_size=12, rng=0).centers)
    with pytest.warns(RuntimeWarning, match="init_size"):
        MiniBatchKMeans(4, init_size=size, random_state=0).fit(X)
    with pytest.warns(RuntimeWarning, match="init_size"):
        MiniBatchKMeans(4, init_size=size, random_state=0).partial_fit(X)


@pytest.mark.parametrize("estimator", ALGORITHMS.values())
def test_tags(estimator):
    tags = get_tags(estimator())
    assert tags.array_api_support
    if "transform" in dir(estimator):
        assert set(tags.transformer_tags.preserves_dtype) == {"float32", "float64"}
        for dtype in (np.float32, np.float64):
            model = estimator(2, random_state=0).fit(GOOD.astype(dtype))
            assert model.transform(GOOD.astype(dtype)).dtype == dtype


@pytest.mark.parametrize("caller", OF_A_START)
def test_errors_in_a_callable_are_the_users_own(caller):
    def init(X, n_clusters, random_state):
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        OF_A_START[caller](GOOD, init)


def test_public_methods_that_scikit_learn_lends_are_declared():
    for estimator in ALGORITHMS.values():
        for name in {"fit_predict", "fit_transform"} & set(dir(estimator)):
            method = inspect.unwrap(getattr(estimator, name))
            assert method.__module__.startswith("kmeans_xp."), name
