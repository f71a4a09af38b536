"""Cells of text: which of them are numbers, and which columns are stored as numbers."""

import re
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from kmeans_xp.cli.errors import optional

# What people write where a value is missing. The empty cell is the common one.
MISSING = ("", "NA", "N/A", "#N/A", "NaN", "nan", "NULL", "null", "None", "-", "?")

# Cells that are written again at a time.
PIECE = 1 << 12

# The patterns are in what the dialects of Python and of pyarrow (RE2) have in common. In Python's
# a mark that may be missing amid digits would take quadratic time to fail.
MARKS = {".": r"\.", ",": ","}
NUMBER = {
    mark: rf"^[+-]?(([0-9]+({escaped}[0-9]*)?|{escaped}[0-9]+)([eE][+-]?[0-9]+)?"
    r"|(?i:inf|infinity))$"
    for mark, escaped in MARKS.items()
}
# What is either a number with three decimals or one with a group of thousands.
GROUPED = {mark: rf"^[+-]?[1-9][0-9]{{0,2}}{escaped}[0-9]{{3}}$" for mark, escaped in MARKS.items()}
THOUSANDS = "^[+-]?[0-9]{1,3}([., '\u2019\u00a0\u202f][0-9]{3})+([.,][0-9]+)?$"

# No number that is meant as one has more digits: the largest of a float64 has 309.
LONGEST = 400

# Numbers as programs write them: a leading zero, a plus or a space is the mark of a code.
WHOLE = r"^(0|-?[1-9][0-9]*)$"
NO_DIGITS = re.compile(r"[eE].*|[^0-9]")
PLAIN = r"^-?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"


def number(cell: str) -> float | None:
    """Return the number in a cell, whichever its decimal mark, or None."""
    cell = cell.strip()
    if any(re.match(pattern, cell) for pattern in NUMBER.values()):
        return float(cell.replace(",", "."))
    return None


def is_number(cell: str) -> bool:
    """Return whether a cell holds a number or says that one is missing."""
    return cell.strip() in MISSING or number(cell) is not None


def looks_like_number(cell: str) -> bool:
    """Return whether a cell may be meant as a number, with marks of thousands perhaps."""
    return is_number(cell) or re.match(THOUSANDS, cell.strip()) is not None


def is_whole(cell: str) -> bool:
    """Return whether a cell is a whole number, written as a program would."""
    return len(cell) <= LONGEST and re.match(WHOLE, cell.strip()) is not None


@dataclass(frozen=True)
class Cells:
    """A column of text.

    Attributes
    ----------
    column : pyarrow.ChunkedArray
        The cells as they were written.
    marks : str
        The decimal marks that they may have.
    """

    column: Any
    marks: str

    @property
    def mark(self) -> str | None:
        """The decimal mark with which every cell is a number or missing, if there is one."""
        return self._read[0]

    @property
    def numbers(self) -> Any:
        """The cells as floats, null where one is missing; None if not all are numbers."""
        return self._read[1]

    @cached_property
    def _read(self) -> tuple[str | None, Any]:
        pa, cells = optional("pyarrow"), self._trimmed()
        if cells.null_count == len(cells):
            return None, None
        for mark in self.marks:
            if mark == "." or _all_match(cells, NUMBER[mark]):
                try:
                    return mark, _pointed(cells, mark).cast(pa.float64())
                except pa.ArrowInvalid:
                    continue
        return None, None

    def _trimmed(self) -> Any:
        """Return the cells without spaces around them, null where a value is missing."""
        pa, compute = optional("pyarrow"), optional("pyarrow.compute")
        cells = compute.utf8_trim_whitespace(self.column)
        missing = compute.is_in(cells, value_set=pa.array(MISSING))
        return compute.if_else(missing, None, cells)

    @cached_property
    def grouped(self) -> bool | None:
        """Whether every decimal mark may be one of thousands; None where there is no mark."""
        if self.mark is None:
            return None
        compute, cells = optional("pyarrow.compute"), self._trimmed()
        marked = cells.filter(compute.match_substring(cells, self.mark))
        return _all_match(marked, GROUPED[self.mark]) if len(marked) else None

    def first_marked(self) -> int:
        """Return the row of the first cell with a decimal mark."""
        compute = optional("pyarrow.compute")
        row: int = compute.index(compute.match_substring(self.column, self.mark), True).as_py()
        return row

    def mostly_numbers(self) -> bool:
        """Return whether at least half of the cells that are not missing look like numbers."""
        compute, cells = optional("pyarrow.compute"), self._trimmed().drop_null()
        alike = compute.match_substring_regex(cells, "|".join([*NUMBER.values(), THOUSANDS]))
        return 0 < len(cells) <= 2 * (compute.sum(alike).as_py() or 0)

    def first_other(self) -> int:
        """Return the row of the first cell that is no number, or whose decimal mark is another."""
        compute, cells = optional("pyarrow.compute"), self._trimmed()
        for marks in (self.marks, self.marks[0]):
            pattern = "|".join(NUMBER[mark] for mark in marks)
            row: int = compute.index(compute.match_substring_regex(cells, pattern), False).as_py()
            if row >= 0:
                break
        return row

    def stored(self) -> Any:
        """Return the cells as numbers where nothing is lost by that, else as they are.

        Empty cells become null, and whole numbers stay whole. Cells that differ stay apart, no
        number has more digits than it keeps, and nothing looks like a code: ``007``, ``+5``, or
        ``1e3`` where no cell has a decimal mark.
        """
        if self.mark is None:
            return self.column
        pa, compute = optional("pyarrow"), optional("pyarrow.compute")
        cells = compute.if_else(compute.equal(self.column, ""), None, self.column)
        cells = _pointed(cells, self.mark)
        if _all_match(cells, WHOLE):
            for kind in (pa.int64(), pa.uint64()):
                with suppress(pa.ArrowInvalid):
                    return cells.cast(kind)
        elif _all_match(cells, PLAIN) and compute.any(compute.match_substring(cells, ".")).as_py():
            numbers = cells.cast(pa.float64())
            if _tells_apart(cells, numbers):
                return numbers
        return self.column


def _pointed(cells: Any, mark: str) -> Any:
    """Return cells with decimal points."""
    if mark == ".":
        return cells
    return optional("pyarrow.compute").replace_substring(cells, mark, ".")


def _all_match(cells: Any, pattern: str) -> bool:
    """Return whether every cell that is not null fits a pattern."""
    compute = optional("pyarrow.compute")
    return bool(compute.all(compute.match_substring_regex(cells, pattern)).as_py())


def _tells_apart(cells: Any, numbers: Any) -> bool:
    """Return whether each cell can be written again from its number, and from no other cell's."""
    if _has_one_format(cells.drop_null(), numbers.drop_null()):
        return True
    pa, compute = optional("pyarrow"), optional("pyarrow.compute")
    usual = compute.equal(cells, numbers.cast(pa.string()))
    others = set(cells.filter(compute.invert(usual)).drop_null().to_pylist())
    values = {float(cell) for cell in others}
    twice = compute.is_in(numbers.filter(usual), value_set=pa.array(values, pa.float64()))
    if len(values) < len(others) or compute.any(twice).as_py():
        return False
    return all(map(_is_kept, others))


def _has_one_format(cells: Any, numbers: Any) -> bool:
    """Return whether one format writes every cell again, as NumPy and pandas write columns.

    That is faster than to look at each cell alone, and soon seen where it is not so.
    """
    pa = optional("pyarrow")
    mantissa, exponent, _ = cells[0].as_py().partition("e")
    form = f"%.{len(mantissa.partition('.')[2])}{'e' if exponent else 'f'}"
    for start in range(0, len(cells), PIECE):
        again = [form % value for value in numbers.slice(start, PIECE).to_numpy().tolist()]
        if not cells.slice(start, PIECE).equals(pa.chunked_array([again], pa.string())):
            return False
    return True


def _is_kept(cell: str) -> bool:
    """Return whether a cell's float, written with as many digits, is the same number again."""
    digits = NO_DIGITS.sub("", cell).lstrip("0")
    again = f"{float(cell):.{max(len(digits), 1) - 1}e}"
    return again == cell or Decimal(again) == Decimal(cell)
