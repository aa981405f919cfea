"""CSV and TSV: rows as lists of cells, read strictly."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from proxyset.errors import InvalidData
from proxyset.sources.lines import Lines, open_lines


def rows(lines: Lines, path: Path, header: Sequence[str]) -> Iterator[list[str]]:
    """Rows of `path`, each as wide as the header; blank lines are passed over.

    Lines from the start of the file begin with the header, which is checked and not given.

    Raises:
        InvalidData: quotes do not balance, a row is too short or too long, or the file has another header.
    """
    found = _rows(lines, path)
    if lines.offset == 0 and (own := _header(found, path)) != list(header):
        raise InvalidData(
            f"{path} has the columns {own}, the first file has {list(header)}; they must be the same"
        )
    before = lines.number
    for row in found:
        if len(row) != len(header):
            raise InvalidData(
                f"{lines.at(before + 1)}: {len(row)} cells, the header has {len(header)}; quote cells that "
                f"contain the delimiter"
            )
        yield row
        before = lines.number


def read_header(path: Path) -> tuple[str, ...]:
    """The column names of a CSV or TSV file.

    Raises:
        InvalidData: there is no header, or two columns have one name.
    """
    with open_lines(path) as lines:
        return tuple(_header(_rows(lines, path), path))


def _header(found: Iterator[list[str]], path: Path) -> list[str]:
    names = [name.strip() for name in next(found, [])]
    if not any(names):
        raise InvalidData(f"{path} is empty: it has no header line with the names of its columns")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InvalidData(f"{path} has more than one column named {', '.join(map(repr, twice))}; rename them")
    return names


def _rows(lines: Lines, path: Path) -> Iterator[list[str]]:
    reader = csv.reader(lines, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
    while True:
        first = lines.number + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise InvalidData(
                f"{lines.at(first)}: not valid CSV ({error}); do the quotes balance?"
            ) from error
        if row is None:
            return
        if row:
            yield row
