"""Data whose number of clusters is known, simulated and real, to try choices of k on.

The first five are those of Tibshirani, Walther & Hastie (2001, Estimating the number of clusters in
a data set via the gap statistic, section 5).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Host = NDArray[np.float64]

# Clusters of the sets with random centres lie at least so far apart, or they are drawn anew.
LEAST_DISTANCE = 1.0


@dataclass(frozen=True)
class Scenario:
    """A way to draw rows, and how many clusters they have."""

    name: str
    k: int
    draw: Callable[[np.random.Generator], Host]
    simulated: bool = True

    def rows(self, seed: int) -> Host:
        """The rows of a seed, other ones in each scenario; real ones are always the same."""
        return self.draw(np.random.default_rng([seed, *self.name.encode()]))


def null10(rng: np.random.Generator) -> Host:
    """200 rows, uniform in ten dimensions: one cluster."""
    return rng.uniform(size=(200, 10))


def three2d(rng: np.random.Generator) -> Host:
    """Three normal clusters of 25, 25 and 50 rows in the plane."""
    return _normal_clusters(rng, np.array([[0.0, 0], [0, 5], [5, -3]]), (25, 25, 50))


def four3d(rng: np.random.Generator) -> Host:
    """Four normal clusters of 25 or 50 rows in three dimensions, their centres of variance 5."""
    return _apart(rng, 3, 5.0)


def four10d(rng: np.random.Generator) -> Host:
    """Four normal clusters of 25 or 50 rows in ten dimensions, their centres of variance 1.9."""
    return _apart(rng, 10, 1.9)


def elongated(rng: np.random.Generator) -> Host:
    """Two clusters of 100 rows along parallel lines, ten units apart in each of three features."""
    line = np.repeat(np.linspace(-0.5, 0.5, 100)[:, None], 3, axis=1)
    lines = np.concatenate([line, line + 10])
    return lines + 0.1 * rng.standard_normal(lines.shape)


def normal5(rng: np.random.Generator) -> Host:
    """200 rows of one normal cluster in five dimensions."""
    return rng.standard_normal((200, 5))


def unequal(rng: np.random.Generator) -> Host:
    """A wide normal cluster of 300 rows beside two narrow ones of 40, in the plane."""
    wide = 1.5 * rng.standard_normal((300, 2))
    narrow = 0.6 * _normal_clusters(rng, np.array([[7.0, 0], [7, 4]]) / 0.6, (40, 40))
    return np.concatenate([wide, narrow])


def discs(rng: np.random.Generator) -> Host:
    """Four discs of 60 rows in the plane, each filled evenly."""
    centers = np.array([[0.0, 0], [6, 0], [3, 5], [9, 5]])
    radii = 1.6 * np.sqrt(rng.uniform(size=(4, 60)))
    angles = rng.uniform(0, 2 * np.pi, size=(4, 60))
    circles = np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=-1)
    return (centers[:, None] + circles).reshape(-1, 2)


def heavy_tails(rng: np.random.Generator) -> Host:
    """Three clusters of 70 rows in three dimensions, each feature of Student's t with 3 degrees."""
    centers = np.array([[0.0, 0, 0], [14, 0, 0], [0, 14, 0]])
    return np.repeat(centers, 70, axis=0) + rng.standard_t(3, size=(210, 3))


def wine(_rng: np.random.Generator) -> Host:
    """Chemical analyses of 178 wines of three growers, standardised for their different units."""
    from sklearn.datasets import load_wine

    rows = load_wine().data
    return (rows - rows.mean(axis=0)) / rows.std(axis=0)


def iris(_rng: np.random.Generator) -> Host:
    """Sepals and petals of 150 irises in centimetres: of three species, two clusters."""
    from sklearn.datasets import load_iris

    return np.asarray(load_iris().data, dtype=np.float64)


def _normal_clusters(rng: np.random.Generator, centers: Host, sizes: Sequence[int]) -> Host:
    """Rows of unit variance about each centre."""
    rows = np.repeat(centers, sizes, axis=0)
    return rows + rng.standard_normal(rows.shape)


def _apart(rng: np.random.Generator, d: int, variance: float) -> Host:
    """Four normal clusters about random centres, drawn anew until they lie apart."""
    while True:
        sizes = rng.choice([25, 50], size=4)
        centers = np.sqrt(variance) * rng.standard_normal((4, d))
        rows = _normal_clusters(rng, centers, sizes)
        if distance_between(np.split(rows, np.cumsum(sizes)[:-1])) >= LEAST_DISTANCE:
            return rows


def distance_between(clusters: Sequence[Host]) -> float:
    """The least distance between rows of different clusters."""
    return min(
        float(np.linalg.norm(a[:, None] - b[None], axis=-1).min())
        for a, b in combinations(clusters, 2)
    )


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("null10", 1, null10),
        Scenario("three2d", 3, three2d),
        Scenario("four3d", 4, four3d),
        Scenario("four10d", 4, four10d),
        Scenario("elongated", 2, elongated),
        Scenario("normal5", 1, normal5),
        Scenario("unequal", 3, unequal),
        Scenario("discs", 4, discs),
        Scenario("heavy_tails", 3, heavy_tails),
        Scenario("wine", 3, wine, simulated=False),
        Scenario("iris", 2, iris, simulated=False),
    )
}
