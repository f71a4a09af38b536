"""The command line: ``kmeans-xp fit``, ``predict``, ``choose-k`` and ``info``.

A bad file or argument ends in one line on standard error and exit status 2.
"""

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments after the program's name; those of the process when left out.

    Returns
    -------
    int
        The exit status: 0, 2 after an error, 130 after Ctrl-C.
    """
    from kmeans_xp.cli.errors import INTERRUPTED, complain, open_streams, report

    arguments = sys.argv[1:] if argv is None else argv
    with open_streams():
        try:
            return _run(arguments)
        except KeyboardInterrupt:
            return complain("interrupted", status=INTERRUPTED)
        except Exception as error:  # the last line of defence: one line, never a traceback
            return report(error)


def _run(arguments: Sequence[str]) -> int:
    # The parser is an extra, so that a plain install has neither it nor its
    # dependencies; whoever runs the command without them is told which extra to add.
    # What is installed can be asked for, and compiled, all the same.
    try:
        from kmeans_xp.cli.app import run
    except ModuleNotFoundError as error:
        from kmeans_xp.cli import plain
        from kmeans_xp.cli.errors import CliError

        if arguments[:1] == ["info"]:
            return plain.run(arguments[1:])
        raise CliError(
            f"the command line needs {error.name}, which is not installed: "
            "pip install 'kmeans_xp[cli]'"
        ) from error
    return run(arguments)
