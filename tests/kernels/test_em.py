"""Every EM kernel agrees with plain arithmetic, on every kind of mixture."""

from dataclasses import replace

import array_api_compat.numpy as xp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from kmeans_xp.algorithms.mixture.expectation import expectation_of
from kmeans_xp.algorithms.mixture.parameters import Mixture, factors_of
from kmeans_xp.kernels.choose.mixture import EM_ENGINES, find_em_engine
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.compiling import MIXTURE
from kmeans_xp.kernels.numpy import mixture as numpy_mixture
from kmeans_xp.kernels.shared.gaussians import KINDS, MATRICES, Components, monomial_count
from kmeans_xp.rows import open_rows
from tests.data import cloud

HOST = cloud(50, 3, seed=0) + 3.0
ORIGIN = np.array([3.0, 2.5, 3.5])


def mixture(kind, k=4, d=3):
    rng = np.random.default_rng(1)
    roots = rng.standard_normal((k, d, d))
    full = roots @ np.swapaxes(roots, 1, 2) + 0.5 * np.eye(d)
    covariances = {
        "full": full,
        "tied": full[0],
        "diag": full[:, 0, :] ** 2 + 0.1,
        "spherical": full[:, 0, 0],
        "shared": full[0, 0, 0],
    }[kind]
    weights = np.arange(1.0, k + 1) / np.arange(1.0, k + 1).sum()
    means = 3.0 + rng.standard_normal((k, d))
    factors = factors_of(covariances, kind)
    return Mixture(kind, weights, means, covariances, factors, ORIGIN, np.ones(d))


def matrices(m):
    k, d = m.means.shape
    if m.kind in MATRICES:
        return np.broadcast_to(m.covariances, (k, d, d))
    if m.kind == "diag":
        return np.stack([np.diag(c) for c in m.covariances])
    return np.broadcast_to(m.covariances, k)[:, None, None] * np.eye(d)


def log_densities(m, X):
    parts = zip(m.weights, m.means, matrices(m), strict=True)
    return np.stack([np.log(w) + multivariate_normal(c, s).logpdf(X) for w, c, s in parts])


def moments(m, shares, about):
    found = []
    for r, anchor in zip(shares, np.broadcast_to(about, m.means.shape), strict=True):
        x = HOST - anchor
        second = np.einsum("n,ni,nj->ij", r, x, x)
        i, j = np.triu_indices(3)
        second = {"diag": np.diag(second)}.get(m.kind, np.array([np.trace(second)]))
        if m.kind in MATRICES:
            second = np.einsum("n,ni,nj->ij", r, x, x)[i, j]
        found.append(np.concatenate([[r.sum()], r @ x, second]))
    return np.stack(found)


@pytest.mark.parametrize(("k", "p", "n"), [(1, 3, 5), (4, 9, 16), (10, 129, 1797), (16, 27, 100)])
def test_compiled_scores_are_the_product(k, p, n):
    pytest.importorskip("numba")
    assert compiling.prepare(np.float64, MIXTURE)
    rng = np.random.default_rng(p)
    coefficients, found = rng.standard_normal((k, p)), rng.standard_normal((p, n))
    parts = Components("diag", None, None, None, None, coefficients, np.dtype("float64"))
    expected = coefficients @ found
    shares, logs = numpy_mixture.expect_by_polynomial(found, parts)
    assert_allclose(logs, logsumexp(expected, axis=0), rtol=1e-12, atol=1e-12)
    assert_allclose(shares, np.exp(expected - logsumexp(expected, axis=0)), rtol=1e-10)
    # Any other layout is left to BLAS.
    again = numpy_mixture.expect_by_polynomial(np.asfortranarray(found), parts)[1]
    assert_allclose(again, logs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kernel", EM_ENGINES, ids=lambda kernel: kernel.name)
def test_shares_densities_and_moments(kernel, kind, backend):
    X = backend.asarray(HOST)
    rows = open_rows(X)
    if not kernel.runs_on(rows.xp):
        pytest.skip(f"{kernel.name} does not take {rows.xp.__name__}")
    m = mixture(kind)
    parts = expectation_of(rows, m, exact=kernel.exact).parts
    prepared = kernel.prepare(rows.take(range(50)), parts.origin, parts.kind)
    shares, logs = kernel.expect(prepared, parts)
    read = backend.to_numpy if backend.name != "dask" else np.asarray
    expected = log_densities(m, HOST)
    rtol = 1e-9 if backend.float64 else 1e-3
    assert_allclose(read(logs), logsumexp(expected, axis=0), rtol=rtol, atol=rtol)
    given = np.exp(expected - logsumexp(expected, axis=0))
    assert_allclose(read(shares), given, rtol=rtol, atol=rtol)
    found = read(kernel.moments(prepared, shares, parts))
    about = m.means if kernel.exact else ORIGIN
    expected = moments(m, given, about)
    assert found.shape == expected.shape == (4, monomial_count(m.apart().kind, 3))
    assert_allclose(found, expected, rtol=rtol, atol=100 * rtol)


@pytest.mark.parametrize("kernel", EM_ENGINES, ids=lambda kernel: kernel.name)
def test_one_variance_for_all_needs_no_squares_of_each(kernel, backend):
    if kernel.exact:
        pytest.skip("differences have their squares")
    X = backend.asarray(HOST.astype(np.float32))
    rows = open_rows(X)
    if not kernel.runs_on(rows.xp):
        pytest.skip(f"{kernel.name} does not take {rows.xp.__name__}")
    m = replace(mixture("shared"), spread=np.mean((HOST - ORIGIN) ** 2, axis=0))
    parts = expectation_of(rows, m, exact=False, each=False).parts
    prepared = kernel.prepare(rows.take(range(50)), parts.origin, parts.kind)
    shares, logs = kernel.expect(prepared, parts)
    read = backend.to_numpy if backend.name != "dask" else np.asarray
    expected = log_densities(m, HOST)
    assert_allclose(read(logs).mean(), logsumexp(expected, axis=0).mean(), rtol=1e-5)
    given = np.exp(expected - logsumexp(expected, axis=0))
    assert_allclose(read(shares), given, atol=1e-5)
    # The squares of all rows stand for what shares of rows would add up to.
    assert_allclose(read(shares).sum(axis=0), 1.0, rtol=1e-14 if backend.float64 else 1e-6)
    found = read(kernel.moments(prepared, shares, parts))
    assert found.shape == (4, monomial_count("shared", 3))
    assert_allclose(found, moments(m, given, ORIGIN)[:, :4], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_differences_are_taken_where_polynomials_would_cancel(kind):
    rows = open_rows(HOST)
    near = mixture(kind)
    assert not expectation_of(rows, near).kernel.exact
    factors = near.factors * 1e6
    far = Mixture(kind, near.weights, near.means, near.covariances, factors, ORIGIN, np.ones(3))
    assert expectation_of(rows, far).kernel.exact
    single = open_rows(HOST.astype(np.float32))
    assert not expectation_of(single, near).kernel.exact


def test_many_features_take_differences():
    X = cloud(20, 90)
    m = mixture("full", 2, 90)
    wide = Mixture(
        "full", m.weights, m.means, m.covariances, m.factors, X.mean(axis=0), np.ones(90)
    )
    assert expectation_of(open_rows(X), wide).kernel.exact


@pytest.mark.parametrize("exact", [True, False])
def test_tuned_rows_stand_above_portable_ones(exact):
    assert find_em_engine(xp, "full", 3, exact=exact).name.startswith("numpy")
    names = [kernel.name for kernel in EM_ENGINES]
    assert len(set(names)) == len(names)
