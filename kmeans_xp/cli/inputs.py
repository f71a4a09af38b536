"""What the command line clusters: one face for arrays, tables and images."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from re import fullmatch
from typing import Any

import numpy as np
import numpy.typing as npt

from kmeans_xp.cli.errors import CliError, known

Array = npt.NDArray[Any]

SAMPLE = "sample:"
TEXT = (".csv", ".tsv")


class Input(ABC):
    """Rows and named columns, read as far as they are asked for.

    Attributes
    ----------
    name : str
        What to call it in messages.
    columns : tuple of str
        Every column, in order.
    headings : tuple of str
        Their names as the input spells them.
    named : bool
        Whether the columns' names come from the input, not from their positions.
    image : tuple of int or None
        Height and width, where the rows are the pixels of an image.
    """

    name: str
    columns: tuple[str, ...]
    headings: tuple[str, ...]
    named: bool
    image: tuple[int, int] | None = None

    @property
    def index(self) -> tuple[str, ...]:
        """Columns that number the rows; no features unless the user picks them."""
        return ()

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
    weighted_by: str | None = None

    @property
    def left_out(self) -> tuple[str, ...]:
        """Columns that are neither features nor asked for: worth a word to the user."""
        return tuple(c for c in self.source.columns if c not in (*self.columns, self.weighted_by))


def choose(source: Input, choice: Choice) -> Data:
    """Take the chosen features and weights out of an input."""
    positions = choice.positions(source)
    names, rows = tuple(source.columns[p] for p in positions), source.take(positions)
    if choice.weights is None:
        return Data(source, rows, names)
    position = source.position(choice.weights, "--weights")
    weights = np.asarray(source.take([position])[:, 0], dtype=np.float64)
    return Data(source, rows, names, weights, source.columns[position])


@dataclass(frozen=True)
class Format:
    """How an input is to be read, as far as the user says so.

    Parameters
    ----------
    key : str, optional
        The array to take from an .npz file.
    separator : str, optional
        What stands between the cells of a text table.
    header : bool, optional
        Whether the first row of a text table names the columns.
    decimal : str, optional
        The decimal mark of the numbers in a text table.
    """

    key: str | None = None
    separator: str | None = None
    header: bool | None = None
    decimal: str | None = None

    def check(self, spec: str, suffix: str) -> None:
        """Refuse what the input or the option has no use for."""
        if self.key is not None and suffix != ".npz":
            raise CliError(f"--key names an array of an .npz file; {spec} is none")
        said = {
            "--separator": self.separator,
            "--header" if self.header else "--no-header": self.header,
            "--decimal": self.decimal,
        }
        for option, value in said.items():
            if value is not None and suffix not in TEXT:
                raise CliError(f"{option} is for a .csv or .tsv file; {spec} is none")
        if self.separator not in (None, "tab") and not fullmatch(r'[^"\r\n]', self.separator):
            raise CliError(f"--separator must be one character or tab, got {self.separator!r}")
        if self.decimal not in (None, ".", ","):
            raise CliError(f"--decimal must be . or , (a point or a comma), got {self.decimal!r}")
