"""What a user writes to a fitted attribute is what the model then uses, or a clear error."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from kmeans_xp import (
    BisectingKMeans,
    GaussianMixture,
    KMeans,
    KMedoids,
    MiniBatchKMeans,
    SoftKMeans,
    gaussian_mixture,
    soft_kmeans,
)
from tests.callers import ALGORITHMS, LOOKING
from tests.data import blobs, cloud

X = blobs(n=60, d=3, k=3)[0]
KINDS = ("full", "tied", "diag", "spherical")
# The attributes that the methods of each estimator go by.
USED = {
    KMeans: ("cluster_centers_",),
    MiniBatchKMeans: ("cluster_centers_",),
    BisectingKMeans: ("cluster_centers_", "tree_"),
    KMedoids: ("cluster_centers_",),
    SoftKMeans: ("cluster_centers_", "stiffness_", "weights_"),
    GaussianMixture: ("weights_", "means_", "covariances_", "precisions_cholesky_"),
}
MODELS = {
    **{
        e.__name__: e(3, random_state=0)
        for e in (KMeans, MiniBatchKMeans, BisectingKMeans, KMedoids)
    },
    "SoftKMeans": SoftKMeans(3, random_state=0),
    **{k: GaussianMixture(3, covariance_type=k, random_state=0) for k in KINDS},
}
each_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
each_kind = pytest.mark.parametrize("kind", KINDS)


def fitted(model, rows=X):
    return copy.deepcopy(model).fit(rows)


def bare(model, convert=lambda value: value):
    """A model with the parameters and the attributes of another, and nothing else of it."""
    twin = type(model)(**model.get_params())
    for name in USED[type(model)]:
        setattr(twin, name, convert(getattr(model, name)))
    return twin


def moved(tree, way):
    return replace(tree, centers=tree.centers + way)


def said(model, rows):
    """What all methods say of rows, on the host."""
    names = [name for name in (*LOOKING, "score") if name in dir(model)]
    return {name: getattr(model, name)(rows) for name in names}


def assert_same(ours, theirs, rtol=1e-6):
    for name, expected in theirs.items():
        assert_allclose(ours[name], expected, rtol=rtol, atol=rtol, err_msg=name)


def test_every_estimator_is_here():
    assert USED.keys() == set(ALGORITHMS.values())


@each_model
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_attributes_alone_make_a_model(model, dtype):
    rows = X.astype(dtype)
    model = fitted(model, rows)
    rtol = 1e-9 if dtype == "float64" else 2e-3
    for twin in (bare(model), pickle.loads(pickle.dumps(bare(model))), copy.deepcopy(bare(model))):
        assert_same(said(twin, rows), said(model, rows), rtol)
    lists = bare(model, lambda a: a.tolist() if isinstance(a, np.ndarray) else a)
    assert_same(said(pickle.loads(pickle.dumps(lists)), rows), said(model, rows), rtol)
    with pytest.raises(ValueError, match=r"2 features, but .* expecting 3"):
        bare(model).predict(rows[:, :2])
    if not isinstance(model, GaussianMixture):
        assert len(bare(model).get_feature_names_out()) == 3


@each_model
def test_a_model_without_attributes_is_not_fitted(model):
    with pytest.raises(NotFittedError):
        type(model)(3).predict(X)
    for name in USED[type(model)]:
        twin = bare(fitted(model))
        delattr(twin, name)
        if name in ("covariances_", "precisions_cholesky_") or isinstance(model, BisectingKMeans):
            continue  # What is left is enough.
        with pytest.raises((NotFittedError, AttributeError)):
            twin.predict(X)


def test_a_bisecting_model_needs_its_tree():
    model = bare(fitted(BisectingKMeans(3, random_state=0)))
    del model.cluster_centers_
    assert model.transform(X).shape == (60, 3)
    model.tree_ = None
    with pytest.raises(NotFittedError, match="tree_"):
        model.predict(X)


@each_model
@pytest.mark.parametrize("in_place", [False, True])
def test_a_model_that_is_moved_says_of_moved_rows_what_it_said(model, in_place):
    model = fitted(model)
    expected = said(model, X)
    name = "means_" if isinstance(model, GaussianMixture) else "cluster_centers_"
    centers = getattr(model, name)
    if in_place:
        centers += 8.0
    else:
        setattr(model, name, centers + 8.0)
    if isinstance(model, BisectingKMeans):
        model.tree_ = moved(model.tree_, 8.0)
    assert_same(said(model, X + 8.0), expected)
    assert_same(said(pickle.loads(pickle.dumps(model)), X + 8.0), expected)
    assert_same(said(copy.deepcopy(model), X + 8.0), expected)


@each_model
def test_the_same_values_written_again_change_no_bit(model):
    rows = X.astype(np.float32)
    model = fitted(model, rows)
    expected = said(model, rows)
    for name in USED[type(model)]:
        setattr(model, name, copy.deepcopy(getattr(model, name)))
    for name, value in said(model, rows).items():
        assert_array_equal(value, expected[name])
    assert_array_equal(model.predict(rows), model.fit_predict(rows))


@each_kind
def test_components_in_another_order(kind):
    """`precisions_` keeps its old order, as nobody asks for it."""
    model = fitted(MODELS[kind])
    proba, others = model.predict_proba(X), said(model, X)
    for name in USED[GaussianMixture]:
        value = getattr(model, name)
        setattr(model, name, value if kind == "tied" and value.shape == (3, 3) else value[::-1])
    if kind == "tied":
        model.means_ = MODELS[kind].fit(X).means_[::-1]
    assert_allclose(model.predict_proba(X), proba[:, ::-1], atol=1e-9)
    assert_array_equal(model.predict(X), 2 - others["predict"])
    for name in ("score_samples", "score", "bic", "aic"):
        assert_allclose(getattr(model, name)(X), others[name], rtol=1e-9)
    drawn, labels = model.sample(600)
    for j in range(3):
        assert_allclose(drawn[labels == j].mean(axis=0), model.means_[j], atol=0.2)


@each_kind
def test_other_factors_are_used_by_every_method(kind):
    model = fitted(MODELS[kind])
    model.precisions_cholesky_ /= 4.0
    assert np.mean(model.score_samples(X)) < fitted(MODELS[kind]).score(X) - 1
    drawn, labels = model.sample(3000)
    wide = np.std(drawn[labels == 0], axis=0)
    drawn, labels = fitted(MODELS[kind]).sample(3000)
    assert_allclose(wide, 4 * np.std(drawn[labels == 0], axis=0), rtol=0.1)
    with pytest.warns(ConvergenceWarning):
        model.set_params(warm_start=True, max_iter=1).fit(X)
    assert model.history_[0] < fitted(MODELS[kind]).score(X) - 1


@each_kind
@pytest.mark.parametrize("name", ["covariances_", "precisions_"])
def test_covariances_that_contradict_the_factors_are_refused(kind, name):
    model = fitted(MODELS[kind], X.astype(np.float32))
    held = getattr(model, name).copy()
    setattr(model, name, held * 1.01)
    for call in (model.predict, model.score, model.bic, lambda _: model.sample(3)):
        with pytest.raises(ValueError, match=f"{name} must agree with precisions_cholesky_"):
            call(X)
    with pytest.raises(ValueError, match=name):
        model.set_params(warm_start=True).fit(X)
    factor = np.sqrt(1.01) if name == "precisions_" else 1 / np.sqrt(1.01)
    model.precisions_cholesky_ = model.precisions_cholesky_ * factor
    rows = X.astype(np.float32)
    assert_allclose(model.score(rows), fitted(MODELS[kind], rows).score(rows), atol=0.1)


@each_kind
def test_covariances_or_precisions_alone_make_factors(kind):
    model = fitted(MODELS[kind])
    for name in ("covariances_", "precisions_"):
        twin = bare(model)
        del twin.covariances_, twin.precisions_cholesky_
        setattr(twin, name, getattr(model, name))
        assert_same(said(twin, X), said(model, X))


@pytest.mark.parametrize("kind", ["full", "tied"])
@pytest.mark.parametrize("alike", [1.0, 1e-3])  # how far two features are from being equal
def test_agreement_is_up_to_what_inversion_makes_of_rounding(kind, alike):
    rows = cloud(400, 4)
    rows[:, 3] = rows[:, 0] + alike * rows[:, 3]
    rows = (rows * [1.0, 1e5, 1e-4, 1.0]).astype(np.float32)
    model = GaussianMixture(2, covariance_type=kind, reg_covar=0, random_state=0).fit(rows)
    twin = bare(model)
    twin.precisions_ = model.precisions_
    assert twin.predict(rows).shape == (400,)
    if alike == 1.0:  # Else single precision does not tell.
        twin.covariances_ = model.covariances_.copy()
        twin.covariances_[..., 1, 2] = twin.covariances_[..., 2, 1] = 0.1 * 1e5 * 1e-4
        with pytest.raises(ValueError, match="covariances_ must agree"):
            twin.predict(rows)


BAD = {
    "cluster_centers_": (np.zeros((3, 2)), np.zeros(3), np.full((3, 3), np.nan), "far", 1j),
    "means_": (np.zeros((3, 2)), np.zeros(3), np.full((3, 3), np.inf), None),
    "weights_": (np.ones(3), np.ones(2) / 2, [0.5, 0.6, -0.1], [np.nan, 0.5, 0.5], "even"),
    "stiffness_": (0.0, -1.0, np.nan, np.inf, "hard", np.ones(3)),
    "covariances_": (np.zeros((3, 3)), np.full((3, 3, 3), np.nan)),
    "precisions_": (np.zeros((3, 3)), np.full((3, 3, 3), np.nan)),
    "precisions_cholesky_": (
        np.zeros((3, 3)),
        np.full((3, 3, 3), np.nan),
        np.zeros((3, 3, 3)),
        np.tile(-np.eye(3), (3, 1, 1)),
        np.ones((3, 3, 3)),
        np.tile(1e-200 * np.eye(3), (3, 1, 1)),
    ),
}


@pytest.mark.parametrize(
    ("model", "name", "value"),
    [
        pytest.param(MODELS[model], name, value, id=f"{model}-{name}-{str(value)[:12]}")
        for model in (*MODELS,)[:5]
        for name in (*USED[type(MODELS[model])], "precisions_")
        for value in BAD.get(name, ())
        if name != "precisions_" or model == "full"
    ],
)
def test_bad_values_are_refused_by_name(model, name, value):
    model = fitted(model)
    setattr(model, name, value)
    for method in [name for name in (*LOOKING, "score") if name in dir(model)]:
        with pytest.raises((ValueError, TypeError), match=rf"\b{name}"):
            getattr(model, method)(X)


def test_centers_that_do_not_fit_the_dtype_of_the_rows():
    for estimator in (KMeans, MiniBatchKMeans):
        model = fitted(estimator(3, random_state=0))
        model.cluster_centers_ = model.cluster_centers_ + 1e300
        for method in (model.predict, model.transform, model.score):
            with pytest.raises(ValueError, match=r"cluster_centers_ must fit .*float32"):
                method(X.astype(np.float32))


def test_the_leaves_of_a_tree_are_its_centers():
    model = fitted(BisectingKMeans(3, random_state=0))
    labels, tree = model.predict(X), model.tree_
    model.cluster_centers_[0] += 1.0
    for method in (model.predict, model.transform, model.score):
        with pytest.raises(ValueError, match="cluster_centers_ must be the leaves of tree_"):
            method(X)
    with pytest.raises(NotFittedError):
        model.get_feature_names_out()
    model = fitted(BisectingKMeans(3, random_state=0))
    model.tree_ = moved(tree, 4.0)  # alone, it is what all methods use
    assert_array_equal(model.predict(X + 4.0), labels)
    assert_allclose(model.transform(X + 4.0), fitted(model).transform(X))
    model = fitted(BisectingKMeans(3, random_state=0))
    model.tree_.centers[...] += 4.0
    assert_array_equal(model.predict(X + 4.0), labels)
    one = BisectingKMeans(1).fit(X)
    one.cluster_centers_ = np.zeros((1, 3))
    assert_allclose(one.transform(X)[:, 0], np.linalg.norm(X, axis=1))
    bad = (
        replace(tree, children=tree.children[::-1]),
        replace(tree, centers=tree.centers[:1]),
        replace(tree, centers=tree.centers[..., :2]),
        replace(tree, centers=np.full_like(tree.centers, np.nan)),
        replace(tree, centers=tree.centers.astype(complex)),
        replace(tree, centers=tree.centers.astype(str)),
    )
    for model.tree_ in bad:
        with pytest.raises(ValueError, match="tree_"):
            model.predict(X)


def test_every_bisection_fits_the_dtype_of_the_rows():
    model = fitted(BisectingKMeans(3, random_state=0))
    inner = model.tree_.children >= 0
    model.tree_.centers[inner] = 1e100
    model.predict(X)
    with pytest.raises(ValueError, match=r"tree_\.centers must fit .*float32"):
        model.predict(X.astype(np.float32))


def test_another_number_of_features_than_the_model_has():
    for estimator in (KMeans(2), MiniBatchKMeans(2), SoftKMeans(2), GaussianMixture(2)):
        model = fitted(estimator.set_params(random_state=0))
        model.n_features_in_ = 2
        with pytest.raises(ValueError, match=rf"{model.CENTERS} must have the shape"):
            model.predict(X[:, :2])


def test_centers_in_place_of_those_of_a_fit_with_fewer_rows():
    few = np.repeat(X[:2], 5, axis=0)
    model = BisectingKMeans(4, random_state=0)
    with pytest.warns(ConvergenceWarning):
        model.fit(few)
    assert model.cluster_centers_.shape == (4, 3)
    assert_array_equal(model.predict(few), model.labels_)
    assert_same(said(bare(model), few), said(model, few))


@pytest.mark.parametrize("kind", KINDS)
def test_a_warm_start_goes_on_from_what_was_written(kind):
    begin = {"max_iter": 1, "tol": 0, "covariance_type": kind}
    model = fitted(GaussianMixture(3, random_state=0, covariance_type=kind))
    twin = type(model)(3, warm_start=True, **begin)
    for name in ("weights_", "means_", "precisions_cholesky_"):
        setattr(twin, name, getattr(model, name))
    twin.means_ = twin.means_ + 0.5
    expected = gaussian_mixture(
        X,
        3,
        weights_init=twin.weights_,
        means_init=twin.means_,
        precisions_init=model.precisions_,
        **begin,
    )
    with pytest.warns(ConvergenceWarning):
        twin.fit(X)
    assert_allclose(twin.means_, expected.means, rtol=1e-9)
    assert_allclose(twin.history_, expected.history, rtol=1e-9)


def test_attributes_from_any_backend(backend):
    rows = X.astype(np.float32)
    for model in MODELS.values():
        model = copy.deepcopy(model).fit(backend.asarray(rows))
        names = [name for name in USED[type(model)] if name not in ("tree_", "stiffness_")]
        expected = backend.to_numpy(model.predict(backend.asarray(rows)))
        for name in names:
            setattr(model, name, backend.asarray(backend.to_numpy(getattr(model, name))))
        assert_array_equal(backend.to_numpy(model.predict(backend.asarray(rows))), expected)
        name = "means_" if isinstance(model, GaussianMixture) else "cluster_centers_"
        setattr(model, name, backend.asarray(backend.to_numpy(getattr(model, name)) + 8))
        if isinstance(model, BisectingKMeans):
            model.tree_ = moved(model.tree_, np.float32(8))
        assert_array_equal(model.predict(rows + 8), expected)
        assert_array_equal(backend.to_numpy(model.predict(backend.asarray(rows + 8))), expected)


def test_a_sample_of_whole_means_is_not_cut_off():
    model = fitted(MODELS["diag"])
    model.means_ = np.rint(model.means_).astype(int)
    assert model.sample(5)[0].dtype == np.float64


def test_a_stiffness_that_was_written():
    model = fitted(MODELS["SoftKMeans"])
    model.stiffness_, model.weights_ = 1e-4, [0.2, 0.3, 0.5]
    logs = -0.5e-4 * np.square(model.transform(X)) + np.log([0.2, 0.3, 0.5])
    shares = np.exp(logs)
    assert_allclose(model.predict_proba(X), shares / shares.sum(axis=1, keepdims=True))
    assert model.predict_proba(X).max() < 0.6
    given = soft_kmeans(X, 3, init=model.cluster_centers_, stiffness=1e-4, max_iter=1)
    model.weights_ = np.full(3, 1 / 3)
    assert_allclose(model.score(X), given.history[0])
