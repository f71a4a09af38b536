"""Inputs that are arrays: .npy files (mapped, never unpickled), .npz files, pixels."""

import mmap
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kmeans_xp.cli.errors import CliError, optional
from kmeans_xp.cli.inputs import Array, Input

# Above this, an option that needs a changed copy of a mapped file in memory is refused:
# whoever maps a file counts on its not being read whole.
MAPPED_COPY_LIMIT = 1 << 30


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


def read_npy(path: Path) -> Input:
    """Map an .npy file; its rows are read when they are used, block by block."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise CliError(f"{path}: {_why_not(error)}") from error
    if not isinstance(array, np.ndarray):
        raise CliError(f"{path}: is not an .npy file, in spite of its name")
    return ArrayInput(path.name, array)


def npz_reader(key: str | None) -> Callable[[Path], Input]:
    """Make the reader that takes one array from an .npz file."""

    def read_npz(path: Path) -> Input:
        arrays = load_npz(path)
        if key is not None:
            if key not in arrays:
                raise CliError(f"--key: {path} has no array {key!r}; it has {_list(arrays)}")
            return ArrayInput(f"{path.name}:{key}", arrays[key])
        tables = [name for name, array in arrays.items() if array.ndim == 2]
        if len(tables) != 1:
            count = "more than one 2-d array" if tables else "no 2-d array"
            advice = "; choose one with --key" if tables else ""
            raise CliError(f"{path}: holds {count} ({_list(arrays)}){advice}")
        return ArrayInput(path.name, arrays[tables[0]])

    return read_npz


def load_npz(path: Path) -> dict[str, Array]:
    """Read every array of an .npz file, without pickles."""
    try:
        # Opened here, since NumPy leaves a file open that turns out to be no zip file.
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise CliError(f"{path}: is not an .npz file, in spite of its name")
            return {name: file[name] for name in file.files}
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise CliError(f"{path}: {_why_not(error)}") from error


def _why_not(error: Exception) -> str:
    text = str(error)
    if "pickle" in text or "Python objects" in text:
        return "holds pickled Python objects (or is no NumPy file), which is never loaded"
    return f"cannot be read as a NumPy file ({text})"


def _list(arrays: Mapping[str, Array]) -> str:
    return ", ".join(f"{name} {array.shape}" for name, array in arrays.items()) or "nothing"


def _check(name: str, array: Array) -> None:
    if array.ndim != 2:
        raise CliError(f"{name}: needs 2 dimensions (rows, features); it has {array.shape}")
    if array.dtype.kind not in "biuf":
        raise CliError(f"{name}: needs real numbers; it has dtype {array.dtype}")
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        raise CliError(f"{name}: needs numbers of at most 64 bits; it has dtype {array.dtype}")
    if 0 in array.shape:
        raise CliError(f"{name}: has no values; its shape is {array.shape}")
