"""The benchmarks: their data sets, stopwatch, referee and reports. Never a time itself."""

import json
import math
import os
import platform
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import footprint, growth, memory, neighbours, peers, report, roofline, scaling
from benchmarks.cli import main
from benchmarks.contest import Score, Settings, contest
from benchmarks.contestants import ours
from benchmarks.datasets import DataSet, UnavailableError, check, load
from benchmarks.grid import GRIDS, Point, Target, choose
from benchmarks.judge import judge
from benchmarks.machine import describe
from benchmarks.measures import CUT, DISTANCE, INERTIA, LIKELIHOOD, SCORE
from benchmarks.medoids import distances
from benchmarks.mixtures import Mixture, likelihood, start_of
from benchmarks.problem import Outcome, pose
from benchmarks.processes import ProcessError
from benchmarks.races import RACES, Entry, Race
from benchmarks.timing import Budget, turns
from kmeans_xp import kmeans
from kmeans_xp.kernels.numba import compiling

SHAPES = {
    "geo": (144_563, 2, 50),
    "color": (546_560, 3, 32),
    "flights": (327_346, 13, 64),
    "patches": (133_140, 192, 256),
    "digits": (1_797, 64, 10),
    "digits:500": (500, 64, 10),
    "flights:5000@100": (5_000, 13, 100),
    "blobs:300x4@7": (300, 4, 7),
    "normal:300x4": (300, 4, 400),
}


@pytest.mark.parametrize("spec", SHAPES)
def test_data_set(spec):
    try:
        data = load(spec)
    except UnavailableError as reason:
        pytest.skip(f"{spec}: {reason}")
    assert (*data.shape, data.k) == SHAPES[spec]
    assert data.X.dtype == np.float32
    assert data.X.flags.c_contiguous
    assert np.isfinite(data.X).all()


def test_flights_are_standardised():
    try:
        X = load("flights").X
    except UnavailableError as reason:
        pytest.skip(str(reason))
    np.testing.assert_allclose(X.mean(axis=0, dtype=np.float64), 0, atol=1e-5)
    np.testing.assert_allclose(X.std(axis=0, dtype=np.float64), 1, atol=1e-5)


def test_patches_have_no_mean():
    assert abs(load("patches").X.mean(axis=1)).max() < 1e-6


def test_another_k_and_another_size():
    assert load("digits@25").k == 25
    assert load("blobs:50x2").shape == (50, 2)
    np.testing.assert_array_equal(load("blobs:50x2@3").X, load("blobs:50x2@3").X)


def test_a_cut_set_has_other_rows_than_the_first():
    X, cut = load("digits").X, load("digits:1000").X
    places = [int(np.flatnonzero((row == X).all(axis=1))[0]) for row in cut]
    assert len(set(places)) == 1_000
    assert max(places) > 1_500
    np.testing.assert_array_equal(load("digits:1000").X, cut)


def test_a_set_has_no_more_rows_than_there_are():
    with pytest.raises(ValueError, match="'digits:2000' has 1797 rows: ask for no more"):
        load("digits:2000")


@pytest.mark.parametrize(
    "spec", ["iris", "geo:10x2", "geo:0", "blobs:10", "blobs:0x2", "blobs:9x2@0", "geo@", ""]
)
def test_a_bad_spec_is_named(spec):
    with pytest.raises(ValueError, match=f"data set '{spec}'"):
        check(spec)


def test_too_many_clusters_for_the_rows():
    with pytest.raises(ValueError, match="'blobs:5x2@6' has 5 different rows, fewer than its k=6"):
        pose(load("blobs:5x2@6"), seed=0, tol=0.0, max_iter=1)


def test_the_start_is_made_of_rows():
    problem = pose(load("blobs:100x3@9"), seed=3, tol=0.0, max_iter=1)
    assert {row.tobytes() for row in problem.start} <= {row.tobytes() for row in problem.X}
    assert len(np.unique(problem.start, axis=0)) == 9


def test_the_start_has_no_row_twice():
    X = np.repeat(np.arange(6, dtype=np.float32), 50)[:, None]
    problem = pose(DataSet("steps", X, 6), seed=0, tol=0.0, max_iter=1)
    assert sorted(problem.start[:, 0]) == [0, 1, 2, 3, 4, 5]


def test_the_referee_agrees_with_brute_force():
    X = load("blobs:999x5@4").X + np.float32(1000)
    centers = X[:7]
    distances = ((X[:, None].astype(float) - centers[None].astype(float)) ** 2).sum(axis=2)
    labels = distances.argmin(axis=1)
    wrong = np.where(np.arange(len(X)) < 5, (labels + 1) % 7, labels)
    verdict = judge(X, centers, wrong)
    assert verdict.quality == pytest.approx(distances.min(axis=1).sum(), rel=1e-12)
    assert verdict.mismatches == 5
    assert judge(X, centers).mismatches is None
    loss = judge(X, centers, squared=False).quality
    assert loss == pytest.approx(np.sqrt(distances.min(axis=1)).sum(), rel=1e-12)


def test_every_contestant_starts_a_round():
    assert list(turns(3, 4)) == [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]


def test_the_budget_foresees_the_next_step():
    now = [0.0]
    budget = Budget(10.0, clock=lambda: now[0])
    now[0] = 4.0
    assert budget.spend()
    now[0] = 8.0
    assert not budget.spend()


def test_a_ratio_is_the_median_of_the_rounds():
    ours = Score("a", is_ours=True, seconds=[1.0, 2.0, 4.0])
    peer = Score("b", is_ours=False, seconds=[3.0, 2.0, 8.0])
    assert peer.ratio(ours) == 2.0


def _answer(problem):
    return lambda: Outcome(problem.start, n_iter=4)


def _fail(problem):
    raise OSError("no such library\nand more")


def test_a_peer_that_fails_is_reported():
    entries = (Entry("kmeans_xp", _answer), Entry("quick", _answer), Entry("broken", _fail))
    race = Race("lloyd", "A race", entries)
    result = contest(race, load("blobs:100x3@4"), entries, Settings(rounds=3))
    assert [len(score.seconds) for score in result.scores] == [3, 3, 0]
    assert result.scores[2].failure == "OSError: no such library"
    assert result.fastest_peer is result.scores[1]


def test_ours_must_not_fail():
    entries = (Entry("kmeans_xp", _fail),)
    with pytest.raises(OSError, match="no such library"):
        contest(Race("lloyd", "A race", entries), load("blobs:100x3@4"), entries, Settings())


def test_peers_get_as_many_iterations_as_ours_took():
    given = []

    def prepare(problem):
        given.append(problem.iterations)
        return _answer(problem)

    entries = (Entry("kmeans_xp", _answer), Entry("peer", prepare))
    settings = Settings(rounds=2)
    contest(Race("lloyd", "A race", entries), load("blobs:100x3@4"), entries, settings)
    assert given == [2, 4, 4]  # the first is the warm-up


ALIKE = {
    f"{race.name}, {entry.name}": (race, entry)
    for race in RACES.values()
    for entry in race.entries
    if entry.needs in (None, "numba") and race.measure not in (CUT, DISTANCE, SCORE)
}


def test_a_race_has_its_own_end():
    given = []

    def prepare(problem):
        given.append((problem.tol, problem.max_iter))
        return _answer(problem)

    entries = (Entry("kmeans_xp", prepare),)
    race = Race("lloyd", "A race", entries, tol=0.5, max_iter=7)
    data = load("blobs:100x3@4")
    contest(race, data, entries, Settings(rounds=1))
    contest(race, data, entries, Settings(rounds=1, tol=0.0, max_iter=3))
    assert given == [(0.5, 2), (0.5, 7), (0.0, 2), (0.0, 3)]  # warmed up by 2


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("which", ALIKE)
def test_ours_and_scikit_learn_answer_alike(which):
    race, entry = ALIKE[which]
    problem = pose(load("blobs:2000x4@5"), seed=1, tol=1e-4, max_iter=50)
    verdict = race.measure.judge(problem.X, entry.prepare(problem)())
    middle = problem.X.mean(axis=0, keepdims=True)
    if race.measure is LIKELIHOOD:
        one = Mixture("spherical", np.ones(1), middle, np.array([problem.X.var()]))
        assert verdict.quality > likelihood(problem.X, one).quality
    else:
        assert 0 < verdict.quality < race.measure.judge(problem.X, Outcome(middle)).quality
    assert verdict.mismatches in (None, 0)


def test_ours_runs_with_numba_and_without():
    pytest.importorskip("numba")

    def prepare(problem):
        ours.lloyd(problem)
        return lambda: kmeans(problem.X, problem.k, init=problem.start).kernel

    problem = pose(load("blobs:2000x4@5"), seed=1, tol=1e-4, max_iter=50)
    assert ours.without_numba(prepare, problem)() == "numpy hamerly"
    assert prepare(problem)() == "numba hamerly"


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", [name for name in RACES if name.startswith("gmm")])
def test_mixtures_start_from_the_same_parameters(name):
    problem = pose(load("blobs:500x4@5"), seed=1, tol=0.0, max_iter=3)
    ours, peer = (entry.prepare(problem)().mixture for entry in RACES[name].entries)
    np.testing.assert_allclose(ours.means, peer.means, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(ours.matrices(), peer.matrices(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["lloyd", "predict"])
def test_superkmeans_takes_part(name):
    pytest.importorskip("superkmeans")
    race = RACES[name]
    problem = replace(pose(load("blobs:500x4@5"), seed=1, tol=0.0, max_iter=10), iterations=10)
    entry = next(entry for entry in race.entries if entry.needs == "superkmeans")
    ours, theirs = (
        race.measure.judge(problem.X, e.prepare(problem)()) for e in (race.entries[0], entry)
    )
    assert theirs.quality == pytest.approx(ours.quality, rel=0.3)
    assert theirs.mismatches in (None, 0)


def test_swaps_end_at_the_same_medoids():
    pytest.importorskip("kmedoids")
    race = RACES["medoids"]
    problem = pose(load("blobs:500x4@5"), seed=1, tol=0.0, max_iter=30)
    answers = [entry.prepare(problem)() for entry in race.entries if entry.installed]
    first, *others = (np.sort(answer.centers, axis=0) for answer in answers)
    assert len(others) >= 1
    for centers in others:
        np.testing.assert_array_equal(centers, first)
    assert len({race.measure.judge(problem.X, answer).quality for answer in answers}) == 1


@pytest.mark.parametrize("package", ["kmedoids", "onebatch"])
def test_peers_fit_medoids(package):
    pytest.importorskip(package)
    race = RACES["medoids-rows"]
    problem = pose(load("blobs:500x4@5"), seed=1, tol=0.0, max_iter=30)
    entry = next(entry for entry in race.entries if entry.needs == package)
    ours, theirs = (
        race.measure.judge(problem.X, e.prepare(problem)()) for e in (race.entries[0], entry)
    )
    assert theirs.quality == pytest.approx(ours.quality, rel=0.1)
    assert theirs.mismatches in (None, 0)


@pytest.mark.parametrize(
    ("name", "spec"), [("neighbors", "blobs:400x4@5"), ("spectral", "digits:400")]
)
def test_graphs_are_judged_alike(name, spec):
    race = RACES[name]
    problem = pose(load(spec), seed=1, tol=0.0, max_iter=30)
    entries = [entry for entry in race.entries if entry.installed]
    ours, *others = (race.measure.judge(problem.X, e.prepare(problem)()) for e in entries)
    assert len(others) >= 2
    for theirs in others:
        assert theirs.quality == pytest.approx(ours.quality, rel=0.5)
        assert theirs.mismatches == ours.mismatches
    # A clustering at random cuts more; other rows than the nearest are farther.
    rng = np.random.default_rng(0)
    shape = (400, problem.k) if name == "neighbors" else 400
    worse = Outcome(labels=rng.integers(0, min(400, problem.k), shape))
    assert race.measure.judge(problem.X, worse).quality > 1.2 * ours.quality


@pytest.mark.parametrize("name", ["silhouette", "calinski-harabasz", "davies-bouldin"])
def test_everybody_finds_the_same_score(name):
    race, problem = RACES[name], pose(load("digits:400"), seed=1, tol=0.0, max_iter=1)
    scores = [race.measure.judge(problem.X, e.prepare(problem)()).quality for e in race.entries]
    assert len(scores) == 3
    assert scores == pytest.approx(scores[:1] * 3, rel=1e-4)


def test_distances_between_all_rows():
    X = load("digits:300").X
    D = distances(X)
    assert D.dtype == np.float32
    np.testing.assert_array_equal(D, D.T)
    np.testing.assert_allclose(D[7], np.linalg.norm(X - X[7], axis=1), rtol=1e-6)


def test_who_takes_fewer_rows_is_left_out(capsys):
    data = load("blobs:100x3@4")
    few = Entry("few", _answer, max_rows=99)
    entries = (Entry("kmeans_xp", _answer, max_rows=100), few)
    race = Race("lloyd", "A race", entries)
    result = contest(race, data, entries, Settings(rounds=1))
    assert [score.name for score in result.scores] == ["kmeans_xp"]
    assert peers.fitting([Race("swaps", "A race", (few,)), race], data) == [race]
    assert "swaps, blobs:100x3@4: left out" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_the_referee_of_mixtures_agrees_with_scipy(kind):
    from scipy.stats import multivariate_normal

    X = load("blobs:300x3@2").X + np.float32(100)
    start = start_of(X, X[:2], kind)
    inverse = np.linalg.inv if kind in {"full", "tied"} else np.reciprocal
    covariances = inverse(start["precisions_init"])
    mixture = Mixture(kind, np.array([0.25, 0.75]), start["means_init"], covariances)
    densities = [
        weight * multivariate_normal(mean, covariance).pdf(X)
        for weight, mean, covariance in zip(
            mixture.weights, mixture.means, mixture.matrices(), strict=True
        )
    ]
    labels = np.argmax(densities, axis=0)
    verdict = likelihood(X, mixture, np.where(np.arange(300) < 4, 1 - labels, labels))
    assert verdict.quality == pytest.approx(np.log(np.sum(densities, axis=0)).mean(), rel=1e-9)
    assert verdict.mismatches == 4


def test_inertias_differ_by_a_ratio_and_logarithms_by_a_difference():
    assert INERTIA.difference(3.0, 2.0) == 0.5
    assert LIKELIHOOD.difference(-1.0, 0.0) == -1.0


def test_durations_and_ratios_read_well():
    assert [report.duration(s) for s in (123.4, 1.234, 0.01234, 0.00012, 1.2e-7)] == [
        "123 s",
        "1.23 s",
        "12.3 ms",
        "120 µs",
        "0.12 µs",
    ]
    ratios = [report.times(r).rstrip("\u00d7") for r in (12.34, 1.0, 0.512, 0.012)]
    assert ratios == ["12.3", "1.00", "0.51", "0.012"]


def test_the_machine_is_described_but_not_named():
    text = json.dumps(describe())
    assert platform.node() == "" or platform.node() not in text
    assert "/" not in text


def test_neighbours_are_remarked_on_only_when_busy():
    assert neighbours.remark(None) == neighbours.remark(0.01) == ""
    assert "25%" in neighbours.remark(0.25)
    share = neighbours.Neighbours().share()
    assert share is None or share >= 0


def test_peers_from_the_command_line(tmp_path, capsys):
    line = (
        "peers --sets blobs:400x3@4 --races lloyd minibatch soft --only lloyd --on numpy "
        "--rounds 1 --max-iter 5"
    )
    words = line.split()
    assert main([*words, "--out", str(tmp_path), "--name", "small"]) == 0
    printed = capsys.readouterr().out
    stored = json.loads((tmp_path / "small.json").read_text())
    assert stored["command"] == f"python -m benchmarks {line}"
    assert str(tmp_path) not in (tmp_path / "small.md").read_text()
    assert [r["race"] for r in stored["results"]] == ["lloyd", "minibatch", "soft"]
    lloyd = stored["results"][0]["contestants"]
    assert [c["name"] for c in lloyd] == ["kmeans_xp", "kmeans_xp numpy CPU", "scikit-learn lloyd"]
    assert [r["measure"] for r in stored["results"]] == ["inertia", "inertia", "log-likelihood"]
    inertias = [c["quality"] for c in lloyd]
    assert inertias == pytest.approx([inertias[0]] * 3, rel=1e-5)
    assert "| kmeans_xp numpy CPU |" in printed


def test_scaling_from_the_command_line(tmp_path):
    pytest.importorskip("matplotlib")
    words = ["scaling", "--quick", "--backends", "numpy"]
    assert main([*words, "--out", str(tmp_path)]) == 0
    stored = json.loads((tmp_path / "scaling-quick.json").read_text())
    assert {(p["n"], p["d"], p["k"]) for p in stored["points"]} >= {(1000, 3, 16), (1000, 16, 64)}
    assert all(math.isfinite(p["inertia"]) for p in stored["points"])
    assert (tmp_path / "scaling-quick.png").read_bytes().startswith(b"\x89PNG")


def test_races_keep_to_their_own_sets(monkeypatch):
    plans = []
    monkeypatch.setattr(peers, "run", plans.append)
    assert main(["peers", "--races", "lloyd", "soft"]) == 0
    races = {spec: [race.name for race in races] for spec, races in plans[0].races.items()}
    assert races["patches"] == ["lloyd"]
    assert races["digits"] == ["lloyd", "soft"]
    assert races["flights@16"] == ["soft"]
    assert main(["peers", "--quick", "--races", "lloyd", "medoids"]) == 0
    races = {spec: [race.name for race in races] for spec, races in plans[1].races.items()}
    assert races == {"digits": ["lloyd", "medoids"], "blobs:20000x8@16": ["lloyd"]}


def test_so_many_iterations_and_no_more():
    entries = RACES["lloyd"].entries[:3]
    settings = Settings(rounds=1, tol=0.0, max_iter=4)
    result = contest(RACES["lloyd"], load("normal:800x6@30"), entries, settings)
    assert [score.n_iter for score in result.scores] == [[4], [4], [4]]


def test_growth_from_the_command_line(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(growth, "QUICK", growth.sweeps(growth.Size(200, 3, 4, 2), (1, 2)))
    monkeypatch.setattr(roofline, "SIDE", 64)
    monkeypatch.setattr(roofline, "STREAM_BYTES", 4_096)
    words = ["growth", "--quick", "--only", "lloyd", "--rounds", "1"]
    assert main([*words, "--out", str(tmp_path)]) == 0
    stored = json.loads((tmp_path / "growth-quick.json").read_text())
    assert {p["contestant"] for p in stored["points"]} == {"kmeans_xp", "scikit-learn lloyd"}
    assert len(stored["points"]) == 2 * 5  # the base is part of every sweep
    assert min(stored["roof"].values()) > 0
    text = (tmp_path / "growth-quick.md").read_text()
    assert all(f"## Over {name}" in text for name in ("rows", "features", "clusters", "iterations"))
    assert (tmp_path / "growth-quick.png").read_bytes().startswith(b"\x89PNG")


HOARDED = 40_000_000
linux = pytest.mark.skipif(not footprint.CLEAR_REFS.exists(), reason="Linux alone tells a peak")


def _hoard(problem):
    n = len(problem.X)

    def run():
        hoard = np.ones((n, HOARDED // 20_000), dtype=np.uint8)
        return Outcome(hoard, n_iter=7)

    return run


@pytest.fixture
def measured(tmp_path):
    """What a measure reads of a contestant in a process of its own."""
    problem = pose(load("blobs:20000x3@4"), seed=0, tol=0.0, max_iter=2)

    def read(measure, prepare):
        return memory.read(measure, footprint.task_of(prepare, problem, tmp_path))

    return read


@linux
def test_growth_is_what_a_fit_allocates(measured):
    hoard, nothing = measured("growth", _hoard), measured("growth", _answer)
    assert HOARDED - 1_000_000 < hoard.size < 1.5 * HOARDED
    assert 0 <= nothing.size < 2_000_000
    assert (hoard.n_iter, nothing.n_iter) == (7, 4)


@linux
def test_a_whole_process_holds_more_than_the_fit(measured):
    hoard, nothing = measured("whole", _hoard), measured("whole", _answer)
    assert nothing.size > 10_000_000
    assert hoard.size > nothing.size + HOARDED / 2


def test_a_measuring_process_imports_no_library_by_itself():
    program = (
        "import sys, benchmarks.footprint\n"
        "from benchmarks.contestants import faiss_cpu, flash_kmeans, intelex, kmedoids\n"
        "from benchmarks.contestants import onebatch, ours, scikit_learn, super_kmeans\n"
        "from benchmarks.contestants import torch_brute\n"
        "libraries = {'faiss', 'kmeans_xp', 'kmedoids', 'numba', 'onebatch', 'scipy', 'sklearn',\n"
        "             'torch'}\n"
        "print(sorted(libraries & set(sys.modules)))"
    )
    path = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=path)
    assert done.stdout == "[]\n"


def test_unreadied_kernels_are_not_compiled(monkeypatch):
    monkeypatch.setattr(compiling, "compile_all", lambda: pytest.fail("it was compiled"))
    problem = pose(load("blobs:200x4@5"), seed=1, tol=1e-4, max_iter=5)
    assert ours.unreadied(ours.lloyd, problem)().n_iter <= 5


def _memory_plan(race, folder):
    return memory.Plan(
        races={"blobs:100x3@4": [race]},
        rounds=1,
        max_iter=None,
        only=(),
        skip_missing=False,
        command="memory",
        name="small",
        folder=folder,
    )


@linux
def test_a_peer_whose_process_fails_is_reported(tmp_path, capsys):
    entries = (Entry("kmeans_xp", _answer), Entry("scikit-learn", _answer), Entry("broken", _fail))
    memory.run(_memory_plan(replace(memory.RACES["lloyd"], entries=entries), tmp_path))
    stored = json.loads((tmp_path / "small.json").read_text())["results"][0]["contestants"]
    assert [c["failure"] for c in stored] == [None, None, "OSError: no such library"]
    assert [len(c["growths"]) for c in stored] == [1, 1, 0]
    left_out = "Left out: broken, lloyd, blobs:100x3@4: OSError: no such library"
    assert left_out in (tmp_path / "small.md").read_text()
    assert left_out in capsys.readouterr().out


def _die(problem):
    os.abort()


@linux
def test_a_process_that_is_killed_is_reported(measured):
    with pytest.raises(ProcessError, match="ended with status -6"):
        measured("whole", _die)


@linux
def test_our_process_must_not_fail(tmp_path):
    race = replace(memory.RACES["fit"], entries=(Entry("kmeans_xp", _fail),))
    with pytest.raises(ProcessError, match="OSError: no such library"):
        memory.run(_memory_plan(race, tmp_path))


@linux
def test_memory_from_the_command_line(tmp_path):
    line = "memory --sets blobs:400x3@4 --races lloyd --only lloyd --rounds 1 --max-iter 5"
    assert main([*line.split(), "--out", str(tmp_path), "--name", "small"]) == 0
    stored = json.loads((tmp_path / "small.json").read_text())
    assert stored["command"] == f"python -m benchmarks {line}"
    contestants = stored["results"][0]["contestants"]
    assert [c["name"] for c in contestants] == ["kmeans_xp", "scikit-learn lloyd"]
    assert all(c["n_iter"] <= 5 and c["whole"] > 10_000_000 for c in contestants)
    assert str(tmp_path) not in (tmp_path / "small.md").read_text()


def test_memory_needs_linux(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(footprint, "CLEAR_REFS", tmp_path / "absent")
    with pytest.raises(SystemExit) as stopped:
        main(["memory", "--quick", "--out", str(tmp_path)])
    assert stopped.value.code == 2
    assert "it needs Linux" in capsys.readouterr().err


def test_what_grows_as_the_square_is_seen_to():
    assert growth.exponent([1, 2, 4, 8], [9.0, 4.0, 16.0, 64.0]) == pytest.approx(2)


def test_the_roof_is_the_slower_of_arithmetic_and_memory():
    roof = roofline.Roof(flops=1000.0, bandwidth=100.0)
    assert roof.seconds(10, 5, 2) == 4 * 10 * 5 / 100
    assert roof.seconds(10, 5, 200) == 2 * 10 * 5 * 200 / 1000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["peers", "--sets", "iris"], "data set 'iris' is unknown"),
        (["peers", "--rounds", "0"], "must be a whole number above 0"),
        (["peers", "--threads", "0"], "must be 1 to"),
        (["peers", "--on", "numpy=tape"], "--on must name one of numpy=cpu"),
        (["scaling", "--backends", "abacus"], "abacus cannot be used here"),
        ([], "required: benchmark"),
    ],
)
def test_a_bad_argument_ends_with_status_2(words, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_a_backend_that_fails_costs_the_others_nothing(monkeypatch):
    real = scaling.measure_one

    def measure_one(target, X, start, iterations):
        if target.backend == "broken":
            raise MemoryError("no room")
        return real(target, X, start, iterations)

    monkeypatch.setattr(scaling, "measure_one", measure_one)
    targets = [Target("broken", "cuda:0"), Target("numpy", "cpu")]
    failures = []
    points = list(scaling.measure(GRIDS["quick"], targets, 3, 16, failures))
    assert {point.name for point in points} == {"numpy CPU"}
    assert failures == ["broken GPU, n=1000, d=3, k=16: no room"]


def test_a_gpu_brings_the_larger_grid():
    cpu, gpu, other = Target("numpy", "cpu"), Target("torch", "cuda:0"), Target("dask", "DASK")
    assert choose("auto", [cpu, other]) is GRIDS["cpu"]
    assert choose("auto", [cpu, gpu]) is GRIDS["gpu"]
    assert (cpu.name, gpu.name, other.name) == ("numpy CPU", "torch GPU", "dask CPU")


def test_the_plot_has_gpus_and_processors(tmp_path):
    pytest.importorskip("matplotlib")
    from benchmarks.plots import draw_scaling

    cpu = Point("numpy", "cpu", "CPU", 1000, 3, 16, 1e-3, 1e-2, 5, 1.0, "numpy")
    gpu = replace(cpu, backend="cupy", device="cuda:0", kind="GPU", seconds_per_iteration=1e-4)
    points = [cpu, replace(cpu, n=10_000), gpu, replace(gpu, d=4)]
    machine = {"gpus": ["A GPU"], "cpu": "A processor", "threads": 2}
    draw_scaling(points, tmp_path / "plot.png", machine)
    assert (tmp_path / "plot.png").stat().st_size > 10_000
