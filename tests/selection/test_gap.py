"""The gap statistic."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from kmeans_xp import gap_statistic, kmeans
from kmeans_xp.algorithms.kmeans.sets import inertias_of_sets
from kmeans_xp.rows import open_rows
from kmeans_xp.selection import references
from kmeans_xp.selection.gap import Gaps
from kmeans_xp.selection.references import REFERENCES, Box
from kmeans_xp.selection.rules import RULES, index_of_maximum
from tests.backends import Backend
from tests.data import blobs, cloud

KS = range(1, 7)


def test_the_number_of_blobs_is_found(backend: Backend) -> None:
    backend.need("eager")
    X, _ = blobs(150, 3, 4, seed=1)
    found = gap_statistic(backend.asarray(X.astype(np.float32)), KS, n_references=5, rng=0)
    assert found.k == 4
    expected = gap_statistic(X.astype(np.float32), KS, n_references=5, rng=0)
    for name in ("log_w", "expected", "gap", "se"):
        assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-3)


@pytest.mark.parametrize("reference", REFERENCES)
def test_the_numbers_are_those_of_the_paper(reference: str) -> None:
    X, B = cloud(80, 3, seed=2), 7
    found = gap_statistic(X, KS, n_references=B, reference=reference, rng=3)
    generator = np.random.default_rng(3)
    gaps = Gaps(open_rows(X), list(KS), B, reference, generator)
    w = [kmeans(X, k, n_init=3, rng=generator).inertia for k in KS]
    assert_allclose(found.log_w, np.log(w))
    sets = [gaps.references.inertias(k, 3, gaps._seeds[k]) for k in KS]
    logs = np.log(sets)
    assert_allclose(found.expected, logs.mean(axis=1))
    assert_allclose(found.gap, logs.mean(axis=1) - np.log(w))
    assert_allclose(found.se, logs.std(axis=1, ddof=1) * np.sqrt(1 + 1 / B))
    assert found.k == KS[index_of_maximum(found.gap, found.se, "firstSEmax")]


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_may_be_asked_for(rule: str) -> None:
    found = gap_statistic(cloud(60, 2), KS, n_references=4, rule=rule, rng=0)
    assert found.rule == rule
    assert found.k == found.ks[index_of_maximum(found.gap, found.se, rule)]


def test_a_seed_gives_the_same_and_the_order_of_ks_does_not_matter() -> None:
    X = cloud(60, 2)
    one, two = (gap_statistic(X, ks, n_references=4, rng=1) for ks in ([1, 2, 5], [5, 1, 2]))
    assert one == two
    assert one != gap_statistic(X, [1, 2, 5], n_references=4, rng=2)


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e5])
def test_scale_and_place_change_no_gap(scale: float) -> None:
    X, _ = blobs(100, 2, 3, seed=0)
    expected = gap_statistic(X, KS, n_references=5, rng=0)
    found = gap_statistic(scale * X + 1e3 * scale, KS, n_references=5, rng=0)
    assert_allclose(found.gap, expected.gap, atol=1e-6)
    assert found.k == expected.k == 3


def test_one_long_cluster_that_lies_askew_is_one_by_principal_components() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 1)) * 30 * np.ones((1, 2)) + rng.normal(size=(200, 2))
    assert gap_statistic(X, KS, rng=0).k == 1
    assert gap_statistic(X, KS, reference="uniform", rng=0).k > 1


@pytest.mark.parametrize("reference", REFERENCES)
def test_references_fill_the_box_and_nothing_else(reference: str) -> None:
    X = cloud(500, 3, seed=4) @ np.array([[3.0, 1, 0], [0, 1, 0], [0, 2, 0.1]]) + 1e3
    box = Box.around(open_rows(X), reference)
    drawn = box.draw(4000, np.random.default_rng(0))
    axes = np.asarray(box.axes)
    assert_allclose(axes.T @ axes, np.eye(3), atol=1e-12)
    own, other = ((rows - X.mean(axis=0)) @ axes for rows in (X, drawn))
    for side, best in ((np.min, np.max), (np.max, np.min)):
        ours, theirs = side(own, axis=0), side(other, axis=0)
        width = own.max(axis=0) - own.min(axis=0)
        assert (np.abs(ours - theirs) < 0.01 * width).all(), best
    assert (other.min(axis=0) >= own.min(axis=0) - 1e-9).all()
    assert (other.max(axis=0) <= own.max(axis=0) + 1e-9).all()
    # Evenly: the variance of a uniform distribution, and no feature follows another.
    assert_allclose(other.var(axis=0), width**2 / 12, rtol=0.1)
    assert np.abs(np.corrcoef(other.T) - np.eye(3)).max() < 0.08
    if reference == "uniform":
        assert_array_equal(axes, np.eye(3))
    else:
        assert np.abs(np.corrcoef(own.T) - np.eye(3)).max() < 1e-8


def test_references_that_are_not_kept_are_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    X = cloud(60, 2)
    kept = gap_statistic(X, KS, n_references=4, rng=0)
    monkeypatch.setattr(references, "KEPT", 1)
    assert gap_statistic(X, KS, n_references=4, rng=0) == kept


@pytest.mark.parametrize("k", [1, 2, 5])
def test_sets_together_are_those_one_by_one(
    k: int, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.need("eager")
    sets = np.stack([cloud(70, 3, seed=s) for s in range(4)])
    sets[2] = np.round(sets[2])
    # Of fewer distinct rows than clusters, as a start by itself draws again.
    sets[3] = np.repeat(sets[3, :2], 35, axis=0)
    given = backend.asarray(sets)
    seeds = [3, 1, 4, 1]
    found = inertias_of_sets(given, k, seeds, 3)
    expected = [
        kmeans(given[i, ...], k, n_init=3, rng=seed, callback=lambda _: None).inertia
        for i, seed in enumerate(seeds)
    ]
    assert_allclose(found, expected, rtol=1e-4 if "float64" in backend.lacks else 1e-9, atol=1e-9)
    monkeypatch.setattr("kmeans_xp.algorithms.kmeans.sets.ENTRIES", 1)
    assert_allclose(inertias_of_sets(given, k, seeds, 3), found, rtol=1e-12, atol=1e-12)


def test_as_many_clusters_as_distinct_rows_have_a_gap() -> None:
    X = np.repeat(np.array([[0.0, 0], [5, 0], [0, 9]]), 10, axis=0)
    found = gap_statistic(X, KS, n_references=5, rng=0)
    assert np.isfinite(found.gap).all()
    assert found.k == 3


def test_rows_that_are_all_the_same_are_one_cluster() -> None:
    found = gap_statistic(np.ones((20, 2)), [1, 2, 3], n_references=3, rng=0)
    assert found.k == 1
    assert_array_equal(found.gap, 0.0)


def test_one_k_and_one_reference() -> None:
    found = gap_statistic(cloud(20, 2), [3], n_references=1, rng=0)
    assert found.k == 3
    assert found.se == (0.0,)


def test_its_text_is_a_table() -> None:
    lines = str(gap_statistic(blobs(90, 2, 3)[0], KS, rng=0)).splitlines()
    assert lines[0].split() == ["k", "log", "W", "expected", "gap", "s.e."]
    assert [line.split()[0] for line in lines[1:-1]] == [str(k) for k in KS]
    assert [line.endswith("*") for line in lines[1:-1]] == [k == 3 for k in KS]


@pytest.mark.parametrize(
    ("options", "about"),
    [
        ({"ks": []}, "ks"),
        ({"ks": [0, 1]}, "ks"),
        ({"ks": [2, 2]}, "ks"),
        ({"ks": [1, 21]}, "ks"),
        ({"ks": "12"}, "ks"),
        ({"n_references": 0}, "n_references"),
        ({"reference": "normal"}, "reference"),
        ({"rule": "Tibs2001SEmax"}, "rule"),
        ({"n_init": 0}, "n_init"),
    ],
)
def test_bad_arguments_are_named(options: dict, about: str) -> None:
    with pytest.raises((TypeError, ValueError), match=about):
        gap_statistic(cloud(20, 2), **({"ks": [1, 2]} | options))


def test_rows_that_are_not_in_memory_are_refused(tmp_path) -> None:
    path = tmp_path / "X.npy"
    np.save(path, cloud(20, 2))
    with pytest.raises(TypeError, match="Take a sample"):
        gap_statistic(np.load(path, mmap_mode="r"), [1, 2])
