"""Many small fits at once: each has the labels, sums and potential of one by itself."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from kmeans_xp.arrays.precision import full_precision, quiet
from kmeans_xp.kernels.portable import batch
from tests.backends import Backend
from tests.kernels.problems import PROBLEMS, Problem, labels_of, squares_of, zero_weights

# Strides of centres that are no rows, so that fits differ.
SHIFTS = (0.0, 0.1)


def _skip_unless_served(backend: Backend) -> None:
    """Skip where no fits are made at once, and where errors are not those of float64."""
    if backend.name == "jax" or {"eager", "float64"} & set(backend.lacks):
        pytest.skip("several fits at once are for eager arrays, and compared in float64")


def _fits(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Two fits with rows and centres of their own, (2, n, d) and (2, k, d)."""
    X, C = problem.X.astype(np.float64), problem.centers.astype(np.float64)
    scale = X.std() or 1.0
    return np.stack([X, X[::-1]]), np.stack([C + shift * scale for shift in SHIFTS])


def _prepared(
    rows: np.ndarray, origins: np.ndarray, weights: np.ndarray | None, backend: Backend
) -> batch.BatchRows:
    given = None if weights is None else backend.asarray(weights)
    return batch.batch_rows(backend.asarray(rows), backend.asarray(origins), given)


@pytest.fixture(params=PROBLEMS)
def problem(request: pytest.FixtureRequest) -> Problem:
    return PROBLEMS[request.param]


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_every_fit_is_as_by_itself(
    problem: Problem, backend: Backend, shared: bool, weighted: bool
) -> None:
    _skip_unless_served(backend)
    rows, centers = _fits(problem)
    rows = rows[:1] if shared else rows
    n, d = rows.shape[1:]
    weights = zero_weights(n).astype(np.float64) if weighted else None
    origins = np.sort(rows, axis=1)[:, n // 2, :]
    prepared = _prepared(rows, origins, weights, backend)
    places = backend.asarray(centers)
    with full_precision(backend.xp), quiet():
        mask = batch.decided(batch.candidates(places, prepared), places, prepared)
        found = sum(map(backend.to_numpy, batch.totals_of(mask, prepared)))
        inertias = backend.to_numpy(batch.inertias(mask, places, prepared))
        potentials = backend.to_numpy(batch.potentials(places, prepared))
    mask = backend.to_numpy(mask)
    w = np.ones(n) if weights is None else weights
    for i, C in enumerate(centers):
        X, origin = rows[0 if shared else i], origins[0 if shared else i]
        squares = squares_of(X, C)
        labels = labels_of(squares, d)
        assert_array_equal(mask[i], labels == np.arange(len(C))[:, None])
        norm = np.linalg.norm(X - origin, axis=1) + np.linalg.norm(C - origin, axis=1)[:, None]
        shifted = np.column_stack([X - origin, np.ones(n)]) * w[:, None]
        expected = np.stack([shifted[labels == j].sum(axis=0) for j in range(len(C))])
        assert_allclose(found[i], expected, rtol=1e-9, atol=1e-11 * norm.max() * w.sum())
        assert_allclose(inertias[i], w @ squares[np.arange(n), labels], rtol=1e-9)
        # A lower bound, which rounding alone separates from the square.
        short = squares.T * w - potentials[i]
        assert (potentials[i] >= 0).all()
        assert (short >= -1e-13 * norm**2 * w).all()
        assert (short <= 1e-12 * norm**2 * w).all()


def test_a_row_at_a_centre_has_no_potential(backend: Backend) -> None:
    _skip_unless_served(backend)
    X = np.random.default_rng(0).normal(size=(1, 300, 7)) * 1e3 + 1e6
    prepared = _prepared(X, X[:, 0, :], None, backend)
    indices = backend.asarray(np.arange(300)[None, :])
    own = batch.potentials(batch.rows_at(prepared, indices), prepared)
    assert_array_equal(np.diagonal(backend.to_numpy(own)[0]), 0.0)
