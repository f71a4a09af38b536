"""The simplified silhouette: its definition, in plain NumPy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist

from kmeans_xp import kmeans, simplified_silhouette
from tests.data import blobs, cloud
from tests.test_refusals import refuses

X = cloud(200, 3)


def expected_of(rows, centers, labels=None, w=None):
    D = cdist(rows, centers)
    w = np.ones(len(rows)) if w is None else w
    labels = D.argmin(axis=1) if labels is None else labels
    each = np.arange(len(rows))
    near = D[each, labels]
    D[each, labels] = np.inf
    far = D.min(axis=1)
    most = np.maximum(near, far)
    values = np.divide(far - near, most, out=np.zeros(len(rows)), where=most > 0)
    alone = np.bincount(labels[w > 0], minlength=len(centers))[labels] == 1
    return np.average(np.where(alone, 0.0, values), weights=w)


@pytest.mark.parametrize("k", [2, 5, 30])
@pytest.mark.parametrize("given", [False, True], ids=["nearest", "labels"])
@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_its_definition(backend, k, given, weighted):
    rng = np.random.default_rng(k)
    centers = cloud(k, 3, seed=9)
    labels = rng.integers(0, k, 200) if given else None
    w = rng.integers(0, 3, 200) if weighted else None
    found = simplified_silhouette(
        backend.asarray(X),
        backend.asarray(centers),
        backend.asarray(labels) if given else None,
        sample_weight=backend.asarray(w) if weighted else None,
    )
    assert type(found) is float
    expected = expected_of(X, centers, labels, w)
    assert_allclose(found, expected, rtol=0, atol=1e-9 if backend.float64 else 1e-5)


def test_rows_at_centres(backend):
    rows = np.repeat(np.round(cloud(10, 2)), 5, axis=0)
    for centers in (rows[::5], rows[:10]):  # Equal ones among the second.
        found = simplified_silhouette(backend.asarray(rows), backend.asarray(centers))
        assert_allclose(found, expected_of(rows, centers), atol=1e-6)


def test_it_stays_when_the_data_moves(backend):
    backend.need("float64")
    rows, labels = blobs(300, 3, 4)
    centers = np.stack([rows[labels == j].mean(axis=0) for j in range(4)])
    near, far = (
        simplified_silhouette(backend.asarray(rows + by), backend.asarray(centers + by))
        for by in (0.0, 1e6)
    )
    assert near > 0.9
    assert_allclose(far, near, rtol=1e-9)


def test_rows_that_are_each_alone_count_as_nothing():
    assert simplified_silhouette(X[:9], X[:9]) == 0
    assert simplified_silhouette(X[:9], X[:9], sample_weight=np.full(9, 3.0)) == 0


def test_a_fits_centres_and_labels():
    rows, _ = blobs(300, 3, 4)
    values = [
        simplified_silhouette(rows, fit.centers, fit.labels)
        for fit in (kmeans(rows, k, rng=0) for k in (2, 3, 4, 5, 6))
    ]
    assert np.argmax(values) == 2


def test_bad_input():
    refuses(lambda: simplified_silhouette(X, X[:1]), "centers", "two")
    refuses(lambda: simplified_silhouette(X, X[:3], np.full(200, 3)), "labels", "0 to 2")
    refuses(lambda: simplified_silhouette(X, X[:3], np.zeros(200)), "labels", "integer")
    refuses(lambda: simplified_silhouette(X, X[:3], np.zeros(199, int)), "labels", "199")
