"""JSON lines of private texts: each line by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from proxyset.encoders.cells import canonical
from proxyset.errors import InvalidData
from proxyset.sources.batches import ROW_BATCH
from proxyset.sources.columns import ID, TEXT_COLUMNS, json_object
from proxyset.sources.files import reading
from proxyset.sources.lines import MAX_LINE_BYTES
from proxyset.sources.private.records import Record, Wanted, cell, gathered, row_name, spelled
from proxyset.sources.source import Batch

_BOM = b"\xef\xbb\xbf"


def read(path: Path, file: str, wanted: Wanted) -> Iterator[Batch]:
    """The texts of a file; a line that is not a JSON object with a text is unread. Blank lines are passed over."""
    return gathered(_records(path, file, wanted), wanted, ROW_BATCH)


def _records(path: Path, file: str, wanted: Wanted) -> Iterator[Record]:
    with reading(path), path.open("rb") as opened:
        row = 0
        if opened.read(len(_BOM)) != _BOM:
            opened.seek(0)
        while line := opened.readline(MAX_LINE_BYTES):
            whole = len(line) < MAX_LINE_BYTES or line.endswith(b"\n")
            while not whole and (more := opened.readline(MAX_LINE_BYTES)) and not more.endswith(b"\n"):
                pass
            if not line.strip():
                continue
            yield _record(line if whole else b"", row_name(file, row), wanted)
            row += 1


def _record(line: bytes, name: str, wanted: Wanted) -> Record:
    try:
        values = json_object(line.decode(), "the line")
    except (UnicodeDecodeError, InvalidData):
        values = None
    if values is None:
        return Record(name, "", unread="its line is not a JSON object")
    texts = (cell(values, column) for column in TEXT_COLUMNS)
    text = next((text for text in texts if isinstance(text, str)), None)
    name = canonical(cell(values, ID)) or name
    if text is None:
        return Record(name, "", unread="it has no 'text' or 'caption' that is a text")
    return Record(name, text, spelled(values, wanted))
