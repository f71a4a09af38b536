"""The benchmark of choices of k: its scenarios, and its tables of injected choices."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import kmeans_xp
from benchmarks.cli import main
from benchmarks.scenarios import SCENARIOS, Scenario, distance_between
from benchmarks.selection import (
    CRITERIA,
    KS,
    RECOMMENDED,
    Plan,
    Result,
    against_the_best,
    judge,
    mean_difference,
    run,
)

SHAPES = {
    "null10": (200, 10),
    "three2d": (100, 2),
    "elongated": (200, 3),
    "normal5": (200, 5),
    "unequal": (380, 2),
    "discs": (240, 2),
    "heavy_tails": (210, 3),
    "wine": (178, 13),
    "iris": (150, 4),
}
# How many rows each cluster has, in the order of the rows.
SIZES = {
    "three2d": (25, 25, 50),
    "elongated": (100, 100),
    "unequal": (300, 40, 40),
    "discs": (60,) * 4,
    "heavy_tails": (70,) * 3,
}
CENTERS = {
    "three2d": [[0, 0], [0, 5], [5, -3]],
    "elongated": [[0, 0, 0], [10, 10, 10]],
    "unequal": [[0, 0], [7, 0], [7, 4]],
    "discs": [[0, 0], [6, 0], [3, 5], [9, 5]],
    "heavy_tails": [[0, 0, 0], [14, 0, 0], [0, 14, 0]],
}
DEVIATIONS = {
    "three2d": [1, 1, 1],
    "elongated": [np.sqrt(1 / 12 + 0.01)] * 2,
    "unequal": [1.5, 0.6, 0.6],
    "discs": [0.8] * 4,  # half the radius
    "heavy_tails": [np.sqrt(3)] * 3,
}


@pytest.mark.parametrize("name", SHAPES)
def test_shape(name):
    rows = SCENARIOS[name].rows(0)
    assert rows.shape == SHAPES[name]
    assert rows.dtype == np.float64
    assert np.isfinite(rows).all()


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_seed_draws_the_same_rows_and_another_seed_other_rows(name):
    scenario = SCENARIOS[name]
    assert_array_equal(scenario.rows(3), scenario.rows(3))
    assert np.array_equal(scenario.rows(3), scenario.rows(4)) != scenario.simulated


@pytest.mark.parametrize("name", SIZES)
def test_clusters_are_where_they_shall_be(name):
    draws = np.stack([SCENARIOS[name].rows(seed) for seed in range(100)])
    clusters = np.split(draws, np.cumsum(SIZES[name])[:-1], axis=1)
    assert len(clusters) == SCENARIOS[name].k
    for rows, center, deviation in zip(clusters, CENTERS[name], DEVIATIONS[name], strict=True):
        assert_allclose(rows.mean(axis=(0, 1)), center, atol=0.1)
        assert_allclose(rows.std(axis=(0, 1)), deviation, rtol=0.2)


@pytest.mark.parametrize(("name", "d"), [("four3d", 3), ("four10d", 10)])
def test_four_clusters_of_25_or_50_rows(name, d):
    draws = [SCENARIOS[name].rows(seed) for seed in range(20)]
    assert {rows.shape[1] for rows in draws} == {d}
    assert {len(rows) for rows in draws} <= {100, 125, 150, 175, 200}


def test_clusters_too_near_are_drawn_anew(monkeypatch):
    """Every second draw is taken for too near: the second one is returned."""
    distances = iter([0.9, 1.0])
    first, second = np.random.default_rng(5), np.random.default_rng(5)
    monkeypatch.setattr("benchmarks.scenarios.distance_between", lambda clusters: next(distances))
    rows = SCENARIOS["four3d"].draw(first)
    distances = iter([1.0, 1.0])
    SCENARIOS["four3d"].draw(second)
    assert_array_equal(SCENARIOS["four3d"].draw(second), rows)


def test_distance_between_clusters():
    clusters = [np.array([[0.0, 0], [0, 1]]), np.array([[9.0, 0], [3, 5]]), np.array([[9.0, 1]])]
    assert distance_between(clusters) == 1.0
    assert distance_between(clusters[:2]) == 5.0


def test_uniform_rows_fill_the_cube():
    rows = SCENARIOS["null10"].rows(0)
    assert 0 <= rows.min() < 0.01
    assert 0.99 < rows.max() <= 1


def test_wine_is_standardised():
    rows = SCENARIOS["wine"].rows(0)
    assert_allclose(rows.mean(axis=0), 0, atol=1e-12)
    assert_allclose(rows.std(axis=0), 1)


def three_or_four(X, ks, *, criteria, rng):
    """Three by every criterion but in odd seeds four, no elbow, and always three by the gap."""
    assert list(ks) == list(KS)
    k = 4 if rng % 2 else 3
    return SimpleNamespace(k=k, choices=dict.fromkeys(criteria, k) | {"gap": 3, "elbow": None})


@pytest.fixture
def tried(tmp_path, capsys):
    """Run some scenarios by an injected choice; all goals met, what is printed, the JSON."""

    def tried(names, choose=three_or_four, seeds=4):
        scenarios = [SCENARIOS[name] for name in names.split()]
        plan = Plan(scenarios, seeds, 1, "command", "small", tmp_path)
        met = run(plan, choose)
        printed = capsys.readouterr().out
        assert (tmp_path / "small.md").read_text().strip() in printed
        return met, printed, json.loads((tmp_path / "small.json").read_text())

    return tried


def test_rates(tried):
    _, printed, stored = tried("normal5 three2d discs iris")
    rates = {scenario["scenario"]: scenario["rates"] for scenario in stored["scenarios"]}
    assert [rates[name][RECOMMENDED] for name in rates] == [0, 0.5, 0.5, 0]
    assert [rates[name]["gap"] for name in rates] == [0, 1, 0, 0]
    # That there is no elbow is right in one cluster alone.
    assert [rates[name]["elbow"] for name in rates] == [1, 0, 0, 0]
    assert stored["scenarios"][1]["choices"]["bic"] == [3, 4, 3, 4]
    cells = [line.split("|")[1:-1] for line in printed.splitlines() if line.startswith("| mean")]
    # Iris, which is not simulated, has no part in the mean.
    assert [cell.strip() for cell in cells[0]][:4] == ["mean", "", "33", "33"]
    assert "- discs: 3 (2), 4 (2)" in printed


@pytest.mark.parametrize(
    ("names", "k", "goals"),
    [
        ("wine", 3, [True]),
        ("iris", 3, [False]),
        ("wine iris", 3, [True, False]),
        ("iris", 2, [True]),
        ("discs", 4, [True]),  # beside the best criterion, without its goal's other scenario
        ("discs heavy_tails", 4, [False, True]),
        ("three2d", 3, [True]),
        ("null10 three2d four3d four10d elongated normal5", 1, [False, True]),
    ],
)
def test_goals(tried, names, k, goals):
    def choose(X, ks, *, criteria, rng):
        return SimpleNamespace(k=k, choices=dict.fromkeys(criteria, k))

    met, printed, stored = tried(names, choose)
    assert [goal["met"] for goal in stored["goals"]] == goals
    assert met == all(goals)
    assert printed.count("- met: ") == sum(goals)
    assert printed.count("- NOT met: ") == len(goals) - sum(goals)


@pytest.mark.parametrize(("misses", "met"), [(0, True), (6, True), (7, False)])
def test_a_goal_is_a_mean_over_its_scenarios(misses, met):
    """95% of six scenarios of 20 seeds each: all but six."""
    names = ["null10", "three2d", "four3d", "four10d", "elongated", "normal5"]
    results = {name: _result(name, RECOMMENDED, 20) for name in names}
    results["four3d"] = _result("four3d", RECOMMENDED, 20 - misses)
    assert next(judge(results))[0] == met


def _result(name, criterion, right, seeds=20):
    """Right in the first seeds by one criterion, in all by the gap, in none by the others."""
    scenario = SCENARIOS[name]
    wrong = dict.fromkeys((RECOMMENDED, *CRITERIA), 9) | {"gap": scenario.k}
    choices = [wrong | ({criterion: scenario.k} if seed < right else {}) for seed in range(seeds)]
    return Result(scenario, choices)


def test_the_error_of_a_mean_of_differences():
    results = [_result("discs", RECOMMENDED, 15), _result("three2d", RECOMMENDED, 20)]
    difference, error = mean_difference(results, RECOMMENDED, "gap")
    assert difference == pytest.approx(-0.25 / 2)
    # Five differences of -1 among twenty, and none: of the mean of two means.
    assert error == pytest.approx(math.sqrt(20 / 19 * 0.25 * 0.75 / 20) / 2)
    assert mean_difference(results, "gap", RECOMMENDED) == (-difference, error)


@pytest.mark.parametrize(("right", "met"), [(20, True), (17, True), (16, False)])
def test_the_recommendation_may_lie_two_errors_below_the_best(right, met):
    """Three misses of 20 lie 1.83 standard errors below none, four lie 2.18."""
    found, words = against_the_best([_result("discs", RECOMMENDED, right)])
    assert found == met
    assert "recommended less gap, the best criterion: " in words


def test_selection_from_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(kmeans_xp, "choose_k", three_or_four, raising=False)
    words = "selection --seeds 2 --scenarios wine discs"
    assert main([*words.split(), "--out", str(tmp_path), "--name", "small"]) == 1
    stored = json.loads((tmp_path / "small.json").read_text())
    assert stored["command"] == f"python -m benchmarks {words}"
    assert [scenario["choices"][RECOMMENDED] for scenario in stored["scenarios"]] == [[3, 4]] * 2
    assert "- NOT met: recommended over wine: 50.0%, at least 100%" in capsys.readouterr().out
    # A few seeds decide nothing.
    quick = ["selection", "--quick", "--scenarios", "wine", "--out", str(tmp_path)]
    assert main(quick) == 0
    assert json.loads((tmp_path / "selection-quick.json").read_text())["seeds"] == 4


def test_one_seed_has_no_error(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["selection", "--seeds", "1", "--out", str(tmp_path)])
    assert stop.value.code == 2
    assert "--seeds must be at least 2, for a standard error, got 1" in capsys.readouterr().err


def test_scenarios_differ_in_their_draws():
    draw = SCENARIOS["normal5"].draw
    one, other = Scenario("one", 1, draw), Scenario("other", 1, draw)
    assert not np.array_equal(one.rows(0), other.rows(0))
