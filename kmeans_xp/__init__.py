"""The k-means family, exact and fast, on NumPy, CuPy and every array-API backend."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Where each public name lives. Names are imported on first use (PEP 562), so that
# ``import kmeans_xp`` stays as light as ``import numpy``. Classes have these names in pickles too,
# since they say ``__module__ = "kmeans_xp"``: where they live may change.
_HOME = {
    "BisectingKMeans": "estimators.bisecting",
    "BisectingKMeansResult": "algorithms.bisecting.fit",
    "ElbowResult": "selection.elbow",
    "GapResult": "selection.gap",
    "GaussianMixture": "estimators.mixture",
    "GaussianMixtureResult": "algorithms.mixture.fit",
    "KMeans": "estimators.kmeans",
    "KMeansResult": "algorithms.kmeans.fit",
    "Iteration": "algorithms.loop",
    "KSelection": "selection.result",
    "SelectionIteration": "selection.choose",
    "KMedoids": "estimators.medoids",
    "KMedoidsResult": "algorithms.medoids.fit",
    "MedoidIteration": "algorithms.medoids.fit",
    "MiniBatchKMeans": "estimators.minibatch",
    "MiniBatchKMeansResult": "algorithms.minibatch.fit",
    "MixtureIteration": "algorithms.mixture.em",
    "SoftKMeans": "estimators.soft",
    "SoftKMeansResult": "algorithms.mixture.soft",
    "SpectralClustering": "estimators.spectral",
    "SpectralIteration": "algorithms.spectral.fit",
    "SpectralResult": "algorithms.spectral.fit",
    "assign": "algorithms.assign",
    "choose_k": "selection.choose",
    "compile": "kernels.compile",
    "bisecting_kmeans": "algorithms.bisecting.fit",
    "elbow": "selection.elbow",
    "calinski_harabasz_score": "metrics.dispersion",
    "davies_bouldin_score": "metrics.dispersion",
    "explain": "algorithms.kmeans.explain",
    "gap_statistic": "selection.gap",
    "gaussian_mixture": "algorithms.mixture.fit",
    "inertia": "metrics.inertia",
    "kmeans": "algorithms.kmeans.fit",
    "kmeans_plusplus": "algorithms.seeding.fit",
    "kmedoids": "algorithms.medoids.fit",
    "medoid_silhouette": "algorithms.medoids.assign",
    "minibatch_kmeans": "algorithms.minibatch.fit",
    "nearest_neighbors": "algorithms.neighbors",
    "representatives": "algorithms.representatives",
    "silhouette_samples": "metrics.silhouette",
    "silhouette_score": "metrics.silhouette",
    "simplified_silhouette": "metrics.simplified",
    "soft_kmeans": "algorithms.mixture.soft",
    "spectral_clustering": "algorithms.spectral.fit",
    # Not public, but part of what pickles hold.
    "Profile": "selection.result",
    "Means": "algorithms.minibatch.running_means",
    "Mixture": "algorithms.mixture.parameters",
    "Tree": "algorithms.bisecting.tree",
}

__all__ = [
    "BisectingKMeans",
    "BisectingKMeansResult",
    "ElbowResult",
    "GapResult",
    "GaussianMixture",
    "GaussianMixtureResult",
    "Iteration",
    "KMeans",
    "KMeansResult",
    "KMedoids",
    "KMedoidsResult",
    "KSelection",
    "MedoidIteration",
    "MiniBatchKMeans",
    "MiniBatchKMeansResult",
    "MixtureIteration",
    "SelectionIteration",
    "SoftKMeans",
    "SoftKMeansResult",
    "SpectralClustering",
    "SpectralIteration",
    "SpectralResult",
    "__version__",
    "assign",
    "bisecting_kmeans",
    "calinski_harabasz_score",
    "choose_k",
    "compile",
    "davies_bouldin_score",
    "elbow",
    "explain",
    "gap_statistic",
    "gaussian_mixture",
    "inertia",
    "kmeans",
    "kmeans_plusplus",
    "kmedoids",
    "medoid_silhouette",
    "minibatch_kmeans",
    "nearest_neighbors",
    "representatives",
    "silhouette_samples",
    "silhouette_score",
    "simplified_silhouette",
    "soft_kmeans",
    "spectral_clustering",
]

if TYPE_CHECKING:
    from kmeans_xp.algorithms.assign import assign
    from kmeans_xp.algorithms.bisecting.fit import BisectingKMeansResult, bisecting_kmeans
    from kmeans_xp.algorithms.kmeans.explain import explain
    from kmeans_xp.algorithms.kmeans.fit import KMeansResult, kmeans
    from kmeans_xp.algorithms.loop import Iteration
    from kmeans_xp.algorithms.medoids.assign import medoid_silhouette
    from kmeans_xp.algorithms.medoids.fit import KMedoidsResult, MedoidIteration, kmedoids
    from kmeans_xp.algorithms.minibatch.fit import MiniBatchKMeansResult, minibatch_kmeans
    from kmeans_xp.algorithms.mixture.em import MixtureIteration
    from kmeans_xp.algorithms.mixture.fit import GaussianMixtureResult, gaussian_mixture
    from kmeans_xp.algorithms.mixture.soft import SoftKMeansResult, soft_kmeans
    from kmeans_xp.algorithms.neighbors import nearest_neighbors
    from kmeans_xp.algorithms.representatives import representatives
    from kmeans_xp.algorithms.seeding.fit import kmeans_plusplus
    from kmeans_xp.algorithms.spectral.fit import (
        SpectralIteration,
        SpectralResult,
        spectral_clustering,
    )
    from kmeans_xp.estimators.bisecting import BisectingKMeans
    from kmeans_xp.estimators.kmeans import KMeans
    from kmeans_xp.estimators.medoids import KMedoids
    from kmeans_xp.estimators.minibatch import MiniBatchKMeans
    from kmeans_xp.estimators.mixture import GaussianMixture
    from kmeans_xp.estimators.soft import SoftKMeans
    from kmeans_xp.estimators.spectral import SpectralClustering
    from kmeans_xp.kernels.compile import compile  # noqa: A004
    from kmeans_xp.metrics.dispersion import calinski_harabasz_score, davies_bouldin_score
    from kmeans_xp.metrics.inertia import inertia
    from kmeans_xp.metrics.silhouette import silhouette_samples, silhouette_score
    from kmeans_xp.metrics.simplified import simplified_silhouette
    from kmeans_xp.selection.choose import SelectionIteration, choose_k
    from kmeans_xp.selection.elbow import ElbowResult, elbow
    from kmeans_xp.selection.gap import GapResult, gap_statistic
    from kmeans_xp.selection.result import KSelection

if not TYPE_CHECKING:  # A type checker is to refuse names that do not exist.

    def __getattr__(name: str) -> Any:
        if name not in _HOME:
            raise AttributeError(f"module 'kmeans_xp' has no attribute {name!r}")
        value = getattr(import_module(f"kmeans_xp.{_HOME[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return __all__
