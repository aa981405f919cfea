"""CSV and TSV tables: rows of numbers and strings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from proxyset.encoders.columns import WRITTEN
from proxyset.errors import InvalidData
from proxyset.sources.batches import BATCH_BYTES, ROW_BATCH, SHARD_ITEMS
from proxyset.sources.columns import ID, carried, checked_ids, features, look_up, row_numbers
from proxyset.sources.delimited import read_header, rows
from proxyset.sources.files import Place, locate_any
from proxyset.sources.lines import LineFiles, Lines, first_record, open_lines
from proxyset.sources.source import Batch, Kind, Shard


@dataclass(frozen=True)
class CsvTable(LineFiles):
    """Rows of CSV or TSV files as tables, cut into shards at byte offsets.

    The files all have the same header. The columns of a table are those of the file but for the id, the
    kept ones and those asked for: texts, as they are written, with the mark that their file has no types
    (`encoders.columns.WRITTEN`). An empty cell is null.

    Raises:
        InvalidData: no header, nameless columns, no columns left, or a column was asked for that is not
            there.
    """

    shard_size: int = SHARD_ITEMS["table"]
    kind: Kind = field(default="table", init=False)

    def __post_init__(self) -> None:
        if "" in self._header:
            raise InvalidData(
                f"{self.path}: column {self._header.index('') + 1} has no name; name it, or "
                f"drop it if it counts rows"
            )
        if not self._features:
            raise InvalidData(
                f"{self.path} has no columns to make features of: only {', '.join(self._header)}"
            )
        first_record(self.path, self.files, self._records)

    @cached_property
    def _header(self) -> tuple[str, ...]:
        return read_header(locate_any(self.path, self.files[0]))

    @cached_property
    def _carried(self) -> dict[str, str]:
        return carried(self._header, self.columns, self.path)

    @cached_property
    def _features(self) -> list[str]:
        return features(self._header, self._carried)

    def _records(self, file: str, lines: Lines) -> Iterator[list[str]]:
        return rows(lines, locate_any(self.path, file), self._header)

    def read(self, shard: Shard) -> Iterator[Batch]:
        path = locate_any(self.path, shard.file)
        with open_lines(path, shard.start, shard.stop) as lines:
            chunk, began, first = list[list[str]](), lines.offset, shard.first_row
            for row in rows(lines, path, self._header):
                chunk.append(row)
                if _full(chunk, lines.offset - began):
                    yield self._batch(chunk, first, path)
                    chunk, began, first = [], lines.offset, first + len(chunk)
            if chunk:
                yield self._batch(chunk, first, path)

    def _batch(self, chunk: list[list[str]], first: int, path: Place) -> Batch:
        ids = row_numbers(first, len(chunk))
        if (named := look_up(ID, self._header)) is not None:
            ids = checked_ids(self._cells(chunk, named).to_pylist(), f"{path}, from row {first} on")
        columns = {
            name: [cell or None for cell in self._cells(chunk, found).to_pylist()]
            for name, found in self._carried.items()
        }
        cells = [self._cells(chunk, name) for name in self._features]
        table = pa.table(
            [pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column) for column in cells],
            pa.schema([pa.field(name, pa.string(), metadata=WRITTEN) for name in self._features]),
        )
        return Batch(ids, table, columns)

    def _cells(self, chunk: list[list[str]], name: str) -> pa.Array:
        place = self._header.index(name)
        return pa.array([row[place] for row in chunk], pa.string())


def _full(chunk: list[list[str]], size: int) -> bool:
    return len(chunk) == ROW_BATCH or size >= BATCH_BYTES
