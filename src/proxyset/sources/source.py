"""What a pool, and a private data set, is to the rest: named items that are read shard by shard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from numpy.typing import NDArray

Kind = Literal["image", "text", "table", "embedding"]
Items: TypeAlias = Sequence[Any] | NDArray[Any]

# Public columns of an item that are kept beside its id when the data has them (a label, where it came from,
# its terms).
KEPT_COLUMNS = ("label", "source", "uri", "licence")


@dataclass(frozen=True)
class Shard:
    """A part of a source that can be read by itself, in another process. Picklable and small.

    Attributes:
        number: 0, 1, 2 … in the order of the source.
        file: the file it lies in, relative to the source's path ("" for the path itself).
        start, stop: what the range means is the reader's affair: rows, bytes, files or row groups.
        first_row: items of the source before this shard, where ids are row numbers (0 elsewhere).
    """

    number: int
    file: str
    start: int
    stop: int
    first_row: int = 0


@dataclass(frozen=True)
class Batch:
    """Some items of one shard, in order.

    Attributes:
        ids: one string an item; unique in the source.
        items: images as the bytes of their file, texts as str, embeddings as an (n, d) array, rows as a
            pyarrow.Table.
        columns: further columns by name, one value (or None) an item: those of KEPT_COLUMNS that the data
            has, and whatever was asked for by name. Formats without a schema (JSONL, tar) have all of
            KEPT_COLUMNS, perhaps with nothing but None in them.
        unread: row → why it could not be read; its item is empty. Private data alone have such rows: a pool with one is
            refused.
        passed_over: what lay between these items and was not read → how often.
    """

    ids: list[str]
    items: Items
    columns: dict[str, list[str | None]] = field(default_factory=dict)
    unread: dict[int, str] = field(default_factory=dict)
    passed_over: dict[str, int] = field(default_factory=dict)


class Source(Protocol):
    """A pool or private data. Planning is cheap in memory (names and offsets); items are read streaming.

    A source is picklable. To read shards in other processes, call `shards()` first and send the source along
    with the
    shard: what planning found out (column types, say) travels with it and is not found out again.
    """

    @property
    def kind(self) -> Kind: ...

    @property
    def path(self) -> str: ...

    @property
    def files(self) -> tuple[str, ...]:
        """The files that hold it, relative to `path` ("" for the path itself)."""
        ...

    def shards(self) -> list[Shard]:
        """The shards, in order; the same data gives the same plan.

        Raises:
            InvalidData: there are no items.
        """
        ...

    def read(self, shard: Shard) -> Iterator[Batch]:
        """The items of a shard in order, in batches of bounded size."""
        ...


@runtime_checkable
class RandomAccess(Source, Protocol):
    """A source that reaches chosen items of a shard without reading the others."""

    def pick(self, shard: Shard, ids: Sequence[str]) -> Iterator[tuple[str, Any]]:
        """(id, item) for those of `ids` that are in the shard, in any order."""
        ...
