"""Hypothesis strategies: small clustering problems with a given start."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from tests import reference


@dataclass(frozen=True)
class Problem:
    """Rows, a start and weights (or None), all float64 on the host."""

    X: np.ndarray
    start: np.ndarray
    weights: np.ndarray | None

    @property
    def k(self) -> int:
        return len(self.start)

    def solve(self, **options) -> reference.Lloyd:
        return reference.lloyd(self.X, self.start, self.weights, **options)


@st.composite
def problems(
    draw, *, kinds=("cloud", "lumps", "grid"), weights=("none", "real", "whole"), max_k=6
) -> Problem:
    """Clouds, lumps far apart, or a coarse grid full of ties and repeated rows."""
    kind = draw(st.sampled_from(kinds))
    n = draw(st.sampled_from([1, 2, 3, 7, 20, 41]))
    d = draw(st.integers(1, 4))
    k = draw(st.integers(1, min(max_k, n)))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    X = rng.standard_normal((n, d))
    if kind == "lumps":
        X = 0.1 * X + 50.0 * rng.integers(0, k, (n, 1))
    if kind == "grid":
        X = np.rint(X)
    weighted = draw(st.sampled_from(weights))
    w = {
        "none": None,
        "real": rng.uniform(0.1, 3.0, n),
        "whole": rng.integers(0, 4, n).astype(float),
    }[weighted]
    if weighted == "whole":
        w[rng.permutation(n)[:k]] = 2.0
    return Problem(X, X[rng.permutation(n)[:k]].copy(), w)


@st.composite
def partitions(draw, n: int) -> tuple[int, ...]:
    """A partition of n rows into blocks, some of them empty."""
    cuts = sorted(draw(st.lists(st.integers(0, n), max_size=5)))
    return tuple(np.diff([0, *cuts, n]).tolist())
