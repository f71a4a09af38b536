"""The command line in this process: `run` gives status, output and errors of one command."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pytest

from kmeans_xp.cli import main


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    err: str

    def refused(self) -> str:
        """The error, after checking that it is one line, status 2, and nothing else."""
        assert self.status == 2, (self.out, self.err)
        assert self.out == ""
        assert self.err.startswith("kmeans-xp: error: ")
        assert self.err.endswith("\n")
        assert self.err.count("\n") == 1
        assert "Traceback" not in self.err
        return self.err.removeprefix("kmeans-xp: error: ").rstrip("\n")

    def fine(self) -> str:
        """The output, after checking that nothing went wrong, and of notes only is said so."""
        notes = self.err.splitlines()
        assert self.status == 0, self.err
        assert all(note.startswith("kmeans-xp: note: ") for note in notes), self.err
        return self.out


class Terminal:
    """Standard error that says it is a terminal."""

    def __init__(self, real: TextIO) -> None:
        self.real = real

    def isatty(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


Run = Callable[..., Outcome]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in an empty directory."""
    monkeypatch.chdir(tmp_path)

    def run_command(*arguments: object) -> Outcome:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(status, captured.out, captured.err)

    return run_command


@pytest.fixture
def blobs() -> np.ndarray:
    """Three groups of 20 rows, far apart, in an order that mixes them."""
    rng = np.random.default_rng(0)
    middles = np.array([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0]])
    return np.repeat(middles[None], 20, axis=0).reshape(60, 2) + rng.normal(size=(60, 2))


def same_grouping(labels: np.ndarray, wanted: np.ndarray) -> bool:
    """Whether two labellings split the rows in the same way."""
    pairs = set(zip(np.asarray(labels).tolist(), np.asarray(wanted).tolist(), strict=True))
    return len(pairs) == len(set(np.asarray(labels).tolist())) == len(set(wanted.tolist()))
