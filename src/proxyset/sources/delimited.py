"""CSV and TSV: rows as lists of cells, read strictly."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from proxyset.encoders.cells import number
from proxyset.errors import InvalidData
from proxyset.sources.columns import OURS, look_up
from proxyset.sources.files import Place
from proxyset.sources.lines import MAX_LINE_BYTES, Lines, open_lines

csv.field_size_limit(
    MAX_LINE_BYTES
)  # of the whole process: the standard library's 128 KiB are less than a text may have

_LIVE = ("=", "+", "-", "@", "\t", "\r")  # what a cell begins with that a spreadsheet runs as a formula
_INERT = "'"
_QUOTED = re.compile(r'"[^"]*"')


def inert(cell: str) -> str:
    """A cell that no spreadsheet runs: with an apostrophe before what would be a formula. Numbers stay as they are."""
    return _INERT + cell if cell.lstrip(_INERT).startswith(_LIVE) and number(cell) is None else cell


def live(cell: str) -> str:
    """What `inert` was given."""
    return cell[1:] if cell.startswith(_INERT) and cell.lstrip(_INERT).startswith(_LIVE) else cell


def delimiter_of(header: str, path: Place) -> str:
    """What stands between the cells of a file, by its name and its header line: a comma (a tab in .tsv), or, where the header has
    none of these, a semicolon, a tab, a comma or an upright line."""
    usual = "\t" if path.suffix.lower() == ".tsv" else ","
    bare = _QUOTED.sub("", header)
    return next((mark for mark in (usual, ";", "\t", ",", "|") if mark in bare), usual)


def delimiter(path: Place) -> str:
    """The same, of a file."""
    with open_lines(path) as lines:
        return delimiter_of(next((line for line in lines if not line.isspace()), ""), path)


def rows(lines: Lines, path: Place, header: Sequence[str]) -> Iterator[list[str]]:
    """Rows of `path`, each as wide as the header; blank lines are passed over.

    Lines from the start of the file begin with the header, which is checked and not given.

    Raises:
        InvalidData: quotes do not balance, a row is too short or too long, or the file has another header.
    """
    found = _rows(lines, path)
    if lines.offset == 0:
        own = _header(found, path)
        if [look_up(name, header) for name in own] != list(header):
            raise InvalidData(
                f"{path} has the columns {own}, the first file has {list(header)}; they must be the same"
            )
    before = lines.number
    ours = _ours(header)
    for row in found:
        if len(row) != len(header):
            raise InvalidData(
                f"{lines.at(before + 1)}: {len(row)} cells, the header has {len(header)}; quote cells that "
                f"contain the delimiter, which is {delimiter(path)!r} by the header"
            )
        yield [live(cell) for cell in row] if ours else row
        before = lines.number


def read_header(path: Place) -> tuple[str, ...]:
    """The column names of a CSV or TSV file.

    Raises:
        InvalidData: there is no header, or two columns have one name.
    """
    with open_lines(path) as lines:
        return tuple(_header(_rows(lines, path), path))


def _ours(header: Sequence[str]) -> bool:
    """Whether this is an export, whose cells are inert."""
    return any(name.startswith(OURS) for name in header)


def _count_up(names: Sequence[str]) -> bool:
    """Whether columns may be called so: years, or numbers that count up one by one from 0 or 1."""
    if not all(name.isascii() and name.isdigit() for name in names):
        return False
    numbers = [int(name) for name in names]
    steps = all(after == before + 1 for before, after in pairwise(numbers))
    return all(1800 <= number < 2200 for number in numbers) or (
        steps and (numbers[0] == 0 or numbers[:2] == [1, 2])
    )


def _is_number(cell: str) -> bool:
    found = number(cell)
    return found is not None and found == found


def _header(found: Iterator[list[str]], path: Place) -> list[str]:
    names = [name.strip() for name in next(found, [])]
    if _ours(names):
        names = [live(name) for name in names]
    if not any(names):
        raise InvalidData(f"{path} is empty: it has no header line with the names of its columns")
    numbers = [name for name in names if _is_number(name)]
    if numbers and (len(numbers) == len(names) or not _count_up(numbers)):
        raise InvalidData(
            f"{path}: its first line has numbers ({', '.join(numbers[:3])}), not the names of columns; write a header line above "
            "it, or words into the names"
        )
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InvalidData(f"{path} has more than one column named {', '.join(map(repr, twice))}; rename them")
    return names


def _rows(lines: Lines, path: Place) -> Iterator[list[str]]:
    reader = csv.reader(lines, delimiter=delimiter(path), strict=True)
    while True:
        first = lines.number + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            why = (
                "are its line ends carriage returns alone?"
                if "new-line" in str(error)
                else "do the quotes balance?"
            )
            raise InvalidData(f"{lines.at(first)}: not valid CSV ({error}); {why}") from error
        if row is None:
            return
        if row:
            yield row
