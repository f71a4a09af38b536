"""``python -m benchmarks``: obeys ``--threads``, then hands over to `benchmarks.commands`.

Thread pools are sized when NumPy and the contestants are imported, so nothing here and in
`benchmarks.machine` may import them.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from benchmarks import PROGRAM
from benchmarks.machine import limit_threads, usable_cpus


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a benchmark; the exit status is 2 for a bad argument."""
    threads = threads_option()
    chosen = threads.parse_known_args(arguments)[0].threads
    if chosen is not None:
        limit_threads(chosen)
    # JAX would take most of a GPU's memory for itself, and others are measured beside it.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    from benchmarks import commands

    return commands.main(arguments, parents=[threads])


def threads_option() -> argparse.ArgumentParser:
    """The one option that is read before the others."""
    option = argparse.ArgumentParser(prog=PROGRAM, add_help=False, allow_abbrev=False)
    option.add_argument("--threads", type=_threads, metavar="N", help="use so many threads")
    return option


def _threads(text: str) -> int:
    available = len(usable_cpus())
    if not text.isdigit() or not 1 <= int(text) <= available:
        raise argparse.ArgumentTypeError(f"must be 1 to {available} here, got {text}")
    return int(text)
