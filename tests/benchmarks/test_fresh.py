"""The benchmark of fresh processes: what is first and later, and that it runs."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.cli import main
from benchmarks.datasets import DataSet
from benchmarks.fresh import Result, Times, summary
from benchmarks.races import BARE, OURS, RACES


def test_first_and_later_calls() -> None:
    times = Times(OURS, [9.0, 5.0, 4.0, 1.0, 2.0])
    assert times.first == 9.0
    assert times.later == 2.0
    data = DataSet("some", np.zeros((6, 2), np.float32), 3)
    peers = [Times("slow", [8.0, 8.0]), Times("fast", [30.0, 3.0]), Times("none", failure="why")]
    result = Result(RACES["fit"], data, [times, Times(BARE, [4.0, 6.0]), *peers])
    line = summary([result]).splitlines()[-1]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    # The least first call may be another peer's than the least later one.
    assert cells[4:] == ["9.00 s", "2.00 s", "fast", "3.00 s", "0.89×", "1.50×", "0.50×"]  # noqa: RUF001


def test_fresh_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = "fresh --quick --sets digits:300@5 --races fit --only scikit-learn --out"
    assert not main([*words.split(), str(tmp_path)])
    assert "fit, digits:300@5, kmeans_xp: " in capsys.readouterr().out
    (stored,) = json.loads((tmp_path / "fresh-quick.json").read_text())["results"]
    assert [len(one["seconds"]) for one in stored["contestants"]] == [3] * len(
        stored["contestants"]
    )
    assert stored["contestants"][0]["name"] == OURS
