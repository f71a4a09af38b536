"""What the command line clusters: one face for arrays, tables and images."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kmeans_xp.cli.errors import CliError, known

Array = npt.NDArray[Any]

SAMPLE = "sample:"


class Input(ABC):
    """Rows and named columns, read as far as they are asked for.

    Attributes
    ----------
    name : str
        What to call it in messages.
    columns : tuple of str
        Every column, in order.
    named : bool
        Whether the columns' names come from the input, not from their positions.
    image : tuple of int or None
        Height and width, where the rows are the pixels of an image.
    """

    name: str
    columns: tuple[str, ...]
    named: bool
    image: tuple[int, int] | None = None

    @abstractmethod
    def numeric(self) -> list[int]:
        """Positions of the columns that are features unless the user picks others."""

    @abstractmethod
    def take(self, positions: Sequence[int]) -> Array:
        """Return the rows' values in some columns; an error names a bad value's place."""

    @abstractmethod
    def beside(self, start: int, stop: int) -> Any:
        """Return the original rows ``start:stop`` as a pyarrow table, to put labels beside."""

    def as_text(self, start: int, stop: int) -> Any:
        """Return the same rows for a text file, where an input kept its cells as written."""
        return self.beside(start, stop)

    def position(self, wanted: str, option: str) -> int:
        """Find a column by name, or else by its position counted from 0."""
        if wanted in self.columns:
            return self.columns.index(wanted)
        if wanted.isdecimal() and int(wanted) < len(self.columns):
            return int(wanted)
        raise CliError(
            f"{option}: {self.name} has no column {wanted!r}; "
            f"it has {known(list(self.columns), wanted)}"
        )


@dataclass(frozen=True)
class Choice:
    """Which columns of an input to use, as the user wrote it."""

    columns: tuple[str, ...] = ()
    weights: str | None = None

    def positions(self, source: Input) -> list[int]:
        """Positions of the chosen feature columns."""
        weight = None if self.weights is None else source.position(self.weights, "--weights")
        if not self.columns:
            chosen = [p for p in source.numeric() if p != weight]
            if not chosen:
                raise CliError(f"{source.name}: no numeric column to cluster by")
            return chosen
        chosen = [source.position(name, "--columns") for name in self._names(source)]
        for position in chosen:
            name = source.columns[position]
            if position == weight:
                raise CliError(f"--columns: {name!r} is the --weights column; leave one out")
            if chosen.count(position) > 1:
                raise CliError(f"--columns: {name!r} is named twice")
        return chosen

    def _names(self, source: Input) -> list[str]:
        # A column's own name may hold a comma, so the whole is tried before its parts.
        names: list[str] = []
        for item in self.columns:
            names += [item] if item in source.columns else item.split(",")
        return [name if name in source.columns else name.strip() for name in names]


@dataclass(frozen=True)
class Data:
    """The chosen part of an input: features, and perhaps weights."""

    source: Input
    rows: Array
    columns: tuple[str, ...]
    weights: Array | None = None

    @property
    def left_out(self) -> tuple[str, ...]:
        """Columns that are neither features nor asked for: worth a word to the user."""
        return tuple(c for c in self.source.columns if c not in self.columns)


def choose(source: Input, choice: Choice) -> Data:
    """Take the chosen features and weights out of an input."""
    positions = choice.positions(source)
    weights = None
    if choice.weights is not None:
        weights = source.take([source.position(choice.weights, "--weights")])[:, 0]
        weights = np.asarray(weights, dtype=np.float64)
    names = tuple(source.columns[p] for p in positions)
    return Data(source, source.take(positions), names, weights)


def read(spec: str, *, key: str | None = None) -> Input:
    """Open what INPUT names: a file of a known suffix or ``sample:NAME``.

    Parameters
    ----------
    spec : str
        A path, or ``sample:`` and the name of a data set that scikit-learn ships.
    key : str, optional
        The array to take from an .npz file.
    """
    suffix = Path(spec).suffix.lower()
    if key is not None and (suffix != ".npz" or spec.startswith(SAMPLE)):
        raise CliError(f"--key names an array of an .npz file; {spec} is none")
    if spec.startswith(SAMPLE):
        from kmeans_xp.cli import samples

        return samples.read(spec.removeprefix(SAMPLE))
    path = Path(spec)
    reader = _reader(path, suffix, key)
    if path.is_dir():
        raise CliError(f"{path}: is a directory, not a file")
    if path.stat().st_size == 0:
        raise CliError(f"{path}: is empty")
    return reader(path)


def _reader(path: Path, suffix: str, key: str | None) -> Callable[[Path], Input]:
    # Readers are imported here so that an array needs no pyarrow and a table no pillow.
    if suffix in {".npy", ".npz"}:
        from kmeans_xp.cli import array_files

        return array_files.read_npy if suffix == ".npy" else array_files.npz_reader(key)
    if suffix in {".csv", ".tsv", ".parquet"}:
        from kmeans_xp.cli import tables

        return tables.read_parquet if suffix == ".parquet" else tables.read_csv
    if suffix in {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}:
        from kmeans_xp.cli import images

        return images.read
    raise CliError(
        f"{path}: unknown kind of file {suffix or '(no suffix)'!r}; INPUT is .npy, .npz, .csv, "
        ".tsv, .parquet, an image (.png, .jpg, .bmp, .tif, .webp), or sample:NAME"
    )
