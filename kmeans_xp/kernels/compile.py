"""Compile everything beforehand, for whoever would not wait for it later."""

import sys

import numpy as np

from kmeans_xp.arrays.checks import check_count
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.compiling import Group


def compile(*, verbose: int | None = None) -> None:  # noqa: A001
    """Compile all that the extra `fast` speeds up, and keep it on disk for later processes.

    It takes one or two minutes the first time, and a second where everything is on disk. Without
    it a process compiles what its calls repay, and loads what an earlier one has compiled.

    Parameters
    ----------
    verbose : int or None
        0 shows nothing, and 1 on standard error what is being compiled. None shows it where that
        is a terminal.

    Returns
    -------
    None
        The compiled code is in the package's ``__pycache__`` folders, or where these cannot be
        written to in the user's cache folder; ``NUMBA_CACHE_DIR`` moves it.

    Raises
    ------
    ImportError
        If Numba is not installed.
    RuntimeError
        If Numba cannot be used, or does not compile something.
    TypeError, ValueError
        If `verbose` is neither None nor an int of at least 0.

    Examples
    --------
    >>> import kmeans_xp
    >>> kmeans_xp.compile()  # doctest: +SKIP
    """
    terminal = sys.stderr.isatty()
    if verbose is None:
        verbose = terminal
    elif not isinstance(verbose, bool | np.bool_):
        check_count(verbose, "verbose", low=0)
    if not compiling.installed():
        raise ImportError(
            "numba compiles kernels, and is not installed: pip install 'kmeans_xp[fast]'"
        )
    show = _show_in_place if terminal else _show
    done = compiling.compile_all(show if verbose else None)
    if verbose and terminal:
        sys.stderr.write(_CLEAR)
    if not done:
        raise RuntimeError(f"kernels cannot be compiled: {compiling.trouble()}")


# To the start of the line, and erase it.
_CLEAR = "\r\x1b[K"


def _show(number: int, count: int, dtype: np.dtype, group: Group) -> None:
    sys.stderr.write(f"{_line(number, count, dtype, group)}\n")


def _show_in_place(number: int, count: int, dtype: np.dtype, group: Group) -> None:
    sys.stderr.write(f"{_CLEAR}{_line(number, count, dtype, group)}")
    sys.stderr.flush()


def _line(number: int, count: int, dtype: np.dtype, group: Group) -> str:
    return (
        f"compiling {number} of {count}: {group.name} for {dtype}, "
        f"{group.compile_seconds:.0f} s unless it is on disk"
    )
