"""Private records in memory, whatever holds them. Reading is total: what one record is, or raises, is its own affair."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from proxyset.encoders.cells import canonical
from proxyset.errors import InvalidData, InvalidInput
from proxyset.sources.batches import IMAGE_BATCH, ROW_BATCH
from proxyset.sources.columns import ID, look_up
from proxyset.sources.given import (
    NAMES,
    InMemory,
    Records,
    as_matrix,
    as_records,
    as_table,
    is_frame,
    parts,
    picture,
    text,
    vector,
)
from proxyset.sources.parquet import content_of
from proxyset.sources.private.parquet import batch_of
from proxyset.sources.private.records import Record, Wanted, cell, nothing, printable
from proxyset.sources.source import Batch, Items, Kind

_READ: dict[Kind, Callable[[Any], Any]] = {"image": picture, "text": text, "embedding": vector}


@dataclass(frozen=True)
class PrivateMemory:
    """Records in memory.

    Attributes:
        data: a matrix, an Arrow table, a pandas frame or records (`sources.given`).
        wanted: what is read of each record.

    Sensitivity:
        What is read of a record depends on that record and on the form of the data: that they are an array and of which type and
        width, which columns a table or frame has and of which types.
    Unit:
        One record.
    Guarantee:
        No record raises.
    Assumes:
        The form is the owner's, not a record's: no type of a column was guessed from the records (`pandas.read_csv` does that,
        unless it is told `dtype=str`). `data[row]` does what it does for that row alone.
    """

    data: Any
    wanted: Wanted

    @property
    def kind(self) -> Kind:
        return self.wanted.kind

    def batches(self) -> Iterator[Batch]:
        """All records, in order."""
        of = self._of_records
        if isinstance(self.data, np.ndarray) and self.data.ndim == 2:
            of = self._of_matrix
        elif isinstance(self.data, pa.Table):
            of = self._of_table
        elif is_frame(self.data) and self.kind == "table":
            of = self._of_frame
        step = IMAGE_BATCH if self.kind == "image" else ROW_BATCH
        for start in range(0, len(self.data), step):
            yield of(start, min(start + step, len(self.data)))

    def _of_matrix(self, start: int, stop: int) -> Batch:
        return Batch([str(row) for row in range(start, stop)], self.data[start:stop])

    def _of_table(self, start: int, stop: int) -> Batch:
        names = NAMES.get(self.kind, ())
        content = content_of(self.data.schema, self.kind, names)
        table = _of_columns(self.data, {content} if content else {*self.wanted.cells}, self.wanted)
        return batch_of(table.slice(start, stop - start), content, "", start, self.wanted)

    def _of_frame(self, start: int, stop: int) -> Batch:
        frame, names, arrays = self.data.iloc[start:stop], list[str](), list[pa.Array]()
        unread: dict[int, str] = {}
        there = list(map(str, frame.columns))
        cells, beside = (
            {look_up(name, there) for name in some} for some in (self.wanted.cells, self.wanted.carried)
        )
        for place, name in enumerate(there):
            if name in cells | beside:
                array, problems = _column(frame.iloc[:, place])
                names.append(name)
                arrays.append(array)
                unread |= problems if name in cells else {}
        table = pa.Table.from_arrays(arrays, names) if arrays else pa.table({"": pa.nulls(stop - start)})
        batch = batch_of(table, None, "", start, self.wanted)
        return Batch(batch.ids, batch.items, batch.columns, batch.unread | unread)

    def _of_records(self, start: int, stop: int) -> Batch:
        columns = _columns(self.data) if is_frame(self.data) else None
        found = [self._record(row, columns) for row in range(start, stop)]
        unread = {row: record.unread for row, record in enumerate(found) if record.unread is not None}
        beside = {name: [record.columns.get(name) for record in found] for name in self.wanted.columns}
        return Batch([record.name for record in found], self._together(found), beside, unread)

    def _record(self, row: int, columns: Mapping[str, Any] | None) -> Record:
        name, beside = str(row), dict[str, str | None]()
        try:
            record = (
                self.data[row] if columns is None else {key: values[row] for key, values in columns.items()}
            )
            item, others = parts(record, self.kind)
            beside = {column: _spelled(cell(others, column)) for column in self.wanted.columns}
            name = printable(_spelled(cell(others, ID)) or name)
            return Record(name, self._item(item, others), beside)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a stranger's data set: whatever it raises is about this record
            return Record(name, self._nothing(), beside, f"{type(error).__name__}: {str(error)[:200]}")

    def _item(self, item: Any, others: Mapping[str, Any]) -> Any:
        if self.kind == "table":
            if not isinstance(item, Mapping):
                raise InvalidData(f"it is no row of a table but {type(item).__name__}")
            return {name: _cell(cell(others, name)) for name in self.wanted.cells}
        found = _READ[self.kind](item)
        if self.kind != "embedding":
            return found
        if len(found) != self.wanted.dim:
            raise InvalidData(f"it does not have {self.wanted.dim} numbers")
        return found.astype(np.float64)

    def _nothing(self) -> Any:
        return {} if self.kind == "table" else nothing(1, self.wanted)[0]

    def _together(self, found: list[Record]) -> Items:
        items: list[Any] = [record.item for record in found]
        if self.kind == "embedding":
            return np.stack(items)
        if self.kind != "table":
            return items
        columns = {
            name: pa.array([item.get(name) for item in items], pa.large_string())
            for name in self.wanted.cells
        }
        table: Items = pa.table(columns or {"": pa.nulls(len(items))})
        return table


def open_private_memory(data: InMemory, wanted: Wanted) -> PrivateMemory:
    """Private data of one kind that lie in memory; there may be none.

    Raises:
        InvalidInput: what can hold no records of this kind. InvalidData: an array of another width, or a table or frame without the
            columns that are asked for. No record decides that.
    """
    table = as_table(data)
    if table is not None or is_frame(data):
        names = table.schema.names if table is not None else list(_columns(data))
        _check_columns(names, wanted)
        return PrivateMemory(data if table is None else table, wanted)
    matrix = as_matrix(data)
    if matrix is None:
        shape = tuple(getattr(data, "shape", ()))
        if len(shape) > 2 and wanted.kind != "image":
            raise InvalidInput(
                f"the question's encoder takes {wanted.kind} items; an array of shape {shape} holds pictures: make it (n, d)"
            )
        return PrivateMemory(as_records(data), wanted)
    if wanted.kind != "embedding":
        raise InvalidInput(
            f"the question's encoder takes {wanted.kind} items; an array of shape (n, d) holds embedding items"
        )
    if len(matrix) and matrix.shape[1] != wanted.dim:
        raise InvalidData(
            f"the array has the shape {matrix.shape}; the question's encoder takes (n, {wanted.dim})"
        )
    if wanted.columns:
        raise InvalidData(
            f"an array has no column {wanted.columns[0]!r}: give a data frame, or an Arrow table, that has one"
        )
    return PrivateMemory(matrix, wanted)


def _of_columns(table: pa.Table, items: Set[str], wanted: Wanted) -> pa.Table:
    """The columns that are read: a name, a person or a label is no feature, whoever asks for it."""
    read = {look_up(name, table.schema.names) for name in (*items, *wanted.carried)}
    places = [place for place, name in enumerate(table.schema.names) if name in read]
    return table.select(places) if places else pa.table({"": pa.nulls(len(table))})


def _check_columns(names: list[str], wanted: Wanted) -> None:
    needed = list(dict.fromkeys((*wanted.features, *wanted.columns)))
    if names and (missing := [name for name in needed if look_up(name, names) is None]):
        raise InvalidData(
            f"the data have no column {', '.join(map(repr, missing[:10]))}; their columns are: {', '.join(names[:50])}"
        )
    some = NAMES.get(wanted.kind)
    if names and some and all(look_up(name, names) is None for name in some):
        raise InvalidData(
            f"the data have no column of {wanted.kind} items: it is called one of {', '.join(some)}; their columns are: "
            f"{', '.join(names[:50])}"
        )


def _columns(frame: Any) -> dict[str, Records]:
    """The columns of a frame by name; of equal names the first."""
    places: dict[str, int] = {}
    for place, name in enumerate(frame.columns):
        places.setdefault(str(name), place)
    return {name: frame.iloc[:, place].array for name, place in places.items()}


def _column(column: Any) -> tuple[pa.Array, dict[int, str]]:
    """A column of a frame, and row → why its cell is none: numbers and times in their own type, all else as `_cell`."""
    dtype = column.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "iufbMm":
        values = column.to_numpy()
        return pa.array(values.astype(np.float64) if dtype == np.longdouble else values), {}
    cells: list[str | None] = []
    problems: dict[int, str] = {}
    for row, value in enumerate(column):
        try:
            cells.append(_cell(value))
        except (InvalidData, ValueError) as error:
            cells.append(None)
            problems[row] = str(error)[:200]
    return pa.array(cells, pa.large_string()), problems


def _cell(value: Any) -> str | None:
    """A cell as text that both `cells.number` and `cells.canonical` read; None where there is no value.

    Raises:
        InvalidData, ValueError: it is no number, text or time, or is too long, or not UTF-8.
    """
    if isinstance(value, np.timedelta64):
        value = value.astype("m8[us]").item()
    elif isinstance(value, np.datetime64):
        value = str(value)
    elif isinstance(value, np.generic):
        value = value.item()
    if value is None or type(value).__name__ in ("NAType", "NaTType") or value == "NaT":
        return None
    if isinstance(value, datetime.timedelta):
        value = value // datetime.timedelta(microseconds=1)
    elif isinstance(value, datetime.date | datetime.time):
        value = value.isoformat()
    elif isinstance(value, uuid.UUID):
        value = str(value)
    if not isinstance(value, str | int | float | Decimal):
        raise InvalidData(f"a cell is {type(value).__name__}, which is neither a number nor a text")
    found = canonical(value)
    if found is not None:
        found.encode()
    return found


def _spelled(value: Any) -> str | None:
    """A person, a label or an id in canonical spelling; None for what is none of them."""
    try:
        return _cell(value)
    except (InvalidData, ValueError):
        return None
