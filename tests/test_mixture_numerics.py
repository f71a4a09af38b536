"""Gaussian mixtures where precision is short: rounding, cancellation, narrow floats."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from kmeans_xp import gaussian_mixture
from kmeans_xp.algorithms import expectation
from kmeans_xp.algorithms.expectation import expectation_of
from kmeans_xp.algorithms.gaussian import EPS, CollapsedCovariance, Mixture, factors_of, maximize
from kmeans_xp.algorithms.moments import Moments
from kmeans_xp.algorithms.starts import blank
from kmeans_xp.rows import open_rows
from tests.data import blobs, cloud

KINDS = ["full", "tied", "diag", "spherical"]
each_kind = pytest.mark.parametrize("kind", KINDS)
WIDE = 40  # features, enough for matrices to be taken by differences in single precision


def nearly_equal_rows(kind: str, excess: float) -> tuple[Mixture, np.ndarray]:
    """Moments about zero of rows at (3, 5), whose squares are off by a part of themselves."""
    about = Moments(1.0, np.zeros(2), np.ones(2), np.zeros(2))
    start = blank(kind, np.zeros((1, 2)), about, 1.0)
    squares = {"full": [9, 15, 25], "tied": [9, 15, 25], "diag": [9, 25]}.get(kind, [34])
    diagonal = {"full": [1, 0, 1], "tied": [1, 0, 1]}.get(kind, 1)
    second = np.array(squares) * (1 + excess * np.array(diagonal))
    return start, np.concatenate([[1.0, 3.0, 5.0], second])[None]


@each_kind
def test_what_rounding_leaves_is_no_variance(kind):
    start, moments = nearly_equal_rows(kind, 8 * EPS)
    with pytest.raises(CollapsedCovariance):
        maximize(start, moments, np.zeros(2), 0.0)
    start, moments = nearly_equal_rows(kind, 1e-6)
    assert np.all(np.isfinite(maximize(start, moments, np.zeros(2), 0.0).factors))


@pytest.mark.parametrize("kind", ["diag", "spherical"])
def test_rounding_takes_nothing_from_the_regularisation(kind):
    start, moments = nearly_equal_rows(kind, -1e-12)
    assert_allclose(maximize(start, moments, np.zeros(2), 1e-14).covariances, 1e-14, rtol=1e-9)


def precisions(kind: str, k: int, d: int, value: float = 1.0) -> np.ndarray:
    shapes = {"full": np.tile(np.eye(d), (k, 1, 1)), "tied": np.eye(d), "diag": np.ones((k, d))}
    return value * shapes.get(kind, np.ones(k))


@each_kind
def test_a_collapse_by_cancellation_is_mended_by_differences(kind, monkeypatch):
    monkeypatch.setattr(expectation, "LOSS", np.inf)
    labels = np.arange(300) % 3
    noise = 1e-8 * cloud(300, 2)
    X = noise + 10.0 * labels[:, None]
    begin = {"means_init": X[:3], "weights_init": np.full(3, 1 / 3)}
    begin["precisions_init"] = precisions(kind, 3, 2)
    r = gaussian_mixture(X, 3, covariance_type=kind, reg_covar=0, max_iter=1, **begin)
    spread = np.mean([np.var(noise[labels == j], axis=0) for j in range(3)])
    found = np.diagonal(r.covariances, 0, -2, -1) if kind in ("full", "tied") else r.covariances
    assert_allclose(np.mean(found), spread, rtol=1e-4)


def begun(X, k, kind):
    """Parameters near the planted ones."""
    return {
        "covariance_type": kind,
        "means_init": X[:k],
        "weights_init": np.full(k, 1 / k, X.dtype),
        "precisions_init": precisions(kind, k, X.shape[1], 0.5).astype(X.dtype),
        "reg_covar": 1e-3,
        "max_iter": 8,
        "tol": 0,
    }


def narrow_rows(offset: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((900, WIDE)) + 2.0 * rng.standard_normal((3, WIDE))[np.arange(900) % 3]
    return (X + offset).astype(np.float32)


@each_kind
@pytest.mark.parametrize("offset", [0.0, 20_000.0])
def test_single_precision_suffices_for_many_features(kind, offset):
    X = narrow_rows(offset)
    exact = X.astype(np.float64) - offset
    ours = gaussian_mixture(X, 3, **begun(X, 3, kind))
    wide = gaussian_mixture(exact, 3, **begun(exact, 3, kind))
    assert_allclose(ours.covariances, wide.covariances, rtol=1e-4, atol=1e-4)
    assert_allclose(ours.means - offset, wide.means, rtol=1e-4, atol=4e-7 * offset + 1e-4)
    assert_allclose(ours.history[:2], wide.history[:2], rtol=1e-5)
    assert_allclose(ours.log_likelihood, wide.log_likelihood, rtol=1e-5)
    assert_allclose(ours.responsibilities, wide.responsibilities, atol=1e-3)


@each_kind
@pytest.mark.parametrize("weight", [1e-44, 1e37])
def test_weights_beyond_single_precision(kind, weight):
    X = narrow_rows()
    plain = gaussian_mixture(X, 3, **begun(X, 3, kind))
    ours = gaussian_mixture(X, 3, sample_weight=np.full(900, weight), **begun(X, 3, kind))
    assert_allclose(ours.covariances, plain.covariances, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["full", "tied"])
def test_single_precision_is_used_where_it_suffices(kind):
    X = narrow_rows()

    def is_single(rows, spread=1.0, scale=1.0):
        d = rows.shape[1]
        covariances = np.linalg.inv(precisions(kind, 2, d, scale))
        factors = factors_of(covariances, kind)
        means, origin = np.zeros((2, d)), np.zeros(d)
        mixture = Mixture(
            kind, np.full(2, 0.5), means, covariances, factors, origin, np.full(d, spread)
        )
        means = expectation_of(open_rows(rows), mixture).parts.means
        return means is not None and means.dtype == np.float32

    assert is_single(X)
    assert not is_single(X.astype(np.float64))
    assert not is_single(X[:, :5].copy())
    assert not is_single(X, scale=1e8)
    assert not is_single(X, spread=1e20, scale=1e-20)


@each_kind
def test_remembered_monomials_are_those_of_each_iteration(kind, tmp_path):
    """Those of a mapped file are made in each."""
    X = blobs(n=300, d=4, k=3)[0]
    np.save(tmp_path / "rows.npy", X)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    weights = np.linspace(0.5, 2, 300)
    for w in (None, weights):
        ours, theirs = (
            gaussian_mixture(rows, 3, covariance_type=kind, n_init=2, sample_weight=w, rng=0)
            for rows in (X, mapped)
        )
        assert_allclose(ours.covariances, theirs.covariances, rtol=1e-9)
        assert_allclose(ours.history, theirs.history, rtol=1e-12)


@pytest.mark.parametrize("kind", ["full", "diag"])
def test_a_collapse_by_narrow_floats_is_mended_by_wide_ones(kind):
    X, labels = blobs(n=400, d=WIDE, k=2)
    tiny = 1e-10 * cloud(400, WIDE)
    X = np.where(labels[:, None] == 0, tiny, X).astype(np.float32)
    begin = begun(X, 2, kind) | {"reg_covar": 0, "max_iter": 1}
    begin["means_init"] = np.stack([X[labels == j].mean(axis=0) for j in (0, 1)])
    r = gaussian_mixture(X, 2, **begin)
    found = np.diagonal(r.covariances[0]) if kind == "full" else r.covariances[0]
    assert_allclose(found, X[labels == 0].var(axis=0, dtype=np.float64), rtol=1e-3)
