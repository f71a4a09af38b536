"""Gaussian mixtures where precision is short: rounding, cancellation, narrow floats."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from kmeans_xp import GaussianMixture, SoftKMeans, gaussian_mixture, soft_kmeans
from kmeans_xp.algorithms.mixture import expectation as mixture_expectation
from kmeans_xp.algorithms.mixture.em_starts import GaussianStarts, Given, blank
from kmeans_xp.algorithms.mixture.expectation import expectation_of
from kmeans_xp.algorithms.mixture.parameters import (
    EPS,
    CollapsedCovariance,
    Mixture,
    factors_of,
    maximize,
)
from kmeans_xp.algorithms.moments import Moments, moments_of
from kmeans_xp.cli.family import job
from kmeans_xp.cli.rules import Likeliest
from kmeans_xp.kernels.choose.engine import find_engine
from kmeans_xp.kernels.shared.prepared_centers import Origin
from kmeans_xp.rows import open_rows
from tests.callers import LOOKING
from tests.data import blobs, cloud

KINDS = ["full", "tied", "diag", "spherical"]
each_kind = pytest.mark.parametrize("kind", KINDS)
WIDE = 40  # features, enough for matrices to be taken by differences in single precision


def nearly_equal_rows(kind: str, excess: float) -> tuple[Mixture, np.ndarray]:
    """Moments about zero of rows at (3, 5), whose squares are off by a part of themselves."""
    about = Moments(1.0, np.zeros(2), np.ones(2), Origin(np.zeros(2)), 2.0, 2.0)
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
    monkeypatch.setattr(mixture_expectation, "LOSS", np.inf)
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


def one_step(X, begin, kind, reg_covar):
    """The covariances after one iteration, by differences in long double."""
    X, k = X.astype(np.longdouble), len(begin["means_init"])
    P, means = begin["precisions_init"].astype(np.longdouble), begin["means_init"]
    ways = [X - mean.astype(np.longdouble) for mean in means]
    P = [P if kind == "tied" else P[j] for j in range(k)]
    if kind in ("full", "tied"):
        forms = [np.einsum("ni,ij,nj->n", way, p, way) for way, p in zip(ways, P, strict=True)]
    else:
        forms = [(way * way * p).sum(axis=1) for way, p in zip(ways, P, strict=True)]
    # All start alike, so that their constants cancel.
    shares = np.exp(-0.5 * (np.array(forms) - np.min(forms, axis=0)))
    shares /= shares.sum(axis=0)
    totals, found = shares.sum(axis=1), []
    for r, total in zip(shares, totals, strict=True):
        way = X - r @ X / total
        found.append((way * r[:, None]).T @ way / total)
    found = np.array(found)
    found = np.tensordot(totals / len(X), found, 1) if kind == "tied" else found
    variances = np.diagonal(found, axis1=-2, axis2=-1) + reg_covar
    return np.asarray(variances.mean(axis=-1) if kind == "spherical" else variances, float)


@each_kind
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("start", [0.9, 1.0])  # where the second component starts
@pytest.mark.parametrize("precision", [1e-5, 1.0])  # by polynomial, by difference
@pytest.mark.parametrize("far", [1e4, 1e6])
def test_a_component_that_lands_on_an_outlier(kind, dtype, start, precision, far):
    X = cloud(200, 30)
    X[7, 0] = far
    X = X.astype(dtype)
    means = np.zeros((2, 30), dtype)
    means[1, 0] = start * X[7, 0]
    begin = {"means_init": means, "weights_init": np.full(2, 0.5, dtype)}
    begin["precisions_init"] = precisions(kind, 2, 30, precision).astype(dtype)
    r = gaussian_mixture(X, 2, covariance_type=kind, max_iter=1, reg_covar=1e-6, **begin)
    found = r.covariances
    found = np.diagonal(found, 0, -2, -1) if kind in ("full", "tied") else found
    assert_allclose(found, one_step(X, begin, kind, 1e-6), rtol=1e-5)


@each_kind
def test_a_centre_far_from_the_mean_of_its_rows(kind):
    rows = np.concatenate([cloud(100, 2), 1e-3 * cloud(100, 2, seed=1) + 1e6])
    means = np.array([[0.0, 0.0], [1.5e6, 1.5e6]])
    opened, generator = open_rows(rows), np.random.default_rng(0)
    moments = moments_of(opened, None, find_engine(np))
    starts = GaussianStarts(opened, None, moments, 1e-6, rows, 2, kind, "k-means", generator)
    found = starts.one(Given(None, means, None, None)).variances
    expected = np.array([np.var(part, axis=0) for part in (rows[:100], rows[100:])])
    if kind == "tied":
        expected = expected.mean(axis=0)
    if kind == "spherical":
        expected = expected.mean(axis=1)
    assert_allclose(found, expected + 1e-6, rtol=1e-6)


def test_a_variance_that_all_clusters_share_and_an_outlier():
    X = np.concatenate([1e-4 * cloud(200, 3), [[1e6, 0, 0]]])
    begin = np.array([[0.0, 0, 0], [0.9e6, 0, 0]])
    r = soft_kmeans(X, 2, init=begin, max_iter=1, reg_covar=1e-9)
    assert_allclose(1 / r.stiffness, 200 / 201 * np.var(X[:200], axis=0).mean() + 1e-9, rtol=1e-6)


EXTREMES = {
    "float32": [1e-30, 1e-24, 1e-18, 1e18, 1e20, 1e37],
    "float64": [1e-160, 1e-147, 1e-145, 1e-24, 1e150, 1e152, 1e160],
}
FITS = {
    **{kind: partial(GaussianMixture, 2, covariance_type=kind) for kind in KINDS},
    "soft": partial(SoftKMeans, 2),
}


@pytest.mark.parametrize("name", FITS)
@pytest.mark.parametrize("reg_covar", [0.0, 1e-6])
@pytest.mark.parametrize(
    ("dtype", "scale"), [(dtype, scale) for dtype in EXTREMES for scale in EXTREMES[dtype]]
)
def test_whatever_is_delivered_is_finite_or_refused(name, reg_covar, dtype, scale):
    X = (cloud(100, 2) * scale).astype(dtype)
    model = FITS[name](reg_covar=reg_covar, random_state=0)
    options = {} if name == "soft" else {"covariance_type": name}
    fit = soft_kmeans if name == "soft" else gaussian_mixture
    try:
        model.fit(X)
    except ValueError as error:
        assert f"X must have a range that fits {dtype}" in str(error)  # noqa: PT017
        assert not hasattr(model, "n_features_in_")
        with pytest.raises(ValueError, match=f"range that fits {dtype}"):
            fit(X, 2, reg_covar=reg_covar, rng=0, **options)
        return
    result = fit(X, 2, reg_covar=reg_covar, rng=0, **options)
    held = {**vars(model), **vars(result)}
    said = [getattr(model, m)(X) for m in LOOKING if m in dir(model)]
    numbers = [v for v in held.values() if isinstance(v, float | tuple | np.ndarray)]
    for value in (*numbers, *said, model.score(X)):
        assert np.all(np.isfinite(value))
    for part in ("covariances_", "precisions_", "precisions_cholesky_"):
        if part in held:
            matrices = name in ("full", "tied")
            assert np.all((np.diagonal(held[part], 0, -2, -1) if matrices else held[part]) > 0)
    assert held.get("stiffness_", 1) > 0


def test_which_scales_are_refused():
    """With a regularisation nothing is too small; what fits is not refused."""
    for dtype, scale, reg_covar in [
        ("float32", 1e18, 0.0),
        ("float32", 1e-18, 0.0),
        ("float32", 1e-24, 1e-6),
        ("float64", 1e150, 0.0),
        ("float64", 1e-145, 0.0),
    ]:
        X = (cloud(100, 2) * scale).astype(dtype)
        for name in KINDS:
            gaussian_mixture(X, 2, reg_covar=reg_covar, covariance_type=name, rng=0)
    for scale, remedy in ((1e20, "Divide"), (1e-24, "Multiply")):
        with pytest.raises(ValueError, match=f"float32.*{remedy} X.*or pass X as float64"):
            gaussian_mixture((cloud(100, 2) * scale).astype(np.float32), 2, reg_covar=0, rng=0)


def test_the_command_line_keeps_a_finite_model():
    for scale in (1e20, 1e-24):
        X = (cloud(100, 2) * scale).astype(np.float32)
        for name in ("gmm", "soft"):
            found = job(name, 0, {"reg_covar": 0.0}).run(X, 2, None, None)
            stored = {n: np.asarray(v) for n, v in found.rule.stored().items()}
            again = Likeliest.restored(stored | {"fitted_centers": found.rule.centers})
            assert_array_equal(again.label(X)[0], found.labels)
            assert np.isfinite(found.objective)


@pytest.mark.parametrize("name", FITS)
def test_rows_of_which_the_density_overflows(name):
    model = FITS[name](random_state=0, reg_covar=1e-6).fit(cloud(100, 2) * 1e-10)
    far = np.array([[1e152, 0.0], [0.0, 1.0]])
    for method in [m for m in (*LOOKING, "score") if m in dir(model) and m != "transform"]:
        with pytest.raises(ValueError, match=r"its log-likelihood overflows\. Divide"):
            getattr(model, method)(far)
    narrow = np.array([[1e25, 0.0]], np.float32)
    assert model.predict(narrow).shape == (1,)
    assert np.isfinite(model.score(narrow))
    with pytest.raises(ValueError, match="fits float32, but its log-likelihood overflows"):
        model.score_samples(narrow)
