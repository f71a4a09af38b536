"""Results as text, and compared."""

from dataclasses import fields, replace

import numpy as np
import pytest

import kmeans_xp
from kmeans_xp import choose_k, gaussian_mixture, kmeans
from kmeans_xp.arrays.record import Record
from tests.data import cloud

X = cloud(400, 3)
RESULTS = {
    "KMeansResult": lambda: kmeans(X, 50, rng=0),
    "GaussianMixtureResult": lambda: gaussian_mixture(X, 3, rng=0),
    "BisectingKMeansResult": lambda: kmeans_xp.bisecting_kmeans(X, 50, rng=0),
    "MiniBatchKMeansResult": lambda: kmeans_xp.minibatch_kmeans(X, 50, rng=0),
    "KMedoidsResult": lambda: kmeans_xp.kmedoids(X, 50, rng=0),
    "SoftKMeansResult": lambda: kmeans_xp.soft_kmeans(X, 3, rng=0),
    "SpectralResult": lambda: kmeans_xp.spectral_clustering(X, 3, rng=0),
    "ElbowResult": lambda: kmeans_xp.elbow([1, 2, 3], [9.0, 2.0, 1.0]),
}


def test_every_public_result_is_tried():
    names = {name for name in kmeans_xp.__all__ if name.endswith(("Result", "Selection"))}
    assert names - {"GapResult", "KSelection"} == RESULTS.keys()


@pytest.mark.parametrize("name", RESULTS)
def test_results_fit_on_a_screen_and_compare(name):
    first, second = RESULTS[name](), RESULTS[name]()
    lines = repr(first).splitlines()
    assert lines[0] == f"{name}("
    assert len(lines) == len(fields(first)) + 2 <= 24
    assert max(map(len, lines)) <= 120
    assert (first == second) is True
    assert (first != second) is False
    assert first != 3
    with pytest.raises(TypeError, match="unhashable"):
        hash(first)


def test_a_selection_fits_on_a_screen():
    selection = choose_k(X, range(1, 9), rng=0)
    assert len(repr(selection).splitlines()) <= 24
    assert selection == selection
    # How long each took is part of it.
    assert selection != choose_k(X, range(1, 8), rng=0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("inertia", 1.0),
        ("labels", np.zeros(400, np.int32)),
        ("labels", np.zeros(3, np.int32)),
        ("centers", None),
        ("history", (1.0,)),
        ("kernel", "other"),
    ],
)
def test_another_value_of_a_field_is_another_result(field, value):
    result = kmeans(X, 3, rng=0)
    assert result != replace(result, **{field: value})


def test_nan_is_nan_and_dtypes_count():
    result = kmeans(X, 3, rng=0)
    nan = replace(result, inertia=float("nan"), centers=np.full((3, 3), np.nan))
    assert nan == replace(nan, inertia=float("nan"), centers=np.full((3, 3), np.nan))
    assert result != replace(result, centers=result.centers.astype(np.float32))


def test_results_of_every_backend_compare(backend):
    A = backend.asarray(X.astype(np.float32))
    first, second = (kmeans(A, 3, rng=0) for _ in range(2))
    assert first == second
    assert f"array of shape ({400},)" in repr(first)


def test_results_of_callbacks_are_records():
    seen = []
    kmeans(X, 3, rng=0, callback=seen.append)
    assert isinstance(seen[0], Record)
    assert seen[0] == seen[0]
    assert seen[0] != seen[1]
