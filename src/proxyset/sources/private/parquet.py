"""Parquet files of private records: cells with the types that the file has, whatever they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from proxyset.encoders.columns import texts
from proxyset.errors import InvalidData
from proxyset.sources import arrow
from proxyset.sources.batches import IMAGE_BATCH, ROW_BATCH, rows_for
from proxyset.sources.columns import ID, look_up
from proxyset.sources.files import ReadFailed, unless_damaged
from proxyset.sources.parquet import CONTENT
from proxyset.sources.parquet_rows import open_parquet, schema_of
from proxyset.sources.private.records import Wanted, lost, nothing, printable, row_name
from proxyset.sources.source import Batch, Items

_DAMAGED = "its file is damaged from here on"


def header(path: Path) -> list[str]:
    """The names of the columns; none if the file is damaged."""
    schema = unless_damaged(lambda: schema_of(path))
    return [] if schema is None else list(schema.names)


def read(path: Path, file: str, wanted: Wanted) -> Iterator[Batch]:
    """The records of a file, in batches. A part of the file that is damaged is one unread record."""
    first = 0
    try:
        with open_parquet(path) as opened:
            content = _content(opened.schema_arrow, wanted)
            names = _there(opened.schema_arrow, [*([content] if content else wanted.cells), *wanted.carried])
            for group in range(opened.num_row_groups):
                about = opened.metadata.row_group(group)
                step = rows_for(
                    about.total_byte_size / max(about.num_rows, 1),
                    IMAGE_BATCH if wanted.kind == "image" else ROW_BATCH,
                )
                for table in _tables(opened, group, names, step):
                    if table is None:
                        yield lost(file, first, wanted, _DAMAGED)
                        first += 1
                    elif len(table):
                        yield batch_of(table, content, file, first, wanted)
                        first += len(table)
    except ReadFailed:
        raise
    except InvalidData:
        yield lost(file, first, wanted, _DAMAGED)


def columns_of(path: Path, wanted: Wanted) -> tuple[list[str | None], dict[str, list[str | None]]]:
    """The ids and the further columns of all rows of a file; shorter where it is damaged."""
    ids: list[str | None] = []
    columns: dict[str, list[str | None]] = {name: [] for name in wanted.columns}
    alone = Wanted("table", columns=wanted.columns)
    try:
        with open_parquet(path) as opened:
            names = _there(opened.schema_arrow, alone.carried)
            for group in range(opened.num_row_groups):
                for table in _tables(opened, group, names, ROW_BATCH):
                    if table is None:
                        return ids, columns
                    ids += _spelled(table, ID)
                    for name, values in columns.items():
                        values += _spelled(table, name)
    except ReadFailed:
        raise
    except InvalidData:
        return ids, columns
    return ids, columns


def _tables(opened: pq.ParquetFile, group: int, names: list[str], step: int) -> Iterator[pa.Table | None]:
    """The rows of a row group, in pieces; None instead of what is damaged."""
    if not names:  # none of the columns is there: as many empty rows
        rows = opened.metadata.row_group(group).num_rows
        for start in range(0, rows, step):
            yield pa.table({"": pa.nulls(min(step, rows - start))})
        return
    try:
        for rows in opened.iter_batches(step, [group], names):
            yield pa.Table.from_batches([rows])
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        yield None


def _there(schema: pa.Schema, names: Sequence[str]) -> list[str]:
    """Those of the columns that are there, as they are called there."""
    found = (look_up(name, schema.names) for name in names)
    return list(dict.fromkeys(name for name in found if name is not None))


def _content(schema: pa.Schema, wanted: Wanted) -> str | None:
    """The column of the items; None for tables, and where there is none."""
    if wanted.kind == "table":
        return None
    names, fits = CONTENT[wanted.kind]
    for name in _there(schema, names):
        places = schema.get_all_field_indices(name)
        if len(places) == 1 and fits(schema.field(places[0]).type):
            return name
    return None


def batch_of(table: pa.Table, content: str | None, file: str, first: int, wanted: Wanted) -> Batch:
    """Rows as a batch; their items lie in the column `content`, or are the rows themselves.

    Args:
        table: the columns that are read, and no other.
        content: None for tables, and where there is no such column.
        file, first: the file, and the number of its first row here: for records without an id.
    """
    names = [name or row_name(file, first + row) for row, name in enumerate(_spelled(table, ID))]
    columns = {name: _spelled(table, name) for name in wanted.columns}
    items, unread = _items(table, content, wanted)
    return Batch(list(map(printable, names)), items, columns, unread)


def _items(table: pa.Table, content: str | None, wanted: Wanted) -> tuple[Items, dict[int, str]]:
    if wanted.kind == "table":
        return _called(table, wanted.cells), {}
    if content is None:
        why = f"there is no column of {wanted.kind} items"
        return nothing(len(table), wanted), dict.fromkeys(range(len(table)), why)
    written = table.column(content)
    column = pa.chunked_array(
        [arrow.plain(chunk) for chunk in written.chunks], arrow.plain_type(written.type)
    ).combine_chunks()
    match wanted.kind:
        case "image":
            return arrow.images(column), {}
        case "embedding":
            return vectors(column, wanted.dim)
        case _:
            return _texts(column)


def _called(table: pa.Table, names: Sequence[str]) -> pa.Table:
    """The columns of a table's items as the encoder calls them; as many empty rows where there are none."""
    there = table.schema.names
    own = [
        (name, place)
        for name in names
        for place in table.schema.get_all_field_indices(look_up(name, there) or name)
    ]
    if not own:
        return pa.table({"": pa.nulls(len(table))})
    return pa.Table.from_arrays([table.column(place) for _, place in own], [name for name, _ in own])


def _texts(column: pa.Array) -> tuple[list[str], dict[int, str]]:
    items: list[str] = []
    unread: dict[int, str] = {}
    for row, data in enumerate(column.cast(pa.large_binary()).to_pylist()):
        try:
            items.append((data or b"").decode())
        except UnicodeDecodeError:
            items.append("")
            unread[row] = "its text is not UTF-8"
    return items, unread


def vectors(column: pa.Array, dim: int) -> tuple[Items, dict[int, str]]:
    """Lists of numbers as (n, dim) float64; a row of another length is zero, and unread."""
    good = np.array(
        pc.fill_null(pc.equal(pc.list_value_length(column), dim), False).to_numpy(zero_copy_only=False)
    )
    X = np.zeros((len(column), dim))
    flat = column.filter(pa.array(good)).flatten()
    X[good] = (
        flat.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy(zero_copy_only=False).reshape(-1, dim)
    )
    return X, dict.fromkeys(np.flatnonzero(~good).tolist(), f"it does not have {dim} numbers")


def _spelled(table: pa.Table, name: str) -> list[str | None]:
    """A further column in canonical spelling; nothing where it is not there once, and where it holds no text or number."""
    places = table.schema.get_all_field_indices(look_up(name, table.schema.names) or name)
    if len(places) != 1:
        return [None] * len(table)
    found: list[str | None] = texts(table.column(places[0]), name)[0].to_pylist()
    return found
