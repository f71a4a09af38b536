"""The scikit-learn estimator of spectral clustering."""

from typing import Any, Literal, Self

from sklearn.base import ClusterMixin
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if

from kmeans_xp.algorithms.spectral.affinities import Affinity
from kmeans_xp.algorithms.spectral.fit import SolverName, SpectralCallback, spectral_clustering
from kmeans_xp.algorithms.spectral.landmarks import predict_by_landmarks
from kmeans_xp.arrays import Array
from kmeans_xp.arrays.sparse import to_host_matrix
from kmeans_xp.estimators.base import check_fits, warn_of_empty
from kmeans_xp.estimators.shell import Shell


def _has_landmarks(model: "SpectralClustering") -> bool:
    """Return whether rows that were not in the fit can be labelled."""
    return model.affinity == "landmarks"


class SpectralClustering(ClusterMixin, Shell):
    """Spectral clustering, of clusters of any shape.

    Parameters
    ----------
    n_clusters : int
        How many clusters, k, and eigenvectors.
    eigen_solver : {"auto", "dense", "chebyshev"} or None
        How eigenvectors are found; see `kmeans_xp.spectral_clustering`.
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState
        Where random draws come from.
    n_init : int
        How many starts of k-means in the embedding.
    gamma : float or "local"
        The scale of "rbf"; "local" gives each row its own.
    affinity : str or callable
        "rbf", as in scikit-learn, which takes n x n of memory; "nearest_neighbors", "landmarks",
        "precomputed", "precomputed_nearest_neighbors", or a function of two blocks of rows; see
        `kmeans_xp.spectral_clustering`, whose default is "nearest_neighbors".
    n_neighbors : int
        How many neighbours, or landmarks, a row is linked to; itself counts as a neighbour.
    eigen_tol : float or "auto"
        By which angle the span of the eigenvectors may be off, about; "auto" is 1e-8.
    n_landmarks : int
        How many landmarks, p; at most all rows.
    max_iter : int
        The most iterations of the solver.
    max_memory : int
        How many bytes the affinities between all rows may take, where they are computed.
    verbose : int
        If not 0, show the progress of the solver on standard error: a bar if rich is installed,
        else a line an iteration.
    algorithm : str
        "auto", or an engine by its name, such as "portable".
    callback : callable, optional
        Called with a `SpectralIteration` after each iteration of the solver; if it returns true,
        that ends there.

    Attributes
    ----------
    labels_ : array of shape (n,), int32
        The cluster of each row; with landmarks, equals ``predict(X)``.
    embedding_ : array of shape (n, k)
        What k-means clustered, where X lives, in its floating dtype.
    eigenvalues_ : array of shape (k,)
        The least of the normalised Laplacian, ascending.
    residual_ : float
        The largest norm of Laplacian times eigenvector less eigenvalue times eigenvector.
    n_iter_ : int
        Iterations of the eigensolver; 0 if connected components were eigenvectors enough.
    converged_ : bool
        Whether it reached `eigen_tol`.
    n_connected_components_ : int
        Of the graph; of landmarks, of theirs.
    affinity_matrix_ : array of shape (n, n), sparse matrix or None
        The affinities; None for landmarks, and where the library of X has no sparse matrices.
    landmarks_ : array of shape (p, d) or None
        Where X lives, in its floating dtype.
    landmark_embedding_ : array of shape (p, k) or None
        Of which embedded rows are averages, but for their lengths.
    embedding_centers_ : array of shape (k, k)
        The centres of the clusters in the embedding.
    kernel_ : str
        The engine that ran.
    n_features_in_ : int
        Number of features; of rows, where X holds affinities or distances.
    feature_names_in_ : array of shape (d,)
        Names of the features, where X is a data frame.

    Examples
    --------
    >>> import numpy as np
    >>> from kmeans_xp import SpectralClustering
    >>> X = np.array([[1.0, 1.0], [2.0, 1.0], [1.0, 0.0], [4.0, 7.0], [3.0, 5.0], [3.0, 6.0]])
    >>> labels = SpectralClustering(n_clusters=2, random_state=0).fit_predict(X)
    >>> bool((labels[:3] == labels[0]).all() and (labels[3:] != labels[0]).all())
    True
    """

    __module__ = "kmeans_xp"  # Pickles outlive moves.
    CENTERS = "embedding_centers_"

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        eigen_solver: SolverName | None = None,
        random_state: Any = None,
        n_init: int = 10,
        gamma: float | Literal["local"] = 1.0,
        affinity: Affinity = "rbf",
        n_neighbors: int = 10,
        eigen_tol: float | Literal["auto"] = "auto",
        n_landmarks: int = 1000,
        max_iter: int = 100,
        max_memory: int = 2**31,
        verbose: int = 0,
        algorithm: str = "auto",
        callback: SpectralCallback | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.eigen_solver = eigen_solver
        self.random_state = random_state
        self.n_init = n_init
        self.gamma = gamma
        self.affinity = affinity
        self.n_neighbors = n_neighbors
        self.eigen_tol = eigen_tol
        self.n_landmarks = n_landmarks
        self.max_iter = max_iter
        self.max_memory = max_memory
        self.verbose = verbose
        self.algorithm = algorithm
        self.callback = callback

    def fit(self, X: Array, y: None = None) -> Self:  # type: ignore[override]
        """Fit to the rows of `X`, or to the affinities or distances between them.

        Parameters
        ----------
        X : array of shape (n, d); of shape (n, n), or a sparse matrix, if `affinity` says so
        y : None
            Not used; here for scikit-learn's pipelines.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            As `kmeans_xp.spectral_clustering`. A model that was fitted before stays as it was.
        """
        return super().fit(X)

    def fit_predict(self, X: Array, y: None = None) -> Array:
        """Fit, and return the cluster of each row, (n,) int32, where `X` lives."""
        return self.fit(X, y).labels_

    def _fit(self, X: Array, sample_weight: None) -> None:
        result = self._run(spectral_clustering, X, sample_weight, end=self.max_iter)
        self._remember(X)
        self.labels_ = result.labels
        self.embedding_ = result.embedding
        self.eigenvalues_ = result.eigenvalues
        self.residual_ = result.residual
        self.n_iter_ = result.n_iter
        self.converged_ = result.converged
        self.n_connected_components_ = result.n_connected_components
        self.affinity_matrix_ = result.affinity_matrix
        self.landmarks_ = result.landmarks
        self.landmark_embedding_ = result.landmark_embedding
        self.embedding_centers_ = result.centers
        self.kernel_ = result.kernel
        warn_of_empty(result.sizes, self.n_clusters)

    @available_if(_has_landmarks)  # type: ignore[untyped-decorator]
    def predict(self, X: Array) -> Array:
        """Return the cluster of each row, (n,) int32, where `X` lives; with landmarks only."""
        rows = self._open(X)
        landmarks = self._fitted("landmarks_", (None, rows.shape[1]))
        check_fits(rows, landmarks, "landmarks_")
        centers = self._fitted("embedding_centers_", (None, None))
        shape = (len(landmarks), centers.shape[1])
        embedding = self._fitted("landmark_embedding_", shape)
        return predict_by_landmarks(rows, landmarks, embedding, centers, self.n_neighbors)

    def __getstate__(self) -> dict[str, Any]:
        """Hold host arrays, and a sparse matrix as SciPy has it."""
        state = super().__getstate__()
        matrix = state.get("affinity_matrix_")
        return state if matrix is None else state | {"affinity_matrix_": to_host_matrix(matrix)}

    def __sklearn_tags__(self) -> Tags:
        """Tell scikit-learn what X may be."""
        tags = super().__sklearn_tags__()
        given = isinstance(self.affinity, str) and self.affinity.startswith("precomputed")
        tags.input_tags.pairwise = given
        tags.input_tags.sparse = given
        return tags
