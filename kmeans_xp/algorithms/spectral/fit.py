"""Spectral clustering."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, cast, get_args

import numpy as np

from kmeans_xp.algorithms.kmeans.fit import KMeansResult, kmeans
from kmeans_xp.algorithms.loop import Report
from kmeans_xp.algorithms.moments import moments_of
from kmeans_xp.algorithms.neighbors import Search
from kmeans_xp.algorithms.spectral.affinities import (
    Affinity,
    AffinityName,
    check_square,
    dense_graph,
    function_graph,
    graph_of_distances,
    graph_of_sparse_distances,
    kernel_graph,
    neighbor_graph,
    sparse_graph,
)
from kmeans_xp.algorithms.spectral.embedding import Embedding, Solver, embed
from kmeans_xp.algorithms.spectral.graph import DenseGraph, Graph
from kmeans_xp.algorithms.spectral.landmarks import (
    Landmarks,
    average_step,
    find_landmarks,
    lifted,
    links_of,
)
from kmeans_xp.arrays import Array, device_of, namespace_of, to_like
from kmeans_xp.arrays.checks import (
    check_callback,
    check_choice,
    check_clusters,
    check_count,
    check_nonnegative,
)
from kmeans_xp.arrays.draws import as_generator
from kmeans_xp.arrays.namespace import is_sparse
from kmeans_xp.arrays.precision import full_precision, quiet
from kmeans_xp.arrays.record import Record
from kmeans_xp.kernels.choose.engine import find_engine
from kmeans_xp.kernels.interface import Engine
from kmeans_xp.rows.base import Kept, Rows
from kmeans_xp.rows.checks import check_rows
from kmeans_xp.rows.memory import MemoryRows
from kmeans_xp.rows.open import beside_x, open_rows

LANDMARKS = "landmarks"
AFFINITIES = get_args(AffinityName)
# scikit-learn's names of solvers that take a few eigenvectors alone stand for ours.
SolverName = Literal["auto", "dense", "chebyshev", "arpack", "lobpcg", "amg"]
SOLVERS: dict[SolverName, str] = {
    "auto": "auto",
    "dense": "dense",
    "chebyshev": "chebyshev",
    "arpack": "chebyshev",
    "lobpcg": "chebyshev",
    "amg": "chebyshev",
}
# Embedded rows, in all and for each cluster, that judge the starts of k-means where there are more.
JUDGES, JUDGES_EACH = 10_000, 100
# By how much the span of the eigenvectors may be off by default: no label depends on that.
TOLERANCE = 1e-8


@dataclass(frozen=True, eq=False, repr=False)
class SpectralResult(Record):
    """A clustering of the rows of a graph by its leading eigenvectors.

    Attributes
    ----------
    labels : array of shape (n,), int32
        Where X lives.
    embedding : array of shape (n, k)
        What k-means clustered, where X lives, in its floating dtype: row i has the entries of the
        eigenvectors of the normalised Laplacian divided by the square root of the row's degree;
        with landmarks, averages of theirs, of length one.
    eigenvalues : array of shape (k,)
        The least of the normalised Laplacian, ascending, in the widest float.
    residual : float
        The largest norm of Laplacian times eigenvector less eigenvalue times eigenvector, of
        eigenvectors of length one.
    n_iter : int
        Iterations of the eigensolver; 0 if connected components were eigenvectors enough.
    converged : bool
        Whether it reached `eigen_tol`.
    n_connected_components : int
        Of the graph; of landmarks, of theirs.
    inertia : float
        Of the embedding.
    centers : array of shape (k, k)
        Of the clusters in the embedding, in the widest float.
    sizes : array of shape (k,), int64
        How many rows each cluster has, where X lives.
    affinity_matrix : array of shape (n, n), sparse matrix or None
        The affinities: sparse, in the library of X, for neighbours; None for landmarks, and where
        that library has no sparse matrices.
    landmarks : array of shape (p, d) or None
        Where X lives, in its floating dtype.
    landmark_embedding : array of shape (p, k) or None
        In the widest float.
    kernel : str
        The engine that ran.
    """

    __module__ = "kmeans_xp"  # Pickles outlive moves.

    labels: Array
    embedding: Array
    eigenvalues: Array
    residual: float
    n_iter: int
    converged: bool
    n_connected_components: int
    inertia: float
    centers: Array
    sizes: Array
    affinity_matrix: Any
    landmarks: Array | None
    landmark_embedding: Array | None
    kernel: str


@dataclass(frozen=True, eq=False, repr=False)
class SpectralIteration(Record):
    """What the callback of spectral clustering is told after each iteration of the eigensolver.

    Attributes
    ----------
    run : int
        Always 1.
    number : int
        Which iteration, from 1.
    residual : float
        The largest norm of Laplacian times eigenvector less eigenvalue times eigenvector.
    """

    __module__ = "kmeans_xp"  # Pickles outlive moves.

    run: int
    number: int
    residual: float


SpectralCallback = Callable[[SpectralIteration], Any]


@beside_x
def spectral_clustering(
    X: Any,
    n_clusters: int,
    *,
    affinity: Affinity = "nearest_neighbors",
    n_neighbors: int = 10,
    gamma: float | Literal["local"] = 1.0,
    n_landmarks: int = 1000,
    n_init: int = 10,
    eigen_solver: SolverName | None = "auto",
    eigen_tol: float | Literal["auto"] = "auto",
    max_iter: int = 100,
    max_memory: int = 2**31,
    algorithm: str = "auto",
    rng: int | np.random.Generator | None = None,
    callback: SpectralCallback | None = None,
) -> SpectralResult:
    """Cluster rows by the eigenvectors of a graph that links those that are alike.

    So clusters may have any shape, as long as rows of one are linked to each other, over others of
    it, better than to the rest. k-means clusters the rows of the leading eigenvectors.

    Parameters
    ----------
    X : array of shape (n, d), or of shape (n, n) if it holds affinities or distances
        The rows: an array of any namespace, a memory map, a list; with landmarks also a Dask array.
        Or what `affinity` says, which may be a sparse matrix of SciPy's or CuPy's.
    n_clusters : int
        How many clusters, k, and eigenvectors.
    affinity : str or callable
        "nearest_neighbors" links each row to its nearest `n_neighbors` by 1/2, and by 1 where both
        are linked so. "rbf" links all rows by exp(-gamma * squared distance), which takes n x n of
        memory. "landmarks" links each row to the nearest `n_neighbors` of `n_landmarks` centres,
        and rows by way of these; time and memory grow with n. "precomputed": X holds affinities,
        symmetric and not negative. "precomputed_nearest_neighbors": X holds distances, of which
        the `n_neighbors` least of each row link it; a sparse one counts what it holds. A function
        gets two blocks of rows, (B, d) and (m, d), as arrays of X's library, and returns their
        affinities, (B, m).
    n_neighbors : int
        How many, of which a row is one itself, as in scikit-learn; of landmarks, how many.
    gamma : float or "local"
        The scale of "rbf". "local" has the product of two rows' distances to their 7th neighbours
        in the place of 1 / gamma, so that clusters may differ in density.
    n_landmarks : int
        How many landmarks, p; at most all rows.
    n_init : int
        How many starts of k-means in the embedding. Where there are more rows than 10,000 and 100
        for each cluster, so many, drawn at random, judge the starts, and all go on from the best.
    eigen_solver : {"auto", "dense", "chebyshev"} or None
        "dense" finds all eigenvectors of the graph, n x n; "chebyshev" filters a block of vectors
        by polynomials. "auto", or None, is the first for few rows. scikit-learn's "arpack",
        "lobpcg" and "amg" are other names of the second: any solver gives the same.
    eigen_tol : float or "auto"
        By which angle the span of the eigenvectors may be off, about; "auto" is 1e-8.
    max_iter : int
        The most iterations of the solver.
    max_memory : int
        How many bytes the affinities between all rows may take, where they are computed.
    algorithm : str
        "auto" takes the best engine; or an engine by its name, such as "portable".
    rng : None, int or numpy.random.Generator
        Where random draws come from, on the host.
    callback : callable, optional
        Called with a `SpectralIteration` after each iteration of the solver; if it returns true,
        that ends there.

    Returns
    -------
    SpectralResult
        With the fields `labels`, `embedding`, `eigenvalues`, `residual` and others.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind, or arrays live in different places.
    ValueError
        If an argument has the wrong shape or value, X holds NaN or infinity, affinities are
        negative, no rows are linked, or affinities between all rows take more than `max_memory`.

    Warns
    -----
    UserWarning
        If the graph has more connected components than clusters: the largest are the clusters then,
        and each of the others joins the nearest; where only affinities are known, the largest. Or
        if given affinities are not symmetric.

    References
    ----------
    J. Shi and J. Malik, "Normalized cuts and image segmentation", IEEE TPAMI 22, 2000.
    A. Y. Ng, M. I. Jordan and Y. Weiss, "On spectral clustering", NIPS 2001.
    L. Zelnik-Manor and P. Perona, "Self-tuning spectral clustering", NIPS 2004 ("local").
    Y. Zhou, Y. Saad, M. L. Tiago and J. R. Chelikowsky, "Self-consistent-field calculations using
    Chebyshev-filtered subspace iteration", J. Comput. Phys. 219, 2006 ("chebyshev").
    D. Cai and X. Chen, "Large scale spectral clustering via landmark-based sparse representation",
    IEEE Trans. Cybern. 45, 2015; D. Huang et al., "Ultra-scalable spectral clustering and
    ensemble clustering", IEEE TKDE 32, 2019 ("landmarks").

    Examples
    --------
    >>> import numpy as np
    >>> from kmeans_xp import spectral_clustering
    >>> angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    >>> ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    >>> X = np.concatenate([ring, 5 * ring])
    >>> labels = spectral_clustering(X, 2, n_neighbors=4, rng=0).labels
    >>> bool((labels[:60] == labels[0]).all() and (labels[60:] == labels[60]).all())
    True
    >>> bool(labels[0] != labels[60])
    True
    """
    _check_affinity(affinity)
    listed = is_sparse(X) and isinstance(affinity, str) and affinity.startswith("precomputed")
    rows = None if listed else open_rows(X)
    n = X.shape[0] if rows is None else rows.shape[0]
    k = check_clusters(n_clusters, n)
    options = Options(
        affinity,
        check_count(n_neighbors, "n_neighbors"),
        _check_gamma(gamma),
        min(n, check_count(n_landmarks, "n_landmarks")),
        check_count(n_init, "n_init"),
        check_count(max_memory, "max_memory"),
        algorithm,
    )
    check_callback(callback)
    generator = as_generator(rng)
    solver = Solver(
        _check_solver(eigen_solver),
        _check_tolerance(eigen_tol),
        check_count(max_iter, "max_iter"),
        int(generator.integers(2**31)),
        partial(_tell, callback=callback),
    )
    if rows is None:
        with quiet():
            placed = _place_by_sparse(X, k, options, solver)
            _warn_of_components(placed.found, k)
            return _clustered(placed, k, options, generator)
    with rows.together(), full_precision(rows.xp), quiet():
        if affinity == LANDMARKS:
            placed = _place_by_landmarks(rows, k, options, solver, generator)
        else:
            placed = _place(rows, k, options, solver)
        _warn_of_components(placed.found, k)
        return _clustered(placed, k, options, generator)


@dataclass(frozen=True)
class Options:
    """How affinities are made, and their embedding is clustered.

    Attributes
    ----------
    affinity : Affinity
    n_neighbors : int
    gamma : float or None
        None where each row has a scale of its own.
    n_landmarks : int
    n_init : int
    max_memory : int
    algorithm : str
    """

    affinity: Affinity
    n_neighbors: int
    gamma: float | None
    n_landmarks: int
    n_init: int
    max_memory: int
    algorithm: str


def _check_affinity(affinity: object) -> None:
    if not (callable(affinity) or (isinstance(affinity, str) and affinity in AFFINITIES)):
        raise ValueError(
            f"affinity must be one of {', '.join(map(repr, AFFINITIES))} or a function of two "
            f"blocks of rows, (B, d) and (m, d), that returns affinities, (B, m); got {affinity!r}."
        )


def _check_gamma(gamma: float | Literal["local"]) -> float | None:
    if isinstance(gamma, str):
        check_choice(gamma, "gamma", ("local",))
        return None
    return check_nonnegative(gamma, "gamma")


def _check_solver(eigen_solver: SolverName | None) -> str:
    """Return the name of the solver that runs, or "auto"."""
    if eigen_solver is None:
        return "auto"
    return SOLVERS[check_choice(eigen_solver, "eigen_solver", tuple(SOLVERS))]


def _check_tolerance(eigen_tol: float | Literal["auto"]) -> float:
    if isinstance(eigen_tol, str):
        check_choice(eigen_tol, "eigen_tol", ("auto",))
        return TOLERANCE
    return check_nonnegative(eigen_tol, "eigen_tol")


def _tell(number: int, _state: object, report: Report, *, callback: SpectralCallback | None) -> Any:
    return callback is not None and callback(SpectralIteration(1, number, report.shift))


def _as_it_is(array: Array) -> Array:
    return array


@dataclass(frozen=True)
class Placed:
    """All rows in the embedding, and how they came there.

    Attributes
    ----------
    rows : array of shape (n, k)
        In the widest float.
    found : Embedding
        Of the rows, or of the landmarks.
    dtype : dtype
        Of X.
    kernel : str
    affinity_matrix : array, sparse matrix or None
    landmarks : array of shape (p, d) or None
    landmark_embedding : array of shape (p, k) or None
    deliver : callable
        Returns small arrays of the embedding's library in that of X.
    """

    rows: Array
    found: Embedding
    dtype: Any
    kernel: str
    affinity_matrix: Any = None
    landmarks: Array | None = None
    landmark_embedding: Array | None = None
    deliver: Callable[[Array], Array] = _as_it_is


def _place(rows: Rows, k: int, options: Options, solver: Solver) -> Placed:
    """Place rows by affinities between all of them, or between neighbours."""
    if not isinstance(rows, MemoryRows):
        raise TypeError(
            f"X must be an array in memory or a memory map for affinity={options.affinity!r}, got "
            f"a {rows.place}. Take affinity='landmarks', or compute it first."
        )
    engine = find_engine(rows.xp, options.algorithm, device=rows.device)
    graph = _graph(rows, options, engine)
    alike = isinstance(options.affinity, str) and options.affinity.startswith("precomputed")
    nearest = None if alike else partial(_nearest_kept, rows=rows)
    found = embed(graph, k, solver, nearest)
    return Placed(found.coordinates, found, rows.dtype, engine.name, graph.native)


def _place_by_sparse(X: Any, k: int, options: Options, solver: Solver) -> Placed:
    """Place rows by a sparse matrix of affinities or distances."""
    if options.affinity == "precomputed":
        graph = sparse_graph(X)
    else:
        graph = graph_of_sparse_distances(X, options.n_neighbors)
    xp = namespace_of(graph.values)
    engine = find_engine(xp, options.algorithm, device=device_of(graph.values))
    dtype = xp.float32 if X.dtype == np.float32 else xp.float64
    found = embed(graph, k, solver, None)
    return Placed(found.coordinates, found, dtype, engine.name, graph.native)


def _place_by_landmarks(
    rows: Rows, k: int, options: Options, solver: Solver, generator: np.random.Generator
) -> Placed:
    """Place rows by way of landmarks."""
    if options.n_landmarks < k:
        raise ValueError(
            f"n_landmarks must be at least n_clusters={k}, got n_landmarks={options.n_landmarks}. "
            "Take more."
        )
    engine = find_engine(rows.xp, options.algorithm, device=rows.device)
    moments_of(rows, None, engine)  # Refuses what is not finite.
    points = find_landmarks(rows, options.n_landmarks, options.algorithm, generator)
    landmarks = Landmarks.of(points, rows.shape[0], options.n_neighbors, options.algorithm)
    shared, links = links_of(rows, landmarks)
    found = embed(DenseGraph(shared), k, solver, partial(_nearest_kept, rows=landmarks.rows))
    # A landmark that no row is near, such as the copy of another, is no component of rows.
    found = replace(found, n_connected=found.n_connected - found.n_alone, n_alone=0)
    coordinates = lifted(found)
    (placed,) = rows.map(
        partial(average_step, coordinates=coordinates),
        *links,
        block_rows=engine.block_rows(k, rows.shape[1]),
    )
    return Placed(
        placed,
        found,
        rows.dtype,
        engine.name,
        landmarks=rows.deliver(points),
        landmark_embedding=rows.deliver(coordinates),
        deliver=rows.deliver,
    )


def _graph(rows: MemoryRows, options: Options, engine: Engine) -> Graph:
    """Return the graph of affinities between rows."""
    affinity, n = options.affinity, rows.shape[0]
    if affinity == "nearest_neighbors":
        return neighbor_graph(rows, options.n_neighbors, options.algorithm)
    if affinity == "precomputed_nearest_neighbors":
        return graph_of_distances(rows, options.n_neighbors)
    if affinity == "precomputed":
        check_square(rows.shape, affinity)
        return dense_graph(rows.xp.astype(rows.block(0, n), rows.wide, copy=False))
    needed = n * n * rows.xp.finfo(rows.wide).bits // 8
    if needed > options.max_memory:
        raise ValueError(
            f"max_memory must hold the affinities between all rows for affinity={affinity!r}, "
            f"which take {needed} bytes, got max_memory={options.max_memory}. Take "
            "affinity='nearest_neighbors' or 'landmarks', or allow more."
        )
    check_rows(rows, block_rows=engine.block_rows(1, rows.shape[1]))
    if callable(affinity):
        return function_graph(rows, affinity)
    return kernel_graph(rows, options.gamma, options.algorithm, engine)


def _nearest_kept(kept: Array, *, rows: MemoryRows) -> tuple[Array, Array]:
    """Return of each row that is not kept the place of the nearest that is, and how far it is."""
    near, far = (cast(MemoryRows, rows.subset(mask)[0]) for mask in (kept, ~kept))
    search = Search.amid(near, far.shape[0])
    which, squares = far.map(partial(_nearest_step, search=search), block_rows=search.block_rows(1))
    return which, squares


def _nearest_step(block: Array, *, search: Search) -> Kept:
    which, squares = search.nearest(block, 1)
    return which[:, 0], squares[:, 0]


def _clustered(
    placed: Placed, k: int, options: Options, generator: np.random.Generator
) -> SpectralResult:
    """Return the clusters of embedded rows."""
    found, run = placed.found, _kmeans(placed.rows, k, options, generator)
    values = to_like(found.eigenvalues, found.coordinates, found.coordinates.dtype)
    return SpectralResult(
        labels=run.labels,
        embedding=namespace_of(placed.rows).astype(placed.rows, placed.dtype, copy=False),
        eigenvalues=placed.deliver(values),
        residual=found.residual,
        n_iter=found.n_iter,
        converged=found.converged,
        n_connected_components=found.n_connected,
        inertia=run.inertia,
        centers=run.centers,
        sizes=run.sizes,
        affinity_matrix=placed.affinity_matrix,
        landmarks=placed.landmarks,
        landmark_embedding=placed.landmark_embedding,
        kernel=placed.kernel,
    )


def _kmeans(
    embedding: Array, k: int, options: Options, generator: np.random.Generator
) -> KMeansResult:
    """Return the best clustering of embedded rows; where these are many, some judge the starts."""
    rows = open_rows(embedding)
    n, start = rows.shape[0], partial(kmeans, algorithm=options.algorithm, rng=generator)
    count = max(JUDGES, JUDGES_EACH * k)
    if n <= count or options.n_init == 1:
        return start(embedding, k, n_init=options.n_init)
    some = rows.take(np.sort(generator.choice(n, count, replace=False)))
    best = start(some, k, n_init=options.n_init)
    return start(embedding, k, init=rows.deliver(best.centers))


def _warn_of_components(found: Embedding, k: int) -> None:
    """Warn if the graph has more connected components than clusters."""
    if found.n_connected <= k:
        return
    alone = f", {found.n_alone} of them single rows" if found.n_alone else ""
    warnings.warn(
        f"The graph has {found.n_connected} connected components{alone}, more than "
        f"n_clusters={k}. The largest are clustered, and each of the others joins one. Take more "
        "n_neighbors or a smaller gamma to link them, or more clusters.",
        UserWarning,
        stacklevel=4,
    )
