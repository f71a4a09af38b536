"""Inputs that are tables: what those of every kind share, and .parquet, read with pyarrow."""

import re
from collections.abc import Sequence
from functools import cached_property
from itertools import takewhile
from typing import Any

import numpy as np

from kmeans_xp.cli.errors import CliError, optional, shortened
from kmeans_xp.cli.files import File
from kmeans_xp.cli.inputs import Array, Input

# What pandas calls columns without names that it reads, and an index without a name that it stores.
UNNAMED = re.compile(r"Unnamed: \d")
STORED_INDEX = re.compile(r"__index_level_\d+__")


class TableInput(Input):
    """A pyarrow table.

    Parameters
    ----------
    name : str
        What to call it in messages.
    table : pyarrow.Table
        The rows.
    named : bool
        Whether the names of the columns come from the file.
    """

    def __init__(self, name: str, table: Any, *, named: bool) -> None:
        if table.num_columns == 0 or table.num_rows == 0:
            raise CliError(f"{name}: has no rows" if table.num_columns else f"{name}: is empty")
        self.name = name
        self.headings = tuple(table.column_names)
        self.columns = tuple(_named(self.headings, place) for place in range(table.num_columns))
        for column in self.columns:
            if self.columns.count(column) > 1:
                raise CliError(f"{name}: two columns are called {column!r}; rename one")
        self.named = named
        self.table = table

    @cached_property
    def nameless(self) -> int:
        """How many columns at the left have no name, as the index has that pandas writes."""
        return len(list(takewhile(UNNAMED.match, self.columns)))

    @cached_property
    def index(self) -> tuple[str, ...]:
        """Columns that number the rows, or that pandas stored as the index."""
        found = [self.columns[p] for p in range(self.nameless) if self._is_whole(p)]
        # pandas describes a range of row numbers instead of storing it as a column.
        stored = (self.table.schema.pandas_metadata or {}).get("index_columns", [])
        found += [c for c in self.columns if c in stored or STORED_INDEX.fullmatch(c)]
        return tuple(dict.fromkeys(found))

    def numeric(self) -> list[int]:
        """Columns of numbers but an index; missing values do not make a column less numeric."""
        found = [p for p, column in enumerate(self.columns) if column not in self.index]
        found = [p for p in found if self._is_numeric(p)]
        for position in found:
            if position < self.nameless:
                raise CliError(
                    f"{self.name}: column {position} has no name, and its numbers may be an index "
                    "or a feature; name it, or name the features with --columns"
                )
        return found

    def take(self, positions: Sequence[int]) -> Array:
        """Take columns as numbers; float32 where all of them are stored so, else float64."""
        numbers = [self._checked(position) for position in positions]
        narrow = all(column.dtype == np.float32 for column in numbers)
        rows = np.empty((self.table.num_rows, len(numbers)), np.float32 if narrow else np.float64)
        for place, column in enumerate(numbers):
            rows[:, place] = column
        return rows

    def beside(self, start: int, stop: int) -> Any:
        """Return original rows."""
        return self.table.slice(start, stop - start)

    def _is_numeric(self, position: int) -> bool:
        """Return whether a column is one of numbers."""
        types, kind = optional("pyarrow").types, self.table.column(position).type
        real = types.is_floating(kind) or types.is_integer(kind) or types.is_decimal(kind)
        return real or types.is_boolean(kind)

    def _numbers(self, position: int) -> Any:
        """Return a column of numbers as pyarrow floats with nulls."""
        pa, column = optional("pyarrow"), self.table.column(position)
        return column if column.type == pa.float32() else column.cast(pa.float64(), safe=False)

    def _is_whole(self, position: int) -> bool:
        """Return whether a column is of whole numbers and lacks none."""
        if not self._is_numeric(position):
            return False
        values = self._numbers(position).to_numpy()
        return bool((values == np.floor(values)).all())

    def _checked(self, position: int) -> Array:
        """Return a column's values; an error names a bad one's place."""
        if not self._is_numeric(position):
            raise CliError(self._not_numeric(position))
        values: Array = self._numbers(position).to_numpy()
        bad = ~np.isfinite(values)
        if bad.any():
            row = int(np.argmax(bad))
            shown = self.table.column(position)[row].as_py()
            what = (
                "is missing"
                if self._is_missing(shown)
                else f"is {shortened(str(shown))}, not a finite number"
            )
            raise CliError(
                f"{self._place(position, row)} {what} ({int(bad.sum())} such in this column); "
                "fill it in, drop the row, or leave the column out with --columns"
            )
        return values

    def _is_missing(self, cell: Any) -> bool:
        return cell is None or cell != cell

    def _not_numeric(self, position: int) -> str:
        kind = self.table.column(position).type
        return f"{self.name}: column {self.columns[position]!r} is not numeric ({kind})"

    def _place(self, position: int, row: int) -> str:
        # Rows are counted as a person counts them: from 1, without the header.
        return f"{self.name}: column {self.columns[position]!r}, row {row + 1}:"


def _named(headings: Sequence[str], place: int) -> str:
    """Return the name of a column: as pandas has it, where its heading is blank."""
    name = headings[place].strip()
    if not name:
        name = f"Unnamed: {place}"
        while name in headings:
            name += ".1"
    return name


def read_parquet(file: File) -> Input:
    """Read a .parquet file."""
    pa, parquet = optional("pyarrow"), optional("pyarrow.parquet")
    try:
        # Not by `read_table`, which cannot read columns of one name, and so not name them.
        with parquet.ParquetFile(file.path or file.open()) as opened:
            table = opened.read()
    except (pa.ArrowException, OSError) as error:  # the latter of pages that are no pages
        raise CliError(f"{file}: cannot be read as Parquet ({error})") from error
    return TableInput(file.name, table, named=True)
