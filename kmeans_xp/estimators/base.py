"""What the estimators share whose model is a set of centres."""

import warnings
from abc import abstractmethod

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags

from kmeans_xp.algorithms.assign import predict_labels, transform_distances
from kmeans_xp.algorithms.kmeans.fit import KMeansResult
from kmeans_xp.algorithms.representatives import representatives
from kmeans_xp.arrays import Array, to_host
from kmeans_xp.estimators.shell import Shell
from kmeans_xp.metrics.inertia import inertia
from kmeans_xp.rows import Rows


class Clusterer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, Shell):
    """Base of the estimators that label rows, and measure their distances to clusters."""

    labels_: Array

    def fit_predict(self, X: Array, y: None = None, sample_weight: Array | None = None) -> Array:
        """Fit, and return the cluster of each row, (n,) int32, where `X` lives."""
        return self.fit(X, y, sample_weight).labels_

    def fit_transform(self, X: Array, y: None = None, sample_weight: Array | None = None) -> Array:
        """Fit, and return the distance of each row to each centre, (n, k), where `X` lives."""
        return self.fit(X, y, sample_weight).transform(X)

    @abstractmethod
    def transform(self, X: Array) -> Array:
        """Return the distance of each row to each cluster, (n, k), where `X` lives."""

    @property
    def _n_features_out(self) -> int:
        return self._center_count()

    def __sklearn_tags__(self) -> Tags:
        """Tell scikit-learn that distances have the floating dtype of X."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class CenterEstimator(Clusterer):
    """Base of the estimators that assign a row to the nearest of `cluster_centers_`."""

    n_clusters: int
    cluster_centers_: Array

    def predict(self, X: Array) -> Array:
        """Return the index of the nearest centre of each row, (n,) int32, where `X` lives."""
        rows = self._open(X)
        return predict_labels(rows, self._beside(rows))

    def transform(self, X: Array) -> Array:
        """Return the distance of each row to each centre, (n, k), where `X` lives."""
        rows = self._open(X)
        return transform_distances(rows, self._beside(rows))

    def representatives(self, X: Array) -> Array:
        """Return the index of the row of `X` nearest to each centre, (k,), where `X` lives."""
        rows = self._open(X)
        return representatives(X, self._delivered(rows))

    def score(self, X: Array, y: None = None, sample_weight: Array | None = None) -> float:
        """Return minus the inertia of `X` about the fitted centres."""
        rows = self._open(X)
        return -inertia(X, self._delivered(rows), sample_weight=sample_weight)

    def _delivered(self, rows: Rows) -> Array:
        """Return the centres where the rows live."""
        return rows.deliver(rows.small(self._beside(rows), rows.dtype))

    def _beside(self, rows: Rows) -> np.ndarray:
        """Return the centres on the host; refuse those that the dtype of `rows` cannot hold."""
        centers = self._centers()
        check_fits(rows, centers, self.CENTERS)
        return centers

    def _take(self, X: Array, result: KMeansResult) -> None:
        """Become what `result` says; only now, so that a fit that fails changes nothing."""
        self._remember(X)
        self.cluster_centers_ = result.centers
        self.labels_ = result.labels
        self.inertia_ = result.inertia
        self.n_iter_ = result.n_iter
        self.converged_ = result.converged
        self.history_ = result.history
        self.kernel_ = result.kernel


def check_fits(rows: Rows, centers: np.ndarray, name: str) -> None:
    """Require finite centres, which go by `name`, to fit the dtype of `rows`."""
    info = rows.xp.finfo(rows.dtype)
    # Where it is wide enough, to look at them would take a tenth of a small prediction.
    if 8 * centers.dtype.itemsize <= info.bits:
        return
    most = float(info.max)
    if not float(np.abs(centers).max(initial=0.0)) <= most:
        raise ValueError(
            f"{name} must fit X's dtype {rows.dtype}, but holds values above {most:.3g}. Pass X as "
            "float64."
        )


def warn_of_empty(sizes: Array, n_clusters: int) -> None:
    """Warn if some of the clusters have no row."""
    found = int(np.count_nonzero(to_host(sizes)))
    if found < n_clusters:
        warnings.warn(
            f"Number of distinct clusters ({found}) found smaller than n_clusters "
            f"({n_clusters}). Possibly due to duplicate points in X.",
            ConvergenceWarning,
            stacklevel=4,
        )
