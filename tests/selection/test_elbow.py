"""The elbow of a curve: by hand, of data with clusters and without, and what is refused."""

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose

from benchmarks.scenarios import SCENARIOS
from kmeans_xp import elbow, kmeans

KS = range(1, 11)
WITH_ELBOW = {
    "three2d": 3,
    "four3d": 4,
    "elongated": 2,
    "discs": 4,
    "heavy_tails": 3,
    "wine": 3,
}
WITHOUT = {
    "uniform10": lambda rng: rng.uniform(size=(200, 10)),
    "uniform2": lambda rng: rng.uniform(size=(200, 2)),
    "normal5": lambda rng: rng.standard_normal((200, 5)),
    "normal2": lambda rng: rng.standard_normal((200, 2)),
    "uniform1": lambda rng: rng.uniform(size=(200, 1)),
    "exponential5": lambda rng: rng.exponential(size=(200, 5)),
}


def curve_of(X, seed):
    return [kmeans(X, k, n_init=3, rng=seed).inertia for k in KS]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", WITH_ELBOW)
def test_clusters_have_an_elbow(name, seed):
    found = elbow(KS, curve_of(SCENARIOS[name].rows(seed), seed))
    assert found.k == WITH_ELBOW[name]
    assert found.reason is None


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", WITHOUT)
def test_one_cluster_has_none(name, seed):
    found = elbow(KS, curve_of(WITHOUT[name](np.random.default_rng(seed)), seed))
    assert found.k is None
    assert "falls smoothly" in found.reason


def test_by_hand():
    """Powers of two: on logarithmic axes the ends are (0, 6) and (2, 0), the middle is (1, 2)."""
    found = elbow([1, 2, 4], [64.0, 4.0, 1.0])
    assert found.k == 2
    assert_allclose(found.differences, [0, 4 / 6 - 1 / 2, 0], atol=1e-15)


@pytest.mark.parametrize("exponent", [0.1, 1.0, 2.0])
def test_a_power_of_k_has_none(exponent):
    found = elbow(KS, [7.0 * k**-exponent for k in KS])
    assert found.k is None
    assert_allclose(found.differences, 0, atol=1e-12)


@pytest.mark.parametrize(("knee", "k"), [(0.061, 2), (0.059, None)])
def test_the_least_difference(knee, k):
    """Over k = 1, 2, 4 the straight line has fallen by half in the middle."""
    logarithms = np.array([1.0, 0.5 - knee, 0.0])
    assert elbow([1, 2, 4], np.exp(logarithms)).k == k


def test_the_unit_of_the_inertia_changes_nothing():
    curve = np.array([900.0, 400, 60, 50, 43, 38, 34])
    found = elbow(range(1, 8), curve)
    other = elbow(range(1, 8), curve * 1e-200)
    assert found.k == other.k == 3
    assert_allclose(found.differences, other.differences, rtol=1e-12)


def test_the_order_of_the_ks_changes_nothing():
    curve = [900.0, 400.0, 60.0, 50.0, 43.0]
    found = elbow([4, 1, 5, 3, 2], [curve[k - 1] for k in (4, 1, 5, 3, 2)])
    assert found == elbow([1, 2, 3, 4, 5], curve)
    assert found.ks == (1, 2, 3, 4, 5)
    assert found.inertias == tuple(curve)


def test_a_worse_optimum_than_that_of_fewer_clusters_is_passed_over():
    found = elbow(range(1, 7), [900.0, 400.0, 60.0, 75.0, 43.0, 38.0])
    better = elbow(range(1, 7), [900.0, 400.0, 60.0, 60.0, 43.0, 38.0])
    assert found.inertias[3] == 75.0
    assert (found.k, found.differences) == (better.k, better.differences) == (3, found.differences)


@pytest.mark.parametrize("rest", [[0.0, 0.0, 0.0], [1e-30, 1e-31, 0.0]])
def test_as_many_clusters_as_different_rows(rest):
    assert elbow(range(1, 6), [900.0, 400.0, *rest]).k == 3


@pytest.mark.parametrize(
    ("ks", "inertias", "reason"),
    [
        ([3], [5.0], "got fewer than 3 ks"),
        ([3, 2], [5.0, 50.0], "got fewer than 3 ks"),
        ([1, 2, 3], [0.0, 0.0, 0.0], "does not fall: it is 0 for every k"),
        ([1, 2, 3], [2.5, 2.5, 2.5], "does not fall: it is 2.5 for every k"),
        ([1, 2, 3], [2.5, 2.5 - 1e-12, 2.5 - 1e-12], "does not fall"),
    ],
)
def test_a_curve_that_can_have_none(ks, inertias, reason):
    found = elbow(ks, inertias)
    assert found.k is None
    assert reason in found.reason
    assert found.differences == (0.0,) * len(ks)


def test_arrays_and_numbers_of_numpy():
    curve = np.array([900, 400, 60, 50, 43], dtype=np.float32)
    found = elbow(np.arange(1, 6), curve)
    assert found.k == 3
    assert {type(k) for k in (found.k, *found.ks)} == {int}
    assert {type(v) for v in (*found.inertias, *found.differences)} == {float}


def test_the_result_is_frozen():
    found = elbow([1, 2, 4], [64.0, 4.0, 1.0])
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.k = 4


def test_as_text():
    assert str(elbow([1, 2, 4], [64.0, 4.0, 1.0])).splitlines() == [
        "   k       inertia  difference",
        "   1            64       0.000",
        "   2             4       0.167",
        "   4             1       0.000",
        "elbow at k = 2",
    ]
    assert str(elbow([1, 2, 4], [4.0, 2.0, 1.0])).splitlines()[-1] == (
        "no elbow: the inertia falls smoothly, as it does without clusters: the largest difference "
        "is 0.000, less than 0.06."
    )


@pytest.mark.parametrize(
    ("ks", "inertias", "error", "words"),
    [
        (5, [1.0], TypeError, r"ks must be several numbers of clusters, got 5\. Pass range"),
        ([], [], ValueError, r"ks must hold a number of clusters, got none"),
        ([1, 2.0], [2.0, 1.0], TypeError, r"ks\[1\] must be an int, got 2\.0 of type float"),
        ([True, 2], [2.0, 1.0], TypeError, r"ks\[0\] must be an int, got True"),
        ([0, 1], [2.0, 1.0], ValueError, r"ks\[0\] must be at least 1, got ks\[0\]=0"),
        ([1, 2, 2], [2.0, 1.0, 1.0], ValueError, r"ks must differ, got 2 more than once"),
        ([1, 2], [2.0], ValueError, r"inertias must be as many as ks, got 1 beside 2 ks"),
        ([1, 2], [2.0, "1"], TypeError, r"inertias\[1\] must be a number, got '1'"),
        ([1, 2], [2.0, -1.0], ValueError, r"inertias\[1\] must be finite and not negative"),
        ([1, 2], [np.inf, 1.0], ValueError, r"inertias\[0\] must be finite and not negative"),
        ([1, 2], [np.nan, 1.0], ValueError, r"inertias\[0\] must be finite and not negative"),
        (
            [4, 1, 2],
            [0.9, 0.5, 0.7],
            ValueError,
            r"must not grow with k, got 0\.5 for k=1 and 0\.9 for k=4\. Pass sums",
        ),
    ],
)
def test_refusals(ks, inertias, error, words):
    with pytest.raises(error, match=words):
        elbow(ks, inertias)
