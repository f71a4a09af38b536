"""`compile` prepares everything, shows it, and says what is in the way."""

import sys

import pytest

import kmeans_xp
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.compiling import ALL, DTYPES


class Terminal:
    """A standard error that notes what is written."""

    def __init__(self, *, is_terminal: bool) -> None:
        self.written, self.is_terminal = "", is_terminal

    def isatty(self) -> bool:
        return self.is_terminal

    def write(self, text: str) -> None:
        self.written += text

    def flush(self) -> None:
        pass


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, object]]:
    """What is prepared, which takes no time."""
    asked: list[tuple[object, object]] = []

    def prepare(dtype: object, group: object) -> bool:
        asked.append((dtype, group))
        return not compiling.trouble()

    monkeypatch.setattr(compiling, "installed", lambda: True)
    monkeypatch.setattr(compiling, "prepare", prepare)
    monkeypatch.setattr(compiling, "_errors", {})
    return asked


@pytest.mark.parametrize(
    ("is_terminal", "verbose", "shown"),
    [(True, None, True), (False, None, False), (True, 0, False), (False, 1, True)],
)
def test_everything_is_compiled_and_shown_where_somebody_looks(
    prepared: list[tuple[object, object]],
    monkeypatch: pytest.MonkeyPatch,
    is_terminal: bool,
    verbose: int | None,
    shown: bool,
) -> None:
    stderr = Terminal(is_terminal=is_terminal)
    monkeypatch.setattr(sys, "stderr", stderr)
    kmeans_xp.compile(verbose=verbose)
    assert set(prepared) == {(dtype, group) for dtype in DTYPES for group in ALL}
    count = len(prepared)
    assert stderr.written.count("compiling ") == shown * count
    assert (f"compiling 2 of {count}: projection for float32" in stderr.written) == shown
    # On a terminal each takes the place of the one before, and nothing is left.
    assert ("\n" in stderr.written) == (shown and not is_terminal)
    assert stderr.written.endswith("\x1b[K") == (shown and is_terminal)


@pytest.mark.usefixtures("prepared")
def test_what_is_in_the_way_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TypeError, match="verbose must be an int"):
        kmeans_xp.compile(verbose="yes")
    with pytest.raises(ValueError, match="verbose must be at least 0"):
        kmeans_xp.compile(verbose=-1)
    monkeypatch.setattr(compiling, "_errors", {"numba": OSError("no such register")})
    with pytest.raises(RuntimeError, match=r"cannot be compiled: OSError: no such register$"):
        kmeans_xp.compile()
    monkeypatch.setattr(compiling, "installed", lambda: False)
    with pytest.raises(ImportError, match=r"pip install 'kmeans_xp\[fast\]'"):
        kmeans_xp.compile()
