"""Inputs that are tables: .csv, .tsv and .parquet, read with pyarrow."""

import csv
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from kmeans_xp.cli.errors import CliError, optional
from kmeans_xp.cli.inputs import Array, Input

# What people write where a value is missing. The empty cell is the common one.
MISSING = ("", "NA", "N/A", "#N/A", "NaN", "nan", "NULL", "null", "None", "-", "?")


class TableInput(Input):
    """A pyarrow table.

    Parameters
    ----------
    name : str
        What to call it in messages.
    table : pyarrow.Table
        The rows. The cells of a text file are kept as they were written.
    named : bool
        Whether the names of the columns come from the file.
    text : bool
        Whether this was a text file, so that numbers are still to be recognised.
    """

    def __init__(self, name: str, table: Any, *, named: bool, text: bool) -> None:
        if table.num_columns == 0 or table.num_rows == 0:
            raise CliError(f"{name}: has no rows" if table.num_columns else f"{name}: is empty")
        self.name = name
        self.columns = tuple(table.column_names)
        for column in self.columns:
            if self.columns.count(column) > 1:
                raise CliError(f"{name}: two columns are called {column!r}; rename one")
        self.named = named
        self.table = table
        self.text = text
        self._numbers: dict[int, Any] = {}

    def numeric(self) -> list[int]:
        """Columns of numbers; missing values do not make a column less numeric."""
        # An index that pandas stored is no feature.
        found = [p for p, c in enumerate(self.columns) if not c.startswith("__index_level_")]
        return [p for p in found if self._as_numbers(p) is not None]

    def take(self, positions: Sequence[int]) -> Array:
        """Take columns as numbers; float32 where all of them are stored so, else float64."""
        numbers = [self._checked(position) for position in positions]
        narrow = all(column.dtype == np.float32 for column in numbers)
        rows = np.empty((self.table.num_rows, len(numbers)), np.float32 if narrow else np.float64)
        for place, column in enumerate(numbers):
            rows[:, place] = column
        return rows

    def beside(self, start: int, stop: int) -> Any:
        """Return original rows, numbers as numbers."""
        return self._typed.slice(start, stop - start)

    def as_text(self, start: int, stop: int) -> Any:
        """Return original rows with every cell of a text file as it was written."""
        return self.table.slice(start, stop - start)

    @cached_property
    def _typed(self) -> Any:
        typed = self.table
        if self.text:
            for position, name in enumerate(self.columns):
                if (numbers := self._as_numbers(position)) is not None:
                    typed = typed.set_column(position, name, _integers(numbers))
        return typed

    def _as_numbers(self, position: int) -> Any:
        """Return a column as pyarrow floats with nulls, or None if it is not one of numbers."""
        if position not in self._numbers:
            column = self.table.column(position)
            parse = _parsed if self.text else _stored
            self._numbers[position] = parse(column)
        return self._numbers[position]

    def _checked(self, position: int) -> Array:
        column = self._as_numbers(position)
        if column is None:
            raise CliError(self._not_numeric(position))
        values: Array = column.to_numpy()
        bad = ~np.isfinite(values)
        if bad.any():
            row = int(np.argmax(bad))
            shown = self.table.column(position)[row].as_py()
            missing = shown is None or str(shown).strip() in MISSING
            what = "is missing" if missing else f"is {shown}, not a finite number"
            raise CliError(
                f"{self._place(position, row)} {what} ({int(bad.sum())} such in this column); "
                "fill it in, drop the row, or leave the column out with --columns"
            )
        return values

    def _not_numeric(self, position: int) -> str:
        column = self.table.column(position)
        for row, cell in enumerate(column.to_pylist() if self.text else ()):
            if not _is_number(cell):
                return f"{self._place(position, row)} is {cell!r}, not a number"
        what = "holds no values" if self.text else f"is not numeric ({column.type})"
        return f"{self.name}: column {self.columns[position]!r} {what}"

    def _place(self, position: int, row: int) -> str:
        # Rows are counted as a person counts them: from 1, without the header.
        return f"{self.name}: column {self.columns[position]!r}, row {row + 1}:"


def read_csv(path: Path) -> Input:
    """Read a .csv or .tsv file; the first row is a header unless all of it is numbers."""
    pa, arrow_csv = optional("pyarrow"), optional("pyarrow.csv")
    first, separator = _first_row(path)
    _check_quotes(path, separator)
    generated = [f"f{i}" for i in range(len(first))]
    try:
        table = arrow_csv.read_csv(
            path,
            read_options=arrow_csv.ReadOptions(column_names=generated),
            parse_options=arrow_csv.ParseOptions(delimiter=separator, newlines_in_values=True),
            # Cells stay text, so that nothing (a leading zero, a date) is lost on the way
            # to the output, and so that a bad number can be shown as it was written.
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(generated, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowException as error:
        raise CliError(f"{path}: {_ragged(path, separator) or error}") from error
    headed = not all(_is_number(cell) for cell in first)
    names = [f"x{i}" for i in range(len(first))]
    if headed:
        table = table.slice(1)
        names = [cell.strip() or name for cell, name in zip(first, names, strict=True)]
    return TableInput(path.name, table.rename_columns(names), named=headed, text=True)


def read_parquet(path: Path) -> Input:
    """Read a .parquet file."""
    pa, parquet = optional("pyarrow"), optional("pyarrow.parquet")
    try:
        table = parquet.read_table(path, partitioning=None)
    except pa.ArrowException as error:
        raise CliError(f"{path}: cannot be read as Parquet ({error})") from error
    return TableInput(path.name, table, named=True, text=False)


def _rows_of(path: Path, separator: str, *, strict: bool = False) -> Iterator[list[str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        try:
            reader = csv.reader(file, delimiter=separator, strict=strict)
            yield from (row for row in reader if row)
        except UnicodeDecodeError as error:
            raise CliError(f"{path}: is not text in UTF-8 ({error})") from error
        except csv.Error as error:
            raise CliError(f"{path}: is not a well-formed table ({error})") from error


def _check_quotes(path: Path, separator: str) -> None:
    """Refuse a quotation mark that is never closed: it would swallow the rows after it."""
    with path.open("rb") as file:
        marks = sum(piece.count(b'"') for piece in iter(lambda: file.read(1 << 20), b""))
    if marks % 2:
        for _ in _rows_of(path, separator, strict=True):
            pass


def _first_row(path: Path) -> tuple[list[str], str]:
    separator = "\t" if path.suffix.lower() == ".tsv" else ","
    first = next(_rows_of(path, separator), None)
    if first is None:
        raise CliError(f"{path}: is empty")
    if len(first) == 1 and separator == "," and ";" in first[0]:
        # Spreadsheets write semicolons in countries whose numbers have decimal commas.
        return next(_rows_of(path, ";"), first), ";"
    return first, separator


def _ragged(path: Path, separator: str) -> str | None:
    width = None
    for number, row in enumerate(_rows_of(path, separator)):
        width = width or len(row)
        if len(row) != width:
            return f"line {number + 1} has {len(row)} cells, the first line has {width}"
    return None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell.strip() in MISSING
    return "_" not in cell


def _parsed(column: Any) -> Any:
    """Return cells of text as floats, or None if one of them is neither number nor missing."""
    pa, compute = optional("pyarrow"), optional("pyarrow.compute")
    cells = compute.utf8_trim_whitespace(column)
    missing = compute.is_in(cells, value_set=pa.array(MISSING))
    if compute.all(missing).as_py():
        return None
    try:
        return compute.if_else(missing, None, cells).cast(pa.float64())
    except pa.ArrowInvalid:
        return None


def _stored(column: Any) -> Any:
    """Return a stored column as floats, or None if it does not hold numbers."""
    pa = optional("pyarrow")
    kind = column.type
    if kind == pa.float32():
        return column
    real = pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)
    if real or pa.types.is_boolean(kind):
        return column.cast(pa.float64(), safe=False)
    return None


def _integers(column: Any) -> Any:
    """Store whole numbers as such, as a reader of the written file expects."""
    pa = optional("pyarrow")
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid:
        return column
