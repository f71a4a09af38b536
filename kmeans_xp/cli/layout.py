"""How a text table is laid out: what separates its cells, and whether its first row is a header."""

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice, pairwise

from kmeans_xp.cli.cells import is_number, is_whole, looks_like_number, number
from kmeans_xp.cli.errors import CliError, shortened
from kmeans_xp.cli.files import File

SEPARATORS = (",", ";", "\t", "|")
# Characters of a cell; what fits a C long on every system.
CELL = 2**31 - 1
# Rows that are looked at.
SAMPLE = 1000
# How far beyond all numbers below it, in their range, a number stands out as a name.
FAR = 10

Row = list[str]


@contextmanager
def whole_cells() -> Iterator[None]:
    """Let cells be as long as they are: Python's reader stops at 128 KiB unless it is told."""
    usual = csv.field_size_limit(CELL)
    try:
        yield
    finally:
        csv.field_size_limit(usual)


def rows_of(file: File, separator: str, *, strict: bool = False) -> Iterator[Row]:
    """Read the rows of a file that are not empty."""
    with io.TextIOWrapper(file.open(), encoding="utf-8-sig", newline="") as text:
        try:
            reader = csv.reader(text, delimiter=separator, strict=strict)
            yield from (row for row in reader if row)
        except UnicodeDecodeError as error:
            raise CliError(f"{file}: is not text in UTF-8 ({error})") from error
        except csv.Error as error:
            raise CliError(f"{file}: is not a well-formed table ({error})") from error


def separator_of(file: File) -> str:
    """Find the separator with which most cells are numbers, among those in the first row.

    Of several that are as good, the one that cuts all rows into equally many cells.
    """
    usual = "\t" if file.suffix == ".tsv" else ","
    samples = {mark: _sample(file, mark) for mark in sorted(SEPARATORS, key=usual.__ne__)}
    shares = {mark: _share_of_numbers(rows) for mark, rows in samples.items() if _is_cut(rows)}
    if not shares:
        _check_spaces(file)
        return usual
    best = [mark for mark, share in shares.items() if share == max(shares.values())]
    best = [mark for mark in best if len({len(row) for row in samples[mark]}) == 1] or best
    if len(best) > 1 and shares[best[0]] > 0:
        marks = " or ".join(map(repr, best))
        raise CliError(f"{file}: its cells may be separated by {marks}; say which by --separator")
    return best[0]


def _check_spaces(file: File) -> None:
    """Refuse numbers with spaces between them, which may separate cells or thousands."""
    rows = _sample(file, " ")
    if _is_cut(rows) and len(set(map(len, rows))) == 1 and _share_of_numbers(rows) > 0.5:
        raise CliError(f"{file}: spaces may separate its cells; say so by --separator ' '")


def _is_cut(rows: Sequence[Row]) -> bool:
    return bool(rows) and len(rows[0]) > 1


def _sample(file: File, separator: str) -> list[Row]:
    """Read the first rows, or none where a separator makes nonsense of them."""
    with suppress(CliError):
        return list(islice(rows_of(file, separator), SAMPLE))
    return []


def _share_of_numbers(rows: Sequence[Row]) -> float:
    cells = [cell for row in rows for cell in row]
    return sum(number(cell) is not None for cell in cells) / len(cells)


def has_header(file: File, separator: str) -> bool:
    """Tell whether the first row names the columns; refuse a file that does not show it.

    It does where a column of numbers has no number in the first row, unless most have one that
    looks like those below, and does not where all of the first row are such numbers. Between
    these, the blank that pandas leaves above an index and a sequence of numbers beside text are a
    header.
    """
    first, *below = islice(rows_of(file, separator), SAMPLE)
    all_numbers = all(map(is_number, first))
    if not below or any(len(row) != len(first) for row in below):
        return not all_numbers  # a file of rows that differ in length is refused later
    columns = list(zip(*below, strict=True))
    numeric = [place for place, cells in enumerate(columns) if _mostly_numbers(cells)]
    if not numeric:
        return True
    places = [place for place in numeric if number(first[place]) is not None]
    names, rows = _take(first, places), [_take(row, places) for row in below]
    odd = _stand_out(names, rows) or _counts_on(names, rows) or _counts_on(first, below)
    indexed = not first[0].strip() and _is_sequence(columns[0])
    if not all(looks_like_number(first[place]) for place in numeric):
        header = True if odd or indexed or 2 * len(names) < len(numeric) else None
    elif not first[0].strip():
        header = True if odd or indexed else None
    elif all_numbers:
        header = None if odd else False
    else:
        header = True if _counts_on(names, rows) and len(names) > 2 else None
    if header is None:
        start = separator.join(map(shortened, first[:6]))
        raise CliError(
            f"{file}: its first row, {start}, may be a header or a row of numbers; say which by "
            "--header or --no-header"
        )
    return header


def _take(row: Sequence[str], places: Sequence[int]) -> Row:
    return [row[place].strip() for place in places]


def _mostly_numbers(cells: Sequence[str]) -> bool:
    return 2 * sum(number(cell) is not None for cell in cells) >= len(cells)


def _is_sequence(cells: Sequence[str]) -> bool:
    """Return whether whole numbers follow each other at one distance; of two, at 1."""
    if len(cells) < 2 or not all(map(is_whole, cells)):
        return False
    steps = {int(after) - int(before) for before, after in pairwise(cells)}
    return len(steps) == 1 and (steps <= {-1, 1} if len(cells) == 2 else 0 not in steps)


def _counts_on(names: Row, rows: Sequence[Row]) -> bool:
    """Return whether numbers are a sequence, as no row below is."""
    return _is_sequence(names) and not any(map(_is_sequence, rows))


def _stand_out(names: Row, rows: Sequence[Row]) -> bool:
    """Return whether numbers that differ are all unlike those below them."""
    if not names or len(set(names)) < len(names) or len(rows) < 2:
        return False
    return all(map(_is_unlike, names, zip(*rows, strict=True)))


def _is_unlike(name: str, below: Sequence[str]) -> bool:
    """Return whether a number is far from those below, or whole where none of them is."""
    values = [value for cell in below if (value := number(cell)) is not None]
    low, high = min(values), max(values)
    margin = FAR * (high - low)
    far = not low - margin <= float(name.replace(",", ".")) <= high + margin
    return far or (is_whole(name) and not any(map(is_whole, below)))
