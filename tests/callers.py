"""Every public way to hand rows, weights or centres to the library.

test_house.py sees to it that no public function or method is missing.
"""

import copy
from functools import cache, partial

import numpy as np

from kmeans_xp import (
    BisectingKMeans,
    GaussianMixture,
    KMeans,
    KMedoids,
    MiniBatchKMeans,
    SoftKMeans,
    SpectralClustering,
    assign,
    bisecting_kmeans,
    calinski_harabasz_score,
    choose_k,
    davies_bouldin_score,
    explain,
    gap_statistic,
    gaussian_mixture,
    inertia,
    kmeans,
    kmeans_plusplus,
    kmedoids,
    medoid_silhouette,
    minibatch_kmeans,
    nearest_neighbors,
    representatives,
    silhouette_samples,
    silhouette_score,
    simplified_silhouette,
    soft_kmeans,
    spectral_clustering,
)
from tests.data import cloud

GOOD = cloud(12, 3, seed=1)

# Each algorithm as a function and as an estimator.
ALGORITHMS = {
    kmeans: KMeans,
    minibatch_kmeans: MiniBatchKMeans,
    bisecting_kmeans: BisectingKMeans,
    soft_kmeans: SoftKMeans,
    gaussian_mixture: GaussianMixture,
    kmedoids: KMedoids,
}
# The same of those in which a weight of a row has no meaning.
UNWEIGHTED = {spectral_clustering: SpectralClustering}
FITTING = ("fit", "fit_predict", "fit_transform", "partial_fit")
LOOKING = (
    "predict",
    "transform",
    "representatives",
    "predict_proba",
    "score_samples",
    "bic",
    "aic",
)


@cache
def _model(estimator):
    return estimator(2, random_state=0).fit(GOOD)


def _method(estimator, name, fitted, X, sample_weight=None):
    model = copy.deepcopy(_model(estimator)) if fitted else estimator(2, random_state=0)
    given = {} if sample_weight is None else {"sample_weight": sample_weight}
    return getattr(model, name)(X, **given)


def _methods(names, *, fitted):
    """A call of each of these methods, on each estimator that has it."""
    return {
        f"{estimator.__name__}.{name}": partial(_method, estimator, name, fitted)
        for estimator in ALGORITHMS.values()
        for name in names
        if name in dir(estimator)
    }


def _function(call, **options):
    return lambda X, w=None: call(X, 2, sample_weight=w, **options)


_WEIGHTED_AND_FITTED = {
    **_methods(["score"], fitted=True),
    "MiniBatchKMeans.partial_fit again": partial(_method, MiniBatchKMeans, "partial_fit", True),
}
_LOOKING = _methods(LOOKING, fitted=True)

_LABELS = np.arange(12) % 3
# What clusterings are worth, by labels or by centres.
OF_CLUSTERINGS = {
    "inertia": lambda X, w=None: inertia(X, GOOD[:2], sample_weight=w),
    "medoid_silhouette": lambda X, w=None: medoid_silhouette(X, [0, 1], sample_weight=w),
    "simplified_silhouette": lambda X, w=None: simplified_silhouette(X, GOOD[:2], sample_weight=w),
    **{
        call.__name__: lambda X, w=None, call=call: call(X, _LABELS, sample_weight=w)
        for call in (silhouette_score, calinski_harabasz_score, davies_bouldin_score)
    },
}

_KS = {"ks": [1, 2], "rng": 0}

OF_WEIGHTS = {
    **{call.__name__: _function(call, rng=0) for call in [*ALGORITHMS, kmeans_plusplus]},
    "kmeans random": _function(kmeans, init="random", rng=0),
    "kmeans ||": _function(kmeans, init="k-means||", rng=0),
    "kmeans from a start": _function(kmeans, init=GOOD[:2]),
    **OF_CLUSTERINGS,
    "choose_k": lambda X, w=None: choose_k(X, sample_weight=w, **_KS),
    **_methods(FITTING, fitted=False),
    **_WEIGHTED_AND_FITTED,
}

_LANDMARKS = {"affinity": "landmarks", "n_landmarks": 6, "n_neighbors": 3}


def _spectral(name, X):
    return getattr(SpectralClustering(2, random_state=0, **_LANDMARKS), name)(X)


@cache
def _fitted_spectral():
    return SpectralClustering(2, random_state=0, **_LANDMARKS).fit(GOOD)


_OF_GRAPHS = {
    "nearest_neighbors": lambda X: nearest_neighbors(X, 3),
    "spectral_clustering": lambda X: spectral_clustering(X, 2, n_neighbors=6, rng=0),
    "spectral_clustering rbf": lambda X: spectral_clustering(X, 2, affinity="rbf", rng=0),
    "spectral_clustering local": lambda X: spectral_clustering(
        X, 2, affinity="rbf", gamma="local", rng=0
    ),
    "spectral_clustering landmarks": lambda X: spectral_clustering(X, 2, rng=0, **_LANDMARKS),
    "SpectralClustering.fit": partial(_spectral, "fit"),
    "SpectralClustering.fit_predict": partial(_spectral, "fit_predict"),
    "SpectralClustering.predict": lambda X: _fitted_spectral().predict(X),
}

# How many clusters there are.
_OF_CHOICES = {
    "gap_statistic": lambda X: gap_statistic(X, n_references=2, **_KS),
    **{
        f"choose_k by {name}": lambda X, name=name: choose_k(X, criteria=[name], **_KS)
        for name in ("gap", "bic", "silhouette", "prediction_strength", "elbow")
    },
    "choose_k of medoids": lambda X: choose_k(X, algorithm="kmedoids", **_KS),
}

OF_ROWS = {
    **OF_WEIGHTS,
    **_OF_GRAPHS,
    **_OF_CHOICES,
    "assign": lambda X: assign(X, GOOD[:2]),
    "representatives": lambda X: representatives(X, GOOD[:2]),
    "inertia of labels": lambda X: inertia(X, GOOD[:2], np.zeros(12, dtype=int)),
    "simplified_silhouette of labels": lambda X: simplified_silhouette(X, GOOD[:3], _LABELS),
    "silhouette_samples": lambda X: silhouette_samples(X, _LABELS),
    "silhouette_score of a sample": lambda X: silhouette_score(X, _LABELS, sample_size=11, rng=0),
    **_LOOKING,
}

# What looks at a few rows at most, and so refuses what X is, not what is in it.
OF_A_GLANCE = {"explain": lambda X: explain(X, 2)}

AGAINST_CENTERS = [
    "kmeans from a start",
    "assign",
    "representatives",
    "inertia",
    "inertia of labels",
    "simplified_silhouette",
    "simplified_silhouette of labels",
    *_WEIGHTED_AND_FITTED,
    *_LOOKING,
    "SpectralClustering.predict",
]

OF_CENTERS = {
    "assign": lambda X, c: assign(X, c),
    "representatives": lambda X, c: representatives(X, c),
    "inertia": lambda X, c: inertia(X, c),
    "inertia of labels": lambda X, c: inertia(X, c, np.zeros(12, dtype=int)),
    "simplified_silhouette": lambda X, c: simplified_silhouette(X, c),
}

# Functions that take any integers as labels.
OF_LABELS = {
    call.__name__: call
    for call in (
        silhouette_samples,
        silhouette_score,
        calinski_harabasz_score,
        davies_bouldin_score,
    )
}

# Functions and estimators that start from an array of centres, or what a callable returns.
OF_A_START = {
    "kmeans": lambda X, c: kmeans(X, 2, init=c),
    "KMeans.fit": lambda X, c: KMeans(2, init=c).fit(X),
    "minibatch_kmeans": lambda X, c: minibatch_kmeans(X, 2, init=c),
    "MiniBatchKMeans.fit": lambda X, c: MiniBatchKMeans(2, init=c).fit(X),
    "MiniBatchKMeans.partial_fit": lambda X, c: MiniBatchKMeans(2, init=c).partial_fit(X),
    "soft_kmeans": lambda X, c: soft_kmeans(X, 2, init=c),
    "SoftKMeans.fit": lambda X, c: SoftKMeans(2, init=c).fit(X),
}
OF_A_CALLABLE = {
    **OF_A_START,
    "bisecting_kmeans": lambda X, c: bisecting_kmeans(X, 2, init=c),
    "BisectingKMeans.fit": lambda X, c: BisectingKMeans(2, init=c).fit(X),
}
OF_MEANS = {
    "gaussian_mixture": lambda X, c: gaussian_mixture(X, 2, means_init=c),
    "GaussianMixture.fit": lambda X, c: GaussianMixture(2, means_init=c).fit(X),
}
