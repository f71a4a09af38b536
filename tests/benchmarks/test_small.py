"""The benchmark of small and wide data: what it says of ratios, and that it runs."""

import json
from pathlib import Path

import pytest

from benchmarks.cli import main
from benchmarks.small import Case, Result, judge


def _result(ratio: float, *, numba: bool, call: str = "predict") -> Result:
    return Result(Case(call, "iris", 3), numba, ours=1.0, peer=ratio, kernel="")


def test_goals_are_of_means_and_of_the_least() -> None:
    fast = [_result(1.0, numba=True), _result(1.6, numba=True)]
    assert [met for met, _ in judge(fast)] == [True]
    # A mean of 1.5, but one below 1.
    assert [met for met, _ in judge([*fast, _result(0.9, numba=True)])] == [False]
    assert [met for met, _ in judge(fast[:1])] == [False]
    # Without Numba less is asked.
    bare = [_result(0.8, numba=False), _result(1.1, numba=False)]
    met, words = list(judge([*fast, *bare]))[-1]
    assert met
    assert words == "predict, without: mean 0.94 (goal 0.9), least 0.80 (goal 0.75)"


def test_small_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("numba")
    arguments = ["small", "--quick", "--calls", "predict", "--out", str(tmp_path)]
    assert main(arguments) == 0
    assert "predict, iris, k=3" in capsys.readouterr().out
    stored = json.loads((tmp_path / "small-quick.json").read_text())
    assert stored["command"] == "python -m benchmarks small --quick --calls predict"
    assert {(r["case"]["rows"], r["numba"]) for r in stored["results"]} == {
        (rows, numba) for rows in ("iris", "1000x2") for numba in (True, False)
    }
    assert all(r["ratio"] > 0 for r in stored["results"])
