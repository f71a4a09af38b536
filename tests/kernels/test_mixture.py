"""Gaussian mixtures: every engine finds the shares, densities and moments of plain arithmetic."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from kmeans_xp.algorithms.mixture.expectation import expectation_of
from kmeans_xp.algorithms.mixture.parameters import Mixture, factors_of
from kmeans_xp.kernels.interface import Engine, ExpectationMaximization
from kmeans_xp.kernels.shared.gaussians import KINDS, MATRICES, monomial_count
from kmeans_xp.rows import open_rows
from tests.backends import Backend
from tests.data import cloud
from tests.kernels.problems import LAYOUTS

HOST = cloud(50, 3, seed=0) + 3.0
ORIGIN = np.array([3.0, 2.5, 3.5])


def mixture(kind: str, k: int = 4, d: int = 3, origin: np.ndarray = ORIGIN) -> Mixture:
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
    return Mixture(kind, weights, means, covariances, factors, origin, np.ones(d))


def _matrices(m: Mixture) -> np.ndarray:
    k, d = m.means.shape
    if m.kind in MATRICES:
        return np.broadcast_to(m.covariances, (k, d, d))
    if m.kind == "diag":
        return np.stack([np.diag(c) for c in m.covariances])
    return np.broadcast_to(m.covariances, k)[:, None, None] * np.eye(d)


def _log_densities(m: Mixture) -> np.ndarray:
    parts = zip(m.weights, m.means, _matrices(m), strict=True)
    return np.stack([np.log(w) + multivariate_normal(c, s).logpdf(HOST) for w, c, s in parts])


def _moments(m: Mixture, shares: np.ndarray, about: np.ndarray) -> np.ndarray:
    found, (i, j) = [], np.triu_indices(3)
    for r, anchor in zip(shares, np.broadcast_to(about, m.means.shape), strict=True):
        x = HOST - anchor
        second = np.einsum("n,ni,nj->ij", r, x, x)
        traced = {"diag": np.diag(second)}.get(m.kind, np.array([np.trace(second)]))
        found.append(
            np.concatenate([[r.sum()], r @ x, second[i, j] if m.kind in MATRICES else traced])
        )
    return np.stack(found)


def _of(engine: Engine, exact: bool) -> ExpectationMaximization:
    return engine.difference if exact else engine.polynomial


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("exact", [False, True], ids=["polynomial", "difference"])
def test_shares_densities_and_moments(
    engine: Engine, backend: Backend, kind: str, exact: bool
) -> None:
    em, rows, m = _of(engine, exact), open_rows(backend.asarray(HOST)), mixture(kind)
    parts = expectation_of(rows, m, exact=exact).parts
    prepared = em.prepare(rows.take(range(50)), parts.origin, parts.kind)
    shares, logs = em.expect(prepared, parts)
    expected = _log_densities(m)
    rtol = 1e-9 if backend.float64 else 1e-3
    assert_allclose(backend.to_numpy(logs), logsumexp(expected, axis=0), rtol=rtol, atol=rtol)
    given = np.exp(expected - logsumexp(expected, axis=0))
    assert_allclose(backend.to_numpy(shares), given, rtol=rtol, atol=rtol)
    found = backend.to_numpy(em.moments(prepared, shares, parts))
    expected = _moments(m, given, m.means if exact else ORIGIN)
    assert found.shape == expected.shape == (4, monomial_count(m.apart().kind, 3))
    assert_allclose(found, expected, rtol=rtol, atol=100 * rtol)
    assert em.exact == exact
    assert em.block_rows(4, monomial_count(kind, 3), 3) >= 64


def test_one_variance_for_all_needs_no_squares_of_each(engine: Engine, backend: Backend) -> None:
    em, rows = engine.polynomial, open_rows(backend.asarray(HOST.astype(np.float32)))
    m = replace(mixture("shared"), spread=np.mean((HOST - ORIGIN) ** 2, axis=0))
    parts = expectation_of(rows, m, exact=False, each=False).parts
    prepared = em.prepare(rows.take(range(50)), parts.origin, parts.kind)
    shares, logs = em.expect(prepared, parts)
    expected = _log_densities(m)
    assert_allclose(backend.to_numpy(logs).mean(), logsumexp(expected, axis=0).mean(), rtol=1e-5)
    given = np.exp(expected - logsumexp(expected, axis=0))
    assert_allclose(backend.to_numpy(shares), given, atol=1e-5)
    # The squares of all rows stand for what shares of rows would add up to.
    sums = backend.to_numpy(shares).sum(axis=0)
    assert_allclose(sums, 1.0, rtol=1e-14 if backend.float64 else 1e-6)
    found = backend.to_numpy(em.moments(prepared, shares, parts))
    assert found.shape == (4, monomial_count("shared", 3))
    assert_allclose(found, _moments(m, given, ORIGIN)[:, :4], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", KINDS)
def test_rows_may_lie_in_any_way(engine: Engine, kind: str, layout: str) -> None:
    for exact in (False, True):
        em, m = _of(engine, exact), mixture(kind)
        parts = expectation_of(open_rows(HOST), m, exact=exact).parts
        prepared = em.prepare(LAYOUTS[layout](HOST), parts.origin, parts.kind)
        shares, _ = em.expect(prepared, parts)
        expected = _log_densities(m)
        assert_allclose(shares, np.exp(expected - logsumexp(expected, axis=0)), rtol=1e-9)
