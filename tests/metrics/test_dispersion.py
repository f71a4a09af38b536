"""Calinski-Harabasz and Davies-Bouldin: scikit-learn's values, wherever the rows lie and live."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist
from sklearn import metrics

from kmeans_xp import calinski_harabasz_score, davies_bouldin_score
from tests.data import cloud
from tests.metrics.clusterings import CLUSTERINGS
from tests.test_refusals import refuses

X, LABELS = CLUSTERINGS["a cloud"]

each_score = pytest.mark.parametrize("score", [calinski_harabasz_score, davies_bouldin_score])


def theirs(score, rows, labels):
    """scikit-learn's value; of Davies-Bouldin what it would be by differences of rows.

    Its distance of a row to itself may be 1e-8.
    """
    value = getattr(metrics, score.__name__)(rows, labels)
    if score is calinski_harabasz_score:
        return value
    parts = [rows[labels == label] for label in np.unique(labels)]
    means = np.stack([part.mean(axis=0) for part in parts])
    pairs = zip(parts, means, strict=True)
    spreads = np.array([cdist(part, mean[None]).mean() for part, mean in pairs])
    apart = cdist(means, means)
    apart[apart == 0] = np.inf
    exact = ((spreads[:, None] + spreads) / apart).max(axis=1).mean()
    assert_allclose(value, exact, rtol=1e-6, atol=1e-6)
    return exact


@each_score
@pytest.mark.parametrize("name", CLUSTERINGS)
def test_it_is_scikit_learns(backend, score, name):
    rows, labels = CLUSTERINGS[name]
    if not backend.float64:
        if name in ("tight pairs far apart", "an outlier", "far apart labels"):
            pytest.skip("float32 cannot tell these rows apart")
        rows = rows.astype(np.float32).astype(np.float64)
    expected = theirs(score, rows, labels)
    found = score(backend.asarray(rows), backend.asarray(labels))
    assert type(found) is float
    if name == "clusters of equal rows":  # There scikit-learn's is rounding, or its inverse.
        expected = 1.0 if score is calinski_harabasz_score else 0.0
    tolerance = {"rtol": 1e-9, "atol": 1e-12} if backend.float64 else {"rtol": 1e-4, "atol": 1e-6}
    assert_allclose(found, expected, **tolerance)


@each_score
def test_it_stays_when_the_data_moves(backend, score):
    backend.need("float64")
    rows = np.round(X, 3)
    near, far = (score(backend.asarray(rows + by), backend.asarray(LABELS)) for by in (0, 1e6))
    assert_allclose(far, near, rtol=1e-9)


@each_score
@pytest.mark.parametrize("factor", [2.0**-40, 2.0**40])
def test_it_stays_when_the_data_is_scaled(backend, score, factor):
    near, scaled = (score(backend.asarray(X * by), backend.asarray(LABELS)) for by in (1, factor))
    assert_allclose(scaled, near, rtol=1e-9 if backend.float64 else 1e-4)


@each_score
def test_it_stays_when_rows_and_labels_are_shuffled(backend, score):
    order, names = np.random.default_rng(1).permutation(300), np.array([4, -9, 77, 0, 3])
    found = score(backend.asarray(X), backend.asarray(LABELS))
    again = score(backend.asarray(X[order]), backend.asarray(names[LABELS[order]]))
    assert_allclose(again, found, rtol=1e-9 if backend.float64 else 1e-4)


@each_score
@pytest.mark.parametrize("name", ["a cloud", "singletons", "an uneven pair"])
def test_weights_are_copies(backend, score, name):
    rows, labels = CLUSTERINGS[name]
    w = np.random.default_rng(5).integers(0, 4, len(rows))
    found = score(backend.asarray(rows), backend.asarray(labels), sample_weight=backend.asarray(w))
    expected = theirs(score, np.repeat(rows, w, axis=0), np.repeat(labels, w))
    assert_allclose(found, expected, rtol=1e-9 if backend.float64 else 1e-4)


@each_score
def test_equal_weights(backend, score):
    rows, labels = backend.asarray(X), backend.asarray(LABELS)
    plain = score(rows, labels)
    assert score(rows, labels, sample_weight=backend.asarray(np.ones(300))) == plain
    threes = score(rows, labels, sample_weight=backend.asarray(np.full(300, 3)))
    expected = theirs(score, np.repeat(X, 3, axis=0), np.repeat(LABELS, 3))
    assert_allclose(threes, expected, rtol=1e-9 if backend.float64 else 1e-4)


def test_weights_that_are_parts_of_a_row():
    w = np.random.default_rng(5).uniform(0.1, 1, 300)
    plain = davies_bouldin_score(X, LABELS, sample_weight=w)
    scaled = davies_bouldin_score(X, LABELS, sample_weight=w / w.sum())
    assert_allclose(scaled, plain, rtol=1e-12)
    refuses(
        lambda: calinski_harabasz_score(X, LABELS, sample_weight=w / w.sum()),
        "sample_weight",
        "5 clusters",
    )


@each_score
def test_rows_without_weight_are_not_there(score):
    far = np.concatenate([X, np.full((20, 3), 1e9)])
    labels = np.concatenate([LABELS, np.full(20, 8)])
    w = np.concatenate([np.full(300, 2.0), np.zeros(20)])
    expected = theirs(score, np.repeat(X, 2, axis=0), np.repeat(LABELS, 2))
    assert_allclose(score(far, labels, sample_weight=w), expected, rtol=1e-9)


@each_score
def test_lists_float32_and_memory_maps(score, tmp_path):
    expected = theirs(score, X, LABELS)
    assert_allclose(score(X.tolist(), LABELS.tolist()), expected, rtol=1e-9)
    narrow = X.astype(np.float32)
    found = score(narrow, LABELS)
    assert_allclose(found, theirs(score, narrow.astype(float), LABELS), rtol=1e-9)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert_allclose(score(mapped, LABELS), expected, rtol=1e-9)


@each_score
def test_many_clusters(score):
    rows, labels = cloud(3000, 4), np.random.default_rng(0).permutation(np.arange(3000) % 1200)
    assert_allclose(score(rows, labels), theirs(score, rows, labels), rtol=1e-9)


@each_score
def test_numbers_of_clusters_that_have_no_score(backend, score):
    for labels in (np.full(300, 7), np.arange(300)):
        with pytest.raises(ValueError, match=r"labels.*2 to n_samples - 1"):
            score(backend.asarray(X), backend.asarray(labels))
        with pytest.raises(ValueError, match="Number of labels"):
            theirs(score, X, labels)
    w = (LABELS == 2).astype(float)
    refuses(lambda: score(X, LABELS, sample_weight=w), "labels", "got 1")


@each_score
def test_rows_out_of_range(score):
    for by in (1e200, 1e-200):
        refuses(lambda by=by: score(X * by, LABELS), "X", "range")


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6 / 3])
def test_clusters_of_equal_rows(backend, value):
    rows = np.repeat([[value, 0.7], [value + 1, 0.7], [value, 9.3]], 7, axis=0)
    given = backend.asarray(rows), backend.asarray(np.repeat([0, 1, 2], 7))
    assert calinski_harabasz_score(*given) == 1.0
    assert davies_bouldin_score(*given) == pytest.approx(0.0, abs=1e-5)
    same = backend.asarray(np.full((21, 2), value)), given[1]
    assert calinski_harabasz_score(*same) == 1.0
    assert davies_bouldin_score(*same) == 0.0
