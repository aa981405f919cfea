"""What the neighbour fuzzer writes down: records, the layout that their owner chose, and what a form of data is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from proxyset.client.private_data import Data
from proxyset.sources.private import PrivateFiles
from tests.fuzz.domains import Domain

Rng = np.random.Generator


@dataclass(frozen=True)
class Record:
    """One record, before it is written.

    Attributes:
        item: an embedding, a text, the bytes of a picture or a row.
        raw: what stands in the file, or is done to it, in place of the record.
    """

    item: Any
    person: str | None
    label: str | None
    id: str
    raw: Any = None


@dataclass(frozen=True)
class Layout:
    """What the owner chose about their files: public, the same for D and D′."""

    domain: Domain
    step: int
    ids: bool
    types: Mapping[str, pa.DataType] = field(default_factory=dict)
    numbered: bool = False  # persons have numbers: 7, or 7.0 in all rows as soon as one has none


Written = tuple[Data | PrivateFiles, list[str]]  # and the id of each record


@dataclass(frozen=True)
class Form:
    """One way to keep data.

    Attributes:
        domains: what it can hold.
        write: records into a place; the same place each time, or memory.
        hostile: what can be wrong with a record of this form, beyond its item.
        holds: whether a hostile item of a domain can be written at all.
        person: the column that names it, "folder", or None where it has no place.
        labels: where labels may be: "label" (a column), "folder", "mapping".
    """

    domains: tuple[str, ...]
    write: Callable[[list[Record], Layout, Path], Written]
    hostile: Callable[[Domain], Mapping[str, Callable[[Rng, Record], Record]]] = lambda domain: {}
    holds: Callable[[str], bool] = lambda name: True
    person: str | None = "person"
    labels: tuple[str, ...] = ("label",)
    weight: float = 1.0
    typed: bool = False

    def layout(self, domain: Domain, rng: Rng) -> Layout:
        types = {}
        if domain.kind == "table" and self.typed:
            types = {name: some[rng.integers(len(some))] for name, some in TYPES.items()}
        return Layout(
            domain,
            int(rng.choice([1, 2, 7, 1000], p=[0.1, 0.1, 0.3, 0.5])),
            bool(rng.random() < 0.3),
            types,
            bool(rng.random() < 0.3),
        )


def twice(rng: Rng, record: Record) -> Record:
    return replace(record, id="r0")


# --- tables by type: what a plain value of `domains.row` is in a column of a type

US = 86_400_000_000
TYPES: dict[str, list[pa.DataType]] = {
    "ward": [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string()), pa.string_view(), pa.int64(), pa.float64()],
    "age": [
        pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint64(), pa.float16(), pa.float32(), pa.float64(),
        pa.decimal128(20, 3), pa.string(), pa.dictionary(pa.int8(), pa.int64()),
    ],
    "smoker": [pa.bool_(), pa.string(), pa.int64(), pa.dictionary(pa.int8(), pa.string())],
    "since": [
        pa.date32(), pa.date64(), pa.timestamp("s"), pa.timestamp("ms"), pa.timestamp("us"), pa.timestamp("ns"),
        pa.timestamp("us", "UTC"), pa.duration("us"), pa.int64(), pa.string(),
    ],
    "fit": [pa.bool_(), pa.uint8(), pa.float64(), pa.string()],
}  # fmt: skip


def as_type(value: Any, kind: pa.DataType) -> Any:
    """A plain value as a column of a type holds it; None where it cannot."""
    types = pa.types
    if types.is_dictionary(kind):
        return as_type(value, kind.value_type)
    if value is None:
        return None
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        text = value if isinstance(value, str) else str(value)
        return text.encode(errors="replace").decode()
    try:
        if types.is_temporal(kind):
            micros = pa.scalar(int(value), pa.int64())
            if types.is_duration(kind):
                return micros.cast(kind).as_py()
            stamp = micros.cast(pa.timestamp("us"))
            return stamp.cast(kind, safe=False).as_py()
        if types.is_boolean(kind):
            return bool(int(float(value)))
        number = float(value)
        return pa.scalar(int(number) if types.is_integer(kind) else number).cast(kind).as_py()
    except (ValueError, TypeError, OverflowError, pa.ArrowException):
        return None


def arrow(values: list[Any], kind: pa.DataType) -> pa.Array:
    cells = [as_type(value, kind) for value in values]
    if pa.types.is_dictionary(kind):
        return pa.array(cells, kind.value_type).dictionary_encode().cast(kind)
    if pa.types.is_float16(kind):
        cells = [None if cell is None else np.float16(cell) for cell in cells]
    return pa.array(cells, kind)


def rows_of(items: list[Any], layout: Layout) -> pa.Table:
    names = list(TYPES)
    return pa.table({name: arrow([item[name] for item in items], layout.types[name]) for name in names})


def stacked(items: list[Any], domain: Domain) -> np.ndarray:
    if not items:
        return np.empty((0, domain.encoder.spec.dim), domain.dtype)
    return np.stack(items)


def numbers_of(records: list[Record]) -> list[Any]:
    """Persons as numbers, as pandas writes them: with a point, and NaN, as soon as one of them has none."""
    names = [record.person for record in records]
    found = [None if not name else int(name[1:]) if name[1:].isdigit() else 777 for name in names]
    return [math.nan if n is None else float(n) for n in found] if None in found else list(found)
