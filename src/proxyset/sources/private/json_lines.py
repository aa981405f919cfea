"""JSON lines of private texts: each line by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from proxyset.encoders.cells import canonical
from proxyset.errors import InvalidData
from proxyset.sources.batches import ROW_BATCH
from proxyset.sources.columns import ID, TEXT_COLUMNS, json_object
from proxyset.sources.files import reading
from proxyset.sources.private.records import Record, Wanted, cell, gathered, row_name, spelled
from proxyset.sources.private.rows import OwnLines
from proxyset.sources.source import Batch

_BLANK = " \t\n\r\v\f"


def read(path: Path, file: str, wanted: Wanted) -> Iterator[Batch]:
    """The texts of a file; a line that is not a JSON object with a text is unread. Blank lines are passed over."""
    return gathered(_records(path, file, wanted), wanted, ROW_BATCH)


def _records(path: Path, file: str, wanted: Wanted) -> Iterator[Record]:
    with reading(path), path.open("rb") as opened:
        lines, row = OwnLines(opened), 0
        while (line := lines.next()) is not None:
            if line.strip(_BLANK):
                yield _record(line, row_name(file, row), wanted)
                row += 1


def _record(line: str, name: str, wanted: Wanted) -> Record:
    try:
        line.encode()  # with bytes that are not UTF-8 it cannot be
        values = json_object(line, "the line")
    except (UnicodeEncodeError, InvalidData):
        values = None
    if values is None:
        return Record(name, "", unread="its line is not a JSON object")
    texts = (cell(values, column) for column in TEXT_COLUMNS)
    text = next((text for text in texts if isinstance(text, str)), None)
    name = canonical(cell(values, ID)) or name
    if text is None:
        return Record(name, "", unread="it has no 'text' or 'caption' that is a text")
    return Record(name, text, spelled(values, wanted))
