"""What is read of private records, and batches of those that are read one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from proxyset.encoders.cells import canonical
from proxyset.sources import batches
from proxyset.sources.columns import ID, look_up
from proxyset.sources.source import Batch, Items, Kind

# What an item is called and where it is from is no feature, on the pool's side too (`columns.carried`).
_NAMES = (ID, "label", "source", "uri", "url", "image_path", "licence", "license")


@dataclass(frozen=True)
class Wanted:
    """What is read of each record, as the question's encoder and the owner say.

    Attributes:
        kind: of the items.
        dim: numbers in an embedding.
        features: the columns of a table that the encoder takes.
        columns: further columns, by their own names: of the person, of the label.
    """

    kind: Kind
    dim: int = 0
    features: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    @property
    def cells(self) -> tuple[str, ...]:
        """The columns of a table's items: a name, a person or a label is none, whoever asks for it."""
        others = {*_NAMES, *self.columns} | {name.casefold() for name in self.columns}
        return tuple(name for name in self.features if not others & {name, name.casefold()})

    @property
    def carried(self) -> tuple[str, ...]:
        """All other columns that are read."""
        return tuple(dict.fromkeys((ID, *self.columns)))


class Record(NamedTuple):
    """One record: its name, its item or why there is none, and its further columns."""

    name: str
    item: Any
    columns: Mapping[str, str | None] = {}
    unread: str | None = None


def row_name(file: str, row: int) -> str:
    """What a record without an id is called: the number of the row, after the file's name in a folder."""
    return f"{file}#{row}" if file else str(row)


def printable(name: str) -> str:
    """A name as it can be shown."""
    return name.encode("utf-8", "backslashreplace").decode()


def gathered(
    records: Iterable[Record], wanted: Wanted, most: int, passed: Counter[str] | None = None
) -> Iterator[Batch]:
    """Records in batches of at most `most`, or of BATCH_BYTES; what was `passed` over so far goes with each."""
    passed = Counter() if passed is None else passed
    for some in batches.gathered(records, most, lambda record: len(record.item)):
        yield _batch(some, wanted, passed)


def _batch(found: Sequence[Record], wanted: Wanted, passed: Counter[str]) -> Batch:
    items: Items = [record.item for record in found]
    columns = {name: [record.columns.get(name) for record in found] for name in wanted.columns}
    unread = {row: record.unread for row, record in enumerate(found) if record.unread is not None}
    so_far = dict(passed)
    passed.clear()
    return Batch([printable(record.name) for record in found], items, columns, unread, so_far)


def nothing(count: int, wanted: Wanted) -> Items:
    """The items of records that cannot be read."""
    empty: dict[Kind, Any] = {
        "image": [b""] * count,
        "text": [""] * count,
        "table": pa.table({"": pa.nulls(count)}),
    }
    items: Items = empty[wanted.kind] if wanted.kind in empty else np.zeros((count, wanted.dim))
    return items


def lost(file: str, row: int, wanted: Wanted, why: str) -> Batch:
    """One record in the place of all that cannot be read of a file."""
    columns: dict[str, list[str | None]] = {name: [None] for name in wanted.columns}
    return Batch([printable(row_name(file, row))], nothing(1, wanted), columns, {0: why})


def spelled(values: Mapping[str, Any], wanted: Wanted) -> dict[str, str | None]:
    """The further columns of a record that is a mapping, in canonical spelling."""
    return {name: canonical(cell(values, name)) for name in wanted.columns}


def cell(values: Mapping[str, Any], name: str) -> Any:
    """What a record that is a mapping has under a name (`columns.look_up`); None if nothing."""
    there = look_up(name, values)
    return None if there is None else values[there]
