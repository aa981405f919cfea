"""Texts: JSON lines, and the text column of CSV or TSV files."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from typing import Any

from proxyset.errors import InvalidData
from proxyset.sources.batches import ROW_BATCH, SHARD_ITEMS, Sample, in_batches
from proxyset.sources.columns import ID, TEXT_COLUMNS, as_text, carried, json_object, look_up, values
from proxyset.sources.delimited import read_header, rows
from proxyset.sources.files import locate_any
from proxyset.sources.lines import LineFiles, Lines, first_record, open_lines
from proxyset.sources.source import KEPT_COLUMNS, Batch, Kind, Shard


@dataclass(frozen=True)
class TextFiles(LineFiles):
    """Texts in files of lines; a shard holds so many of them."""

    shard_size: int = SHARD_ITEMS["text"]
    kind: Kind = field(default="text", init=False)

    def read(self, shard: Shard) -> Iterator[Batch]:
        path = locate_any(self.path, shard.file)
        with open_lines(path, shard.start, shard.stop) as lines:
            numbered = zip(count(shard.first_row), self._records(shard.file, lines), strict=False)
            samples: Iterable[Sample] = (
                (str(row) if sample[0] is None else sample[0], *sample[1:]) for row, sample in numbered
            )
            yield from in_batches(samples, self._names, ROW_BATCH, str(path))

    @property
    @abstractmethod
    def _names(self) -> Sequence[str]:
        """The columns that every batch has."""

    @abstractmethod
    def _records(self, file: str, lines: Lines) -> Iterator[Sample]:
        """Samples off the lines of a file; an id of None stands for the row number."""


@dataclass(frozen=True)
class JsonLines(TextFiles):
    """One JSON object a line, with the key "text" or "caption"; blank lines are passed over.

    The first object says which keys count: whether there is an id, which of the two has the text, what may be
        asked for.

    Raises:
        InvalidData: no line, no text, a line that is not an object, or a column that the first object does
            not have.
    """

    def __post_init__(self) -> None:
        carried(self._keys, self.columns, f"{self.path} (by its first line)")
        _text_column(self._keys, self.path)

    @cached_property
    def _keys(self) -> tuple[str, ...]:
        return tuple(first_record(self.path, self.files, lambda _, lines: json_objects(lines)))

    @property
    def _names(self) -> Sequence[str]:
        return tuple(dict.fromkeys((*KEPT_COLUMNS, *self.columns)))

    def _records(self, file: str, lines: Lines) -> Iterator[Sample]:
        text, named, names = _text_column(self._keys, self.path), look_up(ID, self._keys), self._names
        for record in json_objects(lines):
            content = record.get(text, 0)
            if not isinstance(content, str | None):
                raise InvalidData(f"{lines.at()}: {text!r} is missing or not a text")
            name = None if named is None else _present(as_text(record.get(named)), lines)
            yield name, content or "", values(record, names)


@dataclass(frozen=True)
class CsvText(TextFiles):
    """CSV or TSV files with a column "text" or "caption". Empty cells of other columns are None.

    Raises:
        InvalidData: no header, no text column, an asked-for column that is not there, or files with other
            columns.
    """

    def __post_init__(self) -> None:
        _text_column(self._header, self.path)
        carried(self._header, self.columns, self.path)
        first_record(self.path, self.files, self._records)

    @cached_property
    def _header(self) -> tuple[str, ...]:
        return read_header(locate_any(self.path, self.files[0]))

    @property
    def _names(self) -> Sequence[str]:
        return tuple(carried(self._header, self.columns, self.path))

    def _records(self, file: str, lines: Lines) -> Iterator[Sample]:
        place = {name: number for number, name in enumerate(self._header)}
        text, named = place[_text_column(self._header, self.path)], look_up(ID, self._header)
        others = [place[column] for column in carried(self._header, self.columns, self.path).values()]
        for row in rows(lines, locate_any(self.path, file), self._header):
            name = None if named is None else _present(row[place[named]], lines)
            yield name, row[text], [row[other] or None for other in others]


def json_objects(lines: Lines) -> Iterator[dict[str, Any]]:
    """The objects of a file of JSON lines; blank lines are passed over. Raises InvalidData where a line is none."""
    for line in lines:
        if line.isspace():
            continue
        record = json_object(line, lines.at())
        if record is None:
            raise InvalidData(
                f"{lines.at()}: a JSON value that is not an object; every line must be one {{…}}"
            )
        yield record


def text_column(names: Sequence[str]) -> str | None:
    """The column of the texts; None if there is none."""
    found = (look_up(name, names) for name in TEXT_COLUMNS)
    return next((name for name in found if name is not None), None)


def _text_column(names: Sequence[str], where: str) -> str:
    found = text_column(names)
    if found is None:
        raise InvalidData(
            f"{where} has no column {' or '.join(map(repr, TEXT_COLUMNS))}; it has: {', '.join(names)}"
        )
    return found


def _present(name: str | None, lines: Lines) -> str:
    if not name:
        raise InvalidData(f"{lines.at()}: the id is empty; give every item an id, or none")
    return name
