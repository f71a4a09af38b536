"""Inputs that are arrays: .npy files (mapped, never unpickled), .npz files, pixels."""

import mmap
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import IO, Any

import numpy as np
from numpy.lib.format import (
    MAGIC_PREFIX,
    read_array,
    read_array_header_1_0,
    read_array_header_2_0,
    read_magic,
)

from kmeans_xp.cli.errors import CliError, optional
from kmeans_xp.cli.files import File
from kmeans_xp.cli.inputs import Array, Input

# Above this, an option that needs a changed copy of a mapped file in memory is refused:
# whoever maps a file counts on its not being read whole.
MAPPED_COPY_LIMIT = 1 << 30

# Kinds of dtypes whose numbers are real: bool, integers and floats.
REAL = "biuf"


class ArrayInput(Input):
    """A two-dimensional array, with the names of its columns.

    Parameters
    ----------
    name : str
        What to call it in messages.
    array : ndarray or memmap
        Rows and features.
    columns : tuple of str, optional
        Names; ``x0``, ``x1``, ... when left out.
    image : tuple of int, optional
        Height and width where the rows are pixels.
    texts : mapping of str to ndarray, optional
        Further columns that are no features but belong beside the labels.
    """

    def __init__(
        self,
        name: str,
        array: Array,
        *,
        columns: tuple[str, ...] | None = None,
        image: tuple[int, int] | None = None,
        texts: Mapping[str, Array] | None = None,
    ) -> None:
        _check(name, array)
        self.name = name
        self.array = array
        self.named = columns is not None
        self.texts = dict(texts or {})
        own = columns or tuple(f"x{i}" for i in range(array.shape[1]))
        self.columns = self.headings = (*own, *self.texts)
        self.image = image

    def numeric(self) -> list[int]:
        """Every column of the array itself."""
        return list(range(self.array.shape[1]))

    def take(self, positions: Sequence[int]) -> Array:
        """Take columns, as a view wherever they are evenly spaced."""
        for position in positions:
            if position >= self.array.shape[1]:
                raise CliError(f"{self.name}: column {self.columns[position]!r} is not numeric")
        steps = set(np.diff(positions).tolist())
        if len(steps) <= 1 and min(steps, default=1) > 0:
            step = steps.pop() if steps else 1
            return self.array[:, positions[0] : positions[-1] + 1 : step]
        check_copy(self.array[:, : len(positions)], "--columns in this order")
        return self.array[:, list(positions)]

    def beside(self, start: int, stop: int) -> Any:
        """Return original rows as a pyarrow table."""
        pa = optional("pyarrow")
        block = self.array[start:stop]
        if not block.dtype.isnative:  # pyarrow takes no other
            block = block.astype(block.dtype.newbyteorder("="))
        if block.dtype == np.float16:  # few readers of Parquet know it
            block = block.astype(np.float32)
        cells = [np.ascontiguousarray(block[:, i]) for i in range(block.shape[1])]
        cells += [text[start:stop] for text in self.texts.values()]
        give_back(self.array)
        return pa.table([pa.array(cell) for cell in cells], names=list(self.columns))


def check_copy(array: Array, wanted_by: str) -> None:
    """Refuse to copy a mapped file into memory if it is large."""
    if isinstance(array, np.memmap) and array.nbytes > MAPPED_COPY_LIMIT:
        raise CliError(
            f"{wanted_by} needs a copy in memory of a mapped file with "
            f"{array.nbytes / 2**30:.1f} GiB of rows (the limit is "
            f"{MAPPED_COPY_LIMIT / 2**30:.0f} GiB); prepare the file so that it can be "
            "streamed as it is"
        )


def give_back(array: Array) -> None:
    """Give the pages of a mapped file back; they are read again when they are used again."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    advice = getattr(mmap, "MADV_DONTNEED", None)  # Windows has none
    if isinstance(base, mmap.mmap) and advice is not None:
        base.madvise(advice)


def read_npy(file: File) -> Input:
    """Open an .npy file; one on the disk is mapped, and its rows are read when they are used."""
    # NumPy would take archives and pickles as well, whatever a file is called.
    if not _is_array(file):
        raise CliError(f"{file}: is not an .npy file, in spite of its name")
    with _named(str(file)):
        if file.path is None:
            array = read_array(file.open(), allow_pickle=False)
        else:
            array = np.load(file.path, mmap_mode="r", allow_pickle=False)
    return ArrayInput(file.name, array)


def npz_reader(key: str | None) -> Callable[[File], Input]:
    """Make the reader that takes one array from an .npz file, and reads no other."""

    def read_npz(file: File) -> Input:
        with _opened(file) as members:
            if key is None:
                return ArrayInput(file.name, members.read(members.table()))
            if key not in members.names:
                raise CliError(f"--key: {file} has no array {key!r}; it has {members.listed()}")
            return ArrayInput(f"{file.name}:{key}", members.read(key))

    return read_npz


def load_npz(file: File) -> dict[str, Array]:
    """Read every array of an .npz file, without pickles."""
    with _opened(file) as members:
        return {name: members.read(name) for name in members.names}


@dataclass(frozen=True)
class Members:
    """The arrays of an .npz file, each of which is read when it is asked for."""

    file: File
    archive: zipfile.ZipFile

    @cached_property
    def names(self) -> dict[str, str]:
        """The members' names as NumPy has them, and as the archive has them."""
        return {name.removesuffix(".npy"): name for name in self.archive.namelist()}

    def read(self, name: str) -> Array:
        """Read one array."""
        with _named(f"{self.file}:{name}"), self.archive.open(self.names[name]) as member:
            return read_array(member, allow_pickle=False)

    def table(self) -> str:
        """Return the name of the only 2-d array, or the only one of real numbers."""
        found = {name: dtype for name, (shape, dtype) in self.headers.items() if len(shape) == 2}
        real = [name for name, dtype in found.items() if dtype.kind in REAL]
        tables = real or list(found)
        if len(tables) != 1:
            count = "more than one 2-d array" if tables else "no 2-d array"
            advice = "; choose one with --key" if tables else ""
            raise CliError(f"{self.file}: holds {count} ({self.listed()}){advice}")
        return tables[0]

    def listed(self) -> str:
        """Return what there is, for a message."""
        shapes = {name: self.headers.get(name, ("(no array)",))[0] for name in self.names}
        return ", ".join(f"{name} {shape}" for name, shape in shapes.items()) or "nothing"

    @cached_property
    def headers(self) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
        """Shapes and dtypes of the members that are arrays, whose values are not read."""
        headers = {}
        for name, stored in self.names.items():
            with (
                _named(f"{self.file}:{name}"),
                self.archive.open(stored) as member,
                suppress(ValueError),  # no array
            ):
                headers[name] = _header(member)
        return headers


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    """Read shape and dtype; a member that is no array gives a ValueError."""
    readers = {(1, 0): read_array_header_1_0, (2, 0): read_array_header_2_0}
    version = read_magic(member)
    if version not in readers:  # only records whose names are beyond Latin 1 have a later one
        raise ValueError(f"its format has version {version}")
    shape, _, dtype = readers[version](member)
    return shape, dtype


@contextmanager
def _opened(file: File) -> Iterator[Members]:
    """Open an .npz file."""
    if _is_array(file):
        raise CliError(f"{file}: is not an .npz file, in spite of its name, but an .npy file")
    with file.open() as raw:
        with _named(str(file)):
            archive = zipfile.ZipFile(raw)
        with archive:
            yield Members(file, archive)


def _is_array(file: File) -> bool:
    with file.open() as raw:
        return raw.read(len(MAGIC_PREFIX)) == MAGIC_PREFIX


@contextmanager
def _named(place: str) -> Iterator[None]:
    """Turn what a damaged file makes NumPy or the archive raise into an error that names it."""
    try:
        yield
    except MemoryError as error:
        raise CliError(f"{place}: not enough memory ({error})") from error
    except Exception as error:  # cut, encrypted, of a strange compression: all have their types
        raise CliError(f"{place}: {_why_not(error)}") from error


def _why_not(error: Exception) -> str:
    text = str(error)
    if "pickle" in text or "Python objects" in text:
        return "holds pickled Python objects, which are never loaded"
    return f"cannot be read as a NumPy file ({text})"


def _check(name: str, array: Array) -> None:
    if array.ndim != 2:
        raise CliError(f"{name}: needs 2 dimensions (rows, features); it has {array.shape}")
    if array.dtype.kind not in REAL:
        raise CliError(f"{name}: needs real numbers; it has dtype {array.dtype}")
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        raise CliError(f"{name}: needs numbers of at most 64 bits; it has dtype {array.dtype}")
    if 0 in array.shape:
        raise CliError(f"{name}: has no values; its shape is {array.shape}")
