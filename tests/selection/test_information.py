"""Information criteria of k-means against the densities they are made of."""

import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from kmeans_xp.selection.information import (
    kmeans_aic,
    kmeans_bic,
    kmeans_log_likelihood,
    parameter_count,
)


@pytest.fixture
def clustering():
    """Rows in three clusters, their labels and their inertia."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [10, 20, 7])
    X = 5.0 * labels[:, None] + rng.standard_normal((37, 4))
    centers = np.array([X[labels == j].mean(axis=0) for j in range(3)])
    return X, centers, labels, float(((X - centers[labels]) ** 2).sum())


def test_the_likelihood_is_that_of_its_gaussians(clustering):
    X, centers, labels, inertia = clustering
    sizes = np.bincount(labels)
    variance = inertia / (4 * (37 - 3))
    expected = sum(
        math.log(sizes[j] / 37) + multivariate_normal(centers[j], variance * np.eye(4)).logpdf(x)
        for x, j in zip(X, labels, strict=True)
    )
    assert kmeans_log_likelihood(inertia, sizes, 4) == pytest.approx(expected, rel=1e-12)


def test_criteria_add_their_penalty(clustering):
    *_, inertia = clustering
    sizes = (10, 20, 7)
    deviance = -2 * kmeans_log_likelihood(inertia, sizes, 4)
    assert parameter_count(3, 4) == 2 + 3 * 4 + 1
    assert kmeans_bic(inertia, sizes, 4) == pytest.approx(deviance + 15 * math.log(37))
    assert kmeans_aic(inertia, sizes, 4) == pytest.approx(deviance + 30)


def test_by_hand():
    """Two rows of one feature at -1 and 1: their variance is 2, for one is spent on the mean."""
    likelihood = -math.log(2 * math.pi * 2) - 1 / 2
    assert kmeans_log_likelihood(2.0, [2], 1) == pytest.approx(likelihood)
    assert kmeans_bic(2.0, [2], 1) == pytest.approx(-2 * likelihood + 2 * math.log(2))


def test_a_cluster_without_rows_has_no_share():
    assert math.isfinite(kmeans_bic(3.0, [5, 0, 5], 2))


@pytest.mark.parametrize(("inertia", "sizes"), [(0.0, [4, 4]), (1e-30, [1, 1, 1])])
def test_a_likelihood_without_bound_is_none(inertia, sizes):
    assert math.isnan(kmeans_bic(inertia, sizes, 3))
    assert math.isnan(kmeans_aic(inertia, sizes, 3))


@pytest.mark.parametrize(("name", "k"), [("null10", 1), ("three2d", 3), ("four10d", 4)])
def test_spherical_clusters_are_counted(name, k):
    from benchmarks.scenarios import SCENARIOS
    from kmeans_xp import kmeans

    X = SCENARIOS[name].rows(1)
    fits = {count: kmeans(X, count, n_init=5, rng=0) for count in range(1, 8)}
    bics = {count: kmeans_bic(fit.inertia, fit.sizes, X.shape[1]) for count, fit in fits.items()}
    assert min(bics, key=bics.__getitem__) == k
