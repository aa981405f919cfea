"""CSV and TSV tables: rows of numbers and strings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from proxyset.encoders.columns import numbers
from proxyset.errors import InvalidData
from proxyset.sources.batches import BATCH_BYTES, ROW_BATCH, SHARD_ITEMS
from proxyset.sources.columns import ID, carried, checked_ids, row_numbers
from proxyset.sources.delimited import read_header, rows
from proxyset.sources.files import locate
from proxyset.sources.lines import Lines, first_record, open_lines, plan
from proxyset.sources.source import Batch, Kind, Shard


@dataclass(frozen=True)
class CsvTable:
    """Rows of CSV or TSV files as tables, cut into shards at byte offsets.

    The columns of a table are those of the file but for the id, the kept ones and those asked for. A column
    is float64 if every cell of every file is a number or missing (`cells.number`: booleans, dates and times are numbers) and
    one is a number, else string; planning finds out which. That is for pools: private tables are not read by what they hold
    (`private`).

    Args:
        path: a file or a folder of them, all with the same header.
        files: the files, relative to `path`.
        columns: further columns to carry beside the rows, and to leave out of them.
        shard_size: rows in a shard.

    Raises:
        InvalidData: no header, nameless columns, no columns left, or a column was asked for that is not
            there.
    """

    path: str
    files: tuple[str, ...] = field(repr=False)
    columns: tuple[str, ...] = ()
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
        first_record(
            self.path, self.files, lambda file, lines: rows(lines, locate(self.path, file), self._header)
        )

    @cached_property
    def _header(self) -> tuple[str, ...]:
        return read_header(locate(self.path, self.files[0]))

    @cached_property
    def _carried(self) -> dict[str, str]:
        return carried(self._header, self.columns, self.path)

    @cached_property
    def _features(self) -> tuple[str, ...]:
        return tuple(name for name in self._header if name != ID and name not in self._carried.values())

    def shards(self) -> list[Shard]:
        return list(self._plan[0])

    @cached_property
    def _plan(self) -> tuple[list[Shard], frozenset[str]]:
        """The shards, and the names of the numeric columns."""
        candidates, valued = set(self._features), set[str]()

        def observe(chunk: list[list[str]]) -> None:
            for name in candidates.copy():
                values, problems = numbers(self._cells(chunk, name), name)
                if problems:
                    candidates.discard(name)
                elif not np.isnan(values).all():
                    valued.add(name)

        def records(file: str, lines: Lines) -> Iterator[object]:
            chunk, began = list[list[str]](), lines.offset
            for row in rows(lines, locate(self.path, file), self._header):
                chunk.append(row)
                if _full(chunk, lines.offset - began):
                    observe(chunk)
                    chunk, began = [], lines.offset
                yield row
            observe(chunk)

        return plan(self.path, self.files, self.shard_size, records), frozenset(candidates & valued)

    def read(self, shard: Shard) -> Iterator[Batch]:
        path = locate(self.path, shard.file)
        with open_lines(path, shard.start, shard.stop) as lines:
            chunk, began, first = list[list[str]](), lines.offset, shard.first_row
            for row in rows(lines, path, self._header):
                chunk.append(row)
                if _full(chunk, lines.offset - began):
                    yield self._batch(chunk, first, path)
                    chunk, began, first = [], lines.offset, first + len(chunk)
            if chunk:
                yield self._batch(chunk, first, path)

    def _batch(self, chunk: list[list[str]], first: int, path: Path) -> Batch:
        ids = row_numbers(first, len(chunk))
        if ID in self._header:
            ids = checked_ids(self._cells(chunk, ID).to_pylist(), f"{path}, from row {first} on")
        columns = {
            name: [cell or None for cell in self._cells(chunk, found).to_pylist()]
            for name, found in self._carried.items()
        }
        table = pa.table({name: self._column(chunk, name, path) for name in self._features})
        return Batch(ids, table, columns)

    def _column(self, chunk: list[list[str]], name: str, path: Path) -> pa.Array:
        cells = self._cells(chunk, name)
        if name in self._plan[1]:
            values, problems = numbers(cells, name)
            if problems:
                raise InvalidData(f"{path} has changed since it was planned: {next(iter(problems.values()))}")
            return pa.array(values, mask=np.isnan(values))
        return pc.if_else(pc.equal(cells, ""), pa.scalar(None, pa.string()), cells)

    def _cells(self, chunk: list[list[str]], name: str) -> pa.Array:
        place = self._header.index(name)
        return pa.array([row[place] for row in chunk], pa.string())


def _full(chunk: list[list[str]], size: int) -> bool:
    return len(chunk) == ROW_BATCH or size >= BATCH_BYTES
