"""One line per error: what the command line says when it cannot go on."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

FAILED = 2
INTERRUPTED = 130

# Characters that a message repeats of a cell, and of a word of any other kind, such as a path.
CELL = 200
WORD = 2000


class CliError(Exception):
    """A mistake in a file or an argument, worded for the person at the terminal."""


def shortened(text: str, most: int = CELL) -> str:
    """Return a text for a message: the start of one that would fill the screen."""
    if len(text) <= most:
        return text
    return f"{text[: most // 2]}... ({len(text):,} characters)"


def one_line(text: str) -> str:
    """Put a message on one line, without the control characters that a terminal obeys."""
    words = " ".join(shortened(word, WORD) for word in text.split())
    return "".join(letter if letter.isprintable() else "?" for letter in words)


def complain(message: str, *, status: int = FAILED, kind: str = "error") -> int:
    """Write one line to standard error and hand back the exit status."""
    with suppress(OSError):  # whoever cannot be told still gets the status
        sys.stderr.write(f"kmeans-xp: {kind}: {one_line(message)}\n")
    return status


def report(error: Exception) -> int:
    """Say what went wrong in one line; KMEANS_XP_TRACEBACK=1 shows where, for developers."""
    if os.environ.get("KMEANS_XP_TRACEBACK"):
        raise error
    if isinstance(error, BrokenPipeError) and error.filename is None:
        return 1  # the reader of our output has gone (``| head``)
    return complain(_words(error))


@contextmanager
def open_streams() -> Iterator[None]:
    """Write to nowhere where a standard stream is closed (``>&-``), as Python leaves None then.

    A file that is opened would otherwise take the number of the closed stream.
    """
    with ExitStack() as streams:
        for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
            if getattr(sys, name) is None:
                nowhere = streams.enter_context(Path(os.devnull).open(mode))
                streams.callback(setattr, sys, name, None)
                setattr(sys, name, nowhere)
        yield


@contextmanager
def printing(*, needed: bool = True) -> Iterator[None]:
    """Print to standard output what is complete when this ends.

    A reader that has gone is no failure unless what is printed is needed: all that a command does.
    """
    try:
        yield
        sys.stdout.flush()  # a closed pipe shows here, not after the last line
    except BrokenPipeError:
        _silence()
        if needed:
            raise
    except OSError as error:
        _silence()
        raise CliError(f"standard output: {error.strerror or error}") from error


def _silence() -> None:
    """Point standard output elsewhere: Python would complain once more while it closes it."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        about = f"{error.filename}: " if error.filename else ""
        return f"{about}{error.strerror}"
    if isinstance(error, MemoryError):
        return f"not enough memory: {error}" if str(error) else "not enough memory"
    if isinstance(error, (CliError, ValueError, TypeError, ImportError)) and str(error):
        return str(error)
    return f"{type(error).__name__}: {error}"


def optional(module: str, extra: str = "cli") -> Any:
    """Import a module of an extra, or name the extra that brings it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or module
        raise CliError(
            f"{missing.partition('.')[0]} is needed for this and is not installed: "
            f"pip install 'kmeans_xp[{extra}]'"
        ) from error


def known(names: list[str], wanted: str, limit: int = 12) -> str:
    """List the names that would have been right, the likeliest first if there are many."""
    if len(names) <= limit:
        return ", ".join(names)
    close = get_close_matches(wanted, names, n=3) or names[: limit - 1]
    return f"{', '.join(close)}, ... ({len(names)} in all)"


@contextmanager
def one_line_warnings() -> Iterator[None]:
    """Show warnings as one line each, and none beside an error, which is one line as well."""
    held: list[str] = []

    def hold(message: Warning | str, *_: Any, **__: Any) -> None:
        held.append(str(message))

    with warnings.catch_warnings():
        warnings.showwarning = hold
        yield
    for message in dict.fromkeys(held):
        complain(message, kind="warning")
