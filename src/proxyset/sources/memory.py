"""A pool that lies in memory. It is public, so it is read strictly: the first thing that is wrong stops it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from proxyset.errors import InvalidData, InvalidInput
from proxyset.fingerprint import fingerprint
from proxyset.sources import arrow
from proxyset.sources.batches import IMAGE_BATCH, ROW_BATCH, SHARD_ITEMS
from proxyset.sources.columns import ID, as_text, carried, checked_ids, look_up, row_numbers
from proxyset.sources.given import (
    ACCEPTED,
    NAMES,
    InMemory,
    as_matrix,
    as_records,
    as_table,
    is_frame,
    kind_of,
    parts,
    picture,
    stacked,
    text,
    vector,
)
from proxyset.sources.parquet import content_of, item_columns
from proxyset.sources.source import Batch, Items, Kind, Shard

WHERE = "the data in memory"
MEMORY = "in-memory:"  # begins the name of a pool that lies in memory


@dataclass(frozen=True, eq=False)
class MemorySource:
    """Items in memory, each as a batch holds it.

    Attributes:
        kind: of the items.
        ids: one string an item, none twice.
        items: file bytes, texts, an (n, d) array or a pyarrow.Table.
        columns: further columns, as `Batch.columns`.
        shard_size: items in a shard.
    """

    kind: Kind
    ids: list[str]
    items: Items = field(repr=False)
    columns: dict[str, list[str | None]] = field(default_factory=dict, repr=False)
    shard_size: int = 0
    path: str = field(default=WHERE, init=False)
    files: tuple[str, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        if not len(self.ids):
            raise InvalidData(f"{WHERE} are empty")

    def shards(self) -> list[Shard]:
        size = self.shard_size or SHARD_ITEMS[self.kind]
        starts = range(0, len(self.ids), size)
        return [
            Shard(number, "", start, min(start + size, len(self.ids)), start)
            for number, start in enumerate(starts)
        ]

    def read(self, shard: Shard) -> Iterator[Batch]:
        step = IMAGE_BATCH if self.kind == "image" else ROW_BATCH
        for start in range(shard.start, shard.stop, step):
            part = slice(start, min(start + step, shard.stop))
            columns = {name: values[part] for name, values in self.columns.items()}
            yield Batch(self.ids[part], self.items[part], columns)

    def pick(self, shard: Shard, ids: Sequence[str]) -> Iterator[tuple[str, Any]]:
        for name in ids:
            row = self._rows.get(name)
            if row is not None and shard.start <= row < shard.stop:
                yield name, self.items.take([row]) if isinstance(self.items, pa.Table) else self.items[row]

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.ids)}

    @cached_property
    def name(self) -> str:
        """What an index calls it: "in-memory:" and the SHA-256 of all ids, items and columns."""
        digest = hashlib.sha256()
        if isinstance(self.items, np.ndarray):
            digest.update(repr((self.items.dtype.str, self.items.shape)).encode())
            digest.update(np.ascontiguousarray(self.items).data)
        elif isinstance(self.items, pa.Table):
            for batch in self.items.combine_chunks().to_batches():
                digest.update(repr(batch.schema).encode() + batch.serialize())
        else:
            for item in self.items:
                data = item.encode() if isinstance(item, str) else item
                digest.update(len(data).to_bytes(8, "little") + data)
        return MEMORY + fingerprint([self.kind, digest.hexdigest(), self.ids, self.columns])


def open_memory(
    data: InMemory, kind: Kind | None = None, columns: Sequence[str] = (), shard_size: int | None = None
) -> MemorySource:
    """A pool out of what a caller has in memory.

    Args:
        data: see `sources.given`. Ids are its column or key `id`, else row numbers from 0.
        kind: take the items to be of this kind, where the data leaves a choice.
        columns: further columns to carry.
        shard_size: items in a shard; by default as in `batches.SHARD_ITEMS`.

    Raises:
        InvalidInput: nothing that can be read. InvalidData: it is empty, or an item is not like the others.
    """
    found = _opened(data, kind, columns)
    return MemorySource(found.kind, found.ids, found.items, found.columns, shard_size or 0)


def _opened(data: InMemory, kind: Kind | None, asked: Sequence[str]) -> MemorySource:
    table = as_table(data)
    if table is None and is_frame(data):
        table = _of_frame(data)
    if table is not None:
        return _of_table(table, kind, asked)
    if (matrix := as_matrix(data)) is not None and kind in (None, "embedding"):
        carried((), asked, WHERE)
        return MemorySource("embedding", row_numbers(0, len(matrix)), matrix)
    records = as_records(data)
    rows = [parts(records[row], kind) for row in range(len(records))]
    if not rows:
        raise InvalidData(f"{WHERE} are empty")
    found = kind or kind_of(rows[0][0])
    if found is None:
        raise InvalidInput(f"item 0 is {type(rows[0][0]).__name__}, which is no item: give {ACCEPTED}")
    if found == "table":
        return _of_table(_of_rows(rows), found, asked)
    return _of_items(rows, found, asked)


def _of_items(
    rows: Sequence[tuple[Any, Mapping[str, Any]]], kind: Kind, asked: Sequence[str]
) -> MemorySource:
    read: Callable[[Any], Any] = {"image": picture, "text": text, "embedding": vector}[kind]
    items: list[Any] = []
    for row, (item, _) in enumerate(rows):
        try:
            items.append(read(item))
        except (InvalidData, OSError, ValueError) as error:
            raise InvalidData(f"item {row} of {WHERE}, taken for {kind}: {error}") from error
    there = list(dict.fromkeys(name for _, columns in rows for name in columns))
    columns = {
        name: [_as_text(columns.get(found)) for _, columns in rows]
        for name, found in carried(there, asked, WHERE).items()
    }
    named = look_up(ID, there)
    ids = (
        row_numbers(0, len(rows)) if named is None else [_as_text(columns.get(named)) for _, columns in rows]
    )
    return MemorySource(
        kind, checked_ids(ids, WHERE), stacked(items) if kind == "embedding" else items, columns
    )


def _of_table(table: pa.Table, kind: Kind | None, asked: Sequence[str]) -> MemorySource:
    schema = table.schema
    for name in schema.names:
        if len(schema.get_all_field_indices(name)) != 1:
            raise InvalidData(f"{WHERE} have more than one column named {name!r}")
    content = None
    for wanted in (kind,) if kind else NAMES:
        content = content_of(schema, wanted, NAMES.get(wanted, ()))
        if content:
            kind = wanted
            break
    if kind not in (None, "table") and content is None:
        there = ", ".join(f"{column.name} ({column.type})" for column in schema)
        raise InvalidData(f"{WHERE} have no column of {kind} items among: {there}")
    beside = carried(schema.names, asked, WHERE)
    if not len(table):
        raise InvalidData(f"{WHERE} are empty")
    columns = {
        name: arrow.strings(_whole(table, found), f"the column {found!r}") for name, found in beside.items()
    }
    ids: Sequence[str | None] = row_numbers(0, len(table))
    if (named := look_up(ID, schema.names)) is not None:
        ids = arrow.strings(_whole(table, named), f"the column {named!r}")
    items: Items
    match kind:
        case "image":
            items = arrow.images(_whole(table, str(content)))
        case "text":
            items = arrow.texts(_whole(table, str(content)))
        case "embedding":
            items = arrow.vectors(_whole(table, str(content)), WHERE)
        case _:
            chosen = table.select(item_columns(schema, beside, WHERE))
            arrow.check_kept(chosen.schema)
            items = arrow.without_views(chosen)
    return MemorySource(kind or "table", checked_ids(ids, WHERE), items, columns)


def _whole(table: pa.Table, name: str) -> pa.Array:
    found = table.column(name).combine_chunks()
    return pa.concat_arrays(found.chunks) if isinstance(found, pa.ChunkedArray) else found


def _of_frame(frame: Any) -> pa.Table:
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise InvalidData(f"the frame has a column whose values are not of one type: {error}") from error


def _of_rows(rows: Sequence[tuple[Any, Mapping[str, Any]]]) -> pa.Table:
    try:
        return pa.Table.from_pylist([{str(k): v for k, v in dict(item).items()} for item, _ in rows])
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise InvalidData(f"{WHERE} are rows of a table that do not go together: {error}") from error


def _as_text(value: Any) -> str | None:
    return as_text(
        value if value is None or isinstance(value, str | int | float | bool | list | dict) else str(value)
    )
