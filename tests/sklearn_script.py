"""A script written for scikit-learn, with every public parameter of four of its estimators.

test_sklearn_script.py runs it as it is, and with the imports of its estimators changed to
`kmeans_xp`. It uses what scikit-learn 1.6 has already.
"""

import warnings

import numpy as np
from sklearn.base import clone
from sklearn.cluster import BisectingKMeans, KMeans, MiniBatchKMeans
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

CENTERS = np.array([[0.0, 0.0, 0.0], [9.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 9.0]])
X, y = make_blobs(n_samples=400, centers=CENTERS, random_state=0)
weights = np.random.RandomState(0).uniform(0.5, 2.0, size=len(X))


def start(X, n_clusters, random_state):
    """Draw rows that are far apart, as a callable `init` may."""
    first = X[random_state.randint(len(X))]
    rows = [first]
    while len(rows) < n_clusters:
        distances = np.min([((X - row) ** 2).sum(axis=1) for row in rows], axis=0)
        rows.append(X[random_state.choice(len(X), p=distances / distances.sum())])
    return np.array(rows)


def check(labels):
    """Require the clusters that were planted."""
    assert adjusted_rand_score(y, labels) > 0.95


def check_clusterer(model):
    """Use every method of a fitted estimator of centres."""
    assert model.cluster_centers_.shape == (4, 3)
    assert model.n_features_in_ == 3
    check(model.predict(X))
    assert model.transform(X).shape == (400, 4)
    assert model.score(X, sample_weight=weights) < 0
    assert len(model.get_feature_names_out()) == 4
    again = clone(model)
    assert again.get_params().keys() == model.get_params().keys()
    check(again.fit_predict(X, sample_weight=weights))
    assert again.fit_transform(X, sample_weight=2.0).shape == (400, 4)


# KMeans
for init in ("k-means++", CENTERS, start):
    for algorithm in ("lloyd", "elkan"):
        model = KMeans(
            n_clusters=4,
            init=init,
            n_init=1,
            max_iter=100,
            tol=1e-5,
            verbose=0,
            random_state=np.random.RandomState(1),
            copy_x=False,
            algorithm=algorithm,
        )
        model.fit(X, sample_weight=weights)
        check(model.labels_)
        assert model.inertia_ > 0
        assert model.n_iter_ >= 1
        check_clusterer(model)
check(KMeans(4, init="random", n_init=20, random_state=0).fit(X, sample_weight=0.5).labels_)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    KMeans(n_clusters=4, init=CENTERS, n_init=10).fit(X)
assert any(issubclass(warning.category, RuntimeWarning) for warning in caught)
pipeline = make_pipeline(StandardScaler(), KMeans(n_init="auto", random_state=0))
search = GridSearchCV(pipeline, {"kmeans__n_clusters": [2, 4]}, cv=3).fit(X)
assert search.best_params_ == {"kmeans__n_clusters": 4}
frame = KMeans(n_clusters=4, random_state=0).set_output(transform="default").fit_transform(X)
assert frame.shape == (400, 4)

# MiniBatchKMeans
for init in ("k-means++", CENTERS, start):
    model = MiniBatchKMeans(
        n_clusters=4,
        init=init,
        max_iter=50,
        batch_size=128,
        verbose=0,
        compute_labels=True,
        random_state=2,
        tol=1e-4,
        max_no_improvement=20,
        init_size=300,
        n_init=1 if init is CENTERS else 5,
        reassignment_ratio=0.02,
    )
    model.fit(X, sample_weight=weights)
    check(model.labels_)
    assert model.inertia_ > 0
    assert model.n_iter_ >= 1
    assert model.n_steps_ >= 1
    check_clusterer(model)
model.partial_fit(X[:100], sample_weight=weights[:100])
assert len(model.labels_) == 100
unlabelled = MiniBatchKMeans(n_clusters=4, compute_labels=False, n_init=3, random_state=0).fit(X)
assert not hasattr(unlabelled, "labels_")
assert unlabelled.inertia_ > 0
check(unlabelled.predict(X))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    MiniBatchKMeans(n_clusters=20, init_size=10, n_init=1, random_state=0).fit(X)
assert any(issubclass(warning.category, RuntimeWarning) for warning in caught)

# BisectingKMeans
for init in ("k-means++", "random", start):
    for strategy in ("biggest_inertia", "largest_cluster"):
        model = BisectingKMeans(
            n_clusters=4,
            init=init,
            n_init=10,
            random_state=3,
            max_iter=200,
            verbose=0,
            tol=1e-5,
            copy_x=True,
            algorithm="elkan",
            bisecting_strategy=strategy,
        )
        model.fit(X, sample_weight=weights)
        assert model.inertia_ > 0
        assert len(np.unique(model.labels_)) == 4
        assert model.transform(X).shape == (400, 4)
        assert np.array_equal(model.predict(X), model.fit(X, sample_weight=weights).labels_)

# GaussianMixture
SHAPES = {"full": (4, 3, 3), "tied": (3, 3), "diag": (4, 3), "spherical": (4,)}
for covariance_type, shape in SHAPES.items():
    for init_params in ("kmeans", "k-means++", "random_from_data"):
        model = GaussianMixture(
            n_components=4,
            covariance_type=covariance_type,
            tol=1e-4,
            reg_covar=1e-5,
            max_iter=300,
            n_init=10,
            init_params=init_params,
            weights_init=None,
            means_init=None,
            precisions_init=None,
            random_state=4,
            warm_start=False,
            verbose=0,
            verbose_interval=5,
        )
        model.fit(X)
        check(model.predict(X))
        assert model.converged_
        assert model.n_iter_ >= 1
        assert model.covariances_.shape == model.precisions_.shape == shape
        assert model.precisions_cholesky_.shape == shape
        assert np.allclose(model.predict_proba(X).sum(axis=1), 1)
        assert model.score_samples(X).shape == (400,)
        assert np.isclose(model.score_samples(X).mean(), model.score(X))
        assert model.aic(X) < model.bic(X)
        rows, components = model.sample(50)
        assert rows.shape == (50, 3)
        assert components.shape == (50,)
    given = GaussianMixture(
        n_components=4,
        covariance_type=covariance_type,
        weights_init=model.weights_,
        means_init=model.means_,
        precisions_init=model.precisions_,
    ).fit(X)
    assert np.allclose(given.means_, model.means_, atol=0.1)
begun = GaussianMixture(4, means_init=CENTERS, max_iter=0).fit(X)
assert np.allclose(begun.means_, CENTERS)
assert not begun.converged_
assert begun.n_iter_ == 0
check(GaussianMixture(4, init_params="random", n_init=20, random_state=0).fit_predict(X))
warm = GaussianMixture(4, warm_start=True, max_iter=1, random_state=0)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    for _ in range(100):
        if warm.fit(X).converged_:
            break
assert warm.converged_
assert np.isfinite(warm.lower_bound_)
