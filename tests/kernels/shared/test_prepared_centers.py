"""The matrix product shortlists and never decides: its bounds hold."""

from fractions import Fraction

import numpy as np
import pytest

from kmeans_xp.kernels.shared.prepared_centers import PreparedCenters, prepare


def _exact_score(x: np.ndarray, c: np.ndarray, o: np.ndarray) -> Fraction:
    rows = [[Fraction(float(v)) for v in row] for row in (x, c, o)]
    shifted = [[v - w for v, w in zip(row, rows[2], strict=True)] for row in rows[:2]]
    half = sum((v * v for v in shifted[1]), Fraction(0)) / 2
    return half - sum((a * b for a, b in zip(*shifted, strict=True)), Fraction(0))


def _bounds(X: np.ndarray, prepared: PreparedCenters) -> tuple[np.ndarray, np.ndarray]:
    shifted = X - prepared.origin
    norms = np.sqrt((shifted * shifted).sum(axis=1))
    rows = np.column_stack([shifted, norms, np.ones_like(norms)])
    lower = rows @ prepared.columns.T
    return lower, lower + norms[:, None] * prepared.slack[:, 0] + prepared.slack[:, 1]


@pytest.mark.parametrize("d", [1, 2, 7, 60])
@pytest.mark.parametrize("scale", [1.0, 1e-17, 1e17, 1e-22])
@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_the_bounds_hold_in_exact_arithmetic(d: int, scale: float, offset: float) -> None:
    rng = np.random.default_rng(d)
    X = (scale * (rng.normal(size=(8, d)) + offset)).astype(np.float32)
    C = rng.normal(size=(5, d)) * 10.0 ** rng.integers(-3, 3, (5, 1))
    C = (scale * (C + offset)).astype(np.float32)
    prepared = prepare(C)
    lower, upper = _bounds(X, prepared)
    for i, x in enumerate(X):
        for j, c in enumerate(C):
            exact = _exact_score(x, c, prepared.origin)
            assert Fraction(float(lower[i, j])) <= exact <= Fraction(float(upper[i, j]))


def test_what_is_derived_is_made_once() -> None:
    prepared, made = prepare(np.eye(3)), []

    def derived(centers: PreparedCenters) -> int:
        made.append(centers)
        return len(made)

    assert prepared.derive(derived) == prepared.derive(derived) == 1
    assert made == [prepared]
