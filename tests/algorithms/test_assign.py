"""assign and inertia on their own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from kmeans_xp import assign, inertia
from tests import reference
from tests.data import cloud, some_rows


@given(
    n=st.sampled_from([1, 5, 64, 300]),
    d=st.sampled_from([1, 2, 3, 8, 33]),
    k=st.sampled_from([1, 2, 7, 64, 130]),
    seed=st.integers(0, 100),
    dtype=st.sampled_from(["float32", "float64"]),
)
@settings(max_examples=80)
def test_a_label_is_the_nearest_centre(n, d, k, seed, dtype):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)).astype(dtype)
    centers = rng.standard_normal((k, d)).astype(dtype)
    labels, d2 = assign(X, centers)
    assert labels.shape == d2.shape == (n,)
    assert labels.dtype == np.int32
    assert d2.dtype == dtype
    _, least = reference.nearest(X, centers)
    eps = float(np.finfo(dtype).eps)
    assert reference.regret(X, centers, labels) <= 8 * eps * np.max(least + 1)
    assert_allclose(d2, least, rtol=64 * eps, atol=64 * eps * d)
    assert np.all(d2 >= 0)


@pytest.mark.parametrize("k", [3, 40, 200])
@pytest.mark.parametrize("d", [1, 2, 30])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_reduced_precision_never_decides(k, d, offset):
    # Rows on the boundary of two clusters, give or take the last bit of a float32.
    centers = (cloud(k, d, seed=k) + offset).astype(np.float32)
    rng = np.random.default_rng(d)
    i, j = rng.integers(0, k, (2, 4000))
    X = ((centers[i].astype(float) + centers[j]) / 2).astype(np.float32)
    X += rng.integers(-1, 2, X.shape).astype(np.float32) * np.spacing(X)
    labels, _ = assign(X, centers)
    assert reference.regret(X, centers, labels) <= 1e-13 * d


def test_a_row_that_is_a_centre_has_distance_zero():
    X = cloud(100, 7, seed=1) + 1000.0
    labels, d2 = assign(X, X[:20])
    assert_array_equal(labels[:20], np.arange(20))
    assert_array_equal(d2[:20], 0.0)


def test_small_distances_are_not_lost_in_a_cancellation():
    X = np.array([[1e4, 1e4], [1e4 + 1e-5, 1e4]])
    _, d2 = assign(X, np.array([[1e4, 1e4], [-1e4, 0.0], [0.0, 3e4]]))
    assert_allclose(d2, [0.0, (X[1, 0] - 1e4) ** 2], rtol=1e-6)


@pytest.mark.parametrize("k", [6, 200])
def test_one_centre_far_away_does_not_spoil_the_others(k):
    X = cloud(500, 4, seed=2)
    near = some_rows(X, k)
    centers = np.concatenate([near, np.full((1, 4), 1e9)])
    labels, d2 = assign(X, centers)
    expected, least = reference.nearest(X, near)
    assert_array_equal(labels, expected)
    assert_allclose(d2, least, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("k", [6, 200])
def test_one_row_far_away_does_not_spoil_the_others(k):
    X = cloud(500, 4, seed=2)
    near = some_rows(X[78:], k)
    X[77] = 1e9
    labels, d2 = assign(X, near)
    expected, least = reference.nearest(X, near)
    assert_array_equal(np.delete(labels, 77), np.delete(expected, 77))
    assert_allclose(d2, least, rtol=1e-6, atol=1e-12)
    assert_allclose(inertia(X, near), np.sum(least), rtol=1e-12)


def test_the_centres_may_have_another_dtype_or_be_a_list():
    X = cloud(50, 2, seed=3)
    centers = some_rows(X, 3)
    expected = assign(X, centers)
    assert_array_equal(assign(X, centers.tolist())[0], expected[0])
    labels, d2 = assign(X.astype(np.float32), centers)
    assert d2.dtype == np.float32
    assert_array_equal(labels, expected[0])
    assert assign(X, centers.astype(np.float32))[1].dtype == np.float64


def test_inertia_is_a_float_and_right():
    X = cloud(80, 3, seed=4)
    centers = some_rows(X, 4)
    labels = np.random.default_rng(0).integers(0, 4, 80)
    w = np.random.default_rng(1).uniform(0, 2, 80)
    for value, expected in [
        (inertia(X, centers), np.sum(reference.nearest(X, centers)[1])),
        (inertia(X, centers, labels), reference.cost(X, centers, labels)),
        (inertia(X, centers, labels, sample_weight=w), reference.cost(X, centers, labels, w)),
        (
            inertia(X, centers, sample_weight=w),
            reference.cost(X, centers, reference.nearest(X, centers)[0], w),
        ),
    ]:
        assert type(value) is float
        assert_allclose(value, expected, rtol=1e-13)


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint8", "uint64"])
def test_labels_of_any_integer_dtype(dtype):
    X = cloud(20, 2, seed=5)
    labels = np.arange(20) % 3
    expected = inertia(X, X[:3], labels)
    assert inertia(X, X[:3], labels.astype(dtype)) == expected
    assert inertia(X, X[:3], labels.tolist()) == expected


def test_float32_inertia_is_summed_in_float64():
    # Half a million equal terms: a float32 sum of them is off in its fourth digit or worse.
    X = np.full((500_000, 1), 0.1, dtype=np.float32)
    value = inertia(X, np.zeros((1, 1), dtype=np.float32))
    assert_allclose(value, 500_000 * float(np.float32(0.1)) ** 2, rtol=1e-12)


def test_labels_need_not_name_every_centre():
    X = cloud(10, 2)
    assert_allclose(inertia(X, X[:4], np.zeros(10, dtype=int)), np.sum((X - X[0]) ** 2), rtol=1e-13)
