"""Inputs that are tables of text: .csv and .tsv, read with pyarrow."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

from kmeans_xp.cli.cells import MARKS, MISSING, Cells
from kmeans_xp.cli.errors import CliError, optional, shortened
from kmeans_xp.cli.files import File
from kmeans_xp.cli.inputs import Format, Input
from kmeans_xp.cli.layout import has_header, rows_of, separator_of, whole_cells
from kmeans_xp.cli.tables import TableInput


class TextInput(TableInput):
    """A table of cells that are kept as they were written.

    Parameters
    ----------
    name : str
        What to call it in messages.
    table : pyarrow.Table
        The rows, all of them text.
    named : bool
        Whether the names of the columns come from the file.
    marks : str
        The decimal marks that its numbers may have.
    """

    def __init__(self, name: str, table: Any, *, named: bool, marks: str) -> None:
        super().__init__(name, table, named=named)
        self.marks = marks
        self._cells = [Cells(column, marks) for column in table.columns]

    def numeric(self) -> list[int]:
        """Columns of numbers; one that is of numbers but for some cells is refused."""
        found = super().numeric()
        for position in range(self.nameless, len(self.columns)):
            if not self._is_numeric(position) and self._cells[position].mostly_numbers():
                raise CliError(
                    f"{self._not_numeric(position)}, in a column of numbers; mend such cells, or "
                    "name the features with --columns"
                )
        return found

    def beside(self, start: int, stop: int) -> Any:
        """Return original rows, numbers as numbers where that changes none."""
        return self._stored.slice(start, stop - start)

    def as_text(self, start: int, stop: int) -> Any:
        """Return original rows with every cell as it was written."""
        return self.table.slice(start, stop - start)

    @cached_property
    def _stored(self) -> Any:
        cells = [c.column if self._is_ambiguous(c) else c.stored() for c in self._cells]
        # Parquet files with several columns of no name cannot be read again.
        pairs = zip(self.headings, self.columns, strict=True)
        names = [heading if heading.strip() else column for heading, column in pairs]
        return optional("pyarrow").table(cells, names=names)

    def _is_numeric(self, position: int) -> bool:
        return self._cells[position].mark is not None

    def _numbers(self, position: int) -> Any:
        return self._cells[position].numbers

    def _checked(self, position: int) -> Any:
        cells = self._cells[position]
        if self._is_ambiguous(cells):
            raise CliError(
                f"{self._shown(position, cells.first_marked())}, with a decimal mark or one of "
                f"thousands; say --decimal '{cells.mark}' if it is decimal"
            )
        return super()._checked(position)

    def _is_ambiguous(self, cells: Cells) -> bool:
        """Return whether marks may be of thousands: no column shows that they are decimal ones.

        Commas need one that shows it, points one that shows the contrary.
        """
        if len(self.marks) == 1 or cells.mark is None:
            return False
        return self._has_decimal_commas == (cells.mark == ".") and bool(cells.grouped)

    @cached_property
    def _has_decimal_commas(self) -> bool:
        return any(cells.mark == "," and cells.grouped is False for cells in self._cells)

    def _is_missing(self, cell: Any) -> bool:
        return cell.strip() in MISSING

    def _not_numeric(self, position: int) -> str:
        cells = self._cells[position]
        row = cells.first_other()
        if row < 0:
            return f"{self.name}: column {self.columns[position]!r} holds no values"
        return f"{self._shown(position, row)}, not a number"

    def _shown(self, position: int, row: int) -> str:
        cell = shortened(self._cells[position].column[row].as_py())
        return f"{self._place(position, row)} is {cell!r}"


def text_reader(form: Format) -> Callable[[File], Input]:
    """Make the reader of .csv and .tsv files; what the user did not say is found out."""

    @whole_cells()
    def read_text(file: File) -> Input:
        said = "\t" if form.separator == "tab" else form.separator
        separator = said or separator_of(file)
        first = next(rows_of(file, separator), None)
        if first is None:
            raise CliError(f"{file}: is empty")
        _check_quotes(file, separator)
        headed = has_header(file, separator) if form.header is None else form.header
        table = _cells_of(file, separator, len(first))
        names = [f"x{i}" for i in range(len(first))]
        if headed:
            table, names = table.slice(1), first
        marks = form.decimal or "".join(MARKS)
        return TextInput(file.name, table.rename_columns(names), named=headed, marks=marks)

    return read_text


def _cells_of(file: File, separator: str, width: int) -> Any:
    """Read all rows, the header among them, as text."""
    pa, arrow_csv = optional("pyarrow"), optional("pyarrow.csv")
    generated = [f"f{i}" for i in range(width)]
    try:
        return arrow_csv.read_csv(
            file.path or file.open(),
            read_options=arrow_csv.ReadOptions(column_names=generated),
            parse_options=arrow_csv.ParseOptions(delimiter=separator, newlines_in_values=True),
            # Cells stay text, so that nothing (a leading zero, a date) is lost on the way
            # to the output, and so that a bad number can be shown as it was written.
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(generated, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowException as error:
        raise CliError(f"{file}: {_ragged(file, separator) or error}") from error


def _check_quotes(file: File, separator: str) -> None:
    """Refuse a quotation mark that is never closed: it would swallow the rows after it."""
    with file.open() as raw:
        marks = sum(piece.count(b'"') for piece in iter(lambda: raw.read(1 << 20), b""))
    if marks % 2:
        for _ in rows_of(file, separator, strict=True):
            pass


def _ragged(file: File, separator: str) -> str | None:
    width = None
    for number, row in enumerate(rows_of(file, separator)):
        width = width or len(row)
        if len(row) != width:
            return f"line {number + 1} has {len(row)} cells, the first line has {width}"
    return None
