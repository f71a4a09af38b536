"""What the command line writes: whole files or none, checked before the long work."""

import io
import os
import secrets
import shutil
import signal
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from threading import current_thread, main_thread
from typing import IO, Any

import numpy as np

from kmeans_xp.cli.errors import CliError, optional
from kmeans_xp.cli.inputs import Array, Input

# Rows per piece of a written table, so that a mapped file is never in memory as a whole.
PIECE = 1 << 16

LABELS = (".csv", ".tsv", ".parquet", ".npy")
MODEL = (".npz",)
PLOT = (".png", ".svg")

# Signals that end a process unless it handles them; not every system has all.
DEADLY = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGXCPU", "SIGBREAK")


@dataclass(frozen=True)
class Outputs:
    """The files that a command writes.

    Parameters
    ----------
    labels, model, plot : Path, optional
        Where to; None for not at all.
    label_name : str
        The column of labels in a table.
    """

    labels: Path | None = None
    model: Path | None = None
    plot: Path | None = None
    label_name: str = "label"

    def check(self, *inputs: str) -> None:
        """Find out before a long fit whether everything can be written after it."""
        wanted = [
            ("--output", self.labels, LABELS),
            ("--model", self.model, MODEL),
            ("--plot", self.plot, PLOT),
        ]
        seen = {_real(Path(path)): "the input" for path in inputs}
        for option, path, suffixes in wanted:
            if path is None:
                continue
            if path.suffix.lower() not in suffixes:
                rule = " or ".join(filter(None, [", ".join(suffixes[:-1]), suffixes[-1]]))
                raise CliError(f"{option}: {path} must end in {rule}")
            real = _real(path)
            if real in seen:
                raise CliError(f"{option}: {path} is {seen[real]} as well")
            seen[real] = option
            _check_writable(option, path)
        if self.labels is not None and self.labels.suffix.lower() != ".npy":
            optional("pyarrow")
        if self.plot is not None:
            optional("matplotlib", "plot")

    def check_label_name(self, source: Input) -> None:
        """Refuse to hide a column of the input behind the labels."""
        table = self.labels is not None and self.labels.suffix.lower() != ".npy"
        if table and self.label_name in source.columns:
            raise CliError(
                f"--output: {source.name} has a column {self.label_name!r} already; "
                "name that of the labels with --label-name"
            )

    def written(self) -> dict[str, str]:
        """Return what was written where, for the summaries."""
        files = {"labels": self.labels, "model": self.model, "plot": self.plot}
        return {what: str(path) for what, path in files.items() if path is not None}


@contextmanager
def atomic(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that takes `path`'s place when all of it is written, and not before.

    It keeps the mode of the file that it replaces. What is no regular file, such as a FIFO, is
    not replaced but written to, once there is all to write.

    Raises
    ------
    CliError
        If it cannot be written; the error names `path`.
    """
    try:
        with _passed_on(path) if _is_special(path) else _replacing(path) as file:
            yield file
    except OSError as error:
        raise CliError(f"{path}: {error.strerror or error}") from error


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    target = _real(path)  # write through a symbolic link instead of replacing it
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    with removed_if_killed(draft):
        try:
            with draft.open("xb") as file:
                if target.exists():
                    draft.chmod(stat.S_IMODE(target.stat().st_mode))
                yield file
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)


@contextmanager
def _passed_on(path: Path) -> Iterator[IO[bytes]]:
    # Some writers go back to what they have written, which no pipe can.
    with TemporaryFile() as file:
        yield file
        file.seek(0)
        with path.open("wb") as special:
            shutil.copyfileobj(file, special)


def _is_special(path: Path) -> bool:
    return path.exists() and not path.is_file()


def _real(path: Path) -> Path:
    """Return where symbolic links lead; those that lead in a circle lead nowhere."""
    return Path(os.path.realpath(path))


@contextmanager
def removed_if_killed(draft: Path) -> Iterator[None]:
    """Remove a draft when a signal ends the process, which then ends by it all the same.

    A signal that is ignored, as nohup has it, or that a program which calls this handles, stays
    as it is; and only the main thread of a program can handle signals.
    """

    def end(number: int, _frame: object) -> None:
        draft.unlink(missing_ok=True)
        signal.signal(number, usual[signal.Signals(number)])
        signal.raise_signal(number)

    handlers = {s: signal.getsignal(s) for s in signal.Signals if s.name in DEADLY}
    usual = {s: h for s, h in handlers.items() if h in (signal.SIG_DFL, signal.default_int_handler)}
    if current_thread() is not main_thread():
        usual = {}
    try:
        for number in usual:
            signal.signal(number, end)
        yield
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)


def write_labels(path: Path, source: Input, labels: Array, label_name: str) -> None:
    """Write labels: alone to .npy, else beside the original rows."""
    writers: dict[str, Callable[[IO[bytes], Input, Array, str], None]] = {
        ".npy": lambda file, _source, labels, _name: np.save(file, labels, allow_pickle=False),
        ".parquet": _write_parquet,
        ".csv": lambda *arguments: _write_text(*arguments, separator=","),
        ".tsv": lambda *arguments: _write_text(*arguments, separator="\t"),
    }
    with atomic(path) as file:
        writers[path.suffix.lower()](file, source, labels, label_name)


def _check_writable(option: str, path: Path) -> None:
    if path.is_dir():
        raise CliError(f"{option}: {path} is a directory")
    try:
        special = not stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        special = False
    except OSError as error:  # symbolic links in a circle, for one
        raise CliError(f"{option}: {path}: {error.strerror}") from error
    if special:
        if not os.access(path, os.W_OK):
            raise CliError(f"{option}: {path}: Permission denied")
        return
    folder = _real(path).parent
    if not folder.is_dir():
        raise CliError(f"{option}: the directory {folder} does not exist")
    probe = folder / f".{path.name}.{secrets.token_hex(4)}.tmp"
    try:
        with removed_if_killed(probe):
            probe.touch(exist_ok=False)
            probe.unlink()
    except OSError as error:
        raise CliError(f"{option}: cannot write in {folder} ({error.strerror})") from error


def _pieces(n_rows: int) -> Iterator[tuple[int, int]]:
    for start in range(0, n_rows, PIECE):
        yield start, min(start + PIECE, n_rows)


def _write_parquet(file: IO[bytes], source: Input, labels: Array, label_name: str) -> None:
    pa, parquet = optional("pyarrow"), optional("pyarrow.parquet")
    writer = None
    try:
        for start, stop in _pieces(len(labels)):
            piece = source.beside(start, stop)
            piece = piece.append_column(label_name, pa.array(labels[start:stop]))
            writer = writer or parquet.ParquetWriter(file, piece.schema)
            writer.write_table(piece)
    finally:
        if writer is not None:
            writer.close()


def _write_text(
    file: IO[bytes], source: Input, labels: Array, label_name: str, *, separator: str
) -> None:
    pa, compute = optional("pyarrow"), optional("pyarrow.compute")
    out = io.TextIOWrapper(file, encoding="utf-8", newline="")
    names = pa.array([*source.headings, label_name])
    out.write(separator.join(_quoted(names, separator).to_pylist()) + "\n")
    for start, stop in _pieces(len(labels)):
        columns = [_cells(column, separator) for column in source.as_text(start, stop).columns]
        columns.append(pa.array(labels[start:stop]).cast(pa.string()))
        lines = compute.binary_join_element_wise(*columns, separator)
        out.write("\n".join(lines.to_pylist()) + "\n")
    out.detach()  # flushes, and leaves the file to its owner


def _cells(column: Any, separator: str) -> Any:
    pa, compute = optional("pyarrow"), optional("pyarrow.compute")
    try:
        text = column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # lists, structures
        text = pa.array([None if cell is None else str(cell) for cell in column.to_pylist()])
    return _quoted(compute.fill_null(text, ""), separator)


def _quoted(text: Any, separator: str) -> Any:
    """Quote the cells that need it, as RFC 4180 has it."""
    compute = optional("pyarrow.compute")
    needs = compute.match_substring_regex(text, pattern=f'[{separator}"\r\n]')
    if not compute.any(needs).as_py():
        return text
    doubled = compute.replace_substring(text, pattern='"', replacement='""')
    quoted = compute.binary_join_element_wise('"', doubled, '"', "")
    return compute.if_else(needs, quoted, text)
