"""Spectral clustering: the function, whatever the affinity and the source of the rows."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from array_api_compat import array_namespace
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import SpectralClustering as Sklearn
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import kneighbors_graph

from kmeans_xp import SpectralIteration, spectral_clustering
from kmeans_xp.algorithms.spectral import embedding
from tests.algorithms.spectral.shapes import SHAPES, moons, spirals
from tests.data import blobs, cloud, same_partition
from tests.test_refusals import refuses

AFFINITIES = {
    "neighbours": {},
    "dense": {"eigen_solver": "dense"},
    "filtered": {"eigen_solver": "chebyshev"},
    "kernel": {"affinity": "rbf", "gamma": 40.0},
    "local": {"affinity": "rbf", "gamma": "local"},
    "landmarks": {"affinity": "landmarks", "n_landmarks": 150, "n_neighbors": 5},
}


def graph_of(X, n_neighbors=10):
    """The graph of neighbours, as scikit-learn has it."""
    one_way = kneighbors_graph(X, n_neighbors, include_self=True)
    return 0.5 * (one_way + one_way.T)


def kernel(X, Y):
    """A function of the user's, of whatever library."""
    xp = array_namespace(X)
    return xp.exp(-40 * xp.sum((X[:, None, :] - Y[None, :, :]) ** 2, axis=2))


def check(result, n, k):
    """Labels, sizes, centres and embedding belong together."""
    labels = np.asarray(result.labels)
    assert labels.shape == (n,)
    assert labels.dtype == np.int32
    assert result.embedding.shape == (n, k)
    assert_array_equal(np.asarray(result.sizes), np.bincount(labels, minlength=k))
    far = ((result.embedding[:, None, :] - result.centers) ** 2).sum(axis=2)
    assert_array_equal(far.argmin(axis=1), labels)
    assert_allclose(far.min(axis=1).sum(), result.inertia, rtol=1e-6, atol=1e-12)
    values = np.asarray(result.eigenvalues)
    assert (np.diff(values) >= -1e-12).all()
    assert values.shape == (k,)
    assert result.residual < 1e-7


@pytest.mark.parametrize("name", ["neighbours", "local", "landmarks"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_that_kmeans_cannot_find(shape, dtype, name):
    X, labels = SHAPES[shape](1600)
    k = labels.max() + 1
    options = AFFINITIES[name] | ({"n_landmarks": 500} if name == "landmarks" else {})
    result = spectral_clustering(X.astype(dtype), k, rng=0, **options)
    assert adjusted_rand_score(labels, result.labels) > 0.98
    assert result.embedding.dtype == dtype
    assert result.eigenvalues.dtype == np.float64


@pytest.mark.parametrize("name", AFFINITIES)
def test_what_belongs_together_does(name):
    X, labels = moons(400, noise=0.05)
    result = spectral_clustering(X, 2, rng=0, **AFFINITIES[name])
    check(result, 400, 2)
    assert same_partition(result.labels, labels)
    again = spectral_clustering(X, 2, rng=0, **AFFINITIES[name])
    assert_array_equal(again.labels, result.labels)
    assert_array_equal(again.embedding, result.embedding)


@pytest.mark.parametrize("name", AFFINITIES)
def test_backends_agree(backend, name):
    if name != "landmarks":
        backend.need("eager")
    X, labels = moons(300, noise=0.04)
    X = X.astype("float32")
    ours = spectral_clustering(backend.asarray(X), 2, rng=0, **AFFINITIES[name])
    theirs = spectral_clustering(X, 2, rng=0, **AFFINITIES[name])
    assert same_partition(backend.to_numpy(ours.labels), labels)
    assert same_partition(theirs.labels, labels)
    atol = 1e-9 if backend.float64 else 1e-5
    assert_allclose(backend.to_numpy(ours.eigenvalues), theirs.eigenvalues, atol=atol)
    assert ours.n_connected_components == theirs.n_connected_components
    for array in (ours.labels, ours.embedding, ours.sizes, ours.centers, ours.eigenvalues):
        assert backend.owns(array)
    assert backend.dtype(ours.embedding) == "float32"


def test_backends_agree_on_what_is_given(backend):
    backend.need("eager")
    X, labels = moons(300, noise=0.04)
    A = graph_of(X).toarray().astype("float32")
    D = ((X[:, None, :] - X) ** 2).sum(axis=2).astype("float32")
    given = [(A, "precomputed"), (D, "precomputed_nearest_neighbors"), (X, kernel)]
    for values, affinity in given:
        values = backend.asarray(np.asarray(values, dtype="float32"))
        result = spectral_clustering(values, 2, affinity=affinity, rng=0)
        assert same_partition(backend.to_numpy(result.labels), labels)
        assert backend.owns(result.labels)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("noise", [1, 2])
def test_labels_are_scikit_learns(shape, noise):
    """The graph is the same, the embedding too, and so the labels but for the odd row."""
    X, labels = SHAPES[shape](700, seed=3)
    X = X + (noise - 1) * 0.04 * np.ptp(X, axis=0).min() * cloud(700, 2, seed=5)
    k = labels.max() + 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours = spectral_clustering(X, k, rng=0)
        theirs = Sklearn(k, affinity="nearest_neighbors", random_state=0).fit(X)
    assert abs(ours.affinity_matrix - theirs.affinity_matrix_).sum() == pytest.approx(
        theirs.affinity_matrix_.diagonal().sum()
    )
    if ours.n_connected_components <= k:
        assert adjusted_rand_score(ours.labels, theirs.labels_) > 0.99


def _unsorted(A):
    A = sp.csr_matrix(A)
    for start, stop in zip(A.indptr[:-1], A.indptr[1:], strict=True):
        A.indices[start:stop] = A.indices[start:stop][::-1].copy()
        A.data[start:stop] = A.data[start:stop][::-1].copy()
    A.has_sorted_indices = False
    return A


def _of_long_indices(A):
    A = sp.csr_matrix(A)
    A.indices, A.indptr = A.indices.astype("int64"), A.indptr.astype("int64")
    return A


def _with_zeros(A):
    A = sp.csr_array(A)
    zeros = sp.csr_array((np.full(len(A.data), 0.0), A.indices[::-1].copy(), A.indptr), A.shape)
    return A + zeros


FORMS = {
    "array": lambda A: A.toarray(),
    "csr": sp.csr_array,
    "csc": sp.csc_matrix,
    "coo": sp.coo_array,
    "unsorted": _unsorted,
    "of long indices": _of_long_indices,
    "float32": lambda A: sp.csr_array(A).astype("float32"),
    "with zeros": _with_zeros,
    "of integers": lambda A: (2 * sp.csr_array(A)).astype("int32"),
}


@pytest.mark.parametrize("form", FORMS)
def test_given_affinities_in_any_form(form):
    X, labels = spirals(400)
    given = FORMS[form](graph_of(X))
    before = given.copy()
    result = spectral_clustering(given, 2, affinity="precomputed", rng=0)
    assert same_partition(result.labels, labels)
    assert abs(given - before).max() == 0
    assert result.n_connected_components == 2


@pytest.mark.parametrize("form", ["array", "csr", "unsorted", "of long indices"])
def test_given_distances_in_any_form(form):
    X, labels = spirals(400)
    if form == "array":
        given = np.sqrt(((X[:, None, :] - X) ** 2).sum(axis=2))
    else:
        given = FORMS[form](kneighbors_graph(X, 14, mode="distance", include_self=True))
    result = spectral_clustering(given, 2, affinity="precomputed_nearest_neighbors", rng=0)
    expected = spectral_clustering(X, 2, rng=0)
    assert same_partition(result.labels, labels)
    assert abs(result.affinity_matrix - expected.affinity_matrix).max() == 0


def test_the_diagonal_of_affinities_does_not_count():
    X, _ = moons(200)
    A = graph_of(X).toarray()
    results = []
    for own in (0.0, 1.0, 50.0):
        np.fill_diagonal(A, own)
        results.append(spectral_clustering(A, 3, affinity="precomputed", rng=0))
    for other in results[1:]:
        assert_array_equal(other.embedding, results[0].embedding)


def test_affinities_that_are_not_symmetric_are_averaged_with_a_warning():
    X, _ = moons(150)
    A = graph_of(X).toarray() + np.triu(np.full((150, 150), 1e-3), 1)
    for given in (A, sp.csr_array(A)):
        with pytest.warns(UserWarning, match="X is not symmetric"):
            result = spectral_clustering(given, 2, affinity="precomputed", rng=0)
        mean = spectral_clustering((A + A.T) / 2, 2, affinity="precomputed", rng=0)
        assert_allclose(result.eigenvalues, mean.eigenvalues, atol=1e-12)


# Components.


def test_more_clusters_than_components():
    """Two moons far from two others: two components of two clusters each."""
    X, _ = moons(400, noise=0.15, seed=2)
    X = np.concatenate([X, X + 100])
    result = spectral_clustering(X, 4, n_neighbors=30, rng=0)
    assert result.n_connected_components == 2
    assert_allclose(result.eigenvalues[:2], 0, atol=1e-12)
    assert len(set(result.labels[:400]) | set(result.labels[400:])) == 4
    assert not set(result.labels[:400]) & set(result.labels[400:])


def test_more_components_than_clusters():
    """The largest are the clusters, and each of the others joins the one that is nearest."""
    X, labels = moons(600, noise=0.04)
    few = np.concatenate([[5.0, 5.0] + 0.01 * cloud(12, 2), [-9.0, 0.0] + 0.01 * cloud(11, 2)])
    with pytest.warns(UserWarning, match="4 connected components, more than n_clusters=2"):
        result = spectral_clustering(np.concatenate([X, few]), 2, rng=0)
    assert same_partition(result.labels[:600], labels)
    nearest = [labels[((X - few[i]) ** 2).sum(axis=1).argmin()] for i in (0, 12)]
    at = [result.labels[np.flatnonzero(labels == label)[0]] for label in nearest]
    assert set(result.labels[600:612]) == {at[0]}
    assert set(result.labels[612:]) == {at[1]}


@pytest.mark.parametrize("as_sparse", [False, True])
def test_rows_without_affinities_join_the_largest_component(as_sparse):
    X, labels = moons(500, noise=0.04)
    A = np.zeros((520, 520))
    A[10:510, 10:510] = graph_of(X).toarray()
    A[3, 3] = A[515, 515] = 7.0
    given = sp.csr_array(A) if as_sparse else A
    with pytest.warns(UserWarning, match=r"22 connected components, 20 of them single rows"):
        result = spectral_clustering(given, 2, affinity="precomputed", rng=0)
    assert same_partition(result.labels[10:510], labels)
    assert len(set(result.labels[:10]) | set(result.labels[510:])) == 1


def test_rows_without_affinities_are_set_aside_before_anything_else():
    """Two moons that touch are one component, and still two clusters."""
    X, labels = moons(600, noise=0.1, seed=1)
    A = np.zeros((605, 605))
    A[:600, :600] = graph_of(X, 15).toarray()
    whole = spectral_clustering(A[:600, :600], 2, affinity="precomputed", rng=0)
    assert whole.n_connected_components == 1
    with pytest.warns(UserWarning, match="5 of them single rows"):
        result = spectral_clustering(A, 2, affinity="precomputed", rng=0)
    assert same_partition(result.labels[:600], whole.labels)
    assert adjusted_rand_score(whole.labels, labels) > 0.9


def test_single_rows_are_clusters_where_there_is_room():
    A = np.array([[1.0, 1, 0], [1, 1, 0], [0, 0, 1]])
    result = spectral_clustering(A, 2, affinity="precomputed", rng=0)
    assert result.labels[0] == result.labels[1] != result.labels[2]


def test_nothing_is_linked():
    refuses(lambda: spectral_clustering(np.eye(5), 2, affinity="precomputed"), "affinity", "link")
    result = spectral_clustering(np.eye(5), 5, affinity="precomputed", rng=0)
    assert sorted(result.labels) == [0, 1, 2, 3, 4]


def test_a_warning_is_given_once():
    X = np.concatenate([cloud(40, 2) + 100 * i for i in range(5)])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        spectral_clustering(X, 2, rng=0)
    assert len(caught) == 1
    assert caught[0].filename == __file__


# Landmarks.


def test_landmarks_of_memory_maps_and_dask(tmp_path):
    X, labels = moons(900, noise=0.05)
    np.save(tmp_path / "x.npy", X)
    options = {"affinity": "landmarks", "n_landmarks": 200, "n_neighbors": 5, "rng": 0}
    expected = spectral_clustering(X, 2, **options)
    assert same_partition(expected.labels, labels)
    mapped = spectral_clustering(np.load(tmp_path / "x.npy", "r"), 2, **options)
    assert_array_equal(mapped.labels, expected.labels)
    dask = pytest.importorskip("dask.array")
    chunked = spectral_clustering(dask.from_array(X, chunks=(400, 2)), 2, **options)
    assert same_partition(chunked.labels.compute(), labels)
    assert_array_equal(chunked.landmarks.compute(), expected.landmarks)


def test_more_landmark_components_than_clusters():
    X, labels = blobs(n=600, d=2, k=5)
    with pytest.warns(UserWarning, match="5 connected components"):
        result = spectral_clustering(
            X, 3, affinity="landmarks", n_landmarks=60, n_neighbors=4, rng=0
        )
    assert len(set(zip(labels.tolist(), result.labels.tolist(), strict=True))) == 5
    assert len(set(result.labels.tolist())) == 3


@pytest.mark.parametrize("n_landmarks", [5, 60, 61, 5000])
def test_any_number_of_landmarks(n_landmarks):
    X, labels = blobs(n=60, d=3, k=3)
    result = spectral_clustering(X, 3, affinity="landmarks", n_landmarks=n_landmarks, rng=0)
    assert result.landmarks.shape == (min(n_landmarks, 60), 3)
    if n_landmarks > 5:
        assert same_partition(result.labels, labels)


# Arguments.


def test_copies_of_one_row():
    result = spectral_clustering(np.ones((30, 2)), 3, n_neighbors=5, rng=0)
    assert result.labels.shape == (30,)
    for affinity in ("rbf", "landmarks"):
        for gamma in (1.0, "local"):
            result = spectral_clustering(np.ones((30, 2)), 2, affinity=affinity, gamma=gamma, rng=0)
            assert result.labels.shape == (30,)


@pytest.mark.parametrize("affinity", ["nearest_neighbors", "rbf", "landmarks"])
def test_one_cluster_and_as_many_as_rows(affinity):
    X = cloud(12, 2)
    one = spectral_clustering(X, 1, affinity=affinity, n_neighbors=4, rng=0)
    assert not one.labels.any()
    every = spectral_clustering(X, 12, affinity=affinity, n_neighbors=4, rng=0)
    assert every.labels.shape == (12,)


def test_solvers_of_scikit_learn_are_known_by_name():
    X, labels = moons(200)
    for name in (None, "auto", "arpack", "lobpcg", "amg", "chebyshev", "dense"):
        assert same_partition(spectral_clustering(X, 2, eigen_solver=name, rng=0).labels, labels)


def test_the_callback_sees_the_residual_and_may_end_the_solver():
    X, _ = moons(1800, noise=0.2)
    seen = []
    result = spectral_clustering(
        X, 4, n_neighbors=12, rng=0, callback=lambda iteration: seen.append(iteration)
    )
    assert [iteration.number for iteration in seen] == list(range(1, result.n_iter + 1))
    assert all(type(iteration) is SpectralIteration for iteration in seen)
    assert_allclose(seen[-1].residual, result.residual, rtol=0.5)
    ended = spectral_clustering(X, 4, n_neighbors=12, rng=0, callback=lambda _: True)
    assert (ended.n_iter, ended.converged) == (1, False)


X = cloud(40, 3)
BAD = {
    "affinity": (["cosine", 3, None], "affinity"),
    "n_neighbors": ([0, 41, 2.5, True], "n_neighbors"),
    "n_init": ([0, "auto"], "n_init"),
    "eigen_solver": (["lanczos", 3], "eigen_solver"),
    "eigen_tol": ([-1.0, "loose", np.nan], "eigen_tol"),
    "max_iter": ([0, 1.5], "max_iter"),
    "max_memory": ([0], "max_memory"),
    "algorithm": (["fastest"], "algorithm"),
    "callback": ([3], "callback"),
    "rng": (["seed"], "rng"),
    "gamma": ([-1.0, "global", np.inf, None], "gamma"),
    "n_landmarks": ([0, 2.0], "n_landmarks"),
}


@pytest.mark.parametrize("argument", BAD)
def test_bad_arguments_are_refused(argument):
    for value in BAD[argument][0]:
        refuses(lambda value=value: spectral_clustering(X, 2, **{argument: value}), argument)


def test_what_does_not_fit_is_refused():
    square = np.ones((6, 6))
    refuses(
        lambda: spectral_clustering(X, 3, affinity="landmarks", n_landmarks=2),
        "n_landmarks",
        "at least n_clusters=3",
    )
    refuses(
        lambda: spectral_clustering(X, 2, affinity="rbf", max_memory=100), "max_memory", "12800"
    )
    refuses(lambda: spectral_clustering(X, 2, affinity=kernel, max_memory=100), "max_memory")
    for affinity in ("precomputed", "precomputed_nearest_neighbors"):
        for given in (X, sp.csr_array(X)):
            refuses(
                lambda given=given, affinity=affinity: spectral_clustering(
                    given, 2, affinity=affinity, n_neighbors=2
                ),
                "X",
                "square",
            )
        for bad in (-1.0, np.nan, np.inf):
            values = square.copy()
            values[1, 2] = values[2, 1] = bad
            for given in (values, sp.csr_array(values)):
                refuses(
                    lambda given=given, affinity=affinity: spectral_clustering(
                        given, 2, affinity=affinity, n_neighbors=2
                    ),
                    "X",
                )
    refuses(lambda: spectral_clustering(sp.csr_array(X), 2), "X", "dense")
    few = sp.csr_array(np.eye(6))
    refuses(
        lambda: spectral_clustering(few, 2, affinity="precomputed_nearest_neighbors"),
        "X",
        "each row",
    )
    refuses(
        lambda: spectral_clustering(1j * sp.csr_array(square), 2, affinity="precomputed"),
        "X",
        "real",
    )


@pytest.mark.parametrize(
    "returned",
    [
        lambda A, B: 1.0,
        lambda A, B: np.ones((len(A), 1)),
        lambda A, B: -np.ones((len(A), len(B))),
        lambda A, B: np.full((len(A), len(B)), np.nan),
        lambda A, B: np.ones((len(A), len(B)), complex),
    ],
)
def test_bad_functions_are_refused(returned):
    refuses(lambda: spectral_clustering(X, 2, affinity=returned), "affinity")


def test_a_function_cannot_write_to_x():
    before = X.copy()

    def writes(A, B):
        A[:], B[:] = 0, 1
        return np.ones((len(A), len(B)))

    spectral_clustering(X, 2, affinity=writes, rng=0)
    assert_array_equal(X, before)


def test_dask_is_refused_but_for_landmarks():
    dask = pytest.importorskip("dask.array")
    rows = dask.from_array(X, chunks=(20, 3))
    for affinity in ("nearest_neighbors", "rbf"):
        refuses(lambda a=affinity: spectral_clustering(rows, 2, affinity=a), "X", "landmarks")


def test_small_graphs_are_solved_as_large_ones(monkeypatch):
    X, _ = spirals(500)
    dense = spectral_clustering(X, 6, rng=0)
    monkeypatch.setattr(embedding, "DENSE", 0)
    filtered = spectral_clustering(X, 6, rng=0)
    assert_allclose(filtered.eigenvalues, dense.eigenvalues, atol=1e-8)
    assert_allclose(np.abs(filtered.embedding), np.abs(dense.embedding), atol=1e-8)
