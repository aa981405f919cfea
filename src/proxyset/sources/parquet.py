"""Parquet files with a column of images, texts or embeddings, or as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import pyarrow as pa

from proxyset.encoders.columns import column_kind
from proxyset.errors import InvalidData
from proxyset.sources import arrow
from proxyset.sources.batches import IMAGE_BATCH, ROW_BATCH, SHARD_ITEMS, rows_for
from proxyset.sources.columns import ID, TEXT_COLUMNS, carried, features, look_up
from proxyset.sources.files import Place, locate_any
from proxyset.sources.parquet_rows import beside, open_parquet, schema_of
from proxyset.sources.source import Batch, Items, Kind, Shard

KIND = b"proxyset.kind"  # metadata of an export: what its items are, whatever columns a table has

# Which columns may hold the items, in order of preference, and of which types.
CONTENT: dict[Kind, tuple[tuple[str, ...], Callable[[pa.DataType], bool]]] = {
    "image": (("image", "jpg", "jpeg", "png", "webp", "bytes"), arrow.is_bytes),
    "text": (TEXT_COLUMNS, arrow.is_text),
    "embedding": (("embedding", "emb"), arrow.is_vectors),
}


@dataclass(frozen=True)
class Parquet:
    """Rows of Parquet files, cut into shards between row groups.

    Items are those of the column "image" (or "jpg", "png", "bytes": bytes, or a struct that has `bytes`),
    else of "text" (or "caption"), else of "embedding" (or "emb": lists of numbers), else the rows as tables.
    A table has all columns but the id, the kept ones and those asked for, in their own types.

    Args:
        path: a Parquet file or a folder of them.
        files: the files, relative to `path`, with the same columns.
        columns: further columns to carry.
        shard_size: rows in a shard at least, if the file has them (None: SHARD_ITEMS of the kind); shards end
            where row groups end.
        wanted: take the items to be of this kind; None looks for a column in the order above.

    Raises:
        InvalidData: a file is damaged, the files differ, there are no rows, no column for the wanted kind, or
            a column was asked for that is not there.
    """

    path: str
    files: tuple[str, ...] = field(repr=False)
    columns: tuple[str, ...] = ()
    shard_size: int | None = None
    wanted: Kind | None = None

    def __post_init__(self) -> None:
        self.shards()

    @cached_property
    def kind(self) -> Kind:
        if self.wanted and self.wanted != "table" and self._content_of(self.wanted) is None:
            names, _ = CONTENT[self.wanted]
            raise InvalidData(
                f"{self.path} has no {self.wanted} column; looked for {', '.join(names)} of a "
                f"fitting type among: {', '.join(f'{field.name} ({field.type})' for field in self._schema)}"
            )
        if self.wanted:
            return self.wanted
        if (self._schema.metadata or {}).get(KIND) == b"table":
            return "table"
        return next((kind for kind in CONTENT if self._content_of(kind)), "table")

    def shards(self) -> list[Shard]:
        found: list[Shard] = []
        before, size = 0, self.shard_size or SHARD_ITEMS[self.kind]
        for file, groups in self._row_groups.items():
            start = rows = 0
            for number, length in enumerate(groups, 1):
                rows += length
                if rows >= size or (rows and number == len(groups)):
                    found.append(Shard(len(found), file, start, number, before))
                    before += rows
                    start, rows = number, 0
        return found

    def read(self, shard: Shard) -> Iterator[Batch]:
        path = locate_any(self.path, shard.file)
        first = shard.first_row
        with open_parquet(path) as file:
            groups = [file.metadata.row_group(group) for group in range(file.num_row_groups)]
            if [group.num_rows for group in groups] != self._row_groups[shard.file]:
                raise InvalidData(f"{path} has changed since it was planned: it has other row groups")
            ours = groups[shard.start : shard.stop]
            row_bytes = sum(group.total_byte_size for group in ours) / sum(group.num_rows for group in ours)
            step = rows_for(row_bytes, IMAGE_BATCH if self.kind == "image" else ROW_BATCH)
            own = {look_up(name, file.schema_arrow.names): name for name in self._used}
            for rows in file.iter_batches(step, list(range(shard.start, shard.stop)), list(own)):
                rows = rows.rename_columns([own[name] for name in rows.schema.names])
                yield beside(rows, self._items(rows, path), self._carried, self._id, first, path)
                first += rows.num_rows

    def _items(self, rows: pa.RecordBatch, path: Place) -> Items:
        match self.kind:
            case "image":
                return arrow.images(rows.column(self._content))
            case "text":
                return arrow.texts(rows.column(self._content))
            case "embedding":
                return arrow.vectors(rows.column(self._content), str(path))
            case "table":
                table: Items = arrow.without_views(pa.Table.from_batches([rows]).select(self._features))
                return table

    @cached_property
    def _schema(self) -> pa.Schema:
        return schema_of(locate_any(self.path, self.files[0]))

    def _content_of(self, kind: Kind) -> str | None:
        return content_of(self._schema, kind, CONTENT[kind][0])

    @cached_property
    def _content(self) -> str | None:
        return None if self.kind == "table" else self._content_of(self.kind)

    @cached_property
    def _carried(self) -> dict[str, str]:
        return carried(self._schema.names, self.columns, self.path)

    @cached_property
    def _features(self) -> list[str]:
        """The columns of a table's items."""
        return item_columns(self._schema, self._carried, self.path)

    @cached_property
    def _used(self) -> list[str]:
        items = [self._content] if self._content else self._features
        return list(dict.fromkeys((*items, *self._carried.values(), *([self._id] if self._id else []))))

    @cached_property
    def _id(self) -> str | None:
        return look_up(ID, self._schema.names)

    @cached_property
    def _row_groups(self) -> dict[str, list[int]]:
        """Rows of every row group of every file, after a look at whether the files go together."""
        found: dict[str, list[int]] = {}
        for name in self.files:
            path = locate_any(self.path, name)
            with open_parquet(path) as file:
                self._check(path, file.schema_arrow)
                found[name] = [
                    file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)
                ]
        if not any(map(any, found.values())):
            raise InvalidData(f"{self.path} is empty: {len(found)} Parquet files without a row")
        return found

    def _check(self, path: Place, schema: pa.Schema) -> None:
        for name in self._used:
            places = schema.get_all_field_indices(look_up(name, schema.names) or name)
            if len(places) != 1:
                raise InvalidData(
                    f"{path} has {len(places)} columns named {name!r}, not one; rename or move the file"
                )
            kind = schema.field(places[0]).type
            if not self._fits(name, kind):
                first = self._schema.field(name).type
                raise InvalidData(f"{path}: the column {name!r} is {kind}, in {self.files[0]} it is {first}")

    def _fits(self, name: str, kind: pa.DataType) -> bool:
        """Whether a column of another file can be read as that of the first."""
        if self.kind == "table":
            known = column_kind(self._schema.field(name).type)
            return name not in self._features or {known, column_kind(kind)} in ({known}, {known, "empty"})
        return name != self._content or CONTENT[self.kind][1](kind)


def content_of(schema: pa.Schema, kind: Kind, names: Sequence[str]) -> str | None:
    """The first of these columns that can hold items of this kind, as the schema calls it."""
    if kind not in CONTENT:
        return None
    types = {field.name: field.type for field in schema}
    there = (look_up(name, schema.names) for name in names)
    return next((name for name in there if name is not None and CONTENT[kind][1](types[name])), None)


def item_columns(schema: pa.Schema, beside: Mapping[str, str], where: str) -> list[str]:
    """The columns of a table's items: all but those `beside` them.

    Raises:
        InvalidData: none of them has numbers, times or texts.
    """
    found = features(schema.names, beside)
    if not any(column_kind(schema.field(name).type) != "other" for name in found):
        raise InvalidData(
            f"{where} has no columns of numbers, times or texts to make features of: only "
            f"{', '.join(f'{column.name} ({column.type})' for column in schema)}"
        )
    return found
