"""The file that an input is read from: on the disk, from standard input, or unpacked."""

import gzip
import io
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from kmeans_xp.cli.errors import CliError

STDIN = "-"
PACKED = ".gz"

# How files begin whose kind is found out.
GZIP = b"\x1f\x8b"
STARTS = {b"\x93NUMPY": ".npy", b"PK": ".npz", b"PAR1": ".parquet", b"\x89PNG": ".png"}
STARTS |= {b"\xff\xd8\xff": ".jpg", b"BM": ".bmp", b"II*\0": ".tif", b"MM\0*": ".tif"}
STARTS |= {b"RIFF": ".webp"}


@dataclass(frozen=True)
class File:
    """A file that a reader opens.

    Attributes
    ----------
    shown : str
        What to call it in errors; ``str(file)`` is the same.
    suffix : str
        Which kind it is of, such as ``.csv``.
    content : bytes, optional
        What it holds, where it has no place of its own on the disk.
    """

    shown: str
    suffix: str
    content: bytes | None = None

    def __str__(self) -> str:
        return self.shown

    @property
    def name(self) -> str:
        """What to call it in summaries."""
        return Path(self.shown).name

    @property
    def path(self) -> Path | None:
        """Where it is on the disk, if it is there as it is to be read."""
        return Path(self.shown) if self.content is None else None

    def open(self) -> IO[bytes]:
        """Open it from its start."""
        if self.content is not None:
            return io.BytesIO(self.content)
        return Path(self.shown).open("rb")


def locate(spec: str) -> File:
    """Find the file that INPUT names; nothing of it is read yet but of standard input."""
    if spec == STDIN:
        return _standard_input()
    path = Path(spec)
    suffixes = path.suffixes[-2:] if path.suffix.lower() == PACKED else [path.suffix]
    return File(str(path), "".join(suffixes).lower())


def loaded(file: File) -> File:
    """Return a file that can be read more than once, as it is without its compression."""
    packed = file.suffix.endswith(PACKED)
    if file.content is not None or not (packed or Path(file.shown).is_fifo()):
        return file
    with file.open() as raw:
        content = _unpacked(file.shown, raw) if packed else raw.read()
    return File(file.shown, file.suffix.removesuffix(PACKED), content)


def _standard_input() -> File:
    shown, content = "standard input", sys.stdin.buffer.read()
    if content.startswith(GZIP):
        content = _unpacked(shown, io.BytesIO(content))
    return File(shown, _kind(content), content)


def _kind(content: bytes) -> str:
    """Return the suffix of what content is: text unless it begins as one of the other kinds.

    A header may begin so too (``PAR1,PAR2``), but text has no byte of zero, and these kinds have.
    """
    begun = (suffix for start, suffix in STARTS.items() if content.startswith(start))
    return next(begun, ".csv") if b"\0" in content else ".csv"


def _unpacked(shown: str, raw: IO[bytes]) -> bytes:
    try:
        return gzip.GzipFile(fileobj=raw).read()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise CliError(f"{shown}: cannot be unpacked ({error})") from error
