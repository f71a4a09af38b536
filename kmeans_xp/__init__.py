"""The k-means family, exact and fast, on NumPy, CuPy and every array-API backend."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Where each public name lives. Names are imported on first use (PEP 562), so that
# ``import kmeans_xp`` stays as light as ``import numpy``.
_HOME = {
    "KMeans": "estimators.kmeans",
    "KMeansResult": "algorithms.kmeans",
    "Iteration": "algorithms.loop",
    "assign": "algorithms.assign",
    "inertia": "metrics.inertia",
    "kmeans": "algorithms.kmeans",
    "kmeans_plusplus": "algorithms.seeding",
}

__all__ = [
    "Iteration",
    "KMeans",
    "KMeansResult",
    "__version__",
    "assign",
    "inertia",
    "kmeans",
    "kmeans_plusplus",
]

if TYPE_CHECKING:
    from kmeans_xp.algorithms.assign import assign
    from kmeans_xp.algorithms.kmeans import KMeansResult, kmeans
    from kmeans_xp.algorithms.loop import Iteration
    from kmeans_xp.algorithms.seeding import kmeans_plusplus
    from kmeans_xp.estimators.kmeans import KMeans
    from kmeans_xp.metrics.inertia import inertia


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'kmeans_xp' has no attribute {name!r}")
    value = getattr(import_module(f"kmeans_xp.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
