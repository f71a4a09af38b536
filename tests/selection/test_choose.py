"""Choosing k: one sweep, every criterion, one recommendation."""

import dataclasses
import json

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_iris

from kmeans_xp import (
    GaussianMixture,
    KSelection,
    calinski_harabasz_score,
    choose_k,
    davies_bouldin_score,
    elbow,
    kmeans,
    medoid_silhouette,
    silhouette_score,
    spectral_clustering,
)
from kmeans_xp.algorithms.mixture.fit import COVARIANCE_TYPES
from kmeans_xp.selection.criteria import CRITERIA, RECOMMENDING
from kmeans_xp.selection.family import FAMILY, OF_CENTERS
from tests.backends import Backend
from tests.data import blobs, cloud

X, LABELS = blobs(150, 3, 4, seed=1)
KS = range(1, 7)


@pytest.fixture(scope="module")
def selection() -> KSelection:
    return choose_k(X, KS, criteria=OF_CENTERS, rng=0)


def test_every_criterion_finds_blobs(selection: KSelection) -> None:
    assert selection.k == 4
    choices = dict(selection.choices)
    assert tuple(choices) == OF_CENTERS
    # It asks for little from a further Gaussian.
    assert choices.pop("aic") in (4, 5)
    assert set(choices.values()) == {4}
    assert selection.agreement == np.mean([k == 4 for k in selection.choices.values()])
    assert selection.best is selection.results[3]
    assert selection.best.centers.shape == (4, 3)


def test_scores_are_those_of_their_functions(selection: KSelection) -> None:
    results = selection.results
    assert selection.inertias == tuple(result.inertia for result in results)
    scores = {
        "silhouette": silhouette_score,
        "calinski_harabasz": calinski_harabasz_score,
        "davies_bouldin": davies_bouldin_score,
    }
    for name, score in scores.items():
        found = selection.scores[name]
        assert np.isnan(found[0])
        assert_allclose(found[1:], [score(X, result.labels) for result in results[1:]])
    assert selection.elbow == elbow(KS, selection.inertias)
    assert selection.scores["elbow"] == selection.elbow.differences
    assert selection.gap.gap == selection.scores["gap"]
    assert_allclose(selection.gap.log_w, np.log(selection.inertias))


def test_the_bic_is_that_of_the_best_covariance() -> None:
    found = choose_k(X, [1, 4], criteria=["bic", "aic"], rng=0)
    for k, bic, aic in zip(found.ks, found.scores["bic"], found.scores["aic"], strict=True):
        models = [
            GaussianMixture(k, covariance_type=kind, n_init=5, random_state=0).fit(X)
            for kind in COVARIANCE_TYPES
        ]
        assert_allclose(bic, min(model.bic(X) for model in models), rtol=1e-3)
        assert_allclose(aic, min(model.aic(X) for model in models), rtol=1e-3)


def test_a_covariance_that_falls_behind_is_left_and_named() -> None:
    # Long clusters that lie askew in many features: variances alone say little of them.
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(8, 8))
    rows = np.concatenate([rng.normal(size=(150, 8)) @ mixing + c for c in (0, 40)])
    found = choose_k(rows, range(1, 9), criteria=["bic"], rng=0)
    assert found.k == 2
    (note,) = found.notes
    assert "'spherical' after k =" in note
    assert "'tied'" not in note


def test_gaussians_without_width_count_for_nothing() -> None:
    # Lengths to a tenth: a Gaussian may be as thin as it likes around rows that share one.
    rows = load_iris().data
    for seed in range(3, 8):
        found = choose_k(rows, range(1, 7), criteria=["bic"], rng=seed)
        assert found.k == 2
    # Where the rows have no width themselves, they are no less clusters.
    flat = np.concatenate([X, np.ones((150, 1))], axis=1)
    assert choose_k(flat, KS, criteria=["bic"], rng=0).k == 4


def test_the_recommendation_is_the_lower_median_of_some() -> None:
    # Every criterion says 2 but Calinski-Harabasz, which recommends nothing.
    rng = np.random.default_rng(0)
    t = np.linspace(-0.5, 0.5, 100)[:, None] * np.ones((1, 3))
    rows = np.concatenate([t + 0.1 * rng.normal(size=(100, 3)) + c for c in (0, 10)])
    found = choose_k(rows, KS, rng=0)
    assert found.k == 2
    assert found.choices["calinski_harabasz"] != 2
    assert found.agreement == np.mean([k == 2 for k in found.choices.values()])
    alone = choose_k(rows, KS, criteria=["calinski_harabasz"], rng=0)
    assert alone.k is None
    assert alone.best is None
    assert alone.agreement == 0
    # What is asked besides changes no answer.
    assert alone.scores["calinski_harabasz"] == found.scores["calinski_harabasz"]
    assert set(RECOMMENDING) <= set(CRITERIA)


def test_one_cluster_is_an_answer() -> None:
    rng = np.random.default_rng(1)
    found = choose_k(rng.normal(size=(150, 4)), KS, rng=0)
    assert found.k == 1
    assert found.choices["elbow"] is None
    assert any("No elbow" in note for note in found.notes)


def test_an_outlier_is_no_cluster() -> None:
    rows = np.concatenate([X, [[400.0, -300, 500]]])
    found = choose_k(rows, range(2, 7), criteria=["silhouette"], rng=0)
    assert np.nanargmax(found.scores["silhouette"]) == 0
    sizes = [np.bincount(result.labels).min() for result in found.results]
    assert sizes[0] == 1
    assert found.k == (found.ks[int(np.argmax(np.array(sizes) > 1))] if max(sizes) > 1 else 2)


def test_the_same_on_every_backend(backend: Backend) -> None:
    ks, criteria = [1, 3, 4, 5], ("gap", "silhouette", "calinski_harabasz", "elbow")
    rows = X.astype(np.float32)
    expected = choose_k(rows, ks, criteria=criteria, rng=0)
    found = choose_k(backend.asarray(rows), ks, criteria=criteria, rng=0)
    assert found.choices == expected.choices
    assert found.k == 4
    for name in ("silhouette", "calinski_harabasz", "elbow"):
        assert_allclose(found.scores[name], expected.scores[name], rtol=1e-3, atol=1e-4)
    assert_allclose(found.scores["gap"], expected.scores["gap"], atol=0.05)


def test_a_seed_gives_the_same_whatever_the_order_of_ks() -> None:
    rows = cloud(80, 2)
    one, two = (choose_k(rows, ks, rng=5) for ks in ([1, 2, 4], [4, 1, 2]))
    other = choose_k(rows, [1, 2, 4], rng=6)
    assert one.scores["bic"] == two.scores["bic"]
    assert one.scores["gap"] == two.scores["gap"]
    assert one.ks == two.ks == (1, 2, 4)
    assert one.scores["gap"] != other.scores["gap"]


def test_many_rows_are_sampled_and_it_says_so() -> None:
    rows, _ = blobs(900, 2, 3, seed=2)
    found = choose_k(rows, KS, sample_size=200, rng=0)
    assert found.k == 3
    assert (found.n_rows, found.n_sampled) == (900, 200)
    assert any(note.startswith("Of 200 rows of 900, drawn at random: gap") for note in found.notes)
    assert found.inertias[2] == found.results[2].inertia
    assert len(found.results[2].labels) == 900
    assert len(found.profile.values) == 200
    whole = choose_k(rows, [3], sample_size=None, rng=0)
    assert whole.n_sampled == 900
    assert whole.notes == (
        "No elbow: there must be a k on either side of it: got fewer than 3 ks.",
    )


def test_the_gap_looks_at_a_part_of_wide_rows() -> None:
    rows, _ = blobs(600, 150, 3, seed=2)
    found = choose_k(rows, [1, 3, 4], criteria=["gap", "silhouette"], rng=0)
    assert found.k == 3
    assert found.notes == ("The gap is of 500 rows, drawn at random.",)
    assert found.gap.log_w[1] < np.log(found.inertias[1])


def test_weights_that_are_all_equal_change_no_gap() -> None:
    plain = choose_k(X, [1, 4], criteria=["gap"], rng=0)
    tripled = choose_k(X, [1, 4], criteria=["gap"], sample_weight=np.full(150, 3.0), rng=0)
    assert_allclose(tripled.scores["gap"], plain.scores["gap"])


def test_weights_are_copies() -> None:
    rows, labels = blobs(240, 2, 3, seed=3)
    # One cluster weighs nothing.
    found = choose_k(rows, KS, sample_weight=(labels > 0) * 2.0, rng=0)
    assert found.k == 2
    assert "drawn by weight" in found.notes[-1]
    expected = calinski_harabasz_score(
        rows, found.results[1].labels, sample_weight=(labels > 0) * 2.0
    )
    assert_allclose(found.scores["calinski_harabasz"][1], expected)


@pytest.mark.parametrize("algorithm", FAMILY)
def test_every_algorithm_of_the_family(algorithm: str) -> None:
    found = choose_k(X, [1, 2, 3, 4, 5, 6], algorithm=algorithm, rng=0)
    assert found.k == 4
    labels = found.best.labels
    # Up to their numbers.
    if algorithm == "spectral":
        (note,) = found.notes
        assert note.startswith("The graph has 4 connected components")
    assert len({*zip(labels.tolist(), LABELS.tolist(), strict=True)}) == 4
    assert tuple(found.choices) == FAMILY[algorithm].default


def test_medoids_have_a_silhouette_of_their_own() -> None:
    options = {"metric": "manhattan"}
    found = choose_k(X, [2, 4], algorithm="kmedoids", options=options, rng=0)
    for place, result in enumerate(found.results):
        expected = medoid_silhouette(X, result.medoid_indices, metric="manhattan")
        assert_allclose(found.scores["medoid_silhouette"][place], expected)
        expected = silhouette_score(X, result.labels, metric="manhattan")
        assert_allclose(found.scores["silhouette"][place], expected)
    distances = np.abs(X[:, None] - X).sum(axis=2)
    options = {"metric": "precomputed"}
    given = choose_k(
        distances, [2, 4], algorithm="kmedoids", options=options, sample_size=20, rng=0
    )
    assert given.n_sampled == len(X)
    assert_allclose(given.scores["silhouette"], found.scores["silhouette"])


def test_the_eigengap_is_between_eigenvalues() -> None:
    options = {"n_neighbors": 8}
    found = choose_k(X, [1, 3, 4], algorithm="spectral", options=options, rng=0)
    values = spectral_clustering(X, 5, rng=0, **options).eigenvalues
    assert_allclose(
        found.scores["eigengap"], [values[k] - values[k - 1] for k in found.ks], atol=1e-7
    )


def test_the_callback_sees_every_k_and_may_stop() -> None:
    seen = []
    found = choose_k(X, KS, criteria=["elbow", "gap"], rng=0, callback=seen.append)
    assert [(i.k, i.number, i.count) for i in seen] == [(k, k, 6) for k in KS]
    assert tuple(i.objective for i in seen) == found.inertias
    assert tuple(i.seconds for i in seen) == found.seconds
    stopped = choose_k(
        X, KS, criteria=["elbow", "gap"], rng=0, callback=lambda iteration: iteration.k == 5
    )
    assert stopped.ks == (1, 2, 3, 4, 5)
    assert stopped.scores["gap"] == found.scores["gap"][:5]
    assert stopped.notes[-1] == "Stopped after k = 5."


def test_the_profile_is_of_the_recommended_k(selection: KSelection) -> None:
    profile = selection.profile
    assert profile.k == 4
    assert_allclose(profile.values.mean(), selection.scores["silhouette"][3])
    assert np.array_equal(profile.labels, selection.best.labels)
    assert choose_k(X, [1], rng=0).profile is None
    assert choose_k(X, [2, 4], criteria=["gap"], rng=0).profile is None


def test_the_result_is_frozen_and_turns_into_json(selection: KSelection) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        selection.k = 3  # type: ignore[misc]
    found = json.loads(json.dumps(selection.to_dict()))
    assert found["k"] == 4
    assert [row["k"] for row in found["rows"]] == list(KS)
    assert found["rows"][0]["silhouette"] is None
    assert found["rows"][3]["silhouette"] == selection.scores["silhouette"][3]


def test_its_text_is_a_table_with_the_choices_starred(selection: KSelection) -> None:
    lines = str(selection).splitlines()
    assert lines[0].split()[:3] == ["k", "inertia", "gap"]
    agreeing = sum(k == 4 for k in selection.choices.values())
    assert sum(line.count("*") for line in lines[1:7]) == len(OF_CENTERS)
    assert lines[4].count("*") == agreeing
    assert f"Recommended: k = 4; {agreeing} of {len(OF_CENTERS)} criteria" in str(selection)


@pytest.mark.parametrize(
    "rows",
    [np.ones((20, 2)), np.repeat([[0.0, 1], [9, 9]], 10, axis=0)],
    ids=["all the same", "two different"],
)
def test_rows_that_coincide_are_counted(rows: np.ndarray) -> None:
    found = choose_k(rows, [1, 2, 3], rng=0)
    assert found.choices["gap"] == len(np.unique(rows, axis=0))
    assert found.k == found.choices["gap"]


def test_a_single_k_and_as_many_clusters_as_rows() -> None:
    assert choose_k(X, [3], rng=0).k == 3
    few = cloud(6, 2)
    found = choose_k(few, [1, 3, 6], rng=0)
    assert np.isnan(found.scores["silhouette"][2])
    assert np.isnan(found.scores["calinski_harabasz"][2])
    assert found.k is not None


def test_nothing_of_the_users_changes() -> None:
    rows = X.copy()
    choose_k(rows, [1, 4], rng=0)
    assert np.array_equal(rows, X)


@pytest.mark.parametrize(
    ("options", "about"),
    [
        ({"ks": []}, "ks"),
        ({"ks": [1, 1]}, "ks"),
        ({"ks": [200]}, "ks"),
        ({"ks": 3}, "ks"),
        ({"criteria": []}, "criteria"),
        ({"criteria": "gap"}, "criteria"),
        ({"criteria": ["gup"]}, "criteria"),
        ({"criteria": ["eigengap"]}, "criteria"),
        ({"criteria": ["gap"], "algorithm": "kmedoids"}, "criteria"),
        ({"algorithm": "dbscan"}, "algorithm"),
        ({"options": ["n_init"]}, "options"),
        ({"options": {"rng": 3}}, "options"),
        ({"options": {"n_init": 0}}, "n_init"),
        ({"sample_size": 0}, "sample_size"),
        ({"sample_size": 3}, "sample_size"),
        ({"sample_weight": [1.0]}, "sample_weight"),
        (
            {"sample_weight": np.ones(150), "algorithm": "spectral", "criteria": ["eigengap"]},
            "sample_weight",
        ),
        ({"callback": 3}, "callback"),
        ({"rng": "x"}, "rng"),
    ],
)
def test_bad_arguments_are_named(options: dict, about: str) -> None:
    with pytest.raises((TypeError, ValueError), match=about):
        choose_k(X, **({"ks": [1, 4], "criteria": ["elbow"]} | options))


def test_unknown_options_are_the_functions_own_error() -> None:
    with pytest.raises(TypeError, match="n_inits"):
        choose_k(X, [2], options={"n_inits": 3})


def test_kmeans_is_what_a_user_would_fit() -> None:
    found = choose_k(X, [4], criteria=["elbow"], rng=0)
    result = kmeans(X, 4, n_init=3, rng=0)
    assert_allclose(found.inertias[0], result.inertia)
