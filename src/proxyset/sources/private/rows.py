"""CSV and TSV files of private records: texts or rows of a table, each cell as it is written."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from proxyset.encoders.cells import canonical
from proxyset.sources.batches import BATCH_BYTES, ROW_BATCH
from proxyset.sources.columns import ID, look_up
from proxyset.sources.delimited import delimiter_of
from proxyset.sources.files import reading
from proxyset.sources.lines import MAX_LINE_BYTES
from proxyset.sources.private.records import Wanted, printable, row_name
from proxyset.sources.source import Batch
from proxyset.sources.text import text_column

LONGEST_RECORD = (
    1 << 20
)  # bytes of a record of several lines: a quote that is never closed loses no more than its own line
_BOM = b"\xef\xbb\xbf"


def header(path: Path) -> list[str]:
    """The names of the columns; none if no first line can be read."""
    with reading(path), path.open("rb") as file:
        lines = OwnLines(file)
        return _names(lines, _delimiter(lines, path))


def read(path: Path, file: str, wanted: Wanted) -> Iterator[Batch]:
    """The records of a file, in batches.

    A record is a line, or several if a quote stays open at a line's end. It is unread if quotes do not balance, if it has more
    or fewer cells than the header, a NUL byte, or bytes that are not UTF-8. What breaks a quote is its line alone: reading
    goes on at the next one.
    """
    with reading(path), path.open("rb") as opened:
        lines = OwnLines(opened)
        mark = _delimiter(lines, path)
        names = _names(lines, mark)
        chunk: list[list[str] | str] = []
        first = size = 0
        for row in _records(lines, mark, len(names)):
            chunk.append(row)
            size += sum(map(len, row))
            if len(chunk) == ROW_BATCH or size >= BATCH_BYTES:
                yield _batch(chunk, names, file, first, wanted)
                first += len(chunk)
                chunk, size = [], 0
        if chunk:
            yield _batch(chunk, names, file, first, wanted)


def _delimiter(lines: OwnLines, path: Path) -> str:
    """By the name of the file and its header, which are its writer's."""
    while (line := lines.next()) is not None:
        if line.strip("\r\n"):
            lines.back([line])
            return delimiter_of(line, path)
    return ","


class OwnLines:
    """Lines of a file, with a way back; one that is too long is a NUL byte alone."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._waiting: deque[str] = deque()
        if file.read(len(_BOM)) != _BOM:
            file.seek(0)

    def next(self) -> str | None:
        """The next line with its end; bytes that are not UTF-8 are surrogates in it. None at the file's end."""
        if self._waiting:
            return self._waiting.popleft()
        raw = self._file.readline(MAX_LINE_BYTES)
        if not raw:
            return None
        if len(raw) == MAX_LINE_BYTES and raw[-1:] != b"\n":
            while (more := self._file.readline(MAX_LINE_BYTES)) and more[-1:] != b"\n":
                pass
            return "\0"
        return raw.decode("utf-8", "surrogateescape")

    def back(self, lines: list[str]) -> None:
        self._waiting.extendleft(reversed(lines))


def _names(lines: OwnLines, delimiter: str) -> list[str]:
    while (line := lines.next()) is not None:
        if line.strip("\r\n"):
            lines.back([line])
            found = next(_records(lines, delimiter, None), "")
            return [] if isinstance(found, str) else [name.strip() for name in found]
    return []


def _records(lines: OwnLines, delimiter: str, width: int | None) -> Iterator[list[str] | str]:
    """Cells of each record, or why it cannot be read. Blank lines are passed over."""
    while (line := lines.next()) is not None:
        bare = line.rstrip("\r\n")
        if not bare:
            continue
        taken = [line]
        row = _quoted(lines, taken, delimiter) if '"' in bare else bare.split(delimiter)
        fits = row is not None and (width is None or len(row) == width)
        if not fits:
            lines.back(taken[1:])
        if row is None:
            yield "its quotes do not balance"
        elif not fits:
            yield "it has more or fewer cells than the header"
        elif any("\0" in line for line in taken):
            yield "it has a NUL byte, or a line that is too long"
        elif any(not cell.isascii() and not _is_utf8(cell) for cell in row):
            yield "it is not UTF-8"
        else:
            yield row


def _quoted(lines: OwnLines, taken: list[str], delimiter: str) -> list[str] | None:
    """The cells of a record with quotes, whose further lines are added to `taken`; None if quotes do not balance."""

    def feed() -> Iterator[str]:
        yield taken[0].replace("\0", "\ufffd")
        size = len(taken[0])
        while size < LONGEST_RECORD and (line := lines.next()) is not None:
            taken.append(line)
            size += len(line)
            yield line.replace("\0", "\ufffd")

    try:
        return next(csv.reader(feed(), delimiter=delimiter, strict=True))
    except (csv.Error, StopIteration):
        return None


def _is_utf8(cell: str) -> bool:
    try:
        cell.encode()
    except UnicodeEncodeError:
        return False
    return True


def _batch(chunk: list[list[str] | str], names: list[str], file: str, first: int, wanted: Wanted) -> Batch:
    unread = {row: cells for row, cells in enumerate(chunk) if isinstance(cells, str)}
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        places.setdefault(name, []).append(place)

    def column(place: int) -> list[str]:
        return ["" if isinstance(cells, str) else cells[place] for cells in chunk]

    def places_of(name: str) -> list[int]:
        return places.get(look_up(name, names) or name, [])

    def carried(name: str) -> list[str | None]:
        found = places_of(name)
        return [canonical(cell) for cell in column(found[0])] if len(found) == 1 else [None] * len(chunk)

    ids = [name or row_name(file, first + row) for row, name in enumerate(carried(ID))]
    columns = {name: carried(name) for name in wanted.columns}
    if wanted.kind == "text":
        content = places.get(text_column([name for name in names if len(places[name]) == 1]) or "", [])
        if not content:
            unread = dict.fromkeys(range(len(chunk)), "there is no column 'text' or 'caption'") | unread
            return Batch(list(map(printable, ids)), [""] * len(chunk), columns, unread)
        return Batch(list(map(printable, ids)), column(content[0]), columns, unread)
    cells = [(name, place) for name in wanted.cells for place in places_of(name)]
    arrays = [pa.array(column(place), pa.large_string()) for _, place in cells] or [pa.nulls(len(chunk))]
    table = pa.Table.from_arrays(arrays, [name for name, _ in cells] or [""])
    return Batch(list(map(printable, ids)), table, columns, unread)
