"""``kmeans-xp info`` where the extra `cli` is not installed: by Python's own parser."""

from argparse import ArgumentParser
from collections.abc import Sequence
from typing import NoReturn

from kmeans_xp.cli import info
from kmeans_xp.cli.errors import CliError, one_line_warnings


class _Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line, as everywhere."""
        raise CliError(f"{message} (see kmeans-xp info --help)")


def run(arguments: Sequence[str]) -> int:
    """Parse the arguments after ``info``, run it, and return the exit status."""
    parser = _Parser(
        "kmeans-xp info", description="Show versions, backends, devices, kernels and threads."
    )
    parser.add_argument("--compile", action="store_true", help="compile every Numba kernel first")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.add_argument("--for", metavar="INPUT", dest="spec", help="say what would run for INPUT")
    parser.add_argument("--n-clusters", "-k", type=int, help="how many clusters INPUT would have")
    given = parser.parse_args(arguments)
    with one_line_warnings():
        info.info(
            compile_all=given.compile,
            as_json=given.json,
            spec=given.spec,
            n_clusters=given.n_clusters,
        )
    return 0
