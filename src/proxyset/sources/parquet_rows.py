"""Rows of one Parquet file, in pieces, and batches out of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq

from proxyset.errors import InvalidData
from proxyset.sources import arrow
from proxyset.sources.columns import checked_ids, row_numbers
from proxyset.sources.files import Place, reading
from proxyset.sources.remote import RemotePath
from proxyset.sources.source import Batch, Items

_BUFFER_BYTES = 1 << 20  # with pre_buffer off, columns are read in such pieces; else a row group at once


@contextmanager
def open_parquet(path: Place) -> Iterator[pq.ParquetFile]:
    """A Parquet file, read in small pieces.

    Raises:
        InvalidData: it is not a Parquet file, is cut short or damaged.
    """
    with reading(path), path.open("rb") as raw:
        try:
            with pq.ParquetFile(raw, buffer_size=_BUFFER_BYTES, pre_buffer=False) as file:
                yield file
        except (pa.ArrowException, UnicodeDecodeError) as error:
            raise _damaged(path, error) from error
        except OSError as error:
            if error.errno is not None or isinstance(path, RemotePath):
                raise
            raise _damaged(
                path, error
            ) from error  # Arrow's own word for damage; the system's errors have numbers


def schema_of(path: Place) -> pa.Schema:
    """The columns of a Parquet file. Raises as `open_parquet`."""
    with open_parquet(path) as file:
        return file.schema_arrow


def _damaged(path: Place, error: Exception) -> InvalidData:
    return InvalidData(f"{path} is not a whole Parquet file: {error}")


def rows_between(
    path: Place, columns: list[str], start: int, stop: int, step: int
) -> Iterator[pa.RecordBatch]:
    """Rows `start` to `stop` of a Parquet file, at most `step` at a time; row groups outside are not read."""
    with open_parquet(path) as file:
        position = 0
        for group in range(file.num_row_groups):
            length = file.metadata.row_group(group).num_rows
            if position < stop and position + length > start:
                at = position
                for rows in file.iter_batches(step, [group], columns):
                    inside = rows.slice(
                        max(start - at, 0), max(0, min(stop - at, rows.num_rows) - max(start - at, 0))
                    )
                    at += rows.num_rows
                    if inside.num_rows:
                        yield inside
            position += length


def beside(
    rows: pa.RecordBatch, items: Items, names: dict[str, str], named: str | None, first: int, path: Place
) -> Batch:
    """A batch of `items` with the ids (the column `named`) and the columns `names` of `rows`; the first is row `first` of all."""
    where = f"{path}, from row {first} on"
    ids = row_numbers(first, rows.num_rows)
    if named is not None:
        ids = checked_ids(arrow.strings(rows.column(named), where), where)
    columns = {
        name: arrow.strings(rows.column(found), f"{where}: the column {found!r}")
        for name, found in names.items()
    }
    return Batch(ids, items, columns)
