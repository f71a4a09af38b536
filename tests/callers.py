"""Every public way to hand rows, weights or centres to the library."""

import numpy as np

from kmeans_xp import KMeans, assign, inertia, kmeans, kmeans_plusplus
from tests.data import cloud

GOOD = cloud(12, 3, seed=1)


def _fitted():
    return KMeans(2, random_state=0).fit(GOOD)


OF_ROWS = {
    "kmeans": lambda X: kmeans(X, 2, rng=0),
    "kmeans random": lambda X: kmeans(X, 2, init="random", rng=0),
    "kmeans ||": lambda X: kmeans(X, 2, init="k-means||", rng=0),
    "kmeans from a start": lambda X: kmeans(X, 2, init=GOOD[:2]),
    "kmeans_plusplus": lambda X: kmeans_plusplus(X, 2, rng=0),
    "assign": lambda X: assign(X, GOOD[:2]),
    "inertia": lambda X: inertia(X, GOOD[:2]),
    "inertia of labels": lambda X: inertia(X, GOOD[:2], np.zeros(12, dtype=int)),
    "KMeans.fit": lambda X: KMeans(2, random_state=0).fit(X),
    "KMeans.fit_predict": lambda X: KMeans(2, random_state=0).fit_predict(X),
    "KMeans.fit_transform": lambda X: KMeans(2, random_state=0).fit_transform(X),
    "KMeans.predict": lambda X: _fitted().predict(X),
    "KMeans.transform": lambda X: _fitted().transform(X),
    "KMeans.score": lambda X: _fitted().score(X),
}

AGAINST_CENTERS = [
    "kmeans from a start",
    "assign",
    "inertia",
    "inertia of labels",
    "KMeans.predict",
    "KMeans.transform",
    "KMeans.score",
]

OF_WEIGHTS = {
    "kmeans": lambda X, w: kmeans(X, 2, rng=0, sample_weight=w),
    "kmeans random": lambda X, w: kmeans(X, 2, init="random", rng=0, sample_weight=w),
    "kmeans from a start": lambda X, w: kmeans(X, 2, init=X[:2, :], sample_weight=w),
    "kmeans_plusplus": lambda X, w: kmeans_plusplus(X, 2, rng=0, sample_weight=w),
    "inertia": lambda X, w: inertia(X, X[:2, :], sample_weight=w),
    "KMeans.fit": lambda X, w: KMeans(2, random_state=0).fit(X, sample_weight=w),
    "KMeans.fit_predict": lambda X, w: KMeans(2).fit_predict(X, sample_weight=w),
    "KMeans.fit_transform": lambda X, w: KMeans(2).fit_transform(X, sample_weight=w),
    "KMeans.score": lambda X, w: _fitted().score(X, sample_weight=w),
}

OF_CENTERS = {
    "assign": lambda X, c: assign(X, c),
    "inertia": lambda X, c: inertia(X, c),
    "inertia of labels": lambda X, c: inertia(X, c, np.zeros(12, dtype=int)),
}

OF_A_START = {
    "kmeans": lambda X, c: kmeans(X, 2, init=c),
    "KMeans.fit": lambda X, c: KMeans(2, init=c).fit(X),
}
