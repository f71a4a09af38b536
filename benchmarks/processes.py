"""Processes of their own, for what must be measured apart: they answer in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence


class ProcessError(RuntimeError):
    """A process that ended without an answer."""


def answer(arguments: Sequence[str], given: bytes, path: Iterable[str]) -> str:
    """Run Python with these arguments, input and PYTHONPATH; return the last line it prints."""
    done = subprocess.run(
        [sys.executable, *arguments],
        input=given,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        check=False,
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        # A process that was killed has said nothing of it.
        lines = said.splitlines() if done.returncode == 1 else []
        error = ProcessError(lines[-1] if lines else f"ended with status {done.returncode}")
        error.add_note(said)
        raise error
    return done.stdout.decode().splitlines()[-1]
